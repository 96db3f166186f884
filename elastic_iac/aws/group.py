"""The Auto Scaling group: sizes, zones, instance types, health, warm pool and refresh."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.load_balancer import Front
from elastic_iac.common.capacity import Sizes
from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.aws import (
    AwsInstanceMaintenancePolicy,
    AwsInstanceRefresh,
    InstancesArguments,
    Subnets,
)
from elastic_iac.common.schema.aws_autoscaling_group import AwsInstanceRequirements
from elastic_iac.common.schema.base import Tags, Value
from forecasting.errors import SettingsError

SLOW_BOOT_SECONDS = 300
"""From this lead time on `up` does not wait for instances: the provider gives up after 10 minutes and would fail the deployment."""

GRACE_MARGIN_SECONDS = 300
"""Beyond twice the lead time: for short ones, where an image's first pull is most of the startup time."""

ENABLED_METRICS = [
    aws.autoscaling.Metric(f"Group{each}")
    for each in (
        *("MinSize", "MaxSize", "DesiredCapacity"),
        *("InServiceInstances", "PendingInstances", "TerminatingInstances", "TotalInstances"),
    )
]
"""By which a minimum is judged afterwards; group metrics cost nothing."""

SIZES_OF_THE_JOB = ["minSize", "desiredCapacity"]
"""Set at creation; then the forecast job and the scaling policies own them, and an update must not put them back."""


@dataclass(frozen=True)
class CapacityReservation:
    """Reserved capacity that the group launches into."""

    preference: str
    """'capacity-reservations-first' or 'capacity-reservations-only'."""
    ids: Sequence[Value[str]]
    resource_group_arns: Sequence[Value[str]]


@dataclass(frozen=True)
class Hook:
    """A lifecycle hook that holds an instance out of service until it reports that it serves."""

    name: str
    timeout_seconds: Value[int]
    default_result: Value[str]


@dataclass(frozen=True)
class MixedInstances:
    """Instance types with their weights, and how on demand and spot share them."""

    instance_types: Sequence[tuple[Value[str], Value[int] | None]]
    requirements: AwsInstanceRequirements | None = None
    """Attributes of the types, in place of a list."""
    of_other_architecture: frozenset[str] = frozenset()
    """Types that launch from the other launch template."""
    on_demand_base_capacity: Value[int] = 0
    on_demand_percent_above_base: Value[int] = 100
    on_demand_allocation_strategy: Value[str] = "prioritized"
    spot_allocation_strategy: Value[str] = "price-capacity-optimized"


LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"


@dataclass(frozen=True)
class Group:
    """The configuration of an Auto Scaling group."""

    args: InstancesArguments
    subnet_ids: Subnets
    sizes: Sizes
    mixed: MixedInstances | None
    capacity_rebalance: Value[bool]
    health_check_grace_seconds: Value[int]
    wait_for_capacity: Value[str]
    instance_refresh: AwsInstanceRefresh | None
    reservation: CapacityReservation | None = None
    hook: Hook | None = None


def configure_group(
    args: InstancesArguments,
    problems: Problems,
    *,
    subnet_ids: Subnets,
    sizes: Sizes,
    mixed: MixedInstances | None,
    lead_time_seconds: Value[float],
    capacity_rebalance: Value[bool],
    instance_refresh: AwsInstanceRefresh,
) -> Group:
    """The group of these arguments; what groups and pools derive differently is given."""
    pool = args.warm_pool
    if pool is not None and _exceeds(pool.min_size, pool.max_group_prepared_capacity, 0):
        expected = f"at most max_group_prepared_capacity ({pool.max_group_prepared_capacity})"
        problems.refuse("warm_pool.min_size", pool.min_size, expected)
    for field, bounds in (
        ("instance_refresh", instance_refresh),
        ("instance_maintenance_policy", args.instance_maintenance_policy),
    ):
        if bounds is not None and _exceeds(bounds.max_healthy_percent, bounds.min_healthy_percent, 100):
            expected = f"at most 100 above min_healthy_percent ({bounds.min_healthy_percent})"
            problems.refuse(f"{field}.max_healthy_percent", bounds.max_healthy_percent, expected)
    grace = args.health_check_grace_seconds
    return Group(
        args=args,
        subnet_ids=subnet_ids,
        sizes=sizes,
        mixed=mixed,
        capacity_rebalance=capacity_rebalance,
        health_check_grace_seconds=lift(_patient, lead_time_seconds) if grace is None else grace,
        wait_for_capacity=lift(lambda seconds: "0" if seconds >= SLOW_BOOT_SECONDS else "10m", lead_time_seconds),
        instance_refresh=instance_refresh if instance_refresh.enabled else None,
    )


def _patient(lead_time_seconds: float) -> int:
    """Far longer than a slow boot: the lead time is a p90, at that age one boot in ten has not answered yet."""
    return 2 * math.ceil(lead_time_seconds) + GRACE_MARGIN_SECONDS


def _exceeds(value: Value[int], limit: Value[int], by: int) -> bool:
    """Whether both are known, and the first is greater by more than `by`."""
    return isinstance(value, int) and isinstance(limit, int) and value - limit > by


def all_on_demand(field: str, percent: object) -> int:
    """The share of on demand beside a warm pool."""
    if percent != 100:
        raise SettingsError(field, percent, "100 beside warm_pool: AWS warms On-Demand instances only")
    return 100


def _mixed_instances_policy(
    mixed: MixedInstances, template: aws.ec2.LaunchTemplate, other: aws.ec2.LaunchTemplate | None
) -> Any:
    overrides = [
        {
            "instance_type": name,
            "weighted_capacity": None if weight is None else lift(str, weight),
            "launch_template_specification": _versioned(other, "launch_template_id")
            if name in mixed.of_other_architecture
            else None,
        }
        for name, weight in mixed.instance_types
    ]
    if mixed.requirements is not None:
        overrides = [{"instance_requirements": _requirements(mixed.requirements)}]
    return {
        "launch_template": {
            "launch_template_specification": _versioned(template, "launch_template_id"),
            "overrides": overrides,
        },
        "instances_distribution": {
            "on_demand_base_capacity": mixed.on_demand_base_capacity,
            "on_demand_percentage_above_base_capacity": mixed.on_demand_percent_above_base,
            "on_demand_allocation_strategy": mixed.on_demand_allocation_strategy,
            "spot_allocation_strategy": mixed.spot_allocation_strategy,
        },
    }


def _versioned(template: aws.ec2.LaunchTemplate | None, name: str) -> Any:
    """A numbered version of the launch template: a refresh on `$Latest` neither starts nor rolls back."""
    return template and {name: template.id, "version": template.latest_version.apply(str)}


def _requirements(given: AwsInstanceRequirements) -> dict[str, Any]:
    return {
        "vcpu_count": {"min": given.min_vcpus, "max": given.max_vcpus},
        "memory_mib": {"min": given.min_memory_mib, "max": given.max_memory_mib},
        "cpu_manufacturers": given.cpu_manufacturers or None,
        "instance_generations": given.instance_generations,
        "allowed_instance_types": given.allowed_instance_types or None,
        "excluded_instance_types": given.excluded_instance_types or None,
    }


def declare_group(
    name: str,
    group: Group,
    opts: pulumi.ResourceOptions,
    *,
    template: aws.ec2.LaunchTemplate,
    front: Front | None,
    tags: Tags,
    placement_group: pulumi.Input[str] | None = None,
    other_template: aws.ec2.LaunchTemplate | None = None,
) -> aws.autoscaling.Group:
    """Declare the group `name`, and its lifecycle hook by itself: the group takes its own at creation only, and updates are put over it by name."""
    args, pool, refresh = group.args, group.args.warm_pool, group.instance_refresh
    joined: list[pulumi.Input[str]] = [*([front.target_group.arn] if front else []), *(args.target_group_arns or ())]
    maintenance, hook = args.instance_maintenance_policy, _hook(group.hook)
    declared = aws.autoscaling.Group(
        f"{name}-group",
        opts,
        min_size=group.sizes.minimum,
        max_size=group.sizes.maximum,
        desired_capacity=group.sizes.desired,
        vpc_zone_identifiers=group.subnet_ids,
        launch_template=None if group.mixed else _versioned(template, "id"),
        mixed_instances_policy=group.mixed and _mixed_instances_policy(group.mixed, template, other_template),
        capacity_rebalance=group.capacity_rebalance,
        # Left out, the provider takes over what is attached; an empty list detaches all.
        target_group_arns=joined if joined or args.target_group_arns is not None else None,
        health_check_type=args.health_check_type or ("ELB" if joined else "EC2"),
        suspended_processes=args.suspended_processes or None,
        instance_maintenance_policy=maintenance and _healthy(maintenance),
        max_instance_lifetime=args.max_instance_lifetime_seconds,
        health_check_grace_period=group.health_check_grace_seconds,
        default_instance_warmup=args.instance_warmup_seconds,
        # An instance completes its hook by rights that name the group, and so come after it.
        wait_for_capacity_timeout=group.wait_for_capacity if hook is None else "0",
        warm_pool=pool
        and {
            "max_group_prepared_capacity": pool.max_group_prepared_capacity,
            "min_size": pool.min_size,
            "pool_state": pool.pool_state,
            "instance_reuse_policy": {"reuse_on_scale_in": pool.reuse_on_scale_in},
        },
        instance_refresh=refresh and _refresh(refresh, args.instance_warmup_seconds),
        termination_policies=args.termination_policies,
        placement_group=placement_group,
        capacity_reservation_specification=group.reservation and _reservation(group.reservation),
        initial_lifecycle_hooks=hook and [hook],
        enabled_metrics=ENABLED_METRICS,
        metrics_granularity="1Minute",
        tags=lift(_propagated, tags),
    )
    if hook is not None:
        child = pulumi.ResourceOptions(parent=opts.parent)
        aws.autoscaling.LifecycleHook(f"{name}-ready", child, autoscaling_group_name=declared.name, **hook)
    return declared


def _healthy(bounds: AwsInstanceRefresh | AwsInstanceMaintenancePolicy) -> Any:
    return {
        "min_healthy_percentage": bounds.min_healthy_percent,
        "max_healthy_percentage": bounds.max_healthy_percent,
    }


def _refresh(refresh: AwsInstanceRefresh, warmup_seconds: Value[int]) -> Any:
    preferences = {"instance_warmup": lift(str, warmup_seconds), "auto_rollback": refresh.auto_rollback}
    return {"strategy": "Rolling", "preferences": {**_healthy(refresh), **preferences}}


def _reservation(reservation: CapacityReservation) -> Any:
    """On the group, not on its launch template: there a spot instance would ask for it too, and growth beyond it would fail.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/target-capacity-reservations.html
    """
    return {
        "capacity_reservation_preference": reservation.preference,
        "capacity_reservation_target": {
            "capacity_reservation_ids": reservation.ids or None,
            "capacity_reservation_resource_group_arns": reservation.resource_group_arns or None,
        },
    }


def _hook(hook: Hook | None) -> Any:
    return hook and {
        "name": hook.name,
        "lifecycle_transition": LAUNCHING,
        "heartbeat_timeout": hook.timeout_seconds,
        "default_result": hook.default_result,
    }


def named_tags(name: str, tags: Tags) -> Tags:
    """The tags with a name."""

    def named(given: Mapping[str, Value[str]]) -> dict[str, Value[str]]:
        return {"Name": name, **given}

    return lift(named, tags)


def _propagated(tags: Mapping[str, Value[str]]) -> list[Any]:
    return [{"key": key, "value": tags[key], "propagate_at_launch": True} for key in sorted(tags)]
