"""Arguments that the Google Cloud components share.

Generated from `elastic_iac/common/schema/gcp.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi



class GcpBootDisk(TypedDict):
    """The disk that an instance boots from; it is encrypted at rest in any case."""

    size_gib: pulumi.Input[float]
    """Size in GiB, at least the image's own. From 10 to 65536."""
    type: NotRequired[pulumi.Input[str]]
    """Type of the disk; by default 'pd-balanced', 'hyperdisk-balanced' if the machine family has no
    other, in a pool the machine type's first. One of 'pd-balanced', 'pd-ssd', 'pd-standard',
    'hyperdisk-balanced'."""
    iops: NotRequired[pulumi.Input[float]]
    """Provisioned I/O operations per second of a hyperdisk. From 2500 to 160000."""
    throughput_mib: NotRequired[pulumi.Input[float]]
    """Provisioned MiB per second of a hyperdisk. More shortens the startup time if models are read
    from disk. From 140 to 2400."""
    kms_key: NotRequired[pulumi.Input[str]]
    """Customer-managed key, 'projects/.../cryptoKeys/NAME'; a key of Google's by default."""


class GcpHealthCheck(TypedDict):
    """The check by which instances are replaced; behind a load balancer its port and path by
    default."""

    port: pulumi.Input[float]
    """Port on which the instance answers over HTTP. From 1 to 65535."""
    path: NotRequired[pulumi.Input[str]]
    """Path that answers 200 while the instance serves. Default: '/'."""
    interval_seconds: NotRequired[pulumi.Input[float]]
    """Between two checks. Three bad answers replace the instance: later than the load balancer
    stops sending to it. From 5 to 300. Default: 30."""


class GcpUpdatePolicy(TypedDict):
    """How a new instance template reaches the running instances."""

    proactive: bool
    """False leaves running instances as they are; only new ones take the new template."""
    max_surge: NotRequired[pulumi.Input[float]]
    """Instances above the size during an update, 0 or at least one for each zone; one for each zone
    by default. From 0 to 100000."""
    max_unavailable: NotRequired[pulumi.Input[float]]
    """Instances missing during an update, 0 or at least one for each zone; with 0 replacements
    launch first. From 0 to 100000. Default: 0."""


class GcpMetric(TypedDict):
    """One Cloud Monitoring metric that the autoscaler follows."""

    metric_type: pulumi.Input[str]
    """For example 'custom.googleapis.com/queue_per_instance'."""
    kind: NotRequired[pulumi.Input[str]]
    """Kind of the metric. One of 'GAUGE', 'DELTA_PER_SECOND', 'DELTA_PER_MINUTE'. Default: 'GAUGE'."""
    filter: NotRequired[pulumi.Input[str]]
    """Monitoring filter, for example 'resource.type = "gce_instance"'; every series of the type by
    default."""


class GcpTargetTracking(TypedDict):
    """One signal of the autoscaler: the reactive part, above the minimum that the forecast sets."""

    metric: str
    """'lb-utilization' needs `load_balancer.max_rate_per_instance`, 'custom' needs `custom_metric`.
    One of 'cpu', 'lb-utilization', 'custom'."""
    target_value: pulumi.Input[float]
    """The value to keep: per cent of the CPU or of the maximum rate, or the custom metric's own
    unit per instance. Above 0 and at most 1e+12."""
    custom_metric: NotRequired[GcpMetric]
    """A metric that every instance has and that falls in proportion as instances are added."""


class GcpScaleInControl(TypedDict):
    """Limit of the autoscaler's scale-in within a window. Give one of the two limits."""

    window_seconds: pulumi.Input[float]
    """Length of the window. From 60 to 3600."""
    max_instances: NotRequired[pulumi.Input[float]]
    """Instances that may be removed, at most. From 1 to 100000."""
    max_percent: NotRequired[pulumi.Input[float]]
    """Share of the group that may be removed, at most. From 1 to 100."""


class GcpStandbyPool(TypedDict):
    """Instances that have booted already and wait, suspended or stopped."""

    stopped_size: pulumi.Input[float]
    """Stopped instances to keep. They cost their disks and addresses only. From 0 to 100000."""
    suspended_size: NotRequired[pulumi.Input[float]]
    """Suspended instances to keep. They resume faster, at the price of their memory's storage.
    Instances with GPUs cannot be suspended. From 0 to 100000. Default: 0."""
    initial_delay_seconds: NotRequired[pulumi.Input[float]]
    """Time for the boot before a new instance is stopped or suspended; `forecast.lead_time_seconds`
    by default. From 0 to 3600."""
    mode: NotRequired[pulumi.Input[str]]
    """'SCALE_OUT_POOL' scales out from the pool and fills it up again; with 'MANUAL' people start
    the instances. One of 'SCALE_OUT_POOL', 'MANUAL'. Default: 'SCALE_OUT_POOL'."""


class GcpLoadBalancer(TypedDict):
    """A global external application load balancer in front of the group."""

    instance_port: pulumi.Input[float]
    """Port on which the instances serve HTTP. From 1 to 65535."""
    certificate: NotRequired[pulumi.Input[str]]
    """SSL certificate, 'projects/PROJECT/global/sslCertificates/NAME': HTTPS on 443, and 80
    redirects there. Without one, HTTP on 80 only."""
    max_rate_per_instance: NotRequired[pulumi.Input[float]]
    """Requests per second that fill an instance; beyond it they go elsewhere. By default instances
    are judged by their CPU. Above 0 and at most 1e+06."""
    security_policy: NotRequired[pulumi.Input[str]]
    """Cloud Armor policy, 'projects/PROJECT/global/securityPolicies/NAME', that limits access;
    without one everybody may reach it."""
    health_check_path: NotRequired[pulumi.Input[str]]
    """Path that answers 200 once the instance can serve. Default: '/'."""
    health_check_interval_seconds: NotRequired[pulumi.Input[float]]
    """Between two checks. Two good answers make an instance healthy, three bad ones unhealthy. From
    5 to 300. Default: 15."""
    deregistration_delay_seconds: NotRequired[pulumi.Input[float]]
    """Time in which a leaving instance may finish its requests. From 0 to 3600. Default: 60."""
    response_timeout_seconds: NotRequired[pulumi.Input[float]]
    """A request is given up after that. Longer for streamed answers. From 1 to 86400. Default: 60."""


class GcpLoad(TypedDict):
    """The fleet's load in Cloud Monitoring."""

    metric_type: pulumi.Input[str]
    """A sum over the fleet, for example 'pubsub.googleapis.com/topic/send_request_count'; with
    `per_instance`, an average over its instances."""
    resource_type: NotRequired[pulumi.Input[str]]
    """Only series of this monitored resource, for example 'pubsub_topic'."""
    metric_labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Only series with these labels of the metric."""
    resource_labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Only series with these labels of the monitored resource."""
    user_labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Only series of instances with these labels of yours."""
    statistic: NotRequired[pulumi.Input[str]]
    """'rate' (a counter per second) by default, with `per_instance` 'mean'. One of 'rate', 'mean',
    'max', 'min', 'p50', 'p95', 'p99'."""
    across: NotRequired[pulumi.Input[str]]
    """Combination of several series: 'sum' by default, with `per_instance` 'mean'. One of 'sum',
    'mean', 'max', 'min'."""
    absent_is_zero: NotRequired[pulumi.Input[bool]]
    """A period without a sample counted nothing, as with request counters; otherwise it is missing.
    Default: false."""
    per_instance: NotRequired[pulumi.Input[bool]]
    """The metric is an average over instances, not a load: it is multiplied by their number.
    Default: false."""
