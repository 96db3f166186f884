"""The arguments of a pool as one frozen configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from elastic_iac.aws import group as groups
from elastic_iac.aws import image as images
from elastic_iac.aws import scaling_policies
from elastic_iac.aws.fleet import UNKNOWN, Place, fleet_settings
from elastic_iac.aws.gpu_pool import capacity_block
from elastic_iac.aws.gpu_pool.capacity_block import Block
from elastic_iac.aws.gpu_pool.constraints import check_hibernation, refuse_combinations
from elastic_iac.aws.gpu_pool.instance_types import GpuType
from elastic_iac.aws.gpu_pool.purchasing import (
    configure_hook,
    configure_reservation,
    configure_types,
    configure_weights,
    lead_time_of,
    mixed_instances,
)
from elastic_iac.aws.gpu_pool.workload import (
    Work,
    check_nodes,
    configure_work,
    default_target_tracking,
    with_health_path,
)
from elastic_iac.aws.instance_profile import refuse_beside_own_profile
from elastic_iac.aws.launch_template import Launch
from elastic_iac.aws.load_balancer import check_load_balancer
from elastic_iac.common.capacity import Sizes, ordered_sizes
from elastic_iac.common.fleet_output import check_literals
from elastic_iac.common.parsing import Problems, lift, parse_component
from elastic_iac.common.schema.aws import (
    AwsInstanceRefresh,
    AwsLoad,
    AwsLoadBalancer,
    AwsRootVolume,
    AwsTargetTracking,
    Subnets,
)
from elastic_iac.common.schema.aws_gpu_pool import AwsGpuPoolArgs, AwsGpuShard
from elastic_iac.common.schema.base import Tags, Value
from elastic_iac.common.validation import NAME
from forecasting.errors import SettingsError

_DLAMI = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"


@dataclass(frozen=True)
class Partition:
    """One group of the pool: the whole of it, or a shard."""

    name: str
    group: groups.Group
    sizes: Sizes
    """Of its fleet: those of the group, or of its largest Capacity Block."""
    load: AwsLoad | None
    work: Work | None


@dataclass(frozen=True)
class PoolConfig:
    """All arguments of a pool, checked, and its groups."""

    name: str
    args: AwsGpuPoolArgs
    image: images.Image
    launch: Launch
    partitions: tuple[Partition, ...]
    weights: Sequence[Value[int]]
    blocks: tuple[Block, ...]
    deployed: datetime
    """Time of this deployment, UTC: it decides which scheduled actions still have a future."""
    nodes_talk: bool
    """Let the instances reach each other: for Elastic Fabric Adapters, and for a trainer of several nodes."""
    target_tracking: Mapping[str, AwsTargetTracking]
    load_balancer: AwsLoadBalancer | None

    def tags(self, name: str) -> Tags:
        """Tags of what is called `name`."""
        return groups.named_tags(name, self.args.tags)

    def fleet(self, partition: Partition, place: Place) -> dict[str, Any] | None:
        """Settings of a partition's fleet, for a group at that place; None without a forecast.

        They are those of a group, counted in replicas, with the fields that only a pool has.
        """
        forecast = self.args.forecast
        if forecast is None:
            return None
        pool = forecast.given("warm_headroom", "on_demand_quantile")
        per_unit, units = forecast.load_per_replica, lift(lambda *counts: min(counts), *self.weights)
        if self.blocks or self.args.warm_pool is not None:  # such a group has no weights: its unit is an instance
            per_unit, units = lift(lambda load, count: load * count, per_unit, self.weights[0]), 1
            if forecast.warm_headroom is not None:
                pool["warm_headroom"] = lift(
                    lambda replicas, count: -(-replicas // count), forecast.warm_headroom, self.weights[0]
                )
        pool["units_per_instance"] = units
        if self.blocks:
            pool["windows"] = [block.window for block in self.blocks]
        settings = fleet_settings(partition.name, forecast, place, partition.sizes, per_unit, partition.load)
        own = {"lead_time_seconds": forecast.lead_time_seconds, "learn_lead_time": forecast.learn_lead_time}
        return {**settings, **own, "pool": pool}


def configure(name: str, raw: object) -> PoolConfig:
    """Check all arguments.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args, problems = parse_component(AwsGpuPoolArgs, name, raw), Problems()
    types = configure_types(args, problems)
    problems.report()  # the table is needed from here on
    refuse_combinations(args, types, problems)
    refuse_beside_own_profile(args, problems, "workload", "training")
    problems.report()
    work = configure_work(args, problems)
    check_nodes(args, work, types, problems)
    weights = configure_weights(args, types, 1 if work is None else work.gpus_per_replica, problems)
    blocks: tuple[Block, ...] = ()
    if args.capacity_blocks is not None:
        given, all_running = args.capacity_blocks, args.forecast is None
        blocks = capacity_block.configure_blocks(given, problems, all_running=all_running)
    given = args.target_tracking
    tracking = default_target_tracking(args, work, problems) if given is None else given
    pool = PoolConfig(
        name=name,
        args=args,
        image=_image(args, types, problems),
        launch=_launch(args, types),
        partitions=(),
        weights=weights,
        blocks=blocks,
        deployed=capacity_block.now(),
        nodes_talk=args.efa or (work is not None and work.several_nodes),
        target_tracking=_target_tracking(args, tracking, problems),
        load_balancer=_load_balancer(args, work, problems),
    )
    problems.report()
    pool = _with_partitions(pool, types, work, problems)
    for partition in pool.partitions:
        settings = pool.fleet(partition, UNKNOWN)
        with problems.collect():
            if settings is not None:
                check_literals(settings)
    problems.report()
    return pool


def _target_tracking(
    args: AwsGpuPoolArgs, given: Sequence[AwsTargetTracking], problems: Problems
) -> Mapping[str, AwsTargetTracking]:
    if not given and args.target_tracking is None:
        return {}
    behind = args.load_balancer is not None
    return scaling_policies.configure_target_tracking(given, problems, behind_load_balancer=behind)


def _load_balancer(args: AwsGpuPoolArgs, work: Work | None, problems: Problems) -> AwsLoadBalancer | None:
    balancer = args.load_balancer
    if balancer is None:
        return None
    check_load_balancer(balancer, problems)
    if args.capacity_blocks is not None:
        field = "deregistration_delay_seconds"
        delay = problems.verified(
            f"load_balancer.{field}", balancer.deregistration_delay_seconds, capacity_block.drain_seconds
        )
        balancer = balancer.model_copy(update={field: delay})
    return with_health_path(balancer, work)


def _image(args: AwsGpuPoolArgs, types: Sequence[GpuType], problems: Problems) -> images.Image:
    """The image; a deep learning image with the open driver by default."""
    if args.ami_id is None and args.ami_ssm_parameter is None and not all(item.family.open_driver for item in types):
        expected = (
            "an image with NVIDIA's proprietary driver: V100 has no other, and the default image has the open one"
        )
        problems.refuse("ami_ssm_parameter", None, expected)
    return images.configure_image(args, problems, _DLAMI)


def _launch(args: AwsGpuPoolArgs, types: Sequence[GpuType]) -> Launch:
    return Launch(
        instance_type=types[0].name,
        user_data=args.user_data,
        root_volume=args.root_volume or AwsRootVolume(size_gib=150),
        ebs_optimized=True,
        detailed_monitoring=args.detailed_monitoring,
        key_name=args.key_name,
        market_type=None if args.capacity_blocks is None else "capacity-block",
        efa_interfaces=min(item.size.efa_interfaces for item in types) if args.efa else 0,
        host_resource_group_arn=args.dedicated_hosts and args.dedicated_hosts.host_resource_group_arn,
    )


def _with_partitions(pool: PoolConfig, types: Sequence[GpuType], work: Work | None, problems: Problems) -> PoolConfig:
    """The pool with its groups, which are alike but for sizes, load and environment."""
    args = pool.args
    warm = args.warm_pool
    if warm is not None:
        state = problems.verified("warm_pool.pool_state", warm.pool_state, check_hibernation(types))
        args = args.model_copy(update={"warm_pool": warm.model_copy(update={"pool_state": state})})
    common = groups.configure_group(
        args,
        problems,
        subnet_ids=_subnets(args, problems),
        sizes=Sizes(0, 0, 0),  # of a pool of Blocks, whose scheduled actions open it
        mixed=mixed_instances(args, types, pool.weights),
        lead_time_seconds=lead_time_of(args),
        capacity_rebalance=args.capacity_rebalance if args.spot is not None else False,
        instance_refresh=args.instance_refresh or _default_refresh(args),
    )
    reservation = configure_reservation(args, pool.blocks, pool.deployed, problems)
    common = replace(common, reservation=reservation, hook=configure_hook(args, problems))
    shards = args.shards or [None]
    partitions = [_partition(pool, common, work, shard, index, problems) for index, shard in enumerate(shards)]
    problems.report()
    return replace(pool, partitions=tuple(partitions))


def _partition(
    pool: PoolConfig,
    common: groups.Group,
    work: Work | None,
    shard: AwsGpuShard | None,
    index: int,
    problems: Problems,
) -> Partition:
    args, name, at = pool.args, pool.name, ""
    load = args.forecast and args.forecast.load
    sizes = _sizes(args, problems)
    if shard is not None:
        name, at = f"{name}-{shard.name}", f"shards[{index}]."
        problems.verified(f"{at}name", name, NAME)
        sizes = ordered_sizes(shard.min_size, shard.max_size, problems, at)
        load = shard.load or load
        if work is not None:
            work = work.of_shard(shard.name, shard.environment)
            with problems.collect():
                work.check()
    group = common if pool.blocks else replace(common, sizes=sizes)
    load = load or (work and work.load)
    if args.forecast is not None and load is None and args.load_balancer is None:
        expected = "a metric of the pool's load, a workload that publishes one, or a load_balancer that counts requests"
        problems.refuse("forecast.load", None, expected)
    return Partition(name, group, sizes, load, work)


def _sizes(args: AwsGpuPoolArgs, problems: Problems) -> Sizes:
    """Sizes of a pool without shards; those of its fleet, if it has Capacity Blocks."""
    if args.min_size is None or args.max_size is None:
        return Sizes(0, max((block.instances for block in args.capacity_blocks or ()), default=0))
    return ordered_sizes(args.min_size, args.max_size, problems, desired=args.desired_capacity)


def _default_refresh(args: AwsGpuPoolArgs) -> AwsInstanceRefresh:
    if args.capacity_blocks is not None:
        return AwsInstanceRefresh(enabled=False)
    if args.reservation is not None and args.reservation.preference == "capacity-reservations-only":
        # A reservation that is full has no room for the new instance beside the old one.
        return AwsInstanceRefresh(enabled=True, min_healthy_percent=90, max_healthy_percent=100)
    return AwsInstanceRefresh(enabled=True)


def _subnets(args: AwsGpuPoolArgs, problems: Problems) -> Subnets:
    if args.capacity_blocks is None and not args.cluster_placement:
        return args.subnet_ids
    return problems.verified("subnet_ids", args.subnet_ids, _one_subnet)


def _one_subnet(field: str, value: Any) -> list[Value[str]]:
    if len(value) != 1:
        expected = "exactly one subnet: capacity_blocks and cluster_placement are in one Availability Zone"
        raise SettingsError(field, value, expected)
    return value
