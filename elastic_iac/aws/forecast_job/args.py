"""Arguments of `AwsForecastJob`.

Generated from `elastic_iac/common/schema/aws_forecast_job.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi

from elastic_iac.aws.autoscaling_group.args import AwsForecast


class AwsExistingGroup(TypedDict):
    """An Auto Scaling group that no component declared, as a fleet of the job."""

    name: str
    """Name of the fleet, unique within the job."""
    region: pulumi.Input[str]
    """Region of the group, in this account."""
    group_name: pulumi.Input[str]
    """Name of the Auto Scaling group; it needs a policy that scales in."""
    min_size: pulumi.Input[float]
    """Never a minimum below this; also the baseline that the last scheduled action restores. In
    units of the group's weights, if it has any. From 0 to 100000."""
    max_size: pulumi.Input[float]
    """Never a minimum above this. From 0 to 100000."""
    forecast: AwsForecast
    """How the minimum is planned ahead."""
    load_balancer: NotRequired[pulumi.Input[str]]
    """Application load balancer whose requests are the load, 'app/NAME/ID'; give this or
    `forecast.load`."""


class AwsForecastJobArgs(TypedDict):
    """Arguments of `AwsForecastJob`."""

    fleets: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """The `fleet` outputs of the groups; every 150 of them get a function of their own."""
    fleet_count: NotRequired[float]
    """Number of fleets; needed only if `fleets` as a whole is an output (YAML programs make it
    one). From 1 to 1500."""
    short_run_minutes: NotRequired[float]
    """Minutes between two short runs, which update the next slots from the newest samples; 5 by
    default, a divisor of 60, 0 for none. From 0 to 60."""
    time_zone: NotRequired[pulumi.Input[str]]
    """IANA zone of a cron schedule. Default: 'UTC'."""
    package_path: NotRequired[str]
    """A zip built beforehand by `elastic-iac package`; by default it is built when it is missing or
    stale."""
    owner: NotRequired[pulumi.Input[str]]
    """Owner of the scheduled actions, part of their names; the component's name by default."""
    former_owners: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Owners before: their actions are taken over, not orphaned."""
    dry_run: NotRequired[pulumi.Input[bool]]
    """Plan and record, write nothing to the groups. Default: false."""
    enabled: NotRequired[pulumi.Input[bool]]
    """The kill switch of all fleets. False: the job still runs and reports it, writes nothing, and
    its alarms send nothing. Default: true."""
    timeout_seconds: NotRequired[pulumi.Input[float]]
    """A run's time. What does not fit goes first in the next run. From 60 to 900. Default: 900."""
    alarm_emails: NotRequired[list[str]]
    """Addresses that alarms go to; each must confirm by the mail that the cloud sends."""
    store_retention_days: NotRequired[pulumi.Input[float]]
    """Records of runs and forecasts are deleted after that much time. The job itself reads 60 days
    back. From 61 to 3650. Default: 90."""
    force_destroy: NotRequired[bool]
    """Let a removal of the component empty the bucket, records and all. Default: false."""
    schedule: NotRequired[pulumi.Input[str]]
    """When full runs are: 'rate(6 hours)' by default ('rate(15 minutes)' without short runs), up to
    a day, or six-field 'cron(...)'."""
    interval_minutes: NotRequired[pulumi.Input[float]]
    """The longest time between two full runs; required with a cron and only there. Events expire
    after it, alarms count in it. From 1 to 1440."""
    existing_groups: NotRequired[list[AwsExistingGroup]]
    """Groups that no component declared, beside `fleets`."""
    flexible_window_minutes: NotRequired[pulumi.Input[float]]
    """Runs may start that much later, less than the interval. From 0 to 1439. Default: 0."""
    architecture: NotRequired[str]
    """Processor of the function. One of 'arm64', 'x86_64'. Default: 'arm64'."""
    memory_mib: NotRequired[pulumi.Input[float]]
    """The function's memory; with 1769 it has one whole CPU. From 512 to 10240. Default: 1769."""
    log_retention_days: NotRequired[pulumi.Input[float]]
    """How long CloudWatch keeps the function's log. One of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150,
    180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653. Default: 30."""
    reserved_concurrency: NotRequired[pulumi.Input[float]]
    """Executions that are reserved for each function, and its limit. None by default: AWS demands
    that 100 stay unreserved in the account. From 1 to 1000."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms go to; one is made by default."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Customer-managed key for the bucket; S3's own encryption by default."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """Permissions boundary of the roles that are created."""
    vpc_subnet_ids: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Subnets of the functions; none by default. They need a way to AWS's APIs: a NAT gateway or
    VPC endpoints."""
    vpc_security_group_ids: NotRequired[list[pulumi.Input[str]]]
    """Security groups of the functions, with `vpc_subnet_ids`."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags of everything that takes tags."""
