"""Short runs never in a full run's way, and what an end among the writes leaves of either."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import pytest

from elastic_iac.local import faults
from forecasting import job as job_module
from forecasting.job import run_fleet
from forecasting.release import roll_back_fleet
from forecasting.schedule.memory import Memory
from forecasting.shortrun import ShortRun, run_fleet_short, run_short
from forecasting.store.ledger import Claim, Ledger
from forecasting.targets.aws import AutoScalingTarget
from tests.fleets import GROUP, make_group
from tests.invocations import quick_forecast
from tests.shortruns import BOOT, KilledError, asked, floors, full, job_of, killed_at, rewrite, short
from tests.street import HOUR, MINUTE, Street

pytestmark = pytest.mark.usefixtures("quick_models")


# Order: full runs come first


def test_before_the_first_full_run_it_waits(street: Street) -> None:
    result = short(street)
    assert (result.status, result.code, street.aws.calls) == ("unchanged", "no-plan", [])


def test_it_stands_back_while_a_full_run_is_under_way_and_goes_on_once_that_died(planned: Street) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    now = planned.aws.clock.now()
    planned.ledger.claim("full", now, now + 14 * MINUTE)
    result = short(planned)
    assert (result.status, result.code, planned.aws.calls) == ("unchanged", "full-run", [])
    planned.aws.clock.advance(15 * MINUTE)
    rewrite(planned, 1.6, 35 * MINUTE)
    assert short(planned).status == "written"
    planned.aws.clock.advance(1 * HOUR)
    before = asked(planned)
    rewrite(planned, 0.4, 3 * HOUR)
    assert short(planned).ok  # what the one that died saw is not known: nothing is lowered
    assert (asked(planned) >= before).all()


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


@pytest.mark.parametrize("code", ["full-run", "busy"])
def test_it_stands_back_from_a_run_that_begins_while_it_looks(
    planned: Street, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    now, read = planned.aws.clock.now(), AutoScalingTarget.read

    def overtaken(target: AutoScalingTarget) -> Any:
        state, ledger = planned.ledger.state(), Ledger(run.store, run.job.fleets[0].target_key, clock=run.clock)
        if code == "full-run":
            ledger.claim("full", now, now + 14 * MINUTE)
        else:
            ledger.claim_short("another", state.full_generation, state, lease_seconds=60)
        return read(target)

    monkeypatch.setattr(AutoScalingTarget, "read", overtaken)
    run = planned.make_run(job_of(planned))
    planned.aws.calls.clear()
    (result,) = run_short(run)
    assert (result.status, result.code, planned.changes()) == ("unchanged", code, [])


def test_a_full_run_that_came_and_went_since_its_plan_was_read_is_not_undone(
    planned: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Ledger.basis
    newer: list[dict[datetime, int]] = []

    def overtaken(ledger: Ledger) -> Any:
        basis = read(ledger)
        monkeypatch.undo()
        monkeypatch.setattr(job_module, "forecast", quick_forecast)
        rewrite(planned, 1.5, 6 * HOUR)
        assert full(planned).status == "written"
        newer.append(floors(planned))
        planned.aws.clock.advance(15 * MINUTE)  # nothing of it is under way any more
        planned.aws.calls.clear()
        return basis

    monkeypatch.setattr(Ledger, "basis", overtaken)
    (result,) = run_short(planned.make_run(job_of(planned), time_left=lambda: 600.0))
    assert (result.status, result.code, planned.changes()) == ("unchanged", "full-run", [])
    assert newer
    assert floors(planned).items() <= newer[0].items()


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


def test_i3_ended_at_any_write_the_floor_is_the_old_plans_or_the_new_ones(
    planned: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    whole = short(planned, write=False)
    assert whole.diff
    old = asked(planned)
    states: list[Any] = []
    for last in range(whole.diff.writes):
        live = killed_at(monkeypatch, last)
        with pytest.raises(KilledError):
            short(planned)
        states.append(asked(planned))
        live()
        state = planned.ledger.state()
        planned.ledger.release(Claim(state.generation, state.run_id, state))  # as if its lease had run out
    assert short(planned).ok
    new = asked(planned)
    assert (new != old).any()
    assert len(states) >= 2
    for state in states:
        assert ((state == old) | (state == new)).all()


@pytest.mark.parametrize("left", [20, 1])
def test_i5_a_full_run_that_died_among_its_writes_is_completed_by_the_next_short_one(
    planned: Street, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    planned.aws.clock.advance(5 * HOUR)
    rewrite(planned, 1.5, 6 * HOUR)
    run = planned.make_run(job_of(planned), write=False)
    wanted = run_fleet(run, run.job.fleets[0])
    assert wanted.plan
    assert wanted.diff
    live = killed_at(monkeypatch, len(wanted.diff.puts) - left)
    with pytest.raises(KilledError):
        full(planned)
    live()
    planned.aws.clock.advance(15 * MINUTE)  # its lease; where one write was left, a slot of its own has run
    result = short(planned)
    assert result.ok
    assert result.observation
    assert result.observation.note is None  # no person's hand
    now = planned.aws.clock.now()
    far = wanted.plan.floor[now + 1 * HOUR : now + 40 * HOUR]
    floor = asked(planned, 40 * HOUR)
    short_of = {start: need for start, need in far.items() if floor[(pd.Timestamp(str(start)) - now) // MINUTE] < need}
    assert short_of == {}


def test_behind_a_full_run_that_died_after_its_last_write_only_the_memory_is_completed(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KilledError

    job = job_of(street, short_lead=False)
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "commit", killed)
        with pytest.raises(KilledError):
            street.run(job)
    left = Memory.from_json(street.ledger.state().memory)
    assert left
    assert left.intended
    result = short(street, job)
    assert (result.status, street.changes()) == ("unchanged", [])
    found = Memory.from_json(street.ledger.state().memory)
    assert found
    assert (found.slots, found.intended) == (left.intended, ())
    assert dict(found.slots) == floors(street)


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
