"""A pool's `fleet`: that of a group, counted in replicas, with what only a pool has."""

from collections.abc import Mapping
from typing import Any

import pulumi

from elastic_iac.aws.args import AwsAutoscalingGroupArgs, AwsLoad
from elastic_iac.aws.capacity_block import Block
from elastic_iac.aws.fleet import fleet_settings
from elastic_iac.fleet import check_forecast, check_literals
from elastic_iac.validation import checked, whole
from forecasting.errors import SettingsError

_POOL_FIELDS = ("warm_headroom", "on_demand_quantile")


def pool_fleet(
    name: str,
    args: Mapping[str, Any],
    *,
    region: pulumi.Input[str],
    group_name: pulumi.Input[str],
    load_balancer: pulumi.Input[str],
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs.

    Args:
        name: Of the fleet.
        args: The pool's arguments; `min_size` and `max_size` are the partition's, in units; `weights` are the types', `blocks` the Blocks.
        region: Region of the group.
        group_name: Name of the group in the cloud.
        load_balancer: ARN suffix of the load balancer; read only where the arguments have one.
    """
    blocks: tuple[Block, ...] = args["blocks"]
    weights: list[pulumi.Output[int]] = args["weights"]
    forecast = {**args["forecast"]}
    per_replica = forecast.pop("load_per_replica")
    own = {field: forecast.pop(field) for field in _POOL_FIELDS if field in forecast}
    learn = forecast.pop("learn_lead_time", True)
    # A group of Blocks or with a warm pool has no weights, so that its unit is an instance.
    by_instance = bool(blocks) or "warm_pool" in args
    per_unit = (
        pulumi.Output.all(per_replica, weights[0]).apply(lambda both: both[0] * both[1]) if by_instance else per_replica
    )
    group: Any = {**args, "forecast": {**forecast, "load_per_instance": per_unit}}
    typed: AwsAutoscalingGroupArgs = group
    settings = fleet_settings(name, typed, region=region, group_name=group_name, load_balancer=load_balancer)
    units = 1 if by_instance else pulumi.Output.all(*weights).apply(lambda all_weights: min(map(int, all_weights)))
    pool = {"units_per_instance": units, **own}
    if by_instance and "warm_headroom" in own:
        replicas = checked("forecast.warm_headroom", own["warm_headroom"], whole(0, 100_000))
        pool["warm_headroom"] = pulumi.Output.all(replicas, weights[0]).apply(lambda both: -(-both[0] // int(both[1])))
    if blocks:
        pool["windows"] = [_window(block) for block in blocks]
    return settings | {"learn_lead_time": learn, "pool": pool}


def _window(block: Block) -> dict[str, Any]:
    return {
        "start": block.opens.isoformat(),
        "end": block.closes.isoformat(),
        "floor": block.min_instances,
        "units": block.instances,
    }


def check_pool_fleet(name: str, args: Mapping[str, Any]) -> None:
    """Check the forecast's literals against the job's own contract; outputs are checked by `fleet_json`.

    Raises:
        SettingsError: the first wrong literal, by the argument's name.
    """
    forecast = args["forecast"]
    check_forecast(forecast, AwsLoad)
    if "load" not in forecast and "load_balancer" not in args:
        raise SettingsError(
            "forecast.load",
            None,
            "a metric of the pool's load, a workload that publishes one, or a load_balancer that counts requests",
        )
    check_literals(pool_fleet(name, args, region="us-east-1", group_name="unknown", load_balancer="unknown"))
