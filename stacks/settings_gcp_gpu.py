"""What an environment may set of pools of accelerators on Google Cloud: field by field the component's arguments in camelCase."""

from __future__ import annotations

from typing import cast

import pulumi

from elastic_iac.gcp.gpu_pool.args import GcpGpuPoolArgs
from stacks.settings_base import PlannedAhead, Settings
from stacks.settings_gcp import BootDisk, HealthCheck, Load, LoadBalancer, ScaleInControl, TargetTracking, UpdatePolicy
from stacks.settings_gpu import Training, Workload


class GuestAccelerator(Settings):
    """See `GcpGuestAccelerator`."""

    type: str
    count: int


class Reservation(Settings):
    """See `GcpReservation`."""

    affinity: str
    name: str | None = None


class NodeAffinity(Settings):
    """See `GcpNodeAffinity`."""

    key: str
    values: list[str]
    operator: str | None = None


class FlexStart(Settings):
    """See `GcpFlexStart`."""

    run_duration_seconds: int
    requests: dict[str, int]


class Shard(Settings):
    """See `GcpGpuShard`."""

    name: str
    min_size: int
    max_size: int
    load: Load | None = None
    metadata: dict[str, str] | None = None


class GpuForecast(PlannedAhead):
    """See `GcpGpuForecast`."""

    load_per_replica: float
    warm_headroom: int | None = None
    on_demand_quantile: float | None = None
    learn_lead_time: bool | None = None
    load: Load | None = None


class GcpPool(Settings):
    """See `GcpGpuPoolArgs`; the component is called STACK-NAME."""

    name: str
    machine_type: str
    guest_accelerator: GuestAccelerator | None = None
    min_size: int | None = None
    max_size: int | None = None
    forecast: GpuForecast | None = None
    shards: list[Shard] | None = None
    flex_start: FlexStart | None = None
    region: str | None = None
    zones: list[str] | None = None
    zone: str | None = None
    distribution: str | None = None
    image: str | None = None
    image_family: str | None = None
    refresh_image: bool | None = None
    install_driver: bool | None = None
    workload: Workload | None = None
    training: Training | None = None
    startup_script: str | None = None
    replicas_per_instance: int | None = None
    metadata: dict[str, str] | None = None
    boot_disk: BootDisk | None = None
    local_ssds: int | None = None
    spot: bool | None = None
    instance_termination_action: str | None = None
    on_host_maintenance: str | None = None
    reservation: Reservation | None = None
    node_affinities: list[NodeAffinity] | None = None
    secure_boot: bool | None = None
    public_address: bool | None = None
    instance_roles: dict[str, str] | None = None
    network_tags: list[str] | None = None
    health_check: HealthCheck | None = None
    health_check_grace_seconds: int | None = None
    initialization_seconds: int | None = None
    stabilization_seconds: int | None = None
    scale_in_control: ScaleInControl | None = None
    mode: str | None = None
    update_policy: UpdatePolicy | None = None
    named_ports: dict[str, int] | None = None
    target_tracking: list[TargetTracking] | None = None
    load_balancer: LoadBalancer | None = None

    @property
    def fleet_count(self) -> int:
        """How many fleets the pool has: the job must know before they are there."""
        return 0 if self.forecast is None else len(self.shards or [self])

    def args(
        self, *, network: pulumi.Input[str], subnetwork: pulumi.Input[str], labels: dict[str, str]
    ) -> GcpGpuPoolArgs:
        """The component's arguments, in the given network."""
        own = self.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        given = {**own, "network": network, "subnetwork": subnetwork, "labels": labels}
        return cast("GcpGpuPoolArgs", given)
