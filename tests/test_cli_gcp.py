"""The command line on a fleet of Google Cloud: what it shows, writes and finds wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from elastic_iac.cli.main import main
from elastic_iac.local.gcp import faults
from elastic_iac.local.gcp.cloud import LocalGcp
from tests.commands import Done
from tests.fleets import OWNER
from tests.gcp_fleets import (
    NAME,
    PROJECT,
    REGION,
    add_schedule,
    call,
    changes,
    gcp_fleet_data,
    make_autoscaler,
    scope_of,
)
from tests.gcp_fleets import schedules as standing

ROOT = Path(__file__).resolve().parents[1]
METRIC = "custom.googleapis.com/requests"
BUCKET = "job-records"
PERSON = {"schedule": "0 9 * * Mon-Fri", "timeZone": "Europe/Berlin", "durationSec": 3600, "minRequiredReplicas": 30}
SOURCE = {"kind": "cloud-monitoring", "metric": {"type": METRIC}}


def patches(gcp: LocalGcp) -> int:
    """How many changes of an autoscaler were asked for."""
    return changes(gcp).count("regionAutoscalers.patch")


class Console:
    """`elastic-iac` for a job whose fleet, load and records are on the stand-in, at the present time."""

    def __init__(self, gcp: LocalGcp, capsys: pytest.CaptureFixture[str]) -> None:
        self.gcp = gcp
        self._capsys = capsys
        make_autoscaler(gcp)
        gcp.storage_client().create_bucket(BUCKET)
        self.publish()
        self.settle()

    def publish(self, *, hours_old: int = 0) -> None:
        """Three days of load in samples of 5 min."""
        end = self.gcp.clock.now() - timedelta(hours=hours_old)
        stamps = [end - timedelta(minutes=5 * number) for number in range(3 * 288, 0, -1)]
        wave = [100 + 80 * np.sin(2 * np.pi * (stamp.hour + stamp.minute / 60) / 24) for stamp in stamps]
        self.gcp.monitoring.publish(PROJECT, METRIC, zip(stamps, wave, strict=True))

    def settle(self, **fleet: Any) -> None:
        """Write the job's settings. The quick model: its choice is tested elsewhere."""
        quick = {"model": "seasonal-naive-day", "horizon_hours": 6, "source": SOURCE, **fleet}
        store = {"kind": "gcs", "bucket": BUCKET, "prefix": "store"}
        fleets = [{**gcp_fleet_data(), **quick}]
        job = {"name": "job", "owner": OWNER, "interval_minutes": 15, "store": store, "fleets": fleets}
        Path("job.yaml").write_text(yaml.safe_dump(job), encoding="utf-8")
        self.gcp.calls.clear()

    def run(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        code = main([*arguments, "--config", "job.yaml"])
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)

    def checks(self) -> tuple[int, dict[str, dict[str, Any]]]:
        """The doctor's exit code, and its checks by name; nothing was written."""
        done = self.run("doctor", "--json")
        assert changes(self.gcp) == []
        return done.code, {check["name"]: check for check in done.document["checks"]}

    def policy(self, **policy: Any) -> None:
        """Somebody changes the autoscaler."""
        path = f"{scope_of(REGION)}/autoscalers?autoscaler={NAME}"
        call(self.gcp, "PATCH", path, {"autoscalingPolicy": policy})
        self.gcp.calls.clear()


@pytest.fixture
def console(
    gcp: LocalGcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Console:
    for name, value in {**gcp.environment(), "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    gcp.reset(now=datetime.now(UTC).replace(second=0, microsecond=0))
    return Console(gcp, capsys)


# The doctor


def test_doctor_finds_nothing_wrong_with_a_sound_fleet(console: Console) -> None:
    code, found = console.checks()
    assert code == 0
    assert {name: check["outcome"] for name, check in found.items()} == dict.fromkeys(found, "ok")
    assert {"permissions", "credentials", "group", "scale-in path", "actions", "load", "records"} <= set(found)
    assert "Google Cloud answers" in found["credentials"]["found"]
    assert "minNumReplicas 2, maxNumReplicas 60" in found["group"]["found"]
    assert "room for 123 of ours, 96 of which a full plan takes" in found["actions"]["found"]


@pytest.mark.parametrize(
    ("policy", "check", "outcome", "found"),
    [
        ({"mode": "OFF"}, "scale-in path", "fail", "its mode is OFF"),
        ({"mode": "ONLY_SCALE_OUT"}, "scale-in path", "fail", "its mode is ONLY_SCALE_OUT"),
        ({"maxNumReplicas": 30}, "group", "warn", "maxNumReplicas 30, below the ceiling of 40"),
        ({"minNumReplicas": 0, "maxNumReplicas": 1}, "group", "fail", "below the floor of 2"),
        (
            {"cpuUtilization": None, "scalingSchedules": {"office-hours": PERSON}},
            "scale-in path",
            "fail",
            "it has schedules alone",
        ),
        ({"scalingSchedules": {f"theirs-{number}": PERSON for number in range(60)}}, "actions", "warn", "coarser"),
        (
            {"scalingSchedules": {f"theirs-{number}": PERSON for number in range(122)}},
            "actions",
            "fail",
            "does not fit",
        ),
    ],
)
def test_doctor_names_what_is_wrong_with_an_autoscaler(
    console: Console, policy: dict[str, Any], check: str, outcome: str, found: str
) -> None:
    console.policy(**policy)
    code, checks = console.checks()
    assert (checks[check]["outcome"], code) == (outcome, int(outcome == "fail"))
    assert found in checks[check]["found"]
    assert checks[check]["advice"]


def test_doctor_names_an_absent_autoscaler_and_a_refused_call(console: Console) -> None:
    console.gcp.faults.add(faults.forbidden(action="regionAutoscalers.get"))
    code, checks = console.checks()
    assert (code, checks["credentials"]["outcome"]) == (1, "fail")
    assert "compute.autoscalers.get" in checks["credentials"]["found"]
    assert "service account" in checks["credentials"]["advice"]
    console.settle(target={**gcp_fleet_data()["target"], "autoscaler": "gone"})
    code, checks = console.checks()
    assert (code, checks["group"]["outcome"]) == (1, "fail")
    assert "target.autoscaler" in checks["group"]["advice"]


def test_doctor_tells_an_absent_metric_from_one_that_is_late(console: Console) -> None:
    console.settle(source={"kind": "cloud-monitoring", "metric": {"type": "custom.googleapis.com/none"}})
    code, checks = console.checks()
    assert (code, checks["load"]["outcome"]) == (1, "fail")
    console.gcp.monitoring.reset()
    console.publish(hours_old=30)
    console.settle()
    code, checks = console.checks()
    assert (code, checks["load"]["outcome"]) == (1, "fail")
    console.gcp.monitoring.reset()
    console.publish(hours_old=3)
    code, checks = console.checks()
    assert (code, checks["load"]["outcome"]) == (0, "warn")


def test_doctor_says_which_permissions_are_missing(console: Console) -> None:
    everything = {
        "compute.autoscalers.get",
        "compute.autoscalers.update",
        "compute.instanceGroupManagers.get",
        "compute.instanceGroupManagers.use",
        "compute.regionOperations.get",
        "monitoring.timeSeries.list",
        "storage.objects.get",
        "storage.objects.list",
    }
    console.gcp.grant(everything)
    code, checks = console.checks()
    assert (code, checks["permissions"]["outcome"]) == (0, "ok")
    console.gcp.grant(everything - {"compute.autoscalers.update"})
    code, checks = console.checks()
    assert (code, checks["permissions"]["outcome"]) == (1, "fail")
    assert checks["permissions"]["found"] == f"project {PROJECT}: you lack compute.autoscalers.update"
    console.gcp.faults.add(faults.forbidden(service="cloudresourcemanager"))
    code, checks = console.checks()
    assert (code, checks["permissions"]["outcome"]) == (0, "warn")


# Plan, apply, status, pause, rollback, release


def test_a_fleets_life_at_the_keyboard(console: Console) -> None:
    add_schedule(console.gcp, "office-hours", PERSON)
    planned = console.run("plan", "--json")
    assert (planned.code, changes(console.gcp)) == (0, [])
    (fleet,) = planned.document["fleets"]
    puts = {put["name"]: put["after"] for put in fleet["diff"]["put"]}

    applied = console.run("apply", "--yes", "--json")
    assert applied.code == 0, applied.stderr
    ours = {name: raw["minRequiredReplicas"] for name, raw in standing(console.gcp).items() if name != "office-hours"}
    # The window ahead of the grid begins three minutes after the command: a minute may have passed between the two.
    on_grid = {name: floor for name, floor in puts.items() if name[-3:-1] in {"00", "15", "30", "45"}}
    assert len(on_grid) >= len(puts) - 1 > 10
    assert on_grid.items() <= ours.items()
    assert sorted(ours.values()) == sorted(puts.values())
    assert patches(console.gcp) == 1

    shown = console.run("status")
    assert shown.code == 0, shown.stderr
    assert "scaling schedules of ours" in shown.stdout
    assert "office-hours" in shown.stdout

    assert console.run("pause", "--reason", "load test").code == 0
    console.gcp.monitoring.reset()
    console.gcp.clock.advance(timedelta(minutes=1))
    console.publish()
    held = console.run("apply", "--yes", "--json").document["fleets"][0]
    assert (held["status"], held["code"]) == ("held", "paused")
    assert "load test" in console.run("status").stdout
    assert console.run("resume").code == 0

    console.settle(load_per_instance=5)
    assert console.run("apply", "--yes").code == 0
    raised = dict(standing(console.gcp))
    assert max(raw["minRequiredReplicas"] for name, raw in raised.items() if name != "office-hours") > max(
        ours.values()
    )
    back = console.run("rollback", NAME, "--yes")
    assert back.code == 0, back.stderr
    after = {name: raw["minRequiredReplicas"] for name, raw in standing(console.gcp).items()}
    assert {name: floor for name, floor in after.items() if name in ours} == {
        name: floor for name, floor in ours.items() if name in after
    }
    assert standing(console.gcp)["office-hours"] == raised["office-hours"]

    released = console.run("release", NAME, "--yes", "--json")
    assert released.code == 0, released.stderr
    assert standing(console.gcp) == {"office-hours": raised["office-hours"]}
    assert (released.document["min_size_before"], released.document["min_size_after"]) == (2, 2)


@pytest.mark.parametrize("arguments", [["apply"], ["release", NAME], ["rollback", NAME]])
def test_where_nobody_can_be_asked_nothing_is_written_without_a_yes(console: Console, arguments: list[str]) -> None:
    assert console.run(*arguments).code == 2
    assert changes(console.gcp) == []


# The network

LEFT_ALONE = """
import fcntl, pathlib, socket, struct, sys

# A network of its own, in which loopback alone is up: whoever tries to leave it is counted by the kernel, gRPC's own sockets and DNS too.
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP

def tried():
    names, values = (line.split() for line in pathlib.Path("/proc/net/snmp").read_text().splitlines()[:2])
    return int(values[names.index("OutNoRoutes")])

import pytest
code = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
during = tried()
for kind, address in ((socket.SOCK_DGRAM, ("192.0.2.1", 53)), (socket.SOCK_STREAM, ("192.0.2.1", 443))):
    with socket.socket(type=kind) as outward:
        outward.connect_ex(address)
print(f"tried to leave: {during}; the two that were meant to: {tried() - during}")
sys.exit(code)
"""
ALL_CLIENTS = (
    "tests/test_cli_gcp.py::test_a_fleets_life_at_the_keyboard",
    "tests/test_cli_gcp.py::test_doctor_finds_nothing_wrong_with_a_sound_fleet",
    "tests/test_cli_gcp.py::test_an_operation_that_takes_a_while_is_polled_here",
    "tests/test_e2e_gcp.py::test_permissions_used_are_permissions_granted",
)


def test_an_operation_that_takes_a_while_is_polled_here(console: Console) -> None:
    console.gcp.compute.operations.polls = 3
    assert console.run("apply", "--yes").code == 0
    assert [each.action for each in console.gcp.calls].count("regionOperations.get") >= 3


def test_no_packet_leaves_loopback_operation_polling_included() -> None:
    """Compute with its operations, Monitoring over gRPC, Storage, Resource Manager and the engine, where nothing but loopback can be reached."""
    alone = ["unshare", "--net", "--map-root-user", sys.executable]
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        pytest.skip("needs Linux and unshare")
    if subprocess.run([*alone, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a network namespace")
    done = subprocess.run(
        [*alone, "-c", LEFT_ALONE, *ALL_CLIENTS], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALL_CLIENTS)} passed" in done.stdout
    assert done.stdout.splitlines()[-1] == "tried to leave: 0; the two that were meant to: 2"


# Other owners of the group


@pytest.mark.parametrize(("method", "warned"), [("OPTIMIZE_AVAILABILITY", True), ("NONE", False)])
def test_the_autoscalers_own_forecast_is_a_warning(console: Console, method: str, warned: bool) -> None:
    console.policy(cpuUtilization={"utilizationTarget": 0.6, "predictiveMethod": method})
    code, checks = console.checks()
    assert (code, "other owners" in checks) == (0, warned)
    if warned:
        assert checks["other owners"]["outcome"] == "warn"
        assert "the greater of two forecasts" in checks["other owners"]["found"]
    (fleet,) = console.run("plan", "--json").document["fleets"]
    assert fleet["status"] == "planned"
    assert any("OPTIMIZE_AVAILABILITY" in note for note in fleet["notes"]) == warned


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("gke-shop-default-pool-1a2b3c4d-grp", True),
        ("gke-shop-grpc", False),
        ("web-gke-shop-grp", False),
        ("gke-edge", False),
    ],
)
def test_the_group_of_a_gke_node_pool_is_held(console: Console, name: str, held: bool) -> None:
    scope = scope_of(REGION)
    template = f"projects/{PROJECT}/global/instanceTemplates/{NAME}"
    group = {"name": name, "baseInstanceName": name, "targetSize": 2, "instanceTemplate": template}
    call(console.gcp, "POST", f"{scope}/instanceGroupManagers", group)
    scaler = {
        "name": name,
        "target": f"projects/{PROJECT}/{scope}/instanceGroupManagers/{name}",
        "autoscalingPolicy": {"minNumReplicas": 2, "maxNumReplicas": 60, "cpuUtilization": {"utilizationTarget": 0.6}},
    }
    call(console.gcp, "POST", f"{scope}/autoscalers", scaler)
    console.settle(target={**gcp_fleet_data()["target"], "autoscaler": name, "group": name})
    code, checks = console.checks()
    assert (code, checks.get("other owners", {}).get("outcome")) == ((1, "fail") if held else (0, None))
    assert ("scale-in path" in checks) != held
    applied = console.run("apply", "--yes", "--json")
    (fleet,) = applied.document["fleets"]
    assert (applied.code, fleet["code"]) == ((1, "gke-node-pool") if held else (0, ""))
    assert bool(patches(console.gcp)) != held
