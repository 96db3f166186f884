"""Combinations that AWS refuses, or that would never launch: each is refused with its field and what would be right."""

from collections.abc import Mapping, Sequence
from typing import Any

from elastic_iac.aws.gpu_families import HIBERNATION_LIMIT_GIB, GpuType, types_with
from elastic_iac.validation import Check, one_of
from forecasting.errors import SettingsError

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


def refuse_combinations(args: Mapping[str, Any], types: Sequence[GpuType]) -> None:
    """Check the pool as a whole.

    Args:
        args: The component's arguments, each of which is of its type.
        types: Those of `instance_types`, in order.

    Raises:
        SettingsError: the first impossible combination.
    """
    for owner, beside in (
        ("capacity_blocks", _BESIDE_BLOCKS),
        ("warm_pool", _BESIDE_WARM_POOL),
        ("shards", _BESIDE_SHARDS),
        ("dedicated_hosts", _BESIDE_HOSTS),
    ):
        if owner in args:
            _refuse_beside(args, beside)
    if "capacity_blocks" in args:
        _check_block_type(args, types)
        if "on_demand_quantile" in args.get("forecast", {}):
            expected = (
                "nothing beside capacity_blocks: a Block is paid for whole, and no on-demand base is bought beside it"
            )
            raise SettingsError("forecast.on_demand_quantile", args["forecast"]["on_demand_quantile"], expected)
    if args.get("efa", False):
        _need(types, "efa_interfaces", "efa is true")
    if "dedicated_hosts" in args:
        _need(types, "dedicated_host", "of dedicated_hosts")
    if "warm_pool" in args:
        _check_no_weights(args, "warm_pool, which AWS refuses on a group with weights: the pool counts instances")
        _check_reuse(args)
    _check_sizes(args)
    starters = [field for field in ("workload", "training", "user_data") if field in args]
    if len(starters) > 1:
        raise SettingsError(starters[1], "given", f"nothing beside {starters[0]}: one thing starts an instance's work")
    one_zone = "capacity_blocks" in args or args.get("cluster_placement", False)
    if "load_balancer" in args and "subnet_ids" not in args["load_balancer"] and _is_one_subnet(args, one_zone):
        raise SettingsError(
            "load_balancer.subnet_ids",
            None,
            "two or more subnets of different Availability Zones: the pool has one only",
        )


def _refuse_beside(args: Mapping[str, Any], beside: Mapping[str, str]) -> None:
    for field, expected in beside.items():
        if field in args and args[field] is not False:
            raise SettingsError(field, "given", expected)


def _check_block_type(args: Mapping[str, Any], types: Sequence[GpuType]) -> None:
    if len(types) != 1:
        raise SettingsError("instance_types", f"{len(types)} types", "the one type of the capacity_blocks")
    if not types[0].family.capacity_blocks:
        raise SettingsError(
            "instance_types[0].instance_type", types[0].name, "a type that Capacity Blocks are sold for: p4d to p6-b200"
        )
    _check_no_weights(args, "capacity_blocks, which count instances")


def _check_no_weights(args: Mapping[str, Any], owner: str) -> None:
    for index, item in enumerate(args["instance_types"]):
        if "weight" in item:
            raise SettingsError(f"instance_types[{index}].weight", "given", f"nothing beside {owner}")


def _need(types: Sequence[GpuType], condition: str, because: str) -> None:
    for index, item in enumerate(types):
        if not getattr(item.size, condition):
            expected = f"a type that has it, because {because}: {types_with(condition)}"
            if condition == "efa_interfaces":
                expected = f"a type with Elastic Fabric Adapters, because {because}: {types_with(condition)}"
            raise SettingsError(f"instance_types[{index}].instance_type", item.name, expected)


def _check_reuse(args: Mapping[str, Any]) -> None:
    """From 'Running' an instance comes into service a second time without a boot, and what completed its hook has ended with the first."""
    pool = args["warm_pool"]
    held = "workload" in args and args.get("ready_hook", {}).get("enabled") is not False
    if held and pool.get("pool_state") == "Running" and pool.get("reuse_on_scale_in") is True:
        expected = "false, or pool_state 'Stopped': nothing completes the launch hook of an instance that comes back without a boot"
        raise SettingsError("warm_pool.reuse_on_scale_in", True, expected)


def _check_sizes(args: Mapping[str, Any]) -> None:
    if "shards" in args or "capacity_blocks" in args:
        return
    for field in ("min_size", "max_size"):
        if field not in args:
            raise SettingsError(field, None, "a number of replicas, shards or capacity_blocks")


def _is_one_subnet(args: Mapping[str, Any], one_zone: bool) -> bool:
    subnets = args["subnet_ids"]
    return one_zone or (isinstance(subnets, list) and len(subnets) == 1)  # pyright: ignore[reportUnknownArgumentType] - of any items


def pool_state(types: Sequence[GpuType]) -> Check[str]:
    """The state of a warm pool of these types."""
    known = one_of("Stopped", "Running", "Hibernated")

    def check(field: str, value: object) -> str:
        state = known(field, value)
        if state == "Hibernated":
            largest = max(types, key=lambda item: item.size.memory_gib)
            why = f"{types[0].name} cannot hibernate"
            if largest.size.memory_gib > HIBERNATION_LIMIT_GIB:
                why = f"{largest.name} has {largest.size.memory_gib} GiB of memory, and at most {HIBERNATION_LIMIT_GIB} can be hibernated"
            raise SettingsError(field, state, f"'Stopped' or 'Running': {why}")
        return state

    return check
