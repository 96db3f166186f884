"""Short invocations: one function serves both cadences, and who was put off or held has a full turn in the next short one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.local import faults
from elastic_iac.local.aws import LocalAws
from forecasting.entrypoints.gcp_function import kind_of, run_id_of
from forecasting.errors import SettingsError
from forecasting.invocation import checked_kind
from forecasting.invocation.metrics import job_metrics
from forecasting.store.progress import read_progress
from forecasting.store.shortruns import read_short_run
from tests.invocations import Fleets, statuses
from tests.street import HOUR, MINUTE, write_load

pytestmark = pytest.mark.usefixtures("quick_models")


def test_a_short_invocation_re_levels_and_confirms_no_plan(aws: LocalAws, tmp_path: Path) -> None:
    fleets = Fleets(aws, tmp_path, 2, lead_time_seconds=600)
    fleets.invoke("full")
    before = read_progress(fleets.store, "job")
    aws.clock.advance(1 * HOUR)
    write_load(tmp_path / "load.csv", scale=1.6)
    summary = fleets.invoke("short", kind="short")
    assert summary.kind == "short"
    assert [status for _, status, _ in statuses(summary)] == ["written", "written"]
    assert read_progress(fleets.store, "job") == before
    assert summary.oldest_plan_age_minutes == pytest.approx(60, abs=1)
    assert "FleetsWorseThanNaive" not in {name for name, _unit, _value in job_metrics(summary)}
    last = read_short_run(fleets.store, "job")
    assert last
    assert last.run_id == "short"
    assert {name: each.status for name, each in last.fleets.items()} == {"fleet-0": "written", "fleet-1": "written"}
    assert all(each.needed for each in last.fleets.values())
    assert json.dumps(summary.document())


def test_whom_a_full_run_held_has_a_full_turn_a_quarter_of_an_hour_later(aws: LocalAws, tmp_path: Path) -> None:
    fleets = Fleets(aws, tmp_path, 2, lead_time_seconds=600)
    aws.faults.add(faults.access_denied(group="fleet-0", times=None))
    assert {name: status for name, status, _ in statuses(fleets.invoke("full"))}["fleet-0"] == "held"
    aws.faults.clear()
    aws.clock.advance(5 * MINUTE)
    soon = {name: code for name, _, code in statuses(fleets.invoke("short-1", kind="short"))}
    assert soon["fleet-0"] == "no-plan"
    aws.clock.advance(11 * MINUTE)
    later = {name: status for name, status, _ in statuses(fleets.invoke("short-2", kind="short"))}
    assert later["fleet-0"] == "written"
    assert fleets.actions("fleet-0")
    assert read_progress(fleets.store, "job").fleets["fleet-0"].held_at is None


class Request:
    def __init__(self, body: Any, **headers: str) -> None:
        self.headers: Mapping[str, str] = headers
        self._body = body

    def get_json(self, *, silent: bool) -> Any:
        assert silent
        return self._body


def test_the_body_names_the_kind_and_ids_of_both_kinds_differ() -> None:
    when = {"X-CloudScheduler-ScheduleTime": "2026-03-02T12:00:00Z"}
    full, short = Request({"source": "schedule"}, **when), Request({"source": "schedule", "kind": "short"}, **when)
    assert (kind_of(full), kind_of(short)) == ("full", "short")
    assert run_id_of(full) != run_id_of(short)
    assert run_id_of(short) == run_id_of(short)
    with pytest.raises(SettingsError, match="kind"):
        checked_kind("shorter")
