"""Arguments of a pool on Google Cloud, the fewest and all of them, and how to declare one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import pulumi

from tests.recording import Recorder, record

from elastic_iac.gcp.gpu_pool import component  # isort: skip - after the import that quiets the SDK
from elastic_iac.gcp.gpu_pool.args import GcpGpuPoolArgs  # isort: skip

LOAD: Any = {"metric_type": "custom.googleapis.com/jobs_started"}

MINIMAL: GcpGpuPoolArgs = {
    "network": "projects/shop-prod/global/networks/default",
    "subnetwork": "projects/shop-prod/regions/europe-west1/subnetworks/default",
    "machine_type": "g2-standard-8",
    "image": "projects/images/global/images/llm-1",
    "min_size": 1,
    "max_size": 4,
    "forecast": {"load_per_replica": 50, "load": LOAD},
}

MAXIMAL: GcpGpuPoolArgs = {
    "network": "projects/shop-network/global/networks/shop",
    "subnetwork": "projects/shop-network/regions/europe-west1/subnetworks/shop",
    "region": "europe-west1",
    "zones": ["europe-west1-b", "europe-west1-c"],
    "distribution": "EVEN",
    "machine_type": "n1-standard-16",
    "guest_accelerator": {"type": "nvidia-tesla-t4", "count": 2},
    "image_family": "projects/deeplearning-platform-release/global/images/family/web",
    "refresh_image": False,
    "install_driver": True,
    "min_size": 2,
    "max_size": 20,
    "startup_script": "#!/bin/sh\necho hello\n",
    "replicas_per_instance": 2,
    "metadata": {"team": "serving"},
    "boot_disk": {"size_gib": 200, "type": "pd-ssd", "kms_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
    "local_ssds": 2,
    "spot": False,
    "on_host_maintenance": "TERMINATE",
    "node_affinities": [
        {"key": "compute.googleapis.com/node-group-name", "values": ["gpus"]},
        {"key": "team", "values": ["other", "third"], "operator": "NOT_IN"},
    ],
    "reservation": {"affinity": "NONE"},
    "secure_boot": True,
    "public_address": True,
    "instance_roles": {"models": "roles/storage.objectViewer"},
    "network_tags": ["llm"],
    "health_check": {"port": 9090, "path": "/alive", "interval_seconds": 60},
    "health_check_grace_seconds": 1200,
    "initialization_seconds": 900,
    "stabilization_seconds": 300,
    "scale_in_control": {"window_seconds": 600, "max_instances": 2},
    "mode": "ON",
    "update_policy": {"proactive": True, "max_surge": 2, "max_unavailable": 0},
    "named_ports": {"grpc": 9000},
    "target_tracking": [{"metric": "lb-utilization", "target_value": 75}],
    "load_balancer": {
        "instance_port": 8080,
        "certificate": "projects/shop-prod/global/sslCertificates/c",
        "max_rate_per_instance": 100,
        "security_policy": "projects/shop-prod/global/securityPolicies/p",
        "health_check_path": "/health",
    },
    "forecast": {
        "load_per_replica": 12.5,
        "warm_headroom": 1,
        "on_demand_quantile": 0.2,
        "learn_lead_time": False,
        "lead_time_seconds": 900,
        "period_seconds": 60,
        "saturated_cpu_percent": 90,
        "prices": {"instance_hour": 1.2, "unmet_instance_hour": 30},
        "short_lead": False,
        "step_minutes": 30,
        "horizon_hours": 24,
        "max_increase_per_slot": 8,
        "max_decrease_per_slot": 4,
        "time_zone": "Europe/Berlin",
        "model": "ets",
        "max_load": 1e6,
        "events": [{"name": "sale", "start": "2027-11-26T08:00:00+01:00", "end": "2027-11-27T08:00:00+01:00"}],
        "holidays": ["DE-BY"],
        "exclusions": [{"name": "load test", "start": "2027-03-01T08:00:00+01:00", "end": "2027-03-01T10:00:00+01:00"}],
        "similar_fleet": "web",
        "expected_load": 40,
        "reactive_target": 0.8,
        "dry_run": True,
        "enabled": False,
    },
    "labels": {"team": "serving"},
}

FLEX_START: GcpGpuPoolArgs = {
    **{key: MINIMAL[key] for key in ("network", "subnetwork", "image")},  # pyright: ignore[reportAssignmentType] - the three fields
    "machine_type": "a3-highgpu-8g",
    "flex_start": {"run_duration_seconds": 14_400, "requests": {"night-1": 4, "night-2": 2}},
}

SHARDED: GcpGpuPoolArgs = {
    **{key: MINIMAL[key] for key in ("network", "subnetwork", "image", "machine_type")},  # pyright: ignore[reportAssignmentType] - the four fields
    "forecast": {"load_per_replica": 50},
    "metadata": {"team": "serving"},
    "shards": [
        {"name": "en", "min_size": 2, "max_size": 8, "load": LOAD, "metadata": {"partition": "english"}},
        {
            "name": "other",
            "min_size": 1,
            "max_size": 4,
            "load": {"metric_type": "custom.googleapis.com/others_started"},
        },
    ],
}


def declare(
    args: GcpGpuPoolArgs | Callable[[], GcpGpuPoolArgs], name: str = "llm", **options: Any
) -> tuple[Recorder, dict[str, Any]]:
    """Declare the pool; outputs among the arguments must be made within the program, so those come from a function."""

    def program() -> None:
        pool = component.GcpGpuPool(name, args() if callable(args) else args)
        for output in component.GcpGpuPool.__annotations__:
            pulumi.export(output, getattr(pool, output))

    return record(program, **options)


def changed(base: GcpGpuPoolArgs, **changes: Any) -> GcpGpuPoolArgs:
    """`base` with fields replaced, and those that are None left out."""
    merged = {**copy.deepcopy(base), **changes}
    return cast("GcpGpuPoolArgs", {key: value for key, value in merged.items() if value is not None})


def template(args: GcpGpuPoolArgs) -> dict[str, Any]:
    """Inputs of the one instance template."""
    return declare(args)[0].one(":InstanceTemplate").inputs
