"""The arguments of `AwsForecastJob`, under the rules of `elastic_iac.aws.args`."""

from typing import NotRequired, TypedDict

import pulumi


class AwsForecastJobArgs(TypedDict):
    """Arguments of `AwsForecastJob`."""

    fleets: pulumi.Input[list[pulumi.Input[str]]]
    """The `fleet` outputs of the groups, in any region of this account; every 150 of them get a function of their own."""
    fleet_count: NotRequired[float]
    """How many fleets there are; needed only where `fleets` as a whole is an output (YAML programs make it one)."""
    schedule: NotRequired[pulumi.Input[str]]
    """When full runs are: 'rate(6 hours)' by default ('rate(15 minutes)' without short runs), up to a day, or six-field 'cron(...)'."""
    interval_minutes: NotRequired[pulumi.Input[float]]
    """The longest time between two full runs, 1 to 1440; required with a cron and only there. Events expire after it, alarms count in it."""
    short_run_minutes: NotRequired[float]
    """Minutes between two short runs, which re-level the next slots by the newest samples; 5 by default, a divisor of 60, 0 for none. A literal."""
    time_zone: NotRequired[pulumi.Input[str]]
    """IANA zone of a cron schedule; 'UTC' by default."""
    flexible_window_minutes: NotRequired[pulumi.Input[float]]
    """Runs may start that much later, less than the interval; 0 by default."""
    architecture: NotRequired[str]
    """'arm64' (the default) or 'x86_64'."""
    memory_mib: NotRequired[pulumi.Input[float]]
    """The function's memory, 512 to 10240; 1769 by default, with which it has one whole CPU."""
    timeout_seconds: NotRequired[pulumi.Input[float]]
    """A run's time, 60 to 900; 900 by default. What does not fit goes first in the next run."""
    log_retention_days: NotRequired[pulumi.Input[float]]
    """How long CloudWatch keeps the function's log; 30 by default."""
    reserved_concurrency: NotRequired[pulumi.Input[float]]
    """Executions that are reserved for each function, and its limit. None by default: AWS demands that 100 stay unreserved in the account."""
    package_path: NotRequired[str]
    """A zip built beforehand by `elastic-iac package aws-lambda`; by default it is built when it is missing or stale."""
    owner: NotRequired[pulumi.Input[str]]
    """Owner of the scheduled actions, part of their names; the component's name by default."""
    former_owners: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Owners before: their actions are taken over, not orphaned."""
    dry_run: NotRequired[pulumi.Input[bool]]
    """Plan and record, write nothing to the groups; false by default."""
    enabled: NotRequired[pulumi.Input[bool]]
    """The kill switch of all fleets; true by default. False: the job still runs and says so, writes nothing, and its alarms tell nobody."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms go to; one is made by default."""
    alarm_emails: NotRequired[list[str]]
    """Addresses subscribed to the topic that is made; each must confirm by the mail that AWS sends."""
    store_retention_days: NotRequired[pulumi.Input[float]]
    """Records of runs and forecasts are gone after that much time, 61 to 3650; 90 by default. The job itself reads 60 days back."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Customer-managed key for the bucket; S3's own encryption by default."""
    force_destroy: NotRequired[bool]
    """Let a removal of the component empty the bucket, records and all; false by default."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags of everything that takes tags."""
