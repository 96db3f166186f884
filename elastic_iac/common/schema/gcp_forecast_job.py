"""Arguments of `GcpForecastJob`."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, Size, Text, Value, of
from elastic_iac.common.schema.forecast_job import JobArguments
from elastic_iac.common.schema.gcp import KMS_KEY, REGION, Labels
from elastic_iac.common.schema.gcp_autoscaling_group import GcpForecast
from elastic_iac.common.validation import matching, whole
from forecasting.settings import Fleet, GcpTarget

Channel = Annotated[
    Value[str],
    matching(r"projects/[^/\s]+/notificationChannels/[^/\s]+", "a channel, 'projects/PROJECT/notificationChannels/ID'"),
]
Connector = Annotated[
    Value[str],
    matching(
        r"projects/[^/\s]+/locations/[^/\s]+/connectors/[^/\s]+",
        "a connector, 'projects/PROJECT/locations/REGION/connectors/NAME'",
    ),
]


class GcpExistingGroup(Arguments):
    """A managed instance group with an autoscaler that no component declared, as a fleet of the job."""

    name: Annotated[str, of(Fleet, "name")]
    """Name of the fleet, unique within the job."""
    project: Annotated[Value[str], of(GcpTarget, "project")]
    """Project of the group, the job's own."""
    location: Annotated[Value[str], of(GcpTarget, "location")]
    """Region of a regional group, such as 'europe-west1'; zone of a zonal one."""
    autoscaler_name: Annotated[Value[str], of(GcpTarget, "autoscaler")]
    """Name of the autoscaler; its mode is 'ON'."""
    group_name: Annotated[Value[str], of(GcpTarget, "group")]
    """Name of the managed instance group."""
    min_size: Size
    """Minimum that the autoscaler has without the job's schedules."""
    max_size: Size
    """Never a minimum above this."""
    forecast: GcpForecast
    """How the minimum is planned ahead; without `saturated_cpu_percent`, which needs a component's label of the instances."""
    backend_service: Text | None = None
    """Backend service of the load balancer whose requests are the load; give this or `forecast.load`."""


class GcpForecastJobArgs(JobArguments):
    """Arguments of `GcpForecastJob`."""

    region: Annotated[Value[str], REGION] | None = None
    """Region of functions, schedules and bucket; the provider's by default. The fleets are in any region of the project."""
    schedule: Text | None = None
    """When full runs are: five-field cron, '0 */6 * * *' by default ('*/15 * * * *' without short runs)."""
    interval_minutes: Annotated[Value[int], whole(1, 1440)] | None = None
    """The longest time between two full runs; required with a schedule of yours, and only then. Alerts count in it."""
    existing_groups: list[GcpExistingGroup] = []
    """Groups that no component declared, beside `fleets`."""
    memory_mib: Annotated[Value[int], whole(512, 16_384)] = 2048
    """The function's memory. It has one CPU, and two above 4096."""
    alarm_channels: list[Channel] = []
    """Notification channels that alerts go to, 'projects/PROJECT/notificationChannels/ID'."""
    kms_key: Annotated[Value[str], KMS_KEY] | None = None
    """Customer-managed key for the bucket, 'projects/.../cryptoKeys/NAME', which Cloud Storage's agent may use; a key of Google's by default."""
    vpc_connector: Connector | None = None
    """Serverless VPC Access connector of the functions, for sources with private addresses; none by default."""
    labels: Labels = {}
    """Labels of everything that takes labels."""
