"""The arguments of `GcpForecastJob`, under the rules of `elastic_iac.gcp.args`."""

from typing import NotRequired, TypedDict

import pulumi


class GcpForecastJobArgs(TypedDict):
    """Arguments of `GcpForecastJob`."""

    fleets: pulumi.Input[list[pulumi.Input[str]]]
    """The `fleet` outputs of the groups, in any region of this project; every 150 of them get a function of their own."""
    fleet_count: NotRequired[float]
    """How many fleets there are; needed only where `fleets` as a whole is an output (YAML programs make it one)."""
    region: NotRequired[pulumi.Input[str]]
    """Region of functions, schedules and bucket; the provider's by default."""
    schedule: NotRequired[pulumi.Input[str]]
    """When full runs are: five-field cron, '0 */6 * * *' by default ('*/15 * * * *' without short runs)."""
    interval_minutes: NotRequired[pulumi.Input[float]]
    """The longest time between two full runs, 1 to 1440; required with a schedule of yours, and only there. Alerts count in it."""
    short_run_minutes: NotRequired[float]
    """Minutes between two short runs, which re-level the next slots by the newest samples; 5 by default, a divisor of 60, 0 for none. A literal."""
    time_zone: NotRequired[pulumi.Input[str]]
    """IANA zone of the schedule; 'UTC' by default."""
    memory_mib: NotRequired[pulumi.Input[float]]
    """The function's memory, 512 to 16384; 2048 by default. It has one CPU, and two above 4096."""
    timeout_seconds: NotRequired[pulumi.Input[float]]
    """A run's time, 60 to 900; 900 by default. What does not fit goes first in the next run."""
    package_path: NotRequired[str]
    """A zip built beforehand by `elastic-iac package gcp-function`; by default it is built when it is missing or stale."""
    owner: NotRequired[pulumi.Input[str]]
    """Owner of the scaling schedules, part of their names; the component's name by default."""
    former_owners: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Owners before: their schedules are taken over, not orphaned."""
    dry_run: NotRequired[pulumi.Input[bool]]
    """Plan and record, write nothing to the groups; false by default."""
    enabled: NotRequired[pulumi.Input[bool]]
    """The kill switch of all fleets; true by default. False: the job still runs and says so, writes nothing, and its alerts tell nobody."""
    alarm_channels: NotRequired[list[pulumi.Input[str]]]
    """Notification channels that alerts go to, 'projects/PROJECT/notificationChannels/ID'."""
    alarm_emails: NotRequired[list[str]]
    """Addresses that alerts go to besides."""
    store_retention_days: NotRequired[pulumi.Input[float]]
    """Records of runs and forecasts are gone after that much time, 61 to 3650; 90 by default. The job itself reads 60 days back."""
    kms_key: NotRequired[pulumi.Input[str]]
    """Customer-managed key for the bucket, 'projects/.../cryptoKeys/NAME', which Cloud Storage's agent may use; a key of Google's by default."""
    force_destroy: NotRequired[bool]
    """Let a removal of the component empty the bucket, records and all; false by default."""
    labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Labels of everything that takes labels."""
