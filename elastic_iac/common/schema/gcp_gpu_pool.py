"""Arguments of `GcpGpuPool`."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, PlainFlag, Size, Text, Texts, Value, of
from elastic_iac.common.schema.gcp import GCP_NAME, GcpForecastFields, GcpInstancesArguments, GcpLoad
from elastic_iac.common.schema.workload import GpuTraining, GpuWorkload
from elastic_iac.common.validation import TEXT, matching, one_of, whole
from forecasting.settings import Fleet, Pool

ATTACHABLE_GPUS = ("nvidia-tesla-t4", "nvidia-tesla-p4", "nvidia-tesla-v100", "nvidia-tesla-p100")

_MACHINE_TYPE = matching(r"\S+", "a text at hand: it decides how many GPUs an instance has")
RESERVATION = matching(
    r"(projects/[^/\s]+/reservations/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    "a reservation's name, or 'projects/PROJECT/reservations/NAME'",
)


class GcpGuestAccelerator(Arguments):
    """GPUs that are attached to an N1 machine type."""

    type: Annotated[str, one_of(*ATTACHABLE_GPUS)]
    """Type of the GPUs."""
    count: Annotated[int, whole(1, 16)]
    """GPUs of one instance: 1, 2 or 4, of V100 also 8. More of them allow more vCPUs."""


class GcpReservation(Arguments):
    """The reservations that the instances may use up."""

    affinity: Annotated[str, one_of("ANY", "NONE", "SPECIFIC")]
    """'ANY' (the cloud's default) takes matching ones, 'NONE' leaves them alone, 'SPECIFIC' takes those called `name` and no other capacity."""
    name: Annotated[Value[str], RESERVATION] | None = None
    """Name of the reservation, the same in each zone of the pool; of another project 'projects/PROJECT/reservations/NAME'."""


class GcpNodeAffinity(Arguments):
    """A label of sole-tenant nodes on which the instances run, or do not."""

    key: Text
    """The label, for example 'compute.googleapis.com/node-group-name'."""
    values: list[Annotated[Value[str], TEXT]]
    """Its values."""
    operator: Annotated[Value[str], one_of("IN", "NOT_IN")] = "IN"
    """Whether the instances run on nodes with these values, or on others."""


class GcpFlexStart(Arguments):
    """Instances that the Dynamic Workload Scheduler gives all at once, for a limited time."""

    run_duration_seconds: Annotated[Value[int], whole(600, 604_800)]
    """An instance is deleted after that time: 10 minutes to 7 days."""
    requests: dict[str, Annotated[Value[int], whole(1, 1000)]]
    """Requests: a name of your choice to a number of instances. A new name asks again; one that is removed is cancelled while it waits."""


class GcpGpuShard(Arguments):
    """One part of a pool, of the data or the model: with a group, a load and a plan of its own."""

    name: Annotated[str, GCP_NAME]
    """Its fleet and its resources are called NAME-SHARD."""
    min_size: Size
    """Minimum of this shard, in instances."""
    max_size: Size
    """Maximum of this shard, in instances."""
    load: GcpLoad | None = None
    """This shard's load; by default the one that the workload on its instances publishes, or its load balancer's requests."""
    metadata: Texts = {}
    """Further metadata of its instances. 'elastic-iac-shard' is always its name."""


class GcpGpuForecast(GcpForecastFields):
    """How the minimum of each group is planned; it becomes the `fleets` output."""

    load_per_replica: Annotated[Value[float], of(Fleet, "load_per_instance")]
    """Load that one replica of the workload serves at its target utilisation, in the load's unit: requests or tokens per second."""
    lead_time_seconds: Annotated[Value[float], of(Fleet, "lead_time_seconds")] = 600
    """Launch to first healthy answer, p90 of what was measured. With `learn_lead_time` it holds until enough launches are seen."""
    warm_headroom: Annotated[Value[int], of(Pool, "warm_headroom")] | None = None
    """Instances kept ready above what the load needs, up to the maximum."""
    on_demand_quantile: Annotated[Value[float], of(Pool, "on_demand_quantile")] | None = None
    """The on-demand share is advised for this quantile of the load, spot above it: the job writes a minimum only."""
    learn_lead_time: Annotated[Value[bool], of(Fleet, "learn_lead_time")] = True
    """Plan with the lead time of the pool's own launches once enough are seen."""


class GcpGpuPoolArgs(GcpInstancesArguments):
    """Arguments of `GcpGpuPool`."""

    machine_type: Annotated[str, _MACHINE_TYPE]
    """With its GPUs: A2, A3, A4, G2 or G4, for example 'g2-standard-8'; or an N1 type, with `guest_accelerator`."""
    guest_accelerator: GcpGuestAccelerator | None = None
    """The GPUs of an N1 machine type; other types bring theirs."""
    min_size: Size | None = None
    """Minimum, in instances; required without `shards` and `flex_start`. The job's schedules raise it; updates follow it."""
    max_size: Size | None = None
    """Maximum, in instances; required without `shards`, `flex_start` and `training`. Updates follow it."""
    forecast: GcpGpuForecast | None = None
    """How the minimum is planned ahead; required without `flex_start` and `training`."""
    shards: list[GcpGpuShard] | None = None
    """Parts of the data or the model, each with a group, a load and a plan of its own, at most 20."""
    flex_start: GcpFlexStart | None = None
    """Instances by request of the Dynamic Workload Scheduler instead of an autoscaler: no minimum, no forecast, no fleet."""
    distribution: Annotated[str, one_of("BALANCED", "EVEN")] | None = None
    """Of a regional pool: 'BALANCED', the default, passes over zones that have no GPUs left, 'EVEN' waits for them."""
    install_driver: PlainFlag | None = None
    """Ask a Deep Learning VM image to install its NVIDIA driver at the first boot. True by default; false with `workload` and `training`, which do
    it themselves. Other images ignore it."""
    workload: GpuWorkload | None = None
    """The model server on each instance. Give this, `training` or `startup_script`, or an image that starts by itself."""
    training: GpuTraining | None = None
    """The trainer whose nodes the instances are: `min_size` of them, or those of `flex_start`. There is no forecast then."""
    replicas_per_instance: Annotated[int, whole(1, 64)] | None = None
    """Replicas that one instance serves with, at most its GPUs; 1 by default, with `workload` its GPUs divided by those of a replica."""
    local_ssds: Annotated[int, whole(0, 32)] = 0
    """Local SSD disks of 375 GiB, as many as the machine type takes. A2 Ultra, A3 and A4 bring theirs."""
    spot: PlainFlag = False
    """Spot instances: cheap, and taken away at any time. One pool has one kind."""
    instance_termination_action: Annotated[str, one_of("DELETE", "STOP")] | None = None
    """Action on a Spot instance that is taken away: 'DELETE', the default, or 'STOP', which keeps its disks at their price."""
    on_host_maintenance: Annotated[str, TEXT] = "TERMINATE"
    """'TERMINATE' is the only choice: an instance with GPUs cannot migrate. It is restarted, or replaced."""
    reservation: GcpReservation | None = None
    """The reservations that the instances may use up; any that match by default."""
    node_affinities: list[GcpNodeAffinity] = []
    """Labels of the sole-tenant nodes on which the instances run; shared hosts by default."""
