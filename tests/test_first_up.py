"""A checklist of the first `up` on a real account, on the declared inputs of the samples."""

from __future__ import annotations

import base64
import json
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.recording import Registration
from tests.test_stacks import STACKS, deploy

ROOT = Path(__file__).resolve().parents[1]
REAL = [stack for stack in STACKS if stack != "local"]

pytestmark = pytest.mark.usefixtures("built_function")

ZONES: Mapping[str, str] = {
    "g2": "europe-west1-b europe-west1-c europe-west2-a europe-west2-b europe-west3-a europe-west3-b europe-west4-a "
    "europe-west4-b europe-west4-c us-central1-a us-central1-b us-central1-c us-east1-b us-east1-c us-east1-d",
    "a2": "europe-west4-a europe-west4-b us-central1-a us-central1-b us-central1-c us-central1-f us-east1-b",
    "a2-ultragpu": "europe-west4-a us-central1-a us-central1-c us-east4-c us-east5-b asia-southeast1-c",
    "a3": "europe-west1-b europe-west1-c europe-west4-b europe-west4-c us-central1-a us-central1-b us-central1-c "
    "us-east4-a us-east4-b us-east4-c us-east5-a us-west1-a us-west1-b us-west4-a",
}
"""https://cloud.google.com/compute/docs/gpus/gpu-regions-zones; other families are in every zone."""


def config(stack: str) -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
    return {key.removeprefix("elastic-iac:"): value for key, value in found.items()}


def head(stack: str) -> str:
    """The comment that a sample begins with."""
    lines = (ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8").split("config:\n", 1)[0]
    return re.sub(r"\s*# ?", " ", lines)


def scripts(stack: str) -> list[tuple[str, str]]:
    """What instances behind a health check on 8080 start, by the template's name."""
    registered, _ = deploy(stack, **{"elastic-iac:clouds": '["aws", "gcp"]'}) if stack == "local" else deploy(stack)
    found: list[tuple[str, str]] = []
    for item in registered.registrations:
        if item.name.endswith("web-launch-template"):
            found.append((item.name, base64.b64decode(item.inputs["userData"]).decode()))
        elif item.name.endswith("web-template"):
            found.append((item.name, item.inputs["metadata"]["startup-script"]))
    return found


def readme_script() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r'"user_data": """(.*?)"""', text, re.S)
    assert found
    return found[1]


def answers_health(script: str, folder: Path) -> bool:
    """Run the program that the script starts, on another port and folder, and ask as the load balancer does."""
    assert script.startswith("#!/bin/bash\n")
    (made,) = re.findall(r"^mkdir -p (\S+) && echo ok > (\S+)", script, re.M)
    folder.mkdir()
    (folder / Path(made[1]).relative_to(made[0])).write_text("ok", encoding="utf-8")
    (command,) = re.findall(r"python3 (-m http\.server .*)$", script, re.M)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = shlex.split(command.replace("8080", str(port)).replace(made[0], str(folder)))
    server = subprocess.Popen([sys.executable, *arguments, "--bind", "127.0.0.1"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
                    return answer.status == 200
            except URLError:
                time.sleep(0.05)
        return False
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_every_group_behind_a_load_balancer_answers_its_health_check(tmp_path: Path) -> None:
    found = {script for stack in STACKS for _, script in scripts(stack)} | {readme_script()}
    assert {name for stack in STACKS for name, _ in scripts(stack)} == {
        *(f"{stack}-web-launch-template" for stack in STACKS),
        "local-web-template",
        "prod-web-template",
    }
    for number, script in enumerate(sorted(found)):
        assert "8080" in script
        assert answers_health(script, tmp_path / str(number))


@pytest.mark.parametrize("stack", STACKS)
def test_its_check_asks_for_what_is_answered(stack: str) -> None:
    registered, _ = deploy(stack)
    for item in registered.of(":TargetGroup"):
        assert (item.inputs["port"], item.inputs["healthCheck"]["path"]) in {(8080, "/health"), (8000, "/health")}


@pytest.mark.parametrize("stack", REAL)
def test_no_deployment_warns_of_instances_that_answer_nothing(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []

    def warn(message: str, *_: object, **__: object) -> None:
        warned.append(message)

    monkeypatch.setattr("pulumi.log.warn", warn)
    deploy.__wrapped__(stack)
    assert warned == []


def zones_of(machine_type: str) -> str | None:
    family = "-".join(machine_type.split("-")[:2])
    return ZONES.get(family, ZONES.get(machine_type.split("-", maxsplit=1)[0]))


@pytest.mark.parametrize("stack", REAL)
def test_every_zone_has_the_machine_type(stack: str) -> None:
    given = config(stack)
    for pool in given.get("gcpGpuPools", []):
        known = zones_of(pool["machineType"])
        assert known is not None, f"{pool['machineType']}: add its zones to the table"
        named = {*pool.get("zones", []), *([pool["zone"]] if "zone" in pool else [])}
        assert named, f"{pool['name']}: without zones Google Cloud chooses some that lack the type"
        assert named <= set(known.split()), pool["name"]


@pytest.mark.parametrize("stack", REAL)
def test_whatever_pulls_at_boot_has_a_way_out(stack: str) -> None:
    """A public address, or a network of the user's whose NAT the sample names."""
    given = config(stack)
    own_network = "gcpNetwork" in given
    text = (ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    assert not own_network or "Cloud NAT" in text
    assert "vpcId" not in given or "NAT gateway" in head(stack) or not given.get("gpuPools")
    for item in deploy(stack)[0].of(":InstanceTemplate"):
        pulls = "docker" in json.dumps(item.inputs["metadata"])
        addresses = item.inputs["networkInterfaces"][0].get("accessConfigs")
        assert addresses or own_network or not pulls, item.name


def minimum(stack: str) -> list[str]:
    """What runs at the minimum, as a sample's head names it."""
    given = config(stack)
    found = [
        f"{group['name']} {group['minSize']} x {group.get('instanceType') or group['machineType']}"
        for group in (*given["groups"], *given.get("gcpGroups", []))
    ]
    for pool in (*given.get("gpuPools", []), *given.get("gcpGpuPools", [])):
        types = pool.get("instanceTypes", [{"instanceType": pool.get("machineType")}])
        found.append(f"{pool['name']} {pool.get('minSize', 0)} x {types[0]['instanceType']}")
    return [each for each in found if " 0 x " not in each]


@pytest.mark.parametrize("stack", REAL)
def test_the_sample_names_what_costs_by_the_hour(stack: str) -> None:
    said = head(stack)
    assert "Costs by the hour at the minimum" in said
    for each in minimum(stack):
        assert each.replace("8 x g6e.12xlarge", "2 x g6e.12xlarge") in said  # eight replicas, four to an instance
    assert ("load balancer" in said) == any(item.type.endswith(":LoadBalancer") for item in lbs(stack))


def test_the_readme_names_costs_and_the_way_out_beside_its_samples() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    samples = re.findall(r"```python\n(.*?)```", text, re.S)
    declared = [sample for sample in samples if '"min_size"' in sample]
    assert len(declared) == 2
    for sample, cost in zip(declared, ("2 x m7i.large and the load balancer", "2 x g6e.12xlarge"), strict=True):
        assert re.search(rf'"min_size": \d+,  # .*by the hour, whatever the load: {re.escape(cost)}\n', sample)
        assert "workload" not in sample or "NAT gateway" in sample


def lbs(stack: str) -> list[Registration]:
    return deploy(stack)[0].of(":LoadBalancer")


@pytest.mark.parametrize("stack", REAL)
def test_nothing_is_asked_for_by_request_until_a_name_is_given(stack: str) -> None:
    assert deploy(stack)[0].of("ResizeRequest") == []


@pytest.mark.parametrize("stack", REAL)
def test_instances_have_no_role_on_all_buckets_of_the_project(stack: str) -> None:
    for item in deploy(stack)[0].of("iAMMember:IAMMember"):
        assert "build" in item.name or "storage" not in item.inputs["role"]


def test_load_balancers_of_production_can_be_told_apart() -> None:
    prefixes = [item.inputs["namePrefix"] for item in lbs("prod")]
    assert len(set(prefixes)) == len(prefixes)
    assert "prod-" not in prefixes


def test_the_page_lists_every_api_that_is_called() -> None:
    page = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"\*\*The APIs must be enabled\*\*: (.*?)\.\n", page, re.S)
    for api in ("Compute", "Cloud Resource Manager", "Cloud Storage", "Pub/Sub", "Cloud Build", "Monitoring"):
        assert api in listed
