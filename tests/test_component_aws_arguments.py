"""Arguments that users ask for: each reaches its resource, a wrong value is named, and an input that goes missing is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from forecasting.errors import SettingsError
from forecasting.settings import Fleet, parse_job
from tests import group_args, job_args, pool_args
from tests.group_args import later
from tests.recording import Recorder, record

from elastic_iac.aws import architecture  # isort: skip - after the import that quiets the SDK
from elastic_iac.common.parsing import ArgumentsError  # isort: skip

TARGET_GROUP = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/mine/0a"
BOUNDARY = "arn:aws:iam::111122223333:policy/boundary"
PROFILE = "arn:aws:iam::111122223333:instance-profile/mine"
BALANCER = {"instance_port": 80}
GRAVITON = {"instance_types": [{"instance_type": "m7i.large"}, {"instance_type": "m7g.large"}]}
REQUIREMENTS = {
    "min_vcpus": 2,
    "max_vcpus": 8,
    "min_memory_mib": 4096,
    "max_memory_mib": 16_384,
    "cpu_manufacturers": ["intel", "amd"],
    "allowed_instance_types": ["m7*"],
}

DECLARE: Mapping[str, tuple[Any, Any, Any]] = {
    "group": (group_args.component.AwsAutoscalingGroup, group_args.MINIMAL, "web"),
    "pool": (pool_args.component.AwsGpuPool, pool_args.MINIMAL, "llm"),
    "job": (job_args.component.AwsForecastJob, job_args.MINIMAL, "job"),
}


@dataclass(frozen=True)
class Case:
    """An argument, the inputs that it becomes, and wrong values by their field."""

    component: str
    given: dict[str, Any]
    resource: str
    inputs: dict[str, Any]
    wrong: dict[str, Any] = field(default_factory=dict[str, Any])
    named: str = ""

    def __str__(self) -> str:
        return f"{self.component}-{next(iter(self.given))}"


def both(*args: Any, **options: Any) -> list[Case]:
    """The same case of a group and of a pool."""
    return [Case("group", *args, **options), Case("pool", *args, **options)]


CASES: list[Case] = [
    *both(
        {"target_group_arns": [TARGET_GROUP]},
        "group:Group",
        {"targetGroupArns": [TARGET_GROUP], "healthCheckType": "ELB"},
        {
            "target_group_arns[0]": {"target_group_arns": ["mine"]},
            "target_group_arns": {"target_group_arns": TARGET_GROUP},
        },
    ),
    *both(
        {"target_group_arns": []},
        "group:Group",
        {"targetGroupArns": [], "healthCheckType": "EC2"},
    ),
    *both(
        {"health_check_type": "ELB"},
        "group:Group",
        {"healthCheckType": "ELB"},
        {"health_check_type": {"health_check_type": "elb"}},
    ),
    *both(
        {"suspended_processes": ["AZRebalance"]},
        "group:Group",
        {"suspendedProcesses": ["AZRebalance"]},
        {"suspended_processes[0]": {"suspended_processes": ["Rebalance"]}},
    ),
    *both(
        {"instance_maintenance_policy": {"min_healthy_percent": 90, "max_healthy_percent": 120}},
        "group:Group",
        {"instanceMaintenancePolicy": {"minHealthyPercentage": 90, "maxHealthyPercentage": 120}},
        {
            "instance_maintenance_policy.max_healthy_percent": {
                "instance_maintenance_policy": {"min_healthy_percent": 50, "max_healthy_percent": 151}
            },
            "instance_maintenance_policy.min_healthy_percent": {
                "instance_maintenance_policy": {"max_healthy_percent": 110}
            },
        },
    ),
    *both(
        {"max_instance_lifetime_seconds": 604_800},
        "group:Group",
        {"maxInstanceLifetime": 604_800},
        {"max_instance_lifetime_seconds": {"max_instance_lifetime_seconds": 3600}},
    ),
    *both(
        {"permissions_boundary_arn": BOUNDARY},
        "iam/role:Role",
        {"permissionsBoundary": BOUNDARY},
        {"permissions_boundary_arn": {"permissions_boundary_arn": "boundary"}},
    ),
    *both(
        {"instance_profile_arn": PROFILE},
        ":LaunchTemplate",
        {"iamInstanceProfile": {"arn": PROFILE}},
        {
            "instance_profile_arn": {"instance_profile_arn": BOUNDARY},
            "instance_policy_arns": {"instance_profile_arn": PROFILE, "instance_policy_arns": {"s3": BOUNDARY}},
            "permissions_boundary_arn": {"instance_profile_arn": PROFILE, "permissions_boundary_arn": BOUNDARY},
        },
    ),
    *both(
        {"key_name": "ops"},
        ":LaunchTemplate",
        {"keyName": "ops"},
        {"key_name": {"key_name": " "}},
    ),
    *both(
        {"load_balancer": {**BALANCER, "subnet_ids": ["subnet-0c", "subnet-0d"], "ip_address_type": "dualstack"}},
        ":LoadBalancer",
        {"ipAddressType": "dualstack"},
        {"load_balancer.ip_address_type": {"load_balancer": {**BALANCER, "ip_address_type": "ipv6"}}},
    ),
    Case(
        "group",
        {
            "load_balancer": {
                **BALANCER,
                "ip_address_type": "dualstack",
                "ingress_cidrs": [],
                "ingress_ipv6_cidrs": ["2001:db8::/32"],
            }
        },
        ":SecurityGroupIngressRule",
        {"cidrIpv6": "2001:db8::/32"},
        {
            "load_balancer.ingress_ipv6_cidrs[0]": {
                "load_balancer": {**BALANCER, "ip_address_type": "dualstack", "ingress_ipv6_cidrs": ["10.0.0.0/8"]}
            },
            "load_balancer.ingress_ipv6_cidrs": {"load_balancer": {**BALANCER, "ingress_ipv6_cidrs": ["::/0"]}},
        },
        named="load-balancer-in",
    ),
    Case(
        "group",
        {"load_balancer": {**BALANCER, "health_check_matcher": "200-399"}},
        ":TargetGroup",
        {"healthCheck.matcher": "200-399"},
        {"load_balancer.health_check_matcher": {"load_balancer": {**BALANCER, "health_check_matcher": "ok"}}},
    ),
    Case(
        "group",
        {"instance_requirements": REQUIREMENTS},
        "group:Group",
        {
            "mixedInstancesPolicy.launchTemplate.overrides": [
                {
                    "instanceRequirements": {
                        "vcpuCount": {"min": 2, "max": 8},
                        "memoryMib": {"min": 4096, "max": 16_384},
                        "cpuManufacturers": ["intel", "amd"],
                        "instanceGenerations": ["current"],
                        "allowedInstanceTypes": ["m7*"],
                    }
                }
            ]
        },
        {
            "instance_requirements.min_memory_mib": {"instance_requirements": {"min_vcpus": 2}},
            "instance_requirements.max_vcpus": {"instance_requirements": {**REQUIREMENTS, "max_vcpus": 1}},
            "instance_requirements.excluded_instance_types": {
                "instance_requirements": {**REQUIREMENTS, "excluded_instance_types": ["t*"]}
            },
            "instance_requirements": {
                "instance_requirements": REQUIREMENTS,
                "warm_pool": {"max_group_prepared_capacity": 2},
            },
            "mixed_instances.instance_types": {
                "instance_requirements": REQUIREMENTS,
                "mixed_instances": {"instance_types": [{"instance_type": "m7i.large"}]},
            },
        },
    ),
    Case(
        "group",
        {"other_architecture_ami_id": "ami-0arm", "mixed_instances": GRAVITON},
        "group:Group",
        {
            "mixedInstancesPolicy.launchTemplate.overrides": [
                {"instanceType": "m7i.large"},
                {
                    "instanceType": "m7g.large",
                    "launchTemplateSpecification": {"launchTemplateId": "web-other-launch-template-id", "version": "3"},
                },
            ]
        },
        {
            "mixed_instances.instance_types[1].instance_type": {"mixed_instances": GRAVITON},
            "other_architecture_ami_id": {"other_architecture_ami_id": "ami-0arm"},
        },
    ),
    Case(
        "job",
        {"permissions_boundary_arn": BOUNDARY},
        "iam/role:Role",
        {"permissionsBoundary": BOUNDARY},
        {"permissions_boundary_arn": {"permissions_boundary_arn": "boundary"}},
    ),
    Case(
        "job",
        {"vpc_subnet_ids": ["subnet-0a"], "vpc_security_group_ids": ["sg-0a"]},
        "function:Function",
        {"vpcConfig": {"subnetIds": ["subnet-0a"], "securityGroupIds": ["sg-0a"]}},
        {
            "vpc_subnet_ids": {"vpc_security_group_ids": ["sg-0a"]},
            "vpc_security_group_ids": {"vpc_subnet_ids": ["subnet-0a"]},
            "vpc_subnet_ids[0]": {"vpc_subnet_ids": ["vpc-0a"], "vpc_security_group_ids": ["sg-0a"]},
        },
    ),
]
WRONG = [(case.component, named, changes) for case in CASES for named, changes in case.wrong.items()]


def declare(component: str, changes: Mapping[str, Any], **options: Any) -> Recorder:
    kind, minimal, name = DECLARE[component]
    return record(lambda: kind(name, {**minimal, **changes}), **options)[0]


def inputs_of(case: Case, **options: Any) -> list[dict[str, Any]]:
    """The inputs of the resources that the case is about."""
    recorder = declare(case.component, case.given, **options)
    return [item.inputs for item in recorder.of(case.resource) if case.named in item.name]


def at(inputs: Any, path: str) -> Any:
    found: Any = inputs
    for part in path.split("."):
        found = found.get(part) if found else None
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_argument_reaches_its_resource(case: Case) -> None:
    found = inputs_of(case)
    assert found
    for inputs in found:
        assert {path: at(inputs, path) for path in case.inputs} == case.inputs


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_dropped_input_is_noticed(case: Case) -> None:
    for path, value in case.inputs.items():
        if value:
            assert any(at(inputs, path) != value for inputs in inputs_of(case, without=(case.resource, path)))


@pytest.mark.parametrize(("component", "named", "changes"), WRONG, ids=[f"{item[0]}-{item[1]}" for item in WRONG])
def test_a_wrong_value_is_named_before_anything_is_registered(
    component: str, named: str, changes: dict[str, Any]
) -> None:
    kind, minimal, name = DECLARE[component]

    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            kind(name, {**minimal, **changes})
        assert raised.value.field == named, str(raised.value)
        assert raised.value.expected

    assert record(program)[0].registrations == []


def test_without_target_groups_attachments_from_elsewhere_are_left_alone() -> None:
    for component in ("group", "pool"):
        for item in declare(component, {}).of("group:Group"):
            assert "targetGroupArns" not in item.inputs


def test_own_target_groups_are_beside_those_of_the_load_balancer() -> None:
    inputs = (
        declare("group", {"load_balancer": BALANCER, "target_group_arns": [TARGET_GROUP]}).one("group:Group").inputs
    )
    assert inputs["targetGroupArns"] == ["arn:aws:mock:::web-target-group", TARGET_GROUP]


@pytest.mark.parametrize(("own", "kind"), [([TARGET_GROUP], "ELB"), ([], "EC2")])
def test_the_deployment_that_removes_the_load_balancer_detaches_it(own: list[str], kind: str) -> None:
    """The list says all that is attached, so that the component's own target group is not among them any more."""
    before = declare("group", {"load_balancer": BALANCER, "target_group_arns": own}).one("group:Group").inputs
    after = declare("group", {"target_group_arns": own}).one("group:Group").inputs
    assert before["targetGroupArns"] == ["arn:aws:mock:::web-target-group", *own]
    assert (after["targetGroupArns"], after["healthCheckType"]) == (own, kind)


def test_with_a_profile_of_the_users_own_no_role_is_created() -> None:
    recorder = declare("group", {"instance_profile_arn": PROFILE})
    assert not recorder.of("iam/role:Role")
    assert not recorder.of(":InstanceProfile")


def test_a_function_in_a_vpc_may_join_it() -> None:
    recorder = declare("job", {"vpc_subnet_ids": ["subnet-0a"], "vpc_security_group_ids": ["sg-0a"]})
    attached = {item.inputs["policyArn"] for item in recorder.of(":RolePolicyAttachment")}
    assert "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole" in attached
    assert "job-may-join-vpc" in recorder.one("function:Function").depends_on


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (name, "arm64")
            for name in (
                "m7g.large",
                "c6gn.xlarge",
                "t4g.small",
                "a1.large",
                "x2gd.large",
                "g5g.xlarge",
                "im4gn.large",
                "r8gd.large",
            )
        ),
        *(
            (name, "x86_64")
            for name in (
                "m7i.large",
                "g5.xlarge",
                "g4dn.xlarge",
                "c7a.large",
                "g6e.xlarge",
                "p5en.48xlarge",
                "u7i-12tb.224xlarge",
                "m7i-flex.large",
            )
        ),
    ],
)
def test_the_architecture_follows_from_the_name(name: str, expected: str) -> None:
    assert architecture.architecture_of(name) == expected


def test_all_problems_are_reported_at_once() -> None:
    changes = {
        "min_size": "two",
        "vpc_id": "10.0.0.0/16",
        "forecast": {"load_per_instance": 5, "quantile": 2},
        "nonsense": 1,
    }

    def program() -> None:
        with pytest.raises(ArgumentsError) as raised:
            group_args.component.AwsAutoscalingGroup("Web", {**group_args.MINIMAL, **changes})  # pyright: ignore[reportArgumentType]
        found = {each.field for each in raised.value.problems}
        assert found == {"name", "nonsense", "vpc_id", "min_size", "forecast.quantile"}
        assert all(
            each.field in str(raised.value) and each.expected in str(raised.value) for each in raised.value.problems
        )

    assert record(program)[0].registrations == []


class TestExistingGroups:
    """Groups that no component declared, as fleets of a job."""

    GROUP: Mapping[str, Any] = {
        "name": "legacy",
        "region": "eu-west-1",
        "group_name": "legacy-asg",
        "min_size": 2,
        "max_size": 20,
        "forecast": {"load_per_instance": 40, "load": {"namespace": "Jobs", "metric_name": "Started"}, "dry_run": True},
    }

    def fleets(self, groups: Callable[[], list[Any]], **changes: Any) -> list[Fleet]:
        given: Any = {**job_args.MINIMAL, **changes}

        def program() -> None:
            given["existing_groups"] = groups()  # outputs must be made within the program
            job_args.component.AwsForecastJob("job", given)

        recorder, _ = record(program)
        content = recorder.one(":BucketObjectv2", "job-settings").inputs["content"]
        return list(parse_job(json.loads(content)).fleets)

    def test_they_are_beside_the_fleets_of_components(self) -> None:
        web, legacy = self.fleets(lambda: [self.GROUP])
        assert (web.name, legacy.name, legacy.target_key) == ("web", "legacy", "aws/eu-west-1/legacy-asg")
        assert (legacy.floor, legacy.ceiling, legacy.load_per_instance, legacy.dry_run) == (2, 20, 40, True)
        assert legacy.source.kind == "cloudwatch"
        assert legacy.source.metric.dimensions == {"AutoScalingGroupName": "legacy-asg"}

    def test_a_job_may_have_nothing_else(self) -> None:
        given = [{**self.GROUP, "forecast": {"load_per_instance": 40}, "load_balancer": "app/web/0a1b"}]
        (fleet,) = self.fleets(lambda: given, fleets=None)
        assert fleet.source.kind == "cloudwatch"
        assert fleet.source.metric.dimensions == {"LoadBalancer": "app/web/0a1b"}

    def test_their_values_may_be_outputs(self) -> None:
        (_, fleet) = self.fleets(lambda: [{**self.GROUP, "group_name": later("made-0a"), "max_size": later(30.0)}])
        assert (fleet.target_key, fleet.ceiling) == ("aws/eu-west-1/made-0a", 30)

    def test_the_job_may_write_their_minimum(self) -> None:
        recorder = declare("job", {"existing_groups": [self.GROUP]})
        policy = json.loads(recorder.one("policy:Policy", "job-writes-1").inputs["policy"])
        assert any("autoScalingGroupName/legacy-asg" in str(each["Resource"]) for each in policy["Statement"])

    @pytest.mark.parametrize(
        ("named", "changes"),
        [
            ("existing_groups[0].name", {"name": "Legacy"}),
            ("existing_groups[0].region", {"region": "eu-west-1a"}),
            ("existing_groups[0].group_name", {"group_name": ""}),
            ("existing_groups[0].min_size", {"min_size": 21}),
            ("existing_groups[0].max_size", {"max_size": -1}),
            ("existing_groups[0].forecast.load", {"forecast": {"load_per_instance": 40}}),
            ("existing_groups[0].forecast.load", {"load_balancer": "app/web/0a1b"}),
            ("existing_groups[0].load_balancer", {"load_balancer": "arn:aws:x"}),
            ("existing_groups[0].forecast.quantile", {"forecast": {**GROUP["forecast"], "quantile": 3}}),
            ("existing_groups[0].groups", {"groups": 1}),
        ],
    )
    def test_a_wrong_value_is_named(self, named: str, changes: dict[str, Any]) -> None:
        wrong = {"existing_groups": [{**self.GROUP, **changes}]}
        test_a_wrong_value_is_named_before_anything_is_registered("job", named, wrong)

    def test_without_any_fleet_there_is_no_job(self) -> None:
        test_a_wrong_value_is_named_before_anything_is_registered("job", "fleets", {"fleets": None})
