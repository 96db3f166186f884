"""Short runs on the street: the next slots by the newest samples, and in doubt nothing lower."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.settings import Job
from forecasting.store.pause import pause
from tests.fleets import NOW, make_group, snapshot
from tests.shortruns import BOOT, asked, floors, full, items, job_of, rewrite, short
from tests.street import HOUR, MINUTE, Street

pytestmark = pytest.mark.usefixtures("quick_models")


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
    # NOW is seven minutes past: the next five-minute start but the grid's own.
    first = now + 3 * MINUTE
    assert set(after) - set(before) == {first}
    assert set(after.values()) >= {result.needed}
    assert {after[start] for start in changed} == {result.needed}
    assert result.needed < min(before[start] for start in changed if start in before)
    planned.aws.clock.advance(3 * MINUTE)
    assert snapshot(planned.aws).sizes.minimum == result.needed


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
        assert (result.status, result.needed, street.changes()) == ("unchanged", None, [])


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
    stamps = pd.DatetimeIndex(planned.load.index)
    planned.aws.clock.advance(5 * MINUTE)
    raised = asked(planned)
    load = planned.load[np.asarray(stamps < pd.Timestamp(planned.aws.clock.now() - 25 * MINUTE))]
    load.rename("value").rename_axis("timestamp").to_csv(planned.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")
    result = short(planned)
    assert result.needed is None
    assert result.ok
    assert (asked(planned) >= raised).all()


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
    before = asked(planned)
    rewrite(planned, 0.0, 30 * MINUTE)
    result = short(planned)
    assert result.ok
    assert (asked(planned) >= before).all()


def test_row_15_a_frozen_exporter_lowers_nothing(planned: Street) -> None:
    planned.aws.clock.advance(7 * HOUR)
    before = asked(planned)
    stamps = pd.DatetimeIndex(planned.load.index)
    frozen = planned.load.mask(np.asarray(stamps >= pd.Timestamp(planned.aws.clock.now() - 7 * HOUR)), 90.0)
    frozen.rename("value").rename_axis("timestamp").to_csv(
        planned.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ"
    )
    result = short(planned)
    assert result.history
    assert [finding.code for finding in result.history.findings] == ["frozen"]
    assert result.needed
    assert result.needed < before[5]
    assert (asked(planned) >= before).all()


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
    basis = planned.ledger.basis()
    assert basis
    planned.aws.clock.advance(12 * HOUR)
    before = asked(planned)
    rewrite(planned, 0.3, 3 * HOUR)
    result = short(planned)
    assert result.ok
    assert result.needed
    assert result.needed < before[20] - 1
    assert result.plan
    assert (result.plan.floor >= basis.floors.series()).all()
    assert (asked(planned) >= before).all()
    planned.aws.clock.advance(12 * HOUR)
    rewrite(planned, 3, 20 * MINUTE)
    result = short(planned)
    assert (result.status, result.code, planned.changes()) == ("held", "plan-old", [])


def test_within_an_announced_event_nothing_goes_below_the_plan(street: Street) -> None:
    event = {"name": "sale", "start": (NOW + 1 * HOUR).isoformat(), "end": (NOW + 4 * HOUR).isoformat(), "floor": 30}
    job = job_of(street, events=[event])
    assert street.run(job).status == "written"
    street.aws.clock.advance(2 * HOUR)
    before = asked(street)
    assert short(street, job).ok
    assert (asked(street) >= before).all()
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
