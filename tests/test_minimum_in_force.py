"""The minimum in force with external actions, as the emulator executes it, at every call and crash."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import event, given, seed, settings
from hypothesis import strategies as st

from forecasting.planning.base import Plan
from forecasting.schedule.grid import round_up
from forecasting.schedule.in_force import MinimumInForce
from tests.worlds import LIMIT, PAIRS, External, Run, World, externals, levels, part_seed

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PARTS = 10
FIRST_MINUTES = 3
"""Nothing can be written to start sooner."""


@pytest.mark.parametrize("part", range(PARTS))
def test_i3_the_minimum_in_force_is_never_below_both_lists_and_a_shortfall_is_reported(part: int) -> None:
    @seed(part_seed(part))
    @settings(max_examples=PAIRS // PARTS)
    @given(
        old=levels(),
        new=levels(),
        before=externals(100),
        later=externals(120),
        minutes=st.integers(0, 30 * 60),
        raise_only=st.booleans(),
    )
    def holds(**pair: Any) -> None:
        run = check_pair(most=LIMIT - 5 * (part % 2), **pair)
        event(f"rounds {run.rounds}, held {run.held or 'no'}")

    holds()


def test_a_maximum_that_never_comes_into_force_lowers_nothing() -> None:
    maximum, half_hourly = External("once", 5, 0, "max"), External("half-hourly", 5, 0)
    check_pair(old=[38] * 192, new=[2] * 192, before=[], later=[maximum, half_hourly], minutes=2, raise_only=False)


def check_pair(
    *,
    old: list[int],
    new: list[int],
    before: list[External],
    later: list[External],
    minutes: int,
    raise_only: bool,
    most: int = LIMIT,
) -> Run:
    world = World()
    world.put_external(before, most=most)
    world.write(old)
    world.advance(minutes * MINUTE)
    world.put_external(later)
    theirs = world.foreign()

    run = world.write(new, raise_only=raise_only)
    runs = world.runs()
    states = [world.minimum_ahead(state.values(), runs) for state in run.target.states]
    lower = np.minimum(states[0], states[-1])
    for number, (state, minimum) in enumerate(zip(run.target.states, states, strict=True)):
        assert len(state) <= LIMIT
        wrong = np.flatnonzero(minimum < lower)
        assert not len(wrong), f"call {number} of {len(states)}: minute {wrong[0]} is below both lists"
    # I2
    assert world.foreign() == theirs
    if run.minimum is None:
        assert run.held
        return run
    check_report(world, run.minimum, run.plan, states[-1])
    # I4
    again = world.write(new, raise_only=raise_only)
    assert (again.writes, again.held) == (0, "")
    return run


def check_report(world: World, minimum: MinimumInForce, plan: Plan, ahead: npt.NDArray[np.int_]) -> None:
    """I11: the minimum and its shortfall are reported as the emulator executes them."""
    end = round_up(plan.floor.index[-1].to_pydatetime() + 15 * MINUTE, 60)
    count = (end - world.now) // MINUTE
    executed = ahead[:count]
    times = [(start - world.now) / MINUTE for start, _ in minimum.timeline]
    values = [value for _, value in minimum.timeline]
    reported = np.array(values)[np.searchsorted(times, np.arange(count), side="right") - 1]
    differing = np.flatnonzero(reported != executed)
    assert not len(differing), (
        f"minute {differing[0]}: {reported[differing[0]]} reported, {executed[differing[0]]} runs"
    )
    assert (minimum.short_from is None) == (minimum.shortfall_instance_hours == 0)
    if minimum.closures:  # the plan asks for nothing in closed hours
        return
    # The first action may keep its start for some minutes more.
    count = (plan.floor.index[-1].to_pydatetime() + 15 * MINUTE - world.now) // MINUTE
    missing = np.maximum(world.planned(plan, count) - executed[:count], 0) / 60
    if all(action.max_size is None for action in world.foreign().values()):  # a rise is usable three minutes later
        assert missing[FIRST_MINUTES + 3 :].sum() - 1e-6 <= minimum.shortfall_instance_hours
    assert minimum.shortfall_instance_hours <= missing[FIRST_MINUTES:].sum() + 1e-6


@pytest.mark.parametrize("count", [16, 24, 28])
def test_daily_actions_beside_a_full_plan_do_not_collapse_it(count: int) -> None:
    world = World()
    floors = [10 + (step // 8) % 16 for step in range(192)]
    run = world.write(floors)
    assert len(world.group.actions) >= 97
    before = world.minimum_ahead(world.group.actions.values(), [])
    world.put_external([External("daily", number * (1440 // count) + 7, 3) for number in range(count)])
    left = world.minimum_ahead(world.group.actions.values(), world.runs())
    run = world.write(floors)
    after = world.minimum_ahead(world.group.actions.values(), world.runs())
    assert run.minimum is not None
    # Each of the 2 x count runs of theirs takes three minutes, until ours is in force again.
    dips = 2 * count * 3 / 60 * (max(floors) - 3)
    assert before.sum() / 60 - after.sum() / 60 <= dips
    assert run.minimum.shortfall_instance_hours <= dips
    assert left.sum() < after.sum()
