"""Arguments of `GcpForecastJob`."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, Text, Value
from elastic_iac.common.schema.forecast_job import JobArguments
from elastic_iac.common.schema.gcp import KMS_KEY, REGION, Labels
from elastic_iac.common.validation import matching, whole

Channel = Annotated[
    Value[str],
    matching(r"projects/[^/\s]+/notificationChannels/[^/\s]+", "a channel, 'projects/PROJECT/notificationChannels/ID'"),
]


class GcpForecastJobArgs(JobArguments):
    """Arguments of `GcpForecastJob`."""

    region: Annotated[Value[str], REGION] | None = None
    """Region of functions, schedules and bucket; the provider's by default. The fleets are in any region of the project."""
    schedule: Text | None = None
    """When full runs are: five-field cron, '0 */6 * * *' by default ('*/15 * * * *' without short runs)."""
    interval_minutes: Annotated[Value[int], whole(1, 1440)] | None = None
    """The longest time between two full runs; required with a schedule of yours, and only then. Alerts count in it."""
    memory_mib: Annotated[Value[int], whole(512, 16_384)] = 2048
    """The function's memory. It has one CPU, and two above 4096."""
    timeout_seconds: Annotated[Value[int], whole(60, 900)] = 900
    """A run's time. What does not fit goes first in the next run."""
    alarm_channels: list[Channel] = []
    """Notification channels that alerts go to, 'projects/PROJECT/notificationChannels/ID'."""
    kms_key: Annotated[Value[str], KMS_KEY] | None = None
    """Customer-managed key for the bucket, 'projects/.../cryptoKeys/NAME', which Cloud Storage's agent may use; a key of Google's by default."""
    labels: Labels = {}
    """Labels of everything that takes labels."""


OBJECTS: tuple[type[Arguments], ...] = (GcpForecastJobArgs,)
