from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from pulumi.runtime.proto import provider_pb2

import elastic_iac
from forecasting.settings import Fleet
from tests import job_args
from tests.group_args import MAXIMAL, MINIMAL, later
from tests.recording import as_json, golden, record
from tests.wire import PluginHost, output, plugin_host, problems, provider, wire

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def host() -> Iterator[PluginHost]:
    with plugin_host() as running:
        yield running


def test_the_package_exports_the_components_and_nothing_else() -> None:
    code = "import sys, elastic_iac; print(*dir(elastic_iac)); print('pulumi' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == [*elastic_iac.__all__, "False"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="AwsAutoScalingGroup"):
        _ = elastic_iac.AwsAutoScalingGroup  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType] - the point


def test_the_repository_is_a_plugin() -> None:
    assert yaml.safe_load((ROOT / "PulumiPlugin.yaml").read_text(encoding="utf-8")) == {"runtime": "python"}
    assert not (ROOT / "__main__.py").exists()


def test_the_schema_is_as_released() -> None:
    schema = json.loads(provider().schema or "")
    assert schema.pop("version") == metadata.version("elastic-iac")
    assert schema == golden("schema.json", schema)


def test_every_field_of_the_schema_is_documented() -> None:
    schema = golden("schema.json", None)
    resources = schema["resources"].values()
    groups = [
        *(resource["inputProperties"] for resource in resources),
        *(resource["properties"] for resource in resources),
        *(kind["properties"] for kind in schema["types"].values() if "enum" not in kind),
    ]
    assert [name for group in groups for name, field in group.items() if not field.get("description")] == []
    assert all(kind.get("required") or kind.get("enum") for kind in schema["types"].values())


def test_the_host_serves_that_schema(host: PluginHost) -> None:
    served = json.loads(host.provider.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    expected = golden("schema.json", None)
    assert served.pop("version") == metadata.version("elastic-iac")
    assert served == expected


class TestConstruct:
    """Through `ComponentProvider.construct`, in this process."""

    @pytest.mark.parametrize("outputs", [False, True])
    def test_literals_and_outputs_make_the_same_children(self, outputs: bool) -> None:
        def program() -> None:
            inputs: dict[str, Any] = wire(MAXIMAL)
            if outputs:
                for field in ("vpcId", "subnetIds", "minSize", "maxSize", "instanceType", "amiSsmParameter"):
                    inputs[field] = later(inputs[field])
                inputs["loadBalancer"]["instancePort"] = later(8080.0)
                inputs["mixedInstances"]["onDemandBaseCapacity"] = later(2.0)
            provider().construct("web", "elastic-iac:index:AwsAutoscalingGroup", inputs)

        recorder, _ = record(program)
        assert as_json(recorder.registrations) == golden("autoscaling_group_maximal.json", None)["registrations"]

    def test_a_missing_argument_is_named(self) -> None:
        def program() -> None:
            with pytest.raises(Exception, match="max_size: got None; expected a value: the field is required"):
                provider().construct("web", "elastic-iac:index:AwsAutoscalingGroup", {**wire(MINIMAL), "maxSize": None})

        assert record(program)[0].registrations == []


def children(registrations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the component itself, whose parent is the caller's."""
    return [item for item in registrations if item["name"] != "web"]


class TestOverTheWire:
    """Through a host process and gRPC, in the wire form that other languages send."""

    def test_literals(self, host: PluginHost) -> None:
        recorder, state = host.construct("web", wire(MAXIMAL))
        expected = golden("autoscaling_group_maximal.json", None)
        assert children(as_json(recorder.registrations)) == children(expected["registrations"])
        assert Fleet.model_validate_json(state["fleet"]) == Fleet.model_validate_json(expected["outputs"]["fleet"])
        assert state["loadBalancerUrl"] == expected["outputs"]["load_balancer_url"]

    def test_outputs(self, host: PluginHost) -> None:
        inputs = wire(MAXIMAL)
        for field in ("vpcId", "minSize", "maxSize", "instanceType", "amiSsmParameter", "subnetIds"):
            inputs[field] = output(inputs[field])
        inputs["loadBalancer"]["instancePort"] = output(8080.0)
        inputs["loadBalancer"]["subnetIds"] = [output("subnet-0c"), "subnet-0d"]
        inputs["forecast"]["loadPerInstance"] = output(100.0)
        inputs["targetTracking"][2]["customMetric"]["dimensions"]["Service"] = output("web")
        recorder, _ = host.construct("web", inputs)
        expected = golden("autoscaling_group_maximal.json", None)["registrations"]
        assert [{**item, "depends_on": []} for item in children(as_json(recorder.registrations))] == [
            {**item, "depends_on": []} for item in children(expected)
        ]

    def test_the_least(self, host: PluginHost) -> None:
        recorder, state = host.construct("web", wire(MINIMAL))
        expected = golden("autoscaling_group_minimal.json", None)["registrations"]
        assert children(as_json(recorder.registrations)) == children(expected)
        assert "loadBalancerUrl" not in state or state["loadBalancerUrl"] is None

    def test_a_wrong_argument_is_named(self, host: PluginHost) -> None:
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("web", {**wire(MINIMAL), "minSize": -1.0})
        assert problems(raised.value) == {"minSize": "got -1.0; expected a whole number from 0 to 100000"}
        assert host.monitor.recorder.registrations == []


JOB = "elastic-iac:index:AwsForecastJob"


def children_of_job(registrations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the component itself; and without dependencies, which outputs of other resources add to."""
    return [{**item, "depends_on": []} for item in registrations if item["name"] != "job"]


class TestForecastJob:
    """The job takes the outputs of groups, each by itself or all as one, whatever the caller's language makes of them."""

    EXPECTED = "forecast_job_maximal.json"

    @pytest.mark.parametrize("fleets", ["literals", "outputs", "one output"])
    def test_construct(self, fleets: str) -> None:
        def program() -> None:
            inputs: dict[str, Any] = wire(job_args.MAXIMAL)
            if fleets != "literals":
                given = inputs["fleets"]
                inputs["fleets"] = later(given) if fleets == "one output" else [later(text) for text in given]
            provider().construct("job", JOB, inputs)

        registered = as_json(record(program)[0].registrations)
        assert children_of_job(registered) == children_of_job(golden(self.EXPECTED, None)["registrations"])

    @pytest.mark.parametrize("fleets", ["literals", "outputs", "one output"])
    def test_over_the_wire(self, host: PluginHost, fleets: str) -> None:
        inputs: dict[str, Any] = wire(job_args.MAXIMAL)
        if fleets != "literals":
            given = inputs["fleets"]
            inputs["fleets"] = output(given) if fleets == "one output" else [output(text) for text in given]
        recorder, state = host.construct("job", inputs, "AwsForecastJob")
        expected = golden(self.EXPECTED, None)
        assert children_of_job(as_json(recorder.registrations)) == children_of_job(expected["registrations"])
        assert state["settingsUrls"] == expected["outputs"]["settings_urls"]
        assert state["bucketName"] == expected["outputs"]["bucket_name"]

    def test_one_output_of_unknown_length_is_refused_by_name(self, host: PluginHost) -> None:
        inputs = wire(job_args.MINIMAL)
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("job", {**inputs, "fleets": output(inputs["fleets"])}, "AwsForecastJob")
        assert list(problems(raised.value)) == ["fleetCount"]
        assert host.monitor.recorder.registrations == []
