"""The arguments of a group as one frozen configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elastic_iac.aws import group as groups
from elastic_iac.aws import image as images
from elastic_iac.aws import scaling_policies
from elastic_iac.aws.architecture import architecture_of
from elastic_iac.aws.fleet import UNKNOWN, Place, fleet_settings
from elastic_iac.aws.instance_profile import refuse_beside_own_profile
from elastic_iac.aws.launch_template import Launch
from elastic_iac.aws.load_balancer import check_load_balancer
from elastic_iac.common.capacity import ordered_sizes
from elastic_iac.common.fleet_output import check_literals
from elastic_iac.common.parsing import Problems, parse_component
from elastic_iac.common.schema.aws import AwsInstanceRefresh, AwsRootVolume, AwsTargetTracking
from elastic_iac.common.schema.aws_autoscaling_group import (
    AwsAutoscalingGroupArgs,
    AwsInstanceRequirements,
    AwsInstanceType,
    AwsMixedInstances,
)
from elastic_iac.common.schema.base import Tags

LEAD_TIME_SECONDS = 300


@dataclass(frozen=True)
class GroupConfig:
    """All arguments of a group, checked."""

    name: str
    args: AwsAutoscalingGroupArgs
    image: images.Image
    launch: Launch
    group: groups.Group
    target_tracking: Mapping[str, AwsTargetTracking]
    tags: Tags

    def fleet(self, place: Place) -> dict[str, Any]:
        """The fleet's settings, for a group at that place."""
        forecast = self.args.forecast
        return fleet_settings(self.name, forecast, place, self.group.sizes, forecast.load_per_instance, forecast.load)


def configure(name: str, raw: object) -> GroupConfig:
    """Check all arguments.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args = parse_component(AwsAutoscalingGroupArgs, name, raw)
    problems, forecast = Problems(), args.forecast
    if forecast.load is None and args.load_balancer is None:
        problems.refuse("forecast.load", None, "a metric of the fleet's load, or a load_balancer that counts requests")
    refuse_beside_own_profile(args, problems)
    if args.load_balancer is not None:
        check_load_balancer(args.load_balancer, problems)
    config = GroupConfig(
        name=name,
        args=args,
        image=images.configure_image(args, problems),
        launch=Launch(
            instance_type=args.instance_type,
            user_data=args.user_data,
            root_volume=args.root_volume or AwsRootVolume(size_gib=20),
            ebs_optimized=args.ebs_optimized,
            detailed_monitoring=args.detailed_monitoring,
            key_name=args.key_name,
        ),
        group=groups.configure_group(
            args,
            problems,
            subnet_ids=args.subnet_ids,
            sizes=ordered_sizes(args.min_size, args.max_size, problems, desired=args.desired_capacity),
            mixed=_mixed(args, problems),
            lead_time_seconds=LEAD_TIME_SECONDS if forecast.lead_time_seconds is None else forecast.lead_time_seconds,
            capacity_rebalance=args.capacity_rebalance,
            instance_refresh=args.instance_refresh or AwsInstanceRefresh(enabled=True),
        ),
        target_tracking=scaling_policies.configure_target_tracking(
            scaling_policies.DEFAULT_TARGET_TRACKING if args.target_tracking is None else args.target_tracking,
            problems,
            behind_load_balancer=args.load_balancer is not None,
        ),
        tags=groups.named_tags(name, args.tags),
    )
    problems.report()
    check_literals(config.fleet(UNKNOWN))
    return config


def _mixed(args: AwsAutoscalingGroupArgs, problems: Problems) -> groups.MixedInstances | None:
    mixed, requirements = args.mixed_instances, args.instance_requirements
    others = _other_architecture(args, [] if mixed is None else mixed.instance_types, problems)
    if mixed is None and requirements is None:
        return None
    mixed = mixed or AwsMixedInstances(instance_types=[])
    at, types = "mixed_instances.instance_types", mixed.instance_types
    if requirements is not None:
        _check_requirements(args, requirements, problems)
    elif not 1 <= len(types) <= 40:
        problems.refuse(at, f"{len(types)} types", "1 to 40 instance types")
    weighted = [item.weight is not None for item in types]
    if any(weighted) and not all(weighted):
        problems.refuse(f"{at}[{weighted.index(False)}].weight", None, "a weight, or none on any type")
    percent, strategy = mixed.on_demand_percent_above_base, mixed.on_demand_allocation_strategy
    if args.warm_pool is not None:
        _check_beside_warm_pool(mixed, problems)
        percent = problems.verified("mixed_instances.on_demand_percent_above_base", percent, groups.all_on_demand)
    return groups.MixedInstances(
        instance_types=[(item.instance_type, item.weight) for item in types],
        requirements=requirements,
        of_other_architecture=others,
        on_demand_base_capacity=mixed.on_demand_base_capacity,
        on_demand_percent_above_base=percent,
        # AWS orders types by attributes by their price only.
        on_demand_allocation_strategy=strategy if requirements is None else "lowest-price",
        spot_allocation_strategy=mixed.spot_allocation_strategy,
    )


def _check_requirements(
    args: AwsAutoscalingGroupArgs, requirements: AwsInstanceRequirements, problems: Problems
) -> None:
    at, mixed = "instance_requirements", args.mixed_instances
    if mixed is not None and mixed.instance_types:
        expected = "an empty list beside instance_requirements: AWS selects the types"
        problems.refuse("mixed_instances.instance_types", f"{len(mixed.instance_types)} types", expected)
    if mixed is not None and mixed.given("on_demand_allocation_strategy") == {
        "on_demand_allocation_strategy": "prioritized"
    }:
        expected = "'lowest-price' beside instance_requirements, which have no order"
        problems.refuse("mixed_instances.on_demand_allocation_strategy", "prioritized", expected)
    if args.warm_pool is not None:
        problems.refuse(at, "given", "nothing beside warm_pool")
    if requirements.allowed_instance_types and requirements.excluded_instance_types:
        problems.refuse(f"{at}.excluded_instance_types", "given", "nothing beside allowed_instance_types")
    for field in ("vcpus", "memory_mib"):
        least, most = getattr(requirements, f"min_{field}"), getattr(requirements, f"max_{field}")
        if isinstance(least, int) and isinstance(most, int) and most < least:
            problems.refuse(f"{at}.max_{field}", most, f"at least min_{field} ({least})")


def _other_architecture(
    args: AwsAutoscalingGroupArgs, types: Sequence[AwsInstanceType], problems: Problems
) -> frozenset[str]:
    """Types whose processor architecture is not that of `instance_type`: they need an image of their own."""
    first = architecture_of(args.instance_type) if isinstance(args.instance_type, str) else None
    others = [
        (index, item.instance_type)
        for index, item in enumerate(types)
        if first is not None and isinstance(item.instance_type, str) and architecture_of(item.instance_type) != first
    ]
    if others and args.other_architecture_ami_id is None:
        index, name = others[0]
        expected = f"a type of the architecture {first} as instance_type, or other_architecture_ami_id: one image runs on one architecture"
        problems.refuse(f"mixed_instances.instance_types[{index}].instance_type", name, expected)
    if not others and args.other_architecture_ami_id is not None:
        expected = "nothing without a type of another architecture in mixed_instances"
        problems.refuse("other_architecture_ami_id", args.other_architecture_ami_id, expected)
    return frozenset(name for _, name in others)


def _check_beside_warm_pool(mixed: AwsMixedInstances, problems: Problems) -> None:
    """A warm pool takes a mixed group on demand and without weights only.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html#warm-pools-limitations
    """
    for index, item in enumerate(mixed.instance_types):
        if item.weight is not None:
            at = f"mixed_instances.instance_types[{index}].weight"
            problems.refuse(at, "given", "no weights beside warm_pool")
