"""The arguments of a pool of accelerators on Google Cloud.

Names and units are those of `elastic_iac.aws`'s pool where the meaning is the same; what a group has too is said again, because the analyzer loses
the documentation of inherited fields. What decides which resources exist, and what the table of machine types is asked, is plain.
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
    GcpTargetTracking,
    GcpUpdatePolicy,
)
from elastic_iac.workload.args import GpuTraining, GpuWorkload


class GcpGuestAccelerator(TypedDict):
    """GPUs that are attached to an N1 machine type."""

    type: str
    """'nvidia-tesla-t4', 'nvidia-tesla-p4', 'nvidia-tesla-v100' or 'nvidia-tesla-p100'."""
    count: float
    """GPUs of one instance: 1, 2 or 4, of V100 also 8. More of them allow more vCPUs."""


class GcpReservation(TypedDict):
    """Which reservations the instances may use up."""

    affinity: str
    """'ANY' (the cloud's default) takes matching ones, 'NONE' leaves them alone, 'SPECIFIC' takes those called `name` and no other capacity."""
    name: NotRequired[pulumi.Input[str]]
    """Name of the reservation, the same in each zone of the pool; of another project 'projects/PROJECT/reservations/NAME'."""


class GcpNodeAffinity(TypedDict):
    """A label of sole-tenant nodes on which the instances run, or do not."""

    key: pulumi.Input[str]
    """The label, for example 'compute.googleapis.com/node-group-name'."""
    values: list[pulumi.Input[str]]
    """Its values."""
    operator: NotRequired[pulumi.Input[str]]
    """'IN' (the default) or 'NOT_IN'."""


class GcpFlexStart(TypedDict):
    """Instances that the Dynamic Workload Scheduler gives all at once when it has them, for a limited time: for batches, without autoscaler."""

    run_duration_seconds: pulumi.Input[float]
    """An instance is deleted after that time, 600 (10 min) to 604800 (7 days)."""
    requests: dict[str, pulumi.Input[float]]
    """What is asked for: a name of your choice to a number of instances. A new name asks again; one that is removed is cancelled while it waits."""


class GcpGpuShard(TypedDict):
    """One part of a pool, of the data or the model: with a group, an autoscaler, a load and a plan of its own."""

    name: str
    """Its fleet and its resources are called NAME-SHARD."""
    min_size: pulumi.Input[float]
    """Floor of this shard, in instances."""
    max_size: pulumi.Input[float]
    """Ceiling of this shard, in instances."""
    load: NotRequired[GcpLoad]
    """This shard's load; by default what the workload on its instances publishes, or its load balancer's requests."""
    metadata: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Further metadata of its instances. 'elastic-iac-shard' is always its name."""


class GcpGpuForecast(TypedDict):
    """How the floor of the pool, or of each of its shards, is planned; it becomes the `fleets` output."""

    load_per_replica: pulumi.Input[float]
    """Load that one replica of the workload serves at its target utilisation, in the load's unit: requests or tokens per second."""
    warm_headroom: NotRequired[pulumi.Input[float]]
    """Instances kept ready above what the load needs, up to the ceiling; none by default."""
    on_demand_quantile: NotRequired[pulumi.Input[float]]
    """The on-demand share is advised for this quantile of the load, .01 to .95, spot above it. It is advice: the job writes a minimum only."""
    learn_lead_time: NotRequired[pulumi.Input[bool]]
    """Plan with the lead time of the pool's own boots once enough are seen; true by default."""
    load: NotRequired[GcpLoad]
    """The load; by default the workload's own, else the load balancer's requests per second."""
    period_seconds: NotRequired[pulumi.Input[float]]
    """Length of a sample, a multiple of 60; 300 by default."""
    saturated_cpu_percent: NotRequired[pulumi.Input[float]]
    """At this average CPU the pool was saturated: such samples are lower bounds of the load. Off by default."""
    lead_time_seconds: NotRequired[pulumi.Input[float]]
    """Launch to first healthy answer, p90 of what was measured; 600 by default. With `learn_lead_time` it holds until enough boots are seen."""
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
    """The pool's kill switch; true by default."""


class GcpGpuPoolArgs(TypedDict):
    """Arguments of `GcpGpuPool`."""

    network: pulumi.Input[str]
    """The VPC network of the subnetwork, 'projects/PROJECT/global/networks/NAME'."""
    subnetwork: pulumi.Input[str]
    """The instances' subnetwork, 'projects/PROJECT/regions/REGION/subnetworks/NAME', with a Cloud NAT for what they fetch from outside."""
    machine_type: str
    """With its GPUs: A2, A3, A4, G2 or G4, for example 'g2-standard-8'; or an N1 type, with `guest_accelerator`."""
    guest_accelerator: NotRequired[GcpGuestAccelerator]
    """The GPUs of an N1 machine type; other types bring theirs."""
    min_size: NotRequired[pulumi.Input[float]]
    """Floor, in instances; required without `shards` and `flex_start`. The job's schedules raise it; updates follow it."""
    max_size: NotRequired[pulumi.Input[float]]
    """Ceiling, in instances; required without `shards`, `flex_start` and `training`. Updates follow it."""
    forecast: NotRequired[GcpGpuForecast]
    """How the floor is planned ahead; required without `flex_start` and `training`."""
    shards: NotRequired[list[GcpGpuShard]]
    """Parts of the data or the model, each with a group, a load and a plan of its own, at most 20."""
    flex_start: NotRequired[GcpFlexStart]
    """Instances by request of the Dynamic Workload Scheduler instead of an autoscaler: no floor, no forecast, no fleet."""
    region: NotRequired[pulumi.Input[str]]
    """Region of a regional pool; the provider's by default."""
    zones: NotRequired[list[pulumi.Input[str]]]
    """Zones over which a regional pool spreads, those that have the GPUs; the cloud's choice by default."""
    zone: NotRequired[pulumi.Input[str]]
    """Makes the pool a zonal one, in this zone."""
    distribution: NotRequired[str]
    """Of a regional pool: 'BALANCED' (the default) passes over zones that have no GPUs left, 'EVEN' waits for them."""
    image: NotRequired[pulumi.Input[str]]
    """The image, 'projects/PROJECT/global/images/NAME'. Give this or `image_family`."""
    image_family: NotRequired[pulumi.Input[str]]
    """Family, such as one of 'projects/deeplearning-platform-release', resolved when the pool is first deployed and held until `refresh_image`."""
    refresh_image: NotRequired[bool]
    """True takes what `image_family` names now; false (the default) keeps the image that is deployed."""
    install_driver: NotRequired[bool]
    """Ask a Deep Learning VM image to install its NVIDIA driver at the first boot: true by default; false with `workload` and `training`, which do it
    themselves. Other images take no notice."""
    workload: NotRequired[GpuWorkload]
    """The model server that runs on the instances. Give this, `training` or `startup_script`, or none where the image knows."""
    training: NotRequired[GpuTraining]
    """The trainer whose nodes the instances are: `min_size` of them, or those of `flex_start`. There is no forecast then."""
    startup_script: NotRequired[pulumi.Input[str]]
    """Script that runs at each boot, at most 256 KiB."""
    replicas_per_instance: NotRequired[float]
    """Replicas that one instance serves with, 1 (the default) to its number of GPUs; with `workload` its GPUs divided by those of a replica."""
    metadata: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Further metadata of the instances, such as 'user-data' for Container-Optimized OS."""
    boot_disk: NotRequired[GcpBootDisk]
    """The boot disk; 100 GiB of the machine type's first kind by default."""
    local_ssds: NotRequired[float]
    """Local SSD disks of 375 GiB, as many as the machine type takes; none by default. A2 Ultra, A3 and A4 bring theirs."""
    spot: NotRequired[bool]
    """Spot instances: cheap, and taken away at any time. False by default. One pool has one kind."""
    instance_termination_action: NotRequired[str]
    """What becomes of a Spot instance that is taken away: 'DELETE' (the default) or 'STOP', which keeps its disks at their price."""
    on_host_maintenance: NotRequired[str]
    """'TERMINATE', the default and the only choice: an instance with GPUs cannot migrate. It is restarted, or replaced."""
    reservation: NotRequired[GcpReservation]
    """Which reservations the instances may use up; any that match by default."""
    node_affinities: NotRequired[list[GcpNodeAffinity]]
    """Labels of the sole-tenant nodes on which the instances run; other people's hosts by default."""
    secure_boot: NotRequired[pulumi.Input[bool]]
    """Boot signed code only; false by default, since drivers built at boot are not signed. True with an image whose drivers are."""
    public_address: NotRequired[bool]
    """Give each instance a public address; false by default."""
    instance_roles: NotRequired[dict[str, pulumi.Input[str]]]
    """Roles in the project that the instances need besides writing logs and metrics, such as reading the model, the image and the secrets: a name of
    your choice to the role, 'roles/...'."""
    network_tags: NotRequired[list[pulumi.Input[str]]]
    """Network tags of the instances, for firewall rules of yours."""
    health_check: NotRequired[GcpHealthCheck]
    """Replace instances that do not answer; the workload's or the load balancer's port and path by default."""
    health_check_grace_seconds: NotRequired[pulumi.Input[float]]
    """An instance that has not answered yet is not judged before, at most 3600. Twice `forecast.lead_time_seconds` and 300 by default, and never less
    than that lead time: of the boots that take longer, none would ever end."""
    initialization_seconds: NotRequired[pulumi.Input[float]]
    """A new instance's metrics count after that much time since its launch, 15 to 3600; `forecast.lead_time_seconds` by default."""
    stabilization_seconds: NotRequired[pulumi.Input[float]]
    """The autoscaler scales in to no less than the highest need of that time, 60 to 3600; 600 by default."""
    scale_in_control: NotRequired[GcpScaleInControl]
    """How far the autoscaler may scale in within a window; as far as it wants by default."""
    mode: NotRequired[pulumi.Input[str]]
    """'ON' (the default), 'ONLY_UP' or 'OFF' of the autoscaler. With any but 'ON' nothing scales in, and the job holds the fleet."""
    update_policy: NotRequired[GcpUpdatePolicy]
    """How a new instance template reaches the running instances; a rolling update by default, which needs as many GPUs more as it surges."""
    named_ports: NotRequired[dict[str, pulumi.Input[float]]]
    """Ports by name, for load balancers of yours; 'http' is `load_balancer`'s."""
    target_tracking: NotRequired[list[GcpTargetTracking]]
    """The autoscaler's signals above the floor; the load balancer's rate at 80 per cent where it has one, else CPU at 60 by default."""
    load_balancer: NotRequired[GcpLoadBalancer]
    """A global external application load balancer in front of the pool, of each of its shards."""
    labels: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Labels of the instances, their disks and the template. (A provider's default labels reach everything but the instances.)"""
