"""Inputs of an instance's boot that would not be what they say: root device, encoded scripts, principals, patience."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_iac.common.validation import refuse_encoded
from forecasting.errors import SettingsError
from tests import gcp_group_args, gcp_pool_args, group_args, pool_args
from tests.recording import ANSWERS, Mocks, Recorder

UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
UBUNTU_DLAMI = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
WINDOWS = "/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base"


def device(recorder: Recorder) -> str:
    (mapping,) = recorder.one(":LaunchTemplate").inputs["blockDeviceMappings"]
    assert mapping["ebs"]["encrypted"] == "true"
    return mapping["deviceName"]


def of_parameter(parameter: str, **changes: Any) -> Recorder:
    args = group_args.changed(group_args.MINIMAL, ami_id=None, ami_ssm_parameter=parameter, **changes)
    return group_args.declare(args)[0]


@pytest.mark.parametrize(
    ("parameter", "root"),
    [(UBUNTU, "/dev/sda1"), (WINDOWS, "/dev/sda1"), (AMAZON, "/dev/xvda"), (UBUNTU_DLAMI, "/dev/sda1")],
)
def test_the_root_volume_is_the_images_own(parameter: str, root: str) -> None:
    assert device(of_parameter(parameter)) == root
    pool = pool_args.declare(pool_args.changed(pool_args.MINIMAL, ami_ssm_parameter=parameter))[0]
    assert device(pool) == root
    sized = of_parameter(parameter, root_volume={"size_gib": 40, "device_name": root})
    assert device(sized) == root
    other = "/dev/xvda" if root == "/dev/sda1" else "/dev/sda1"
    with pytest.raises(SettingsError, match=rf"root_volume\.device_name: got '{other}'; expected '{root}'"):
        of_parameter(parameter, root_volume={"size_gib": 40, "device_name": other})


@pytest.mark.parametrize("image", [{"ami_id": "ami-0b"}, {"ami_id": None, "ami_ssm_parameter": "/shop/image"}])
def test_the_root_device_of_any_other_image_is_looked_up(image: dict[str, Any]) -> None:
    cloud = Mocks({**ANSWERS, "aws:ec2/getAmi:getAmi": {"rootDeviceName": "/dev/nvme0"}})
    recorder, _ = group_args.declare(group_args.changed(group_args.MINIMAL, **image), cloud=cloud)
    assert device(recorder) == "/dev/nvme0"
    (asked,) = [given for token, given in cloud.calls if token == "aws:ec2/getAmi:getAmi"]
    expected = image["ami_id"] or "ami-0123456789abcdef0"
    assert asked["filters"] == [{"name": "image-id", "values": [expected]}]
    named = group_args.changed(group_args.MINIMAL, **image, root_volume={"size_gib": 9, "device_name": "/dev/sdz"})
    assert device(group_args.declare(named)[0]) == "/dev/sdz"


SCRIPTS = st.sampled_from(["#!/bin/bash\n", "#cloud-config\n", "MIME-Version: 1.0\n", "<powershell>"])


@given(SCRIPTS, st.text(alphabet=st.characters(codec="utf-8"), max_size=200), st.sampled_from([0, 64, 76]))
def test_a_script_that_is_base64_already_is_refused_and_any_plain_one_is_taken(
    head: str, rest: str, columns: int
) -> None:
    text = head + rest
    refuse_encoded("user_data", text)
    encoded = base64.b64encode(text.encode()).decode()
    wrapped = "\n".join(encoded[at : at + columns] for at in range(0, len(encoded), columns)) if columns else encoded
    with pytest.raises(SettingsError, match=r"user_data: got .* this is base64"):
        refuse_encoded("user_data", wrapped)


@given(st.binary(max_size=60))
@settings(max_examples=50)
def test_base64_of_anything_else_is_the_users_affair(content: bytes) -> None:
    """A token in a file is no script."""
    if content.lstrip()[:1] not in {b"#", b"<", b"C", b"M", b"\x1f"}:
        refuse_encoded("user_data", base64.b64encode(content).decode())


def test_components_refuse_encoded_scripts_by_their_field() -> None:
    script = base64.b64encode(b"#!/bin/bash\nyum install -y nginx\n").decode()
    for declare, args, field in (
        (group_args.declare, group_args.MINIMAL, "user_data"),
        (pool_args.declare, pool_args.MINIMAL, "user_data"),
        (gcp_group_args.declare, gcp_group_args.MINIMAL, "startup_script"),
        (gcp_pool_args.declare, gcp_pool_args.MINIMAL, "startup_script"),
    ):
        with pytest.raises(SettingsError, match=f"{field}: got .*this is base64"):
            declare({**args, field: script})  # pyright: ignore[reportArgumentType, reportCallIssue] - of each component


@pytest.mark.parametrize(
    ("partition", "principal"),
    [("aws", "ec2.amazonaws.com"), ("aws-us-gov", "ec2.amazonaws.com"), ("aws-cn", "ec2.amazonaws.com.cn")],
)
def test_instances_take_their_role_in_every_partition(partition: str, principal: str) -> None:
    cloud = Mocks({**ANSWERS, "aws:index/getPartition:getPartition": {"partition": partition}})
    recorder, _ = group_args.declare(group_args.MINIMAL, cloud=cloud)
    (statement,) = json.loads(recorder.one(":Role").inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Service": principal}


@pytest.mark.parametrize(("lead", "grace"), [(1, 302), (240, 780), (299.5, 900), (900, 2100)])
def test_an_instance_is_not_judged_before_a_slow_boot_is_over(lead: float, grace: int) -> None:
    forecast: Any = {**group_args.MINIMAL["forecast"], "lead_time_seconds": lead}
    recorder, _ = group_args.declare(group_args.changed(group_args.MINIMAL, forecast=forecast))
    assert recorder.one("group:Group").inputs["healthCheckGracePeriod"] == grace


BALANCER: Any = {"instance_port": 8080}


class TestNothingAnswers:
    """A deployment warns of instances that fail their health check whatever they do."""

    @pytest.fixture
    def warned(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        found: list[str] = []

        def warn(message: str, *_: object, **__: object) -> None:
            found.append(message)

        monkeypatch.setattr("pulumi.log.warn", warn)
        return found

    @pytest.mark.parametrize("front", [{"load_balancer": BALANCER}, {"target_group_arns": ["arn:aws:elb:1:2:3"]}])
    def test_on_aws(self, warned: list[str], front: dict[str, Any]) -> None:
        of_parameter(AMAZON, **front)
        assert "no program answers the load balancer's health check" in warned[0]
        assert AMAZON in warned[0]
        warned.clear()
        of_parameter(AMAZON, **front, user_data="#!/bin/sh\n")
        of_parameter("/shop/image", **front)
        of_parameter(AMAZON)
        assert warned == []

    @pytest.mark.parametrize("front", [{"load_balancer": BALANCER}, {"health_check": {"port": 80, "path": "/"}}])
    def test_on_google_cloud(self, warned: list[str], front: dict[str, Any]) -> None:
        image = "projects/debian-cloud/global/images/family/debian-12"

        def declared(**changes: Any) -> None:
            args = gcp_group_args.changed(gcp_group_args.MINIMAL, image=None, **{"image_family": image, **changes})
            gcp_group_args.declare(args)

        declared(**front)
        assert "no program answers the health check" in warned[0]
        warned.clear()
        declared(**front, startup_script="#!/bin/sh\n")
        declared(**front, metadata={"user-data": "#cloud-config"})
        declared(**front, image_family="projects/shop/global/images/family/web")
        declared()
        assert warned == []

    def test_a_pool_whose_workload_answers(self, warned: list[str]) -> None:
        workload: Any = {"image": "vllm/vllm-openai:v0.11.0", "preset": "vllm"}
        aws: Any = {"load_balancer": {"instance_port": 8000}, "subnet_ids": ["subnet-0a", "subnet-0b"]}
        pool_args.declare(pool_args.changed(pool_args.MINIMAL, **aws, workload=workload))
        family = "projects/deeplearning-platform-release/global/images/family/common-cu129-ubuntu-2204-nvidia-580"
        gcp_pool_args.declare(
            gcp_pool_args.changed(gcp_pool_args.MINIMAL, image=None, image_family=family, workload=workload)
        )
        assert warned == []
        pool_args.declare(pool_args.changed(pool_args.MINIMAL, **aws))
        assert len(warned) == 1


def test_a_pools_instances_reach_the_buckets_of_their_model_or_checkpoints_and_no_other() -> None:
    workload: Any = {"image": "vllm/vllm-openai:v0.11.0", "preset": "vllm", "model": "gs://shop-models/llm"}
    training: Any = {"image": "shop/train:1", "arguments": ["/train.py"], "checkpoint": "gs://shop-checkpoints/run"}
    for what, bucket, role in (
        ({"workload": workload, "forecast": {"load_per_replica": 5}}, "shop-models", "roles/storage.objectViewer"),
        ({"training": training, "forecast": None, "max_size": 1}, "shop-checkpoints", "roles/storage.objectUser"),
    ):
        recorder, _ = gcp_pool_args.declare(gcp_pool_args.changed(gcp_pool_args.MINIMAL, **what))
        member = recorder.one(":BucketIAMMember")
        assert (member.inputs["bucket"], member.inputs["role"]) == (bucket, role)
        assert member.name in recorder.one(":InstanceTemplate").depends_on
        roles = {item.inputs["role"] for item in recorder.of("iAMMember:IAMMember")}
        assert not any("storage" in role for role in roles)
