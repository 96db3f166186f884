"""Arguments that the AWS components share.

Generated from `elastic_iac/common/schema/aws.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi



class AwsRootVolume(TypedDict):
    """The encrypted gp3 volume that an instance boots from."""

    size_gib: pulumi.Input[float]
    """Size in GiB, at least the image's own. From 1 to 16384."""
    device_name: NotRequired[pulumi.Input[str]]
    """The image's root device. By default it is known for AWS's public parameters ('/dev/xvda' for
    Amazon Linux, '/dev/sda1' for Ubuntu) and looked up for other images, which takes
    ec2:DescribeImages. Another device would be a second volume."""
    iops: NotRequired[pulumi.Input[float]]
    """I/O operations per second; gp3's 3000 by default. From 3000 to 80000."""
    throughput_mib: NotRequired[pulumi.Input[float]]
    """MiB per second; gp3's 125 by default. More shortens the startup time if models are read from
    disk. From 125 to 2000."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Customer-managed key; the account's EBS key by default."""


class AwsWarmPool(TypedDict):
    """Instances that have booted already and wait."""

    max_group_prepared_capacity: pulumi.Input[float]
    """Warm and in-service instances together, at most. Required: the cloud's own default keeps max
    - desired instances. From 0 to 100000."""
    min_size: NotRequired[pulumi.Input[float]]
    """Warm instances at least. From 0 to 100000. Default: 0."""
    pool_state: NotRequired[pulumi.Input[str]]
    """State in which they wait. Stopping wipes instance store. One of 'Stopped', 'Running',
    'Hibernated'. Default: 'Stopped'."""
    reuse_on_scale_in: NotRequired[pulumi.Input[bool]]
    """Return instances to the pool on scale-in instead of terminating them. Default: false."""


class AwsInstanceRefresh(TypedDict):
    """How a new launch template version reaches the running instances."""

    enabled: bool
    """False leaves running instances as they are; only new launches take the new version."""
    min_healthy_percent: NotRequired[pulumi.Input[float]]
    """Healthy instances during the refresh; with 100 replacements launch first. From 0 to 100.
    Default: 100."""
    max_healthy_percent: NotRequired[pulumi.Input[float]]
    """Upper limit during the refresh, at most 100 above the minimum. From 100 to 200. Default: 110."""
    auto_rollback: NotRequired[pulumi.Input[bool]]
    """Return to the former version if the refresh fails. Default: true."""


class AwsInstanceMaintenancePolicy(TypedDict):
    """Bounds of the healthy instances while instances are replaced for any reason."""

    min_healthy_percent: pulumi.Input[float]
    """Healthy instances at least; with 100 replacements launch first. From 0 to 100."""
    max_healthy_percent: pulumi.Input[float]
    """Upper limit, at most 100 above the minimum. From 100 to 200."""


class AwsMetric(TypedDict):
    """One CloudWatch metric."""

    namespace: pulumi.Input[str]
    """For example 'AWS/ApplicationELB' or your own."""
    metric_name: pulumi.Input[str]
    """For example 'TokensPerSecond'."""
    dimensions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """All dimensions of the metric; `AutoScalingGroupName` of this group by default."""
    statistic: NotRequired[pulumi.Input[str]]
    """Statistic of the samples. One of 'Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount'.
    Default: 'Average'."""
    unit: NotRequired[pulumi.Input[str]]
    """Only samples of this unit are read; a wrong unit reads nothing."""


class AwsTargetTracking(TypedDict):
    """One target tracking policy: the reactive part, above the minimum that the forecast sets."""

    metric: str
    """'alb-requests' is per target and minute, and needs `load_balancer`; 'custom' needs
    `custom_metric`. One of 'cpu', 'alb-requests', 'custom'."""
    target_value: pulumi.Input[float]
    """The value to keep: per cent, requests per target and minute, or the custom metric's own unit.
    Above 0 and at most 1e+12."""
    disable_scale_in: NotRequired[bool]
    """This policy only adds instances. At least one policy of the group must be free to remove
    them. Default: false."""
    custom_metric: NotRequired[AwsMetric]
    """A metric that falls in proportion as instances are added, such as a utilisation or a queue
    per instance."""


class AwsLoadBalancer(TypedDict):
    """An application load balancer in front of the group."""

    instance_port: pulumi.Input[float]
    """Port on which the instances serve HTTP. From 1 to 65535."""
    certificate_arn: NotRequired[pulumi.Input[str]]
    """ACM certificate: HTTPS on 443, and 80 redirects there. Without one, HTTP on 80 only."""
    subnet_ids: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Subnets of the load balancer, of two zones at least; the group's by default."""
    internal: NotRequired[pulumi.Input[bool]]
    """Reachable from within the VPC only. Default: false."""
    ingress_cidrs: NotRequired[list[pulumi.Input[str]]]
    """IPv4 ranges that may reach it. Default: '0.0.0.0/0'."""
    ip_address_type: NotRequired[str]
    """'dualstack' has IPv6 addresses too: its subnets need IPv6 ranges. One of 'ipv4', 'dualstack'.
    Default: 'ipv4'."""
    ingress_ipv6_cidrs: NotRequired[list[pulumi.Input[str]]]
    """IPv6 ranges that may reach it, with 'dualstack'. Default: '::/0'."""
    health_check_path: NotRequired[pulumi.Input[str]]
    """Path that answers 200 once the instance can serve. Default: '/'."""
    health_check_matcher: NotRequired[pulumi.Input[str]]
    """Statuses of a good answer. Default: '200'."""
    health_check_interval_seconds: NotRequired[pulumi.Input[float]]
    """Between two checks. Two good answers make an instance healthy, three bad ones unhealthy. From
    5 to 300. Default: 15."""
    deregistration_delay_seconds: NotRequired[pulumi.Input[float]]
    """How long a leaving instance may finish its requests. From 0 to 3600. Default: 60."""
    idle_timeout_seconds: NotRequired[pulumi.Input[float]]
    """Silence after which a connection is cut. Longer for streamed answers. From 1 to 4000.
    Default: 60."""
    deletion_protection: NotRequired[pulumi.Input[bool]]
    """Refuse to delete the load balancer. Default: false."""


class AwsLoad(TypedDict):
    """The fleet's load in CloudWatch."""

    namespace: pulumi.Input[str]
    """For example 'AWS/SQS' or your own."""
    metric_name: pulumi.Input[str]
    """A sum over the fleet, such as requests, tokens or messages; with `per_instance`, an average
    over its instances."""
    dimensions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """All dimensions of the metric; `AutoScalingGroupName` of this group by default."""
    statistic: NotRequired[pulumi.Input[str]]
    """'Sum' (the default) is divided by the period: a rate per second. 'Average', 'Maximum' or
    'p95' is taken as it is. Default: 'Average'."""
    unit: NotRequired[pulumi.Input[str]]
    """Only samples of this unit are read; a wrong unit reads nothing."""
    per_instance: NotRequired[pulumi.Input[bool]]
    """The metric is an average over instances, not a load: it is multiplied by their number.
    Default: false."""
