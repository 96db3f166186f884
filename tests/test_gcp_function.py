from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting.entrypoints.gcp_function import SCHEDULE_TIME, Response, handle, run_id_of
from forecasting.errors import Deferred
from forecasting.invocation import SETTINGS_VARIABLE
from tests.commands import write_load
from tests.fleets import OWNER
from tests.gcp_fleets import changes, gcp_fleet_data, make_autoscaler, schedules
from tests.street import write_load as write_wave

BUCKET = "job-records"
PLANNED = "2026-03-02T10:00:00Z"


class Request:
    """A Flask request as far as the function reads it."""

    def __init__(self, body: object = None, **headers: str) -> None:
        self.headers: Mapping[str, str] = headers
        self._body = body

    def get_json(self, *, silent: bool) -> Any:
        assert silent
        return self._body


def scheduled(time: str = PLANNED) -> Request:
    return Request({"source": "schedule"}, **{SCHEDULE_TIME: time})


@pytest.fixture
def deployed(gcp: LocalGcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalGcp:
    """An autoscaler, its load, and the job's settings in a bucket."""
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write_load("load.csv")
    gcp.storage_client().create_bucket(BUCKET)
    monkeypatch.setenv(SETTINGS_VARIABLE, f"gs://{BUCKET}/settings/job.json")
    make_autoscaler(gcp)
    settle(gcp)
    return gcp


def settle(gcp: LocalGcp, *fleets: dict[str, Any], **changes: Any) -> None:
    """Put the job's settings where the function reads them."""
    quick: dict[str, Any] = {"model": "seasonal-naive-day", "horizon_hours": 6}
    job = {
        "name": "job",
        "owner": OWNER,
        "interval_minutes": 15,
        "store": {"kind": "gcs", "bucket": BUCKET, "prefix": "store"},
        "fleets": list(fleets) or [gcp_fleet_data(**quick)],
        **changes,
    }
    gcp.storage_client().bucket(BUCKET).blob("settings/job.json").upload_from_string(json.dumps(job))


def log_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_scheduled_request_writes_the_plan(deployed: LocalGcp, capsys: pytest.CaptureFixture[str]) -> None:
    body, status = handle(scheduled())
    assert status == 200
    assert body["run_id"] == f"schedule-{PLANNED}"
    assert (body["served"], body["held"], body["failed"]) == (1, 0, 0)
    assert schedules(deployed)
    fleet, job = log_lines(capsys)[-2:]
    assert (fleet["job"], fleet["fleet"], fleet["severity"]) == ("job", "web", "INFO")
    assert fleet["metrics"]["Floor"] == 2
    assert fleet["metrics"]["ForecastLow"] <= fleet["metrics"]["ForecastMedian"] <= fleet["metrics"]["ForecastHigh"]
    assert job["metrics"]["FleetsServed"] == 1
    assert "fleet" not in job


def test_a_repeated_delivery_writes_and_measures_nothing(
    deployed: LocalGcp, capsys: pytest.CaptureFixture[str]
) -> None:
    handle(scheduled())
    capsys.readouterr()
    before = changes(deployed)
    body, status = handle(scheduled())
    assert (status, body["duplicates"], body["served"]) == (200, 1, 0)
    assert changes(deployed) == before
    assert all("metrics" not in line for line in log_lines(capsys))


def push(generation: str = "7") -> dict[str, Any]:
    """What Pub/Sub posts of Cloud Storage's notification."""
    attributes = {"eventType": "OBJECT_FINALIZE", "objectId": "settings/job.json", "objectGeneration": generation}
    return {"message": {"attributes": attributes, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"}


def test_the_same_occasion_has_the_same_run_id() -> None:
    assert run_id_of(scheduled()) == run_id_of(scheduled())
    assert run_id_of(Request(push())) == "settings-7"
    assert run_id_of(Request({"source": "manual"})) != run_id_of(Request({"source": "manual"}))


@pytest.mark.parametrize(
    "body", [None, [], "text", {"message": "text"}, {"message": {"attributes": []}}, {"message": {}}]
)
def test_any_other_body_is_a_run_by_hand(body: object) -> None:
    assert run_id_of(Request(body)).startswith("manual-")


def failed(response: Response) -> str:
    body, status = response
    assert status == 500
    return str(body["error"])


def test_wrong_settings_fail_whole_and_say_what_is_wrong(
    deployed: LocalGcp, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(deployed, gcp_fleet_data(), gcp_fleet_data(name="other", floor=50, ceiling=40))
    before = changes(deployed)
    assert "fleets.1.floor" in failed(handle(scheduled()))
    assert changes(deployed) == before
    assert log_lines(capsys)[-1]["severity"] == "ERROR"


@pytest.mark.parametrize("newer", [{"version": 2}, {"surge_capacity": 3}])
def test_settings_of_a_newer_release_hold_every_fleet_and_the_old_plan_runs_on(
    deployed: LocalGcp, capsys: pytest.CaptureFixture[str], newer: dict[str, Any]
) -> None:
    assert handle(scheduled())[1] == 200
    settle(deployed, **newer)
    before = changes(deployed)
    log_lines(capsys)
    summary, status = handle(scheduled("2026-03-02T16:00:00Z"))
    assert (status, summary["held"], summary["fleets"][0]["code"]) == (200, 1, "package-outdated")
    assert changes(deployed) == before
    lines = log_lines(capsys)
    assert [line["metrics"]["FleetsHeld"] for line in lines if "metrics" in line] == [1]
    assert [line["severity"] for line in lines].count("ERROR") == 1
    assert "Traceback" not in str(lines)


def test_absent_settings_are_named(deployed: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTINGS_VARIABLE, f"gs://{BUCKET}/settings/none.json")
    assert "settings/none.json" in failed(handle(scheduled()))
    monkeypatch.delenv(SETTINGS_VARIABLE)
    assert SETTINGS_VARIABLE in failed(handle(scheduled()))


def test_a_held_fleet_is_no_failure(deployed: LocalGcp, capsys: pytest.CaptureFixture[str]) -> None:
    settle(deployed, gcp_fleet_data(enabled=False))
    body, status = handle(scheduled())
    assert (status, body["held"]) == (200, 1)
    fleet, job = log_lines(capsys)[-2:]
    assert fleet["code"] == "disabled"
    assert job["metrics"]["OldestPlanAgeMinutes"] == 0, "silence would say that the job is dead"


# Short runs


def scheduled_short(time: str = PLANNED) -> Request:
    return Request({"source": "schedule", "kind": "short"}, **{SCHEDULE_TIME: time})


def write_fine_load(scale: float) -> None:
    load = write_wave(Path("load.csv"), datetime.now(UTC), after=0, scale=scale)
    assert len(load) > 3000


def test_a_short_request_re_levels_by_one_patch_and_a_repeated_one_is_a_duplicate(
    deployed: LocalGcp, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(deployed, gcp_fleet_data(lead_time_seconds=600, model="seasonal-naive-day", horizon_hours=6))
    write_fine_load(1)
    assert handle(scheduled())[0]["kind"] == "full"
    write_fine_load(1.6)
    deployed.calls.clear()
    capsys.readouterr()
    body, status = handle(scheduled_short())
    assert (status, body["kind"], body["run_id"], body["served"]) == (200, "short", f"short-{PLANNED}", 1)
    assert changes(deployed).count("regionAutoscalers.patch") == 1
    fleet, job = log_lines(capsys)[-2:]
    assert (fleet["status"], fleet["needed"] > 2, fleet["run_id"]) == ("written", True, f"short-{PLANNED}")
    assert "FleetsWorseThanNaive" not in job["metrics"]
    assert job["metrics"]["FleetsServed"] == 1

    write_fine_load(0.6)
    stood = schedules(deployed)
    body, status = handle(scheduled_short())
    assert (status, body["duplicates"], body["served"]) == (200, 1, 0)
    assert schedules(deployed) == stood
    assert all("metrics" not in line for line in log_lines(capsys))


def test_a_request_of_no_kind_that_there_is_fails_and_changes_nothing(deployed: LocalGcp) -> None:
    before = changes(deployed)
    assert "kind: got 'shorter'" in failed(handle(Request({"kind": "shorter"}, **{SCHEDULE_TIME: PLANNED})))
    assert changes(deployed) == before


def test_whom_a_full_run_put_off_has_a_full_turn_in_the_next_short_one(
    deployed: LocalGcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_time(*_: object) -> None:
        raise Deferred("out-of-time", "no time")

    with monkeypatch.context() as context:
        context.setattr("forecasting.pacing.Pacing.check_start", no_time)
        assert handle(scheduled())[0]["deferred"] == 1
    assert schedules(deployed) == {}
    body, status = handle(scheduled_short())
    assert (status, body["kind"], body["served"]) == (200, "short", 1)
    assert len(schedules(deployed)) > 10
