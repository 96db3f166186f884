"""The Google Cloud components over Pulumi's plugin boundary, as other languages use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from forecasting.settings import Fleet
from tests import gcp_pool_args as pools
from tests.gcp_group_args import MAXIMAL, MINIMAL
from tests.group_args import later
from tests.recording import as_json, golden, record
from tests.wire import PluginHost, output, plugin_host, problems, provider, wire

GROUP = "GcpAutoscalingGroup"


@pytest.fixture(scope="module")
def host() -> Iterator[PluginHost]:
    with plugin_host() as running:
        yield running


def children(registrations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the component itself, whose parent is the caller's."""
    return [item for item in registrations if item["name"] != "web"]


@pytest.mark.parametrize("outputs", [False, True])
def test_literals_and_outputs_make_the_same_children(outputs: bool) -> None:
    def program() -> None:
        inputs: dict[str, Any] = wire(MAXIMAL)
        if outputs:
            for field in ("network", "subnetwork", "minSize", "maxSize", "machineType", "imageFamily", "region"):
                inputs[field] = later(inputs[field])
            inputs["loadBalancer"]["instancePort"] = later(8080.0)
            inputs["bootDisk"]["sizeGib"] = later(60.0)
        provider().construct("web", f"elastic-iac:index:{GROUP}", inputs)

    recorder, _ = record(program)
    assert as_json(recorder.registrations) == golden("gcp_autoscaling_group_maximal.json", None)["registrations"]


class TestOverTheWire:
    """Through a host process and gRPC, in the wire form that other languages send."""

    def test_literals(self, host: PluginHost) -> None:
        recorder, state = host.construct("web", wire(MAXIMAL), GROUP)
        expected = golden("gcp_autoscaling_group_maximal.json", None)
        assert children(as_json(recorder.registrations)) == children(expected["registrations"])
        assert Fleet.model_validate_json(state["fleet"]) == Fleet.model_validate_json(expected["outputs"]["fleet"])
        assert state["loadBalancerUrl"] == expected["outputs"]["load_balancer_url"]

    def test_outputs(self, host: PluginHost) -> None:
        inputs = wire(MAXIMAL)
        for field in ("network", "minSize", "maxSize", "machineType", "imageFamily", "region"):
            inputs[field] = output(inputs[field])
        inputs["loadBalancer"]["instancePort"] = output(8080.0)
        inputs["zones"] = [output("europe-west1-b"), "europe-west1-c"]
        inputs["forecast"]["loadPerInstance"] = output(100.0)
        inputs["labels"]["team"] = output("serving")
        recorder, _ = host.construct("web", inputs, GROUP)
        expected = golden("gcp_autoscaling_group_maximal.json", None)["registrations"]
        assert [{**item, "depends_on": []} for item in children(as_json(recorder.registrations))] == [
            {**item, "depends_on": []} for item in children(expected)
        ]

    def test_the_least(self, host: PluginHost) -> None:
        recorder, state = host.construct("web", wire(MINIMAL), GROUP)
        expected = golden("gcp_autoscaling_group_minimal.json", None)["registrations"]
        assert children(as_json(recorder.registrations)) == children(expected)
        assert state.get("loadBalancerUrl") is None

    def test_a_wrong_argument_is_named(self, host: PluginHost) -> None:
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("web", {**wire(MINIMAL), "minSize": -1.0}, GROUP)
        assert list(problems(raised.value)) == ["minSize"]
        assert host.monitor.recorder.registrations == []


POOL = "GcpGpuPool"
FILES = {"minimal": pools.MINIMAL, "maximal": pools.MAXIMAL, "flex_start": pools.FLEX_START, "sharded": pools.SHARDED}


def children_of_pool(registrations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the component itself; and without dependencies, which outputs of other resources add to."""
    return [{**item, "depends_on": []} for item in registrations if item["name"] != "llm"]


class TestPool:
    """The pool of accelerators: through `construct`, and through a host process and gRPC."""

    @pytest.mark.parametrize("file", FILES)
    def test_construct(self, file: str) -> None:
        def program() -> None:
            provider().construct("llm", f"elastic-iac:index:{POOL}", wire(FILES[file]))

        expected = golden(f"gcp_gpu_pool_{file}.json", None)["registrations"]
        assert children_of_pool(as_json(record(program)[0].registrations)) == children_of_pool(expected)

    @pytest.mark.parametrize("file", FILES)
    def test_literals(self, host: PluginHost, file: str) -> None:
        recorder, state = host.construct("llm", wire(FILES[file]), POOL)
        expected = golden(f"gcp_gpu_pool_{file}.json", None)
        assert children_of_pool(as_json(recorder.registrations)) == children_of_pool(expected["registrations"])
        assert state["fleets"] == expected["outputs"]["fleets"]
        assert state.get("fleet") == expected["outputs"]["fleet"]
        assert state["groupNames"] == expected["outputs"]["group_names"]

    def test_outputs(self, host: PluginHost) -> None:
        inputs = wire(pools.MAXIMAL)
        for field in ("network", "minSize", "maxSize", "imageFamily", "region"):
            inputs[field] = output(inputs[field])
        inputs["zones"] = [output("europe-west1-b"), "europe-west1-c"]
        inputs["forecast"]["loadPerReplica"] = output(12.5)
        inputs["forecast"]["warmHeadroom"] = output(1.0)
        inputs["nodeAffinities"][1]["values"][0] = output("other")
        inputs["metadata"]["team"] = output("serving")
        recorder, state = host.construct("llm", inputs, POOL)
        expected = golden("gcp_gpu_pool_maximal.json", None)
        assert children_of_pool(as_json(recorder.registrations)) == children_of_pool(expected["registrations"])
        assert state["fleets"] == expected["outputs"]["fleets"]

    def test_requests_that_are_outputs(self, host: PluginHost) -> None:
        inputs = wire(pools.FLEX_START)
        inputs["flexStart"]["requests"]["night-1"] = output(4.0)
        recorder, _ = host.construct("llm", inputs, POOL)
        expected = golden("gcp_gpu_pool_flex_start.json", None)["registrations"]
        assert children_of_pool(as_json(recorder.registrations)) == children_of_pool(expected)

    def test_a_wrong_argument_is_named(self, host: PluginHost) -> None:
        inputs = {**wire(pools.MINIMAL), "onHostMaintenance": "MIGRATE"}
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("llm", inputs, POOL)
        assert list(problems(raised.value)) == ["onHostMaintenance"]
        assert host.monitor.recorder.registrations == []
