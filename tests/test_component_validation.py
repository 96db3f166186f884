from __future__ import annotations

from typing import Any

import pulumi
import pytest

from forecasting.errors import SettingsError
from tests.group_args import MAXIMAL, MINIMAL, changed, component, later
from tests.recording import record

from elastic_iac.aws.autoscaling_group.args import AwsAutoscalingGroupArgs  # isort: skip - after the import that quiets the SDK

OUTAGE = {"name": "outage", "start": "2027-02-03T10:00:00+01:00", "end": "2027-02-03T16:30:00+01:00"}
"""A span of time, as an exclusion or an event."""

WRONG: list[tuple[str, AwsAutoscalingGroupArgs]] = [
    ("min_sizes", changed(MINIMAL, min_sizes=2)),
    ("max_size", changed(MINIMAL, max_size=None)),
    ("max_size", changed(MINIMAL, min_size=5, max_size=4)),
    ("min_size", changed(MINIMAL, min_size=1.5)),
    ("min_size", changed(MINIMAL, min_size="two")),
    ("min_size", changed(MINIMAL, min_size=-1)),
    ("desired_capacity", changed(MINIMAL, desired_capacity=9)),
    ("vpc_id", changed(MINIMAL, vpc_id="10.0.0.0/16")),
    ("subnet_ids", changed(MINIMAL, subnet_ids=["subnet-0a"])),
    ("subnet_ids", changed(MINIMAL, subnet_ids=["subnet-0a", "subnet-0a"])),
    ("subnet_ids", changed(MINIMAL, subnet_ids="subnet-0a")),
    ("subnet_ids[1]", changed(MINIMAL, subnet_ids=["subnet-0a", "vpc-0b"])),
    ("instance_type", changed(MINIMAL, instance_type="large")),
    ("ami_id", changed(MINIMAL, ami_id=None)),
    ("ami_id", changed(MINIMAL, ami_id="al2023")),
    ("ami_ssm_parameter", changed(MINIMAL, ami_ssm_parameter="/aws/x")),
    ("ami_ssm_parameter", changed(MINIMAL, ami_id=None, ami_ssm_parameter="aws/x")),
    ("refresh_ami", changed(MINIMAL, refresh_ami=True)),
    ("user_data", changed(MINIMAL, user_data="x" * 16_385)),
    ("root_volume.size_gib", changed(MINIMAL, root_volume={})),
    ("root_volume.size_gib", changed(MINIMAL, root_volume={"size_gib": 0})),
    ("root_volume.encrypted", changed(MINIMAL, root_volume={"size_gib": 8, "encrypted": False})),
    ("ebs_optimized", changed(MINIMAL, ebs_optimized="yes")),
    ("instance_policy_arns.s3", changed(MINIMAL, instance_policy_arns={"s3": "AmazonS3ReadOnlyAccess"})),
    ("security_group_ids[0]", changed(MINIMAL, security_group_ids=["default"])),
    ("mixed_instances.instance_types", changed(MINIMAL, mixed_instances={"instance_types": []})),
    (
        "mixed_instances.instance_types[1].weight",
        changed(
            MINIMAL,
            mixed_instances={
                "instance_types": [{"instance_type": "m7i.large", "weight": 1}, {"instance_type": "m7a.large"}]
            },
        ),
    ),
    (
        "mixed_instances.spot_allocation_strategy",
        changed(
            MINIMAL,
            mixed_instances={"instance_types": [{"instance_type": "m7i.large"}], "spot_allocation_strategy": "cheap"},
        ),
    ),
    ("health_check_grace_seconds", changed(MINIMAL, health_check_grace_seconds=-5)),
    ("warm_pool.max_group_prepared_capacity", changed(MINIMAL, warm_pool={"min_size": 1})),
    ("warm_pool.pool_state", changed(MINIMAL, warm_pool={"max_group_prepared_capacity": 2, "pool_state": "Warm"})),
    (
        "instance_refresh.max_healthy_percent",
        changed(MINIMAL, instance_refresh={"enabled": True, "min_healthy_percent": 0}),
    ),
    (
        "warm_pool.min_size",
        changed(MINIMAL, warm_pool={"max_group_prepared_capacity": 2, "min_size": 3}),
    ),
    (
        "mixed_instances.instance_types[0].weight",
        changed(
            MAXIMAL,
            mixed_instances={"instance_types": [{"instance_type": "m7i.large", "weight": 1}]},
        ),
    ),
    (
        "mixed_instances.on_demand_percent_above_base",
        changed(
            MAXIMAL,
            mixed_instances={
                "instance_types": [{"instance_type": "m7i.large"}],
                "on_demand_percent_above_base": 25,
            },
        ),
    ),
    ("security_group_ids", changed(MINIMAL, security_group_ids="sg-0a")),
    ("instance_policy_arns", changed(MINIMAL, instance_policy_arns=["arn:aws:iam::1:policy/x"])),
    ("target_tracking", changed(MINIMAL, target_tracking={"metric": "cpu", "target_value": 5})),
    ("load_balancer", changed(MAXIMAL, load_balancer="yes")),
    (
        "load_balancer.ingress_cidrs",
        changed(MAXIMAL, load_balancer={"instance_port": 80, "ingress_cidrs": ["10.0.0.0/8", "10.0.0.0/8"]}),
    ),
    (
        "load_balancer.ingress_cidrs",
        changed(MAXIMAL, load_balancer={"instance_port": 80, "ingress_cidrs": "0.0.0.0/0"}),
    ),
    ("forecast.lead_time_seconds", changed(MINIMAL, forecast={**MINIMAL["forecast"], "lead_time_seconds": "5m"})),
    ("termination_policies[0]", changed(MINIMAL, termination_policies=["Oldest"])),
    ("target_tracking", changed(MINIMAL, target_tracking=[])),
    (
        "target_tracking",
        changed(MINIMAL, target_tracking=[{"metric": "cpu", "target_value": 50, "disable_scale_in": True}]),
    ),
    ("target_tracking[0].metric", changed(MINIMAL, target_tracking=[{"metric": "memory", "target_value": 50}])),
    ("target_tracking[0].metric", changed(MINIMAL, target_tracking=[{"metric": "alb-requests", "target_value": 5}])),
    ("target_tracking[0].target_value", changed(MINIMAL, target_tracking=[{"metric": "cpu", "target_value": 120}])),
    ("target_tracking[0].custom_metric", changed(MINIMAL, target_tracking=[{"metric": "custom", "target_value": 5}])),
    (
        "target_tracking[1].metric",
        changed(MINIMAL, target_tracking=[{"metric": "cpu", "target_value": 5}, {"metric": "cpu", "target_value": 9}]),
    ),
    ("load_balancer.instance_port", changed(MAXIMAL, load_balancer={"instance_port": 70_000})),
    (
        "load_balancer.certificate_arn",
        changed(MAXIMAL, load_balancer={"instance_port": 80, "certificate_arn": "example.com"}),
    ),
    (
        "load_balancer.ingress_cidrs[0]",
        changed(MAXIMAL, load_balancer={"instance_port": 80, "ingress_cidrs": ["anyone"]}),
    ),
    (
        "load_balancer.health_check_path",
        changed(MAXIMAL, load_balancer={"instance_port": 80, "health_check_path": "up"}),
    ),
    ("tags.team", changed(MINIMAL, tags={"team": 3})),
    ("forecast.load", changed(MINIMAL, forecast={"load_per_instance": 5})),
    ("forecast.load_per_instance", changed(MAXIMAL, forecast={})),
    ("forecast.load_per_instance", changed(MAXIMAL, forecast={"load_per_instance": 0})),
    ("forecast.quantile", changed(MAXIMAL, forecast={"load_per_instance": 5, "quantile": 2})),
    ("forecast.time_zone", changed(MAXIMAL, forecast={"load_per_instance": 5, "time_zone": "Berlin"})),
    ("forecast.step_minutes", changed(MAXIMAL, forecast={"load_per_instance": 5, "step_minutes": 7})),
    ("forecast.period_seconds", changed(MAXIMAL, forecast={"load_per_instance": 5, "period_seconds": 90})),
    (
        "forecast.prices.unmet_instance_hour",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "prices": {"instance_hour": 1}}),
    ),
    ("forecast.uncovered_share", changed(MAXIMAL, forecast={"load_per_instance": 5, "uncovered_share": 0})),
    (
        "forecast.uncovered_share",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "uncovered_share": 0.01, "quantile": 0.9}),
    ),
    ("forecast.reactive_target", changed(MAXIMAL, forecast={"load_per_instance": 5, "reactive_target": 60})),
    ("forecast.holidays", changed(MAXIMAL, forecast={"load_per_instance": 5, "holidays": "DE"})),
    ("forecast.holidays[1]", changed(MAXIMAL, forecast={"load_per_instance": 5, "holidays": ["DE", "Bavaria"]})),
    ("forecast.expected_load", changed(MAXIMAL, forecast={"load_per_instance": 5, "expected_load": 100})),
    ("forecast.similar_fleet", changed(MAXIMAL, forecast={"load_per_instance": 5, "similar_fleet": "web"})),
    (
        "forecast.exclusions[0].end",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "exclusions": [{**OUTAGE, "end": OUTAGE["start"]}]}),
    ),
    (
        "forecast.exclusions[0].reason",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "exclusions": [{**OUTAGE, "reason": "x"}]}),
    ),
    (
        "forecast.events[0].repeats",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "events": [{**OUTAGE, "repeats": "weekly"}]}),
    ),
    (
        "forecast.events[0].floor",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "events": [{**OUTAGE, "floor": 2.5}]}),
    ),
    (
        "forecast.events[0].load_factor",
        changed(
            MAXIMAL,
            forecast={"load_per_instance": 5, "events": [{**OUTAGE, "load_factor": 2, "learn_factor": True}]},
        ),
    ),
]


@pytest.mark.parametrize(("field", "args"), WRONG, ids=[f"{index}-{field}" for index, (field, _) in enumerate(WRONG)])
def test_a_wrong_argument_is_named_before_anything_is_registered(field: str, args: AwsAutoscalingGroupArgs) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.AwsAutoscalingGroup("web", args)
        assert raised.value.field == field
        assert raised.value.expected

    recorder, _ = record(program)
    assert recorder.registrations == []


@pytest.mark.parametrize("name", ["Web", "web_app", "-web", "w" * 41, ""])
def test_a_name_must_fit_into_names_of_the_cloud(name: str) -> None:
    def program() -> None:
        with pytest.raises(SettingsError, match=r"^name: "):
            component.AwsAutoscalingGroup(name, MINIMAL)

    assert record(program)[0].registrations == []


def test_a_list_that_is_an_output_is_refused_where_its_length_decides() -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.AwsAutoscalingGroup("web", changed(MINIMAL, security_group_ids=later(["sg-0a"])))
        assert raised.value.field == "security_group_ids"

    assert record(program)[0].registrations == []


@pytest.mark.parametrize(
    ("field", "argument", "value"),
    [
        ("min_size", "min_size", 1.5),
        ("max_size", "max_size", 0),
        ("subnet_ids", "subnet_ids", ["subnet-0a"]),
        ("instance_type", "instance_type", "huge"),
    ],
)
def test_a_wrong_output_is_named_by_the_deployment(field: str, argument: str, value: Any) -> None:
    with pytest.raises(SettingsError) as raised:
        record(lambda: component.AwsAutoscalingGroup("web", changed(MINIMAL, **{argument: later(value)})))
    assert raised.value.field == field


def test_a_wrong_output_of_the_forecast_is_named_by_the_deployment() -> None:
    def program() -> None:
        forecast = {**MINIMAL["forecast"], "load_per_instance": later(-1.0)}
        pulumi.export("fleet", component.AwsAutoscalingGroup("web", changed(MINIMAL, forecast=forecast)).fleet)

    with pytest.raises(SettingsError) as raised:
        record(program)
    assert raised.value.field == "forecast.load_per_instance"
