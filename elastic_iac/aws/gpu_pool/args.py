"""Arguments of `AwsGpuPool`.

Generated from `elastic_iac/common/schema/aws_gpu_pool.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi

from elastic_iac.aws.args import (
    AwsInstanceMaintenancePolicy,
    AwsInstanceRefresh,
    AwsLoad,
    AwsLoadBalancer,
    AwsRootVolume,
    AwsTargetTracking,
    AwsWarmPool,
)
from elastic_iac.common.args import LoadEvent, LoadExclusion, LoadPrices
from elastic_iac.workload.args import GpuTraining, GpuWorkload


class AwsGpuInstanceType(TypedDict):
    """One instance type of a pool."""

    instance_type: str
    """For example 'g6.12xlarge': g4dn, g5, g6, g6e, p3, p3dn, p4d, p4de, p5, p5e, p5en or p6-b200."""
    weight: NotRequired[pulumi.Input[float]]
    """Replicas that an instance counts for; by default its GPUs divided by those of a replica. Give
    every type a weight or none; none beside `warm_pool` or `capacity_blocks`. From 1 to 999."""


class AwsSpot(TypedDict):
    """Spot instances above a base on demand."""

    on_demand_base_capacity: pulumi.Input[float]
    """That many replicas are on demand before any spot; 0: all may be spot. From 0 to 100000."""
    on_demand_percent_above_base: NotRequired[pulumi.Input[float]]
    """Share of on demand above the base. From 0 to 100. Default: 0."""
    spot_allocation_strategy: NotRequired[pulumi.Input[str]]
    """How spot instances are chosen. One of 'price-capacity-optimized', 'capacity-optimized',
    'capacity-optimized-prioritized', 'lowest-price'. Default: 'price-capacity-optimized'."""


class AwsGpuReservation(TypedDict):
    """On-Demand Capacity Reservations that the pool launches into; spot instances take none."""

    preference: str
    """'capacity-reservations-first' goes on demand if they are full, 'capacity-reservations-only'
    launches nothing else. One of 'capacity-reservations-first', 'capacity-reservations-only'."""
    capacity_reservation_ids: NotRequired[list[pulumi.Input[str]]]
    """Reservations by id, 'cr-...'."""
    resource_group_arns: NotRequired[list[pulumi.Input[str]]]
    """Resource groups of reservations, by ARN."""


class AwsCapacityBlock(TypedDict):
    """An EC2 Capacity Block: GPU instances that are yours from `start` to `end`, paid in advance."""

    capacity_reservation_id: pulumi.Input[str]
    """Its reservation, 'cr-...'."""
    start: str
    """When it begins, ISO 8601 with its UTC offset, for example '2027-03-01T11:30:00Z'. The pool
    opens a minute later if that is a quarter of an hour."""
    end: str
    """When it ends, later than `start`. EC2 takes the instances back 30 minutes before; the pool is
    empty 40 minutes before."""
    instances: float
    """Instances of the Block. From 1 to 64."""
    min_instances: NotRequired[float]
    """Instances at least while it is open; 1 by default, without a `forecast` all. The Block costs
    the same whatever runs in it. Once it is open, a change moves the job's minimum alone. From 0
    to 64."""


class AwsDedicatedHosts(TypedDict):
    """Dedicated Hosts on which the instances run."""

    host_resource_group_arn: pulumi.Input[str]
    """Host resource group that allocates the hosts; the image needs a license configuration that
    the group has."""


class AwsReadyHook(TypedDict):
    """The launch hook `elastic-iac-ready`, which holds an instance out of service until its server
    answers."""

    enabled: bool
    """False: an instance is in service as soon as it runs. True without `workload` or `training`:
    `user_data` completes the hook."""
    timeout_seconds: NotRequired[pulumi.Input[float]]
    """An instance that does not answer for so long is replaced; twice the lead time and five
    minutes by default. From 30 to 7200."""
    default_result: NotRequired[pulumi.Input[str]]
    """'ABANDON' replaces an instance that does not answer, 'CONTINUE' puts it in service all the
    same. One of 'ABANDON', 'CONTINUE'. Default: 'ABANDON'."""


class AwsGpuShard(TypedDict):
    """One part of a pool, of the data or the model: with a group, a load and a plan of its own."""

    name: str
    """Its fleet and its resources are called NAME-SHARD."""
    min_size: pulumi.Input[float]
    """Minimum of this shard, in replicas; with `warm_pool` in instances. From 1 to 100000."""
    max_size: pulumi.Input[float]
    """Maximum of this shard, in the same unit. From 0 to 100000."""
    load: NotRequired[AwsLoad]
    """This shard's load; by default the one of `forecast` or the workload under this shard's group,
    or its load balancer's requests. A load of `forecast` with `dimensions` is one load, and is
    not shared."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Further environment of its workload. `ELASTIC_IAC_SHARD` is always its name."""


class AwsGpuForecast(TypedDict):
    """How the minimum of the pool, or of each of its shards, is planned; it becomes the `fleets`
    output."""

    load_per_replica: pulumi.Input[float]
    """Load that one replica serves at its target utilisation, in the load's unit: requests or
    tokens per second. Above 0 and at most 1e+12."""
    lead_time_seconds: NotRequired[pulumi.Input[float]]
    """Launch to first healthy answer, p90 of what was measured. With `learn_lead_time` it holds
    until enough launches are seen. From 0 to 21600. Default: 600."""
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
    load: NotRequired[AwsLoad]
    """The fleet's load; the workload's own, else the load balancer's requests per second by
    default."""
    period_seconds: NotRequired[pulumi.Input[float]]
    """Length of a sample (CloudWatch keeps 60 s for 15 days, 300 s for 63). At least 60. Default:
    300."""
    saturated_cpu_percent: NotRequired[pulumi.Input[float]]
    """At this average CPU the fleet was saturated: such samples are lower bounds of the load. Off
    by default. Above 0."""
    warm_headroom: NotRequired[pulumi.Input[float]]
    """Replicas kept ready above what the load needs, up to the maximum. In Capacity Blocks and with
    a warm pool rounded up to instances. From 0 to 100000. Default: 0."""
    on_demand_quantile: NotRequired[pulumi.Input[float]]
    """`spot.on_demand_base_capacity` is advised for this quantile of the load: the job writes a
    minimum only. Not in Capacity Blocks. From 0.01 to 0.95."""
    learn_lead_time: NotRequired[pulumi.Input[bool]]
    """Plan with the lead time of the pool's own launches once enough are seen. Default: true."""


class AwsGpuPoolArgs(TypedDict):
    """Arguments of `AwsGpuPool`."""

    vpc_id: pulumi.Input[str]
    """The VPC of the subnets."""
    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnets of the instances, one or more; exactly one with `capacity_blocks` or
    `cluster_placement`."""
    instance_types: list[AwsGpuInstanceType]
    """1 to 40 GPU instance types, the preferred ones first; exactly one with `capacity_blocks`."""
    desired_capacity: NotRequired[pulumi.Input[float]]
    """Size at creation; `min_size` by default. Updates leave it alone. From 0 to 100000."""
    ami_id: NotRequired[pulumi.Input[str]]
    """The image. Give this or `ami_ssm_parameter`; a pool has a deep learning image by default."""
    ami_ssm_parameter: NotRequired[pulumi.Input[str]]
    """Public parameter that names the image, resolved when the group is first deployed and held
    until `refresh_ami`. A pool's default is the base deep learning image with NVIDIA's open
    driver on Amazon Linux 2023; V100 (p3) needs another."""
    refresh_ami: NotRequired[bool]
    """True takes the image that `ami_ssm_parameter` names now; false keeps the image that is
    deployed. Default: false."""
    user_data: NotRequired[pulumi.Input[str]]
    """Script or cloud-init document in plain text, not base64, at most 16 KiB. With a warm pool it
    runs once, before the pool: start the service by systemd."""
    root_volume: NotRequired[AwsRootVolume]
    """The encrypted gp3 root volume; 20 GiB by default, 150 GiB in a pool."""
    detailed_monitoring: NotRequired[pulumi.Input[bool]]
    """Instance metrics every minute instead of every five: scaling reacts to them. Default: true."""
    instance_policy_arns: NotRequired[dict[str, pulumi.Input[str]]]
    """Managed policies that the instances need besides Systems Manager: a name of your choice to
    the policy's ARN."""
    security_group_ids: NotRequired[list[pulumi.Input[str]]]
    """Further security groups of the instances."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """Permissions boundary of the role that is created for the instances."""
    instance_profile_arn: NotRequired[pulumi.Input[str]]
    """Instance profile of your own: no role is created, and its role needs all rights that the
    instances use."""
    key_name: NotRequired[pulumi.Input[str]]
    """EC2 key pair for SSH; none by default, Systems Manager reaches the instances. A rule for port
    22 belongs in a security group of yours."""
    target_group_arns: NotRequired[list[pulumi.Input[str]]]
    """Target groups of your own that the instances join, beside those of `load_balancer`. Without
    both, attachments from elsewhere are left alone; an empty list detaches all: give it in the
    deployment that removes `load_balancer`."""
    health_check_type: NotRequired[pulumi.Input[str]]
    """'ELB' replaces instances that a target group finds unhealthy; 'ELB' with target groups by
    default, else 'EC2'. One of 'EC2', 'ELB'."""
    suspended_processes: NotRequired[list[pulumi.Input[str]]]
    """Processes of the group that are suspended. The job holds a group whose Launch or
    ScheduledActions are. One of 'Launch', 'Terminate', 'AddToLoadBalancer', 'AlarmNotification',
    'AZRebalance', 'HealthCheck', 'InstanceRefresh', 'ReplaceUnhealthy', 'ScheduledActions'."""
    instance_maintenance_policy: NotRequired[AwsInstanceMaintenancePolicy]
    """Bounds of the healthy instances while instances are replaced; AWS's own by default."""
    max_instance_lifetime_seconds: NotRequired[pulumi.Input[float]]
    """Instances are replaced at that age; never by default. From 86400 to 31536000."""
    capacity_rebalance: NotRequired[pulumi.Input[bool]]
    """Replace spot instances that are about to be interrupted. Default: true."""
    health_check_grace_seconds: NotRequired[pulumi.Input[float]]
    """A new instance is not judged before. Twice `forecast.lead_time_seconds` and 300 by default:
    one that is judged while it starts is replaced forever. From 0 to 21600."""
    instance_warmup_seconds: NotRequired[pulumi.Input[float]]
    """A new instance's metrics count after that much time in service. From 0 to 21600. Default: 60."""
    warm_pool: NotRequired[AwsWarmPool]
    """Instances that have booted already and wait, on demand only and without weights. A pool's
    sizes then count instances."""
    instance_refresh: NotRequired[AwsInstanceRefresh]
    """How a new launch template version reaches the running instances; a rolling refresh with
    rollback by default, none with Capacity Blocks. With a reservation's 'capacity-reservations-
    only' it ends instances first by default (90 to 100 per cent): a full reservation has no room
    for more."""
    termination_policies: NotRequired[list[pulumi.Input[str]]]
    """Which instance goes first on scale-in. One of 'Default', 'AllocationStrategy',
    'OldestLaunchTemplate', 'OldestLaunchConfiguration', 'ClosestToNextInstanceHour',
    'NewestInstance', 'OldestInstance'. Default: 'Default'."""
    load_balancer: NotRequired[AwsLoadBalancer]
    """An application load balancer in front of the group, of each shard of a pool. Beside Capacity
    Blocks its `deregistration_delay_seconds` is at most 480."""
    target_tracking: NotRequired[list[AwsTargetTracking]]
    """Reactive policies above the minimum; by default the workload's load at `load_per_replica`,
    else CPU at 60 per cent; none beside `training`."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags of the group, propagated to instances. A new tag replaces no instance: those that run
    keep theirs, and volumes have the tags with which the launch template was created. (A
    provider's default tags reach everything but these.)"""
    min_size: NotRequired[pulumi.Input[float]]
    """Minimum in replicas (with `warm_pool` in instances); required without `shards` and
    `capacity_blocks`. Set at creation; the job moves it. From 1 to 100000."""
    max_size: NotRequired[pulumi.Input[float]]
    """Maximum, in the same unit; required without `shards` and `capacity_blocks`. Updates follow
    it. From 0 to 100000."""
    forecast: NotRequired[AwsGpuForecast]
    """How the minimum is planned ahead; required without `training`."""
    shards: NotRequired[list[AwsGpuShard]]
    """Parts of the data or the model, each with a group, a load and a plan of its own, at most 20."""
    workload: NotRequired[GpuWorkload]
    """The model server on each instance. Give this, `training` or `user_data`, or an image that
    starts by itself."""
    training: NotRequired[GpuTraining]
    """Elastic training on the instances; it needs no `forecast`."""
    spot: NotRequired[AwsSpot]
    """Spot instances above a base on demand; all on demand by default."""
    reservation: NotRequired[AwsGpuReservation]
    """On-Demand Capacity Reservations that are used before, or instead of, other capacity."""
    capacity_blocks: NotRequired[list[AwsCapacityBlock]]
    """Capacity Blocks one after the other: the pool has instances in them only, opened and closed
    by its own scheduled actions. Keep the last one here when it is over."""
    dedicated_hosts: NotRequired[AwsDedicatedHosts]
    """Dedicated Hosts on which the instances run; shared hosts by default."""
    cluster_placement: NotRequired[bool]
    """Put the instances close together, in a cluster placement group. Default: false."""
    efa: NotRequired[bool]
    """Elastic Fabric Adapters on every network card, and traffic among the instances. Default:
    false."""
    ready_hook: NotRequired[AwsReadyHook]
    """The launch hook that waits for the server; with `workload` by default, else off."""
