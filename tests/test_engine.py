from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pulumi
import pulumi_aws
import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.engine import Cloud, EngineError, ProjectError, provision_stack, read_project, up
from elastic_iac.local.engine.shapes import lost, physical_name
from forecasting.settings import Fleet

pytestmark = pytest.mark.usefixtures("built_function")

ON_AWS = {"elastic-iac:clouds": '["aws"]'}
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def run(aws: LocalAws, program: Callable[[], object], *, stack: str = "test", preview: bool = False) -> Any:
    cloud = Cloud(aws.client, aws.region)
    return up(program, cloud=cloud, project="p", stack=stack, default_tags={"environment": "test"}, preview=preview)


def mutations(aws: LocalAws) -> list[str]:
    return [call.action for call in aws.calls if call.mutating]


@pytest.mark.parametrize("stack", ["local", "dev"])
def test_a_stack_is_created_and_removed(aws: LocalAws, stack: str) -> None:
    deployment = provision_stack(aws, stack, adjust=ON_AWS)
    fleet = Fleet.model_validate_json(deployment.outputs["fleets"][0])
    name = deployment.outputs["groups"]["web"]
    groups = aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    group = next(item for item in groups if item["AutoScalingGroupName"] == name)
    pools = [item for names in deployment.outputs.get("pools", {}).values() for item in names]
    assert {item["AutoScalingGroupName"] for item in groups} == {name, *pools}
    assert fleet.target_key.endswith(f"/{group['AutoScalingGroupName']}")
    assert (group["MinSize"], group["MaxSize"]) == (fleet.floor, fleet.ceiling)
    assert len(group["TargetGroupARNs"]) == 1
    assert all(resource.id for resource in deployment.resources if resource.type.startswith("aws:"))

    deployment.destroy()
    assert aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert aws.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert aws.client("elbv2").describe_target_groups()["TargetGroups"] == []
    assert aws.client("ec2").describe_launch_templates()["LaunchTemplates"] == []
    names = [group["GroupName"] for group in aws.client("ec2").describe_security_groups()["SecurityGroups"]]
    assert names == ["default"]
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("iam").list_instance_profiles()["InstanceProfiles"] == []


def test_what_the_emulator_cannot_show_is_listed(aws: LocalAws) -> None:
    deployment = provision_stack(aws, "local")
    assert {(item.resource, item.input) for item in deployment.unproven} == {
        ("local-job-bucket", "forceDestroy"),  # the provider empties it before it removes it
        ("local-web-group", "instanceRefresh"),  # the provider starts one when the template changes
        ("local-web-group", "waitForCapacityTimeout"),  # the provider's own waiting
    }


def test_what_is_created_is_what_was_declared(aws: LocalAws) -> None:
    """Beside the engine's own reading: a sample of what the cloud holds, asked for directly."""
    provision_stack(aws, "local")
    (version,) = aws.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=aws.client("ec2").describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"]
    )["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    assert (data["MetadataOptions"]["HttpTokens"], data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]) == (
        "required",
        True,
    )
    (group,) = aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    (policy,) = aws.client("autoscaling").describe_policies()["ScalingPolicies"]
    tracking = policy["TargetTrackingConfiguration"]
    assert (policy["AutoScalingGroupName"], tracking["TargetValue"]) == (group["AutoScalingGroupName"], 1500)
    assert tracking.get("DisableScaleIn", False) is False
    (balancer,) = aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert tracking["PredefinedMetricSpecification"]["ResourceLabel"].startswith(
        balancer["LoadBalancerArn"].split(":loadbalancer/")[1]
    )
    tags = aws.client("elbv2").describe_tags(ResourceArns=[balancer["LoadBalancerArn"]])["TagDescriptions"][0]["Tags"]
    assert {"Key": "environment", "Value": "local"} in tags


def test_a_preview_writes_nothing(aws: LocalAws) -> None:
    deployment = provision_stack(aws, "local", preview=True)
    assert mutations(aws) == []
    assert deployment.preview
    assert [resource.id for resource in deployment.resources] == [None] * len(deployment.resources)
    assert {resource.name for resource in deployment.resources} >= {"local-web", "local-web-group"}


def test_a_preview_and_an_up_declare_the_same(aws: LocalAws) -> None:
    preview, created = provision_stack(aws, "local", preview=True), provision_stack(aws, "local")
    assert [resource.urn for resource in preview.resources] == [resource.urn for resource in created.resources]


def test_two_stacks_share_no_group_and_no_action(aws: LocalAws) -> None:
    first, second = provision_stack(aws, "local"), provision_stack(aws, "dev", adjust=ON_AWS)
    assert {item.id for item in first.resources if item.id}.isdisjoint(item.id for item in second.resources if item.id)
    one, other = first.outputs["groups"]["web"], second.outputs["groups"]["web"]
    autoscaling = aws.client("autoscaling")
    autoscaling.put_scheduled_update_group_action(
        AutoScalingGroupName=one,
        ScheduledActionName="raise",
        StartTime=aws.clock.now() + timedelta(minutes=10),
        MinSize=3,
    )
    assert autoscaling.describe_scheduled_actions(AutoScalingGroupName=other)["ScheduledUpdateGroupActions"] == []
    first.destroy()
    left = [item["AutoScalingGroupName"] for item in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]]
    assert sorted(left) == sorted([other, *second.outputs["pools"]["llm"]])


def test_a_resource_type_that_is_not_known_is_named_and_nothing_is_left(aws: LocalAws) -> None:
    def program() -> None:
        group = pulumi_aws.ec2.SecurityGroup(
            "first", vpc_id=pulumi_aws.ec2.get_vpc_output(default=True).id, description="d"
        )
        pulumi_aws.kms.Key("key", tags={"after": group.id})

    with pytest.raises(EngineError, match=r"aws:kms/key:Key \(key\)"):
        run(aws, program)
    assert [group["GroupName"] for group in aws.client("ec2").describe_security_groups()["SecurityGroups"]] == [
        "default"
    ]


def test_a_function_that_is_not_known_is_named(aws: LocalAws) -> None:
    def program() -> None:
        pulumi.export("zones", pulumi_aws.get_availability_zones_output().names)

    with pytest.raises(EngineError, match="aws:index/getAvailabilityZones:getAvailabilityZones"):
        run(aws, program)


def test_functions_are_answered_from_the_cloud(aws: LocalAws) -> None:
    def program() -> None:
        identity = pulumi_aws.get_caller_identity_output()
        vpc = pulumi_aws.ec2.get_vpc_output(default=True)
        pulumi.export("account", identity.account_id)
        pulumi.export("region", pulumi_aws.get_region_output().region)
        pulumi.export("partition", pulumi_aws.get_partition_output().partition)
        pulumi.export("image", pulumi_aws.ssm.get_parameter_output(name=IMAGE).insecure_value)
        pulumi.export("vpc", vpc.id)

    outputs = run(aws, program).outputs
    assert outputs["account"] == aws.client("sts").get_caller_identity()["Account"]
    assert (outputs["region"], outputs["partition"]) == (aws.region, "aws")
    assert outputs["image"].startswith("ami-")
    assert outputs["vpc"] == aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]


def test_an_error_in_the_program_removes_what_was_made(aws: LocalAws) -> None:
    def refuse(_: str) -> str:
        raise ValueError("a wrong value")

    def program() -> None:
        role = pulumi_aws.iam.Role("role", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
        pulumi.export("refused", role.arn.apply(refuse))

    with pytest.raises(ValueError, match="a wrong value"):
        run(aws, program)
    assert aws.client("iam").list_roles()["Roles"] == []


def test_structured_configuration_reaches_the_program() -> None:
    project = read_project("prod")
    assert json.loads(project.config["elastic-iac:groups"])[0]["name"] == "web"
    assert project.config["aws:region"] == "eu-central-1"
    assert project.default_tags["environment"] == "prod"


def test_a_stack_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ProjectError, match=r"Pulumi\.production\.yaml.*dev, local, prod, staging"):
        read_project("production")


def test_a_key_without_a_value_is_named(tmp_path: Any) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: p\nruntime: python\nconfig: {groups: {type: array}}\n", encoding="utf-8"
    )
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    with pytest.raises(ProjectError, match="config p:groups: not given"):
        read_project("dev", tmp_path)


@pytest.mark.parametrize(
    ("declared", "read", "paths"),
    [
        ({"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 3}, []),
        ({"a": 1}, {}, ["a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c"]),
        ({"a": {"b": 1}}, {"a": None}, ["a"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, ["a[1].b"]),
        ({"a": True}, {"a": "true"}, ["a"]),
        ({"a": None}, {}, []),
        ({"a": '{"x": 1, "y": 2}'}, {"a": '{"y":2,"x":1}'}, []),
        ({"a": '{"x": 1}'}, {"a": '{"x": 2}'}, ["a"]),
        ({"a": '{"x": 1}'}, {"a": "{"}, ["a"]),
    ],
)
def test_what_reading_does_not_give_back_is_lost(
    declared: dict[str, Any], read: dict[str, Any], paths: list[str]
) -> None:
    assert lost(declared, read) == paths


def test_names_differ_by_stack_project_and_type() -> None:
    names = {
        physical_name(project, stack, kind, "web")
        for project in ("p", "q")
        for stack in ("dev", "prod")
        for kind in ("aws:a:A", "aws:b:B")
    }
    assert len(names) == 8
