"""What an environment may set of Google Cloud: field by field the components' arguments in camelCase, without what the stack knows."""

from __future__ import annotations

from typing import Literal, cast

import pulumi

from elastic_iac.gcp.autoscaling_group.args import GcpAutoscalingGroupArgs
from elastic_iac.gcp.forecast_job.args import GcpForecastJobArgs
from stacks.settings_base import PlannedAhead, Settings


class BootDisk(Settings):
    """See `GcpBootDisk`."""

    size_gib: int
    type: str | None = None
    iops: int | None = None
    throughput_mib: int | None = None
    kms_key: str | None = None


class HealthCheck(Settings):
    """See `GcpHealthCheck`."""

    port: int
    path: str | None = None
    interval_seconds: int | None = None


class UpdatePolicy(Settings):
    """See `GcpUpdatePolicy`."""

    proactive: bool
    max_surge: int | None = None
    max_unavailable: int | None = None


class Metric(Settings):
    """See `GcpMetric`."""

    metric_type: str
    kind: str | None = None
    filter: str | None = None


class TargetTracking(Settings):
    """See `GcpTargetTracking`."""

    metric: Literal["cpu", "lb-utilization", "custom"]
    target_value: float
    custom_metric: Metric | None = None


class ScaleInControl(Settings):
    """See `GcpScaleInControl`."""

    window_seconds: int
    max_instances: int | None = None
    max_percent: int | None = None


class LoadBalancer(Settings):
    """See `GcpLoadBalancer`."""

    instance_port: int
    certificate: str | None = None
    max_rate_per_instance: float | None = None
    security_policy: str | None = None
    health_check_path: str | None = None
    health_check_interval_seconds: int | None = None
    deregistration_delay_seconds: int | None = None
    response_timeout_seconds: int | None = None


class Load(Settings):
    """See `GcpLoad`."""

    metric_type: str
    resource_type: str | None = None
    metric_labels: dict[str, str] | None = None
    resource_labels: dict[str, str] | None = None
    user_labels: dict[str, str] | None = None
    statistic: str | None = None
    across: str | None = None
    absent_is_zero: bool | None = None
    per_instance: bool | None = None


class Forecast(PlannedAhead):
    """See `GcpForecast`."""

    load_per_instance: float
    load: Load | None = None


class GcpGroup(Settings):
    """See `GcpAutoscalingGroupArgs`; the component is called STACK-NAME."""

    name: str
    machine_type: str
    min_size: int
    max_size: int
    forecast: Forecast
    region: str | None = None
    zones: list[str] | None = None
    zone: str | None = None
    image: str | None = None
    image_family: str | None = None
    refresh_image: bool | None = None
    startup_script: str | None = None
    metadata: dict[str, str] | None = None
    boot_disk: BootDisk | None = None
    spot: bool | None = None
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

    def args(
        self, *, network: pulumi.Input[str], subnetwork: pulumi.Input[str], labels: dict[str, str]
    ) -> GcpAutoscalingGroupArgs:
        """The component's arguments, in the given network."""
        own = self.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        given = {**own, "network": network, "subnetwork": subnetwork, "labels": labels}
        return cast("GcpAutoscalingGroupArgs", given)


class GcpJob(Settings):
    """See `GcpForecastJobArgs`; the component is called STACK-gcp-job and serves all groups of the stack on Google Cloud."""

    region: str | None = None
    schedule: str | None = None
    interval_minutes: int | None = None
    short_run_minutes: int | None = None
    time_zone: str | None = None
    memory_mib: int | None = None
    timeout_seconds: int | None = None
    package_path: str | None = None
    owner: str | None = None
    former_owners: list[str] | None = None
    dry_run: bool | None = None
    enabled: bool | None = None
    alarm_channels: list[str] | None = None
    alarm_emails: list[str] | None = None
    store_retention_days: int | None = None
    kms_key: str | None = None
    force_destroy: bool | None = None

    def args(self, *, fleets: list[pulumi.Input[str]], labels: dict[str, str]) -> GcpForecastJobArgs:
        """The component's arguments, for the given fleets."""
        own = self.model_dump(mode="json", exclude_none=True)
        return cast("GcpForecastJobArgs", {**own, "fleets": fleets, "labels": labels})


class GcpProvider(Settings):
    """The provider's own settings, `gcp:project` and `gcp:region`."""

    project: str = ""
    region: str = ""
