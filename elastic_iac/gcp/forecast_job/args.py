"""Arguments of `GcpForecastJob`.

Generated from `elastic_iac/common/schema/gcp_forecast_job.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi

from elastic_iac.gcp.autoscaling_group.args import GcpForecast


class GcpExistingGroup(TypedDict):
    """A managed instance group with an autoscaler that no component declared, as a fleet of the
    job."""

    name: str
    """Name of the fleet, unique within the job."""
    project: pulumi.Input[str]
    """Project of the group, the job's own."""
    location: pulumi.Input[str]
    """Region of a regional group, such as 'europe-west1'; zone of a zonal one."""
    autoscaler_name: pulumi.Input[str]
    """Name of the autoscaler; its mode is 'ON'."""
    group_name: pulumi.Input[str]
    """Name of the managed instance group."""
    min_size: pulumi.Input[float]
    """Minimum that the autoscaler has without the job's schedules. From 0 to 100000."""
    max_size: pulumi.Input[float]
    """Never a minimum above this. From 0 to 100000."""
    forecast: GcpForecast
    """How the minimum is planned ahead; without `saturated_cpu_percent`, which needs a component's
    label of the instances."""
    backend_service: NotRequired[pulumi.Input[str]]
    """Backend service of the load balancer whose requests are the load; give this or
    `forecast.load`."""


class GcpForecastJobArgs(TypedDict):
    """Arguments of `GcpForecastJob`."""

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
    region: NotRequired[pulumi.Input[str]]
    """Region of functions, schedules and bucket; the provider's by default. The fleets are in any
    region of the project."""
    schedule: NotRequired[pulumi.Input[str]]
    """When full runs are: five-field cron, '0 */6 * * *' by default ('*/15 * * * *' without short
    runs)."""
    interval_minutes: NotRequired[pulumi.Input[float]]
    """The longest time between two full runs; required with a schedule of yours, and only then.
    Alerts count in it. From 1 to 1440."""
    existing_groups: NotRequired[list[GcpExistingGroup]]
    """Groups that no component declared, beside `fleets`."""
    memory_mib: NotRequired[pulumi.Input[float]]
    """The function's memory. It has one CPU, and two above 4096. From 512 to 16384. Default: 2048."""
    alarm_channels: NotRequired[list[pulumi.Input[str]]]
    """Notification channels that alerts go to, 'projects/PROJECT/notificationChannels/ID'."""
    kms_key: NotRequired[pulumi.Input[str]]
    """Customer-managed key for the bucket, 'projects/.../cryptoKeys/NAME', which Cloud Storage's
    agent may use; a key of Google's by default."""
    vpc_connector: NotRequired[pulumi.Input[str]]
    """Serverless VPC Access connector of the functions, for sources with private addresses; none by
    default."""
    labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Labels of everything that takes labels."""
