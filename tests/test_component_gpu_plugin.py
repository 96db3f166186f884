"""The pool of GPU instances over Pulumi's plugin boundary, as other languages use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from forecasting.settings import Fleet
from tests.group_args import later
from tests.pool_args import MAXIMAL, MINIMAL, SHARDED
from tests.recording import as_json, golden, record
from tests.wire import PluginHost, output, plugin_host, problems, provider, wire

POOL = "AwsGpuPool"


@pytest.fixture(scope="module")
def host() -> Iterator[PluginHost]:
    with plugin_host() as running:
        yield running


def children(registrations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the component itself, whose parent is the caller's."""
    return [item for item in registrations if item["name"] != "llm"]


@pytest.mark.parametrize("outputs", [False, True])
def test_literals_and_outputs_make_the_same_children(outputs: bool) -> None:
    def program() -> None:
        inputs: dict[str, Any] = wire(MAXIMAL)
        if outputs:
            for field in ("vpcId", "subnetIds", "minSize", "maxSize", "amiSsmParameter"):
                inputs[field] = later(inputs[field])
            inputs["loadBalancer"]["instancePort"] = later(8000.0)
            inputs["spot"]["onDemandBaseCapacity"] = later(8.0)
        provider().construct("llm", f"elastic-iac:index:{POOL}", inputs)

    recorder, _ = record(program)
    assert as_json(recorder.registrations) == golden("gpu_pool_maximal.json", None)["registrations"]


class TestOverTheWire:
    """Through a host process and gRPC, in the wire form that other languages send."""

    def test_literals(self, host: PluginHost) -> None:
        recorder, state = host.construct("llm", wire(MAXIMAL), POOL)
        expected = golden("gpu_pool_maximal.json", None)
        assert children(as_json(recorder.registrations)) == children(expected["registrations"])
        assert Fleet.model_validate_json(state["fleet"]) == Fleet.model_validate_json(expected["outputs"]["fleet"])
        assert state["fleets"] == [state["fleet"]]

    def test_outputs(self, host: PluginHost) -> None:
        inputs = wire(MAXIMAL)
        for field in ("vpcId", "minSize", "maxSize", "amiSsmParameter", "subnetIds"):
            inputs[field] = output(inputs[field])
        inputs["loadBalancer"]["instancePort"] = output(8000.0)
        inputs["forecast"]["loadPerReplica"] = output(100.0)
        inputs["reservation"]["capacityReservationIds"] = [output("cr-0a")]
        recorder, _ = host.construct("llm", inputs, POOL)
        expected = golden("gpu_pool_maximal.json", None)["registrations"]
        assert [{**item, "depends_on": []} for item in children(as_json(recorder.registrations))] == [
            {**item, "depends_on": []} for item in children(expected)
        ]

    def test_shards(self, host: PluginHost) -> None:
        recorder, state = host.construct("llm", wire(SHARDED), POOL)
        expected = golden("gpu_pool_sharded.json", None)
        assert children(as_json(recorder.registrations)) == children(expected["registrations"])
        assert [Fleet.model_validate_json(fleet).name for fleet in state["fleets"]] == ["llm-en", "llm-de"]
        assert state.get("fleet") is None

    def test_a_wrong_argument_is_named(self, host: PluginHost) -> None:
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("llm", {**wire(MINIMAL), "minSize": 0.0}, POOL)
        assert list(problems(raised.value)) == ["minSize"]
        assert host.monitor.recorder.registrations == []
