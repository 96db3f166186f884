"""The stacks under the Pulumi CLI itself, with a local backend, pointed at the emulated cloud."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.engine.project import read_project
from elastic_iac.local.engine.pulumi_cli import open_stack, provision_with_cli
from forecasting.settings import Fleet
from tests.recording import GOLDEN

pytestmark = [
    pytest.mark.pulumi_cli,
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not on PATH"),
    pytest.mark.timeout(1200),
]

FUNCTION = str(GOLDEN / "function.zip")
"""In place of the package, which takes minutes to build the first time."""

STACKS = ["local", "dev", "staging", "prod"]
AUTOSCALER = "gcp:compute/regionAutoscaler:RegionAutoscaler"


class Environment:
    """One stack of a copy of the project: the CLI writes into its configuration."""

    def __init__(self, folder: Path, name: str, variables: dict[str, str], clouds: tuple[str, ...] = ("aws",)) -> None:
        self._config = folder / "stacks" / f"Pulumi.{name}.yaml"
        self.stack = open_stack(folder, name, variables)
        self._groups = "elastic-iac:groups" if "aws" in clouds else "elastic-iac:gcpGroups"

        def adjust(config: dict[str, Any]) -> None:
            config["elastic-iac:clouds"] = list(clouds)
            for key in ("elastic-iac:job", "elastic-iac:gcpJob"):
                if key in config:
                    config[key]["packagePath"] = FUNCTION

        self._change(adjust)

    def up(self) -> dict[str, int]:
        """Deploy; how many resources were created, updated, left the same, ..."""
        return _changes(self.stack.up().summary.resource_changes)

    def preview(self) -> dict[str, int]:
        """What a deployment would do."""
        return _changes(self.stack.preview().change_summary)

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the first group's settings in the stack's configuration file."""
        self._change(lambda config: change(config[self._groups][0]))

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        settings = yaml.safe_load(self._config.read_text(encoding="utf-8"))
        change(settings["config"])
        self._config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

    def resources(self) -> list[dict[str, Any]]:
        """The resources of the stack's state that stand in the cloud."""
        state = self.stack.export_stack().deployment or {}
        return [item for item in state.get("resources", []) if item["type"].startswith(("aws:", "gcp:"))]

    def rewrite(self, kind: str, name: str = "", **properties: Any) -> None:
        """Let the state say that resources of a type (those whose name ends so) have other properties, as a refresh does after somebody has changed
        them in the cloud: all outputs, and the inputs that the program gives or updates leave alone.
        """
        exported = self.stack.export_stack()
        state = copy.deepcopy(dict(exported.deployment or {}))
        found = [item for item in state["resources"] if item["type"] == kind and item["urn"].endswith(name)]
        assert found
        for item in found:
            item["inputs"].update({key: value for key, value in properties.items() if key in item["inputs"]})
            item["outputs"].update(properties)
        self.stack.import_stack(automation.Deployment(version=exported.version, deployment=state))


def _changes(changes: Mapping[Any, int] | None) -> dict[str, int]:
    """Counts by the name of the operation; the history has names, an event has members of an enumeration."""
    return {automation.OpType(kind).value: count for kind, count in (changes or {}).items() if count}


@pytest.fixture(params=STACKS)
def environment(request: pytest.FixtureRequest, tmp_path: Path, aws: LocalAws) -> Iterator[Environment]:
    made = Environment(tmp_path, request.param, aws.environment())
    yield made
    made.stack.destroy()


def test_the_life_of_an_environment(environment: Environment) -> None:
    preview = environment.preview()
    assert set(preview) == {"create"}
    assert environment.resources() == []

    assert environment.up() == preview
    assert set(environment.up()) == {"same"}

    environment.rewrite("aws:autoscaling/group:Group", minSize=3, desiredCapacity=3)
    for group in environment.resources():
        if group["type"] == "aws:autoscaling/group:Group" and "targetGroupArns" not in group["inputs"]:
            name = group["urn"].rsplit("::", 1)[-1]
            environment.rewrite("aws:autoscaling/group:Group", name, targetGroupArns=["arn:aws:people:::attached"])
    assert set(environment.up()) == {"same"}

    def raise_ceiling(group: dict[str, Any]) -> None:
        group["maxSize"] += 1

    environment.configure(raise_ceiling)
    changes = environment.up()
    assert changes.pop("same")
    assert changes == {"update": 3}  # the group; what the job is told of it, and may write to it
    assert set(environment.up()) == {"same"}

    environment.stack.destroy()
    assert environment.resources() == []


def test_an_image_is_held_until_a_refresh(environment: Environment) -> None:
    """The parameter names another image than the one that is deployed: an unrelated update must not replace instances."""
    environment.up()
    environment.rewrite("aws:ec2/launchTemplate:LaunchTemplate", imageId="ami-00000000000000000")
    assert set(environment.up()) == {"same"}

    environment.configure(lambda group: group.update(refreshAmi=True))
    assert environment.preview()["update"] >= 1
    environment.up()
    templates = [item["inputs"]["imageId"] for item in environment.resources() if "LaunchTemplate" in item["type"]]
    images, others = (
        set(templates),
        len(templates) - 1,
    )  # only the first group was to be refreshed, no other and no pool
    assert ("ami-00000000000000000" in images) == (others > 0)
    assert len(images) == min(others, 1) + 1


def test_the_fleets_are_what_the_job_reads(environment: Environment) -> None:
    environment.up()
    outputs = environment.stack.outputs()
    fleets = [Fleet.model_validate_json(fleet) for fleet in outputs["fleets"].value]
    pools: dict[str, list[str]] = outputs["pools"].value if "pools" in outputs else {}
    names = [*outputs["groups"].value.values(), *(name for groups in pools.values() for name in groups)]
    assert [fleet.target_key.split("/")[2] for fleet in fleets] == names


def test_the_demos_stack_comes_with_its_adjustments(tmp_path: Path, aws: LocalAws) -> None:
    """As `elastic-iac demo --engine pulumi` deploys it."""
    group = json.loads(read_project("local").config["elastic-iac:groups"])[0]
    lines: list[str] = []
    deployment = provision_with_cli(
        aws.environment(),
        tmp_path,
        adjust={
            "elastic-iac:groups": json.dumps([{**group, "maxSize": 17}]),
            "elastic-iac:job": json.dumps({"packagePath": FUNCTION}),
        },
        progress=lines.append,
    )
    try:
        fleet = Fleet.model_validate_json(deployment.outputs["fleets"][0])
        assert fleet.ceiling == 17
        assert "aws:autoscaling/group:Group" in {resource.type for resource in deployment.resources}
        assert any("created" in line for line in lines)
    finally:
        deployment.destroy()


@pytest.fixture(params=["local", "prod"])
def on_google(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    made = Environment(tmp_path, request.param, {}, clouds=("gcp",))
    yield made
    made.stack.destroy()


@pytest.mark.skipif(
    shutil.which("pulumi-resource-gcp") is None,
    reason="pulumi-resource-gcp on PATH, a stand-in that needs no project, is not there",
)
def test_the_life_of_an_environment_on_google_cloud(on_google: Environment) -> None:
    preview = on_google.preview()
    assert set(preview) == {"create"}
    assert on_google.up() == preview
    assert set(on_google.up()) == {"same"}
    before = json.loads(on_google.stack.outputs()["gcpFleets"].value[0])["revision"]

    def raise_ceiling(group: dict[str, Any]) -> None:
        group["maxSize"] += 1

    on_google.configure(raise_ceiling)
    changes = on_google.up()
    assert changes.pop("same")
    assert changes == {"update": 2}  # the autoscaler, and the job's settings, which run it
    assert json.loads(on_google.stack.outputs()["gcpFleets"].value[0])["revision"] != before

    # As a refresh finds it once the job has written.
    web = "-web-autoscaler"
    state = next(item for item in on_google.resources() if item["type"] == AUTOSCALER and item["urn"].endswith(web))
    schedule = {"name": "elastic-iac-x", "schedule": "0 8 1 1 * 2030", "durationSec": 300, "minRequiredReplicas": 4}
    policy = {**state["inputs"]["autoscalingPolicy"], "scalingSchedules": [schedule]}  # and the size that it makes
    on_google.rewrite("gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager", targetSize=4)
    on_google.rewrite(AUTOSCALER, web, autoscalingPolicy=policy)
    assert set(on_google.up()) == {"same"}

    on_google.stack.destroy()
    assert on_google.resources() == []
