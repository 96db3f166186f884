"""The whole street, from a file of load to the actions of a group in the strict double."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elastic_iac.local import faults
from elastic_iac.local.aws import LocalAws
from forecasting import job as job_module
from forecasting.errors import ForecastError, Hold, SettingsError
from forecasting.job import Pipeline, run_fleet, run_job
from forecasting.release import release_fleet, roll_back_fleet
from forecasting.run import FleetResult, Run
from forecasting.settings import Job
from forecasting.store import open_store
from forecasting.store.ledger import Ledger
from tests.fleets import GROUP, NOW, InProcess, fleet_data, make_group, make_job, snapshot

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAYS = 12


def write_load(
    path: Path, now: datetime = NOW, *, days: float = DAYS, after: float = 3, scale: float = 1.0
) -> pd.Series:
    """A daily and weekly load in 5-min samples around `now`; the fleet needs 4 to 20 instances of 10."""
    index = pd.date_range(now - timedelta(days=days), now + timedelta(days=after), freq="5min").floor("5min")
    hours = np.asarray(index.hour + index.minute / 60)
    weekend = np.where(np.asarray(index.day_of_week) >= 5, 0.7, 1.0)
    noise = np.random.default_rng(7).normal(0, 2, len(index))
    load = pd.Series(
        scale * np.maximum((110 - 70 * np.cos((hours - 3) / 24 * 2 * np.pi)) * weekend + noise, 0), index=index
    )
    load.rename("value").rename_axis("timestamp").to_csv(path, date_format="%Y-%m-%dT%H:%M:%SZ")
    return load


@pytest.fixture
def street(aws: LocalAws, tmp_path: Path) -> Street:
    return Street(aws, tmp_path)


class Street:
    """A job with one fleet, its group in the double, and its load in a file."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        self.folder = folder
        aws.reset(now=NOW)
        self.client = make_group(aws)
        self.load = write_load(folder / "load.csv")

    def fleet(self, **changes: Any) -> dict[str, Any]:
        return fleet_data(source={"kind": "file", "path": str(self.folder / "load.csv")}, **changes)

    def job(self, *fleets: dict[str, Any], **changes: Any) -> Job:
        return make_job(self.folder, *(fleets or (self.fleet(),)), **changes)

    def run(self, job: Job | None = None, **changes: Any) -> FleetResult:
        return self.run_all(job, **changes)[0]

    def run_all(self, job: Job | None = None, **changes: Any) -> list[FleetResult]:
        self.aws.calls.clear()
        return run_job(self.make_run(job, **changes))

    def make_run(self, job: Job | None = None, **changes: Any) -> Run:
        run = Run(job or self.job(), self.aws.clock.now(), session=InProcess(self.aws), clock=self.aws.clock.now)  # pyright: ignore[reportArgumentType]
        return replace(run, **changes)

    def changes(self) -> list[str]:
        """The mutating calls since the last run began."""
        return [call.action for call in self.aws.calls if call.mutating]

    def hand(self, **sizes: int) -> None:
        """A person at the console."""
        self.client.update_auto_scaling_group(AutoScalingGroupName=GROUP, **sizes)

    def foreign(self, name: str, start: datetime, **sizes: int) -> None:
        self.client.put_scheduled_update_group_action(
            AutoScalingGroupName=GROUP, ScheduledActionName=name, StartTime=start, **sizes
        )

    def described(self, prefix: str = "") -> list[dict[str, Any]]:
        pages = self.client.get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=GROUP)
        return [
            action
            for page in pages
            for action in page["ScheduledUpdateGroupActions"]
            if action["ScheduledActionName"].startswith(prefix)
        ]

    @property
    def ledger(self) -> Ledger:
        job = self.job()
        return Ledger(open_store(job.store), job.fleets[0].target_key)


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


def test_old_records_go_once_in_a_while(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "PRUNE_EVERY", 2)
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
    assert (result.status, result.code) == ("held", "out-of-time")
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


# People


def test_a_hand_that_raises_pins_until_it_lowers(street: Street) -> None:
    street.run()
    street.hand(MinSize=35, DesiredCapacity=35)
    pinned = street.run()
    assert pinned.schedule
    assert {slot.floor for slot in pinned.schedule.slots} == {35}
    assert any("pinned: a person raised MinSize to 35" in note for note in pinned.notes)
    street.aws.clock.advance(6 * HOUR)
    held = street.run()
    assert held.schedule
    assert {slot.floor for slot in held.schedule.slots} == {35}
    street.hand(MinSize=3)
    released = street.run()
    assert released.schedule
    assert max(slot.floor for slot in released.schedule.slots) < 35
    assert released.schedule.slots[-1].floor == 2


def step_load(path: Path, scale: float = 1.0) -> None:
    """Four instances until noon and fifteen from then on: with the lead time, the slot of 11:45 raises the floor."""
    load = write_load(path, scale=scale)
    afternoon = np.asarray(pd.DatetimeIndex(load.index).hour) >= 12
    stepped = pd.Series(scale * np.where(afternoon, 150.0, 40.0), index=load.index)
    stepped += np.random.default_rng(3).normal(0, 1, len(load))
    stepped.rename("value").rename_axis("timestamp").to_csv(path, date_format="%Y-%m-%dT%H:%M:%SZ")


def test_a_slot_that_runs_between_the_start_of_a_run_and_its_reading_is_no_hand(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_load(street.folder / "load.csv")
    street.run()
    real = job_module.forecast

    def slow(*args: Any, **options: Any) -> Any:
        street.aws.clock.advance(2 * MINUTE)
        return real(*args, **options)

    monkeypatch.setattr(job_module, "forecast", slow)
    street.aws.clock.advance_to(NOW.replace(hour=11, minute=44))
    result = street.run()
    assert street.aws.history(GROUP)[-1].at == NOW.replace(hour=11, minute=45)
    assert result.observation
    assert (result.observation.people_floor, result.observation.note) == (0, None)


def test_a_slot_that_runs_among_the_writes_is_no_hand(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    step_load(street.folder / "load.csv")
    street.run()
    street.aws.clock.advance_to(NOW.replace(hour=11, minute=44, second=30))
    step_load(street.folder / "load.csv", scale=1.5)
    slow = Pipeline(street.make_run(), street.job().fleets[0])
    put = slow.target.put

    def slowly(slot: Any) -> None:
        put(slot)
        street.aws.clock.advance(timedelta(seconds=0.5))

    monkeypatch.setattr(slow.target, "put", slowly)
    assert slow.guarded().status == "written"
    assert street.aws.history(GROUP)[-1].at == NOW.replace(hour=11, minute=45)
    street.aws.clock.advance_to(NOW.replace(hour=11, minute=46))
    result = street.run()
    assert result.observation
    assert (result.observation.people_floor, result.observation.note) == (0, None)


def test_a_fleet_that_comes_late_in_a_run_is_planned_for_its_own_moment(street: Street) -> None:
    run = street.make_run()
    street.aws.clock.advance(5 * MINUTE)  # as the fleets before it would take
    (result,) = run_job(run)
    assert result.status == "written"
    assert result.schedule
    assert result.schedule.slots[0].start > street.aws.clock.now() + 2 * MINUTE


def test_a_group_found_above_the_floor_is_pinned_on_first_contact(street: Street) -> None:
    street.hand(MinSize=6, DesiredCapacity=6)
    result = street.run()
    assert result.schedule
    assert min(slot.floor for slot in result.schedule.slots) == 6


def test_a_persons_one_off_action_that_ran_between_two_runs_is_no_hand_and_still_holds(street: Street) -> None:
    street.foreign("match-day", NOW + 2 * HOUR, MinSize=22)
    street.run()
    street.aws.clock.advance(6 * HOUR)
    result = street.run()
    assert result.observation
    assert (result.observation.people_floor, result.observation.note) == (22, None)
    assert result.schedule
    assert {slot.floor for slot in result.schedule.slots} == {22}


def test_row_30_peoples_actions_are_byte_identical_after_many_runs(street: Street) -> None:
    street.foreign("elastic-iac-prod", NOW + 30 * HOUR, MinSize=5)
    street.foreign("elastic-iac-prod2-20260303T1200Z", NOW.replace(day=3, hour=12, minute=0), MinSize=5)
    street.foreign("elastic-iac-prod-20260303T1300Z", NOW.replace(day=3, hour=13, minute=0), MinSize=4, MaxSize=50)
    theirs = street.described()
    for _ in range(3):
        assert street.run().status == "written"
        street.aws.clock.advance(5 * HOUR)
    names = {action["ScheduledActionName"] for action in theirs}
    assert [action for action in street.described() if action["ScheduledActionName"] in names] == theirs


def test_renaming_a_stack_takes_its_actions_over_and_a_fleets_name_does_not_matter(street: Street) -> None:
    street.run()
    street.aws.clock.advance(6 * HOUR)
    renamed = street.job(street.fleet(name="shop"), owner="blue", former_owners=["prod"])
    result = street.run(renamed)
    assert result.status == "written"
    assert result.scores is not None  # its history came along
    assert result.schedule
    assert {action["ScheduledActionName"] for action in street.described()} == {
        slot.name for slot in result.schedule.slots
    }
    street.aws.clock.advance(49 * HOUR)
    write_load(street.folder / "load.csv", street.aws.clock.now())
    street.run(renamed)
    assert street.described("elastic-iac-prod-") == []
    assert street.described("elastic-iac-blue-")


def test_a_renamed_stack_with_a_store_of_its_own_takes_min_size_for_its_own(street: Street) -> None:
    street.run()
    street.aws.clock.advance(6 * HOUR)
    fresh = street.job(
        owner="blue", former_owners=["prod"], store={"kind": "local", "path": str(street.folder / "other")}
    )
    result = street.run(fresh)
    assert result.observation
    assert result.observation.people_floor == 0
    assert result.schedule
    assert result.schedule.slots[-1].floor == 2


# Release


def test_release_leaves_the_group_as_it_was_found(street: Street) -> None:
    street.foreign("theirs", NOW + 30 * HOUR, MinSize=5)
    theirs = street.described("theirs")
    street.run()
    street.aws.clock.advance(6 * HOUR)
    assert street.aws.history(GROUP)[-1].sizes.minimum > 2
    released = release_fleet(street.make_run(), street.job().fleets[0])
    assert released.min_size_after == 2
    assert released.deleted
    assert street.described() == theirs
    assert street.aws.history(GROUP)[-1].sizes.minimum == 2
    # And a later run begins anew.
    assert street.run().status == "written"


def test_release_respects_what_people_set(street: Street) -> None:
    street.run()
    street.hand(MinSize=17, DesiredCapacity=17)
    assert release_fleet(street.make_run(), street.job().fleets[0]).min_size_after == 17


def test_release_gives_back_no_more_than_max_size_allows(street: Street) -> None:
    street.hand(MinSize=6, DesiredCapacity=6)
    street.run()
    street.hand(MinSize=3, DesiredCapacity=3, MaxSize=5)
    assert release_fleet(street.make_run(), street.job().fleets[0]).min_size_after == 5


def test_release_of_a_group_that_was_never_touched_changes_nothing(street: Street) -> None:
    street.hand(MinSize=4, DesiredCapacity=4)
    street.aws.calls.clear()
    released = release_fleet(street.make_run(), street.job().fleets[0])
    assert (released.deleted, released.min_size_after) == ((), 4)
    assert street.changes() == []


def test_row_35_a_rollback_restores_the_schedule_before_the_last_one(street: Street) -> None:
    street.run()
    before = {action["StartTime"]: action["MinSize"] for action in street.described()}
    street.aws.clock.advance(HOUR)
    write_load(street.folder / "load.csv", scale=1.8)
    street.run()
    wrong = {action["StartTime"]: action["MinSize"] for action in street.described()}
    assert any(wrong.get(start, 0) > floor for start, floor in before.items())

    outcome = roll_back_fleet(street.make_run(), street.job().fleets[0])
    assert outcome.written
    restored = {action["StartTime"]: action["MinSize"] for action in street.described()}
    assert {
        start: floor for start, floor in before.items() if start > NOW + HOUR + 4 * MINUTE
    }.items() <= restored.items()
    street.aws.clock.advance(49 * HOUR)
    assert street.aws.history(GROUP)[-1].sizes.minimum == 2


def test_a_rollback_keeps_to_max_size_and_clear_of_actions_that_people_added_since(street: Street) -> None:
    street.run()
    street.aws.clock.advance(HOUR)
    write_load(street.folder / "load.csv", scale=1.8)
    street.hand(MinSize=3, DesiredCapacity=3, MaxSize=15)
    street.foreign("match", NOW.replace(hour=14, minute=1), MinSize=9)
    street.foreign("warm", NOW.replace(hour=13, minute=1), DesiredCapacity=12)
    theirs = {"match", "warm"}
    street.run()
    roll_back_fleet(street.make_run(), street.job().fleets[0])
    restored = [action for action in street.described() if action["ScheduledActionName"] not in theirs]
    assert max(action["MinSize"] for action in restored) == 15
    near = NOW.replace(hour=14, minute=1)
    assert all(abs(action["StartTime"] - near) >= 3 * MINUTE for action in restored)
    assert min(action["MinSize"] for action in restored if action["StartTime"] > near) >= 9


def test_a_rollback_without_an_earlier_schedule_holds(street: Street) -> None:
    with pytest.raises(Hold, match="nothing-to-roll-back"):
        roll_back_fleet(street.make_run(), street.job().fleets[0])


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
