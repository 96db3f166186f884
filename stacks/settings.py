"""What an environment may set, from `Pulumi.yaml` and `stacks/Pulumi.ENVIRONMENT.yaml`.

Field by field a group is `AwsAutoscalingGroupArgs` in camelCase without the network, the job `AwsForecastJobArgs` without its fleets; here the types
are checked, in the component the values.
"""

from __future__ import annotations

from typing import Any, Literal, Self, cast

import pulumi
from pydantic import Field, ValidationError, model_validator

from elastic_iac.aws.args import AwsAutoscalingGroupArgs
from elastic_iac.aws.job_args import AwsForecastJobArgs
from forecasting.errors import SettingsError
from stacks.settings_base import Event, Exclusion, Prices, Settings
from stacks.settings_gcp import GcpGroup, GcpJob, GcpProvider
from stacks.settings_gcp_gpu import GcpPool


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


class Forecast(Settings):
    """See `AwsForecast`."""

    load_per_instance: float
    load: Load | None = None
    period_seconds: int | None = None
    saturated_cpu_percent: float | None = None
    lead_time_seconds: float | None = None
    quantile: float | None = None
    prices: Prices | None = None
    uncovered_share: float | None = None
    reactive_target: float | None = None
    step_minutes: int | None = None
    horizon_hours: int | None = None
    max_increase_per_slot: int | None = None
    max_decrease_per_slot: int | None = None
    time_zone: str | None = None
    model: str | None = None
    max_load: float | None = None
    events: list[Event] | None = None
    holidays: list[str] | None = None
    exclusions: list[Exclusion] | None = None
    similar_fleet: str | None = None
    expected_load: float | None = None
    dry_run: bool | None = None
    enabled: bool | None = None


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


class DefaultTags(Settings):
    """The provider's default tags, `aws:defaultTags`."""

    tags: dict[str, str] = Field(default_factory=dict)


class Stack(Settings):
    """One environment."""

    groups: list[Group]
    clouds: list[Literal["aws", "gcp"]] = Field(default=["aws"], min_length=1)
    job: Job | None = None
    vpc_id: str = ""
    subnet_ids: list[str] = Field(default_factory=list)
    default_tags: DefaultTags = Field(default_factory=DefaultTags)
    gcp_groups: list[GcpGroup] = Field(default_factory=list[GcpGroup])
    gcp_gpu_pools: list[GcpPool] = Field(default_factory=list[GcpPool])
    gcp_job: GcpJob | None = None
    gcp_network: str = ""
    gcp_subnetwork: str = ""
    gcp_provider: GcpProvider = Field(default_factory=GcpProvider)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.vpc_id) != bool(self.subnet_ids):
            raise ValueError("vpcId and subnetIds belong together: give both, or neither for the default VPC")
        if bool(self.gcp_network) != bool(self.gcp_subnetwork):
            raise ValueError(
                "gcpNetwork and gcpSubnetwork belong together: give both, or neither for the default network"
            )
        for cloud, key, groups in (
            ("aws", "groups", self.groups),
            ("gcp", "gcpGroups", [*self.gcp_groups, *self.gcp_gpu_pools]),
        ):
            names = [group.name for group in groups]
            if cloud in self.clouds and not names:
                raise ValueError(f"{key} must have a group, since clouds has {cloud!r}")
            if len(set(names)) != len(names):
                raise ValueError(f"{key} must have different names; got {', '.join(names)}")
        if "gcp" in self.clouds and not (self.gcp_provider.project and self.gcp_provider.region):
            raise ValueError("gcp:project and gcp:region must be given, since clouds has 'gcp'")
        return self


def read_stack(config: pulumi.Config, aws: pulumi.Config, gcp: pulumi.Config) -> Stack:
    """Read the stack's configuration.

    Args:
        config: The project's.
        aws: The AWS provider's, for its default tags.
        gcp: The Google Cloud provider's, for its project and region.

    Raises:
        SettingsError: the first thing wrong, by its key, its value and what would be right.
    """
    given: dict[str, Any] = {
        "groups": config.get_object("groups"),
        "job": config.get_object("job") or None,
        "vpcId": config.get("vpcId"),
        "subnetIds": config.get_object("subnetIds"),
        "defaultTags": aws.get_object("defaultTags"),
        "clouds": config.get_object("clouds"),
        "gcpGroups": config.get_object("gcpGroups"),
        "gcpGpuPools": config.get_object("gcpGpuPools"),
        "gcpJob": config.get_object("gcpJob") or None,
        "gcpNetwork": config.get("gcpNetwork"),
        "gcpSubnetwork": config.get("gcpSubnetwork"),
        "gcpProvider": {key: value for key in ("project", "region") if (value := gcp.get(key))},
    }
    try:
        return Stack.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "groups"
        raise SettingsError(f"config {key}", first["input"], str(first["msg"]).removeprefix("Value error, ")) from error
