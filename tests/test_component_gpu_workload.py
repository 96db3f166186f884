"""What runs on a pool: its boot script, its rights, its load and what scales it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from elastic_iac.aws.gpu_pool import capacity_block
from elastic_iac.workload import AwsPlatform, boot_script, settle_training, settle_workload
from elastic_iac.workload.args import GpuTraining, GpuWorkload
from forecasting.settings import Fleet
from tests.group_args import later
from tests.pool_args import BLOCKS, MINIMAL, NOW, SHARDED, changed, declare, forecast, group_of
from tests.recording import Recorder
from tests.test_component_gpu_validation import refusal

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs  # isort: skip - after the import that quiets the SDK

SERVER: GpuWorkload = {
    "image": "vllm/vllm-openai:v0.11.0",
    "preset": "vllm",
    "model": "s3://models/qwen/7b",
    "gpus_per_replica": 2,
    "environment": {"LOG_LEVEL": "info"},
    "secrets": {"HF_TOKEN": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:hf-abc"},
}
TRAINER: GpuTraining = {
    "image": "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime",
    "arguments": ["train.py"],
    "checkpoint": "s3://checkpoints",
    "max_nodes": 4,
}
SERVING = changed(
    MINIMAL,
    instance_types=[{"instance_type": "g6.12xlarge"}, {"instance_type": "g6.48xlarge"}],
    workload=SERVER,
    forecast=forecast(load=None),
)
TRAINING = changed(BLOCKS, training=TRAINER, forecast=None)


def script(recorder: Recorder, name: str = "llm") -> str:
    data = recorder.one(":LaunchTemplate", f"{name}-launch-template").inputs["userData"]
    return base64.b64decode(data).decode()


def rights(recorder: Recorder, name: str) -> list[dict[str, Any]]:
    return json.loads(recorder.one(":RolePolicy", name).inputs["policy"])["Statement"]


class TestServing:
    def test_an_instance_boots_the_server_and_completes_the_hook(self) -> None:
        recorder, _ = declare(SERVING)
        hook = recorder.one(":LifecycleHook").inputs
        platform = AwsPlatform("eu-central-1", lifecycle_hook=hook["name"], heartbeat_seconds=hook["heartbeatTimeout"])
        assert script(recorder) == boot_script(settle_workload("workload", SERVER, cloud="aws"), platform)

    def test_without_the_hook_it_completes_none(self) -> None:
        recorder, _ = declare(changed(SERVING, ready_hook={"enabled": False}))
        assert not recorder.of(":LifecycleHook")
        assert "HOOK=''" in script(recorder)

    def test_a_type_weighs_the_replicas_that_it_runs(self) -> None:
        policy = declare(SERVING)[0].one("group:Group").inputs["mixedInstancesPolicy"]
        assert [item["weightedCapacity"] for item in policy["launchTemplate"]["overrides"]] == ["2", "4"]

    def test_a_type_without_room_for_a_replica_is_refused(self) -> None:
        error = refusal(changed(SERVING, instance_types=[{"instance_type": "g6.xlarge"}]))
        assert (error.field, "2 GPUs" in error.expected) == ("instance_types[0].instance_type", True)

    def test_the_load_is_what_the_server_publishes(self) -> None:
        source = Fleet.model_validate_json(declare(SERVING)[1]["fleet"]).source
        assert source.kind == "cloudwatch"
        assert (source.metric.namespace, source.metric.metric_name) == ("ElasticIaC", "vllm:generation_tokens_total")
        assert source.metric.dimensions == {"AutoScalingGroupName": "llm-group-0"}

    def test_a_replicas_load_scales_it_above_the_floor(self) -> None:
        """What a replica serves per second is what it publishes per minute."""
        tracking = declare(SERVING)[0].one(":Policy").inputs["targetTrackingConfiguration"]
        assert tracking["targetValue"] == 900 * 60
        custom = tracking["customizedMetricSpecification"]
        assert (custom["metricName"], custom["statistic"]) == ("vllm:generation_tokens_total", "Average")

    def test_a_load_of_the_users_own_comes_first(self) -> None:
        recorder, outputs = declare(changed(SERVING, forecast=MINIMAL.get("forecast")))
        source = Fleet.model_validate_json(outputs["fleet"]).source
        assert source.kind == "cloudwatch"
        assert source.metric.metric_name == "Tokens"
        tracking = recorder.one(":Policy").inputs["targetTrackingConfiguration"]
        assert tracking["predefinedMetricSpecification"]["predefinedMetricType"] == "ASGAverageCPUUtilization"

    def test_it_may_read_its_model_and_secrets_publish_and_pull(self) -> None:
        recorder, _ = declare(SERVING)
        assert rights(recorder, "-work") == [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::models/qwen/7b/*"},
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::models",
                "Condition": {"StringLike": {"s3:prefix": ["qwen/7b", "qwen/7b/*"]}},
            },
            {
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:hf-abc-??????"],
            },
            {"Effect": "Allow", "Action": ["autoscaling:DescribeAutoScalingInstances"], "Resource": "*"},
        ]
        managed = {item.inputs["policyArn"].rsplit("/", 1)[1] for item in recorder.of(":RolePolicyAttachment")}
        assert managed == {
            "AmazonSSMManagedInstanceCore",
            "CloudWatchAgentServerPolicy",
            "AmazonEC2ContainerRegistryReadOnly",
        }
        assert "llm-instance-work" in recorder.one(":InstanceProfile").depends_on

    def test_no_secret_is_in_the_template(self) -> None:
        text = script(declare(SERVING)[0])
        assert "secret:hf-abc" in text  # where it is, not what it is

    @pytest.mark.parametrize(("state", "kept"), [(None, "false"), ("Running", "true")])
    def test_a_model_on_local_disks_must_outlive_the_warm_pool(self, state: str | None, kept: str) -> None:
        alike = [{"instance_type": "g6.12xlarge"}]
        warm = {"max_group_prepared_capacity": 4} | ({"pool_state": state} if state else {})
        assert f"LOCAL_DISKS={kept}" in script(declare(changed(SERVING, instance_types=alike, warm_pool=warm))[0])
        assert "LOCAL_DISKS=true" in script(declare(SERVING)[0])

    def test_outputs_reach_the_script(self) -> None:
        def args() -> AwsGpuPoolArgs:
            server = {**SERVER, "model": later("s3://models/qwen/7b"), "environment": {"LOG_LEVEL": later("info")}}
            return changed(SERVING, workload=server)

        assert script(declare(args)[0]) == script(declare(SERVING)[0])

    def test_its_load_balancer_asks_its_path_at_its_port(self) -> None:
        front = {"instance_port": 8000, "subnet_ids": ["subnet-0c", "subnet-0d"]}
        recorder, _ = declare(changed(SERVING, load_balancer=front))
        assert recorder.one(":TargetGroup").inputs["healthCheck"]["path"] == "/health"
        error = refusal(changed(SERVING, load_balancer={**front, "instance_port": 8080}))
        assert (error.field, "8000" in error.expected) == ("load_balancer.instance_port", True)

    def test_a_preview_declares_the_same_resources(self) -> None:
        preview, up = declare(SERVING, preview=True)[0], declare(SERVING)[0]
        assert sorted(item.name for item in preview.registrations) == sorted(item.name for item in up.registrations)

    def test_a_whole_secret_is_granted_as_it_is(self) -> None:
        whole = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:hf-AbCdEf"
        (granted,) = [
            item["Resource"]
            for item in rights(declare(changed(SERVING, workload={**SERVER, "secrets": {"HF": whole}}))[0], "-work")
            if item["Action"] == "secretsmanager:GetSecretValue"
        ]
        assert granted == [whole]

    def test_without_the_hook_it_still_finds_the_group_that_it_publishes_under(self) -> None:
        server: Any = {"image": "vllm/vllm-openai:v0.11.0", "preset": "vllm"}
        recorder, _ = declare(changed(SERVING, workload=server, ready_hook={"enabled": False}))
        assert rights(recorder, "-work") == [
            {"Effect": "Allow", "Action": ["autoscaling:DescribeAutoScalingInstances"], "Resource": "*"}
        ]

    def test_the_deployment_waits_for_no_instance_that_a_hook_holds(self) -> None:
        """What completes the hook is granted after the group, which would wait for it."""
        quick = changed(SERVING, forecast=forecast(load=None, lead_time_seconds=120))
        assert group_of(quick)["waitForCapacityTimeout"] == "0"
        assert group_of(changed(quick, ready_hook={"enabled": False}))["waitForCapacityTimeout"] == "10m"

    @pytest.mark.parametrize(("lead_time", "limit"), [(None, 1800), (120, 1800), (1200.5, 2401), (3600, 7200)])
    def test_a_boot_is_not_given_up_before_twice_the_lead_time(self, lead_time: float | None, limit: int) -> None:
        args = changed(SERVING, forecast=forecast(load=None, lead_time_seconds=lead_time))
        assert f"\nBOOT_LIMIT_SECONDS={limit}\n" in script(declare(args)[0])
        if lead_time is not None:

            def outputs() -> AwsGpuPoolArgs:
                return changed(SERVING, forecast=forecast(load=None, lead_time_seconds=later(lead_time)))

            assert f"\nBOOT_LIMIT_SECONDS={limit}\n" in script(declare(outputs)[0])

    def test_a_weight_is_the_replicas_that_a_type_runs(self) -> None:
        kinds = [{"instance_type": "g6.12xlarge", "weight": 2}, {"instance_type": "g6.48xlarge", "weight": 4}]
        policy = group_of(changed(SERVING, instance_types=kinds))["mixedInstancesPolicy"]
        assert [item["weightedCapacity"] for item in policy["launchTemplate"]["overrides"]] == ["2", "4"]
        error = refusal(changed(SERVING, instance_types=[kinds[0], {"instance_type": "g6.48xlarge", "weight": 1}]))
        assert (error.field, error.expected[0]) == ("instance_types[1].weight", "4")


class TestShards:
    def test_each_is_told_which_it_is(self) -> None:
        shards: Any = [{**shard} for shard in SHARDED.get("shards", [])]
        shards[1]["environment"] = {"LANGUAGE": "de"}
        args = changed(SHARDED, workload={**SERVER, "gpus_per_replica": 1}, shards=shards)
        recorder, _ = declare(args)
        english, german = script(recorder, "llm-en"), script(recorder, "llm-de")
        assert "ELASTIC_IAC_SHARD=en\n" in english
        assert "ELASTIC_IAC_SHARD=de\n" in german
        assert ("LANGUAGE=de\n" in english, "LANGUAGE=de\n" in german) == (False, True)

    def test_environment_without_work_is_refused(self) -> None:
        shards: Any = [{**shard, "environment": {"A": "b"}} for shard in SHARDED.get("shards", [])]
        assert refusal(changed(SHARDED, shards=shards)).field == "shards[0].environment"


class TestTraining:
    def test_in_a_capacity_block_without_a_forecast_all_of_it_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(capacity_block, "now", lambda: NOW)
        recorder, outputs = declare(TRAINING)
        opens = {item.name: item.inputs["minSize"] for item in recorder.of(":Schedule") if item.name.endswith("opens")}
        assert opens == {"llm-block-20261123T1130Z-opens": 4, "llm-block-20261125T1130Z-opens": 2}  # 2: the user's
        assert (outputs["fleet"], outputs["fleets"]) == (None, [])

    def test_boots_the_trainer_with_no_hook(self) -> None:
        recorder, _ = declare(TRAINING)
        platform = AwsPlatform("eu-central-1", lifecycle_hook=None, heartbeat_seconds=0)
        assert script(recorder) == boot_script(settle_training("training", TRAINER, cloud="aws"), platform)
        assert not recorder.of(":LifecycleHook")

    @pytest.mark.parametrize(("most", "rules"), [(4, 2), (1, 0)])
    def test_its_nodes_reach_each_other(self, most: int, rules: int) -> None:
        trainer = {**TRAINER, "max_nodes": most}
        recorder, _ = declare(changed(TRAINING, training=trainer, efa=None))
        among = [item.inputs for item in recorder.registrations if item.name.endswith("-fabric")]
        assert [rule["referencedSecurityGroupId"] for rule in among] == ["llm-instances-id"] * rules

    def test_nothing_scales_it_where_the_user_says_nothing(self) -> None:
        assert not declare(TRAINING)[0].of(":Policy")
        kept = changed(TRAINING, target_tracking=[{"metric": "cpu", "target_value": 60}])
        assert declare(kept)[0].one(":Policy")

    def test_may_keep_checkpoints_and_find_its_nodes(self) -> None:
        objects, listing, finding = rights(declare(TRAINING)[0], "-work")
        assert (objects["Action"], objects["Resource"]) == (
            ["s3:GetObject", "s3:PutObject"],
            "arn:aws:s3:::checkpoints/*",
        )
        assert listing["Resource"] == "arn:aws:s3:::checkpoints"
        assert finding["Action"] == ["autoscaling:DescribeAutoScalingInstances", "ec2:DescribeInstances"]


FOUR_NODES = {**TRAINER, "min_nodes": 4}
GPUS_FOR_THREE = changed(
    MINIMAL,
    instance_types=[{"instance_type": "g6.12xlarge"}],
    training=FOUR_NODES,
    forecast=None,
    min_size=12,
    max_size=12,
)

WHOLE = [{"instance_type": "g6.48xlarge", "weight": 1}]
COMES_BACK = {"max_group_prepared_capacity": 2, "pool_state": "Running", "reuse_on_scale_in": True}
FIVE_NODES = changed(
    TRAINING,
    training={**TRAINER, "min_nodes": 5, "max_nodes": 5},
    target_tracking=[{"metric": "cpu", "target_value": 60}],
)

WRONG: list[tuple[str, AwsGpuPoolArgs]] = [
    ("workload.image", changed(SERVING, workload={**SERVER, "image": "vllm"})),
    ("workload.model", changed(SERVING, workload={**SERVER, "model": "gs://models"})),
    ("workload.ports", changed(SERVING, workload={**SERVER, "ports": 1})),
    ("workload", changed(SERVING, workload={**SERVER, "environment": {"A": "x" * 16_000}})),
    ("training", changed(SERVING, training=TRAINER)),
    ("user_data", changed(SERVING, user_data="#!/bin/sh\n")),
    ("ready_hook.enabled", changed(TRAINING, ready_hook={"enabled": True})),
    ("instance_types[0].weight", changed(SERVING, workload={**SERVER, "gpus_per_replica": 1}, instance_types=WHOLE)),
    ("instance_types[0].instance_type", changed(SERVING, instance_types=[{"instance_type": "g6.xlarge", "weight": 1}])),
    ("workload.boot_limit_seconds", changed(SERVING, workload={**SERVER, "boot_limit_seconds": 599})),
    ("warm_pool.reuse_on_scale_in", changed(SERVING, instance_types=[{"instance_type": "g6.12xlarge"}], warm_pool=COMES_BACK)),
    ("target_tracking", changed(TRAINING, forecast=MINIMAL.get("forecast"))),
    ("max_size", GPUS_FOR_THREE),
    ("min_size", changed(GPUS_FOR_THREE, max_size=16)),
    ("desired_capacity", changed(GPUS_FOR_THREE, max_size=16, desired_capacity=13)),
    ("max_size", changed(GPUS_FOR_THREE, max_size=3, min_size=3, warm_pool={"max_group_prepared_capacity": 2})),
    ("capacity_blocks[0].min_instances", changed(TRAINING, training=FOUR_NODES)),
    ("capacity_blocks[1].instances", FIVE_NODES),
    ("load_balancer", changed(TRAINING, load_balancer={"instance_port": 80, "subnet_ids": ["subnet-0c", "subnet-0d"]})),
]  # fmt: skip


@pytest.mark.parametrize(("field", "args"), WRONG, ids=[f"{index}-{field}" for index, (field, _) in enumerate(WRONG)])
def test_wrong_work_is_named_before_anything_is_registered(field: str, args: AwsGpuPoolArgs) -> None:
    error = refusal(args)
    assert error.field == field
    assert error.expected
