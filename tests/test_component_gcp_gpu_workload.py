"""What a pool on Google Cloud runs: its start-up script, and what follows from its server."""

from __future__ import annotations

import json
from typing import Any, ClassVar, cast

import pytest

from forecasting.settings import Fleet
from tests.gcp_pool_args import FLEX_START, LOAD, MINIMAL, changed, declare, template
from tests.group_args import later

from elastic_iac.gcp.gpu_pool.args import GcpGpuPoolArgs  # isort: skip
from elastic_iac.workload import GcpPlatform, boot_script, settle_workload  # isort: skip


class TestWorkload:
    SERVER: ClassVar[Any] = {"image": "vllm/vllm-openai:v0.11.0", "preset": "vllm", "model": "gs://models/llm"}

    def pool(self, **changes: Any) -> GcpGpuPoolArgs:
        workload = {**self.SERVER, **changes.pop("workload", {})}
        return changed(MINIMAL, **{"workload": workload, "forecast": {"load_per_replica": 400}, **changes})

    def test_its_boot_script_starts_it_for_its_project_and_group(self) -> None:
        recorder, _ = declare(self.pool())
        inputs = recorder.one(":InstanceTemplate").inputs
        platform = GcpPlatform("shop-prod", inputs["labels"]["elastic-iac-group"], local_disks=False)
        script = boot_script(settle_workload("workload", self.SERVER, cloud="gcp"), platform)
        assert inputs["metadata"]["startup-script"] == script
        assert "install-nvidia-driver" not in inputs["metadata"]  # the script does it, and twice would be a race

    def test_local_disks_are_used_where_there_are_any(self) -> None:
        script = template(self.pool(machine_type="a2-ultragpu-1g"))["metadata"]["startup-script"]
        assert "LOCAL_DISKS=true" in script

    def test_values_that_are_outputs_reach_the_script(self) -> None:
        def late() -> GcpGpuPoolArgs:
            return self.pool(workload={"model": later("gs://models/other"), "environment": {"MODE": later("fast")}})

        script = template(cast("Any", late))["metadata"]["startup-script"]
        assert "gs://models/other" in script
        assert "MODE=fast" in script

    def test_instances_are_replaced_by_its_endpoint(self) -> None:
        recorder, _ = declare(self.pool())
        assert recorder.one(":HealthCheck", "-healing").inputs["httpHealthCheck"] == {
            "port": 8000,
            "requestPath": "/health",
            "portSpecification": "USE_FIXED_PORT",
        }
        assert recorder.one(":RegionInstanceGroupManager").inputs["autoHealingPolicies"]["initialDelaySec"] == 1500

    def test_a_load_balancer_asks_at_its_path(self) -> None:
        recorder, _ = declare(self.pool(load_balancer={"instance_port": 8000}))
        assert recorder.one(":HealthCheck", "-serving").inputs["httpHealthCheck"]["requestPath"] == "/health"

    def test_the_load_that_it_publishes_is_the_pools(self) -> None:
        recorder, outputs = declare(self.pool())
        label = recorder.one(":InstanceTemplate").inputs["labels"]["elastic-iac-group"]
        metric = json.loads(outputs["fleet"])["source"]["metric"]
        assert metric["type"] == "prometheus.googleapis.com/vllm:generation_tokens_total/counter"
        assert metric["metric_labels"] == {"elastic_iac_group": label}

    def test_a_load_that_is_given_wins(self) -> None:
        _, outputs = declare(self.pool(forecast={"load_per_replica": 4, "load": LOAD}))
        assert json.loads(outputs["fleet"])["source"]["metric"]["type"] == LOAD["metric_type"]

    def test_each_shard_publishes_under_its_own_label(self) -> None:
        shards = [{"name": name, "min_size": 1, "max_size": 2} for name in ("a", "b")]
        recorder, outputs = declare(self.pool(shards=shards, min_size=None, max_size=None))
        labels = {item.inputs["labels"]["elastic-iac-group"] for item in recorder.of(":InstanceTemplate")}
        metrics = [json.loads(text)["source"]["metric"] for text in outputs["fleets"]]
        assert {metric["metric_labels"]["elastic_iac_group"] for metric in metrics} == labels
        assert len(labels) == 2
        assert len(recorder.of(":HealthCheck")) == 2

    @pytest.mark.parametrize(("gpus", "load"), [(1, 3200), (2, 1600), (3, 800), (8, 400)])
    def test_an_instance_runs_as_many_replicas_as_it_has_gpus_for(self, gpus: int, load: int) -> None:
        args = self.pool(machine_type="g2-standard-96", workload={"gpus_per_replica": gpus})
        assert Fleet.model_validate_json(declare(args)[1]["fleet"]).load_per_instance == load


class TestTraining:
    TRAINER: ClassVar[Any] = {
        "image": "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime",
        "arguments": ["train.py"],
        "max_nodes": 4,
    }

    def pool(self, **changes: Any) -> GcpGpuPoolArgs:
        return changed(
            MINIMAL, **{"training": self.TRAINER, "forecast": None, "max_size": None, "min_size": 4, **changes}
        )

    def test_there_are_as_many_nodes_as_asked_for_and_no_fleet(self) -> None:
        recorder, outputs = declare(self.pool())
        policy = recorder.one(":RegionAutoscaler").inputs["autoscalingPolicy"]
        assert (policy["minReplicas"], policy["maxReplicas"]) == (4, 4)
        assert (outputs["fleets"], outputs["fleet"]) == ([], None)
        assert "torchrun" in recorder.one(":InstanceTemplate").inputs["metadata"]["startup-script"]

    def test_nodes_find_and_reach_each_other_and_nobody_else_reaches_them(self) -> None:
        recorder, _ = declare(self.pool())
        assert recorder.one(":IAMMember", "-nodes").inputs["role"] == "roles/compute.viewer"
        firewall = recorder.one(":Firewall").inputs
        owner = ["llm-instances@shop-prod.iam.gserviceaccount.com"]
        assert (firewall["sourceServiceAccounts"], firewall["targetServiceAccounts"]) == (owner, owner)
        assert "sourceRanges" not in firewall

    def test_they_may_come_by_request(self) -> None:
        args = changed(FLEX_START, training=self.TRAINER)
        recorder, _ = declare(args)
        assert len(recorder.of(":RegionResizeRequest")) == 2
        assert "startup-script" in recorder.one(":InstanceTemplate").inputs["metadata"]
