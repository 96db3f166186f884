"""The objective is kept, or the miss is announced with the cheapest setting that keeps it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.backtest.objective_check import MISSED, Candidate, check_objective

SHARES = st.floats(0, 20)
CANDIDATES = st.lists(st.builds(Candidate, st.just("other"), st.floats(1, 1e5), SHARES), max_size=8)


@given(unserved=SHARES, goal=st.floats(0.1, 5), others=CANDIDATES)
def test_a_miss_is_announced_and_nothing_else_is(unserved: float, goal: float, others: list[Candidate]) -> None:
    ours = Candidate("ours", 100.0, unserved)
    found = check_objective(ours, [ours, *others], goal)
    assert found.kept == (unserved <= MISSED * goal) == (found.sentence == "")
    able = [each for each in others if each.unserved_percent <= goal]
    if found.kept or not able:
        assert found.instead is None
    else:
        assert found.instead is not None
        assert found.instead.unserved_percent <= goal
        assert found.instead.instance_hours == min(each.instance_hours for each in able)


@pytest.mark.parametrize("goal", [0.5, 1.0])
def test_the_announcement_has_both_figures(goal: float) -> None:
    ours = Candidate("ours", 700.0, 9.0)
    found = check_objective(ours, [ours, Candidate("constant (minimum 24)", 2640.0, 0.2)], goal)
    assert f"9.00 % of the load unserved, {9 / goal:.1f} times the {goal:g} %" in found.sentence
    assert "constant (minimum 24): 2,640 instance-hours beside 700" in found.sentence
    assert "shorter startup time" in check_objective(ours, [ours], goal).sentence
