from __future__ import annotations

from typing import Any

import pytest

from forecasting.errors import SettingsError
from tests.gcp_pool_args import FLEX_START, LOAD, MAXIMAL, MINIMAL, SHARDED, changed, component
from tests.recording import record

from elastic_iac.gcp.gpu_pool.args import GcpGpuPoolArgs  # isort: skip - after the import that quiets the SDK

T4 = {"type": "nvidia-tesla-t4", "count": 1}
N1 = changed(MINIMAL, machine_type="n1-standard-8", guest_accelerator=T4)
NODES = [{"key": "compute.googleapis.com/node-group-name", "values": ["gpus"]}]
NAMED = {"affinity": "SPECIFIC", "name": "gpus"}
SERVER: dict[str, Any] = {"image": "vllm/vllm-openai:v0.11.0", "preset": "vllm"}
SERVING = changed(MINIMAL, workload=SERVER, forecast={"load_per_replica": 5})
TRAINER: dict[str, Any] = {"image": "pytorch/pytorch:2.9.0", "arguments": ["train.py"], "max_nodes": 2}
PAIR: dict[str, Any] = {**TRAINER, "min_nodes": 2}
TWO_OF_ONE: dict[str, Any] = {"run_duration_seconds": 600, "requests": {"a": 1, "b": 1}}
FORECAST: dict[str, Any] = {"load_per_replica": 5, "load": LOAD}
SHARD: dict[str, Any] = {"name": "a", "min_size": 1, "max_size": 2, "load": LOAD}


def shards(*changes: dict[str, Any]) -> GcpGpuPoolArgs:
    return changed(SHARDED, shards=[{**SHARD, **change} for change in changes])


WRONG: list[tuple[str, str, GcpGpuPoolArgs]] = [
    # The machine and its GPUs
    ("machine_type", "one of", changed(MINIMAL, machine_type="e2-standard-4")),
    ("machine_type", "one of", changed(MINIMAL, machine_type="g2-standard-5")),
    ("machine_type", "at hand", changed(MINIMAL, machine_type=3)),
    ("guest_accelerator", "brings 1 of type nvidia-l4", changed(MINIMAL, guest_accelerator=T4)),
    ("guest_accelerator", "GPUs for n1-standard-8", changed(MINIMAL, machine_type="n1-standard-8")),
    ("guest_accelerator.type", "nvidia-tesla-v100", changed(N1, guest_accelerator={"type": "nvidia-l4", "count": 1})),
    ("guest_accelerator.count", "1, 2, 4", changed(N1, guest_accelerator={**T4, "count": 8})),
    ("guest_accelerator.count", "whole", changed(N1, guest_accelerator={**T4, "count": 1.5})),
    ("guest_accelerator.size", "no such field", changed(N1, guest_accelerator={**T4, "size": 1})),
    ("machine_type", "at most 48 vCPUs", changed(N1, machine_type="n1-highmem-64")),
    ("local_ssds", "one of 0, 1 with", changed(MINIMAL, local_ssds=4)),
    ("local_ssds", "brings 6000 GiB", changed(MINIMAL, machine_type="a3-highgpu-8g", local_ssds=1)),
    ("local_ssds", "one of 0, 2, 4, 8", changed(MINIMAL, machine_type="a2-highgpu-2g", local_ssds=1)),
    ("boot_disk.type", "pd-balanced", changed(MINIMAL, boot_disk={"size_gib": 100, "type": "hyperdisk-balanced"})),
    (
        "boot_disk.type",
        "hyperdisk",
        changed(MINIMAL, machine_type="g4-standard-48", boot_disk={"size_gib": 100, "type": "pd-ssd"}),
    ),
    ("on_host_maintenance", "cannot migrate", changed(MINIMAL, on_host_maintenance="MIGRATE")),
    ("replicas_per_instance", "1 to 1", changed(MINIMAL, replicas_per_instance=2)),
    ("install_driver", "true or false", changed(MINIMAL, install_driver="yes")),
    # How instances are had
    ("spot", "true or false", changed(MINIMAL, spot="yes")),
    ("instance_termination_action", "without spot", changed(MINIMAL, instance_termination_action="STOP")),
    ("instance_termination_action", "DELETE", changed(MINIMAL, spot=True, instance_termination_action="KEEP")),
    ("machine_type", "spot or flex_start", changed(MINIMAL, machine_type="a3-highgpu-1g")),
    ("machine_type", "reservation", changed(MINIMAL, machine_type="a3-ultragpu-8g")),
    ("machine_type", "reservation", changed(MINIMAL, machine_type="a4-highgpu-8g", reservation={"affinity": "ANY"})),
    ("reservation.affinity", "ANY", changed(MINIMAL, reservation={"affinity": "any"})),
    ("reservation.affinity", "spot uses none", changed(MINIMAL, spot=True, reservation=NAMED)),
    ("reservation.affinity", "spot uses none", changed(MINIMAL, spot=True, reservation={"affinity": "ANY"})),
    ("reservation.affinity", "node_affinities uses none", changed(MINIMAL, node_affinities=NODES, reservation=NAMED)),
    ("reservation.affinity", "flex_start uses none", changed(FLEX_START, reservation=NAMED)),
    (
        "machine_type",
        "spot or flex_start",
        changed(MINIMAL, machine_type="a3-highgpu-2g", spot=False, reservation=NAMED),
    ),
    ("reservation.name", "SPECIFIC", changed(MINIMAL, reservation={"affinity": "SPECIFIC"})),
    ("reservation.name", "SPECIFIC", changed(MINIMAL, reservation={"affinity": "ANY", "name": "gpus"})),
    ("reservation.name", "reservation's name", changed(MINIMAL, reservation={**NAMED, "name": "GPUS"})),
    ("node_affinities", "no sole-tenant nodes", changed(MINIMAL, machine_type="a3-edgegpu-8g", node_affinities=NODES)),
    ("node_affinities", "flex_start", changed(FLEX_START, machine_type="g2-standard-8", node_affinities=NODES)),
    ("node_affinities[0].operator", "IN", changed(MINIMAL, node_affinities=[{**NODES[0], "operator": "=="}])),
    ("node_affinities[0].values", "list", changed(MINIMAL, node_affinities=[{**NODES[0], "values": "gpus"}])),
    # Flex start
    ("spot", "one way", changed(FLEX_START, spot=True)),
    ("forecast", "no autoscaler", changed(FLEX_START, forecast=MINIMAL["forecast"])),  # pyright: ignore[reportTypedDictNotRequiredAccess]
    ("min_size", "no autoscaler", changed(FLEX_START, min_size=1)),
    ("target_tracking", "no autoscaler", changed(FLEX_START, target_tracking=[{"metric": "cpu", "target_value": 60}])),
    ("shards", "no autoscaler", changed(FLEX_START, shards=[SHARD])),
    ("health_check", "no repairs", changed(FLEX_START, health_check={"port": 8000})),
    ("update_policy", "no repairs", changed(FLEX_START, update_policy={"proactive": True})),
    ("distribution", "no autoscaler", changed(FLEX_START, distribution="EVEN")),
    (
        "flex_start.run_duration_seconds",
        "600 to 604800",
        changed(FLEX_START, flex_start={"run_duration_seconds": 60, "requests": {}}),
    ),
    (
        "flex_start.requests.Night",
        "lower-case",
        changed(FLEX_START, flex_start={"run_duration_seconds": 600, "requests": {"Night": 1}}),
    ),
    (
        "flex_start.requests.night",
        "1 to 1000",
        changed(FLEX_START, flex_start={"run_duration_seconds": 600, "requests": {"night": 0}}),
    ),
    ("flex_start.requests", "required", changed(FLEX_START, flex_start={"run_duration_seconds": 600})),
    # Sizes, place, forecast
    ("min_size", "only flex_start", changed(MINIMAL, min_size=None)),
    ("max_size", "only flex_start", changed(MINIMAL, max_size=None)),
    ("max_size", "at least min_size", changed(MINIMAL, min_size=5)),
    ("forecast", "only flex_start", changed(MINIMAL, forecast=None)),
    ("distribution", "BALANCED", changed(MINIMAL, distribution="ANY")),
    ("distribution", "zonal", changed(MINIMAL, zone="europe-west1-b", distribution="EVEN")),
    ("zones", "one region", changed(MINIMAL, zones=["europe-west1-b", "europe-west2-b"])),
    ("forecast.load_per_instance", "no such field", changed(MINIMAL, forecast={"load_per_instance": 5})),
    ("forecast.load_per_replica", "required", changed(MINIMAL, forecast={"load": LOAD})),
    (
        "forecast.load_per_replica",
        "greater than or equal to 0.000000001",
        changed(MINIMAL, forecast={"load_per_replica": 0, "load": LOAD}),
    ),
    ("forecast.load", "metric", changed(MINIMAL, forecast={"load_per_replica": 5})),
    (
        "forecast.warm_headroom",
        "",
        changed(MINIMAL, forecast={"load_per_replica": 5, "load": LOAD, "warm_headroom": -1}),
    ),
    (
        "forecast.on_demand_quantile",
        "",
        changed(MINIMAL, forecast={"load_per_replica": 5, "load": LOAD, "on_demand_quantile": 2}),
    ),
    (
        "forecast.learn_lead_time",
        "",
        changed(MINIMAL, forecast={"load_per_replica": 5, "load": LOAD, "learn_lead_time": "yes"}),
    ),
    ("health_check_grace_seconds", "lead_time_seconds, 600", changed(MINIMAL, health_check_grace_seconds=500)),
    (
        "health_check_grace_seconds",
        "lead_time_seconds, 3600",
        changed(MINIMAL, health_check_grace_seconds=3599, forecast={**FORECAST, "lead_time_seconds": 7200}),
    ),
    ("target_tracking[0].metric", "", changed(MINIMAL, target_tracking=[{"metric": "gpu", "target_value": 1}])),
    ("metadata.a", "text", changed(MINIMAL, metadata={"a": 1})),
    ("image", "image", changed(MINIMAL, image=None)),
    ("gpus", "no such field", changed(MINIMAL, gpus=1)),
    # What runs
    ("training", "workload is what runs", changed(SERVING, training=TRAINER)),
    ("startup_script", "workload is what runs", changed(SERVING, startup_script="#!/bin/sh")),
    ("workload.preset", "vllm", changed(SERVING, workload={**SERVER, "preset": "llama"})),
    ("workload.model", "gs://", changed(SERVING, workload={**SERVER, "model": "s3://models/llm"})),
    (
        "workload.gpus_per_replica",
        "1 GPUs of g2-standard-8",
        changed(SERVING, workload={**SERVER, "gpus_per_replica": 2}),
    ),
    ("replicas_per_instance", "gpus_per_replica", changed(SERVING, replicas_per_instance=1)),
    ("load_balancer.instance_port", "8000", changed(SERVING, load_balancer={"instance_port": 80})),
    ("forecast", "min_size", changed(MINIMAL, training=TRAINER)),
    ("shards", "min_size", changed(MINIMAL, training=TRAINER, forecast=None, shards=[SHARD])),
    ("max_size", "min_size, 1", changed(MINIMAL, training=TRAINER, forecast=None)),
    ("min_size", "only flex_start", changed(MINIMAL, training=TRAINER, forecast=None, min_size=None, max_size=None)),
    ("min_size", "training.min_nodes, 2", changed(MINIMAL, training=PAIR, forecast=None, max_size=None)),
    (
        "flex_start.requests",
        "training.min_nodes, 4",
        changed(FLEX_START, training={**PAIR, "min_nodes": 4, "max_nodes": 4}, flex_start=TWO_OF_ONE),
    ),
    ("training.max_nodes", "at least", changed(MINIMAL, training={**TRAINER, "min_nodes": 4}, forecast=None)),
    # Shards
    ("min_size", "each has its own", changed(SHARDED, min_size=1)),
    ("forecast.load", "each has its own", changed(SHARDED, forecast={"load_per_replica": 5, "load": LOAD})),
    ("shards[1].name", "no other shard", shards({}, {})),
    ("shards[0].name", "lower-case", shards({"name": "A"})),
    ("shards[0].name", "at most 40", shards({"name": "a" * 38})),
    ("shards[1].max_size", "at least min_size", shards({}, {"name": "b", "min_size": 3})),
    ("shards[0].min_size", "whole", shards({"min_size": -1})),
    ("shards[0].load", "metric", shards({"load": None})),
    ("shards[0].load.metric_type", "", shards({"load": {"metric_type": "load"}})),
    ("shards[0].metadata.a", "text", shards({"metadata": {"a": 1}})),
    ("shards[0].zone", "no such field", shards({"zone": "europe-west1-b"})),
    ("shards", "at most 20", shards(*({"name": f"s{number}"} for number in range(21)))),
]


@pytest.mark.parametrize(
    ("field", "right", "args"), WRONG, ids=[f"{index}-{field}" for index, (field, _, _) in enumerate(WRONG)]
)
def test_a_wrong_argument_is_named_with_the_right_choice_before_anything_is_registered(
    field: str, right: str, args: GcpGpuPoolArgs
) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.GcpGpuPool("llm", args)
        assert raised.value.field == field
        assert right in raised.value.expected
        assert raised.value.expected

    recorder, _ = record(program)
    assert recorder.registrations == []


@pytest.mark.parametrize("name", ["Llm", "-llm", "9llm", "l" * 41, ""])
def test_a_name_must_fit_into_names_of_the_cloud(name: str) -> None:
    def program() -> None:
        with pytest.raises(SettingsError, match=r"^name: "):
            component.GcpGpuPool(name, MINIMAL)

    assert record(program)[0].registrations == []


@pytest.mark.parametrize(
    "args", [MAXIMAL, changed(FLEX_START, flex_start={"run_duration_seconds": 600, "requests": {"r" * 14: 1}})]
)
def test_names_of_the_children_leave_room_for_automatic_ones(args: GcpGpuPoolArgs) -> None:
    """Google Cloud's names end at 63 characters, of which automatic naming takes 8; it refuses a longer name."""
    recorder, _ = record(lambda: component.GcpGpuPool("l" * 40, args))
    named = [item.name for item in recorder.registrations if item.type.startswith("gcp:compute/")]
    assert named
    assert max(map(len, named)) <= 63 - 8


@pytest.mark.parametrize(
    "args",
    [
        *(
            changed(MINIMAL, machine_type=name, node_affinities=NODES)
            for name in ("a2-highgpu-8g", "a2-megagpu-16g", "a3-highgpu-8g", "a3-megagpu-8g")
        ),
        changed(MINIMAL, training=PAIR, forecast=None, min_size=2, max_size=None),
        changed(MINIMAL, training=PAIR, forecast=None, min_size=2, max_size=2),
        changed(FLEX_START, training=PAIR, flex_start=TWO_OF_ONE),
        changed(
            MINIMAL,
            training=TRAINER,
            forecast=None,
            max_size=None,
            health_check={"port": 80},
            health_check_grace_seconds=9,
        ),
    ],
    ids=lambda _: "",
)
def test_what_the_cloud_and_the_trainer_can_do_is_taken(args: GcpGpuPoolArgs) -> None:
    """Sole-tenant nodes that there are (Compute Engine, node types), and as many nodes as the trainer starts with or none."""
    recorder, _ = record(lambda: component.GcpGpuPool("llm", args))
    assert recorder.one(":RegionInstanceGroupManager")
