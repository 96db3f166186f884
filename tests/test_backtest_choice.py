"""Choosing by the past, comparing at equal cost or cover, and the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecasting.backtest.choice import Days, choose, cost_at, savings, uncovered_at
from forecasting.backtest.verdict import SURE, SURE_WHERE_SHORT, Outcome, Traits, judge
from forecasting.planning.objective import objective
from forecasting.planning.resample import resampled, resampled_twice

GOAL = 0.005
SLOW = Traits(boot_minutes=20, days=28, busy_to_quiet=5.0, mase=0.6)


def days(cost: list[float], uncovered: list[float], count: int = 28, noise: float = 0.0, seed: int = 0) -> Days:
    """Days with a load of 1000 and a clairvoyant of 100; `noise` is shared by all settings of a day."""
    rng = np.random.default_rng(seed)
    shared = np.exp(noise * rng.normal(size=(count, 1)))
    return Days(
        paid=100 * np.array([cost]) * shared,
        uncovered=1000 * np.array([uncovered]) * shared,
        load=np.full(count, 1000.0),
        clairvoyant=np.full(count, 100.0),
    )


def test_a_choice_weighs_cost_against_uncovered_load_beyond_the_goal() -> None:
    # Below the goal only the cost counts; beyond it, twice the goal is worth half as much cost again.
    assert choose(days([1.5, 1.2, 1.1], [0.0, 0.004, 0.020]), GOAL) == 1
    assert objective(np.array([1.0]), np.array([0.010]), GOAL) == pytest.approx(np.log(1.5))


def test_a_choice_is_not_for_luck() -> None:
    # Setting 0 is the cheapest but leaves a tenth of the load uncovered on one day in 28, which a mean over days nearly hides below the goal.
    many = days([1.0, 1.02], [0.0, 0.0])
    uncovered = many.uncovered.copy()
    uncovered[5, 0] = 140.0
    lucky = Days(many.paid, uncovered, many.load, many.clairvoyant)
    assert uncovered[:, 0].sum() / many.load.sum() == pytest.approx(GOAL)
    assert choose(lucky, GOAL) == 1


def test_only_the_last_four_weeks_count() -> None:
    old, new = days([1.0, 2.0], [0.0, 0.0], 60), days([2.0, 1.0], [0.0, 0.0], 28)
    joined = Days(
        np.vstack((old.paid, new.paid)),
        np.vstack((old.uncovered, new.uncovered)),
        np.concatenate((old.load, new.load)),
        np.concatenate((old.clairvoyant, new.clairvoyant)),
    )
    assert choose(joined, GOAL) == 1


def test_a_frontier_is_read_between_its_points_and_held_beyond_them() -> None:
    frontier = np.array([1.2, 1.0, 1.4]), np.array([0.010, 0.020, 0.005])
    assert uncovered_at(1.1, frontier) == pytest.approx(0.015)
    assert uncovered_at(9.0, frontier) == pytest.approx(0.005)
    assert cost_at(0.010, frontier, 1e-6) == pytest.approx(1.2)
    assert cost_at(0.0, frontier, 1e-6) == pytest.approx(1.4)
    # Halfway in log uncovered is halfway in log cost.
    assert cost_at(np.sqrt(0.010 * 0.020), frontier, 1e-9) == pytest.approx(np.sqrt(1.2), rel=1e-4)


def test_a_point_that_costs_more_and_covers_less_is_not_on_the_frontier() -> None:
    frontier = np.array([1.0, 1.1, 1.2]), np.array([0.010, 0.030, 0.005])
    assert uncovered_at(1.1, frontier) == pytest.approx(0.010)


def test_saving_is_the_cost_that_the_other_needs_for_the_same_cover() -> None:
    ours, other = days([1.0], [0.010]), days([1.0, 1.25], [0.020, 0.010])
    assert savings(ours, other, None, GOAL) == pytest.approx([0.2])


def test_resampling_draws_blocks_of_days_as_often_as_asked() -> None:
    weights = resampled(12, 10, 50, np.random.default_rng(0))
    assert weights.shape == (50, 12)
    assert (weights.sum(axis=1) == 10).all()
    twice = resampled_twice(12, 7, 50, np.random.default_rng(0))
    assert (twice.sum(axis=1) == 7).all()


@pytest.mark.parametrize(
    ("cost", "outcome"), [(0.8, Outcome.PAYS), (1.2, Outcome.DOES_NOT_PAY), (1.0, Outcome.UNDECIDED)]
)
def test_the_verdict_says_what_pays(cost: float, outcome: Outcome) -> None:
    # The noise of ours and reactive differ: only a clear difference decides.
    ours = days([1.3 * cost], [0.004], noise=0.05, seed=1)
    reactive = days([1.1, 1.3, 1.5], [0.02, 0.004, 0.001], noise=0.05, seed=2)
    verdict = judge(ours, reactive, SLOW, GOAL)
    assert verdict.outcome is outcome
    assert verdict.low_percent is not None
    assert verdict.high_percent is not None
    assert verdict.saving_percent is not None
    assert verdict.low_percent < verdict.saving_percent < verdict.high_percent
    if outcome is Outcome.PAYS:
        assert verdict.saving_percent == pytest.approx(20, abs=5)
        assert "saves 2" in verdict.sentence or "saves 1" in verdict.sentence
        assert not verdict.reason
    else:
        assert verdict.reason
    assert verdict.to_json()["outcome"] == outcome.value


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        (Traits(5, 28, 5.0, 0.6), "boot of 5 min is short"),
        (Traits(20, 28, 1.2, 0.6), "load is flat"),
        (Traits(20, 6, 5.0, 0.6), "history is short"),
        (Traits(20, 28, 5.0, 1.3), "load is noisy"),
    ],
)
def test_the_verdict_says_why_not(traits: Traits, words: str) -> None:
    verdict = judge(days([1.5], [0.004]), days([1.1, 1.3], [0.02, 0.004]), traits, GOAL)
    assert verdict.outcome is Outcome.DOES_NOT_PAY
    assert words in verdict.sentence


def test_a_small_saving_is_said_to_be_little_and_why() -> None:
    flat = Traits(20, 28, 1.1, 0.9)
    verdict = judge(days([1.287], [0.004]), days([1.1, 1.3], [0.02, 0.004]), flat, GOAL)
    assert verdict.outcome is Outcome.PAYS
    assert "that is little: the load is flat" in verdict.sentence


def test_too_few_days_give_no_verdict() -> None:
    verdict = judge(days([1.0], [0.0], 3), days([1.5], [0.0], 3), SLOW, GOAL)
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.saving_percent is None
    assert "3 days" in verdict.sentence


def test_with_a_short_boot_it_takes_more_to_say_that_prediction_pays() -> None:
    # Ours is 5 % cheaper on most days, and dearer on a few: most resampled futures save, though not nearly all.
    ours, reactive = days([0.95], [0.004]), days([1.0], [0.004])
    paid = ours.paid.copy()
    paid[[3, 9, 15, 21]] *= 1.3
    shaky = Days(paid, ours.uncovered, ours.load, ours.clairvoyant)
    slow, short = (judge(shaky, reactive, replace(SLOW, boot_minutes=boot), GOAL) for boot in (20, 5))
    assert slow.probability == short.probability
    assert slow.probability is not None
    assert SURE < slow.probability < SURE_WHERE_SHORT
    assert (slow.outcome, short.outcome) == (Outcome.PAYS, Outcome.UNDECIDED)
    assert "boot of 5 min is short" in short.sentence
    assert judge(ours, reactive, replace(SLOW, boot_minutes=5), GOAL).outcome is Outcome.PAYS
