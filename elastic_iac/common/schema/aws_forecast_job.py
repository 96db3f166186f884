"""Arguments of `AwsForecastJob`."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, Arn, Texts, Value
from elastic_iac.common.schema.forecast_job import JobArguments
from elastic_iac.common.validation import Kind, matching, one_of, whole
from forecasting.errors import SettingsError

_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Accepted by CloudWatch Logs (PutRetentionPolicy)."""


def _log_days(field: str, value: object) -> int:
    days = whole(1, max(_LOG_DAYS))(field, value)
    if days not in _LOG_DAYS:
        raise SettingsError(field, value, f"what CloudWatch takes: {', '.join(map(str, _LOG_DAYS))} days")
    return days


class AwsForecastJobArgs(JobArguments):
    """Arguments of `AwsForecastJob`."""

    schedule: (
        Annotated[
            Value[str],
            matching(
                r"rate\([1-9]\d* (minute|hour|day)s?\)|cron\(\S+( \S+){5}\)",
                "'rate(15 minutes)' or EventBridge's 'cron(minute hour day month weekday year)'",
            ),
        ]
        | None
    ) = None
    """When full runs are: 'rate(6 hours)' by default ('rate(15 minutes)' without short runs), up to a day, or six-field 'cron(...)'."""
    interval_minutes: Annotated[Value[int], whole(1, 1440)] | None = None
    """The longest time between two full runs; required with a cron and only there. Events expire after it, alarms count in it."""
    flexible_window_minutes: Annotated[Value[int], whole(0, 1439)] = 0
    """Runs may start that much later, less than the interval."""
    architecture: Annotated[str, one_of("arm64", "x86_64")] = "arm64"
    """Processor of the function."""
    memory_mib: Annotated[Value[int], whole(512, 10_240)] = 1769
    """The function's memory; with 1769 it has one whole CPU."""
    timeout_seconds: Annotated[Value[int], whole(60, 900)] = 900
    """A run's time. What does not fit goes first in the next run."""
    log_retention_days: Annotated[Value[int], Kind(_log_days, {"type": "integer", "enum": list(_LOG_DAYS)})] = 30
    """How long CloudWatch keeps the function's log."""
    reserved_concurrency: Annotated[Value[int], whole(1, 1000)] | None = None
    """Executions that are reserved for each function, and its limit. None by default: AWS demands that 100 stay unreserved in the account."""
    alarm_topic_arn: Arn | None = None
    """SNS topic that alarms go to; one is made by default."""
    kms_key_arn: Arn | None = None
    """Customer-managed key for the bucket; S3's own encryption by default."""
    tags: Texts = {}
    """Tags of everything that takes tags."""


OBJECTS: tuple[type[Arguments], ...] = (AwsForecastJobArgs,)
