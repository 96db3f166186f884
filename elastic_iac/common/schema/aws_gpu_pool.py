"""Arguments of `AwsGpuPool`. What decides which resources exist, and what the table of instance types is asked, is plain."""

from typing import Annotated

from elastic_iac.common.schema.aws import (
    CAPACITY_RESERVATION_ID,
    ONE_SUBNET,
    AwsForecastFields,
    AwsLoad,
    InstancesArguments,
    SpotStrategy,
    Subnets,
)
from elastic_iac.common.schema.base import Arguments, Arn, Percent, PlainFlag, Size, Value, Weight, of
from elastic_iac.common.schema.workload import Deferred, GpuTraining, GpuWorkload
from elastic_iac.common.validation import INSTANCE_TYPE, NAME, number, one_of, whole
from forecasting.settings import CapacityWindow, Fleet, Pool

MAX_INSTANCES = 64
"""Of a Capacity Block: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-blocks-purchase.html"""

ReservationId = Annotated[Value[str], CAPACITY_RESERVATION_ID]
Replicas = Annotated[Value[int], whole(1, 100_000)]


class AwsGpuInstanceType(Arguments):
    """One instance type of a pool."""

    instance_type: Annotated[str, INSTANCE_TYPE]
    """For example 'g6.12xlarge': g4dn, g5, g6, g6e, p3, p3dn, p4d, p4de, p5, p5e, p5en or p6-b200."""
    weight: Weight | None = None
    """Replicas that an instance counts for; by default its GPUs divided by those of a replica. Give every type a weight or none; none beside
    `warm_pool` or `capacity_blocks`."""


class AwsSpot(Arguments):
    """Spot instances above a base on demand."""

    on_demand_base_capacity: Size
    """That many replicas are on demand before any spot; 0: all may be spot."""
    on_demand_percent_above_base: Percent = 0
    """Share of on demand above the base."""
    spot_allocation_strategy: SpotStrategy = "price-capacity-optimized"
    """How spot instances are chosen."""


class AwsGpuReservation(Arguments):
    """On-Demand Capacity Reservations that the pool launches into; spot instances take none."""

    preference: Annotated[str, one_of("capacity-reservations-first", "capacity-reservations-only")]
    """'capacity-reservations-first' goes on demand if they are full, 'capacity-reservations-only' launches nothing else."""
    capacity_reservation_ids: list[ReservationId] = []
    """Reservations by id, 'cr-...'."""
    resource_group_arns: list[Arn] = []
    """Resource groups of reservations, by ARN."""


class AwsCapacityBlock(Arguments):
    """An EC2 Capacity Block: GPU instances that are yours from `start` to `end`, paid in advance."""

    capacity_reservation_id: ReservationId
    """Its reservation, 'cr-...'."""
    start: Annotated[str, of(CapacityWindow, "start")]
    """When it begins, ISO 8601 with its UTC offset, for example '2027-03-01T11:30:00Z'. The pool opens a minute later if that is a quarter of
    an hour."""
    end: Annotated[str, of(CapacityWindow, "end")]
    """When it ends, later than `start`. EC2 takes the instances back 30 minutes before; the pool is empty 40 minutes before."""
    instances: Annotated[int, whole(1, MAX_INSTANCES)]
    """Instances of the Block."""
    min_instances: Annotated[int, whole(0, MAX_INSTANCES)] | None = None
    """Instances at least while it is open; 1 by default, without a `forecast` all. The Block costs the same whatever runs in it.
    Once it is open, a change moves the job's minimum alone."""


class AwsDedicatedHosts(Arguments):
    """Dedicated Hosts on which the instances run."""

    host_resource_group_arn: Arn
    """Host resource group that allocates the hosts; the image needs a license configuration that the group has."""


class AwsReadyHook(Arguments):
    """The launch hook `elastic-iac-ready`, which holds an instance out of service until its server answers."""

    enabled: PlainFlag
    """False: an instance is in service as soon as it runs. True without `workload` or `training`: `user_data` completes the hook."""
    timeout_seconds: Annotated[Value[int], whole(30, 7200)] | None = None
    """An instance that does not answer for so long is replaced; twice the lead time and five minutes by default."""
    default_result: Annotated[Value[str], one_of("ABANDON", "CONTINUE")] = "ABANDON"
    """'ABANDON' replaces an instance that does not answer, 'CONTINUE' puts it in service all the same."""


class AwsGpuShard(Arguments):
    """One part of a pool, of the data or the model: with a group, a load and a plan of its own."""

    name: Annotated[str, NAME]
    """Its fleet and its resources are called NAME-SHARD."""
    min_size: Replicas
    """Minimum of this shard, in replicas; with `warm_pool` in instances."""
    max_size: Size
    """Maximum of this shard, in the same unit."""
    load: AwsLoad | None = None
    """This shard's load; by default the one of `forecast` or the workload under this shard's group, or its load balancer's requests.
    A load of `forecast` with `dimensions` is one load, and is not shared."""
    environment: dict[str, Deferred] = {}
    """Further environment of its workload. `ELASTIC_IAC_SHARD` is always its name."""


class AwsGpuForecast(AwsForecastFields):
    """How the minimum of the pool, or of each of its shards, is planned; it becomes the `fleets` output."""

    load_per_replica: Annotated[Value[float], number(0, 1e12)]
    """Load that one replica serves at its target utilisation, in the load's unit: requests or tokens per second."""
    lead_time_seconds: Annotated[Value[float], of(Fleet, "lead_time_seconds")] = 600
    """Launch to first healthy answer, p90 of what was measured. With `learn_lead_time` it holds until enough launches are seen."""
    warm_headroom: Annotated[Value[int], of(Pool, "warm_headroom")] | None = None
    """Replicas kept ready above what the load needs, up to the maximum. In Capacity Blocks and with a warm pool rounded up to instances."""
    on_demand_quantile: Annotated[Value[float], of(Pool, "on_demand_quantile")] | None = None
    """`spot.on_demand_base_capacity` is advised for this quantile of the load: the job writes a minimum only. Not in Capacity Blocks."""
    learn_lead_time: Annotated[Value[bool], of(Fleet, "learn_lead_time")] = True
    """Plan with the lead time of the pool's own launches once enough are seen."""


class AwsGpuPoolArgs(InstancesArguments):
    """Arguments of `AwsGpuPool`."""

    subnet_ids: Annotated[Subnets, ONE_SUBNET]
    """Subnets of the instances, one or more; exactly one with `capacity_blocks` or `cluster_placement`."""
    instance_types: list[AwsGpuInstanceType]
    """1 to 40 GPU instance types, the preferred ones first; exactly one with `capacity_blocks`."""
    min_size: Replicas | None = None
    """Minimum in replicas (with `warm_pool` in instances); required without `shards` and `capacity_blocks`. Set at creation; the job moves it."""
    max_size: Size | None = None
    """Maximum, in the same unit; required without `shards` and `capacity_blocks`. Updates follow it."""
    forecast: AwsGpuForecast | None = None
    """How the minimum is planned ahead; required without `training`."""
    shards: list[AwsGpuShard] | None = None
    """Parts of the data or the model, each with a group, a load and a plan of its own, at most 20."""
    workload: GpuWorkload | None = None
    """The model server on each instance. Give this, `training` or `user_data`, or an image that starts by itself."""
    training: GpuTraining | None = None
    """Elastic training on the instances; it needs no `forecast`."""
    spot: AwsSpot | None = None
    """Spot instances above a base on demand; all on demand by default."""
    reservation: AwsGpuReservation | None = None
    """On-Demand Capacity Reservations that are used before, or instead of, other capacity."""
    capacity_blocks: list[AwsCapacityBlock] | None = None
    """Capacity Blocks one after the other: the pool has instances in them only, opened and closed by its own scheduled actions. Keep the last one
    here when it is over."""
    dedicated_hosts: AwsDedicatedHosts | None = None
    """Dedicated Hosts on which the instances run; shared hosts by default."""
    cluster_placement: PlainFlag = False
    """Put the instances close together, in a cluster placement group."""
    efa: PlainFlag = False
    """Elastic Fabric Adapters on every network card, and traffic among the instances."""
    ready_hook: AwsReadyHook | None = None
    """The launch hook that waits for the server; with `workload` by default, else off."""
