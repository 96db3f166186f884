"""Arguments of a group, the fewest and all of them, and how to declare one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import pulumi

from tests.recording import Recorder, record

from elastic_iac.aws.autoscaling_group import component  # isort: skip - after the import that quiets the SDK
from elastic_iac.aws.autoscaling_group.args import AwsAutoscalingGroupArgs  # isort: skip

MINIMAL: AwsAutoscalingGroupArgs = {
    "vpc_id": "vpc-0a",
    "subnet_ids": ["subnet-0a", "subnet-0b"],
    "instance_type": "m7i.large",
    "ami_id": "ami-0a",
    "min_size": 1,
    "max_size": 4,
    "forecast": {"load_per_instance": 50, "load": {"namespace": "Jobs", "metric_name": "Started"}},
}

MAXIMAL: AwsAutoscalingGroupArgs = {
    "vpc_id": "vpc-0a",
    "subnet_ids": ["subnet-0a", "subnet-0b"],
    "instance_type": "m7i.large",
    "ami_ssm_parameter": "/aws/service/some/image",
    "min_size": 2,
    "max_size": 20,
    "desired_capacity": 3,
    "user_data": "#!/bin/sh\necho hello\n",
    "root_volume": {
        "size_gib": 60,
        "device_name": "/dev/sda1",
        "iops": 4000,
        "throughput_mib": 500,
        "kms_key_arn": "arn:aws:kms:eu-central-1:111122223333:key/k",
    },
    "ebs_optimized": False,
    "detailed_monitoring": False,
    "instance_policy_arns": {"models": "arn:aws:iam::111122223333:policy/models"},
    "security_group_ids": ["sg-0a"],
    "mixed_instances": {
        "instance_types": [
            {"instance_type": "m7i.large"},
            {"instance_type": "m7a.large"},
        ],
        "on_demand_base_capacity": 2,
        "on_demand_percent_above_base": 100,
        "on_demand_allocation_strategy": "lowest-price",
        "spot_allocation_strategy": "capacity-optimized",
    },
    "capacity_rebalance": False,
    "health_check_grace_seconds": 400,
    "instance_warmup_seconds": 90,
    "warm_pool": {
        "max_group_prepared_capacity": 6,
        "min_size": 1,
        "pool_state": "Running",
        "reuse_on_scale_in": True,
    },
    "instance_refresh": {
        "enabled": True,
        "min_healthy_percent": 90,
        "max_healthy_percent": 120,
        "auto_rollback": False,
    },
    "termination_policies": ["OldestLaunchTemplate", "Default"],
    "target_tracking": [
        {"metric": "alb-requests", "target_value": 6000},
        {"metric": "cpu", "target_value": 70, "disable_scale_in": True},
        {
            "metric": "custom",
            "target_value": 4,
            "custom_metric": {
                "namespace": "Serving",
                "metric_name": "QueueLength",
                "statistic": "Maximum",
                "unit": "Count",
                "dimensions": {"Service": "web"},
            },
        },
        {
            "metric": "custom",
            "target_value": 5,
            "custom_metric": {"namespace": "Serving", "metric_name": "Tokens"},
        },
    ],
    "load_balancer": {
        "instance_port": 8080,
        "certificate_arn": "arn:aws:acm:eu-central-1:111122223333:certificate/c",
        "subnet_ids": ["subnet-0c", "subnet-0d"],
        "internal": True,
        "ingress_cidrs": ["10.0.0.0/8", "192.168.0.0/16"],
        "health_check_path": "/health",
        "health_check_interval_seconds": 5,
        "deregistration_delay_seconds": 30,
        "idle_timeout_seconds": 300,
        "deletion_protection": True,
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
    "tags": {"team": "serving"},
}


def declare(
    args: AwsAutoscalingGroupArgs | Callable[[], AwsAutoscalingGroupArgs], name: str = "web", **options: Any
) -> tuple[Recorder, dict[str, Any]]:
    """Declare the group; outputs among the arguments must be made within the program, so those come from a function."""

    def program() -> None:
        group = component.AwsAutoscalingGroup(name, args() if callable(args) else args)
        for output in component.AwsAutoscalingGroup.__annotations__:
            pulumi.export(output, getattr(group, output))

    return record(program, **options)


def changed(base: AwsAutoscalingGroupArgs, **changes: Any) -> AwsAutoscalingGroupArgs:
    """`base` with fields replaced, and those that are None left out."""
    merged = {**copy.deepcopy(base), **changes}
    return cast("AwsAutoscalingGroupArgs", {key: value for key, value in merged.items() if value is not None})


def later(value: Any) -> pulumi.Output[Any]:
    """A value that is known during the deployment only."""
    return pulumi.Output.from_input(value).apply(lambda known: known)
