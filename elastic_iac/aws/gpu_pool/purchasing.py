"""How a pool's capacity is bought and counted: types and their weights, spot, reservations; and the hook that puts it in service."""

from collections.abc import Sequence
from datetime import datetime

from elastic_iac.aws import group as groups
from elastic_iac.aws.gpu_pool.capacity_block import Block
from elastic_iac.aws.gpu_pool.instance_types import GpuType, gpu_type
from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.aws_gpu_pool import AwsGpuPoolArgs, AwsReadyHook
from elastic_iac.common.schema.base import Value
from elastic_iac.common.validation import Check, whole
from elastic_iac.workload import LIFECYCLE_HOOK
from forecasting.errors import SettingsError

LEAD_TIME_SECONDS = 600


def lead_time_of(args: AwsGpuPoolArgs) -> Value[float]:
    """The lead time of the forecast, or the default without one."""
    return LEAD_TIME_SECONDS if args.forecast is None else args.forecast.lead_time_seconds


def configure_types(args: AwsGpuPoolArgs, problems: Problems) -> tuple[GpuType, ...]:
    """The instance types as the table has them; none, too many, an unknown one or one twice is refused."""
    given = args.instance_types
    if not 1 <= len(given) <= 40:
        problems.refuse("instance_types", f"{len(given)} types", "1 to 40 GPU instance types")
    types: list[GpuType] = []
    for index, item in enumerate(given):
        with problems.collect():
            found = gpu_type(f"instance_types[{index}].instance_type", item.instance_type)
            if found in types:
                expected = "a type that is not there yet"
                problems.refuse(f"instance_types[{index}].instance_type", found.name, expected)
            types.append(found)
    return tuple(types)


def configure_weights(
    args: AwsGpuPoolArgs, types: Sequence[GpuType], gpus_per_replica: int, problems: Problems
) -> list[Value[int]]:
    """Replicas that an instance of each type counts for."""
    given = [item.weight for item in args.instance_types]
    if None in given and any(weight is not None for weight in given):
        expected = "a weight, or none on any type"
        problems.refuse(f"instance_types[{given.index(None)}].weight", None, expected)
    for index, item in enumerate(types):
        if item.gpus < gpus_per_replica:
            expected = f"a type with {gpus_per_replica} GPUs or more: workload.gpus_per_replica"
            problems.refuse(f"instance_types[{index}].instance_type", item.name, expected)
    replicas = [max(1, item.gpus // gpus_per_replica) for item in types]
    if args.warm_pool is not None and len(set(replicas)) > 1:
        other = next(index for index, count in enumerate(replicas) if count != replicas[0])
        expected = f"a type that runs {replicas[0]} replicas as the first one does: a warm pool counts instances, which must be alike"
        problems.refuse(f"instance_types[{other}].instance_type", types[other].name, expected)
    weights: list[Value[int]] = []
    for index, (weight, item) in enumerate(zip(given, types, strict=True)):
        if weight is None:
            weights.append(replicas[index])
        elif args.workload is None:
            weights.append(weight)
        else:
            check = _replicas(item, gpus_per_replica)
            weights.append(problems.verified(f"instance_types[{index}].weight", weight, check))
    return weights


def _replicas(item: GpuType, gpus_per_replica: int) -> Check[int]:
    """The weight of a type whose replicas follow from the workload."""
    replicas = item.gpus // gpus_per_replica

    def check(field: str, value: object) -> int:
        weight = whole(1, 999)(field, value)
        if weight != replicas:
            expected = f"{replicas}, or none on any type: a {item.name} has {item.gpus} GPUs, workload.gpus_per_replica is {gpus_per_replica}"
            raise SettingsError(field, weight, expected)
        return weight

    return check


def mixed_instances(
    args: AwsGpuPoolArgs, types: Sequence[GpuType], weights: Sequence[Value[int]]
) -> groups.MixedInstances | None:
    """The types of the group, and how on demand and spot share them. A warm pool takes no weights, and Capacity Blocks one type."""
    if args.capacity_blocks is not None or (args.warm_pool is not None and len(types) == 1):
        return None
    spot = args.spot
    names = [item.name for item in types]
    if spot is None:
        counted = [None] * len(types) if args.warm_pool is not None else weights
        return groups.MixedInstances(list(zip(names, counted, strict=True)))
    return groups.MixedInstances(
        list(zip(names, weights, strict=True)),
        on_demand_base_capacity=spot.on_demand_base_capacity,
        on_demand_percent_above_base=spot.on_demand_percent_above_base,
        spot_allocation_strategy=spot.spot_allocation_strategy,
    )


def configure_reservation(
    args: AwsGpuPoolArgs, blocks: Sequence[Block], deployed: datetime, problems: Problems
) -> groups.CapacityReservation | None:
    """Reserved capacity that the group launches into: the Blocks' own, or what is given."""
    if blocks:
        # One that is over may be gone; the newest stays, so that there is one.
        ahead = [block for block in blocks if not block.is_over(deployed)] or [blocks[-1]]
        return groups.CapacityReservation("capacity-reservations-only", [block.reservation_id for block in ahead], [])
    given = args.reservation
    if given is None:
        return None
    if given.preference == "capacity-reservations-only" and args.spot is not None:
        expected = "'capacity-reservations-first' beside spot, which no reservation holds"
        problems.refuse("reservation.preference", given.preference, expected)
    if not (given.capacity_reservation_ids or given.resource_group_arns):
        problems.refuse("reservation.capacity_reservation_ids", [], "one or more, or resource_group_arns")
    return groups.CapacityReservation(given.preference, given.capacity_reservation_ids, given.resource_group_arns)


def configure_hook(args: AwsGpuPoolArgs, problems: Problems) -> groups.Hook | None:
    """The launch hook, if there is one."""
    given = args.ready_hook or AwsReadyHook(enabled=args.workload is not None)
    if not given.enabled:
        return None
    if args.training is not None:
        expected = "false beside training: a node is in service as soon as it runs"
        problems.refuse("ready_hook.enabled", True, expected)
    timeout = given.timeout_seconds
    if timeout is None:
        timeout = lift(lambda lead: max(30, min(7200, int(2 * lead + 300))), lead_time_of(args))
    return groups.Hook(LIFECYCLE_HOOK, timeout, given.default_result)
