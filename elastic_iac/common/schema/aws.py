"""Arguments that the AWS components share."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, Arn, Flag, Percent, PlainFlag, Port, Size, Text, Texts, Value, of
from elastic_iac.common.schema.fleet import ForecastFields
from elastic_iac.common.validation import (
    CERTIFICATE_ARN,
    IMAGE_ID,
    INSTANCE_TYPE,
    IPV4_RANGE,
    IPV6_RANGE,
    PATH,
    SECURITY_GROUP_ID,
    SUBNET_ID,
    VPC_ID,
    distinct,
    matching,
    number,
    one_of,
    text_of,
    whole,
)
from forecasting.settings import CloudWatchMetric, CloudWatchSource

PROCESSES = (
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
)
"""https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html"""

USER_DATA_LIMIT_BYTES = 16 * 1024
"""EC2's limit before the base64 encoding: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html"""

CAPACITY_RESERVATION_ID = matching(r"cr-[0-9a-z]+", "a capacity reservation's id, 'cr-...'")


ImageParameter = Annotated[
    Value[str], matching(r"/[A-Za-z0-9_.\-/]+", "the path of a public parameter, '/aws/service/...'")
]
ProfileArn = Annotated[
    Value[str], matching(r"arn:aws[a-z-]*:iam::\d{12}:instance-profile/\S+", "an instance profile's ARN")
]
Statuses = Annotated[
    Value[str], matching(r"[2-4]\d\d(-[2-4]\d\d|(,[2-4]\d\d)*)", "statuses such as '200', '200,302' or '200-399'")
]
SecurityGroupId = Annotated[Value[str], SECURITY_GROUP_ID]
InstanceType = Annotated[Value[str], INSTANCE_TYPE]
Seconds6h = Annotated[Value[int], whole(0, 21_600)]
USER_DATA = text_of(USER_DATA_LIMIT_BYTES)
UserData = Annotated[Value[str], USER_DATA]
Subnets = Value[list[Value[str]]]
TWO_ZONES = distinct(SUBNET_ID, at_least=2, expected="two or more different subnets, in different Availability Zones")
POOL_STATE = one_of("Stopped", "Running", "Hibernated")
ONE_SUBNET = distinct(SUBNET_ID, at_least=1, expected="one or more different subnets")
SpotStrategy = Annotated[
    Value[str],
    one_of("price-capacity-optimized", "capacity-optimized", "capacity-optimized-prioritized", "lowest-price"),
]
TerminationPolicy = Annotated[
    Value[str],
    one_of(
        "Default",
        "AllocationStrategy",
        "OldestLaunchTemplate",
        "OldestLaunchConfiguration",
        "ClosestToNextInstanceHour",
        "NewestInstance",
        "OldestInstance",
    ),
]


class AwsRootVolume(Arguments):
    """The encrypted gp3 volume that an instance boots from."""

    size_gib: Annotated[Value[int], whole(1, 16_384)]
    """Size in GiB, at least the image's own."""
    device_name: Annotated[Value[str], matching(r"/dev/[a-z0-9/]+", "a device such as '/dev/xvda'")] | None = None
    """The image's root device. By default it is known for AWS's public parameters ('/dev/xvda' for Amazon Linux, '/dev/sda1' for Ubuntu) and
    looked up for other images, which takes ec2:DescribeImages. Another device would be a second volume."""
    iops: Annotated[Value[int], whole(3000, 80_000)] | None = None
    """I/O operations per second; gp3's 3000 by default."""
    throughput_mib: Annotated[Value[int], whole(125, 2000)] | None = None
    """MiB per second; gp3's 125 by default. More shortens the startup time if models are read from disk."""
    kms_key_arn: Arn | None = None
    """Customer-managed key; the account's EBS key by default."""


class AwsWarmPool(Arguments):
    """Instances that have booted already and wait."""

    max_group_prepared_capacity: Size
    """Warm and in-service instances together, at most. Required: the cloud's own default keeps max - desired instances."""
    min_size: Size = 0
    """Warm instances at least."""
    pool_state: Annotated[Value[str], POOL_STATE] = "Stopped"
    """State in which they wait. Stopping wipes instance store."""
    reuse_on_scale_in: Flag = False
    """Return instances to the pool on scale-in instead of terminating them."""


class AwsInstanceRefresh(Arguments):
    """How a new launch template version reaches the running instances."""

    enabled: PlainFlag
    """False leaves running instances as they are; only new launches take the new version."""
    min_healthy_percent: Percent = 100
    """Healthy instances during the refresh; with 100 replacements launch first."""
    max_healthy_percent: Annotated[Value[int], whole(100, 200)] = 110
    """Upper limit during the refresh, at most 100 above the minimum."""
    auto_rollback: Flag = True
    """Return to the former version if the refresh fails."""


class AwsInstanceMaintenancePolicy(Arguments):
    """Bounds of the healthy instances while instances are replaced for any reason."""

    min_healthy_percent: Percent
    """Healthy instances at least; with 100 replacements launch first."""
    max_healthy_percent: Annotated[Value[int], whole(100, 200)]
    """Upper limit, at most 100 above the minimum."""


class AwsMetric(Arguments):
    """One CloudWatch metric."""

    namespace: Text
    """For example 'AWS/ApplicationELB' or your own."""
    metric_name: Text
    """For example 'TokensPerSecond'."""
    dimensions: Texts | None = None
    """All dimensions of the metric; `AutoScalingGroupName` of this group by default."""
    statistic: Annotated[Value[str], one_of("Average", "Sum", "Minimum", "Maximum", "SampleCount")] = "Average"
    """Statistic of the samples."""
    unit: Text | None = None
    """Only samples of this unit are read; a wrong unit reads nothing."""


class AwsTargetTracking(Arguments):
    """One target tracking policy: the reactive part, above the minimum that the forecast sets."""

    metric: Annotated[str, one_of("cpu", "alb-requests", "custom")]
    """'alb-requests' is per target and minute, and needs `load_balancer`; 'custom' needs `custom_metric`."""
    target_value: Annotated[Value[float], number(0, 1e12)]
    """The value to keep: per cent, requests per target and minute, or the custom metric's own unit."""
    disable_scale_in: PlainFlag = False
    """This policy only adds instances. At least one policy of the group must be free to remove them."""
    custom_metric: AwsMetric | None = None
    """A metric that falls in proportion as instances are added, such as a utilisation or a queue per instance."""


class AwsLoadBalancer(Arguments):
    """An application load balancer in front of the group."""

    instance_port: Port
    """Port on which the instances serve HTTP."""
    certificate_arn: Annotated[Value[str], CERTIFICATE_ARN] | None = None
    """ACM certificate: HTTPS on 443, and 80 redirects there. Without one, HTTP on 80 only."""
    subnet_ids: Annotated[Subnets, TWO_ZONES] | None = None
    """Subnets of the load balancer, of two zones at least; the group's by default."""
    internal: Flag = False
    """Reachable from within the VPC only."""
    ingress_cidrs: list[Annotated[Value[str], IPV4_RANGE]] = ["0.0.0.0/0"]
    """IPv4 ranges that may reach it."""
    ip_address_type: Annotated[str, one_of("ipv4", "dualstack")] = "ipv4"
    """'dualstack' has IPv6 addresses too: its subnets need IPv6 ranges."""
    ingress_ipv6_cidrs: list[Annotated[Value[str], IPV6_RANGE]] = ["::/0"]
    """IPv6 ranges that may reach it, with 'dualstack'."""
    health_check_path: Annotated[Value[str], PATH] = "/"
    """Path that answers 200 once the instance can serve."""
    health_check_matcher: Statuses = "200"
    """Statuses of a good answer."""
    health_check_interval_seconds: Annotated[Value[int], whole(5, 300)] = 15
    """Between two checks. Two good answers make an instance healthy, three bad ones unhealthy."""
    deregistration_delay_seconds: Annotated[Value[int], whole(0, 3600)] = 60
    """How long a leaving instance may finish its requests."""
    idle_timeout_seconds: Annotated[Value[int], whole(1, 4000)] = 60
    """Silence after which a connection is cut. Longer for streamed answers."""
    deletion_protection: Flag = False
    """Refuse to delete the load balancer."""


class AwsLoad(Arguments):
    """The fleet's load in CloudWatch."""

    namespace: Annotated[Value[str], of(CloudWatchMetric, "namespace")]
    """For example 'AWS/SQS' or your own."""
    metric_name: Annotated[Value[str], of(CloudWatchMetric, "metric_name")]
    """A sum over the fleet, such as requests, tokens or messages; with `per_instance`, an average over its instances."""
    dimensions: Texts | None = None
    """All dimensions of the metric; `AutoScalingGroupName` of this group by default."""
    statistic: Annotated[Value[str], of(CloudWatchMetric, "statistic")] | None = None
    """'Sum' (the default) is divided by the period: a rate per second. 'Average', 'Maximum' or 'p95' is taken as it is."""
    unit: Annotated[Value[str], of(CloudWatchMetric, "unit")] | None = None
    """Only samples of this unit are read; a wrong unit reads nothing."""
    per_instance: Flag = False
    """The metric is an average over instances, not a load: it is multiplied by their number."""


class AwsForecastFields(ForecastFields):
    """Fields that the forecasts of groups and pools share on AWS."""

    load: AwsLoad | None = None
    """The fleet's load; the workload's own, else the load balancer's requests per second by default."""
    period_seconds: Annotated[Value[int], of(CloudWatchSource, "period_seconds")] | None = None
    """Length of a sample (CloudWatch keeps 60 s for 15 days, 300 s for 63)."""
    saturated_cpu_percent: Annotated[Value[float], of(CloudWatchSource, "saturated_above")] | None = None
    """At this average CPU the fleet was saturated: such samples are lower bounds of the load. Off by default."""


class InstancesArguments(Arguments):
    """Arguments that groups and pools share."""

    vpc_id: Annotated[Value[str], VPC_ID]
    """The VPC of the subnets."""
    desired_capacity: Size | None = None
    """Size at creation; `min_size` by default. Updates leave it alone."""
    ami_id: Annotated[Value[str], IMAGE_ID] | None = None
    """The image. Give this or `ami_ssm_parameter`; a pool has a deep learning image by default."""
    ami_ssm_parameter: ImageParameter | None = None
    """Public parameter that names the image, resolved when the group is first deployed and held until `refresh_ami`. A pool's default is the base
    deep learning image with NVIDIA's open driver on Amazon Linux 2023; V100 (p3) needs another."""
    refresh_ami: PlainFlag = False
    """True takes the image that `ami_ssm_parameter` names now; false keeps the image that is deployed."""
    user_data: UserData | None = None
    """Script or cloud-init document in plain text, not base64, at most 16 KiB.
    With a warm pool it runs once, before the pool: start the service by systemd."""
    root_volume: AwsRootVolume | None = None
    """The encrypted gp3 root volume; 20 GiB by default, 150 GiB in a pool."""
    detailed_monitoring: Flag = True
    """Instance metrics every minute instead of every five: scaling reacts to them."""
    instance_policy_arns: dict[str, Arn] = {}
    """Managed policies that the instances need besides Systems Manager: a name of your choice to the policy's ARN."""
    security_group_ids: list[SecurityGroupId] = []
    """Further security groups of the instances."""
    permissions_boundary_arn: Arn | None = None
    """Permissions boundary of the role that is created for the instances."""
    instance_profile_arn: ProfileArn | None = None
    """Instance profile of your own: no role is created, and its role needs all rights that the instances use."""
    key_name: Text | None = None
    """EC2 key pair for SSH; none by default, Systems Manager reaches the instances. A rule for port 22 belongs in a security group of yours."""
    target_group_arns: list[Arn] | None = None
    """Target groups of your own that the instances join, beside those of `load_balancer`. Without both, attachments from elsewhere are left alone;
    an empty list detaches all: give it in the deployment that removes `load_balancer`."""
    health_check_type: Annotated[Value[str], one_of("EC2", "ELB")] | None = None
    """'ELB' replaces instances that a target group finds unhealthy; 'ELB' with target groups by default, else 'EC2'."""
    suspended_processes: list[Annotated[Value[str], one_of(*PROCESSES)]] = []
    """Processes of the group that are suspended. The job holds a group whose Launch or ScheduledActions are."""
    instance_maintenance_policy: AwsInstanceMaintenancePolicy | None = None
    """Bounds of the healthy instances while instances are replaced; AWS's own by default."""
    max_instance_lifetime_seconds: Annotated[Value[int], whole(86_400, 31_536_000)] | None = None
    """Instances are replaced at that age; never by default."""
    capacity_rebalance: Flag = True
    """Replace spot instances that are about to be interrupted."""
    health_check_grace_seconds: Seconds6h | None = None
    """A new instance is not judged before. Twice `forecast.lead_time_seconds` and 300 by default: one that is judged while it starts is replaced
    forever."""
    instance_warmup_seconds: Seconds6h = 60
    """A new instance's metrics count after that much time in service."""
    warm_pool: AwsWarmPool | None = None
    """Instances that have booted already and wait, on demand only and without weights. A pool's sizes then count instances."""
    instance_refresh: AwsInstanceRefresh | None = None
    """How a new launch template version reaches the running instances; a rolling refresh with rollback by default, none with Capacity Blocks. With
    a reservation's 'capacity-reservations-only' it ends instances first by default (90 to 100 per cent): a full reservation has no room for more."""
    termination_policies: list[TerminationPolicy] = ["Default"]
    """Which instance goes first on scale-in."""
    load_balancer: AwsLoadBalancer | None = None
    """An application load balancer in front of the group, of each shard of a pool. Beside Capacity Blocks its `deregistration_delay_seconds` is at
    most 480."""
    target_tracking: list[AwsTargetTracking] | None = None
    """Reactive policies above the minimum; by default the workload's load at `load_per_replica`, else CPU at 60 per cent; none beside `training`."""
    tags: Texts = {}
    """Tags of the group, propagated to instances. A new tag replaces no instance: those that run keep theirs, and volumes have the tags with which
    the launch template was created. (A provider's default tags reach everything but these.)"""
