"""Combinations that AWS refuses, or that would never launch: each is refused with its field and what would be right."""

from collections.abc import Mapping, Sequence

from elastic_iac.aws.gpu_pool.instance_types import HIBERNATION_LIMIT_GIB, GpuType, types_with
from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.aws import POOL_STATE, AwsWarmPool
from elastic_iac.common.schema.aws_gpu_pool import AwsGpuPoolArgs
from elastic_iac.common.validation import Check
from forecasting.errors import SettingsError

MAX_SHARDS = 20
_BESIDE_BLOCKS: Mapping[str, str] = {
    "spot": "nothing beside capacity_blocks: a Block is paid for; spot belongs in a pool of its own",
    "reservation": "nothing beside capacity_blocks: a Block is a reservation of its own; On-Demand ones belong in a pool of their own",
    "dedicated_hosts": "nothing beside capacity_blocks: a Block is on shared hosts",
    "warm_pool": "nothing beside capacity_blocks: what is stopped gives its place in the Block back",
    "shards": "nothing beside capacity_blocks: give each shard a pool with Blocks of its own",
    "min_size": "nothing beside capacity_blocks: `min_instances` of each Block is the floor, and 0 outside of them",
    "max_size": "nothing beside capacity_blocks: `instances` of each Block is the ceiling, and 0 outside of them",
    "desired_capacity": "nothing beside capacity_blocks: the pool is empty until the first of them",
}
_BESIDE_WARM_POOL: Mapping[str, str] = {
    "spot": "nothing beside warm_pool: AWS warms On-Demand instances only; spot belongs in a pool of its own",
}
"""https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html#warm-pools-limitations"""
_BESIDE_SHARDS: Mapping[str, str] = {
    field: f"nothing beside shards: each shard has its own {field}" for field in ("min_size", "max_size")
} | {"desired_capacity": "nothing beside shards: each begins at its min_size"}
_BESIDE_HOSTS: Mapping[str, str] = {
    "spot": "nothing beside dedicated_hosts: there are no spot instances on them",
    "reservation": "nothing beside dedicated_hosts: an allocated host is its own reservation",
    "cluster_placement": "false beside dedicated_hosts: a cluster placement group takes no Dedicated Hosts",
}


def refuse_combinations(args: AwsGpuPoolArgs, types: Sequence[GpuType], problems: Problems) -> None:
    """Check the pool as a whole; impossible combinations become problems."""
    for owner, beside in (
        ("capacity_blocks", _BESIDE_BLOCKS),
        ("warm_pool", _BESIDE_WARM_POOL),
        ("shards", _BESIDE_SHARDS),
        ("dedicated_hosts", _BESIDE_HOSTS),
    ):
        if getattr(args, owner) is not None:
            _refuse_beside(args, beside, problems)
    _check_blocks(args, types, problems)
    if args.efa:
        _need(types, "efa_interfaces", "efa is true", problems)
    if args.dedicated_hosts is not None:
        _need(types, "dedicated_host", "of dedicated_hosts", problems)
    if args.warm_pool is not None:
        owner = "warm_pool, which AWS refuses on a group with weights: the pool counts instances"
        _check_no_weights(args, owner, problems)
        _check_reuse(args, args.warm_pool, problems)
    if "capacity_rebalance" in args.model_fields_set and args.spot is None:
        problems.refuse("capacity_rebalance", args.capacity_rebalance, "nothing without spot")
    if args.forecast is None and args.training is None:
        problems.refuse("forecast", None, "how the minimum is planned; only training goes without")
    _check_sizes(args, problems)
    starters = [field for field in ("workload", "training", "user_data") if getattr(args, field) is not None]
    if len(starters) > 1:
        expected = f"nothing beside {starters[0]}: one thing starts an instance's work"
        problems.refuse(starters[1], "given", expected)
    if args.load_balancer is not None and args.load_balancer.subnet_ids is None and _is_one_subnet(args):
        expected = "two or more subnets of different Availability Zones: the pool has one only"
        problems.refuse("load_balancer.subnet_ids", None, expected)
    _check_shards(args, problems)


def _refuse_beside(args: AwsGpuPoolArgs, beside: Mapping[str, str], problems: Problems) -> None:
    for field, expected in beside.items():
        value = getattr(args, field)
        if value is not None and value is not False:
            problems.refuse(field, "given", expected)


def _check_blocks(args: AwsGpuPoolArgs, types: Sequence[GpuType], problems: Problems) -> None:
    if args.capacity_blocks is None:
        return
    if len(types) != 1:
        problems.refuse("instance_types", f"{len(types)} types", "the one type of the capacity_blocks")
    elif not types[0].family.capacity_blocks:
        expected = "a type that Capacity Blocks are sold for: p4d to p6-b200"
        problems.refuse("instance_types[0].instance_type", types[0].name, expected)
    _check_no_weights(args, "capacity_blocks, which count instances", problems)
    if args.forecast is not None and args.forecast.on_demand_quantile is not None:
        expected = (
            "nothing beside capacity_blocks: a Block is paid for whole, and no on-demand base is bought beside it"
        )
        problems.refuse("forecast.on_demand_quantile", args.forecast.on_demand_quantile, expected)


def _check_no_weights(args: AwsGpuPoolArgs, owner: str, problems: Problems) -> None:
    for index, item in enumerate(args.instance_types):
        if item.weight is not None:
            problems.refuse(f"instance_types[{index}].weight", "given", f"nothing beside {owner}")


def _need(types: Sequence[GpuType], condition: str, because: str, problems: Problems) -> None:
    thing = "with Elastic Fabric Adapters" if condition == "efa_interfaces" else "that has it"
    for index, item in enumerate(types):
        if not getattr(item.size, condition):
            expected = f"a type {thing}, because {because}: {types_with(condition)}"
            problems.refuse(f"instance_types[{index}].instance_type", item.name, expected)


def _check_reuse(args: AwsGpuPoolArgs, pool: AwsWarmPool, problems: Problems) -> None:
    """From 'Running' an instance comes into service a second time without a launch, and what completed its hook has ended with the first."""
    held = args.workload is not None and (args.ready_hook is None or args.ready_hook.enabled)
    if held and pool.pool_state == "Running" and pool.reuse_on_scale_in is True:
        expected = "false, or pool_state 'Stopped': nothing completes the launch hook of an instance that comes back without a boot"
        problems.refuse("warm_pool.reuse_on_scale_in", True, expected)


def _check_sizes(args: AwsGpuPoolArgs, problems: Problems) -> None:
    if args.shards is None and args.capacity_blocks is None:
        for field in ("min_size", "max_size"):
            if getattr(args, field) is None:
                problems.refuse(field, None, "a number of replicas, shards or capacity_blocks")


def _is_one_subnet(args: AwsGpuPoolArgs) -> bool:
    one_zone = args.capacity_blocks is not None or args.cluster_placement
    return one_zone or (isinstance(args.subnet_ids, list) and len(args.subnet_ids) == 1)


def _check_shards(args: AwsGpuPoolArgs, problems: Problems) -> None:
    if args.shards is None:
        return
    if not 1 <= len(args.shards) <= MAX_SHARDS:
        problems.refuse("shards", f"{len(args.shards)} shards", f"1 to {MAX_SHARDS}")
    names = [shard.name for shard in args.shards]
    for index, shard in enumerate(args.shards):
        if shard.environment and args.workload is None and args.training is None:
            problems.refuse(f"shards[{index}].environment", "given", "nothing without workload or training")
        if shard.name in names[:index]:
            problems.refuse(f"shards[{index}].name", shard.name, "a name that no other shard has")
    # Metrics are told apart by their group's name, unless their dimensions are given.
    sharing = [shard.name for shard in args.shards if shard.load is None]
    load = args.forecast and args.forecast.load
    if len(sharing) > 1 and load is not None and load.dimensions is not None:
        others = ", ".join(sharing)
        expected = f"no dimensions, or a `load` of its own for each of {others}: they would all follow one load"
        problems.refuse("forecast.load.dimensions", "given", expected)


def check_hibernation(types: Sequence[GpuType]) -> Check[str]:
    """The state of a warm pool of these types: none of them can hibernate."""

    def check(field: str, value: object) -> str:
        state = POOL_STATE(field, value)
        if state == "Hibernated":
            largest = max(types, key=lambda item: item.size.memory_gib)
            why = f"{types[0].name} cannot hibernate"
            if largest.size.memory_gib > HIBERNATION_LIMIT_GIB:
                why = f"{largest.name} has {largest.size.memory_gib} GiB of memory, and at most {HIBERNATION_LIMIT_GIB} can be hibernated"
            raise SettingsError(field, state, f"'Stopped' or 'Running': {why}")
        return state

    return check
