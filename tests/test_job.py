"""The whole street, from a file of load to the actions of a group in the strict double."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elastic_iac.local import faults
from forecasting import job as job_module
from forecasting.errors import ForecastError, SettingsError
from forecasting.job import Pipeline, run_fleet, run_job
from forecasting.run import FleetResult, Run
from forecasting.targets.aws import AutoScalingTarget
from tests.fleets import GROUP, NOW, make_group, snapshot
from tests.street import HOUR, MINUTE, Street, write_load


def test_a_run_writes_a_plan_that_covers_the_load_that_comes(street: Street) -> None:
    result = street.run()

    assert (result.status, result.code) == ("written", "")
    assert result.read_back
    assert result.written == len(result.schedule.slots) if result.schedule else 0
    street.aws.clock.advance(47 * HOUR)
    floor = np.array(street.aws.min_size_by_minute(GROUP, NOW + 15 * MINUTE, NOW + 47 * HOUR))
    need = np.ceil(
        street.load.reindex(
            pd.date_range(NOW + 15 * MINUTE, periods=len(floor), freq="1min"), method="ffill"
        ).to_numpy()
        / 10
    )
    assert (floor >= need).mean() > 0.9
    assert floor.max() < 30


def test_a_second_run_writes_nothing_and_says_so(street: Street) -> None:
    street.run()
    again = street.run()
    assert again.status == "unchanged"
    assert again.read_back
    assert street.changes() == []


def test_runs_and_forecasts_are_recorded_and_scored_by_later_runs(street: Street) -> None:
    street.run()
    street.aws.clock.advance(6 * HOUR)
    later = street.run()
    assert later.scores is not None
    assert later.scores.points == pytest.approx(24, abs=1)
    assert later.scores.coverage[0.95] > 0.6
    newest, first = street.ledger.runs(2)
    assert first.outcome == "written"
    assert first.diff["put"] == 97 or first.diff["put"] == 98
    assert newest.generation == first.generation + 1
    assert newest.weights
    assert len(newest.floors) > 190


def test_old_records_go_with_the_first_run_of_a_day(street: Street) -> None:
    street.run()
    street.aws.clock.advance(timedelta(days=61))
    write_load(street.folder / "load.csv", street.aws.clock.now())
    street.run()
    assert [record.generation for record in street.ledger.runs(9)] == [2]


# Who may write


def test_row_24_a_repeated_invocation_writes_nothing(street: Street) -> None:
    street.run(run_id="2026-03-02T10:00Z")
    street.aws.clock.advance(6 * HOUR)
    repeated = street.run(run_id="2026-03-02T10:00Z")
    assert (repeated.status, repeated.code) == ("held", "duplicate-run")
    assert street.changes() == []


class Interrupted(Pipeline):
    """A run that is frozen in the middle while another one, newer, goes by."""

    def __init__(self, run: Run, street: Street, stage: str) -> None:
        super().__init__(run, run.job.fleets[0])
        self.street, self.stage = street, stage
        self.newer: FleetResult | None = None

    def _score(self, history: Any) -> None:
        super()._score(history)
        if self.stage == "before-writing":
            self.newer = run_fleet(self.street.make_run(), self.fleet)


def test_row_25_a_stale_run_writes_nothing_and_cleans_nothing_up(street: Street) -> None:
    """The delayed enactor of October 2025: frozen between plan and write while a newer run goes by."""
    stale = Interrupted(street.make_run(), street, "before-writing")
    result = stale.guarded()
    assert stale.newer
    assert stale.newer.status == "written"
    assert (result.status, result.code) == ("held", "superseded")
    assert stale.newer.schedule
    assert {action["ScheduledActionName"] for action in street.described()} == {
        slot.name for slot in stale.newer.schedule.slots
    }


def test_i5_a_run_overtaken_among_its_writes_stops_and_the_newest_plan_stands(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Pipeline(street.make_run(), street.job().fleets[0])
    puts = 0
    assert isinstance(older.target, AutoScalingTarget)
    put = older.target.put

    def overtaken(slot: Any) -> None:
        nonlocal puts
        puts += 1
        put(slot)
        if puts == 10:
            older.ledger.claim("newer")

    monkeypatch.setattr(older.target, "put", overtaken)
    result = older.guarded()
    assert (result.status, result.code) == ("held", "superseded")
    assert puts == 10
    newest = street.run()
    assert newest.status == "written"
    assert newest.schedule
    assert {action["ScheduledActionName"] for action in street.described()} == {
        slot.name for slot in newest.schedule.slots
    }


def test_row_19_after_a_run_that_died_the_next_one_goes_on_and_sees_no_persons_hand(street: Street) -> None:
    street.run()
    street.aws.clock.advance(5 * HOUR)
    write_load(street.folder / "load.csv", scale=1.5)
    street.aws.faults.add(faults.kill(nth=20))
    died = street.run()
    assert died.status == "held"
    street.aws.faults.clear()
    # The lease of the dead run is waited for, then the next run takes over; by then some of the new slots have run.
    street.aws.clock.advance(HOUR)
    after = street.run()
    assert after.status == "written"
    assert after.observation
    assert after.observation.people_floor == 0
    assert after.observation.note is None


# Doubt


def test_i12_dry_run_and_kill_switch_make_no_mutating_call(street: Street) -> None:
    for job in (
        street.job(dry_run=True),
        street.job(enabled=False),
        street.job(street.fleet(dry_run=True)),
        street.job(street.fleet(enabled=False)),
    ):
        result = street.run(job)
        assert (result.status, result.code) in {("planned", ""), ("held", "disabled")}
        assert street.changes() == []
    assert street.run(write=False).status == "planned"
    assert street.changes() == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out-of-memory"),
        (ForecastError("no model"), "ForecastError"),
        (RuntimeError("boom"), "unexpected"),
    ],
)
def test_rows_16_to_18_a_forecast_that_fails_writes_nothing(
    street: Street, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, code: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    caplog.set_level(logging.CRITICAL)
    with monkeypatch.context() as patch:
        patch.setattr(job_module, "forecast", fail)
        result = street.run()
    assert (result.ok, result.code) == (False, code)
    assert street.changes() == []
    assert street.run().status == "written"  # the next run is clean


def test_row_17_a_run_out_of_time_writes_nothing(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    real = job_module.forecast

    def slow(*args: Any, **options: Any) -> Any:
        street.aws.clock.advance(11 * MINUTE)
        return real(*args, **options)

    monkeypatch.setattr(job_module, "forecast", slow)
    result = street.run()
    assert (result.status, result.code) == ("deferred", "out-of-time")
    assert street.changes() == []


def test_rows_29_and_33_one_fleets_failure_leaves_the_others_as_they_are(street: Street) -> None:
    """I15: beside a missing group and one in a region that is out, the third gets what it would get alone."""
    make_group(street.aws, "out")
    broken = street.fleet(name="gone", target={"region": "us-east-1", "group_name": "gone"})
    out = street.fleet(name="out", target={"region": "us-east-1", "group_name": "out"})
    alone = street.run(write=False)
    street.aws.faults.add(faults.reset(group="out", times=None))
    results = street.run_all(street.job(broken, out, street.fleet()))
    assert [(result.fleet.name, result.status, result.code) for result in results] == [
        ("gone", "held", "TargetNotFoundError"),
        ("out", "held", "unreachable"),
        ("web", "written", ""),
    ]
    assert results[2].schedule == alone.schedule


def test_row_31_a_lowered_max_clamps_and_says_so(street: Street) -> None:
    street.hand(MaxSize=12)
    result = street.run()
    assert result.status == "written"
    assert result.schedule
    assert max(slot.floor for slot in result.schedule.slots) == 12
    assert any("MaxSize of 12" in note for note in result.notes)


def test_row_34_a_job_that_falls_silent_leaves_the_baseline(street: Street) -> None:
    street.run()
    street.aws.clock.advance(timedelta(days=4))
    assert street.aws.history(GROUP)[-1].sizes.minimum == 2
    assert snapshot(street.aws).actions == {}


@pytest.mark.parametrize("fault", [faults.expired_token, faults.access_denied])
def test_row_36_credentials_hold_at_once(street: Street, fault: Any) -> None:
    street.aws.faults.add(fault(times=None))
    result = street.run()
    assert (result.status, result.code) == ("held", "CredentialsError")
    assert len(street.aws.calls) == 1


def test_short_history_keeps_the_floor(street: Street) -> None:
    write_load(street.folder / "load.csv", days=0.5)
    result = street.run()
    assert (result.status, result.code) == ("held", "short-history")
    assert street.changes() == []


def test_bad_data_may_only_raise(street: Street) -> None:
    street.run()
    before = {action["ScheduledActionName"]: action["MinSize"] for action in street.described()}
    # The exporter froze at a tiny value eight hours ago.
    street.aws.clock.advance(HOUR)
    lines = (street.folder / "load.csv").read_text().splitlines()
    frozen = [line if line < (NOW - 8 * HOUR).isoformat() else f"{line.split(',')[0]},1.0" for line in lines[1:]]
    (street.folder / "load.csv").write_text("\n".join([lines[0], *frozen]))
    result = street.run()
    assert result.history
    assert result.history.verdict == "raise-only"
    after = {action["ScheduledActionName"]: action["MinSize"] for action in street.described()}
    assert all(after[name] >= floor for name, floor in before.items() if name in after)


def test_a_fleet_that_is_no_fleet_of_the_job_is_named(street: Street) -> None:
    with pytest.raises(SettingsError, match=r"fleet: got 'wbe'; expected one of: web"):
        run_job(street.make_run(), ["wbe"])


def _names(slots: Sequence[Any]) -> set[str]:
    return {slot.name for slot in slots}


def test_what_a_person_agreed_to_is_written_or_nothing(street: Street) -> None:
    shown = street.run(write=False)
    street.foreign("theirs", NOW + 2 * HOUR, MinSize=30)
    changed = run_fleet(street.make_run(), street.job().fleets[0], agreed=shown.diff)
    assert (changed.status, changed.code) == ("held", "changed")
    shown = street.run(write=False)
    assert run_fleet(street.make_run(), street.job().fleets[0], agreed=shown.diff).status == "written"
    assert shown.diff
    assert _names([change.slot for change in shown.diff.puts]) < {
        action["ScheduledActionName"] for action in street.described()
    }
