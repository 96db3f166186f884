"""The arguments of the Google Cloud components, as far as Pulumi's analyzer takes them to other languages.

Names and units are those of the AWS components where the meaning is the same. Every nested type has a required field, counts are floats, and what
decides which resources exist is plain: `elastic_iac.aws.args` says why.
"""

from typing import NotRequired, TypedDict

import pulumi

from elastic_iac.common.args import LoadEvent, LoadExclusion, LoadPrices


class GcpBootDisk(TypedDict):
    """The disk that an instance boots from; it is encrypted at rest in any case."""

    size_gib: pulumi.Input[float]
    """Size in GiB, 10 to 65536; at least the image's own."""
    type: NotRequired[pulumi.Input[str]]
    """'pd-balanced' (the default), 'pd-ssd', 'pd-standard' or 'hyperdisk-balanced'."""
    iops: NotRequired[pulumi.Input[float]]
    """Provisioned I/O operations per second of a hyperdisk, 2500 to 160000."""
    throughput_mib: NotRequired[pulumi.Input[float]]
    """Provisioned MiB per second of a hyperdisk, 140 to 2400. More shortens the boot where models are read from disk."""
    kms_key: NotRequired[pulumi.Input[str]]
    """Customer-managed key, 'projects/.../cryptoKeys/NAME'; a key of Google's by default."""


class GcpHealthCheck(TypedDict):
    """What an instance must answer, or it is replaced. Behind a load balancer this is its own port and path by default."""

    port: pulumi.Input[float]
    """Port on which the instance answers over HTTP."""
    path: NotRequired[pulumi.Input[str]]
    """Path that answers 200 while the instance serves; '/' by default."""
    interval_seconds: NotRequired[pulumi.Input[float]]
    """Between two checks, 5 to 300; 30 by default. Three bad answers replace the instance: later than the load balancer stops sending to it."""


class GcpUpdatePolicy(TypedDict):
    """How a new instance template reaches the running instances."""

    proactive: bool
    """False leaves running instances as they are; only new ones take the new template."""
    max_surge: NotRequired[pulumi.Input[float]]
    """Instances above the size during an update, 0 or at least one for each zone; one for each zone by default."""
    max_unavailable: NotRequired[pulumi.Input[float]]
    """Instances missing during an update, 0 or at least one for each zone; 0 by default: replacements launch first."""


class GcpMetric(TypedDict):
    """One Cloud Monitoring metric that the autoscaler follows."""

    metric_type: pulumi.Input[str]
    """For example 'custom.googleapis.com/queue_per_instance'."""
    kind: NotRequired[pulumi.Input[str]]
    """'GAUGE' (the default), 'DELTA_PER_SECOND' or 'DELTA_PER_MINUTE'."""
    filter: NotRequired[pulumi.Input[str]]
    """Monitoring filter, for example 'resource.type = "gce_instance"'; every series of the type by default."""


class GcpTargetTracking(TypedDict):
    """One signal of the autoscaler: the reactive part, above the floor that the forecast sets."""

    metric: str
    """'cpu', 'lb-utilization' (needs `load_balancer.max_rate_per_instance`) or 'custom' (needs `custom_metric`)."""
    target_value: pulumi.Input[float]
    """The value to keep: per cent of the CPU or of the maximum rate, or the custom metric's own unit per instance."""
    custom_metric: NotRequired[GcpMetric]
    """A metric that every instance has and that falls in proportion as instances are added."""


class GcpScaleInControl(TypedDict):
    """How far the autoscaler may scale in within a window. Give one of the two limits."""

    window_seconds: pulumi.Input[float]
    """Length of the window, 60 to 3600."""
    max_instances: NotRequired[pulumi.Input[float]]
    """Instances that may go, at most."""
    max_percent: NotRequired[pulumi.Input[float]]
    """Share of the group that may go, at most, 1 to 100."""


class GcpLoadBalancer(TypedDict):
    """A global external application load balancer in front of the group."""

    instance_port: pulumi.Input[float]
    """Port on which the instances serve HTTP."""
    certificate: NotRequired[pulumi.Input[str]]
    """SSL certificate, 'projects/PROJECT/global/sslCertificates/NAME': HTTPS on 443, and 80 redirects there. Without one, HTTP on 80 only."""
    max_rate_per_instance: NotRequired[pulumi.Input[float]]
    """Requests per second that fill an instance; beyond it they go elsewhere. By default instances are judged by their CPU."""
    security_policy: NotRequired[pulumi.Input[str]]
    """Cloud Armor policy, 'projects/PROJECT/global/securityPolicies/NAME', that says who may reach it; everybody by default."""
    health_check_path: NotRequired[pulumi.Input[str]]
    """Path that answers 200 once the instance can serve; '/' by default."""
    health_check_interval_seconds: NotRequired[pulumi.Input[float]]
    """Between two checks, 5 to 300; 15 by default. Two good answers make an instance healthy, three bad ones unhealthy."""
    deregistration_delay_seconds: NotRequired[pulumi.Input[float]]
    """How long a leaving instance may finish its requests, 0 to 3600; 60 by default."""
    response_timeout_seconds: NotRequired[pulumi.Input[float]]
    """A request is given up after that, 1 to 86400; 60 by default. Longer for streamed answers."""


class GcpLoad(TypedDict):
    """Where the fleet's load is read from in Cloud Monitoring."""

    metric_type: pulumi.Input[str]
    """A sum over the fleet, for example 'pubsub.googleapis.com/topic/send_request_count'; with `per_instance`, an average over its instances."""
    resource_type: NotRequired[pulumi.Input[str]]
    """Only series of this monitored resource, for example 'pubsub_topic'."""
    metric_labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Only series with these labels of the metric."""
    resource_labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Only series with these labels of the monitored resource."""
    user_labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Only series of instances with these labels of yours."""
    statistic: NotRequired[pulumi.Input[str]]
    """'rate' (the default; a counter per second), 'mean', 'max', 'min', 'p50', 'p95' or 'p99'. With `per_instance` 'mean' is the default."""
    across: NotRequired[pulumi.Input[str]]
    """How several series are made one: 'sum' (the default; with `per_instance` 'mean'), 'mean', 'max' or 'min'."""
    absent_is_zero: NotRequired[pulumi.Input[bool]]
    """A period without a sample counted nothing, as with request counters; false by default: it is missing."""
    per_instance: NotRequired[pulumi.Input[bool]]
    """The metric is an average over instances, not a load: it is multiplied by their number. False by default."""


class GcpForecast(TypedDict):
    """How the group's floor is planned; it becomes the `fleet` output."""

    load_per_instance: pulumi.Input[float]
    """Load that one instance serves at its target utilisation, in the load's unit: requests per second behind a load balancer."""
    load: NotRequired[GcpLoad]
    """The fleet's load; the load balancer's requests per second by default."""
    period_seconds: NotRequired[pulumi.Input[float]]
    """Length of a sample, a multiple of 60; 300 by default."""
    saturated_cpu_percent: NotRequired[pulumi.Input[float]]
    """At this average CPU the fleet was saturated: such samples are lower bounds of the load. Off by default."""
    lead_time_seconds: NotRequired[pulumi.Input[float]]
    """Launch to first healthy answer, p90 of what was measured; 300 by default."""
    quantile: NotRequired[pulumi.Input[float]]
    """Quantile of the load to provision for, .5 to .999; by default the past chooses it, daily."""
    prices: NotRequired[LoadPrices]
    """Instead of `quantile`."""
    uncovered_share: NotRequired[pulumi.Input[float]]
    """Instead of both: share of the load that may stay uncovered, by which the quantile is chosen; .005 by default."""
    reactive_target: NotRequired[pulumi.Input[float]]
    """What the group's own reactive scaling aims at, as a share of `load_per_instance`; 1 by default. The choice of the quantile counts on it."""
    short_lead: NotRequired[pulumi.Input[bool]]
    """Short runs set the next slots by the newest samples; where it is not given, at a lead time of 10 to 60 minutes."""
    step_minutes: NotRequired[pulumi.Input[float]]
    """Step of the plan: 5, 15 (the default), 30 or 60."""
    horizon_hours: NotRequired[pulumi.Input[float]]
    """How far ahead is planned, 6 to 48; 48 by default."""
    max_increase_per_slot: NotRequired[pulumi.Input[float]]
    """The floor rises by no more than this from one schedule to the next."""
    max_decrease_per_slot: NotRequired[pulumi.Input[float]]
    """The floor falls by no more than this from one schedule to the next."""
    time_zone: NotRequired[pulumi.Input[str]]
    """IANA zone whose days and weeks the load follows; 'UTC' by default."""
    model: NotRequired[pulumi.Input[str]]
    """'auto' (the default) weighs all models by their past errors; or the name of one."""
    max_load: NotRequired[pulumi.Input[float]]
    """A sample above this is a wrong unit or a broken exporter: nothing is written."""
    events: NotRequired[list[LoadEvent]]
    """Known future events."""
    holidays: NotRequired[list[pulumi.Input[str]]]
    """Countries, or parts of them, whose public holidays move the load: 'US', 'DE-BY'."""
    exclusions: NotRequired[list[LoadExclusion]]
    """Times that are not learnt from: incidents, load tests."""
    similar_fleet: NotRequired[pulumi.Input[str]]
    """Another fleet of the job, by name: its history is borrowed, at this one's level, until this one has eight days."""
    expected_load: NotRequired[pulumi.Input[float]]
    """Beside `similar_fleet`: the mean load that is expected; without it nothing is planned before an hour has been seen."""
    dry_run: NotRequired[pulumi.Input[bool]]
    """Plan and record, write nothing to the cloud; false by default."""
    enabled: NotRequired[pulumi.Input[bool]]
    """The fleet's kill switch; true by default."""


class GcpAutoscalingGroupArgs(TypedDict):
    """Arguments of `GcpAutoscalingGroup`."""

    network: pulumi.Input[str]
    """The VPC network of the subnetwork, 'projects/PROJECT/global/networks/NAME'."""
    subnetwork: pulumi.Input[str]
    """The instances' subnetwork, 'projects/PROJECT/regions/REGION/subnetworks/NAME', with a Cloud NAT for what they fetch from outside."""
    machine_type: pulumi.Input[str]
    """For example 'e2-standard-4'."""
    min_size: pulumi.Input[float]
    """Floor: never fewer instances. The job's schedules raise it; updates follow it."""
    max_size: pulumi.Input[float]
    """Ceiling: never more instances; updates follow it."""
    forecast: GcpForecast
    """How the floor is planned ahead."""
    region: NotRequired[pulumi.Input[str]]
    """Region of a regional group; the provider's by default."""
    zones: NotRequired[list[pulumi.Input[str]]]
    """Zones over which a regional group spreads; the cloud's choice by default."""
    zone: NotRequired[pulumi.Input[str]]
    """Makes the group a zonal one, in this zone."""
    image: NotRequired[pulumi.Input[str]]
    """The image, 'projects/PROJECT/global/images/NAME'. Give this or `image_family`."""
    image_family: NotRequired[pulumi.Input[str]]
    """Family, 'projects/PROJECT/global/images/family/FAMILY', resolved when the group is first deployed and held until `refresh_image`."""
    refresh_image: NotRequired[bool]
    """True takes what `image_family` names now; false (the default) keeps the image that is deployed."""
    startup_script: NotRequired[pulumi.Input[str]]
    """Script that runs at each boot, at most 256 KiB."""
    metadata: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Further metadata of the instances, such as 'user-data' for Container-Optimized OS."""
    boot_disk: NotRequired[GcpBootDisk]
    """The boot disk; a balanced one of 20 GiB by default."""
    spot: NotRequired[pulumi.Input[bool]]
    """Spot instances: cheap, and taken away at any time. False by default. One group has one kind."""
    secure_boot: NotRequired[pulumi.Input[bool]]
    """Boot signed code only; true by default. Drivers that are not signed need false."""
    public_address: NotRequired[bool]
    """Give each instance a public address; false by default."""
    instance_roles: NotRequired[dict[str, pulumi.Input[str]]]
    """Roles in the project that the instances need besides writing logs and metrics: a name of your choice to the role, 'roles/...'."""
    network_tags: NotRequired[list[pulumi.Input[str]]]
    """Network tags of the instances, for firewall rules of yours."""
    health_check: NotRequired[GcpHealthCheck]
    """Replace instances that do not answer; the load balancer's port and path by default, none without either."""
    health_check_grace_seconds: NotRequired[pulumi.Input[float]]
    """An instance that has not answered yet is not judged before, at most 3600. Twice `forecast.lead_time_seconds` and 300 by default, and never less
    than that lead time: of the boots that take longer, none would ever end."""
    initialization_seconds: NotRequired[pulumi.Input[float]]
    """A new instance's metrics count after that much time since its launch, 15 to 3600; `forecast.lead_time_seconds` by default, 60 at least."""
    stabilization_seconds: NotRequired[pulumi.Input[float]]
    """The autoscaler scales in to no less than the highest need of that time, 60 to 3600; 600 by default."""
    scale_in_control: NotRequired[GcpScaleInControl]
    """How far the autoscaler may scale in within a window; as far as it wants by default."""
    mode: NotRequired[pulumi.Input[str]]
    """'ON' (the default), 'ONLY_UP' or 'OFF' of the autoscaler. With any but 'ON' nothing scales in, and the job holds the fleet."""
    update_policy: NotRequired[GcpUpdatePolicy]
    """How a new instance template reaches the running instances; a rolling update by default."""
    named_ports: NotRequired[dict[str, pulumi.Input[float]]]
    """Ports by name, for load balancers of yours; 'http' is `load_balancer`'s."""
    target_tracking: NotRequired[list[GcpTargetTracking]]
    """The autoscaler's signals above the floor; CPU at 60 per cent by default."""
    load_balancer: NotRequired[GcpLoadBalancer]
    """A global external application load balancer in front of the group."""
    labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Labels of the instances, their disks and the template. (A provider's default labels reach everything but the instances.)"""
