"""The Auto Scaling group: sizes, zones, instance types, health, warm pool and refresh."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.args import (
    AwsInstanceRefresh,
    AwsInstanceType,
    AwsMixedInstances,
    AwsWarmPool,
)
from elastic_iac.validation import (
    INSTANCE_TYPE,
    PERCENT,
    SIZE,
    SUBNET_ID,
    Check,
    boolean,
    checked,
    checked_list,
    is_literal,
    list_of,
    one_of,
    plain_list,
    refuse_unknown,
    whole,
)
from forecasting.errors import SettingsError

SLOW_BOOT_SECONDS = 300
"""From this lead time on `up` does not wait for instances: the provider gives up after 10 minutes and would fail the deployment."""

ENABLED_METRICS = (
    aws.autoscaling.Metric.GROUP_MIN_SIZE,
    aws.autoscaling.Metric.GROUP_MAX_SIZE,
    aws.autoscaling.Metric.GROUP_DESIRED_CAPACITY,
    aws.autoscaling.Metric.GROUP_IN_SERVICE_INSTANCES,
    aws.autoscaling.Metric.GROUP_PENDING_INSTANCES,
    aws.autoscaling.Metric.GROUP_TERMINATING_INSTANCES,
    aws.autoscaling.Metric.GROUP_TOTAL_INSTANCES,
)
"""What a floor is judged by afterwards; group metrics cost nothing."""

SIZES_OF_THE_JOB = ["minSize", "desiredCapacity"]
"""Set at creation; then the forecast job and the scaling policies own them, and an update must not put them back."""

_TERMINATION_POLICY = one_of(
    "Default",
    "AllocationStrategy",
    "OldestLaunchTemplate",
    "OldestLaunchConfiguration",
    "ClosestToNextInstanceHour",
    "NewestInstance",
    "OldestInstance",
)
SPOT_STRATEGY = one_of(
    "price-capacity-optimized", "capacity-optimized", "capacity-optimized-prioritized", "lowest-price"
)


TWO_ZONES = list_of(SUBNET_ID, at_least=2, expected="two or more different subnets, in different Availability Zones")


@dataclass(frozen=True)
class CapacityReservation:
    """Reserved capacity that the group launches into."""

    preference: str
    """'capacity-reservations-first' or 'capacity-reservations-only'."""
    ids: list[pulumi.Output[str]]
    resource_group_arns: list[pulumi.Output[str]]


@dataclass(frozen=True)
class Hook:
    """A lifecycle hook that holds an instance out of service until it says that it serves."""

    name: str
    timeout_seconds: pulumi.Output[int]
    default_result: pulumi.Output[str]


LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"


@dataclass(frozen=True)
class Group:
    """The checked arguments that the group is made of."""

    subnet_ids: pulumi.Output[list[pulumi.Output[str]]]
    min_size: pulumi.Output[int]
    max_size: pulumi.Output[int]
    desired_capacity: pulumi.Output[int]
    mixed: AwsMixedInstances | None
    capacity_rebalance: pulumi.Output[bool]
    health_check_grace_seconds: pulumi.Output[int]
    instance_warmup_seconds: pulumi.Output[int]
    wait_for_capacity: pulumi.Output[str]
    warm_pool: aws.autoscaling.GroupWarmPoolArgs | None
    instance_refresh: aws.autoscaling.GroupInstanceRefreshArgs | None
    termination_policies: list[pulumi.Output[str]]
    reservation: CapacityReservation | None = None
    hook: Hook | None = None


def settle_group(
    args: Mapping[str, Any], subnets: Check[list[pulumi.Output[str]]] = TWO_ZONES, sizes_at: str = ""
) -> Group:
    """Check the group's own arguments.

    Args:
        args: The component's arguments, of which the group's are read.
        subnets: How many subnets it may have.
        sizes_at: What the sizes' fields begin with in messages.

    Raises:
        SettingsError: the first wrong literal.
    """
    lead_time = checked("forecast.lead_time_seconds", args["forecast"].get("lead_time_seconds", 300), _whole_seconds)
    grace = args.get("health_check_grace_seconds")
    warmup = checked("instance_warmup_seconds", args.get("instance_warmup_seconds", 60), whole(0, 21_600))
    mixed = args.get("mixed_instances")
    if mixed is not None:
        _check_mixed(mixed)
        if "warm_pool" in args:
            _check_warm_mixed(mixed)
    min_size, desired, max_size = _sizes(args, sizes_at)
    return Group(
        subnet_ids=checked("subnet_ids", args["subnet_ids"], subnets),
        min_size=min_size,
        max_size=max_size,
        desired_capacity=desired,
        mixed=mixed,
        capacity_rebalance=checked("capacity_rebalance", args.get("capacity_rebalance", True), boolean),
        health_check_grace_seconds=lead_time
        if grace is None
        else checked("health_check_grace_seconds", grace, whole(0, 21_600)),
        instance_warmup_seconds=warmup,
        wait_for_capacity=lead_time.apply(lambda seconds: "0" if seconds >= SLOW_BOOT_SECONDS else "10m"),
        warm_pool=_warm_pool(args.get("warm_pool")),
        instance_refresh=_instance_refresh(args.get("instance_refresh", {"enabled": True}), warmup),
        termination_policies=checked_list(
            "termination_policies", args.get("termination_policies", ["Default"]), _TERMINATION_POLICY
        ),
    )


def _sizes(args: Mapping[str, Any], at: str) -> tuple[pulumi.Output[int], pulumi.Output[int], pulumi.Output[int]]:
    """Minimum, desired and maximum size, in order: compared at once where all are literals."""
    minimum = checked(f"{at}min_size", args["min_size"], SIZE)
    given = args.get("desired_capacity")
    desired = minimum if given is None else checked("desired_capacity", given, SIZE)
    maximum = checked(f"{at}max_size", args["max_size"], SIZE)
    literals = [args["min_size"], args["min_size"] if given is None else given, args["max_size"]]
    if all(map(is_literal, literals)):
        _in_order(literals, at)
    ordered = pulumi.Output.all(minimum, desired, maximum).apply(lambda sizes: _in_order(sizes, at))
    return ordered.apply(lambda sizes: sizes[0]), ordered.apply(lambda sizes: sizes[1]), ordered.apply(lambda s: s[2])


def _in_order(sizes: list[Any], at: str) -> list[int]:
    minimum, desired, maximum = map(int, sizes)
    if maximum < max(minimum, 1):
        raise SettingsError(f"{at}max_size", maximum, f"at least min_size ({minimum}) and 1")
    if not minimum <= desired <= maximum:
        raise SettingsError("desired_capacity", desired, f"between min_size ({minimum}) and max_size ({maximum})")
    return [minimum, desired, maximum]


def _whole_seconds(field: str, value: object) -> int:
    """A measured time, rounded up."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 21_600:
        raise SettingsError(field, value, "seconds from 0 to 21600")
    return math.ceil(value)


def _check_mixed(mixed: AwsMixedInstances) -> None:
    refuse_unknown("mixed_instances", mixed, AwsMixedInstances)
    types = plain_list("mixed_instances.instance_types", mixed["instance_types"])
    if not 1 <= len(types) <= 40:
        raise SettingsError("mixed_instances.instance_types", f"{len(types)} types", "1 to 40 instance types")
    for index, item in enumerate(types):
        refuse_unknown(f"mixed_instances.instance_types[{index}]", item, AwsInstanceType)
    weighted = ["weight" in item for item in types]
    if any(weighted) and not all(weighted):
        missing = weighted.index(False)
        raise SettingsError(f"mixed_instances.instance_types[{missing}].weight", None, "a weight, or none on any type")
    mixed_instances_policy(mixed, "lt-0", "1")  # for its checks of each value


def _check_warm_mixed(mixed: AwsMixedInstances) -> None:
    """A warm pool takes a mixed group on demand and without weights only.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html#warm-pools-limitations
    """
    if "weight" in mixed["instance_types"][0]:
        raise SettingsError("mixed_instances.instance_types[0].weight", "given", "no weights beside warm_pool")
    percent = mixed.get("on_demand_percent_above_base", 100)
    checked(
        "mixed_instances.on_demand_percent_above_base",
        percent,
        lambda field, value: _all_on_demand(field, PERCENT(field, value)),
    )


def _all_on_demand(field: str, percent: int) -> int:
    if percent != 100:
        raise SettingsError(field, percent, "100 beside warm_pool: AWS warms On-Demand instances only")
    return percent


def mixed_instances_policy(
    mixed: AwsMixedInstances, launch_template_id: pulumi.Input[str], version: pulumi.Input[str]
) -> aws.autoscaling.GroupMixedInstancesPolicyArgs:
    """Instance types and how on demand and spot share them.

    Raises:
        SettingsError: the first wrong literal.
    """
    at = "mixed_instances"
    base, percent = mixed.get("on_demand_base_capacity", 0), mixed.get("on_demand_percent_above_base", 100)
    on_demand = mixed.get("on_demand_allocation_strategy", "prioritized")
    spot = mixed.get("spot_allocation_strategy", "price-capacity-optimized")
    return aws.autoscaling.GroupMixedInstancesPolicyArgs(
        launch_template=aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateArgs(
            launch_template_specification=aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateLaunchTemplateSpecificationArgs(
                launch_template_id=launch_template_id, version=version
            ),
            overrides=[
                _override(f"{at}.instance_types[{index}]", item) for index, item in enumerate(mixed["instance_types"])
            ],
        ),
        instances_distribution=aws.autoscaling.GroupMixedInstancesPolicyInstancesDistributionArgs(
            on_demand_base_capacity=checked(f"{at}.on_demand_base_capacity", base, SIZE),
            on_demand_percentage_above_base_capacity=checked(f"{at}.on_demand_percent_above_base", percent, PERCENT),
            on_demand_allocation_strategy=checked(
                f"{at}.on_demand_allocation_strategy", on_demand, one_of("prioritized", "lowest-price")
            ),
            spot_allocation_strategy=checked(f"{at}.spot_allocation_strategy", spot, SPOT_STRATEGY),
        ),
    )


def _override(field: str, item: AwsInstanceType) -> aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateOverrideArgs:
    weight = item.get("weight")
    return aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateOverrideArgs(
        instance_type=checked(f"{field}.instance_type", item["instance_type"], INSTANCE_TYPE),
        weighted_capacity=None if weight is None else checked(f"{field}.weight", weight, whole(1, 999)).apply(str),
    )


def _warm_pool(pool: AwsWarmPool | None) -> aws.autoscaling.GroupWarmPoolArgs | None:
    if pool is None:
        return None
    refuse_unknown("warm_pool", pool, AwsWarmPool)
    prepared, minimum = pool["max_group_prepared_capacity"], pool.get("min_size", 0)
    if isinstance(prepared, int | float) and isinstance(minimum, int | float) and minimum > prepared:
        raise SettingsError("warm_pool.min_size", minimum, f"at most max_group_prepared_capacity ({prepared:g})")
    return aws.autoscaling.GroupWarmPoolArgs(
        max_group_prepared_capacity=checked("warm_pool.max_group_prepared_capacity", prepared, SIZE),
        min_size=checked("warm_pool.min_size", minimum, SIZE),
        pool_state=checked(
            "warm_pool.pool_state", pool.get("pool_state", "Stopped"), one_of("Stopped", "Running", "Hibernated")
        ),
        instance_reuse_policy=aws.autoscaling.GroupWarmPoolInstanceReusePolicyArgs(
            reuse_on_scale_in=checked("warm_pool.reuse_on_scale_in", pool.get("reuse_on_scale_in", False), boolean)
        ),
    )


def _instance_refresh(
    refresh: AwsInstanceRefresh, warmup: pulumi.Output[int]
) -> aws.autoscaling.GroupInstanceRefreshArgs | None:
    refuse_unknown("instance_refresh", refresh, AwsInstanceRefresh)
    healthy, ceiling = refresh.get("min_healthy_percent", 100), refresh.get("max_healthy_percent", 110)
    if isinstance(healthy, int | float) and isinstance(ceiling, int | float) and ceiling - healthy > 100:
        raise SettingsError("instance_refresh.max_healthy_percent", ceiling, f"at most {healthy + 100:g}")
    preferences = aws.autoscaling.GroupInstanceRefreshPreferencesArgs(
        min_healthy_percentage=checked("instance_refresh.min_healthy_percent", healthy, PERCENT),
        max_healthy_percentage=checked("instance_refresh.max_healthy_percent", ceiling, whole(100, 200)),
        instance_warmup=warmup.apply(str),
        auto_rollback=checked("instance_refresh.auto_rollback", refresh.get("auto_rollback", True), boolean),
    )
    if not boolean("instance_refresh.enabled", refresh["enabled"]):
        return None
    return aws.autoscaling.GroupInstanceRefreshArgs(strategy="Rolling", preferences=preferences)


def group_args(
    group: Group,
    *,
    launch_template_id: pulumi.Input[str],
    launch_template_version: pulumi.Output[int],
    target_group_arns: list[pulumi.Input[str]],
    tags: pulumi.Output[Mapping[str, str]],
    placement_group: pulumi.Input[str] | None = None,
) -> aws.autoscaling.GroupArgs:
    """The group on a numbered version of its launch template: a refresh on `$Latest` neither starts nor rolls back."""
    version = launch_template_version.apply(str)
    return aws.autoscaling.GroupArgs(
        min_size=group.min_size,
        max_size=group.max_size,
        desired_capacity=group.desired_capacity,
        vpc_zone_identifiers=group.subnet_ids,
        launch_template=None
        if group.mixed
        else aws.autoscaling.GroupLaunchTemplateArgs(id=launch_template_id, version=version),
        mixed_instances_policy=mixed_instances_policy(group.mixed, launch_template_id, version)
        if group.mixed
        else None,
        capacity_rebalance=group.capacity_rebalance,
        target_group_arns=target_group_arns,
        health_check_type="ELB" if target_group_arns else "EC2",
        health_check_grace_period=group.health_check_grace_seconds,
        default_instance_warmup=group.instance_warmup_seconds,
        # An instance completes its hook by rights that name the group, and so come after it.
        wait_for_capacity_timeout=group.wait_for_capacity if group.hook is None else "0",
        warm_pool=group.warm_pool,
        instance_refresh=group.instance_refresh,
        termination_policies=group.termination_policies,
        placement_group=placement_group,
        capacity_reservation_specification=_reservation(group.reservation),
        initial_lifecycle_hooks=None if group.hook is None else [_initial_hook(group.hook)],
        enabled_metrics=list(ENABLED_METRICS),
        metrics_granularity="1Minute",
        tags=tags.apply(_propagated),
    )


def _reservation(
    reservation: CapacityReservation | None,
) -> aws.autoscaling.GroupCapacityReservationSpecificationArgs | None:
    """On the group, not on its launch template: there a spot instance would ask for it too, and growth beyond it would fail.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/target-capacity-reservations.html
    """
    if reservation is None:
        return None
    return aws.autoscaling.GroupCapacityReservationSpecificationArgs(
        capacity_reservation_preference=reservation.preference,
        capacity_reservation_target=aws.autoscaling.GroupCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_ids=reservation.ids or None,
            capacity_reservation_resource_group_arns=reservation.resource_group_arns or None,
        ),
    )


def _initial_hook(hook: Hook) -> aws.autoscaling.GroupInitialLifecycleHookArgs:
    return aws.autoscaling.GroupInitialLifecycleHookArgs(
        name=hook.name,
        lifecycle_transition=LAUNCHING,
        heartbeat_timeout=hook.timeout_seconds,
        default_result=hook.default_result,
    )


def hook_args(hook: Hook, group_name: pulumi.Input[str]) -> aws.autoscaling.LifecycleHookArgs:
    """The same hook by itself: the group takes its own at creation only, and this one's updates are put over it by name."""
    return aws.autoscaling.LifecycleHookArgs(
        name=hook.name,
        autoscaling_group_name=group_name,
        lifecycle_transition=LAUNCHING,
        heartbeat_timeout=hook.timeout_seconds,
        default_result=hook.default_result,
    )


def _propagated(tags: Mapping[str, str]) -> list[aws.autoscaling.GroupTagArgs]:
    return [aws.autoscaling.GroupTagArgs(key=k, value=tags[k], propagate_at_launch=True) for k in sorted(tags)]
