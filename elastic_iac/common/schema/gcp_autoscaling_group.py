"""Arguments of `GcpAutoscalingGroup`."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, Flag, Size, Value, of
from elastic_iac.common.schema.gcp import MACHINE_TYPE, GcpForecastFields, GcpInstancesArguments
from elastic_iac.common.validation import matching, whole
from forecasting.settings import Fleet

MachineType = Annotated[Value[str], MACHINE_TYPE]


class GcpInstanceSelection(Arguments):
    """Machine types that are equally good."""

    name: Annotated[str, matching(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "1 to 63 lower-case letters, digits and hyphens")]
    """A name of your choice."""
    machine_types: list[MachineType]
    """For example 'n4-standard-4' and 'c4-standard-4'."""
    rank: Annotated[Value[int], whole(0, 1000)] = 0
    """The selection with the lowest rank is tried first."""


class GcpForecast(GcpForecastFields):
    """How the group's minimum is planned; it becomes the `fleet` output."""

    load_per_instance: Annotated[Value[float], of(Fleet, "load_per_instance")]
    """Load that one instance serves at its target utilisation, in the load's unit: requests per second behind a load balancer."""


class GcpAutoscalingGroupArgs(GcpInstancesArguments):
    """Arguments of `GcpAutoscalingGroup`."""

    machine_type: MachineType
    """For example 'e2-standard-4'."""
    min_size: Size
    """Never fewer instances. The job's schedules raise it; updates follow it."""
    max_size: Size
    """Never more instances; updates follow it."""
    forecast: GcpForecast
    """How the minimum is planned ahead."""
    spot: Flag = False
    """Spot instances: cheap, and taken away at any time. One group has one kind."""
    instance_selections: list[GcpInstanceSelection] = []
    """Machine types instead of `machine_type`, of a regional group: another one is launched if the preferred one is out of stock. They serve the
    same load, and take the same boot disk."""
