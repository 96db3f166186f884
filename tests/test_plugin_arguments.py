"""Arguments of every component over Pulumi's plugin boundary, in the shapes in which the engine sends them, and the answers to wrong ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import grpc
import pytest
from google.protobuf import json_format, struct_pb2

import elastic_iac
from elastic_iac.plugin.paths import property_path
from elastic_iac.plugin.wire_inputs import with_objects_at_hand
from tests import gcp_group_args, gcp_job_args, gcp_pool_args, group_args, job_args, pool_args
from tests.recording import as_json, golden, record, revealed
from tests.wire import URN, PluginHost, output, plugin_host, problems, provider, secret, unknown, wire

CASES: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "autoscaling_group_maximal": ("web", "AwsAutoscalingGroup", group_args.MAXIMAL),
    "gpu_pool_maximal": ("llm", "AwsGpuPool", pool_args.MAXIMAL),
    "gpu_pool_sharded": ("llm", "AwsGpuPool", pool_args.SHARDED),
    "forecast_job_maximal": ("job", "AwsForecastJob", job_args.MAXIMAL),
    "gcp_autoscaling_group_maximal": ("web", "GcpAutoscalingGroup", gcp_group_args.MAXIMAL),
    "gcp_autoscaling_group_capacity": ("web", "GcpAutoscalingGroup", gcp_group_args.CAPACITY),
    "gcp_gpu_pool_maximal": ("llm", "GcpGpuPool", gcp_pool_args.MAXIMAL),
    "gcp_gpu_pool_sharded": ("llm", "GcpGpuPool", gcp_pool_args.SHARDED),
    "gcp_gpu_pool_flex_start": ("llm", "GcpGpuPool", gcp_pool_args.FLEX_START),
    "gcp_forecast_job_maximal": ("job", "GcpForecastJob", gcp_job_args.MAXIMAL),
}

GOLDEN_CASES = tuple(CASES)
"""The others are compared with what the same arguments declare in a Python program."""

_EXISTING = {"name": "legacy", "group_name": "legacy-group", "min_size": 2, "max_size": 20}
CASES.update(
    {
        "existing groups on AWS": (
            "job",
            "AwsForecastJob",
            {
                **job_args.MINIMAL,
                "permissions_boundary_arn": "arn:aws:iam::111122223333:policy/boundary",
                "vpc_subnet_ids": ["subnet-0a"],
                "vpc_security_group_ids": ["sg-0a"],
                "existing_groups": [
                    {
                        **_EXISTING,
                        "region": "eu-west-1",
                        "forecast": {"load_per_instance": 40, "quantile": 0.8},
                        "load_balancer": "app/web/0a1b",
                    }
                ],
            },
        ),
        "existing groups on Google Cloud": (
            "job",
            "GcpForecastJob",
            {
                **gcp_job_args.MINIMAL,
                "vpc_connector": "projects/shop-prod/locations/europe-west1/connectors/private",
                "existing_groups": [
                    {
                        **_EXISTING,
                        "project": "shop-prod",
                        "location": "europe-west1-b",
                        "autoscaler_name": "legacy-autoscaler",
                        "forecast": {"load_per_instance": 50, "load": {"metric_type": "custom.googleapis.com/started"}},
                    }
                ],
            },
        ),
        "arguments that users ask for on AWS": (
            "web",
            "AwsAutoscalingGroup",
            {
                **group_args.MINIMAL,
                "target_group_arns": ["arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/mine/0a"],
                "health_check_type": "EC2",
                "permissions_boundary_arn": "arn:aws:iam::111122223333:policy/boundary",
                "security_group_ids": ["sg-0b"],
                "key_name": "ops",
                "suspended_processes": ["AZRebalance"],
                "instance_maintenance_policy": {"min_healthy_percent": 90, "max_healthy_percent": 120},
                "max_instance_lifetime_seconds": 604_800,
                "load_balancer": {
                    "instance_port": 80,
                    "ip_address_type": "dualstack",
                    "health_check_matcher": "200-399",
                },
                "instance_requirements": {"min_vcpus": 2, "min_memory_mib": 4096, "allowed_instance_types": ["m7*"]},
            },
        ),
        "a profile and key of the user's own": (
            "llm",
            "AwsGpuPool",
            {
                **pool_args.MINIMAL,
                "instance_profile_arn": "arn:aws:iam::111122223333:instance-profile/mine",
                "key_name": "ops",
                "target_group_arns": [],
            },
        ),
    }
)


@pytest.fixture(scope="module")
def host() -> Iterator[PluginHost]:
    with plugin_host() as running:
        yield running


def _objects(inputs: Mapping[str, Any], mark: Callable[[Any], Any]) -> dict[str, Any]:
    """The inputs with each top-level value marked; but not the fleets of a job, whose number must be at hand beside a literal `fleetCount` only."""
    return {key: value if key == "fleets" else mark(value) for key, value in inputs.items()}


def _inner(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with each object and list inside another one marked."""

    def marked(value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            inside = {key: marked(item, depth + 1) for key, item in cast("dict[str, Any]", value).items()}
            return output(inside) if depth else inside
        if isinstance(value, list):
            return [marked(item, depth + 1) for item in cast("list[Any]", value)]
        return value

    return {key: marked(value, 0) for key, value in inputs.items()}


SHAPES: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "every value an output": lambda inputs: _objects(inputs, output),
    "every value a secret output": lambda inputs: _objects(inputs, lambda value: output(value, secret=True)),
    "every value a secret": lambda inputs: _objects(inputs, secret),
    "outputs of outputs": lambda inputs: _objects(inputs, lambda value: output(output(value))),
    "objects in objects": _inner,
    "an object with a secret in it": lambda inputs: {
        key: {name: secret(item) for name, item in cast("dict[str, Any]", value).items()}
        if isinstance(value, dict)
        else value
        for key, value in inputs.items()
    },
}


def children(registrations: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Without the component itself, and without what an output changes: dependencies, and the names of rules that are named by a range."""
    rule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    others = [item for item in registrations if item["name"] != name]
    return [{**item, "depends_on": [], "name": item["name"] if item["type"] != rule else ""} for item in others]


@functools.cache
def expected_of(case: str) -> list[dict[str, Any]]:
    """What the arguments of the case declare."""
    if case in GOLDEN_CASES:
        return revealed(golden(f"{case}.json", None)["registrations"])
    name, component, args = CASES[case]
    recorder, _ = record(lambda: getattr(elastic_iac, component)(name, args))
    return revealed(as_json(recorder.registrations))


@pytest.mark.parametrize(
    ("case", "shape"),
    [
        *((case, shape) for case in GOLDEN_CASES for shape in (*SHAPES, "dependencies alone")),
        *(
            (case, shape)
            for case in CASES
            if case not in GOLDEN_CASES
            for shape in ("every value an output", "literals")
        ),
    ],
)
def test_arguments_arrive_in_every_shape(host: PluginHost, case: str, shape: str) -> None:
    name, component, args = CASES[case]
    inputs = wire(args)
    given = SHAPES[shape](inputs) if shape in SHAPES else inputs
    depends = [key for key in inputs if key != "fleets"] if shape == "dependencies alone" else ()
    recorder, _ = host.construct(name, given, component, depends=depends)
    assert children(revealed(as_json(recorder.registrations)), name) == children(expected_of(case), name)


def test_a_secret_stays_one(host: PluginHost) -> None:
    """The fields of a secret object are secrets where they are registered."""
    inputs = wire(gcp_group_args.MAXIMAL)
    recorder, _ = host.construct("web", {**inputs, "bootDisk": secret(inputs["bootDisk"])}, "GcpAutoscalingGroup")
    disks = recorder.one(":InstanceTemplate").inputs["disks"]
    assert disks != revealed(disks)


def _prepared(component: str, inputs: dict[str, Any], dependencies: Mapping[str, list[str]] | None = None) -> Any:
    definition = provider().definition(f"elastic-iac:index:{component}")
    assert definition is not None
    given = json_format.ParseDict(inputs, struct_pb2.Struct())
    return with_objects_at_hand(given, dependencies or {}, definition, provider().types)


def test_fields_of_an_output_keep_its_dependencies_and_secrecy() -> None:
    inputs = {"bootDisk": output({"sizeGib": 50.0, "type": output("pd-ssd", secret=True)})}
    prepared = _prepared("GcpAutoscalingGroup", inputs)
    disk = json_format.MessageToDict(prepared.inputs)["bootDisk"]
    assert disk == {"sizeGib": output(50.0), "type": output("pd-ssd", secret=True)}
    assert prepared.secrets == {"bootDisk.type"}


def test_what_depends_on_a_resource_says_so() -> None:
    prepared = _prepared("GcpAutoscalingGroup", {"bootDisk": {"sizeGib": 50.0}}, {"bootDisk": [URN]})
    assert json_format.MessageToDict(prepared.inputs)["bootDisk"] == {"sizeGib": output(50.0)}


def test_literals_are_left_as_they_are() -> None:
    inputs = wire(gcp_pool_args.MAXIMAL)
    assert json_format.MessageToDict(_prepared("GcpGpuPool", inputs).inputs) == inputs


class TestPreview:
    """A whole object that is not known yet has its required fields, none of them known."""

    def test_an_unknown_object(self, host: PluginHost) -> None:
        recorder, _ = host.construct(
            "web", {**wire(gcp_group_args.MAXIMAL), "bootDisk": unknown()}, "GcpAutoscalingGroup", preview=True
        )
        assert recorder.of(":InstanceTemplate")

    @pytest.mark.parametrize("value", [unknown(), "04da6b54-80e4-46f7-96ec-b56ff0331ba9"])
    def test_its_required_fields(self, value: Any) -> None:
        prepared = _prepared("GcpAutoscalingGroup", {"forecast": value})
        fields = prepared.inputs.fields["forecast"].struct_value.fields
        assert list(fields) == ["loadPerInstance"]
        assert "value" not in fields["loadPerInstance"].struct_value.fields

    def test_a_field_that_must_be_at_hand(self, host: PluginHost) -> None:
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("web", {**wire(gcp_group_args.MAXIMAL), "updatePolicy": unknown()}, "GcpAutoscalingGroup")
        assert list(problems(raised.value)) == ["updatePolicy.proactive"]


class TestWrongArguments:
    """Each is reported at its property; literals before anything is registered."""

    @pytest.mark.parametrize("wrong", [-1.0, output(-1.0)], ids=["literal", "output"])
    @pytest.mark.parametrize("case", ["autoscaling_group_maximal", "gcp_autoscaling_group_maximal"])
    def test_at_its_property(self, host: PluginHost, case: str, wrong: Any) -> None:
        name, component, args = CASES[case]
        with pytest.raises(grpc.RpcError) as raised:
            host.construct(name, {**wire(args), "minSize": wrong}, component)
        assert problems(raised.value) == {"minSize": "got -1.0; expected a whole number from 0 to 100000"}
        assert "Traceback" not in (raised.value.details() or "")  # pyright: ignore[reportAttributeAccessIssue] - a call

    def test_inside_an_object(self, host: PluginHost) -> None:
        inputs = wire(group_args.MAXIMAL)
        inputs["loadBalancer"]["healthCheckPath"] = "no-slash"
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("web", inputs)
        assert list(problems(raised.value)) == ["loadBalancer.healthCheckPath"]

    def test_a_misspelt_field_is_not_dropped(self, host: PluginHost) -> None:
        inputs = wire(group_args.MAXIMAL)
        inputs["forecast"]["leadTime"] = 3.0
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("web", inputs)
        assert list(problems(raised.value)) == ["forecast.leadTime"]

    def test_a_missing_field(self, host: PluginHost) -> None:
        inputs = wire(group_args.MAXIMAL)
        del inputs["forecast"]["loadPerInstance"]
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("web", inputs)
        assert problems(raised.value) == {
            "forecast.loadPerInstance": "got None; expected a value: the field is required"
        }

    def test_a_secret_is_not_shown(self, host: PluginHost) -> None:
        inputs = {**wire(group_args.MAXIMAL), "instanceType": output("hunter2", secret=True)}
        with pytest.raises(grpc.RpcError) as raised:
            host.construct("web", inputs)
        assert list(problems(raised.value)) == ["instanceType (secret)"]
        assert "hunter2" not in str(raised.value)

    def test_a_component_that_is_not_there(self, host: PluginHost) -> None:
        with pytest.raises(grpc.RpcError, match="AwsAutoScalingGroup"):
            host.construct("web", {}, "AwsAutoScalingGroup")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("min_size", ("minSize", "")),
        ("forecast.events[0].load_factor", ("forecast.events[0].loadFactor", "")),
        ("forecast.load.metric_labels.some_label", ("forecast.load.metricLabels.some_label", "")),
        ("labels.cost.center", ('labels["cost.center"]', "")),
        ("zones[1]", ("zones[1]", "")),
        ("name", ("name", "")),
        ("forecast.floor_of_mine", ("forecast.floor_of_mine", "")),
        ("machine_type.family", ("machineType", "family")),
    ],
)
def test_paths(field: str, expected: tuple[str, str]) -> None:
    definition = provider().definition("elastic-iac:index:GcpAutoscalingGroup")
    assert definition is not None
    assert property_path(field, definition, provider().types) == expected
