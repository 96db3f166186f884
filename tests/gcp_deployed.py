"""The stack's part on Google Cloud as it stands in a project: declared by the program, on the stand-in, its function in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elastic_iac.local.engine import Deployment, GoogleCloud, provision_stack, read_project
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from forecasting.settings import CloudMonitoringSource, Fleet, GcpTarget, Job, job_of_text, parse_fleet

STACK = "local"
OPERATOR = "operator"
"""The token of a person who may do everything; calls without one are the function's."""


def provision(gcp: LocalGcp, package: Path, *, short_run_minutes: int = 0, **group: Any) -> Deployment:
    """The program's part on Google Cloud; `group` replaces fields of its first group."""
    config = read_project(STACK).config
    groups = json.loads(config["elastic-iac:gcpGroups"])
    groups[0] |= group
    adjust = {
        "elastic-iac:clouds": '["gcp"]',
        "elastic-iac:gcpGroups": json.dumps(groups),
        "elastic-iac:gcpJob": json.dumps(
            {"forceDestroy": True, "packagePath": str(package), "shortRunMinutes": short_run_minutes}
        ),
    }
    google = GoogleCloud(gcp.url, gcp.project, config["gcp:region"])
    return provision_stack(_NoAws(), STACK, google=google, adjust=adjust)


class _NoAws:
    region = ""

    def client(self, service: str) -> Any:
        raise AssertionError(f"{service}: the stack on Google Cloud asked for AWS")


class Deployed:
    """The stack on a stand-in."""

    def __init__(self, gcp: LocalGcp, package: Path, **group: Any) -> None:
        self.gcp = gcp
        self.package = package
        self.deployment = provision(gcp, package, **group)

    @property
    def settings_url(self) -> str:
        return self.deployment.outputs["gcpJobSettings"][0]

    @property
    def fleet(self) -> Fleet:
        return parse_fleet(json.loads(self.deployment.outputs["gcpFleets"][0]))

    @property
    def target(self) -> GcpTarget:
        target = self.fleet.target
        assert isinstance(target, GcpTarget)
        return target

    def resource(self, collection: str) -> dict[str, Any]:
        """The only resource of its kind."""
        (found,) = (item for name, item in self.gcp.services.resources.items() if f"/{collection}/" in name)
        return found

    def settings(self) -> bytes:
        """The settings object as it stands."""
        bucket, _, key = self.settings_url.removeprefix("gs://").partition("/")
        return self.gcp.storage.read(bucket, key) or b""

    def job(self) -> Job:
        return job_of_text(self.settings().decode(), self.settings_url)

    def upload(self, settings: bytes) -> None:
        """Write the settings object, as `up` does."""
        bucket, _, key = self.settings_url.removeprefix("gs://").partition("/")
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={key.replace('/', '%2F')}"
        headers = {"authorization": f"Bearer {OPERATOR}", "content-type": "application/json"}
        answer = self.gcp.answer("POST", path, headers, settings)
        assert answer.status == 200, answer.body

    def settings_of(self, **group: Any) -> bytes:
        """What the program writes as settings with another group: names are the same wherever it is declared."""
        with local_gcp(now=self.gcp.clock.now(), project=self.gcp.project) as elsewhere:
            return Deployed(elsewhere, self.package, **group).settings()

    def granted(self) -> set[str]:
        """The permissions in the custom roles that are bound to the function's account."""
        account = self.resource("functions")["serviceConfig"]["serviceAccountEmail"]
        bucket = self.settings_url.removeprefix("gs://").partition("/")[0]
        answer = self.gcp.answer("GET", f"/storage/v1/b/{bucket}/iam", {"authorization": f"Bearer {OPERATOR}"}, b"")
        policies = [*self.gcp.services.policies.values(), json.loads(answer.body)]
        roles = {
            binding["role"]
            for policy in policies
            for binding in policy.get("bindings", [])
            if f"serviceAccount:{account}" in binding["members"]
        }
        return {each for role in roles for each in self.gcp.services.resources[role]["includedPermissions"]}

    def compute(self, method: str, query: str = "", body: object = None) -> dict[str, Any]:
        """One call of a person on the autoscaler, or on its collection with a query; its operation is done afterwards."""
        at = self.target
        path = f"/compute/v1/projects/{at.project}/regions/{at.location}/autoscalers{query or '/' + at.autoscaler}"
        payload = b"" if body is None else json.dumps(body).encode()
        answer = self.gcp.answer(method, path, {"authorization": f"Bearer {OPERATOR}"}, payload)
        assert answer.status == 200, answer.body
        self.gcp.compute.operations.finish_all()
        return json.loads(answer.body)

    def put_from_state(self, *, refreshed: bool, maximum: int) -> None:
        """Update the autoscaler as the provider does: whole, from a state that knows its schedules only after a refresh."""
        held = self.compute("GET")
        policy = {**held["autoscalingPolicy"], "maxNumReplicas": maximum}
        if not refreshed:
            policy.pop("scalingSchedules", None)
        whole = {"name": held["name"], "target": held["target"], "autoscalingPolicy": policy}
        self.compute("PUT", f"?autoscaler={held['name']}", whole)

    def schedules(self) -> dict[str, Any]:
        """The autoscaler's scaling schedules."""
        autoscaler = self.gcp.autoscaler(self.target.location, self.target.autoscaler)
        return dict(autoscaler.policy.get("scalingSchedules", {}))

    def floors(self, start: datetime, end: datetime) -> list[int]:
        at = self.target
        return self.gcp.floor_by_minute(at.project, at.location, at.autoscaler, start, end)

    def patches(self) -> int:
        """How many changes of the autoscaler were asked for."""
        return sum(call.action == "regionAutoscalers.patch" for call in self.gcp.calls)


def publish_load(gcp: LocalGcp, fleet: Fleet, until: datetime, *, days: float = 12, scale: float = 1.0) -> None:
    """Requests as the load balancer counts them, in samples of 5 min: a daily and weekly wave that needs some 4 to 18 instances."""
    assert isinstance(fleet.source, CloudMonitoringSource)
    metric, target = fleet.source.metric, fleet.target
    assert isinstance(target, GcpTarget)
    end = pd.Timestamp(until).floor("5min")
    index = pd.date_range(end - timedelta(days=days), end, freq="5min", inclusive="left")
    hours = np.asarray(index.hour + index.minute / 60)
    weekend = np.where(np.asarray(index.day_of_week) >= 5, 0.7, 1.0)
    noise = np.random.default_rng(7).normal(0, 5, len(index))
    load = scale * ((270 - 170 * np.cos((hours - 3) / 24 * 2 * np.pi)) * weekend + noise)
    step = timedelta(minutes=5)
    stamps: list[datetime] = index.to_pydatetime().tolist()
    gcp.monitoring.publish(
        target.project,
        metric.type,
        [(stamp + step, round(value * 300)) for stamp, value in zip(stamps, load.tolist(), strict=True)],
        kind="DELTA",
        value_type="INT64",
        resource=metric.resource_type or "global",
        resource_labels=metric.resource_labels,
        period=step,
    )


class FunctionProcess:
    """The unpacked function under functions-framework; `source` is where its process finds `forecasting`."""

    def __init__(self, source: Path, log: Path) -> None:
        self.source = source
        self._log = log

    def log(self) -> list[dict[str, Any]]:
        """What it has logged as JSON, oldest first."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def runs(self) -> list[str]:
        """The ids of the runs that it has done, in order."""
        return [line["run_id"] for line in self.log() if line.get("message") == "done"]


@contextmanager
def serving(deployed: Deployed, folder: Path) -> Generator[FunctionProcess]:
    """Unpack the function's source and run it as Cloud Run does: its folder and the installed libraries to import from, its own variables."""
    tree = folder / "function"
    with zipfile.ZipFile(deployed.package) as source:
        source.extractall(tree)
    function = deployed.resource("functions")
    variables = function["serviceConfig"]["environmentVariables"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "SYSTEMROOT", "TMPDIR"}}
    environment = {**kept, **deployed.gcp.environment(), **variables, "PYTHONUNBUFFERED": "1"}
    entry = function["buildConfig"]["entryPoint"]
    arguments = ["--target", entry, "--source", "main.py", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "function.log"
    ask = [sys.executable, "-c", "import forecasting; print(forecasting.__file__)"]
    found = subprocess.run(ask, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "functions_framework", *arguments],
            cwd=tree,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _await(port, process, log)
            deployed.gcp.deliveries.functions[function["name"]] = f"http://127.0.0.1:{port}"
            yield FunctionProcess(Path(found.stdout.strip()), log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"functions-framework does not serve:\n{log.read_text(encoding='utf-8')}")
