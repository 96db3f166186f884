"""The arguments of the AWS components, as far as Pulumi's analyzer takes them to other languages.

Every nested type has a required field: a whole optional object given as an output arrives over the plugin boundary as `{}`, and the field's absence
then says so. Counts are floats there; the components refuse what is not whole. What decides which resources exist is plain, not an input.
"""

from typing import NotRequired, TypedDict

import pulumi

from elastic_iac.forecast_args import LoadEvent, LoadExclusion, LoadPrices


class AwsRootVolume(TypedDict):
    """The encrypted gp3 volume that an instance boots from."""

    size_gib: pulumi.Input[float]
    """Size in GiB, 1 to 16384; at least the image's own."""
    device_name: NotRequired[pulumi.Input[str]]
    """The image's root device: '/dev/xvda' (Amazon Linux, the default) or '/dev/sda1' (Ubuntu, deep learning images on it)."""
    iops: NotRequired[pulumi.Input[float]]
    """I/O operations per second, 3000 to 80000; gp3's 3000 by default."""
    throughput_mib: NotRequired[pulumi.Input[float]]
    """MiB per second, 125 to 2000; gp3's 125 by default. More shortens the boot where models are read from disk."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Customer-managed key; the account's EBS key by default."""


class AwsInstanceType(TypedDict):
    """One instance type of a mixed group."""

    instance_type: pulumi.Input[str]
    """For example 'g5.xlarge'."""
    weight: NotRequired[pulumi.Input[float]]
    """Capacity units it counts for, 1 to 999. Give every type a weight or none; sizes and `load_per_instance` are then per unit."""


class AwsMixedInstances(TypedDict):
    """Several instance types, on demand and spot."""

    instance_types: list[AwsInstanceType]
    """1 to 40 types, the preferred ones first."""
    on_demand_base_capacity: NotRequired[pulumi.Input[float]]
    """That many units are on demand before any spot; 0 by default."""
    on_demand_percent_above_base: NotRequired[pulumi.Input[float]]
    """Share of on demand above the base, 0 to 100; 100 by default, so spot is something one asks for."""
    on_demand_allocation_strategy: NotRequired[pulumi.Input[str]]
    """'prioritized' (the order of `instance_types`, the default) or 'lowest-price'."""
    spot_allocation_strategy: NotRequired[pulumi.Input[str]]
    """'price-capacity-optimized' (the default), 'capacity-optimized', 'capacity-optimized-prioritized' or 'lowest-price'."""


class AwsWarmPool(TypedDict):
    """Instances that have booted already and wait."""

    max_group_prepared_capacity: pulumi.Input[float]
    """Warm and in-service instances together, at most. Required: the cloud's own default keeps max - desired instances."""
    min_size: NotRequired[pulumi.Input[float]]
    """Warm instances at least; 0 by default."""
    pool_state: NotRequired[pulumi.Input[str]]
    """'Stopped' (the default), 'Running' or 'Hibernated'. Stopping wipes instance store."""
    reuse_on_scale_in: NotRequired[pulumi.Input[bool]]
    """Return instances to the pool on scale-in instead of terminating them; false by default."""


class AwsInstanceRefresh(TypedDict):
    """How a new launch template version reaches the running instances."""

    enabled: bool
    """False leaves running instances as they are; only new launches take the new version."""
    min_healthy_percent: NotRequired[pulumi.Input[float]]
    """Healthy instances during the refresh, 0 to 100; 100 by default: replacements launch first."""
    max_healthy_percent: NotRequired[pulumi.Input[float]]
    """Ceiling during the refresh, 100 to 200 and at most 100 above the minimum; 110 by default."""
    auto_rollback: NotRequired[pulumi.Input[bool]]
    """Return to the former version if the refresh fails; true by default."""


class AwsMetric(TypedDict):
    """One CloudWatch metric."""

    namespace: pulumi.Input[str]
    """For example 'AWS/ApplicationELB' or your own."""
    metric_name: pulumi.Input[str]
    """For example 'TokensPerSecond'."""
    dimensions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """All dimensions of the metric; `AutoScalingGroupName` of this group by default."""
    statistic: NotRequired[pulumi.Input[str]]
    """'Average' (the default), 'Sum', 'Minimum', 'Maximum' or 'SampleCount'."""
    unit: NotRequired[pulumi.Input[str]]
    """Only samples of this unit are read; a wrong unit reads nothing."""


class AwsTargetTracking(TypedDict):
    """One target tracking policy: the reactive part, above the floor that the forecast sets."""

    metric: str
    """'cpu', 'alb-requests' (per target and minute; needs `load_balancer`) or 'custom' (needs `custom_metric`)."""
    target_value: pulumi.Input[float]
    """The value to keep: per cent, requests per target and minute, or the custom metric's own unit."""
    disable_scale_in: NotRequired[bool]
    """This policy only adds instances. At least one policy of the group must be free to remove them."""
    custom_metric: NotRequired[AwsMetric]
    """A metric that falls in proportion as instances are added, such as a utilisation or a queue per instance."""


class AwsLoadBalancer(TypedDict):
    """An application load balancer in front of the group."""

    instance_port: pulumi.Input[float]
    """Port on which the instances serve HTTP."""
    certificate_arn: NotRequired[pulumi.Input[str]]
    """ACM certificate: HTTPS on 443, and 80 redirects there. Without one, HTTP on 80 only."""
    subnet_ids: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Subnets of the load balancer, of two zones at least; the group's by default."""
    internal: NotRequired[pulumi.Input[bool]]
    """Reachable from within the VPC only; false by default."""
    ingress_cidrs: NotRequired[list[pulumi.Input[str]]]
    """IPv4 ranges that may reach it; '0.0.0.0/0' by default."""
    health_check_path: NotRequired[pulumi.Input[str]]
    """Path that answers 200 once the instance can serve; '/' by default."""
    health_check_interval_seconds: NotRequired[pulumi.Input[float]]
    """Between two checks, 5 to 300; 15 by default. Two good answers make an instance healthy, three bad ones unhealthy."""
    deregistration_delay_seconds: NotRequired[pulumi.Input[float]]
    """How long a leaving instance may finish its requests, 0 to 3600; 60 by default."""
    idle_timeout_seconds: NotRequired[pulumi.Input[float]]
    """Silence after which a connection is cut, 1 to 4000; 60 by default. Longer for streamed answers."""
    deletion_protection: NotRequired[pulumi.Input[bool]]
    """Refuse to delete the load balancer; false by default."""


class AwsLoad(TypedDict):
    """Where the fleet's load is read from in CloudWatch."""

    namespace: pulumi.Input[str]
    """For example 'AWS/SQS' or your own."""
    metric_name: pulumi.Input[str]
    """A sum over the fleet, such as requests, tokens or messages; with `per_instance`, an average over its instances."""
    dimensions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """All dimensions of the metric; `AutoScalingGroupName` of this group by default."""
    statistic: NotRequired[pulumi.Input[str]]
    """'Sum' (the default) is divided by the period: a rate per second. 'Average', 'Maximum' or 'p95' is taken as it is."""
    unit: NotRequired[pulumi.Input[str]]
    """Only samples of this unit are read; a wrong unit reads nothing."""
    per_instance: NotRequired[pulumi.Input[bool]]
    """The metric is an average over instances, not a load: it is multiplied by their number. False by default."""


class AwsForecast(TypedDict):
    """How the group's floor is planned; it becomes the `fleet` output."""

    load_per_instance: pulumi.Input[float]
    """Load that one instance (or capacity unit) serves at its target utilisation, in the load's unit: requests per second behind a load balancer."""
    load: NotRequired[AwsLoad]
    """The fleet's load; the load balancer's requests per second by default."""
    period_seconds: NotRequired[pulumi.Input[float]]
    """Length of a sample, a multiple of 60; 300 by default (CloudWatch keeps 60 s for 15 days, 300 s for 63)."""
    saturated_cpu_percent: NotRequired[pulumi.Input[float]]
    """At this average CPU the fleet was saturated: such samples are lower bounds of the load. Off by default."""
    lead_time_seconds: NotRequired[pulumi.Input[float]]
    """Launch to first healthy answer, p90 of what was measured; 300 by default. It also decides whether `up` waits for instances."""
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
    """How far ahead is planned, 6 to 48 (the default)."""
    max_increase_per_slot: NotRequired[pulumi.Input[float]]
    """The floor rises by no more than this from one scheduled action to the next."""
    max_decrease_per_slot: NotRequired[pulumi.Input[float]]
    """The floor falls by no more than this from one scheduled action to the next."""
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


class AwsAutoscalingGroupArgs(TypedDict):
    """Arguments of `AwsAutoscalingGroup`."""

    vpc_id: pulumi.Input[str]
    """The VPC of the subnets."""
    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnets of the instances, of two Availability Zones at least."""
    instance_type: pulumi.Input[str]
    """For example 'm7i.large'; `mixed_instances` overrides it."""
    min_size: pulumi.Input[float]
    """Floor: never fewer instances. Set at creation; afterwards the forecast job moves it and updates leave it alone."""
    max_size: pulumi.Input[float]
    """Ceiling: never more instances; updates follow it."""
    forecast: AwsForecast
    """How the floor is planned ahead."""
    desired_capacity: NotRequired[pulumi.Input[float]]
    """Instances at creation; `min_size` by default. Updates leave it alone."""
    ami_id: NotRequired[pulumi.Input[str]]
    """The image. Give this or `ami_ssm_parameter`."""
    ami_ssm_parameter: NotRequired[pulumi.Input[str]]
    """Public parameter that names the image, resolved when the group is first deployed and held until `refresh_ami`."""
    refresh_ami: NotRequired[bool]
    """True takes what `ami_ssm_parameter` names now; false (the default) keeps the image that is deployed."""
    user_data: NotRequired[pulumi.Input[str]]
    """Script or cloud-init document in plain text, at most 16 KiB. With a warm pool it runs once, before the pool: start the service by systemd."""
    root_volume: NotRequired[AwsRootVolume]
    """The encrypted gp3 root volume; 20 GiB at '/dev/xvda' by default."""
    ebs_optimized: NotRequired[pulumi.Input[bool]]
    """Dedicated bandwidth to EBS; true by default. Instance types from before 2014 may refuse it."""
    detailed_monitoring: NotRequired[pulumi.Input[bool]]
    """Instance metrics every minute instead of every five; true by default, scaling reacts to them."""
    instance_policy_arns: NotRequired[dict[str, pulumi.Input[str]]]
    """Managed policies that the instances need besides Systems Manager: a name of your choice to the policy's ARN."""
    security_group_ids: NotRequired[list[pulumi.Input[str]]]
    """Further security groups of the instances."""
    mixed_instances: NotRequired[AwsMixedInstances]
    """Several instance types, on demand and spot."""
    capacity_rebalance: NotRequired[pulumi.Input[bool]]
    """Replace spot instances that are about to be interrupted; true by default."""
    health_check_grace_seconds: NotRequired[pulumi.Input[float]]
    """A new instance is not judged before; `forecast.lead_time_seconds` by default."""
    instance_warmup_seconds: NotRequired[pulumi.Input[float]]
    """A new instance's metrics count after that much time in service; 60 by default."""
    warm_pool: NotRequired[AwsWarmPool]
    """Instances that have booted already and wait. AWS takes none beside weights or spot of `mixed_instances`."""
    instance_refresh: NotRequired[AwsInstanceRefresh]
    """How a new launch template version reaches the running instances; a rolling refresh with rollback by default."""
    termination_policies: NotRequired[list[pulumi.Input[str]]]
    """Which instance goes first on scale-in; 'Default' by default."""
    target_tracking: NotRequired[list[AwsTargetTracking]]
    """Reactive policies above the floor; CPU at 60 per cent by default."""
    load_balancer: NotRequired[AwsLoadBalancer]
    """An application load balancer in front of the group."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags of the group, propagated to instances and volumes. (A provider's default tags reach everything but these.)"""
