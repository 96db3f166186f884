from __future__ import annotations

import json
from typing import Any, cast

import pulumi
import pulumi_aws
import pytest

from forecasting.errors import SettingsError
from forecasting.settings import Fleet
from tests.group_args import MAXIMAL, MINIMAL, changed, component, declare, later
from tests.recording import ANSWERS, Mocks, as_json, golden, record

from elastic_iac.aws.autoscaling_group.args import AwsAutoscalingGroupArgs  # isort: skip


@pytest.mark.parametrize(("file", "args"), [("minimal", MINIMAL), ("maximal", MAXIMAL)])
def test_every_child_is_registered_with_its_type_name_parent_and_inputs(
    file: str, args: AwsAutoscalingGroupArgs
) -> None:
    recorder, outputs = declare(args)
    found = {"registrations": as_json(recorder.registrations), "outputs": outputs}
    assert found == golden(f"autoscaling_group_{file}.json", found)
    assert {item.parent for item in recorder.registrations if item.name != "web"} == {"web"}


MUTATIONS = [
    (":LaunchTemplate", "metadataOptions"),
    (":LaunchTemplate", "iamInstanceProfile"),
    (":LaunchTemplate", "userData"),
    (":LaunchTemplate", "tagSpecifications"),
    ("group:Group", "desiredCapacity"),
    ("group:Group", "warmPool"),
    ("group:Group", "instanceRefresh"),
    ("group:Group", "mixedInstancesPolicy"),
    ("group:Group", "waitForCapacityTimeout"),
    ("group:Group", "enabledMetrics"),
    (":LoadBalancer", "dropInvalidHeaderFields"),
    (":TargetGroup", "healthCheck"),
    (":SecurityGroupIngressRule", "referencedSecurityGroupId"),
    ("policy:Policy", "targetTrackingConfiguration.disableScaleIn"),
]


@pytest.mark.parametrize(("kind", "argument"), MUTATIONS)
def test_a_dropped_input_does_not_pass(kind: str, argument: str) -> None:
    """The component is mutated: the assertion of every child must fail for each input that goes missing."""
    recorder, _ = declare(MAXIMAL, without=(kind, argument))
    assert as_json(recorder.registrations) != golden("autoscaling_group_maximal.json", None)["registrations"]


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


def test_a_rule_keeps_its_name_when_another_range_goes() -> None:
    def rules(*cidrs: str) -> dict[str, str]:
        front = {"instance_port": 8080, "ingress_cidrs": list(cidrs)}
        recorder, _ = declare(changed(MAXIMAL, load_balancer=front))
        ingress = recorder.of(":SecurityGroupIngressRule")
        return {item.name: item.inputs["cidrIpv4"] for item in ingress if "cidrIpv4" in item.inputs}

    both, one = rules("10.0.0.0/8", "192.168.0.0/16"), rules("192.168.0.0/16")
    assert one.items() < both.items()


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
    assert (fleet.name, fleet.target_key) == ("web", "aws/eu-central-1/web-group-0")
    assert (fleet.floor, fleet.ceiling, fleet.load_per_instance) == (2, 20, 100)
    assert fleet.source.kind == "cloudwatch"
    assert fleet.source.metric.dimensions == {"LoadBalancer": "suffix/web-load-balancer"}
    assert fleet.source.refused is not None
    assert fleet.events[0].load_factor == 2.5
    assert (fleet.events[1].repeats, fleet.events[1].floor, fleet.events[1].learn_factor) == ("monthly", 12, True)
    assert (fleet.holidays, fleet.exclusions[0].name) == (("DE-BY", "AT"), "outage")
    assert (fleet.reactive_target, fleet.similar_fleet, fleet.expected_load) == (0.8, "shop", 250.5)


def test_a_load_of_ones_own_is_read_under_the_groups_name() -> None:
    fleet = Fleet.model_validate_json(declare(MINIMAL)[1]["fleet"])
    assert fleet.source.kind == "cloudwatch"
    assert fleet.source.metric.dimensions == {"AutoScalingGroupName": "web-group-0"}
    assert (fleet.source.metric.statistic, fleet.source.refused) == ("Sum", None)


class TestImage:
    def test_an_id_is_followed(self) -> None:
        template = declare(MINIMAL)[0].one(":LaunchTemplate")
        assert (template.inputs["imageId"], template.ignore_changes) == ("ami-0a", ["tagSpecifications"])

    def test_a_parameter_is_resolved_and_held(self) -> None:
        template = declare(MAXIMAL)[0].one(":LaunchTemplate")
        assert template.inputs["imageId"] == "ami-0123456789abcdef0"
        assert template.ignore_changes == ["imageId", "tagSpecifications"]

    def test_a_refresh_takes_what_the_parameter_names_now(self) -> None:
        template = declare(changed(MAXIMAL, refresh_ami=True))[0].one(":LaunchTemplate")
        assert template.ignore_changes == ["tagSpecifications"]

    def test_a_parameter_that_names_no_image_is_refused(self) -> None:
        answers = {**ANSWERS, "aws:ssm/getParameter:getParameter": {"insecureValue": "resolve:ssm:/x"}}
        with pytest.raises(SettingsError, match="ami_ssm_parameter: got 'resolve:ssm:/x'"):
            declare(MAXIMAL, cloud=Mocks(answers))


def test_none_is_the_same_as_not_given() -> None:
    given = {**MINIMAL, "load_balancer": None, "tags": None, "forecast": {**MINIMAL["forecast"], "quantile": None}}
    with_none, without = (declare(cast("AwsAutoscalingGroupArgs", args)) for args in (given, MINIMAL))
    assert as_json(with_none[0].registrations) == as_json(without[0].registrations)
    assert with_none[1] == without[1]


def test_a_preview_bears_what_is_not_known_yet() -> None:
    """An output that the mocks do not give is unknown in a preview, as an id of a network that is yet to be made."""

    def program() -> None:
        unknown: pulumi.Output[Any] = pulumi_aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16").main_route_table_id
        changes = dict.fromkeys(("vpc_id", "subnet_ids", "min_size", "instance_type", "user_data", "tags"), unknown)
        forecast = {**MAXIMAL["forecast"], "load_per_instance": unknown}
        component.AwsAutoscalingGroup("web", changed(MAXIMAL, forecast=forecast, **changes))

    preview, known = record(program, preview=True)[0], declare(MAXIMAL)[0]
    assert {item.name for item in preview.registrations} - {"vpc"} == {item.name for item in known.registrations}


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


def test_a_preview_declares_the_same_resources() -> None:
    preview, up = declare(MAXIMAL, preview=True)[0], declare(MAXIMAL)[0]
    assert sorted(item.name for item in preview.registrations) == sorted(item.name for item in up.registrations)
