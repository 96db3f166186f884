"""What a Pulumi program registers, recorded against Pulumi's testing monitor; and golden files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.rpc import deserialize_properties

from elastic_iac.local.engine.program import Monitor, run_program
from elastic_iac.local.engine.shapes import native, walk

GOLDEN = Path(__file__).resolve().parent / "golden"

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getRegion:getRegion": {"region": "eu-central-1"},
    "aws:index/getPartition:getPartition": {"partition": "aws"},
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "111122223333"},
    "aws:ssm/getParameter:getParameter": {"insecureValue": "ami-0123456789abcdef0"},
    "aws:ec2/getAmi:getAmi": {"rootDeviceName": "/dev/xvda"},
    "aws:ec2/getVpc:getVpc": {"id": "vpc-0de"},
    "aws:ec2/getSubnets:getSubnets": {"ids": ["subnet-0a", "subnet-0b"]},
    "gcp:organizations/getClientConfig:getClientConfig": {"project": "shop-prod", "region": "europe-west1"},
    "gcp:organizations/getProject:getProject": {"number": "123456789012"},
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": {"id": "storage@google"},
    "gcp:compute/getImage:getImage": {"selfLink": "projects/images/global/images/web-2"},
}


@dataclass(frozen=True)
class Registration:
    """One resource as it was registered; `parent` and `depends_on` are names."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    ignore_changes: list[str] = field(default_factory=list[str])
    depends_on: list[str] = field(default_factory=list[str])


class Mocks(mocks.Mocks):
    """A cloud that gives every resource plausible outputs and answers functions from a table."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]] = ANSWERS) -> None:
        self.answers = answers
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, args: mocks.MockCallArgs) -> Any:
        given = cast("Mapping[str, Any]", args.args)
        self.calls.append((args.token, given))
        return {**given, **self.answers[args.token]}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.custom:
            return None, {}
        inputs = cast("Mapping[str, Any]", args.inputs)
        if args.typ.startswith("gcp:"):
            return f"{args.name}-id", {**_google(args.name), **inputs, **_service(args.name, inputs)}
        named = {"name": f"{args.name}-0", "arn": f"arn:aws:mock:::{args.name}"}
        suffix = {"arnSuffix": f"suffix/{args.name}", "dnsName": f"{args.name}.example.com", "zoneId": "Z0"}
        return f"{args.name}-id", {**named, **suffix, "latestVersion": 3, **inputs}


def _service(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Where a function answers, among what was asked of its service."""
    if "serviceConfig" not in inputs:
        return {}
    made = {"service": f"projects/shop-prod/services/{name}-0", "uri": f"https://{name}.example.com"}
    return {"serviceConfig": {**revealed(inputs["serviceConfig"]), **made}}


def revealed(value: Any) -> Any:
    """`value` without the markers of secrets."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        if fields.get("4dabf18193072939515e22adb298388d") == "1b47061264138c4ac30d75fd1eb44270":
            return revealed(fields["value"])
        return {key: revealed(item) for key, item in fields.items()}
    return [revealed(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _google(name: str) -> dict[str, Any]:
    """What Google Cloud says of a resource besides its inputs."""
    place = {"project": "shop-prod", "region": "europe-west1", "zone": "europe-west1-b"}
    links = {"selfLink": f"projects/shop-prod/{name}", "selfLinkUnique": f"projects/shop-prod/{name}?uniqueId=1"}
    account = {"email": f"{name}@shop-prod.iam.gserviceaccount.com", "member": f"serviceAccount:{name}@shop-prod"}
    return {
        "name": f"{name}-0",
        **place,
        **links,
        **account,
        "instanceGroup": f"instanceGroups/{name}",
        "address": "203.0.113.7",
    }


class Recorder(Monitor):
    """Pulumi's testing monitor, with what the mocks are not told: parents, options, dependencies."""

    def __init__(self, cloud: Mocks, without: tuple[str, str] | None = None) -> None:
        super().__init__(cloud)
        self.cloud = cloud
        self.without = without
        self.dropped = 0
        self.registrations: list[Registration] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the monitor's protocol
        self._drop(request)
        if request.type != "pulumi:pulumi:Stack":
            self.registrations.append(
                Registration(
                    type=request.type,
                    name=request.name,
                    parent=_name(request.parent),
                    inputs=walk(native(cast("dict[str, Any]", deserialize_properties(request.object))), _plain),
                    ignore_changes=list(request.ignoreChanges),
                    depends_on=sorted(map(_name, request.dependencies)),
                )
            )
        return super().RegisterResource(request)

    def _drop(self, request: Any) -> None:
        """Take the input away from the resources of the type: what a component registers that forgot it."""
        kind, path = self.without or ("", "")
        *objects, last = path.split(".")
        fields: Any = request.object.fields
        for each in objects:
            value: Any = fields.get(each)
            fields = {} if value is None else value.struct_value.fields
            if value is not None and value.HasField("list_value"):  # of its first item
                fields = value.list_value.values[0].struct_value.fields
        if kind and request.type.endswith(kind) and last in fields:
            del fields[last]
            self.dropped += 1

    def of(self, type_end: str) -> list[Registration]:
        """Registrations whose type ends so, e.g. `:Group`."""
        return [item for item in self.registrations if item.type.endswith(type_end)]

    def one(self, type_end: str, name_end: str = "") -> Registration:
        """The one registration whose type and name end so."""
        (found,) = (item for item in self.of(type_end) if item.name.endswith(name_end))
        return found


def _plain(_key: str, value: Any) -> Any:
    """A file by its name alone: where it lies differs from machine to machine."""
    return {"asset": Path(str(value.path)).name} if isinstance(value, pulumi.FileAsset) else value


def _name(urn: str) -> str:
    return urn.rsplit("::", maxsplit=1)[-1]


def record(
    program: Callable[[], object],
    *,
    stack: str = "test",
    preview: bool = False,
    cloud: Mocks | None = None,
    without: tuple[str, str] | None = None,
) -> tuple[Recorder, dict[str, Any]]:
    """Run the program; what it registered and what it exported.

    Args:
        program: The program.
        stack: Name of the stack.
        preview: Run it as a preview.
        cloud: Answers of the cloud.
        without: End of a resource type and the path of an input (of a list's first item) that is lost on its way there: a
            mutant, which the assertions of that input must notice.
    """
    recorder = Recorder(cloud or Mocks(), without)
    outputs = run_program(program, recorder, project="elastic-iac", stack=stack, preview=preview)
    assert without is None or recorder.dropped, f"no {without[0]} has the input {without[1]}"
    return recorder, outputs


def as_json(registrations: list[Registration]) -> list[dict[str, Any]]:
    """Registrations in an order of their own: threads register in any."""
    return [asdict(item) for item in sorted(registrations, key=lambda item: (item.type, item.name))]


def golden(name: str, value: Any) -> Any:
    """The value that the file holds; with UPDATE_GOLDEN set the file is first written from `value`, to be read in the diff."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))
