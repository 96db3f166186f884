"""Arguments of a group on Google Cloud, the fewest and all of them, and how to declare one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import pulumi

from tests.recording import Recorder, record

from elastic_iac.gcp.autoscaling_group import component  # isort: skip - after the import that quiets the SDK
from elastic_iac.gcp.autoscaling_group.args import GcpAutoscalingGroupArgs  # isort: skip

MINIMAL: GcpAutoscalingGroupArgs = {
    "network": "projects/shop-prod/global/networks/default",
    "subnetwork": "projects/shop-prod/regions/europe-west1/subnetworks/default",
    "machine_type": "e2-standard-2",
    "image": "projects/images/global/images/web-1",
    "min_size": 1,
    "max_size": 4,
    "forecast": {"load_per_instance": 50, "load": {"metric_type": "custom.googleapis.com/jobs_started"}},
}

MAXIMAL: GcpAutoscalingGroupArgs = {
    "network": "projects/shop-network/global/networks/shop",
    "subnetwork": "projects/shop-network/regions/europe-west1/subnetworks/shop",
    "region": "europe-west1",
    "zones": ["europe-west1-b", "europe-west1-c"],
    "machine_type": "n2-standard-4",
    "image_family": "projects/images/global/images/family/web",
    "min_size": 2,
    "max_size": 20,
    "startup_script": "#!/bin/sh\necho hello\n",
    "metadata": {"user-data": "#cloud-config"},
    "boot_disk": {
        "size_gib": 60,
        "type": "hyperdisk-balanced",
        "iops": 4000,
        "throughput_mib": 500,
        "kms_key": "projects/shop-prod/locations/europe-west1/keyRings/r/cryptoKeys/k",
    },
    "spot": True,
    "secure_boot": False,
    "public_address": True,
    "instance_roles": {"models": "roles/storage.objectViewer"},
    "network_tags": ["web"],
    "health_check": {"port": 9090, "path": "/alive", "interval_seconds": 60},
    "health_check_grace_seconds": 400,
    "initialization_seconds": 90,
    "stabilization_seconds": 300,
    "scale_in_control": {"window_seconds": 600, "max_percent": 10},
    "mode": "ONLY_UP",
    "update_policy": {"proactive": False, "max_surge": 4, "max_unavailable": 2},
    "named_ports": {"grpc": 9000},
    "target_tracking": [
        {"metric": "lb-utilization", "target_value": 80},
        {"metric": "cpu", "target_value": 70},
        {
            "metric": "custom",
            "target_value": 4,
            "custom_metric": {
                "metric_type": "custom.googleapis.com/queue_per_instance",
                "kind": "DELTA_PER_SECOND",
                "filter": 'resource.type = "gce_instance"',
            },
        },
        {
            "metric": "custom",
            "target_value": 5,
            "custom_metric": {"metric_type": "custom.googleapis.com/tokens_per_instance"},
        },
    ],
    "load_balancer": {
        "instance_port": 8080,
        "certificate": "projects/shop-prod/global/sslCertificates/c",
        "max_rate_per_instance": 100,
        "security_policy": "projects/shop-prod/global/securityPolicies/p",
        "health_check_path": "/health",
        "health_check_interval_seconds": 5,
        "deregistration_delay_seconds": 30,
        "response_timeout_seconds": 300,
    },
    "forecast": {
        "load_per_instance": 100,
        "lead_time_seconds": 240,
        "period_seconds": 60,
        "saturated_cpu_percent": 90,
        "prices": {"instance_hour": 0.12, "unmet_instance_hour": 3},
        "short_lead": False,
        "step_minutes": 30,
        "horizon_hours": 24,
        "max_increase_per_slot": 8,
        "max_decrease_per_slot": 4,
        "time_zone": "Europe/Berlin",
        "model": "ets",
        "max_load": 1e6,
        "events": [
            {
                "name": "sale",
                "start": "2027-11-26T08:00:00+01:00",
                "end": "2027-11-27T08:00:00+01:00",
                "load_factor": 2.5,
            },
            {
                "name": "billing",
                "start": "2027-01-31T06:00:00+01:00",
                "end": "2027-01-31T09:00:00+01:00",
                "floor": 12,
                "repeats": "monthly",
                "learn_factor": True,
            },
        ],
        "holidays": ["DE-BY", "AT"],
        "exclusions": [
            {"name": "outage", "start": "2027-02-03T10:00:00+01:00", "end": "2027-02-03T16:30:00+01:00"},
        ],
        "reactive_target": 0.8,
        "similar_fleet": "shop",
        "expected_load": 250.5,
        "dry_run": True,
        "enabled": False,
    },
    "labels": {"team": "serving"},
}


CAPACITY: GcpAutoscalingGroupArgs = {
    **MINIMAL,
    "machine_type": "n4-standard-4",
    "instance_selections": [
        {"name": "first", "machine_types": ["n4-standard-4", "c4-standard-4"]},
        {"name": "then", "machine_types": ["c4a-standard-4"], "rank": 1},
    ],
    "standby_pool": {"stopped_size": 3, "suspended_size": 2, "initial_delay_seconds": 120, "mode": "MANUAL"},
    "labels": {"team": "serving"},
}
"""Arguments by which instances come sooner, or at all."""


def declare(
    args: GcpAutoscalingGroupArgs | Callable[[], GcpAutoscalingGroupArgs], name: str = "web", **options: Any
) -> tuple[Recorder, dict[str, Any]]:
    """Declare the group; outputs among the arguments must be made within the program, so those come from a function."""

    def program() -> None:
        group = component.GcpAutoscalingGroup(name, args() if callable(args) else args)
        for output in component.GcpAutoscalingGroup.__annotations__:
            pulumi.export(output, getattr(group, output))

    return record(program, **options)


def changed(base: GcpAutoscalingGroupArgs, **changes: Any) -> GcpAutoscalingGroupArgs:
    """`base` with fields replaced, and those that are None left out."""
    merged = {**copy.deepcopy(base), **changes}
    return cast("GcpAutoscalingGroupArgs", {key: value for key, value in merged.items() if value is not None})
