"""This project's policies: full runs, adjustment runs, and settings chosen daily from the days before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.league.policy import MINUTES_PER_DAY, IntArray, Problem, Setting, register
from forecasting.backtest.floors import Predictive, fleet_at, floor_path
from forecasting.backtest.run import seen_ticks
from forecasting.backtest.short import Ticks, short_needs, short_path
from forecasting.backtest.sweep import FLOOR_TARGETS, PLAN_QUANTILE, SHORT_TARGETS
from forecasting.planning.objective import best_setting
from forecasting.replay import Case, replay
from forecasting.shortlead import TAUS, window_steps

WARM_DAYS = 3
"""Fewer days before: the default quantile."""
CHOSEN_TARGETS = (0.7, 0.85, 1.0)
SOURCE = "this project"


def full_run_minimum(problem: Problem, startup: float, quantile: float) -> IntArray:
    """Minimum capacity by the newest full run, minute by minute."""
    walk = problem.settings.walk
    fleet = fleet_at(problem.fleet, quantile=quantile, lead_time_seconds=startup * 60)
    planner = Predictive(fleet, walk.quantiles, fleet.step_minutes)
    return floor_path(
        planner,
        problem.origin_forecasts,
        problem.start,
        len(problem.load),
        baseline=fleet.floor,
        step_minutes=fleet.step_minutes,
    )


def adjusted_minima(problem: Problem, startup: float, ticks: Ticks | None) -> dict[float, IntArray]:
    """Minimum capacity with an adjustment run every 5 min, by tau; empty if samples are too coarse."""
    window = window_steps(startup * 60)
    if ticks is None or window is None:
        return {}
    plan, wanted = full_run_minimum(problem, startup, PLAN_QUANTILE), short_needs(ticks, window)
    fleet = problem.fleet
    return {
        tau: short_path(
            wanted[:, column],
            plan,
            fleet.load_per_instance,
            floor=fleet.floor,
            ceiling=fleet.ceiling,
        )
        for column, tau in enumerate(TAUS)
    }


def _ticks(problem: Problem) -> Ticks | None:
    return seen_ticks(problem.reading, problem.origin_forecasts, problem.fleet, problem.settings)


@dataclass(frozen=True)
class FullRuns:
    """A plan every six hours at one quantile."""

    key: str = "ours"
    label: str = "elastic-iac, full runs"
    source: str = SOURCE
    differences: str = "none: the stages of the job itself"
    slow: bool = False
    library: str | None = None

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        for startup in problem.settings.boot_minutes:
            for quantile in problem.settings.walk.quantiles:
                minimum = full_run_minimum(problem, startup, quantile)
                for target in FLOOR_TARGETS:
                    yield Setting(startup, f"{quantile:g}", target, minimum)


@dataclass(frozen=True)
class AdjustmentRuns:
    """Full runs with an update of the next slots every 5 minutes; samples of 5 min or less only."""

    key: str = "ours-adjust"
    label: str = "elastic-iac, adjustment runs"
    source: str = SOURCE
    differences: str = "off the grid of 15-min slots, as `designs/replay.md` states"
    slow: bool = False
    library: str | None = None

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        ticks = _ticks(problem)
        for startup in problem.settings.boot_minutes:
            for tau, minimum in adjusted_minima(problem, startup, ticks).items():
                for target in SHORT_TARGETS:
                    yield Setting(startup, f"{tau:g}", target, minimum)


@dataclass(frozen=True)
class ChosenSettings:
    """Each day's quantile, or tau, is the one that would have been best on the days before."""

    key: str = "ours-chosen"
    label: str = "elastic-iac, settings chosen daily"
    source: str = SOURCE
    differences: str = "judged by the simulation's totals; the job uses its own coarser model"
    slow: bool = False
    library: str | None = None

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        ticks = _ticks(problem)
        for startup in problem.settings.boot_minutes:
            quantiles = problem.settings.walk.quantiles
            minima = [full_run_minimum(problem, startup, quantile) for quantile in quantiles]
            minima += adjusted_minima(problem, startup, ticks).values()
            default = quantiles.index(PLAN_QUANTILE)
            for target, minimum in _chosen(problem, startup, minima, default).items():
                yield Setting(startup, "chosen", target, minimum)


def _chosen(problem: Problem, startup: float, minima: Sequence[IntArray], default: int) -> dict[float, IntArray]:
    """The minimum of each day's choice, by target of the reactive scaling above it."""
    provider = replace(problem.settings.provider, boot_seconds=startup * 60)
    cases = [
        Case(f"{target}/{number}", provider, minimum, target, problem.fleet.ceiling)
        for target in CHOSEN_TARGETS
        for number, minimum in enumerate(minima)
    ]
    days = replay(problem.load, problem.fleet.load_per_instance, cases).days
    goal = problem.settings.goal_percent / 100
    found: dict[float, IntArray] = {}
    for place, target in enumerate(CHOSEN_TARGETS):
        columns = slice(place * len(minima), (place + 1) * len(minima))
        parts: list[IntArray] = []
        for day in range(len(days.load)):
            number = default
            if day >= WARM_DAYS:
                paid, left = days.instance_minutes[:day, columns], days.uncovered[:day, columns]
                number = best_setting(paid, left, days.load[:day], goal)
            parts.append(minima[number][day * MINUTES_PER_DAY : (day + 1) * MINUTES_PER_DAY])
        found[target] = np.concatenate(parts)
    return found


for policy in (FullRuns(), AdjustmentRuns(), ChosenSettings()):
    register(policy)
