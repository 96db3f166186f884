"""What an environment may set of a pool of GPU instances on AWS: field by field `AwsGpuPoolArgs` in camelCase, without the network."""

from __future__ import annotations

from typing import Any, Literal, cast

import pulumi
from elastic_iac.aws.gpu_args import AwsGpuPoolArgs
from pydantic import AwareDatetime, Field

from stacks.settings_aws import InstanceRefresh, InstanceType, Load, LoadBalancer, RootVolume, TargetTracking, WarmPool
from stacks.settings_base import PlannedAhead, Settings
from stacks.settings_gpu import Training, Workload


class Spot(Settings):
    """See `AwsSpot`."""

    on_demand_base_capacity: int
    on_demand_percent_above_base: int | None = None
    spot_allocation_strategy: str | None = None


class Reservation(Settings):
    """See `AwsGpuReservation`."""

    preference: Literal["capacity-reservations-first", "capacity-reservations-only"]
    capacity_reservation_ids: list[str] | None = None
    resource_group_arns: list[str] | None = None


class CapacityBlock(Settings):
    """See `AwsCapacityBlock`."""

    capacity_reservation_id: str
    start: AwareDatetime = Field(strict=False)
    end: AwareDatetime = Field(strict=False)
    instances: int
    min_instances: int | None = None


class DedicatedHosts(Settings):
    """See `AwsDedicatedHosts`."""

    host_resource_group_arn: str


class ReadyHook(Settings):
    """See `AwsReadyHook`."""

    enabled: bool
    timeout_seconds: int | None = None
    default_result: str | None = None


class Shard(Settings):
    """See `AwsGpuShard`."""

    name: str
    min_size: int
    max_size: int
    load: Load | None = None
    environment: dict[str, str] | None = None


class PoolForecast(PlannedAhead):
    """See `AwsGpuForecast`."""

    load_per_replica: float
    warm_headroom: int | None = None
    on_demand_quantile: float | None = None
    learn_lead_time: bool | None = None
    load: Load | None = None


class GpuPool(Settings):
    """See `AwsGpuPoolArgs`; the component is called STACK-NAME."""

    name: str
    instance_types: list[InstanceType]
    min_size: int | None = None
    max_size: int | None = None
    desired_capacity: int | None = None
    forecast: PoolForecast | None = None
    shards: list[Shard] | None = None
    workload: Workload | None = None
    training: Training | None = None
    user_data: str | None = None
    spot: Spot | None = None
    capacity_rebalance: bool | None = None
    reservation: Reservation | None = None
    capacity_blocks: list[CapacityBlock] | None = None
    dedicated_hosts: DedicatedHosts | None = None
    cluster_placement: bool | None = None
    efa: bool | None = None
    warm_pool: WarmPool | None = None
    ready_hook: ReadyHook | None = None
    ami_id: str | None = None
    ami_ssm_parameter: str | None = None
    refresh_ami: bool | None = None
    root_volume: RootVolume | None = None
    detailed_monitoring: bool | None = None
    instance_policy_arns: dict[str, str] | None = None
    security_group_ids: list[str] | None = None
    health_check_grace_seconds: int | None = None
    instance_warmup_seconds: int | None = None
    instance_refresh: InstanceRefresh | None = None
    termination_policies: list[str] | None = None
    target_tracking: list[TargetTracking] | None = None
    load_balancer: LoadBalancer | None = None
    subnet_ids: list[str] | None = None
    """Those of the pool, where it is not to have all of the stack's: `capacityBlocks` and `clusterPlacement` take one."""

    @property
    def fleet_count(self) -> int:
        """Fleets that it has."""
        return 0 if self.forecast is None else len(self.shards or [self])

    def args(
        self, *, vpc_id: pulumi.Input[str], subnet_ids: pulumi.Input[list[pulumi.Input[str]]], tags: dict[str, str]
    ) -> AwsGpuPoolArgs:
        """The component's arguments, in the given network."""
        own: dict[str, Any] = self.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        return cast("AwsGpuPoolArgs", {"subnet_ids": subnet_ids, **own, "vpc_id": vpc_id, "tags": tags})
