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
from elastic_iac.common.validation import IMAGE_ID, matching, one_of, whole
from forecasting.settings import Fleet

TypePattern = Annotated[Value[str], matching(r"[a-z0-9.*-]+", "an instance type or a pattern such as 'm7*'")]


class AwsInstanceType(Arguments):
    """One instance type of a mixed group."""

    instance_type: InstanceType
    """For example 'g5.xlarge'."""
    weight: Weight | None = None
    """Capacity units it counts for. Give every type a weight or none; sizes and `load_per_instance` are then per unit."""


class AwsMixedInstances(Arguments):
    """Several instance types, on demand and spot."""

    instance_types: list[AwsInstanceType]
    """1 to 40 types, the preferred ones first; none beside `instance_requirements`."""
    on_demand_base_capacity: Size = 0
    """That many units are on demand before any spot."""
    on_demand_percent_above_base: Percent = 100
    """Share of on demand above the base."""
    on_demand_allocation_strategy: Annotated[Value[str], one_of("prioritized", "lowest-price")] = "prioritized"
    """'prioritized' takes the order of `instance_types`."""
    spot_allocation_strategy: SpotStrategy = "price-capacity-optimized"
    """How spot instances are chosen."""


class AwsInstanceRequirements(Arguments):
    """Attributes by which AWS selects instance types, those of the image's architecture."""

    min_vcpus: Annotated[Value[int], whole(1, 1024)]
    """vCPUs at least."""
    min_memory_mib: Annotated[Value[int], whole(1, 67_108_864)]
    """Memory in MiB at least."""
    max_vcpus: Annotated[Value[int], whole(1, 1024)] | None = None
    """vCPUs at most."""
    max_memory_mib: Annotated[Value[int], whole(1, 67_108_864)] | None = None
    """Memory in MiB at most."""
    cpu_manufacturers: list[Annotated[Value[str], one_of("intel", "amd", "amazon-web-services")]] = []
    """Any by default; 'amazon-web-services' is Graviton."""
    instance_generations: list[Annotated[Value[str], one_of("current", "previous")]] = ["current"]
    """Generations of instance types."""
    allowed_instance_types: list[TypePattern] = []
    """Only these, for example 'm7*'; not beside `excluded_instance_types`."""
    excluded_instance_types: list[TypePattern] = []
    """All but these, for example 't*'."""


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
    instance_requirements: AwsInstanceRequirements | None = None
    """Select instance types by attributes; `mixed_instances`, with an empty list of types, shares them between on demand and spot."""
    other_architecture_ami_id: Annotated[Value[str], IMAGE_ID] | None = None
    """Image of the types in `mixed_instances` whose processor architecture is not that of `instance_type` (Graviton beside x86)."""
