"""Arguments that the Google Cloud components share."""

from typing import Annotated, Any, cast

from elastic_iac.common.schema.base import TEXTS, Arguments, Flag, PlainFlag, Port, Size, Text, Texts, Value, of
from elastic_iac.common.schema.fleet import ForecastFields
from elastic_iac.common.validation import PATH, Kind, matching, number, one_of, text_of, whole
from forecasting.errors import SettingsError
from forecasting.settings import CloudMonitoringSource, MonitoringMetric

METADATA_LIMIT_BYTES = 256 * 1024
"""Of one value: https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations"""
LABELS_AT_MOST = 63
"""A resource has 64 labels at most, and one is the component's: https://cloud.google.com/compute/docs/labeling-resources#restrictions"""

GCP_NAME = matching(
    r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?",
    "1 to 40 lower-case letters, digits and inner hyphens, a letter first: it becomes part of names in the cloud",
)
HYPERDISK = "hyperdisk-balanced"

_HOST = r"(https://www\.googleapis\.com/compute/v1/)?"
KMS_KEY = matching(
    r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+",
    "a key, 'projects/.../locations/.../keyRings/.../cryptoKeys/NAME'",
)
REGION = matching(r"[a-z]+-[a-z]+\d+", "a region such as 'europe-west1'")
MACHINE_TYPE = matching(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "a machine type such as 'e2-standard-4'")
_METRIC_TYPE = matching(r"[A-Za-z][\w.-]*\.[\w.-]+(/[\w.-]+)+", "a metric's type such as 'custom.googleapis.com/queue'")
PORT_NAME = matching(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "a port's name: lower-case letters, digits and hyphens")


def _labels(field: str, value: object) -> dict[str, Any]:
    labels = TEXTS(field, value)
    if len(labels) > LABELS_AT_MOST:
        raise SettingsError(field, f"{len(labels)} labels", f"at most {LABELS_AT_MOST}")
    for key, text in labels.items():
        if not _is_label(key) or not key[:1].isalpha():
            raise SettingsError(f"{field}.{key}", key, f"a key of {_LABEL}, a letter first")
        if isinstance(cast("object", text), str) and text and not _is_label(text):
            raise SettingsError(f"{field}.{key}", text, f"a value of {_LABEL}")
    return labels


_LABEL = "at most 63 lower-case letters, digits, hyphens and underscores"


def _is_label(text: str) -> bool:
    """Whether the cloud accepts the text in a label (https://cloud.google.com/compute/docs/labeling-resources#requirements)."""
    return 0 < len(text) <= 63 and text == text.lower() and all(each.isalnum() or each in "_-" for each in text)


Labels = Annotated[
    Value[dict[str, Value[str]]], Kind(_labels, {"type": "object", "additionalProperties": {"type": "string"}})
]
Role = Annotated[Value[str], matching(r"(roles|(projects|organizations)/[^/\s]+/roles)/[\w.]+", "a role, 'roles/...'")]
Zone = Annotated[Value[str], matching(r"[a-z]+-[a-z]+\d+-[a-z]", "a zone such as 'europe-west1-b'")]
NetworkTag = Annotated[
    Value[str], matching(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "a network tag: lower-case letters, digits and hyphens")
]
Certificate = Annotated[
    Value[str],
    matching(
        _HOST + r"projects/[^/\s]+/global/sslCertificates/[^/\s]+",
        "a certificate, 'projects/PROJECT/global/sslCertificates/NAME'",
    ),
]
SecurityPolicy = Annotated[
    Value[str],
    matching(
        _HOST + r"projects/[^/\s]+/global/securityPolicies/[^/\s]+",
        "a Cloud Armor policy, 'projects/PROJECT/global/securityPolicies/NAME'",
    ),
]
Network = Annotated[
    Value[str],
    matching(
        _HOST + r"projects/[^/\s]+/global/networks/[a-z0-9-]+", "a network, 'projects/PROJECT/global/networks/NAME'"
    ),
]
Subnetwork = Annotated[
    Value[str],
    matching(
        _HOST + r"projects/[^/\s]+/regions/[a-z0-9-]+/subnetworks/[a-z0-9-]+",
        "a subnetwork, 'projects/PROJECT/regions/REGION/subnetworks/NAME'",
    ),
]
ImageName = Annotated[
    Value[str],
    matching(
        _HOST + r"projects/[a-z0-9.:-]+/global/images/[a-z0-9-]+", "an image, 'projects/PROJECT/global/images/NAME'"
    ),
]
ImageFamily = Annotated[
    Value[str],
    matching(
        _HOST + r"projects/[a-z0-9.:-]+/global/images/family/[a-z0-9-]+",
        "a family, 'projects/PROJECT/global/images/family/FAMILY'",
    ),
]
HealthInterval = Annotated[Value[int], whole(5, 300)]
Path = Annotated[Value[str], PATH]


class GcpBootDisk(Arguments):
    """The disk that an instance boots from; it is encrypted at rest in any case."""

    size_gib: Annotated[Value[int], whole(10, 65_536)]
    """Size in GiB, at least the image's own."""
    type: Annotated[Value[str], one_of("pd-balanced", "pd-ssd", "pd-standard", HYPERDISK)] | None = None
    """Type of the disk; by default 'pd-balanced', 'hyperdisk-balanced' if the machine family has no other, in a pool the machine type's first."""
    iops: Annotated[Value[int], whole(2500, 160_000)] | None = None
    """Provisioned I/O operations per second of a hyperdisk."""
    throughput_mib: Annotated[Value[int], whole(140, 2400)] | None = None
    """Provisioned MiB per second of a hyperdisk. More shortens the startup time if models are read from disk."""
    kms_key: Annotated[Value[str], KMS_KEY] | None = None
    """Customer-managed key, 'projects/.../cryptoKeys/NAME'; a key of Google's by default."""


class GcpHealthCheck(Arguments):
    """The check by which instances are replaced; behind a load balancer its port and path by default."""

    port: Port
    """Port on which the instance answers over HTTP."""
    path: Path = "/"
    """Path that answers 200 while the instance serves."""
    interval_seconds: HealthInterval = 30
    """Between two checks. Three bad answers replace the instance: later than the load balancer stops sending to it."""


class GcpUpdatePolicy(Arguments):
    """How a new instance template reaches the running instances."""

    proactive: PlainFlag
    """False leaves running instances as they are; only new ones take the new template."""
    max_surge: Size | None = None
    """Instances above the size during an update, 0 or at least one for each zone; one for each zone by default."""
    max_unavailable: Size = 0
    """Instances missing during an update, 0 or at least one for each zone; with 0 replacements launch first."""


class GcpMetric(Arguments):
    """One Cloud Monitoring metric that the autoscaler follows."""

    metric_type: Annotated[Value[str], _METRIC_TYPE]
    """For example 'custom.googleapis.com/queue_per_instance'."""
    kind: Annotated[Value[str], one_of("GAUGE", "DELTA_PER_SECOND", "DELTA_PER_MINUTE")] = "GAUGE"
    """Kind of the metric."""
    filter: Text | None = None
    """Monitoring filter, for example 'resource.type = "gce_instance"'; every series of the type by default."""


class GcpTargetTracking(Arguments):
    """One signal of the autoscaler: the reactive part, above the minimum that the forecast sets."""

    metric: Annotated[str, one_of("cpu", "lb-utilization", "custom")]
    """'lb-utilization' needs `load_balancer.max_rate_per_instance`, 'custom' needs `custom_metric`."""
    target_value: Annotated[Value[float], number(0, 1e12)]
    """The value to keep: per cent of the CPU or of the maximum rate, or the custom metric's own unit per instance."""
    custom_metric: GcpMetric | None = None
    """A metric that every instance has and that falls in proportion as instances are added."""


class GcpScaleInControl(Arguments):
    """Limit of the autoscaler's scale-in within a window. Give one of the two limits."""

    window_seconds: Annotated[Value[int], whole(60, 3600)]
    """Length of the window."""
    max_instances: Annotated[Value[int], whole(1, 100_000)] | None = None
    """Instances that may be removed, at most."""
    max_percent: Annotated[Value[int], whole(1, 100)] | None = None
    """Share of the group that may be removed, at most."""


class GcpStandbyPool(Arguments):
    """Instances that have booted already and wait, suspended or stopped."""

    stopped_size: Size
    """Stopped instances to keep. They cost their disks and addresses only."""
    suspended_size: Size = 0
    """Suspended instances to keep. They resume faster, at the price of their memory's storage. Instances with GPUs cannot be suspended."""
    initial_delay_seconds: Annotated[Value[int], whole(0, 3600)] | None = None
    """Time for the boot before a new instance is stopped or suspended; `forecast.lead_time_seconds` by default."""
    mode: Annotated[Value[str], one_of("SCALE_OUT_POOL", "MANUAL")] = "SCALE_OUT_POOL"
    """'SCALE_OUT_POOL' scales out from the pool and fills it up again; with 'MANUAL' people start the instances."""


class GcpLoadBalancer(Arguments):
    """A global external application load balancer in front of the group."""

    instance_port: Port
    """Port on which the instances serve HTTP."""
    certificate: Certificate | None = None
    """SSL certificate, 'projects/PROJECT/global/sslCertificates/NAME': HTTPS on 443, and 80 redirects there. Without one, HTTP on 80 only."""
    max_rate_per_instance: Annotated[Value[float], number(0, 1e6)] | None = None
    """Requests per second that fill an instance; beyond it they go elsewhere. By default instances are judged by their CPU."""
    security_policy: SecurityPolicy | None = None
    """Cloud Armor policy, 'projects/PROJECT/global/securityPolicies/NAME', that limits access; without one everybody may reach it."""
    health_check_path: Path = "/"
    """Path that answers 200 once the instance can serve."""
    health_check_interval_seconds: HealthInterval = 15
    """Between two checks. Two good answers make an instance healthy, three bad ones unhealthy."""
    deregistration_delay_seconds: Annotated[Value[int], whole(0, 3600)] = 60
    """Time in which a leaving instance may finish its requests."""
    response_timeout_seconds: Annotated[Value[int], whole(1, 86_400)] = 60
    """A request is given up after that. Longer for streamed answers."""


class GcpLoad(Arguments):
    """The fleet's load in Cloud Monitoring."""

    metric_type: Annotated[Value[str], of(MonitoringMetric, "type")]
    """A sum over the fleet, for example 'pubsub.googleapis.com/topic/send_request_count'; with `per_instance`, an average over its instances."""
    resource_type: Annotated[Value[str], of(MonitoringMetric, "resource_type")] | None = None
    """Only series of this monitored resource, for example 'pubsub_topic'."""
    metric_labels: Texts | None = None
    """Only series with these labels of the metric."""
    resource_labels: Texts | None = None
    """Only series with these labels of the monitored resource."""
    user_labels: Texts | None = None
    """Only series of instances with these labels of yours."""
    statistic: Annotated[Value[str], one_of("rate", "mean", "max", "min", "p50", "p95", "p99")] | None = None
    """'rate' (a counter per second) by default, with `per_instance` 'mean'."""
    across: Annotated[Value[str], one_of("sum", "mean", "max", "min")] | None = None
    """Combination of several series: 'sum' by default, with `per_instance` 'mean'."""
    absent_is_zero: Flag = False
    """A period without a sample counted nothing, as with request counters; otherwise it is missing."""
    per_instance: Flag = False
    """The metric is an average over instances, not a load: it is multiplied by their number."""


class GcpForecastFields(ForecastFields):
    """Fields that the forecasts of groups and pools share on Google Cloud."""

    load: GcpLoad | None = None
    """The fleet's load; the workload's own, else the load balancer's requests per second by default."""
    period_seconds: Annotated[Value[int], of(CloudMonitoringSource, "period_seconds")] | None = None
    """Length of a sample, a multiple of 60."""
    saturated_cpu_percent: Annotated[Value[float], number(0, 100)] | None = None
    """At this average CPU the fleet was saturated: such samples are lower bounds of the load. Off by default."""


class GcpInstancesArguments(Arguments):
    """Arguments that groups and pools share."""

    network: Network
    """The VPC network of the subnetwork, 'projects/PROJECT/global/networks/NAME'."""
    subnetwork: Subnetwork
    """The instances' subnetwork, 'projects/PROJECT/regions/REGION/subnetworks/NAME', with a Cloud NAT for what they fetch from outside."""
    region: Annotated[Value[str], REGION] | None = None
    """Region of a regional group; the provider's by default."""
    zones: list[Zone] = []
    """Zones over which a regional group spreads, in a pool those that have the GPUs; the cloud's choice by default."""
    zone: Zone | None = None
    """Makes the group a zonal one, in this zone."""
    image: ImageName | None = None
    """The image, 'projects/PROJECT/global/images/NAME'. Give this or `image_family`."""
    image_family: ImageFamily | None = None
    """Family, 'projects/PROJECT/global/images/family/FAMILY', resolved when the group is first deployed and held until `refresh_image`. For a pool
    for example one of 'projects/deeplearning-platform-release'."""
    refresh_image: PlainFlag = False
    """True takes the image that `image_family` names now; false keeps the image that is deployed."""
    startup_script: Annotated[Value[str], text_of(METADATA_LIMIT_BYTES)] | None = None
    """Script that runs at each boot, at most 256 KiB."""
    metadata: Texts = {}
    """Further metadata of the instances, such as 'user-data' for Container-Optimized OS."""
    boot_disk: GcpBootDisk | None = None
    """The boot disk; 20 GiB by default, 100 GiB in a pool."""
    secure_boot: Flag | None = None
    """Boot signed code only. True by default in a group, false in a pool: drivers that are built at boot are not signed."""
    public_address: PlainFlag = False
    """Give each instance a public address."""
    instance_roles: dict[str, Role] = {}
    """Roles in the project that the instances need besides writing logs and metrics: a name of your choice to the role, 'roles/...'."""
    network_tags: list[NetworkTag] = []
    """Network tags of the instances, for firewall rules of yours."""
    health_check: GcpHealthCheck | None = None
    """Replace instances that do not answer; the workload's or the load balancer's port and path by default, none without either."""
    health_check_grace_seconds: Annotated[Value[int], whole(0, 3600)] | None = None
    """An instance that has not answered yet is not judged before. Twice `forecast.lead_time_seconds` and 300 by default, and never less than that
    lead time: slower boots would be repeated forever."""
    initialization_seconds: Annotated[Value[int], whole(15, 3600)] | None = None
    """A new instance's metrics count after that much time since its launch; `forecast.lead_time_seconds` by default, 60 at least."""
    stabilization_seconds: Annotated[Value[int], whole(60, 3600)] | None = None
    """The autoscaler scales in to no less than the highest need of that time; 600 by default."""
    scale_in_control: GcpScaleInControl | None = None
    """Limit of the autoscaler's scale-in within a window; none by default."""
    mode: Annotated[Value[str], one_of("ON", "ONLY_UP", "OFF")] | None = None
    """Mode of the autoscaler, 'ON' by default. With any other nothing scales in, and the job holds the fleet."""
    update_policy: GcpUpdatePolicy | None = None
    """How a new instance template reaches the running instances; a rolling update by default, which needs as many instances more as it surges."""
    standby_pool: GcpStandbyPool | None = None
    """Instances that have booted already and wait; none by default."""
    named_ports: dict[str, Port] = {}
    """Ports by name, for load balancers of yours; 'http' is `load_balancer`'s."""
    target_tracking: list[GcpTargetTracking] | None = None
    """The autoscaler's signals above the minimum; CPU at 60 per cent by default, in a pool the load balancer's rate at 80 if it has one."""
    load_balancer: GcpLoadBalancer | None = None
    """A global external application load balancer in front of the group, of each shard of a pool."""
    labels: Labels = {}
    """Labels of the instances, their disks and the template. Templates are immutable: a changed label makes another one, and with `update_policy`
    proactive, the default, replaces every instance step by step. (A provider's default labels reach everything but the instances.)"""
