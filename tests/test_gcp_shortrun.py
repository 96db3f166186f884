"""Short runs on Google Cloud: one patch at most, open windows untouched, and never a floor below what was found needed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elastic_iac.local.gcp import faults
from forecasting.run import FleetResult
from forecasting.schedule.gcp_windows import read_window
from forecasting.settings import Job
from forecasting.shortrun import run_short
from forecasting.store import open_store
from forecasting.store.ledger import Ledger
from tests.gcp_fleets import NAME, REGION, add_schedule, call, changes, floors, schedules, scope_of
from tests.gcp_street import Road
from tests.street import HOUR, MINUTE, write_load

PERSON = {"schedule": "0 9 * * Mon-Fri", "timeZone": "Europe/Berlin", "durationSec": 3600, "minRequiredReplicas": 30}
PATCH = "regionAutoscalers.patch"


pytestmark = pytest.mark.usefixtures("quick_models")


@pytest.fixture
def planned(road: Road) -> Road:
    """A full run has been an hour ago; its fleet boots in ten minutes."""
    assert road.run(job_of(road)).status == "written"
    road.gcp.clock.advance(1 * HOUR)
    return road


def job_of(road: Road, **changes: Any) -> Job:
    return road.job(road.fleet(lead_time_seconds=600, **changes))


def short(road: Road, job: Job | None = None, **changes: Any) -> FleetResult:
    road.gcp.calls.clear()
    (result,) = run_short(road.make_run(job or job_of(road), **changes))
    return result


def rewrite(road: Road, *factors: tuple[float, timedelta]) -> None:
    """The load, times a factor from so long ago on; the later one counts."""
    stamps, load = pd.DatetimeIndex(road.series.index), road.series
    for factor, ago in factors:
        load = load.mask(np.asarray(stamps >= pd.Timestamp(road.gcp.clock.now() - ago)), road.series * factor)
    load.rename("value").rename_axis("timestamp").to_csv(road.load, date_format="%Y-%m-%dT%H:%M:%SZ")


def ahead(road: Road, length: timedelta = 47 * HOUR) -> list[int]:
    """The floor at each minute from now on, if nothing is written any more."""
    now = road.gcp.clock.now()
    return floors(road.gcp, now, now + length)


def opened(road: Road) -> dict[str, Any]:
    """Our windows that are open, as they stand."""
    now = road.gcp.clock.now()
    found = {name: (read_window(name, raw), raw) for name, raw in schedules(road.gcp).items() if name != "office-hours"}
    return {
        name: raw
        for name, (action, raw) in found.items()
        if action.start and action.start <= now and (action.end is None or action.end > now)
    }


def ledger_of(road: Road) -> Ledger:
    job = job_of(road)
    return Ledger(open_store(job.store), job.fleets[0].target_key)


# What it writes


def test_a_surge_is_one_patch_that_raises_the_next_minutes_and_nothing_beyond(planned: Road) -> None:
    before = ahead(planned)
    rewrite(planned, (1.6, 20 * MINUTE))
    result = short(planned)
    assert (result.status, result.code, result.written, result.read_back) == ("written", "", 1, True)
    assert changes(planned.gcp) == [PATCH]
    after = ahead(planned)
    assert result.needed
    assert result.needed > max(before[:30])
    assert after[:3] == before[:3]
    assert after[3:15] == [result.needed] * 12
    assert after[30:] == before[30:]
    planned.gcp.clock.advance(5 * MINUTE)
    assert ahead(planned, MINUTE) == [result.needed]


def test_an_open_window_is_not_touched_and_what_falls_waits_for_its_end(planned: Road) -> None:
    planned.gcp.clock.advance(4 * MINUTE)
    before, held = ahead(planned), opened(planned)
    assert held
    (end,) = {action.end for action in (read_window(name, raw) for name, raw in held.items())}
    assert end
    until = int((end - planned.gcp.clock.now()) / MINUTE)
    assert 3 < until < 15
    rewrite(planned, (0.4, 3 * HOUR))
    result = short(planned)
    assert (result.status, changes(planned.gcp)) == ("written", [PATCH])
    assert {name: schedules(planned.gcp)[name] for name in held} == held
    after = ahead(planned)
    assert after[:until] == before[:until]
    assert result.needed
    assert after[until] == result.needed < before[until]
    assert after[30:] == before[30:]


def test_a_surge_covers_the_open_window_which_goes_once_its_successor_is_open(planned: Road) -> None:
    held = opened(planned)
    rewrite(planned, (1.6, 20 * MINUTE))
    needed = short(planned).needed
    assert {name: schedules(planned.gcp)[name] for name in held} == held
    planned.gcp.clock.advance(5 * MINUTE)
    assert set(opened(planned)) > set(held)
    rewrite(planned, (2.0, 20 * MINUTE))
    assert short(planned).status == "written"
    assert not set(held) & set(schedules(planned.gcp))
    assert ahead(planned, MINUTE) == [needed]


def test_i2_peoples_schedules_are_byte_identical_and_their_minimum_stays(road: Road) -> None:
    theirs = {"office-hours": PERSON, f"elastic-iac-x-{'20260302t1100z'}": {**PERSON, "schedule": "0 11 2 3 * 2026"}}
    for name, schedule in theirs.items():
        add_schedule(road.gcp, name, schedule)
    held = {name: schedules(road.gcp)[name] for name in theirs}
    assert road.run(job_of(road)).ok
    for factor in (1.6, 0.5):
        road.gcp.clock.advance(30 * MINUTE)
        rewrite(road, (factor, 3 * HOUR))
        assert short(road).status == "written"
        assert {name: schedules(road.gcp)[name] for name in theirs} == held
    call(
        road.gcp,
        "PATCH",
        f"{scope_of(REGION)}/autoscalers?autoscaler={NAME}",
        {"autoscalingPolicy": {"minNumReplicas": 9}},
    )
    road.gcp.clock.advance(5 * MINUTE)
    result = short(road)
    assert result.ok
    assert result.observation
    assert result.observation.people_floor == 9
    assert road.gcp.autoscaler(REGION, NAME).policy["minNumReplicas"] == 9
    assert min(ahead(road)) >= 9


def test_i4_a_second_one_writes_nothing_neither_to_the_cloud_nor_to_the_store(planned: Road) -> None:
    rewrite(planned, (1.6, 20 * MINUTE))
    assert short(planned).status == "written"
    stood, kept = schedules(planned.gcp), planned.store_items()
    again = short(planned)
    assert (again.status, again.code, changes(planned.gcp)) == ("unchanged", "", [])
    assert (schedules(planned.gcp), planned.store_items()) == (stood, kept)


def test_row_35_and_i12_a_kill_switch_and_a_dry_run_make_no_mutating_call(planned: Road) -> None:
    rewrite(planned, (1.6, 20 * MINUTE))
    fleet = planned.fleet(lead_time_seconds=600)
    assert short(planned, planned.job(fleet, enabled=False)).code == "disabled"
    assert changes(planned.gcp) == []
    looked = short(planned, write=False)
    assert (looked.status, changes(planned.gcp)) == ("planned", [])
    assert looked.diff
    assert looked.diff.writes == 1


# Both cadences


def wobble(road: Road, seed: int) -> None:
    """Swells and lulls of one to three hours on top of the daily wave, from the first plan on."""
    rng = np.random.default_rng(seed)
    load = road.series.copy()
    start = pd.Timestamp(road.gcp.clock.now())
    for _ in range(10):
        begin = start + pd.Timedelta(minutes=int(rng.integers(0, 8 * 60)))
        end = begin + pd.Timedelta(minutes=int(rng.integers(30, 120)))
        stamps = pd.DatetimeIndex(load.index)
        load = load.mask(np.asarray((stamps >= begin) & (stamps < end)), load * float(rng.uniform(0.4, 1.7)))
    road.series = load
    load.rename("value").rename_axis("timestamp").to_csv(road.load, date_format="%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("seed", [1, 2])
def test_at_every_minute_the_floor_in_force_is_what_was_found_needed_or_more(road: Road, seed: int) -> None:
    """Full runs every six hours, short ones every five minutes; what each wrote first can act three minutes later, and until the next one's does."""
    add_schedule(road.gcp, "office-hours", PERSON)
    begin = road.gcp.clock.now()
    road.series = write_load(road.load, after=9)
    wobble(road, seed)
    needs: list[tuple[datetime, int]] = []
    writes: list[int] = []
    for number in range(80):
        held, stood = opened(road), ahead(road, 6 * HOUR)
        result = road.run(job_of(road)) if number % 72 == 0 else short(road)
        assert result.ok, (number, result.code, result.reason)
        assert changes(road.gcp) in ([], [PATCH])
        stand = schedules(road.gcp)
        assert len(stand) <= 128 - 5
        assert all(stand.get(name, raw) == raw for name, raw in held.items())
        after = ahead(road, 6 * HOUR)
        assert after[:3] == stood[:3]
        if number % 72:
            writes.append(len(changes(road.gcp)))
            if result.needed is None:  # what is newest is cleaned away as an outlier: in doubt nothing is lowered
                assert all(will >= was for will, was in zip(after, stood, strict=True))
            else:
                needs.append((road.gcp.clock.now(), result.needed))
        road.gcp.clock.advance(5 * MINUTE)
    assert 10 < sum(writes) < len(writes)
    assert len(needs) > 65
    for at, needed in needs:
        executed = floors(road.gcp, at + 3 * MINUTE, at + 8 * MINUTE)
        assert min(executed) >= min(needed, 40), (at, needed, executed)
    assert len(set(floors(road.gcp, begin, road.gcp.clock.now()))) > 8
    assert schedules(road.gcp)["office-hours"].items() >= PERSON.items()


# Doubts and other runs


def test_i6_in_doubt_no_minute_is_below_the_plan(planned: Road) -> None:
    before = ahead(planned, 5 * HOUR)
    now = planned.gcp.clock.now()
    rewrite(planned, (0.0, 30 * MINUTE))  # an outage
    assert short(planned).ok
    assert all(after >= floor for after, floor in zip(ahead(planned, 5 * HOUR), before, strict=True))
    rewrite(planned, (1.6, 20 * MINUTE))
    assert short(planned).written
    before = ahead(planned, 5 * HOUR)  # what an earlier one has raised stays, too
    stamps = pd.DatetimeIndex(planned.series.index)
    late = planned.series[np.asarray(stamps < pd.Timestamp(now - 30 * MINUTE))] * 0.5
    late.rename("value").rename_axis("timestamp").to_csv(planned.load, date_format="%Y-%m-%dT%H:%M:%SZ")
    result = short(planned)
    assert (result.ok, result.needed) == (True, None)
    assert all(after >= floor for after, floor in zip(ahead(planned, 5 * HOUR), before, strict=True))


def test_by_a_plan_older_than_twelve_hours_it_only_raises(planned: Road) -> None:
    """Its windows are an hour long by now, and an open one hides what would fall: so the plan itself is looked at."""
    basis = ledger_of(planned).basis()
    assert basis
    planned.gcp.clock.advance(12 * HOUR)
    planned.series = write_load(planned.load, planned.gcp.clock.now())
    before = ahead(planned, 5 * HOUR)
    rewrite(planned, (0.2, 3 * HOUR))
    result = short(planned)
    assert result.ok
    assert result.needed
    assert result.needed <= before[20] / 2
    assert result.plan
    assert (result.plan.floor >= basis.floors.series()).all()
    assert all(after >= floor for after, floor in zip(ahead(planned, 5 * HOUR), before, strict=True))


def test_behind_a_full_run_that_died_before_its_patch_its_plan_is_completed_and_nothing_is_lowered(
    planned: Road,
) -> None:
    planned.gcp.clock.advance(2 * HOUR)
    rewrite(planned, (1.5, 3 * HOUR))
    wanted = planned.run(job_of(planned), write=False).schedule
    assert wanted
    planned.gcp.faults.add(faults.forbidden(action=PATCH))
    assert planned.run(job_of(planned)).code == "CredentialsError"
    stood = ahead(planned)
    planned.gcp.clock.advance(15 * MINUTE)
    result = short(planned)
    assert (result.status, changes(planned.gcp)) == ("written", [PATCH])
    now = planned.gcp.clock.now()
    after = ahead(planned)
    assert after != stood[15:]
    far = [slot for slot in wanted.slots if now + 1 * HOUR < slot.start < now + 40 * HOUR]
    assert far
    for slot in far:
        assert after[int((slot.start - now) / MINUTE)] >= slot.floor


def test_behind_a_full_run_that_died_without_a_plan_nothing_is_lowered(planned: Road) -> None:
    now = planned.gcp.clock.now()
    ledger_of(planned).claim("full", now, now + 14 * MINUTE)
    rewrite(planned, (0.4, 3 * HOUR))
    waits = short(planned)
    assert (waits.status, waits.code, changes(planned.gcp)) == ("unchanged", "full-run", [])
    planned.gcp.clock.advance(15 * MINUTE)
    before = ahead(planned, 5 * HOUR)
    assert short(planned).ok
    assert all(after >= floor for after, floor in zip(ahead(planned, 5 * HOUR), before, strict=True))


def test_its_patch_lost_before_or_after_it_was_applied_is_made_up_for_by_the_next(planned: Road) -> None:
    rewrite(planned, (1.6, 30 * MINUTE))
    before = schedules(planned.gcp)
    planned.gcp.faults.add(faults.forbidden(action=PATCH))
    assert short(planned).code == "CredentialsError"
    assert schedules(planned.gcp) == before
    planned.gcp.faults.add(faults.forbidden(action="regionOperations.get"))
    assert short(planned).code == "CredentialsError"
    planned.gcp.compute.operations.finish_all()
    assert schedules(planned.gcp) != before
    assert short(planned).ok
    assert changes(planned.gcp) == []


def test_operations_used_are_those_of_a_full_run(planned: Road) -> None:
    rewrite(planned, (1.6, 20 * MINUTE))
    assert short(planned).status == "written"
    used = {permission for call_ in planned.gcp.calls for permission in call_.asked.permissions}
    assert used == {
        "compute.autoscalers.get",
        "compute.autoscalers.update",
        "compute.instanceGroupManagers.get",
        "compute.instanceGroupManagers.use",
        "compute.regionOperations.get",
    }
