"""Arguments of `AwsAutoscalingGroup`."""

from typing import Annotated

from elastic_iac.common.schema.aws import (
    TWO_ZONES,
    AwsForecastFields,
    InstancesArguments,
    InstanceType,
    SpotStrategy,
    Subnets,
)
from elastic_iac.common.schema.base import Arguments, Flag, Percent, Size, Value, Weight, of
from elastic_iac.common.validation import one_of
from forecasting.settings import Fleet


class AwsInstanceType(Arguments):
    """One instance type of a mixed group."""

    instance_type: InstanceType
    """For example 'g5.xlarge'."""
    weight: Weight | None = None
    """Capacity units it counts for. Give every type a weight or none; sizes and `load_per_instance` are then per unit."""


class AwsMixedInstances(Arguments):
    """Several instance types, on demand and spot."""

    instance_types: list[AwsInstanceType]
    """1 to 40 types, the preferred ones first."""
    on_demand_base_capacity: Size = 0
    """That many units are on demand before any spot."""
    on_demand_percent_above_base: Percent = 100
    """Share of on demand above the base."""
    on_demand_allocation_strategy: Annotated[Value[str], one_of("prioritized", "lowest-price")] = "prioritized"
    """'prioritized' takes the order of `instance_types`."""
    spot_allocation_strategy: SpotStrategy = "price-capacity-optimized"
    """How spot instances are chosen."""


class AwsForecast(AwsForecastFields):
    """How the group's minimum is planned; it becomes the `fleet` output."""

    load_per_instance: Annotated[Value[float], of(Fleet, "load_per_instance")]
    """Load that one instance (or capacity unit) serves at its target utilisation, in the load's unit: requests per second behind a load balancer."""


class AwsAutoscalingGroupArgs(InstancesArguments):
    """Arguments of `AwsAutoscalingGroup`."""

    subnet_ids: Annotated[Subnets, TWO_ZONES]
    """Subnets of the instances, of two Availability Zones at least."""
    instance_type: InstanceType
    """For example 'm7i.large'; `mixed_instances` overrides it."""
    min_size: Size
    """Never fewer instances. Set at creation; afterwards the forecast job moves it and updates leave it alone."""
    max_size: Size
    """Never more instances; updates follow it."""
    forecast: AwsForecast
    """How the minimum is planned ahead."""
    ebs_optimized: Flag = True
    """Dedicated bandwidth to EBS. Instance types from before 2014 may refuse it."""
    mixed_instances: AwsMixedInstances | None = None
    """Several instance types, on demand and spot."""


OBJECTS: tuple[type[Arguments], ...] = (AwsInstanceType, AwsMixedInstances, AwsForecast, AwsAutoscalingGroupArgs)
