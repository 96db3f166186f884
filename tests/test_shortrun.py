"""Short runs on the street: the next slots by the newest samples, and never in a full run's way."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elastic_iac.local import faults
from forecasting import job as job_module
from forecasting.job import run_fleet
from forecasting.release import roll_back_fleet
from forecasting.run import FleetResult
from forecasting.settings import Job
from forecasting.shortrun import ShortRun, run_fleet_short, run_short
from forecasting.store.ledger import Claim
from forecasting.store.pause import pause
from forecasting.targets.aws import AutoScalingTarget
from tests.fleets import GROUP, NOW, floors_by_minute, make_group, play, snapshot
from tests.invocations import quick_forecast
from tests.street import HOUR, MINUTE, Street, write_load

BOOT = 600


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "forecast", quick_forecast)


@pytest.fixture
def planned(street: Street) -> Street:
    """A full run has been an hour ago; its fleet boots in ten minutes."""
    assert full(street).status == "written"
    street.aws.clock.advance(1 * HOUR)
    return street


def job_of(street: Street, **changes: Any) -> Job:
    return street.job(street.fleet(lead_time_seconds=BOOT, **changes))


def full(street: Street, **changes: Any) -> FleetResult:
    return street.run(job_of(street), **changes)


def short(street: Street, job: Job | None = None, **changes: Any) -> FleetResult:
    street.aws.calls.clear()
    (result,) = run_short(street.make_run(job or job_of(street), **changes))
    return result


def rewrite(street: Street, factor: float, ago: timedelta, until: timedelta | None = None) -> None:
    """The load from some time ago on, times a factor."""
    now = street.aws.clock.now()
    stamps = pd.DatetimeIndex(street.load.index)
    end = pd.Timestamp(now - until) if until else stamps[-1]
    changed = np.asarray((stamps >= pd.Timestamp(now - ago)) & (stamps < end))
    load = street.load.mask(changed, street.load * factor)
    load.rename("value").rename_axis("timestamp").to_csv(street.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")


def floors(street: Street) -> dict[datetime, int]:
    return {action["StartTime"]: action["MinSize"] for action in street.described()}


def items(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (folder / "store").rglob("*") if path.is_file()}


# What it does


def test_a_surge_raises_the_next_slots_and_no_other(planned: Street) -> None:
    before, now = floors(planned), planned.aws.clock.now()
    rewrite(planned, 1.6, 20 * MINUTE)
    result = short(planned)
    assert (result.status, result.code, result.read_back) == ("written", "", True)
    after = floors(planned)
    assert result.needed
    assert result.needed > max(before[start] for start in before if start < now + 1 * HOUR)
    assert {start for start in after if after[start] != before.get(start)} == {
        start for start in after if start < now + 15 * MINUTE
    }
    assert min(start for start in after if start > now) >= now + 2 * MINUTE
    planned.aws.clock.advance(5 * MINUTE)
    assert snapshot(planned.aws).sizes.minimum == result.needed


def test_a_lull_lowers_the_next_slots_and_what_lies_beyond_stays(planned: Street) -> None:
    before, now = floors(planned), planned.aws.clock.now()
    rewrite(planned, 0.5, 3 * HOUR)
    result = short(planned)
    after = floors(planned)
    assert result.needed
    changed = {start: after[start] for start in after if after[start] != before.get(start)}
    assert changed
    assert max(changed) < now + 15 * MINUTE
    assert all(after[start] < before[start] for start in changed)
    assert set(before) == set(after)


def test_i4_a_second_one_writes_nothing_neither_to_the_cloud_nor_to_the_store(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    assert short(planned).status == "written"
    before = items(planned.folder)
    again = short(planned)
    assert (again.status, again.code, planned.changes()) == ("unchanged", "", [])
    assert items(planned.folder) == before


def test_it_keeps_no_record_and_the_scores_are_of_full_runs(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    before = {name for name in items(planned.folder) if "/runs/" in name or "/forecasts/" in name}
    basis = planned.ledger.basis()
    assert short(planned).status == "written"
    assert {name for name in items(planned.folder) if "/runs/" in name or "/forecasts/" in name} == before
    assert planned.ledger.basis() == basis  # its own level never becomes the plan
    planned.aws.clock.advance(5 * HOUR)
    scores = full(planned).scores
    assert scores
    assert scores.forecasts == 1


def test_the_steps_of_an_hourly_plan_are_cut_to_what_is_near(street: Street) -> None:
    job = job_of(street, step_minutes=60)
    assert street.run(job).status == "written"
    street.aws.clock.advance(1 * HOUR)
    before, now = floors(street), street.aws.clock.now()
    rewrite(street, 0.5, 3 * HOUR)
    assert short(street, job).ok
    after = floors(street)
    assert {start: after[start] for start in after if start >= now + 15 * MINUTE} == {
        start: before[start] for start in before if start >= now + 15 * MINUTE
    }


def test_a_fleet_that_takes_no_part_keeps_its_plan(street: Street) -> None:
    for changes in ({"short_lead": False}, {"lead_time_seconds": 540}, {"lead_time_seconds": 7200, "short_lead": True}):
        street.aws.reset(now=NOW)
        make_group(street.aws)
        job = make_apart(street, **changes)
        assert street.run(job).status == "written"
        street.aws.clock.advance(1 * HOUR)
        rewrite(street, 2, 20 * MINUTE)
        result = short(street, job)
        assert (result.status, result.needed, result.reading) == ("unchanged", None, None)


def make_apart(street: Street, **changes: Any) -> Job:
    """A job with a store of its own."""
    path = street.folder / json.dumps(changes, sort_keys=True)[1:15].strip('"').replace('"', "").replace(":", "")
    return street.job(
        street.fleet(**{"lead_time_seconds": BOOT, **changes}), store={"kind": "local", "path": str(path)}
    )


# Doubts: it only raises, or does nothing


def test_without_samples_of_the_last_quarter_of_an_hour_nothing_is_lowered(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    assert short(planned).written
    raised = floors(planned)
    stamps = pd.DatetimeIndex(planned.load.index)
    planned.aws.clock.advance(5 * MINUTE)
    load = planned.load[np.asarray(stamps < pd.Timestamp(planned.aws.clock.now() - 25 * MINUTE))]
    load.rename("value").rename_axis("timestamp").to_csv(planned.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")
    result = short(planned)
    assert result.needed is None
    assert result.ok
    assert all(floor >= raised[start] for start, floor in floors(planned).items() if start in raised)


def test_i6_in_doubt_a_slot_that_an_earlier_run_put_ahead_of_the_grid_stays(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    assert short(planned).written
    raised = floors(planned)
    stamps = pd.DatetimeIndex(planned.load.index)
    load = planned.load[np.asarray(stamps < pd.Timestamp(planned.aws.clock.now() - 25 * MINUTE))]
    load.rename("value").rename_axis("timestamp").to_csv(planned.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")
    result = short(planned)  # a person's, at once: the first slot has not run yet
    assert (result.ok, result.needed) == (True, None)
    assert floors(planned) == raised


def test_row_12_an_outage_lowers_nothing(planned: Street) -> None:
    before = floors(planned)
    rewrite(planned, 0.0, 30 * MINUTE)
    result = short(planned)
    assert result.ok
    assert all(floor >= before[start] for start, floor in floors(planned).items() if start in before)


def test_row_11_a_spike_stays_below_the_cap_and_the_ceiling(planned: Street) -> None:
    rewrite(planned, 100, 10 * MINUTE)
    result = short(planned)
    assert result.ok
    largest = float(planned.load.max())
    assert max(floors(planned).values()) <= min(40, np.ceil(1.5 * largest / 10))


def test_row_10_a_wrong_unit_holds(planned: Street) -> None:
    job = job_of(planned, max_load=400)
    rewrite(planned, 1000, 60 * MINUTE)
    result = short(planned, job)
    assert (result.status, result.code) == ("held", "too-high")
    assert planned.changes() == []


def test_i6_by_an_old_plan_it_only_raises_and_by_a_stale_one_does_nothing(planned: Street) -> None:
    planned.aws.clock.advance(12 * HOUR)
    before = floors(planned)
    rewrite(planned, 0.3, 3 * HOUR)
    assert short(planned).ok
    assert all(floor >= before[start] for start, floor in floors(planned).items() if start in before)
    planned.aws.clock.advance(12 * HOUR)
    rewrite(planned, 3, 20 * MINUTE)
    result = short(planned)
    assert (result.status, result.code, planned.changes()) == ("held", "plan-old", [])


def test_within_an_announced_event_nothing_goes_below_the_plan(street: Street) -> None:
    event = {"name": "sale", "start": (NOW + 1 * HOUR).isoformat(), "end": (NOW + 4 * HOUR).isoformat(), "floor": 30}
    job = job_of(street, events=[event])
    assert street.run(job).status == "written"
    street.aws.clock.advance(2 * HOUR)
    before = floors(street)
    assert short(street, job).ok
    assert all(floor >= before[start] for start, floor in floors(street).items() if start in before)
    assert min(floor for start, floor in floors(street).items() if start < NOW + 3 * HOUR) >= 30


def test_row_35_and_i12_a_pause_a_kill_switch_and_a_dry_run_make_no_mutating_call(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    assert short(planned, planned.job(planned.fleet(lead_time_seconds=BOOT), enabled=False)).code == "disabled"
    assert planned.changes() == []
    looked = short(planned, write=False)
    assert (looked.status, planned.changes()) == ("planned", [])
    assert looked.diff
    assert looked.diff.writes
    run = planned.make_run(job_of(planned))
    pause(run.store, run.job, "web", by="ada", now=run.now)
    assert short(planned).code == "paused"
    assert planned.changes() == []


def test_a_pin_holds(planned: Street) -> None:
    planned.hand(MinSize=28)
    rewrite(planned, 0.5, 3 * HOUR)
    result = short(planned)
    assert result.ok
    assert result.observation
    assert result.observation.people_floor == 28
    assert min(floors(planned).values()) >= 28


def test_a_persons_action_that_came_after_the_full_run_is_merged_for_all_slots(planned: Street) -> None:
    at = planned.aws.clock.now() + 3 * HOUR + 7 * MINUTE
    planned.foreign("theirs", at, MinSize=33)
    assert short(planned).status == "written"
    ours = {action["StartTime"]: action["MinSize"] for action in planned.described("elastic-iac-")}
    assert min(floor for start, floor in ours.items() if start > at) >= 33
    assert planned.described("theirs")[0]["MinSize"] == 33


# Order: full runs come first


def test_before_the_first_full_run_it_waits(street: Street) -> None:
    result = short(street)
    assert (result.status, result.code, street.aws.calls) == ("unchanged", "no-plan", [])


def test_it_stands_back_while_a_full_run_is_under_way_and_goes_on_once_that_died(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    now = planned.aws.clock.now()
    planned.ledger.claim("full", now, now + 14 * MINUTE)
    result = short(planned)
    assert (result.status, result.code, planned.changes()) == ("unchanged", "full-run", [])
    planned.aws.clock.advance(15 * MINUTE)
    rewrite(planned, 1.6, 35 * MINUTE)
    assert short(planned).status == "written"
    planned.aws.clock.advance(1 * HOUR)
    before = floors(planned)
    rewrite(planned, 0.4, 3 * HOUR)
    assert short(planned).ok  # what the one that died saw is not known: nothing is lowered
    assert all(floor >= before[start] for start, floor in floors(planned).items() if start in before)


def test_after_a_persons_rollback_it_waits_for_a_full_run(planned: Street) -> None:
    rewrite(planned, 1.5, 6 * HOUR)
    assert full(planned).status == "written"
    run = planned.make_run(job_of(planned))
    roll_back_fleet(run, run.job.fleets[0])
    restored = floors(planned)
    rewrite(planned, 2, 20 * MINUTE)
    result = short(planned)
    assert (result.status, result.code) == ("unchanged", "after-command")
    assert floors(planned) == restored
    assert full(planned).ok
    assert short(planned).ok
    assert short(planned).code == ""


def test_it_does_not_count_as_started_later_than_a_full_run_that_comes_after_it(planned: Street) -> None:
    late = planned.make_run(job_of(planned))
    planned.aws.clock.advance(5 * MINUTE)
    rewrite(planned, 1.6, 20 * MINUTE)
    assert short(planned).status == "written"
    result = run_fleet(late, late.job.fleets[0])
    assert (result.status, result.code) != ("held", "superseded")
    assert result.ok


def test_i5_a_full_run_overtakes_it_and_its_plan_stands(planned: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    run = planned.make_run(job_of(planned))
    slow = ShortRun(run, run.job.fleets[0])
    assert isinstance(slow.target, AutoScalingTarget)
    put = slow.target.put

    def overtaken(slot: Any) -> None:
        put(slot)
        planned.ledger.claim("newer", run.now, run.now + 14 * MINUTE)

    monkeypatch.setattr(slow.target, "put", overtaken)
    result = slow.guarded()
    assert (result.status, result.code) == ("held", "superseded")
    newest = full(planned)
    assert newest.ok
    assert newest.schedule
    assert floors(planned) == {slot.start: slot.floor for slot in newest.schedule.slots}


def test_row_24_a_repeated_delivery_of_one_that_wrote_is_a_duplicate(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    assert short(planned, run_id="short-1").status == "written"
    planned.aws.clock.advance(5 * MINUTE)
    rewrite(planned, 0.6, 3 * HOUR)
    result = short(planned, run_id="short-1")
    assert (result.status, result.code, planned.changes()) == ("held", "duplicate-run", [])


def test_many_short_runs_do_not_make_a_full_run_forget_its_duplicates(planned: Street) -> None:
    assert full(planned, run_id="schedule-1").ok
    for number in range(60):
        basis = planned.ledger.basis()
        assert basis
        seen = planned.ledger.state()
        claim = planned.ledger.claim_short(f"short-{number}", basis.generation, seen, lease_seconds=60)
        planned.ledger.release(claim)
    assert full(planned, run_id="schedule-1").code == "duplicate-run"
    assert len(planned.ledger.state().short_runs) <= 12


# Crashes and failures


class KilledError(BaseException):
    """The process is gone."""


def killed_at(monkeypatch: pytest.MonkeyPatch, count: int) -> Callable[[], None]:
    """Dies at the write of this number, before it is made; call what is returned to live again."""
    put, made = AutoScalingTarget.put, 0

    def counted(self: AutoScalingTarget, slot: Any) -> None:
        nonlocal made
        if made == count:
            raise KilledError
        made += 1
        put(self, slot)

    monkeypatch.setattr(AutoScalingTarget, "put", counted)
    return lambda: monkeypatch.setattr(AutoScalingTarget, "put", put)


def test_i3_ended_at_any_write_the_floor_is_the_old_plans_or_the_new_ones(
    planned: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    whole = short(planned, write=False)
    assert whole.diff
    start, end = planned.aws.clock.now(), planned.aws.clock.now() + 7 * HOUR
    old = floors_by_minute(play(snapshot(planned.aws), end), start, end)
    states: list[Any] = []
    for last in range(whole.diff.writes):
        live = killed_at(monkeypatch, last)
        with pytest.raises(KilledError):
            short(planned)
        states.append(floors_by_minute(play(snapshot(planned.aws), end), start, end))
        live()
        state = planned.ledger.state()
        planned.ledger.release(Claim(state.generation, state.run_id, state))  # as if its lease had run out
    assert short(planned).ok
    new = floors_by_minute(play(snapshot(planned.aws), end), start, end)
    assert (new != old).any()
    assert len(states) >= 2
    for state in states:
        assert ((state == old) | (state == new)).all()


def test_i5_a_full_run_that_died_among_its_writes_is_completed_by_the_next_short_one(
    planned: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned.aws.clock.advance(5 * HOUR)
    rewrite(planned, 1.5, 6 * HOUR)
    run = planned.make_run(job_of(planned), write=False)
    wanted = run_fleet(run, run.job.fleets[0]).schedule
    assert wanted
    live = killed_at(monkeypatch, 20)
    with pytest.raises(KilledError):
        full(planned)
    live()
    planned.aws.clock.advance(15 * MINUTE)  # its lease
    result = short(planned)
    assert result.ok
    assert result.observation
    assert result.observation.note is None  # no person's hand
    far = {slot.start: slot.floor for slot in wanted.slots if slot.start > planned.aws.clock.now() + 1 * HOUR}
    stood = floors(planned)
    assert all(stood[start] >= floor for start, floor in far.items() if start in stood)


def test_i15_one_fleets_failure_leaves_the_others(street: Street) -> None:
    make_group(street.aws, "api")
    api = street.fleet(name="api", lead_time_seconds=BOOT, target={"region": "us-east-1", "group_name": "api"})
    job = street.job(street.fleet(lead_time_seconds=BOOT), api)
    assert all(result.ok for result in street.run_all(job))
    street.aws.clock.advance(1 * HOUR)
    rewrite(street, 1.6, 20 * MINUTE)
    street.aws.faults.add(faults.access_denied(group=GROUP, times=None))
    results = [run_fleet_short(street.make_run(job), fleet) for fleet in job.fleets]
    assert [result.status for result in results] == ["held", "written"]


# What is learnt


def test_a_full_run_learns_once_a_day_and_chooses_after_three_judged_days(street: Street) -> None:
    fits: list[Any] = []
    for number in range(5 * 4 + 1):
        street.aws.clock.advance_to(NOW + number * 6 * HOUR)
        write_load(street.folder / "load.csv", street.aws.clock.now())
        assert full(street).ok
        basis = street.ledger.basis()
        assert basis
        assert basis.fit
        fits.append(basis.fit)
    learnt = [fit for number, fit in enumerate(fits) if not number or fit != fits[number - 1]]
    assert 5 <= len(learnt) <= 6
    assert [len(fit.days) for fit in learnt][:2] == [0, 1]
    assert len(learnt[-1].days) >= 4
    assert all(fit.tau == 0.95 for fit in learnt[:3])
    assert learnt[-1].coefficients != learnt[0].coefficients


def test_a_lead_time_that_hovers_around_an_edge_keeps_the_longer_window_and_the_judged_days(street: Street) -> None:
    seen: list[tuple[int, int]] = []
    for number, lead in enumerate((590, 610, 590, 610, 300)):
        street.aws.clock.advance_to(NOW + number * 24 * HOUR)
        write_load(street.folder / "load.csv", street.aws.clock.now())
        job = street.job(street.fleet(lead_time_seconds=lead, short_lead=True))
        assert street.run(job).ok
        basis = street.ledger.basis()
        assert basis
        assert basis.fit
        seen.append((basis.fit.window, len(basis.fit.days)))
    assert seen == [(5, 0), (6, 0), (6, 1), (6, 2), (4, 0)]


def test_what_another_release_learnt_is_learnt_anew(planned: Street) -> None:
    (path,) = (planned.folder / "store").rglob("basis.json")
    left = json.loads(path.read_bytes())
    shapes = [len(row) for row in left["fit"]["coefficients"]]
    left["fit"]["coefficients"] = [row[:-1] for row in left["fit"]["coefficients"]]
    path.write_text(json.dumps(left), encoding="utf-8")
    assert short(planned).status == "held"
    assert full(planned).ok
    basis = planned.ledger.basis()
    assert basis
    assert basis.fit
    assert [len(row) for row in basis.fit.coefficients] == shapes
    assert short(planned).ok


def test_what_a_saturated_fleet_served_lowers_nothing(street: Street) -> None:
    def say(refused: bool) -> None:
        path = street.folder / "load.csv"
        table = pd.read_csv(path)
        recent = pd.to_datetime(table["timestamp"]) >= pd.Timestamp(street.aws.clock.now() - 30 * MINUTE)
        table.assign(refused=recent & refused).to_csv(path, index=False)

    def lull() -> tuple[dict[datetime, int], dict[datetime, int]]:
        before = floors(street)
        assert short(street, job).ok
        after = floors(street)
        return before, after

    source = {"kind": "file", "path": str(street.folder / "load.csv"), "censored_column": "refused"}
    job = street.job({**street.fleet(lead_time_seconds=BOOT), "source": source})
    say(False)
    assert street.run(job).status == "written"
    street.aws.clock.advance(1 * HOUR)
    rewrite(street, 0.5, 3 * HOUR)
    say(True)
    before, after = lull()
    assert all(after[start] >= floor for start, floor in before.items() if start in after)
    say(False)
    before, after = lull()
    assert any(after[start] < floor for start, floor in before.items() if start in after)
