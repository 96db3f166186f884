"""The arguments of a group as one frozen configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.aws import group as groups
from elastic_iac.aws import image as images
from elastic_iac.aws import scaling_policies
from elastic_iac.aws.fleet import fleet_settings
from elastic_iac.aws.launch_template import Launch
from elastic_iac.aws.load_balancer import check_load_balancer
from elastic_iac.common.fleet_output import check_literals
from elastic_iac.common.parsing import Problems, parse_component
from elastic_iac.common.schema.aws import AwsInstanceRefresh, AwsRootVolume, AwsTargetTracking
from elastic_iac.common.schema.aws_autoscaling_group import AwsAutoscalingGroupArgs, AwsMixedInstances
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

    def fleet(
        self, *, region: pulumi.Input[str], group_name: pulumi.Input[str], load_balancer: pulumi.Input[str]
    ) -> dict[str, Any]:
        """The fleet's settings, for a group of that name."""
        forecast = self.args.forecast
        return fleet_settings(
            self.name,
            forecast,
            load=forecast.load,
            load_per_instance=forecast.load_per_instance,
            minimum=self.args.min_size,
            maximum=self.args.max_size,
            region=region,
            group_name=group_name,
            load_balancer=load_balancer,
        )


def configure(name: str, raw: object) -> GroupConfig:
    """Check all arguments.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args = parse_component(AwsAutoscalingGroupArgs, name, raw)
    problems, forecast = Problems(), args.forecast
    if forecast.load is None and args.load_balancer is None:
        problems.refuse("forecast.load", None, "a metric of the fleet's load, or a load_balancer that counts requests")
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
        ),
        group=groups.configure_group(
            args,
            problems,
            subnet_ids=args.subnet_ids,
            sizes=groups.ordered_sizes(args.min_size, args.desired_capacity, args.max_size, problems),
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
    check_literals(config.fleet(region="us-east-1", group_name="unknown", load_balancer="unknown"))
    return config


def _mixed(args: AwsAutoscalingGroupArgs, problems: Problems) -> groups.MixedInstances | None:
    mixed = args.mixed_instances
    if mixed is None:
        return None
    at, types = "mixed_instances.instance_types", mixed.instance_types
    if not 1 <= len(types) <= 40:
        problems.refuse(at, f"{len(types)} types", "1 to 40 instance types")
    weighted = [item.weight is not None for item in types]
    if any(weighted) and not all(weighted):
        problems.refuse(f"{at}[{weighted.index(False)}].weight", None, "a weight, or none on any type")
    percent = mixed.on_demand_percent_above_base
    if args.warm_pool is not None:
        _check_beside_warm_pool(mixed, problems)
        percent = problems.verified("mixed_instances.on_demand_percent_above_base", percent, groups.all_on_demand)
    return groups.MixedInstances(
        instance_types=[(item.instance_type, item.weight) for item in types],
        on_demand_base_capacity=mixed.on_demand_base_capacity,
        on_demand_percent_above_base=percent,
        on_demand_allocation_strategy=mixed.on_demand_allocation_strategy,
        spot_allocation_strategy=mixed.spot_allocation_strategy,
    )


def _check_beside_warm_pool(mixed: AwsMixedInstances, problems: Problems) -> None:
    """A warm pool takes a mixed group on demand and without weights only.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html#warm-pools-limitations
    """
    for index, item in enumerate(mixed.instance_types):
        if item.weight is not None:
            at = f"mixed_instances.instance_types[{index}].weight"
            problems.refuse(at, "given", "no weights beside warm_pool")
