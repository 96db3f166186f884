"""A pool's fleet: that of a group, counted in replicas, with the fields that only a pool has."""

from collections.abc import Sequence
from typing import Any

import pulumi

from elastic_iac.aws.fleet import fleet_settings
from elastic_iac.aws.gpu_pool.capacity_block import Block
from elastic_iac.aws.group import Sizes
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.aws import AwsLoad
from elastic_iac.common.schema.aws_gpu_pool import AwsGpuForecast
from elastic_iac.common.schema.base import Value


def pool_fleet(
    name: str,
    forecast: AwsGpuForecast,
    *,
    load: AwsLoad | None,
    sizes: Sizes,
    weights: Sequence[Value[int]],
    blocks: Sequence[Block],
    warm_pool: bool,
    region: pulumi.Input[str],
    group_name: pulumi.Input[str],
    load_balancer: pulumi.Input[str],
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs.

    Args:
        name: Name of the fleet.
        forecast: The pool's forecast.
        load: The load; the load balancer's requests without one.
        sizes: Of the partition, in units.
        weights: Replicas of an instance of each type.
        blocks: Capacity Blocks of the pool.
        warm_pool: The group has a warm pool.
        region: Region of the group.
        group_name: Name of the group in the cloud.
        load_balancer: ARN suffix of the load balancer; read only without a load.
    """
    # A group of Blocks or with a warm pool has no weights, so that its unit is an instance.
    by_instance = bool(blocks) or warm_pool
    per_unit, units = forecast.load_per_replica, lift(lambda *counts: min(counts), *weights)
    pool = forecast.given("warm_headroom", "on_demand_quantile")
    if by_instance:
        per_unit, units = lift(lambda load, count: load * count, per_unit, weights[0]), 1
        if forecast.warm_headroom is not None:
            pool["warm_headroom"] = lift(
                lambda replicas, count: -(-replicas // count), forecast.warm_headroom, weights[0]
            )
    settings = fleet_settings(
        name,
        forecast,
        load=load,
        load_per_instance=per_unit,
        minimum=sizes.minimum,
        maximum=sizes.maximum,
        region=region,
        group_name=group_name,
        load_balancer=load_balancer,
    )
    pool["units_per_instance"] = units
    if blocks:
        pool["windows"] = [_window(block) for block in blocks]
    own = {"lead_time_seconds": forecast.lead_time_seconds, "learn_lead_time": forecast.learn_lead_time}
    return {**settings, **own, "pool": pool}


def _window(block: Block) -> dict[str, Any]:
    return {
        "start": block.opens.isoformat(),
        "end": block.closes.isoformat(),
        "floor": block.min_instances,
        "units": block.instances,
    }
