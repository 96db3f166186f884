from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, cast

import pulumi
import pulumi_aws
import pytest

from forecasting.errors import SettingsError
from forecasting.settings import Fleet
from tests.recording import ANSWERS, GOLDEN, Mocks, Recorder, as_json, golden, record

from elastic_iac.aws import autoscaling_group as component  # isort: skip - after the import that quiets the SDK
from elastic_iac.aws.args import AwsAutoscalingGroupArgs  # isort: skip

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
            {"instance_type": "m7i.large", "weight": 1},
            {"instance_type": "m7i.xlarge", "weight": 2},
        ],
        "on_demand_base_capacity": 2,
        "on_demand_percent_above_base": 25,
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
            }
        ],
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


@pytest.mark.parametrize(("file", "args"), [("minimal", MINIMAL), ("maximal", MAXIMAL)])
def test_every_child_is_registered_with_its_type_name_parent_and_inputs(
    file: str, args: AwsAutoscalingGroupArgs
) -> None:
    recorder, outputs = declare(args)
    found = {"registrations": as_json(recorder.registrations), "outputs": outputs}
    assert found == golden(f"autoscaling_group_{file}.json", found)
    assert {item.parent for item in recorder.registrations if item.name != "web"} == {"web"}


MUTATIONS = [
    ("launch_templates", "launch_template_args", "metadata_options"),
    ("launch_templates", "launch_template_args", "iam_instance_profile"),
    ("launch_templates", "launch_template_args", "user_data"),
    ("launch_templates", "launch_template_args", "tag_specifications"),
    ("groups", "group_args", "desired_capacity"),
    ("groups", "group_args", "warm_pool"),
    ("groups", "group_args", "instance_refresh"),
    ("groups", "group_args", "mixed_instances_policy"),
    ("groups", "group_args", "wait_for_capacity_timeout"),
    ("groups", "group_args", "enabled_metrics"),
    ("load_balancers", "load_balancer_args", "drop_invalid_header_fields"),
    ("load_balancers", "target_group_args", "health_check"),
    ("security_groups", "from_load_balancer_rule", "referenced_security_group_id"),
    ("scaling_policies", "target_tracking_configuration", "disable_scale_in"),
]


@pytest.mark.parametrize(("module", "builder", "argument"), MUTATIONS)
def test_a_dropped_input_does_not_pass(
    module: str, builder: str, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The component is mutated: the assertion of every child must fail for each input that goes missing."""
    built_by: Callable[..., Any] = getattr(getattr(component, module), builder)

    def mutant(*args: Any, **options: Any) -> Any:
        built = built_by(*args, **options)
        assert getattr(built, argument) is not None
        setattr(built, argument, None)
        return built

    monkeypatch.setattr(getattr(component, module), builder, mutant)
    recorder, _ = declare(MAXIMAL)
    expected = json.loads((GOLDEN / "autoscaling_group_maximal.json").read_text(encoding="utf-8"))["registrations"]
    assert as_json(recorder.registrations) != expected


def test_instances_take_only_the_second_version_of_the_metadata_service_and_encrypt_their_volume() -> None:
    template = declare(MINIMAL)[0].one(":LaunchTemplate").inputs
    assert template["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 2,
    }
    assert template["blockDeviceMappings"] == [
        {
            "deviceName": "/dev/xvda",
            "ebs": {"encrypted": "true", "volumeType": "gp3", "volumeSize": 20, "deleteOnTermination": "true"},
        }
    ]


def test_instances_may_only_be_managed() -> None:
    recorder, _ = declare(MINIMAL)
    (attachment,) = recorder.of(":RolePolicyAttachment")
    assert attachment.inputs["policyArn"] == "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    trust = json.loads(recorder.one(":Role").inputs["assumeRolePolicy"])
    assert trust["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]


def test_updates_leave_the_sizes_of_the_job_alone_and_follow_the_ceiling() -> None:
    group = declare(MINIMAL)[0].one(":Group")
    assert sorted(group.ignore_changes) == ["desiredCapacity", "minSize"]
    assert (group.inputs["minSize"], group.inputs["desiredCapacity"], group.inputs["maxSize"]) == (1, 1, 4)


def test_the_group_names_its_template_by_number() -> None:
    assert declare(MINIMAL)[0].one(":Group").inputs["launchTemplate"]["version"] == "3"


@pytest.mark.parametrize(("lead_time_seconds", "timeout"), [(299, "10m"), (300, "0")])
def test_a_deployment_waits_for_instances_only_where_boots_are_quick(lead_time_seconds: int, timeout: str) -> None:
    forecast = {**MINIMAL["forecast"], "lead_time_seconds": lead_time_seconds}
    group = declare(changed(MINIMAL, forecast=forecast))[0].one(":Group")
    assert group.inputs["waitForCapacityTimeout"] == timeout


def test_only_the_load_balancer_reaches_the_instances() -> None:
    recorder, _ = declare(changed(MAXIMAL, load_balancer={"instance_port": 8080}))
    instances = recorder.one(":SecurityGroup", "-instances")
    into = [
        rule
        for rule in recorder.of(":SecurityGroupIngressRule")
        if rule.inputs["securityGroupId"] == f"{instances.name}-id"
    ]
    assert [rule.inputs["referencedSecurityGroupId"] for rule in into] == ["web-load-balancer-id"]
    assert (into[0].inputs["fromPort"], into[0].inputs["toPort"]) == (8080, 8080)


def test_without_a_load_balancer_nothing_reaches_the_instances() -> None:
    recorder, outputs = declare(MINIMAL)
    assert not recorder.of(":SecurityGroupIngressRule")
    assert outputs["load_balancer_url"] is None


def test_a_certificate_makes_https_and_sends_http_there() -> None:
    recorder, outputs = declare(MAXIMAL)
    https, http = recorder.one(":Listener", "-https").inputs, recorder.one(":Listener", "-http").inputs
    assert (https["port"], https["protocol"], https["defaultActions"][0]["type"]) == (443, "HTTPS", "forward")
    assert https["certificateArn"] == MAXIMAL["load_balancer"]["certificate_arn"]  # pyright: ignore[reportTypedDictNotRequiredAccess] - it is there
    assert http["defaultActions"] == [
        {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}}
    ]
    assert outputs["load_balancer_url"] == "https://web-load-balancer.example.com"


def test_without_a_certificate_there_is_http_alone() -> None:
    recorder, outputs = declare(changed(MAXIMAL, load_balancer={"instance_port": 8080}))
    (listener,) = recorder.of(":Listener")
    assert (listener.inputs["port"], listener.inputs["defaultActions"][0]["type"]) == (80, "forward")
    assert outputs["load_balancer_url"] == "http://web-load-balancer.example.com"


def test_requests_per_target_wait_for_the_listener() -> None:
    recorder, _ = declare(MAXIMAL)
    assert {"web-http", "web-https"} <= set(recorder.one(":Policy", "alb-requests").depends_on)


def test_the_fleet_is_what_the_job_reads() -> None:
    fleet = Fleet.model_validate_json(declare(MAXIMAL)[1]["fleet"])
    assert (fleet.name, fleet.target.region, fleet.target.group_name) == ("web", "eu-central-1", "web-group-0")
    assert (fleet.floor, fleet.ceiling, fleet.load_per_instance) == (2, 20, 100)
    assert fleet.source.kind == "cloudwatch"
    assert fleet.source.metric.dimensions == {"LoadBalancer": "suffix/web-load-balancer"}
    assert fleet.source.refused is not None
    assert fleet.events[0].load_factor == 2.5


def test_a_load_of_ones_own_is_read_under_the_groups_name() -> None:
    fleet = Fleet.model_validate_json(declare(MINIMAL)[1]["fleet"])
    assert fleet.source.kind == "cloudwatch"
    assert fleet.source.metric.dimensions == {"AutoScalingGroupName": "web-group-0"}
    assert (fleet.source.metric.statistic, fleet.source.refused) == ("Sum", None)


class TestImage:
    def test_an_id_is_followed(self) -> None:
        template = declare(MINIMAL)[0].one(":LaunchTemplate")
        assert (template.inputs["imageId"], template.ignore_changes) == ("ami-0a", [])

    def test_a_parameter_is_resolved_and_held(self) -> None:
        template = declare(MAXIMAL)[0].one(":LaunchTemplate")
        assert (template.inputs["imageId"], template.ignore_changes) == ("ami-0123456789abcdef0", ["imageId"])

    def test_a_refresh_takes_what_the_parameter_names_now(self) -> None:
        template = declare(changed(MAXIMAL, refresh_ami=True))[0].one(":LaunchTemplate")
        assert template.ignore_changes == []

    def test_a_parameter_that_names_no_image_is_refused(self) -> None:
        answers = {**ANSWERS, "aws:ssm/getParameter:getParameter": {"insecureValue": "resolve:ssm:/x"}}
        with pytest.raises(SettingsError, match="ami_ssm_parameter: got 'resolve:ssm:/x'"):
            declare(MAXIMAL, cloud=Mocks(answers))


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
    ("security_group_ids", changed(MINIMAL, security_group_ids="sg-0a")),
    ("instance_policy_arns", changed(MINIMAL, instance_policy_arns=["arn:aws:iam::1:policy/x"])),
    ("target_tracking", changed(MINIMAL, target_tracking={"metric": "cpu", "target_value": 5})),
    ("load_balancer", changed(MAXIMAL, load_balancer="yes")),
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


def test_none_is_the_same_as_not_given() -> None:
    given = {**MINIMAL, "load_balancer": None, "tags": None, "forecast": {**MINIMAL["forecast"], "quantile": None}}
    with_none, without = (declare(cast("AwsAutoscalingGroupArgs", args)) for args in (given, MINIMAL))
    assert as_json(with_none[0].registrations) == as_json(without[0].registrations)
    assert with_none[1] == without[1]


def test_a_list_that_is_an_output_is_refused_where_its_length_decides() -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.AwsAutoscalingGroup("web", changed(MINIMAL, security_group_ids=later(["sg-0a"])))
        assert raised.value.field == "security_group_ids"

    assert record(program)[0].registrations == []


def test_a_preview_bears_what_is_not_known_yet() -> None:
    """An output that the mocks do not give is unknown in a preview, as an id of a network that is yet to be made."""

    def program() -> None:
        unknown: pulumi.Output[Any] = pulumi_aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16").main_route_table_id
        changes = dict.fromkeys(("vpc_id", "subnet_ids", "min_size", "instance_type", "user_data", "tags"), unknown)
        forecast = {**MAXIMAL["forecast"], "load_per_instance": unknown}
        component.AwsAutoscalingGroup("web", changed(MAXIMAL, forecast=forecast, **changes))

    preview, known = record(program, preview=True)[0], declare(MAXIMAL)[0]
    assert {item.name for item in preview.registrations} - {"vpc"} == {item.name for item in known.registrations}


@pytest.mark.parametrize("name", ["Web", "web_app", "-web", "w" * 41, ""])
def test_a_name_must_fit_into_names_of_the_cloud(name: str) -> None:
    def program() -> None:
        with pytest.raises(SettingsError, match=r"^name: "):
            component.AwsAutoscalingGroup(name, MINIMAL)

    assert record(program)[0].registrations == []


def later(value: Any) -> pulumi.Output[Any]:
    """A value that is known during the deployment only."""
    return pulumi.Output.from_input(value).apply(lambda known: known)


def test_outputs_declare_what_literals_declare() -> None:
    def args() -> AwsAutoscalingGroupArgs:
        return changed(
            MAXIMAL,
            vpc_id=later("vpc-0a"),
            subnet_ids=later(["subnet-0a", "subnet-0b"]),
            min_size=later(2.0),
            max_size=later(20.0),
            tags=later({"team": "serving"}),
            user_data=later(MAXIMAL.get("user_data")),
            forecast={**MAXIMAL["forecast"], "load_per_instance": later(100.0), "time_zone": later("Europe/Berlin")},
        )

    recorder, outputs = declare(args)
    assert {"registrations": as_json(recorder.registrations), "outputs": outputs} == golden(
        "autoscaling_group_maximal.json", None
    )


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


def test_a_preview_declares_the_same_resources() -> None:
    preview, up = declare(MAXIMAL, preview=True)[0], declare(MAXIMAL)[0]
    assert sorted(item.name for item in preview.registrations) == sorted(item.name for item in up.registrations)
