"""Arguments of a GPU pool on AWS: the fewest, many of them, in Capacity Blocks and in shards; and how to declare one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pulumi

from forecasting.settings import Fleet
from tests.recording import Recorder, record

from elastic_iac.aws.gpu_pool import component  # isort: skip - after the import that quiets the SDK
from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs  # isort: skip

NOW = datetime(2026, 11, 22, 20, 2, 30, tzinfo=UTC)
"""When the pools of the tests are deployed: before, between and in the Capacity Blocks below."""

LOAD = {"namespace": "Serving", "metric_name": "Tokens"}

MINIMAL: AwsGpuPoolArgs = {
    "vpc_id": "vpc-0a",
    "subnet_ids": ["subnet-0a"],
    "instance_types": [{"instance_type": "g6.xlarge"}],
    "min_size": 1,
    "max_size": 4,
    "forecast": {"load_per_replica": 900, "load": {"namespace": "Serving", "metric_name": "Tokens"}},
}

MAXIMAL: AwsGpuPoolArgs = {
    "vpc_id": "vpc-0a",
    "subnet_ids": ["subnet-0a"],
    "instance_types": [
        {"instance_type": "g6e.12xlarge"},
        {"instance_type": "g6e.48xlarge"},
    ],
    "min_size": 8,
    "max_size": 64,
    "desired_capacity": 12,
    "user_data": "#!/bin/sh\necho hello\n",
    "spot": {
        "on_demand_base_capacity": 8,
        "on_demand_percent_above_base": 10,
        "spot_allocation_strategy": "capacity-optimized-prioritized",
    },
    "capacity_rebalance": False,
    "reservation": {
        "preference": "capacity-reservations-first",
        "capacity_reservation_ids": ["cr-0a"],
        "resource_group_arns": ["arn:aws:resource-groups:eu-central-1:111122223333:group/reserved"],
    },
    "cluster_placement": True,
    "efa": True,
    "ready_hook": {"enabled": True, "timeout_seconds": 1200, "default_result": "CONTINUE"},
    "ami_ssm_parameter": "/aws/service/deeplearning/ami/x86_64/oss-nvidia-driver-gpu-pytorch-2.9-ubuntu-22.04/latest/ami-id",
    "root_volume": {"size_gib": 300, "device_name": "/dev/sda1", "throughput_mib": 500},
    "detailed_monitoring": False,
    "instance_policy_arns": {"models": "arn:aws:iam::111122223333:policy/models"},
    "security_group_ids": ["sg-0a"],
    "health_check_grace_seconds": 700,
    "instance_warmup_seconds": 90,
    "instance_refresh": {"enabled": True, "min_healthy_percent": 90, "max_healthy_percent": 120},
    "termination_policies": ["OldestLaunchTemplate", "Default"],
    "target_tracking": [{"metric": "alb-requests", "target_value": 600}],
    "load_balancer": {
        "instance_port": 8000,
        "certificate_arn": "arn:aws:acm:eu-central-1:111122223333:certificate/c",
        "subnet_ids": ["subnet-0c", "subnet-0d"],
        "health_check_path": "/health",
    },
    "forecast": {
        "load_per_replica": 100,
        "warm_headroom": 4,
        "on_demand_quantile": 0.2,
        "learn_lead_time": False,
        "lead_time_seconds": 900,
        "period_seconds": 60,
        "saturated_cpu_percent": 95,
        "prices": {"instance_hour": 2.2, "unmet_instance_hour": 30},
        "short_lead": False,
        "step_minutes": 30,
        "horizon_hours": 24,
        "max_increase_per_slot": 16,
        "max_decrease_per_slot": 8,
        "time_zone": "Europe/Berlin",
        "model": "ets",
        "max_load": 1e6,
        "events": [
            {
                "name": "launch",
                "start": "2027-11-26T08:00:00+01:00",
                "end": "2027-11-27T08:00:00+01:00",
                "load_factor": 2.5,
            }
        ],
        "dry_run": True,
        "enabled": False,
    },
    "tags": {"team": "serving"},
}

BLOCKS: AwsGpuPoolArgs = {
    "vpc_id": "vpc-0a",
    "subnet_ids": ["subnet-0a"],
    "instance_types": [{"instance_type": "p4d.24xlarge"}],
    "efa": True,
    "capacity_blocks": [
        {
            "capacity_reservation_id": "cr-0b",
            "start": "2026-11-25T11:30:00Z",
            "end": "2026-11-27T11:30:00Z",
            "instances": 8,
            "min_instances": 2,
        },
        {
            "capacity_reservation_id": "cr-0a",
            "start": "2026-11-23T12:30:00+01:00",
            "end": "2026-11-24T12:30:00+01:00",
            "instances": 4,
        },
    ],
    "forecast": {"load_per_replica": 100, "load": {"namespace": "Serving", "metric_name": "Tokens"}},
}

SHARDED: AwsGpuPoolArgs = {
    "vpc_id": "vpc-0a",
    "subnet_ids": ["subnet-0a", "subnet-0b"],
    "instance_types": [{"instance_type": "g5.xlarge"}],
    "spot": {"on_demand_base_capacity": 0},
    "shards": [
        {"name": "en", "min_size": 2, "max_size": 20},
        {
            "name": "de",
            "min_size": 1,
            "max_size": 8,
            "load": {"namespace": "Serving", "metric_name": "Tokens", "dimensions": {"Language": "de"}},
        },
    ],
    "forecast": {"load_per_replica": 50, "load": {"namespace": "Serving", "metric_name": "Tokens"}},
}


def declare(
    args: AwsGpuPoolArgs | Callable[[], AwsGpuPoolArgs], name: str = "llm", **options: Any
) -> tuple[Recorder, dict[str, Any]]:
    """Declare the pool; outputs among the arguments must be made within the program, so those come from a function."""

    def program() -> None:
        pool = component.AwsGpuPool(name, args() if callable(args) else args)
        for output in component.AwsGpuPool.__annotations__:
            pulumi.export(output, getattr(pool, output))

    return record(program, **options)


def changed(base: AwsGpuPoolArgs, **changes: Any) -> AwsGpuPoolArgs:
    """`base` with fields replaced, and those that are None left out."""
    merged = {**copy.deepcopy(base), **changes}
    return cast("AwsGpuPoolArgs", {key: value for key, value in merged.items() if value is not None})


def forecast(base: AwsGpuPoolArgs = MINIMAL, **changes: Any) -> Mapping[str, Any]:
    """The forecast of `base` with fields replaced, and those that are None left out."""
    merged = {**cast("Mapping[str, Any]", base.get("forecast", {})), **changes}
    return {key: value for key, value in merged.items() if value is not None}


def group_of(args: AwsGpuPoolArgs) -> dict[str, Any]:
    """Inputs of the one group."""
    return declare(args)[0].one("group:Group").inputs


def fleet_of(args: AwsGpuPoolArgs) -> Fleet:
    """What the job reads."""
    return Fleet.model_validate_json(declare(args)[1]["fleet"])
