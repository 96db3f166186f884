"""The arguments of a pool of GPU instances on AWS, as far as Pulumi's analyzer takes them to other languages.

Names and units are those of `elastic_iac.gcp`'s pool where the meaning is the same; what a group has too is said again, because the analyzer loses
the documentation of inherited fields. What decides which resources exist, and what the table of instance types is asked, is plain.
"""

from typing import NotRequired, TypedDict

import pulumi

from elastic_iac.aws.args import (
    AwsInstanceRefresh,
    AwsLoad,
    AwsLoadBalancer,
    AwsRootVolume,
    AwsTargetTracking,
    AwsWarmPool,
)
from elastic_iac.forecast_args import LoadEvent, LoadExclusion, LoadPrices
from elastic_iac.workload.args import GpuTraining, GpuWorkload


class AwsGpuInstanceType(TypedDict):
    """One instance type of a pool."""

    instance_type: str
    """For example 'g6.12xlarge': g4dn, g5, g6, g6e, p3, p3dn, p4d, p4de, p5, p5e, p5en or p6-b200."""
    weight: NotRequired[pulumi.Input[float]]
    """Replicas that an instance counts for, 1 to 999; by default its GPUs divided by those of a replica. Give every type a weight or none;
    none beside `warm_pool` or `capacity_blocks`."""


class AwsSpot(TypedDict):
    """Spot instances above a base on demand."""

    on_demand_base_capacity: pulumi.Input[float]
    """That many replicas are on demand before any spot; 0: all may be spot."""
    on_demand_percent_above_base: NotRequired[pulumi.Input[float]]
    """Share of on demand above the base, 0 (the default) to 100."""
    spot_allocation_strategy: NotRequired[pulumi.Input[str]]
    """'price-capacity-optimized' (the default), 'capacity-optimized', 'capacity-optimized-prioritized' or 'lowest-price'."""


class AwsGpuReservation(TypedDict):
    """On-Demand Capacity Reservations that the pool launches into; spot instances take none."""

    preference: str
    """'capacity-reservations-first' goes on demand where they are full, 'capacity-reservations-only' launches nothing else."""
    capacity_reservation_ids: NotRequired[list[pulumi.Input[str]]]
    """Reservations by id, 'cr-...'."""
    resource_group_arns: NotRequired[list[pulumi.Input[str]]]
    """Resource groups of reservations, by ARN."""


class AwsCapacityBlock(TypedDict):
    """An EC2 Capacity Block: GPU instances that are yours from `start` to `end`, paid in advance."""

    capacity_reservation_id: pulumi.Input[str]
    """Its reservation, 'cr-...'."""
    start: str
    """When it begins, ISO 8601 with its UTC offset, for example '2027-03-01T11:30:00Z'. The pool opens a minute later where that is a quarter of
    an hour."""
    end: str
    """When it ends, later than `start`. EC2 takes the instances back 30 minutes before; the pool is empty 40 minutes before."""
    instances: float
    """Instances of the Block, 1 to 64."""
    min_instances: NotRequired[float]
    """Instances at least while it is open; 1 by default, without a `forecast` all. The Block costs the same whatever runs in it.
    Once it is open, a change moves what the job asks for alone."""


class AwsDedicatedHosts(TypedDict):
    """Dedicated Hosts on which the instances run."""

    host_resource_group_arn: pulumi.Input[str]
    """Host resource group that allocates the hosts; the image needs a license configuration that the group knows."""


class AwsReadyHook(TypedDict):
    """The launch hook `elastic-iac-ready`, which holds an instance out of service until its server answers."""

    enabled: bool
    """False: an instance is in service as soon as it runs. True without `workload` or `training`: `user_data` completes the hook."""
    timeout_seconds: NotRequired[pulumi.Input[float]]
    """An instance that says nothing for so long is given up, 30 to 7200; twice the lead time and five minutes by default."""
    default_result: NotRequired[pulumi.Input[str]]
    """'ABANDON' (the default) replaces an instance that does not answer, 'CONTINUE' puts it in service all the same."""


class AwsGpuShard(TypedDict):
    """One part of a pool, of the data or the model: with a group, a load and a plan of its own."""

    name: str
    """Its fleet and its resources are called NAME-SHARD."""
    min_size: pulumi.Input[float]
    """Floor of this shard, in replicas; with `warm_pool` in instances."""
    max_size: pulumi.Input[float]
    """Ceiling of this shard, in the same unit."""
    load: NotRequired[AwsLoad]
    """This shard's load; by default the one of `forecast` or the workload under this shard's group, or its load balancer's requests.
    A load of `forecast` with `dimensions` is one load, and is not shared."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Further environment of its workload. `ELASTIC_IAC_SHARD` is always its name."""


class AwsGpuForecast(TypedDict):
    """How the floor of the pool, or of each of its shards, is planned; it becomes the `fleets` output."""

    load_per_replica: pulumi.Input[float]
    """Load that one replica serves at its target utilisation, in the load's unit: requests or tokens per second."""
    warm_headroom: NotRequired[pulumi.Input[float]]
    """Replicas kept ready above what the load needs, up to the ceiling; none by default. In Capacity Blocks and with a warm pool rounded up to
    instances."""
    on_demand_quantile: NotRequired[pulumi.Input[float]]
    """`spot.on_demand_base_capacity` is advised for this quantile of the load, .01 to .95: the job writes a minimum only. Not in Capacity Blocks."""
    learn_lead_time: NotRequired[pulumi.Input[bool]]
    """Plan with the lead time of the pool's own boots once enough are seen; true by default."""
    load: NotRequired[AwsLoad]
    """The load; by default the workload's own, else the load balancer's requests per second."""
    period_seconds: NotRequired[pulumi.Input[float]]
    """Length of a sample, a multiple of 60; 300 by default (CloudWatch keeps 60 s for 15 days, 300 s for 63)."""
    saturated_cpu_percent: NotRequired[pulumi.Input[float]]
    """At this average CPU the pool was saturated: such samples are lower bounds of the load. Off by default."""
    lead_time_seconds: NotRequired[pulumi.Input[float]]
    """Launch to first healthy answer, p90 of what was measured; 600 by default. With `learn_lead_time` it holds until enough boots are seen."""
    quantile: NotRequired[pulumi.Input[float]]
    """Quantile of the load to provision for, .5 to .999; by default the past chooses it, daily."""
    prices: NotRequired[LoadPrices]
    """Instead of `quantile`, per replica."""
    uncovered_share: NotRequired[pulumi.Input[float]]
    """Instead of both: share of the load that may stay uncovered, by which the quantile is chosen; .005 by default."""
    reactive_target: NotRequired[pulumi.Input[float]]
    """What the group's own reactive scaling aims at, as a share of `load_per_instance`; 1 by default. The choice of the quantile counts on it."""
    short_lead: NotRequired[pulumi.Input[bool]]
    """Short runs set the next slots by the newest samples; where it is not given, at a lead time of 10 to 60 minutes."""
    step_minutes: NotRequired[pulumi.Input[float]]
    """Step of the plan: 5, 15 (the default), 30 or 60."""
    horizon_hours: NotRequired[pulumi.Input[float]]
    """How far ahead is planned, 6 to 48 (the default)."""
    max_increase_per_slot: NotRequired[pulumi.Input[float]]
    """The floor rises by no more than so many replicas (in Capacity Blocks and with a warm pool instances) from one scheduled action to the next."""
    max_decrease_per_slot: NotRequired[pulumi.Input[float]]
    """The floor falls by no more than so many, likewise."""
    time_zone: NotRequired[pulumi.Input[str]]
    """IANA zone whose days and weeks the load follows; 'UTC' by default."""
    model: NotRequired[pulumi.Input[str]]
    """'auto' (the default) weighs all models by their past errors; or the name of one."""
    max_load: NotRequired[pulumi.Input[float]]
    """A sample above this is a wrong unit or a broken exporter: nothing is written."""
    events: NotRequired[list[LoadEvent]]
    """Known future events; their floors count replicas, in Capacity Blocks and with a warm pool instances."""
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


class AwsGpuPoolArgs(TypedDict):
    """Arguments of `AwsGpuPool`."""

    vpc_id: pulumi.Input[str]
    """The VPC of the subnets."""
    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnets of the instances, one or more; exactly one with `capacity_blocks` or `cluster_placement`."""
    instance_types: list[AwsGpuInstanceType]
    """1 to 40 GPU instance types, the preferred ones first; exactly one with `capacity_blocks`."""
    min_size: NotRequired[pulumi.Input[float]]
    """Floor, in replicas (with `warm_pool` in instances), 1 or more; required without `shards` and `capacity_blocks`. Set at creation; then the
    job moves it."""
    max_size: NotRequired[pulumi.Input[float]]
    """Ceiling, in the same unit; required without `shards` and `capacity_blocks`. Updates follow it."""
    desired_capacity: NotRequired[pulumi.Input[float]]
    """Size at creation, in the same unit; `min_size` by default. Updates leave it alone."""
    forecast: NotRequired[AwsGpuForecast]
    """How the floor is planned ahead; required without `training`."""
    shards: NotRequired[list[AwsGpuShard]]
    """Parts of the data or the model, each with a group, a load and a plan of its own, at most 20."""
    workload: NotRequired[GpuWorkload]
    """The model server on each instance. Give this, `training` or `user_data`, or an image that starts by itself."""
    training: NotRequired[GpuTraining]
    """Elastic training on the instances; it needs no `forecast`."""
    user_data: NotRequired[pulumi.Input[str]]
    """Script or cloud-init document in plain text, at most 16 KiB. It runs once: start the server by systemd where there is a warm pool."""
    spot: NotRequired[AwsSpot]
    """Spot instances above a base on demand; all on demand by default."""
    capacity_rebalance: NotRequired[pulumi.Input[bool]]
    """Replace spot instances that are about to be interrupted; true by default."""
    reservation: NotRequired[AwsGpuReservation]
    """On-Demand Capacity Reservations that are used before, or instead of, other capacity."""
    capacity_blocks: NotRequired[list[AwsCapacityBlock]]
    """Capacity Blocks one after the other: the pool has instances in them only, opened and closed by its own scheduled actions.

    The last one stays here when it is over.
    """
    dedicated_hosts: NotRequired[AwsDedicatedHosts]
    """Dedicated Hosts on which the instances run; shared hosts by default."""
    cluster_placement: NotRequired[bool]
    """Put the instances close together, in a cluster placement group; false by default."""
    efa: NotRequired[bool]
    """Elastic Fabric Adapters on every network card, and traffic among the instances; false by default."""
    warm_pool: NotRequired[AwsWarmPool]
    """Instances that have booted already and wait, on demand only. The pool's sizes then count instances, and all types run equally many replicas.
    Stopping wipes their local disks."""
    ready_hook: NotRequired[AwsReadyHook]
    """The launch hook that waits for the server; with `workload` by default, else off."""
    ami_id: NotRequired[pulumi.Input[str]]
    """The image. Give this or `ami_ssm_parameter`; a deep learning image by default."""
    ami_ssm_parameter: NotRequired[pulumi.Input[str]]
    """Public parameter that names the image, '/aws/service/deeplearning/ami/ARCH/TYPE/latest/ami-id': resolved when the pool is first deployed, held
    until `refresh_ami`. The base image with NVIDIA's open driver on Amazon Linux 2023 by default; V100 (p3) needs another."""
    refresh_ami: NotRequired[bool]
    """True takes what `ami_ssm_parameter` names now; false (the default) keeps the image that is deployed."""
    root_volume: NotRequired[AwsRootVolume]
    """The encrypted gp3 root volume; 150 GiB at '/dev/xvda' by default."""
    detailed_monitoring: NotRequired[pulumi.Input[bool]]
    """Instance metrics every minute instead of every five; true by default."""
    instance_policy_arns: NotRequired[dict[str, pulumi.Input[str]]]
    """Managed policies that the instances need besides Systems Manager, such as reading the model: a name of your choice to the policy's ARN."""
    security_group_ids: NotRequired[list[pulumi.Input[str]]]
    """Further security groups of the instances."""
    health_check_grace_seconds: NotRequired[pulumi.Input[float]]
    """A new instance is not judged before; `forecast.lead_time_seconds` by default."""
    instance_warmup_seconds: NotRequired[pulumi.Input[float]]
    """A new instance's metrics count after that much time in service; 60 by default."""
    instance_refresh: NotRequired[AwsInstanceRefresh]
    """How a new launch template version reaches the running instances; a rolling refresh with rollback by default, in Capacity Blocks none.
    With 'capacity-reservations-only' it ends instances first (90 to 100 per cent), since a full reservation has no room for more."""
    termination_policies: NotRequired[list[pulumi.Input[str]]]
    """Which instance goes first on scale-in; 'Default' by default."""
    target_tracking: NotRequired[list[AwsTargetTracking]]
    """Reactive policies above the floor; by default the workload's load at `load_per_replica`, else CPU at 60 per cent; none beside
    `training`, which with a `forecast` must name them."""
    load_balancer: NotRequired[AwsLoadBalancer]
    """An application load balancer in front of the pool, of each of its shards; it asks the workload's health path. Beside Capacity Blocks its
    `deregistration_delay_seconds` is at most 480."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags of the groups, propagated to instances and volumes. (A provider's default tags reach everything but these.)"""
