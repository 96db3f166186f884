"""The double as processes: its environment, its start and end, and its control plane."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.local import control, daemon, environment
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.environment import LocalCloudError
from elastic_iac.local.ministack import HOST, Ministack
from tests.doubles import GROUP, create_group, put_action, refused

HOUR = timedelta(hours=1)


def test_an_environment_is_built_once_for_all_who_ask_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ELASTIC_IAC_CACHE", str(tmp_path))
    built: list[Path] = []

    def build(folder: Path, python: Path, requirements: Path) -> None:
        assert requirements.name == "ministack.txt"
        folder.mkdir()
        built.append(python)

    monkeypatch.setattr(environment, "_build", build)
    asking = [threading.Thread(target=environment.ministack_python) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert built == [environment.ministack_python()]
    assert built[0].is_relative_to(tmp_path)


class Installers:
    """Stands in for uv and pip; those named in `broken` fail to install."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *broken: str) -> None:
        self.broken = set(broken)
        self.installs: list[list[str]] = []
        monkeypatch.setenv("ELASTIC_IAC_CACHE", str(tmp_path))
        monkeypatch.setattr(environment, "_uv", lambda: "uv")
        monkeypatch.setattr(environment, "run_quietly", self)

    def __call__(self, command: list[str]) -> None:
        if "install" not in command:
            return Path(command[-1]).mkdir()
        self.installs.append(command)
        if ("uv" if command[0] == "uv" else "pip") in self.broken:
            raise LocalCloudError("no network")
        return None


def test_a_build_that_failed_is_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installers = Installers(monkeypatch, tmp_path, "uv", "pip")
    with pytest.raises(LocalCloudError, match="no network"):
        environment.ministack_python()
    installers.broken.clear()
    environment.ministack_python()
    environment.ministack_python()
    assert len(installers.installs) == 3
    assert all("--require-hashes" in command for command in installers.installs)


def test_where_uv_cannot_install_pip_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installers = Installers(monkeypatch, tmp_path, "uv")
    environment.ministack_python()
    assert installers.installs[0][:2] == ["uv", "pip"]
    assert installers.installs[-1][1:3] == ["-m", "pip"]


def test_without_the_repository_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "_REPOSITORY", tmp_path)
    with pytest.raises(LocalCloudError, match="runs from a checkout of the repository"):
        environment.ministack_python()


def test_what_an_installer_says_is_in_the_error() -> None:
    with pytest.raises(LocalCloudError, match="no such thing"):
        environment.run_quietly([sys.executable, "-c", "import sys; sys.exit('no such thing')"])


def test_an_emulator_listens_on_the_loopback_interface_alone_and_leaves_nothing() -> None:
    ministack = Ministack("us-east-1")
    folder, process = ministack.folder, ministack.process
    try:
        assert folder.is_dir()
        connection = HTTPConnection(HOST, ministack.port, timeout=10)
        connection.request("GET", "/_ministack/health")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        ministack.stop()
    assert process.returncode is not None
    assert not folder.exists()


def test_an_emulator_does_not_outlive_whoever_started_it() -> None:
    code = """
import os
from elastic_iac.local.ministack import Ministack
ministack = Ministack("us-east-1")
print(ministack.port, ministack.folder, flush=True)
os._exit(1)  # no chance to end it
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    port, folder = shown.split()
    deadline = time.monotonic() + 30
    while (_listens(int(port)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _listens(int(port))
    assert not Path(folder).exists()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_an_emulator_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "elastic_iac.local.ministack.ministack_python", lambda: Path(sys.executable)
    )  # without ministack
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(LocalCloudError, match="No module named ministack"):
        Ministack("us-east-1")
    assert list(tmp_path.iterdir()) == []


def test_a_reset_empties_everything(aws: LocalAws) -> None:
    client = aws.client("autoscaling")
    create_group(client)
    aws.client("s3").create_bucket(Bucket="records")
    aws.clock.advance(HOUR)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    aws.reset(now=start)
    assert aws.clock.now() == start
    assert aws.calls == []
    assert client.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert aws.client("s3").list_buckets()["Buckets"] == []


def test_another_process_steers_the_double(aws: LocalAws) -> None:
    client = aws.client("autoscaling")
    create_group(client)
    now = aws.clock.now()
    put_action(client, "a", now + HOUR, MinSize=5)

    def call(method: str, name: str, document: object = None) -> Any:
        return control.call(aws.endpoint_url, method, name, document)

    assert call("GET", "clock") == {"now": now.isoformat()}
    assert call("POST", "clock", {"advance_seconds": 3600}) == {"now": (now + HOUR).isoformat()}
    assert call("POST", "clock", {"advance_to": (now + 2 * HOUR).isoformat()})["now"] == aws.clock.now().isoformat()
    group = call("GET", f"groups/{GROUP}")
    assert (group["minimum"], group["history"][-1]["cause"]) == (5, "a")
    assert [made["action"] for made in call("GET", "calls")] == [
        "CreateAutoScalingGroup",
        "PutScheduledUpdateGroupAction",
    ]
    assert call("DELETE", "calls") == {}
    assert call("POST", "faults", {"code": "Throttling"})[0]["code"] == "Throttling"
    assert len(call("GET", "faults")) == 1
    assert call("DELETE", "faults") == []
    with pytest.raises(LocalCloudError, match="not found"):
        call("GET", "groups/absent")
    with pytest.raises(LocalCloudError, match="unexpected keyword argument 'colour'"):
        call("POST", "faults", {"colour": "red"})
    with pytest.raises(LocalCloudError, match="cannot go back"):
        call("POST", "clock", {"advance_to": now.isoformat()})
    with pytest.raises(LocalCloudError, match="no GET /_double/nothing"):
        call("GET", "nothing")
    call("POST", "reset", {"now": "2026-03-01T00:00:00+00:00"})
    assert aws.clock.now() == datetime(2026, 3, 1, tzinfo=UTC)
    refused("ValidationError", put_action, client, "a", aws.clock.now() + HOUR)


def test_a_double_in_the_background_goes_up_and_down(tmp_path: Path) -> None:
    assert daemon.status(tmp_path) is None
    assert not daemon.down(tmp_path)
    running = daemon.up(tmp_path, region="eu-central-1")
    try:
        assert daemon.up(tmp_path) == running, "one is enough"
        # Any client of AWS finds it by the standard variables alone.
        code = "import boto3; print(boto3.client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups'])"
        known = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        shown = subprocess.run(
            [sys.executable, "-c", code], env=known | running.environment(), capture_output=True, text=True, check=True
        )
        assert shown.stdout.strip() == "[]"
        assert [made["region"] for made in control.call(running.endpoint_url, "GET", "calls")] == ["eu-central-1"]
    finally:
        assert daemon.down(tmp_path)
    assert daemon.status(tmp_path) is None
    with pytest.raises(LocalCloudError, match="does not answer"):
        control.call(running.endpoint_url, "GET", "clock")


def test_a_state_file_that_is_stale_or_foreign_ends_nothing(aws: LocalAws, tmp_path: Path) -> None:
    state = tmp_path / "local-aws.json"
    state.write_text(
        f'{{"id": "another", "pid": {os.getpid()}, "endpoint_url": "{aws.endpoint_url}", "region": "us-east-1"}}',
        encoding="utf-8",
    )
    assert daemon.status(tmp_path) is None
    assert not daemon.down(tmp_path)
    assert not state.exists()
    assert not aws.stop_requested.is_set()
