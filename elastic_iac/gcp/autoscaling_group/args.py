"""Arguments of `GcpAutoscalingGroup`.

Generated from `elastic_iac/common/schema/gcp_autoscaling_group.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi

from elastic_iac.common.args import LoadEvent, LoadExclusion, LoadPrices
from elastic_iac.gcp.args import (
    GcpBootDisk,
    GcpHealthCheck,
    GcpLoad,
    GcpLoadBalancer,
    GcpScaleInControl,
    GcpStandbyPool,
    GcpTargetTracking,
    GcpUpdatePolicy,
)


class GcpInstanceSelection(TypedDict):
    """Machine types that are equally good."""

    name: str
    """A name of your choice."""
    machine_types: list[pulumi.Input[str]]
    """For example 'n4-standard-4' and 'c4-standard-4'."""
    rank: NotRequired[pulumi.Input[float]]
    """The selection with the lowest rank is tried first. From 0 to 1000. Default: 0."""


class GcpForecast(TypedDict):
    """How the group's minimum is planned; it becomes the `fleet` output."""

    load_per_instance: pulumi.Input[float]
    """Load that one instance serves at its target utilisation, in the load's unit: requests per
    second behind a load balancer. From 1e-09 to 1e+12."""
    lead_time_seconds: NotRequired[pulumi.Input[float]]
    """Launch to first healthy answer, p90 of what was measured. Two minutes of scheduling jitter
    are added. From 0 to 21600. Default: 300."""
    short_lead: NotRequired[pulumi.Input[bool]]
    """Short runs re-level the next slots by the newest samples; where it is not given, at a lead
    time of 10 to 60 minutes."""
    step_minutes: NotRequired[pulumi.Input[float]]
    """Step of the forecast and the plan. One of 5, 15, 30, 60. Default: 15."""
    horizon_hours: NotRequired[pulumi.Input[float]]
    """How far ahead is planned. From 6 to 48. Default: 48."""
    max_increase_per_slot: NotRequired[pulumi.Input[float]]
    """The floor rises by no more than this from one scheduled action to the next; ramps start
    earlier. At least 1."""
    max_decrease_per_slot: NotRequired[pulumi.Input[float]]
    """The floor falls by no more than this from one scheduled action to the next. At least 1."""
    quantile: NotRequired[pulumi.Input[float]]
    """Quantile of the load to provision for; where neither this nor `prices` is given, the fleet's
    own past chooses it daily. From 0.5 to 0.999."""
    prices: NotRequired[LoadPrices]
    """Instead of `quantile`: what an instance and an unmet instance cost."""
    uncovered_share: NotRequired[pulumi.Input[float]]
    """Instead of `quantile` and `prices`: share of the load that may stay uncovered, by which the
    past chooses; 0.005 by default. Above 0 and at most 0.5."""
    reactive_target: NotRequired[pulumi.Input[float]]
    """What the group's own reactive scaling aims at, as a share of `load_per_instance`: the choice
    of the quantile counts on it. From 0.2 to 1. Default: 1."""
    model: NotRequired[pulumi.Input[str]]
    """'auto' weighs all models by their past errors. One of 'auto', 'seasonal-naive-day',
    'seasonal-naive-week', 'arima', 'sarima', 'harmonic', 'ets', 'lightgbm', 'prophet', 'auto-
    arima', 'mstl'. Default: 'auto'."""
    events: NotRequired[list[LoadEvent]]
    """Known events, past and future."""
    holidays: NotRequired[list[pulumi.Input[str]]]
    """Countries, or parts of them, whose holidays move the load, e.g. 'US', 'DE-BY': learnt from
    those in what is read."""
    exclusions: NotRequired[list[LoadExclusion]]
    """Times that are not learnt from: incidents, load tests."""
    time_zone: NotRequired[pulumi.Input[str]]
    """IANA zone whose days and weeks the load follows. Default: 'UTC'."""
    similar_fleet: NotRequired[pulumi.Input[str]]
    """Another fleet of the job, by name or target key: its history is borrowed, at this one's
    level, until this one has eight days."""
    expected_load: NotRequired[pulumi.Input[float]]
    """Beside `similar_fleet`: the mean load that is expected. Without it nothing is planned before
    an hour has been seen. Above 0 and at most 1e+15."""
    max_load: NotRequired[pulumi.Input[float]]
    """Samples above this are a wrong unit or a broken exporter: a few are left out, several in a
    day hold the fleet. Above 0."""
    dry_run: NotRequired[pulumi.Input[bool]]
    """Plan and record, write nothing to the cloud. Default: false."""
    enabled: NotRequired[pulumi.Input[bool]]
    """The fleet's kill switch: false writes nothing, the old plan runs out and the baseline
    returns. Default: true."""
    load: NotRequired[GcpLoad]
    """The fleet's load; the workload's own, else the load balancer's requests per second by
    default."""
    period_seconds: NotRequired[pulumi.Input[float]]
    """Length of a sample, a multiple of 60. At least 60. Default: 300."""
    saturated_cpu_percent: NotRequired[pulumi.Input[float]]
    """At this average CPU the fleet was saturated: such samples are lower bounds of the load. Off
    by default. Above 0 and at most 100."""


class GcpAutoscalingGroupArgs(TypedDict):
    """Arguments of `GcpAutoscalingGroup`."""

    network: pulumi.Input[str]
    """The VPC network of the subnetwork, 'projects/PROJECT/global/networks/NAME'."""
    subnetwork: pulumi.Input[str]
    """The instances' subnetwork, 'projects/PROJECT/regions/REGION/subnetworks/NAME', with a Cloud
    NAT for what they fetch from outside."""
    machine_type: pulumi.Input[str]
    """For example 'e2-standard-4'."""
    min_size: pulumi.Input[float]
    """Never fewer instances. The job's schedules raise it; updates follow it. From 0 to 100000."""
    max_size: pulumi.Input[float]
    """Never more instances; updates follow it. From 0 to 100000."""
    forecast: GcpForecast
    """How the minimum is planned ahead."""
    region: NotRequired[pulumi.Input[str]]
    """Region of a regional group; the provider's by default."""
    zones: NotRequired[list[pulumi.Input[str]]]
    """Zones over which a regional group spreads, in a pool those that have the GPUs; the cloud's
    choice by default."""
    zone: NotRequired[pulumi.Input[str]]
    """Makes the group a zonal one, in this zone."""
    image: NotRequired[pulumi.Input[str]]
    """The image, 'projects/PROJECT/global/images/NAME'. Give this or `image_family`."""
    image_family: NotRequired[pulumi.Input[str]]
    """Family, 'projects/PROJECT/global/images/family/FAMILY', resolved when the group is first
    deployed and held until `refresh_image`. For a pool for example one of
    'projects/deeplearning-platform-release'."""
    refresh_image: NotRequired[bool]
    """True takes the image that `image_family` names now; false keeps the image that is deployed.
    Default: false."""
    startup_script: NotRequired[pulumi.Input[str]]
    """Script that runs at each boot, at most 256 KiB."""
    metadata: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Further metadata of the instances, such as 'user-data' for Container-Optimized OS."""
    boot_disk: NotRequired[GcpBootDisk]
    """The boot disk; 20 GiB by default, 100 GiB in a pool."""
    secure_boot: NotRequired[pulumi.Input[bool]]
    """Boot signed code only. True by default in a group, false in a pool: drivers that are built at
    boot are not signed."""
    public_address: NotRequired[bool]
    """Give each instance a public address. Default: false."""
    instance_roles: NotRequired[dict[str, pulumi.Input[str]]]
    """Roles in the project that the instances need besides writing logs and metrics: a name of your
    choice to the role, 'roles/...'."""
    network_tags: NotRequired[list[pulumi.Input[str]]]
    """Network tags of the instances, for firewall rules of yours."""
    health_check: NotRequired[GcpHealthCheck]
    """Replace instances that do not answer; the workload's or the load balancer's port and path by
    default, none without either."""
    health_check_grace_seconds: NotRequired[pulumi.Input[float]]
    """An instance that has not answered yet is not judged before. Twice
    `forecast.lead_time_seconds` and 300 by default, and never less than that lead time: slower
    boots would be repeated forever. From 0 to 3600."""
    initialization_seconds: NotRequired[pulumi.Input[float]]
    """A new instance's metrics count after that much time since its launch;
    `forecast.lead_time_seconds` by default, 60 at least. From 15 to 3600."""
    stabilization_seconds: NotRequired[pulumi.Input[float]]
    """The autoscaler scales in to no less than the highest need of that time; 600 by default. From
    60 to 3600."""
    scale_in_control: NotRequired[GcpScaleInControl]
    """Limit of the autoscaler's scale-in within a window; none by default."""
    mode: NotRequired[pulumi.Input[str]]
    """Mode of the autoscaler, 'ON' by default. With any other nothing scales in, and the job holds
    the fleet. One of 'ON', 'ONLY_UP', 'OFF'."""
    update_policy: NotRequired[GcpUpdatePolicy]
    """How a new instance template reaches the running instances; a rolling update by default, which
    needs as many instances more as it surges."""
    standby_pool: NotRequired[GcpStandbyPool]
    """Instances that have booted already and wait; none by default."""
    named_ports: NotRequired[dict[str, pulumi.Input[float]]]
    """Ports by name, for load balancers of yours; 'http' is `load_balancer`'s. From 1 to 65535."""
    target_tracking: NotRequired[list[GcpTargetTracking]]
    """The autoscaler's signals above the minimum; CPU at 60 per cent by default, in a pool the load
    balancer's rate at 80 if it has one."""
    load_balancer: NotRequired[GcpLoadBalancer]
    """A global external application load balancer in front of the group, of each shard of a pool."""
    labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Labels of the instances, their disks and the template. Templates are immutable: a changed
    label makes another one, and with `update_policy` proactive, the default, replaces every
    instance step by step. (A provider's default labels reach everything but the instances.)"""
    spot: NotRequired[pulumi.Input[bool]]
    """Spot instances: cheap, and taken away at any time. One group has one kind. Default: false."""
    instance_selections: NotRequired[list[GcpInstanceSelection]]
    """Machine types instead of `machine_type`, of a regional group: another one is launched if the
    preferred one is out of stock. They serve the same load, and take the same boot disk."""
