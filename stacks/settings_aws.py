"""What an environment may set of AWS: field by field the components' arguments in camelCase, without what the stack knows."""

from __future__ import annotations

from typing import Literal, cast

import pulumi

from elastic_iac.aws.args import AwsAutoscalingGroupArgs
from elastic_iac.aws.forecast_job.args import AwsForecastJobArgs
from stacks.settings_base import PlannedAhead, Settings


class RootVolume(Settings):
    """See `AwsRootVolume`."""

    size_gib: int
    device_name: str | None = None
    iops: int | None = None
    throughput_mib: int | None = None
    kms_key_arn: str | None = None


class InstanceType(Settings):
    """See `AwsInstanceType`."""

    instance_type: str
    weight: int | None = None


class MixedInstances(Settings):
    """See `AwsMixedInstances`."""

    instance_types: list[InstanceType]
    on_demand_base_capacity: int | None = None
    on_demand_percent_above_base: int | None = None
    on_demand_allocation_strategy: str | None = None
    spot_allocation_strategy: str | None = None


class WarmPool(Settings):
    """See `AwsWarmPool`."""

    max_group_prepared_capacity: int
    min_size: int | None = None
    pool_state: str | None = None
    reuse_on_scale_in: bool | None = None


class InstanceRefresh(Settings):
    """See `AwsInstanceRefresh`."""

    enabled: bool
    min_healthy_percent: int | None = None
    max_healthy_percent: int | None = None
    auto_rollback: bool | None = None


class Metric(Settings):
    """See `AwsMetric`."""

    namespace: str
    metric_name: str
    dimensions: dict[str, str] | None = None
    statistic: str | None = None
    unit: str | None = None


class Load(Metric):
    """See `AwsLoad`."""

    per_instance: bool | None = None


class TargetTracking(Settings):
    """See `AwsTargetTracking`."""

    metric: Literal["cpu", "alb-requests", "custom"]
    target_value: float
    disable_scale_in: bool | None = None
    custom_metric: Metric | None = None


class LoadBalancer(Settings):
    """See `AwsLoadBalancer`."""

    instance_port: int
    certificate_arn: str | None = None
    subnet_ids: list[str] | None = None
    internal: bool | None = None
    ingress_cidrs: list[str] | None = None
    health_check_path: str | None = None
    health_check_interval_seconds: int | None = None
    deregistration_delay_seconds: int | None = None
    idle_timeout_seconds: int | None = None
    deletion_protection: bool | None = None


class Forecast(PlannedAhead):
    """See `AwsForecast`."""

    load_per_instance: float
    load: Load | None = None


class Group(Settings):
    """See `AwsAutoscalingGroupArgs`; the component is called STACK-NAME."""

    name: str
    instance_type: str
    min_size: int
    max_size: int
    forecast: Forecast
    desired_capacity: int | None = None
    ami_id: str | None = None
    ami_ssm_parameter: str | None = None
    refresh_ami: bool | None = None
    user_data: str | None = None
    root_volume: RootVolume | None = None
    ebs_optimized: bool | None = None
    detailed_monitoring: bool | None = None
    instance_policy_arns: dict[str, str] | None = None
    security_group_ids: list[str] | None = None
    mixed_instances: MixedInstances | None = None
    capacity_rebalance: bool | None = None
    health_check_grace_seconds: int | None = None
    instance_warmup_seconds: int | None = None
    warm_pool: WarmPool | None = None
    instance_refresh: InstanceRefresh | None = None
    termination_policies: list[str] | None = None
    target_tracking: list[TargetTracking] | None = None
    load_balancer: LoadBalancer | None = None

    def args(
        self, *, vpc_id: pulumi.Input[str], subnet_ids: pulumi.Input[list[pulumi.Input[str]]], tags: dict[str, str]
    ) -> AwsAutoscalingGroupArgs:
        """The component's arguments, in the given network."""
        own = self.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        return cast("AwsAutoscalingGroupArgs", {**own, "vpc_id": vpc_id, "subnet_ids": subnet_ids, "tags": tags})


class Job(Settings):
    """See `AwsForecastJobArgs`; the component is called STACK-job and serves all groups of the stack."""

    schedule: str | None = None
    interval_minutes: int | None = None
    short_run_minutes: int | None = None
    time_zone: str | None = None
    flexible_window_minutes: int | None = None
    architecture: str | None = None
    memory_mib: int | None = None
    timeout_seconds: int | None = None
    log_retention_days: int | None = None
    reserved_concurrency: int | None = None
    package_path: str | None = None
    owner: str | None = None
    former_owners: list[str] | None = None
    dry_run: bool | None = None
    enabled: bool | None = None
    alarm_topic_arn: str | None = None
    alarm_emails: list[str] | None = None
    store_retention_days: int | None = None
    kms_key_arn: str | None = None
    force_destroy: bool | None = None

    def args(self, *, fleets: list[pulumi.Input[str]], tags: dict[str, str]) -> AwsForecastJobArgs:
        """The component's arguments, for the given fleets."""
        own = self.model_dump(mode="json", exclude_none=True)
        return cast("AwsForecastJobArgs", {**own, "fleets": fleets, "tags": tags})
