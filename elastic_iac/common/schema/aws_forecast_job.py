"""Arguments of `AwsForecastJob`."""

from typing import Annotated

from elastic_iac.common.schema.aws import ONE_SUBNET, SecurityGroupId, Subnets
from elastic_iac.common.schema.aws_autoscaling_group import AwsForecast
from elastic_iac.common.schema.base import Arguments, Arn, Size, Texts, Value, of
from elastic_iac.common.schema.forecast_job import JobArguments
from elastic_iac.common.validation import Kind, matching, one_of, whole
from forecasting.errors import SettingsError
from forecasting.settings import AwsTarget, Fleet

LoadBalancerSuffix = Annotated[
    Value[str], matching(r"app/[^/\s]+/[0-9a-f]+", "the last part of the load balancer's ARN, 'app/NAME/ID'")
]
ScheduleExpression = Annotated[
    Value[str],
    matching(
        r"rate\([1-9]\d* (minute|hour|day)s?\)|cron\(\S+( \S+){5}\)",
        "'rate(15 minutes)' or EventBridge's 'cron(minute hour day month weekday year)'",
    ),
]
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Accepted by CloudWatch Logs (PutRetentionPolicy)."""


def _log_days(field: str, value: object) -> int:
    days = whole(1, max(_LOG_DAYS))(field, value)
    if days not in _LOG_DAYS:
        raise SettingsError(field, value, f"what CloudWatch takes: {', '.join(map(str, _LOG_DAYS))} days")
    return days


class AwsExistingGroup(Arguments):
    """An Auto Scaling group that no component declared, as a fleet of the job."""

    name: Annotated[str, of(Fleet, "name")]
    """Name of the fleet, unique within the job."""
    region: Annotated[Value[str], of(AwsTarget, "region")]
    """Region of the group, in this account."""
    group_name: Annotated[Value[str], of(AwsTarget, "group_name")]
    """Name of the Auto Scaling group; it needs a policy that scales in."""
    min_size: Size
    """Never a minimum below this; also the baseline that the last scheduled action restores. In units of the group's weights, if it has any."""
    max_size: Size
    """Never a minimum above this."""
    forecast: AwsForecast
    """How the minimum is planned ahead."""
    load_balancer: LoadBalancerSuffix | None = None
    """Application load balancer whose requests are the load, 'app/NAME/ID'; give this or `forecast.load`."""


class AwsForecastJobArgs(JobArguments):
    """Arguments of `AwsForecastJob`."""

    schedule: ScheduleExpression | None = None
    """When full runs are: 'rate(6 hours)' by default ('rate(15 minutes)' without short runs), up to a day, or six-field 'cron(...)'."""
    interval_minutes: Annotated[Value[int], whole(1, 1440)] | None = None
    """The longest time between two full runs; required with a cron and only there. Events expire after it, alarms count in it."""
    existing_groups: list[AwsExistingGroup] = []
    """Groups that no component declared, beside `fleets`."""
    flexible_window_minutes: Annotated[Value[int], whole(0, 1439)] = 0
    """Runs may start that much later, less than the interval."""
    architecture: Annotated[str, one_of("arm64", "x86_64")] = "arm64"
    """Processor of the function."""
    memory_mib: Annotated[Value[int], whole(512, 10_240)] = 1769
    """The function's memory; with 1769 it has one whole CPU."""
    log_retention_days: Annotated[Value[int], Kind(_log_days, {"type": "integer", "enum": list(_LOG_DAYS)})] = 30
    """How long CloudWatch keeps the function's log."""
    reserved_concurrency: Annotated[Value[int], whole(1, 1000)] | None = None
    """Executions that are reserved for each function, and its limit. None by default: AWS demands that 100 stay unreserved in the account."""
    alarm_topic_arn: Arn | None = None
    """SNS topic that alarms go to; one is made by default."""
    kms_key_arn: Arn | None = None
    """Customer-managed key for the bucket; S3's own encryption by default."""
    permissions_boundary_arn: Arn | None = None
    """Permissions boundary of the roles that are created."""
    vpc_subnet_ids: Annotated[Subnets, ONE_SUBNET] | None = None
    """Subnets of the functions; none by default. They need a way to AWS's APIs: a NAT gateway or VPC endpoints."""
    vpc_security_group_ids: list[SecurityGroupId] = []
    """Security groups of the functions, with `vpc_subnet_ids`."""
    tags: Texts = {}
    """Tags of everything that takes tags."""
