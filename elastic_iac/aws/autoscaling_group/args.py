"""Arguments of `AwsAutoscalingGroup`.

Generated from `elastic_iac/common/schema/aws_autoscaling_group.py` by `make generate`: do not edit.
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


class AwsInstanceType(TypedDict):
    """One instance type of a mixed group."""

    instance_type: pulumi.Input[str]
    """For example 'g5.xlarge'."""
    weight: NotRequired[pulumi.Input[float]]
    """Capacity units it counts for. Give every type a weight or none; sizes and `load_per_instance`
    are then per unit. From 1 to 999."""


class AwsMixedInstances(TypedDict):
    """Several instance types, on demand and spot."""

    instance_types: list[AwsInstanceType]
    """1 to 40 types, the preferred ones first; none beside `instance_requirements`."""
    on_demand_base_capacity: NotRequired[pulumi.Input[float]]
    """That many units are on demand before any spot. From 0 to 100000. Default: 0."""
    on_demand_percent_above_base: NotRequired[pulumi.Input[float]]
    """Share of on demand above the base. From 0 to 100. Default: 100."""
    on_demand_allocation_strategy: NotRequired[pulumi.Input[str]]
    """'prioritized' takes the order of `instance_types`. One of 'prioritized', 'lowest-price'.
    Default: 'prioritized'."""
    spot_allocation_strategy: NotRequired[pulumi.Input[str]]
    """How spot instances are chosen. One of 'price-capacity-optimized', 'capacity-optimized',
    'capacity-optimized-prioritized', 'lowest-price'. Default: 'price-capacity-optimized'."""


class AwsInstanceRequirements(TypedDict):
    """Attributes by which AWS selects instance types, those of the image's architecture."""

    min_vcpus: pulumi.Input[float]
    """vCPUs at least. From 1 to 1024."""
    min_memory_mib: pulumi.Input[float]
    """Memory in MiB at least. From 1 to 67108864."""
    max_vcpus: NotRequired[pulumi.Input[float]]
    """vCPUs at most. From 1 to 1024."""
    max_memory_mib: NotRequired[pulumi.Input[float]]
    """Memory in MiB at most. From 1 to 67108864."""
    cpu_manufacturers: NotRequired[list[pulumi.Input[str]]]
    """Any by default; 'amazon-web-services' is Graviton. One of 'intel', 'amd', 'amazon-web-
    services'."""
    instance_generations: NotRequired[list[pulumi.Input[str]]]
    """Generations of instance types. One of 'current', 'previous'. Default: 'current'."""
    allowed_instance_types: NotRequired[list[pulumi.Input[str]]]
    """Only these, for example 'm7*'; not beside `excluded_instance_types`."""
    excluded_instance_types: NotRequired[list[pulumi.Input[str]]]
    """All but these, for example 't*'."""


class AwsForecast(TypedDict):
    """How the group's minimum is planned; it becomes the `fleet` output."""

    load_per_instance: pulumi.Input[float]
    """Load that one instance (or capacity unit) serves at its target utilisation, in the load's
    unit: requests per second behind a load balancer. From 1e-09 to 1e+12."""
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
    load: NotRequired[AwsLoad]
    """The fleet's load; the workload's own, else the load balancer's requests per second by
    default."""
    period_seconds: NotRequired[pulumi.Input[float]]
    """Length of a sample (CloudWatch keeps 60 s for 15 days, 300 s for 63). At least 60. Default:
    300."""
    saturated_cpu_percent: NotRequired[pulumi.Input[float]]
    """At this average CPU the fleet was saturated: such samples are lower bounds of the load. Off
    by default. Above 0."""


class AwsAutoscalingGroupArgs(TypedDict):
    """Arguments of `AwsAutoscalingGroup`."""

    vpc_id: pulumi.Input[str]
    """The VPC of the subnets."""
    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnets of the instances, of two Availability Zones at least."""
    instance_type: pulumi.Input[str]
    """For example 'm7i.large'; `mixed_instances` overrides it."""
    min_size: pulumi.Input[float]
    """Never fewer instances. Set at creation; afterwards the forecast job moves it and updates
    leave it alone. From 0 to 100000."""
    max_size: pulumi.Input[float]
    """Never more instances; updates follow it. From 0 to 100000."""
    forecast: AwsForecast
    """How the minimum is planned ahead."""
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
    ebs_optimized: NotRequired[pulumi.Input[bool]]
    """Dedicated bandwidth to EBS. Instance types from before 2014 may refuse it. Default: true."""
    mixed_instances: NotRequired[AwsMixedInstances]
    """Several instance types, on demand and spot."""
    instance_requirements: NotRequired[AwsInstanceRequirements]
    """Select instance types by attributes; `mixed_instances`, with an empty list of types, shares
    them between on demand and spot."""
    other_architecture_ami_id: NotRequired[pulumi.Input[str]]
    """Image of the types in `mixed_instances` whose processor architecture is not that of
    `instance_type` (Graviton beside x86)."""
