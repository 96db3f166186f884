"""The gRPC side of Pulumi's plugin boundary: a plugin host of this package, and an engine's monitor for it to register with."""

# ruff: noqa: N802 - gRPC names its methods so
from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    errors_pb2,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
    status_pb2,
)
from pydantic.alias_generators import to_camel

from elastic_iac.plugin.provider import HostedProvider
from tests.recording import Mocks, Recorder

OUTPUT = {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
"""What marks an output on the wire (the engine's signature key and the signature of output values)."""

_FREE_KEYS = {
    *("environment", "secrets"),
    *("dimensions", "tags", "instance_policy_arns"),
    *("labels", "metric_labels", "resource_labels", "user_labels", "metadata", "instance_roles", "named_ports"),
    *("requests", "environment", "secrets"),
}


URN = "urn:pulumi:test::elastic-iac::other:index:Thing::thing"


def output(value: Any, *, secret: bool = False) -> dict[str, Any]:
    """An output-valued input as other languages send it."""
    return {**OUTPUT, "value": value, "dependencies": [URN], "secret": secret}


def unknown() -> dict[str, Any]:
    """An output whose value is not known during a preview."""
    return {**OUTPUT, "dependencies": [URN]}


def secret(value: Any) -> dict[str, Any]:
    """A secret as engines send it to a host that takes no output values."""
    return {next(iter(OUTPUT)): "1b47061264138c4ac30d75fd1eb44270", "value": value}


@functools.cache
def provider() -> HostedProvider:
    """The hosted provider in this process."""
    return HostedProvider()


def problems(error: grpc.RpcError) -> dict[str, str]:
    """The wrong arguments that a call was answered with: reasons by the paths of properties."""
    metadata: dict[str, bytes] = dict(cast("Any", error).trailing_metadata() or ())
    status, details = status_pb2.Status(), errors_pb2.InputPropertiesError()
    status.ParseFromString(metadata.get("grpc-status-details-bin", b""))
    for detail in status.details:
        detail.Unpack(details)
    return {each.property_path: each.reason for each in details.errors}


def wire(value: Any, field: str = "") -> Any:
    """Arguments as other languages send them: camelCase keys, every number a float."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key if field in _FREE_KEYS else to_camel(key): wire(item, key) for key, item in items}
    if isinstance(value, list):
        return [wire(item) for item in cast("list[Any]", value)]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class _Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Hands what a plugin registers to a recorder."""

    def __init__(self) -> None:
        self.recorder = Recorder(Mocks())

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id != "outputValues")

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        return self.recorder.GetDeploymentInfo(request)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK

    def Invoke(self, request: Any, context: Any) -> Any:
        return self.recorder.Invoke(request)

    def RegisterResource(self, request: Any, context: Any) -> Any:
        return self.recorder.RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


class _Engine(engine_pb2_grpc.EngineServicer):
    """Takes what a plugin logs."""

    def Log(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


@dataclass(frozen=True)
class PluginHost:
    """A running host and the monitor that it registers with."""

    provider: Any  # a stub, which the SDK leaves untyped
    monitor: _Monitor
    endpoint: str

    def construct(
        self,
        name: str,
        inputs: dict[str, Any],
        component: str = "AwsAutoscalingGroup",
        *,
        depends: Iterable[str] = (),
        preview: bool = False,
    ) -> tuple[Recorder, dict[str, Any]]:
        """Construct a component over the wire; what was registered, and its state. The inputs in `depends` depend on another resource."""
        dependencies = {key: provider_pb2.ConstructRequest.PropertyDependencies(urns=[URN]) for key in depends}
        self.monitor.recorder = Recorder(Mocks())
        request = provider_pb2.ConstructRequest(
            project="elastic-iac",
            stack="test",
            monitorEndpoint=self.endpoint,
            type=f"elastic-iac:index:{component}",
            name=name,
            inputs=json_format.ParseDict(inputs, struct_pb2.Struct()),
            inputDependencies=dependencies,
            dryRun=preview,
        )
        response = self.provider.Construct(request, timeout=60)
        return self.monitor.recorder, json_format.MessageToDict(response.state)


@contextmanager
def plugin_host() -> Generator[PluginHost, None, None]:
    """Run this package as Pulumi runs a plugin (`PulumiPlugin.yaml`: `runtime: python`)."""
    monitor = _Monitor()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), server)
    endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    command = [sys.executable, "-m", "pulumi.run.plugin", "elastic-iac", endpoint]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield PluginHost(provider_pb2_grpc.ResourceProviderStub(channel), monitor, endpoint)
            process.terminate()
    finally:
        server.stop(None).wait()
