"""All arguments of a pool, checked before anything is registered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import pulumi

from elastic_iac.aws import capacity_block, scaling_policies
from elastic_iac.aws import group as groups
from elastic_iac.aws import image as images
from elastic_iac.aws import launch_template as launch_templates
from elastic_iac.aws import load_balancer as load_balancers
from elastic_iac.aws.args import AwsLoadBalancer
from elastic_iac.aws.capacity_block import Block, settle_blocks
from elastic_iac.aws.gpu_args import (
    AwsDedicatedHosts,
    AwsGpuForecast,
    AwsGpuPoolArgs,
    AwsGpuShard,
)
from elastic_iac.aws.gpu_capacity import (
    DEFAULT_LEAD_TIME_SECONDS,
    mixed_instances,
    settle_hook,
    settle_reservation,
    settle_types,
    settle_weights,
)
from elastic_iac.aws.gpu_families import GpuType
from elastic_iac.aws.gpu_fleet import check_pool_fleet
from elastic_iac.aws.gpu_refusals import pool_state, refuse_combinations
from elastic_iac.aws.gpu_workload import (
    Work,
    check_nodes,
    default_target_tracking,
    settle_work,
    with_health_path,
)
from elastic_iac.validation import (
    ARN,
    NAME,
    SECURITY_GROUP_ID,
    SUBNET_ID,
    VPC_ID,
    boolean,
    checked,
    checked_list,
    is_literal,
    list_of,
    number,
    plain_list,
    plain_map,
    refuse_unknown,
    text_map,
    whole,
)
from forecasting.errors import SettingsError

MAX_SHARDS = 20
_DLAMI = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"
_ROOT_VOLUME = {"size_gib": 150}
_SUBNETS = list_of(SUBNET_ID, at_least=1, expected="one or more different subnets")


@dataclass(frozen=True)
class Partition:
    """One group of the pool: the whole of it, or a shard."""

    name: str
    group: groups.Group
    fleet: Mapping[str, Any] | None
    """Its part of the arguments as `pool_fleet` reads them; None without a forecast."""
    shard: str | None = None
    work: Work | None = None


@dataclass(frozen=True)
class Pool:
    """What the groups of a pool share, and the groups."""

    types: tuple[GpuType, ...]
    vpc_id: pulumi.Output[str]
    image: images.Image
    launch: launch_templates.Launch
    partitions: tuple[Partition, ...]
    blocks: tuple[Block, ...]
    deployed: datetime
    """When this deployment runs, UTC: it decides which scheduled actions still have a future."""
    cluster: bool
    nodes_talk: bool
    """Let the instances reach each other: for Elastic Fabric Adapters, and for a trainer of several nodes."""
    target_tracking: list[scaling_policies.TargetTracking]
    load_balancer: load_balancers.LoadBalancer | None
    security_group_ids: list[pulumi.Output[str]]
    policy_arns: dict[str, pulumi.Output[str]]
    tags: pulumi.Output[Mapping[str, str]]


def settle_pool(name: str, args: AwsGpuPoolArgs) -> Pool:
    """Check the pool's arguments.

    Raises:
        SettingsError: the first wrong literal, or an impossible combination.
    """
    NAME("name", name)
    refuse_unknown("", args, AwsGpuPoolArgs)
    for flag in ("efa", "cluster_placement"):
        boolean(flag, args.get(flag, False))
    types = settle_types(args["instance_types"])
    refuse_combinations(args, types)
    work = settle_work(args)
    check_nodes(args, work, types)
    weights = settle_weights(args, types, 1 if work is None else work.gpus_per_replica)
    blocks = (
        settle_blocks(args["capacity_blocks"], all_running="forecast" not in args) if "capacity_blocks" in args else ()
    )
    balancer, deployed = args.get("load_balancer"), capacity_block.now()
    return Pool(
        types=types,
        vpc_id=checked("vpc_id", args["vpc_id"], VPC_ID),
        image=images.settle_image(_image(args, types)),
        launch=_launch(args, types, blocks),
        partitions=_partitions(name, args, types, weights, blocks, deployed, work),
        blocks=blocks,
        deployed=deployed,
        cluster=args.get("cluster_placement", False),
        nodes_talk=args.get("efa", False) or (work is not None and work.several_nodes),
        target_tracking=_target_tracking(args, work),
        load_balancer=None if balancer is None else _load_balancer(args, work, blocks),
        security_group_ids=checked_list("security_group_ids", args.get("security_group_ids", []), SECURITY_GROUP_ID),
        policy_arns={
            key: checked(f"instance_policy_arns.{key}", arn, ARN)
            for key, arn in plain_map("instance_policy_arns", args.get("instance_policy_arns", {})).items()
        },
        tags=checked("tags", args.get("tags", {}), text_map),
    )


def _target_tracking(args: AwsGpuPoolArgs, work: Work | None) -> list[scaling_policies.TargetTracking]:
    given = args["target_tracking"] if "target_tracking" in args else default_target_tracking(args, work)
    if given is None:
        return []
    return scaling_policies.settle_target_tracking(given, behind_load_balancer="load_balancer" in args)


def _load_balancer(args: AwsGpuPoolArgs, work: Work | None, blocks: Sequence[Block]) -> load_balancers.LoadBalancer:
    given, delay = with_health_path(args, work), "deregistration_delay_seconds"
    if blocks and delay in given:
        given[delay] = checked(f"load_balancer.{delay}", given[delay], capacity_block.drain_seconds)
    return load_balancers.settle_load_balancer(cast("AwsLoadBalancer", given))


def _image(args: AwsGpuPoolArgs, types: Sequence[GpuType]) -> Mapping[str, Any]:
    """The arguments of the image, a deep learning image with the open driver where none is named."""
    if "ami_id" in args or "ami_ssm_parameter" in args:
        return cast("Mapping[str, Any]", args)
    if not all(item.family.open_driver for item in types):
        expected = (
            "an image with NVIDIA's proprietary driver: V100 has no other, and the default image has the open one"
        )
        raise SettingsError("ami_ssm_parameter", None, expected)
    return {**args, "ami_ssm_parameter": _DLAMI}


def _launch(args: AwsGpuPoolArgs, types: Sequence[GpuType], blocks: Sequence[Block]) -> launch_templates.Launch:
    hosts = args.get("dedicated_hosts")
    if hosts is not None:
        refuse_unknown("dedicated_hosts", hosts, AwsDedicatedHosts)
    launch = launch_templates.settle_launch(
        {"root_volume": _ROOT_VOLUME, **args, "instance_type": types[0].name, "ebs_optimized": True}
    )
    return replace(
        launch,
        market_type="capacity-block" if blocks else None,
        efa_interfaces=min(item.size.efa_interfaces for item in types) if args.get("efa", False) else 0,
        host_resource_group_arn=hosts
        and checked("dedicated_hosts.host_resource_group_arn", hosts["host_resource_group_arn"], ARN),
    )


def _partitions(
    name: str,
    args: AwsGpuPoolArgs,
    types: Sequence[GpuType],
    weights: Sequence[pulumi.Output[int]],
    blocks: tuple[Block, ...],
    deployed: datetime,
    work: Work | None,
) -> tuple[Partition, ...]:
    forecast = args.get("forecast")
    if forecast is None and "training" not in args:
        raise SettingsError("forecast", None, "how the floor is planned; only training goes without")
    if forecast is not None:
        refuse_unknown("forecast", forecast, AwsGpuForecast)
    common = _group_args(args, types, weights, blocks)
    reservation = settle_reservation(args, blocks, deployed)
    shards = _shards(args["shards"], runs=work is not None) if "shards" in args else []
    _check_shared_load(args, shards)
    if not shards:
        return (_partition(name, args, common, weights, blocks, reservation, work),)
    return tuple(
        _partition(
            f"{name}-{shard['name']}",
            args,
            common,
            weights,
            blocks,
            reservation,
            work,
            shard=shard,
            at=f"shards[{index}].",
        )
        for index, shard in enumerate(shards)
    )


def _shards(given: Sequence[AwsGpuShard], *, runs: bool) -> list[AwsGpuShard]:
    shards = plain_list("shards", given)
    if not 1 <= len(shards) <= MAX_SHARDS:
        raise SettingsError("shards", f"{len(shards)} shards", f"1 to {MAX_SHARDS}")
    names: list[str] = []
    for index, shard in enumerate(shards):
        refuse_unknown(f"shards[{index}]", shard, AwsGpuShard)
        environment = plain_map(f"shards[{index}].environment", shard.get("environment", {}))
        if environment and not runs:
            raise SettingsError(f"shards[{index}].environment", "given", "nothing without workload or training")
        name = NAME(f"shards[{index}].name", shard["name"])
        if name in names:
            raise SettingsError(f"shards[{index}].name", name, "a name that no other shard has")
        names.append(name)
    return shards


def _check_shared_load(args: AwsGpuPoolArgs, shards: Sequence[AwsGpuShard]) -> None:
    """Metrics are told apart by their group's name, unless their dimensions are given."""
    sharing = [shard["name"] for shard in shards if "load" not in shard]
    if len(sharing) > 1 and "dimensions" in args.get("forecast", {}).get("load", {}):
        expected = (
            f"no dimensions, or a `load` of its own for each of {', '.join(sharing)}: they would all follow one load"
        )
        raise SettingsError("forecast.load.dimensions", "given", expected)


def _partition(
    name: str,
    args: AwsGpuPoolArgs,
    common: Mapping[str, Any],
    weights: Sequence[pulumi.Output[int]],
    blocks: tuple[Block, ...],
    reservation: groups.CapacityReservation | None,
    work: Work | None,
    *,
    shard: AwsGpuShard | None = None,
    at: str = "",
) -> Partition:
    NAME(f"{at}name", name)
    sizes: dict[str, Any] = {"min_size": 0, "max_size": max((block.instances for block in blocks), default=0)}
    if not blocks:
        own = cast("Mapping[str, Any]", args if shard is None else shard)
        sizes = {field: own[field] for field in ("min_size", "max_size")}
        at_least_one = checked(f"{at}min_size", sizes["min_size"], whole(1, 100_000))
        if not is_literal(sizes["min_size"]):  # literals are compared at once
            sizes["min_size"] = at_least_one
    one_zone = bool(blocks) or args.get("cluster_placement", False)
    group = groups.settle_group({**common, **sizes}, _one_subnet if one_zone else _SUBNETS, at)
    nothing = pulumi.Output.from_input(0)
    if blocks:  # its scheduled actions open it
        group = replace(group, min_size=nothing, desired_capacity=nothing, max_size=nothing)
    group = replace(group, reservation=reservation, hook=settle_hook(args))
    if shard is not None and work is not None:
        work = work.of_shard(shard["name"], shard.get("environment", {}))
        work.check()
    fleet = _fleet(args, sizes, weights, blocks, shard, work)
    if fleet is not None:
        check_pool_fleet(name, fleet)
    return Partition(
        name=name,
        group=group,
        fleet=fleet,
        shard=shard and shard["name"],
        work=work,
    )


def _fleet(
    args: AwsGpuPoolArgs,
    sizes: Mapping[str, Any],
    weights: Sequence[pulumi.Output[int]],
    blocks: tuple[Block, ...],
    shard: AwsGpuShard | None,
    work: Work | None,
) -> dict[str, Any] | None:
    """A partition's part of the arguments, as `pool_fleet` reads them."""
    given = args.get("forecast")
    if given is None:
        return None
    load = checked("forecast.load_per_replica", given["load_per_replica"], number(0, 1e12))
    forecast: dict[str, Any] = {"lead_time_seconds": DEFAULT_LEAD_TIME_SECONDS, **given, "load_per_replica": load}
    if work is not None and work.load is not None:
        forecast = {"load": work.load, **forecast}
    if shard is not None and "load" in shard:
        forecast["load"] = shard["load"]
    return {**args, **sizes, "forecast": forecast, "weights": weights, "blocks": blocks}


def _group_args(
    args: AwsGpuPoolArgs,
    types: Sequence[GpuType],
    weights: Sequence[pulumi.Output[int]],
    blocks: Sequence[Block],
) -> dict[str, Any]:
    """The arguments as a group's, without its sizes."""
    lead_time = args["forecast"].get("lead_time_seconds") if "forecast" in args else None
    given: dict[str, Any] = {
        **args,
        "forecast": {"lead_time_seconds": DEFAULT_LEAD_TIME_SECONDS if lead_time is None else lead_time},
        "capacity_rebalance": args.get("capacity_rebalance", True) if "spot" in args else False,
    }
    if "capacity_rebalance" in args and "spot" not in args:
        raise SettingsError("capacity_rebalance", args["capacity_rebalance"], "nothing without spot")
    if "warm_pool" in args:
        state = args["warm_pool"].get("pool_state", "Stopped")
        given["warm_pool"] = {
            **args["warm_pool"],
            "pool_state": checked("warm_pool.pool_state", state, pool_state(types)),
        }
    if blocks:
        return {"instance_refresh": {"enabled": False}, **given}
    if args.get("reservation", {}).get("preference") == "capacity-reservations-only":
        # A reservation that is full has no room for the new instance beside the old one.
        given = {"instance_refresh": {"enabled": True, "min_healthy_percent": 90, "max_healthy_percent": 100}, **given}
    if "warm_pool" in args:
        return given | ({} if len(types) == 1 else {"mixed_instances": mixed_instances(None, types, None)})
    return given | {"mixed_instances": mixed_instances(args.get("spot"), types, weights)}


def _one_subnet(field: str, value: object) -> list[pulumi.Output[str]]:
    subnets = _SUBNETS(field, value)
    if len(subnets) != 1:
        expected = "exactly one subnet: capacity_blocks and cluster_placement are in one Availability Zone"
        raise SettingsError(field, value, expected)
    return subnets
