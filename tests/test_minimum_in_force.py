"""The minimum in force with external actions, as the emulator's clock executes it, at every call and crash."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from tests.fleets import GROUP, NOW, make_group, snapshot
from tests.test_reconcile import levels
from tests.worlds import LIMIT, External, ahead, externals, planned, put_external, write

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FIRST_MINUTES = 3
"""Nothing can be written to start sooner."""


def check_pair(
    aws: LocalAws, old: list[int], new: list[int], before: list[External], later: list[External], hours: int
) -> None:
    """The property of the minimum in force, from one plan to the next."""
    aws.reset(now=NOW)
    client = make_group(aws)
    put_external(client, aws.group(GROUP), before, NOW, most=LIMIT - 5)
    write(aws, old)
    aws.clock.advance_to(NOW + hours * HOUR + 4 * MINUTE)
    put_external(client, aws.group(GROUP), later, aws.clock.now())

    theirs = {name: each for name, each in snapshot(aws).actions.items() if not name.startswith("elastic-iac-prod-")}
    run = write(aws, new)
    reference_old, reference_new = ahead(aws, run.target.snapshots[0]), ahead(aws, snapshot(aws))
    lower = np.minimum(reference_old, reference_new)
    for number, crashed in enumerate(run.target.snapshots):
        assert len(crashed.actions) <= LIMIT
        wrong = np.flatnonzero(ahead(aws, crashed) < lower)
        assert not len(wrong), f"call {number} of {len(run.target.snapshots)}: minute {wrong[0]} is below both lists"
    # I2
    left = {name: each for name, each in snapshot(aws).actions.items() if not name.startswith("elastic-iac-prod-")}
    assert left == theirs
    event(f"rounds {run.rounds}")
    event(f"held {run.held or 'no'}")
    if run.minimum is None:
        assert run.held
        return
    wanted = planned(run.plan, aws.clock.now(), len(reference_new))
    maxima = np.array([60] * len(wanted))
    settled = [change for change in aws.history(GROUP)]
    del maxima, settled
    short = (reference_new < wanted)[FIRST_MINUTES + 1 :]
    missing = np.maximum(wanted - reference_new, 0)[FIRST_MINUTES + 1 :].sum() / 60
    closed = any(each.sets == "closes" for each in (*before, *later))
    if not closed:  # the plan asks for nothing in closed hours
        assert run.minimum.shortfall_instance_hours >= missing - 1e-9
        assert (run.minimum.short_from is not None) == bool(short.any()) or run.minimum.shortfall_instance_hours < 2
    # I11: the report is what the emulator executes
    times = [(start - aws.clock.now()) / MINUTE for start, _ in run.minimum.timeline]
    values = [value for _, value in run.minimum.timeline]
    reported = np.array(values)[np.searchsorted(times, np.arange(len(wanted)), side="right") - 1]
    assert (reported == reference_new).all()
    # I4
    again = write(aws, new)
    assert (again.writes, again.held) == (0, "")


@settings(max_examples=150)
@given(
    old=levels(192),
    new=levels(192),
    before=externals(100),
    later=externals(40),
    hours=st.integers(0, 30),
)
def test_the_minimum_in_force_is_never_below_both_lists_and_every_shortfall_is_reported(
    aws: LocalAws, old: list[int], new: list[int], before: list[External], later: list[External], hours: int
) -> None:
    check_pair(aws, old, new, before, later, hours)


@pytest.mark.parametrize("count", [16, 24, 28])
def test_daily_actions_beside_a_full_plan_do_not_collapse_it(aws: LocalAws, count: int) -> None:
    aws.reset(now=NOW)
    client = make_group(aws)
    floors = [10 + (step // 8) % 16 for step in range(192)]
    write(aws, floors)
    assert len(snapshot(aws).actions) >= 97
    before = ahead(aws, snapshot(aws))
    daily = [External("daily", number * (1440 // count) + 7, 3) for number in range(count)]
    put_external(client, aws.group(GROUP), daily, NOW)
    left = ahead(aws, snapshot(aws))
    run = write(aws, floors)
    assert run.minimum is not None
    after = ahead(aws, snapshot(aws))
    print(
        count,
        run.rounds,
        run.writes,
        len(snapshot(aws).actions),
        before.sum() / 60,
        left.sum() / 60,
        after.sum() / 60,
        run.minimum.shortfall(),
        run.minimum.planned_instance_hours,
    )
    assert after[: 6 * 60].sum() >= 0.9 * before[: 6 * 60].sum()
