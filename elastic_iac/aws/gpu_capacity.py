"""How a pool's capacity is bought and counted: types and their weights, spot, reservations; and the hook that puts it in service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pulumi

from elastic_iac.aws import group as groups
from elastic_iac.aws.capacity_block import RESERVATION_ID, Block
from elastic_iac.aws.gpu_args import AwsGpuInstanceType, AwsGpuPoolArgs, AwsGpuReservation, AwsReadyHook, AwsSpot
from elastic_iac.aws.gpu_families import GpuType, gpu_type
from elastic_iac.validation import (
    ARN,
    PERCENT,
    SIZE,
    Check,
    boolean,
    checked,
    checked_list,
    one_of,
    plain_list,
    refuse_unknown,
    whole,
)
from elastic_iac.workload import LIFECYCLE_HOOK
from forecasting.errors import SettingsError

DEFAULT_LEAD_TIME_SECONDS = 600


def settle_types(given: Sequence[AwsGpuInstanceType]) -> tuple[GpuType, ...]:
    """Check the instance types against the table.

    Raises:
        SettingsError: none, too many, an unknown one or one twice.
    """
    items = plain_list("instance_types", given)
    if not 1 <= len(items) <= 40:
        raise SettingsError("instance_types", f"{len(items)} types", "1 to 40 GPU instance types")
    types: list[GpuType] = []
    for index, item in enumerate(items):
        refuse_unknown(f"instance_types[{index}]", item, AwsGpuInstanceType)
        found = gpu_type(f"instance_types[{index}].instance_type", item["instance_type"])
        if found in types:
            raise SettingsError(f"instance_types[{index}].instance_type", found.name, "a type that is not there yet")
        types.append(found)
    return tuple(types)


def settle_weights(args: AwsGpuPoolArgs, types: Sequence[GpuType], gpus_per_replica: int) -> list[pulumi.Output[int]]:
    """Replicas that an instance of each type counts for.

    Raises:
        SettingsError: a wrong literal, or a weight that is missing for one type.
    """
    given = [item.get("weight") for item in args["instance_types"]]
    if None in given and any(weight is not None for weight in given):
        missing = given.index(None)
        raise SettingsError(f"instance_types[{missing}].weight", None, "a weight, or none on any type")
    for index, item in enumerate(types):
        if item.gpus < gpus_per_replica:
            expected = f"a type with {gpus_per_replica} GPUs or more: workload.gpus_per_replica"
            raise SettingsError(f"instance_types[{index}].instance_type", item.name, expected)
    if None not in given:
        checks = [_replicas(item, gpus_per_replica) if "workload" in args else whole(1, 999) for item in types]
        return [
            checked(f"instance_types[{index}].weight", weight, check)
            for index, (weight, check) in enumerate(zip(given, checks, strict=True))
        ]
    replicas = [item.gpus // gpus_per_replica for item in types]
    if "warm_pool" in args and len(set(replicas)) > 1:
        other = next(index for index, count in enumerate(replicas) if count != replicas[0])
        expected = f"a type that runs {replicas[0]} replicas as the first one does: a warm pool counts instances, which must be alike"
        raise SettingsError(f"instance_types[{other}].instance_type", types[other].name, expected)
    return [pulumi.Output.from_input(count) for count in replicas]


def _replicas(item: GpuType, gpus_per_replica: int) -> Check[int]:
    """The weight of a type whose replicas the workload has counted already."""
    replicas = item.gpus // gpus_per_replica

    def check(field: str, value: object) -> int:
        weight = whole(1, 999)(field, value)
        if weight != replicas:
            expected = f"{replicas}, or none on any type: a {item.name} has {item.gpus} GPUs, workload.gpus_per_replica is {gpus_per_replica}"
            raise SettingsError(field, weight, expected)
        return weight

    return check


def mixed_instances(
    spot: AwsSpot | None, types: Sequence[GpuType], weights: Sequence[pulumi.Output[int]] | None
) -> dict[str, Any]:
    """The types as a group's `mixed_instances`, each with its weight if any, and how on demand and spot share them.

    Raises:
        SettingsError: a wrong literal of `spot`.
    """
    named: list[dict[str, Any]] = [{"instance_type": item.name} for item in types]
    if weights is not None:
        named = [item | {"weight": weight} for item, weight in zip(named, weights, strict=True)]
    mixed: dict[str, Any] = {"instance_types": named}
    if spot is None:
        return mixed
    refuse_unknown("spot", spot, AwsSpot)
    percent = spot.get("on_demand_percent_above_base", 0)
    strategy = spot.get("spot_allocation_strategy", "price-capacity-optimized")
    return mixed | {
        "on_demand_base_capacity": checked("spot.on_demand_base_capacity", spot["on_demand_base_capacity"], SIZE),
        "on_demand_percent_above_base": checked("spot.on_demand_percent_above_base", percent, PERCENT),
        "spot_allocation_strategy": checked("spot.spot_allocation_strategy", strategy, groups.SPOT_STRATEGY),
    }


def settle_reservation(
    args: AwsGpuPoolArgs, blocks: Sequence[Block], deployed: datetime
) -> groups.CapacityReservation | None:
    """Check what reserved capacity the group launches into: the Blocks' own, or what the user names.

    Raises:
        SettingsError: the first wrong literal, or a reservation beside spot that lets nothing else launch.
    """
    if blocks:
        # One that is over may be gone; the newest stays, so that there is one.
        ahead = [block for block in blocks if not block.is_over(deployed)] or [blocks[-1]]
        return groups.CapacityReservation("capacity-reservations-only", [block.reservation_id for block in ahead], [])
    given = args.get("reservation")
    if given is None:
        return None
    refuse_unknown("reservation", given, AwsGpuReservation)
    preference = one_of("capacity-reservations-first", "capacity-reservations-only")(
        "reservation.preference", given["preference"]
    )
    if preference == "capacity-reservations-only" and "spot" in args:
        raise SettingsError(
            "reservation.preference",
            preference,
            "'capacity-reservations-first' beside spot, which no reservation holds",
        )
    ids, arns = given.get("capacity_reservation_ids", []), given.get("resource_group_arns", [])
    settled = groups.CapacityReservation(
        preference,
        checked_list("reservation.capacity_reservation_ids", ids, RESERVATION_ID),
        checked_list("reservation.resource_group_arns", arns, ARN),
    )
    if not (settled.ids or settled.resource_group_arns):
        raise SettingsError("reservation.capacity_reservation_ids", [], "one or more, or resource_group_arns")
    return settled


def settle_hook(args: AwsGpuPoolArgs) -> groups.Hook | None:
    """Check the launch hook; None where there is none.

    Raises:
        SettingsError: the first wrong literal.
    """
    given = args.get("ready_hook", {"enabled": "workload" in args})
    refuse_unknown("ready_hook", given, AwsReadyHook)
    if not boolean("ready_hook.enabled", given["enabled"]):
        return None
    if "training" in args:
        raise SettingsError(
            "ready_hook.enabled", True, "false beside training: a node is in service as soon as it runs"
        )
    lead_time = args["forecast"].get("lead_time_seconds") if "forecast" in args else None
    seconds = pulumi.Output.from_input(DEFAULT_LEAD_TIME_SECONDS if lead_time is None else lead_time)
    timeout = given.get("timeout_seconds")
    return groups.Hook(
        name=LIFECYCLE_HOOK,
        timeout_seconds=seconds.apply(lambda lead: max(30, min(7200, int(2 * lead + 300))))
        if timeout is None
        else checked("ready_hook.timeout_seconds", timeout, whole(30, 7200)),
        default_result=checked(
            "ready_hook.default_result", given.get("default_result", "ABANDON"), one_of("ABANDON", "CONTINUE")
        ),
    )
