"""Measures of the league. Settings are tuned on the first half of the days, measured on the second.

Policies differ in cost and in unserved load at once, so each is compared as a curve: its settings
are chosen by the past for several aims (shares that may stay unserved), and the points that these
settings give on the measured days are read at the goal's unserved load (cost at equal unserved
load) and at the hours of the reference (unserved load at equal hours). The reference is the best of
target tracking and a constant minimum on the measured days, at the goal. If a policy serves too
little at every aim, its nearest point is moved to the goal along the reference's curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.league.jobs import Outcome
from benchmarks.league.policy import MINUTES_PER_DAY, Problem
from forecasting.backtest.choice import TOLERANCE, Days, choose, cost_at, savings, uncovered_at
from forecasting.backtest.verdict import Traits, Verdict, judge
from forecasting.models.base import FloatArray
from forecasting.planning.objective import objective
from forecasting.replay import DayTotals, clairvoyant_minutes, measures

REFERENCE = ("target-tracking", "constant")
OURS = ("ours", "ours-adjust", "ours-chosen")
RECOMMENDED = "ours-recommended"
POOLED = ("ours", "ours-adjust")
"""The backtest recommends the best of these by the past, and the verdict is about it."""
ORACLE = "oracle"
AIMS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Shares that may stay unserved, in goals, for which settings are chosen."""

Frontier = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Cell:
    """A policy on a load at a startup time, on the measured days.

    Attributes:
        load: Name of the load.
        source: Its source.
        startup: Minutes.
        policy: Key of the policy.
        knob: Its setting.
        target: Of reactive scaling.
        cost: Instance-hours over the oracle's.
        unserved: Percent of the load.
        minutes: Minutes with unserved load, a day.
        equal_cost: Cost over the oracle's at the goal's unserved load.
        equal_unserved: Percent unserved at the hours at which the reference leaves the goal.
        penalised: Cost x (1 + half the excess over the goal, in goals): the rule of tuning itself.
        utilisation: Percent of the capacity in service.
        events: Changes of the desired size, a day.
        worst_day: Percent unserved on the worst day.
    """

    load: str
    source: str
    startup: float
    policy: str
    knob: str
    target: float | None
    cost: float
    unserved: float
    minutes: float
    equal_cost: float
    equal_unserved: float
    penalised: float
    utilisation: float
    events: float
    worst_day: float


@dataclass(frozen=True)
class Judged:
    """A load at a startup time, with the product's verdict from the days before.

    Attributes:
        load: Name of the load.
        source: Its source.
        startup: Minutes.
        past: Cells tuned on the past, by policy.
        hindsight: Cells tuned on the measured days themselves, by policy.
        verdict: From the days before.
        realised_percent: Saving against target tracking on the measured days.
        traits: Observations that may explain a defeat.
    """

    load: str
    source: str
    startup: float
    past: Mapping[str, Cell]
    hindsight: Mapping[str, Cell]
    verdict: Verdict
    realised_percent: float
    traits: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Candidates:
    """All settings of one policy at one startup time."""

    names: list[tuple[str, float | None]]
    totals: DayTotals
    columns: list[int]
    days: Days


def judged(problem: Problem, source: str, startup: float, outcomes: Mapping[str, Outcome]) -> Judged:
    """Measure every policy of a load at a startup time.

    Args:
        problem: The load.
        source: Its source.
        startup: Minutes.
        outcomes: By policy; must hold the reference's and `ours`.
    """
    goal = problem.settings.goal_percent / 100
    best = _oracle_days(problem, startup)
    found = {key: _candidates(outcome, startup, best) for key, outcome in outcomes.items()}
    found = {key: each for key, each in found.items() if each.columns}
    found[RECOMMENDED] = _joined([found[key] for key in POOLED if key in found])
    split, last = max(len(best) // 2, 1), len(best)
    reference = _frontier([found[key].days.between(split, last) for key in REFERENCE])
    past: dict[str, Cell] = {}
    hindsight: dict[str, Cell] = {}
    for key, each in found.items():
        before, later = each.days.between(0, split), each.days.between(split, last)
        cost, left = (side[0] for side in later.frontier())
        aimed = [choose(before, aim * goal) for aim in AIMS]
        tuned, every = (cost[aimed], left[aimed]), (cost, left)
        at_goal = aimed[AIMS.index(1.0)]
        past[key] = _cell(problem, source, startup, key, each, at_goal, split, tuned, reference, goal)
        best_after = int(np.argmin(objective(cost, left, goal)))
        hindsight[key] = _cell(problem, source, startup, key, each, best_after, split, every, reference, goal)
    past[ORACLE] = hindsight[ORACLE] = _oracle_cell(problem, source, startup, split)
    verdict, realised = _verdict(problem, startup, found, split, goal)
    traits = _traits(problem, startup, split, "ours-adjust" in found)
    return Judged(problem.name, source, startup, past, hindsight, verdict, realised, traits)


def _oracle_days(problem: Problem, startup: float) -> FloatArray:
    paid = clairvoyant_minutes(problem.load, problem.fleet.load_per_instance, round(startup))
    return np.add.reduceat(paid, np.arange(0, len(paid), MINUTES_PER_DAY))


def _candidates(outcome: Outcome, startup: float, best: FloatArray) -> _Candidates:
    columns = outcome.columns(startup)
    names = [outcome.settings[column][1:] for column in columns]
    days = Days.of(outcome.days, columns, best) if columns else Days(*(np.empty((0, 0)),) * 4)
    return _Candidates(names, outcome.days, columns, days)


def _joined(parts: Sequence[_Candidates]) -> _Candidates:
    """Several policies as one: the columns side by side."""
    arrays = {
        name: np.concatenate([getattr(part.totals, name)[:, part.columns] for part in parts], axis=1)
        for name in DayTotals.__dataclass_fields__
        if name not in {"minutes", "load"}
    }
    totals = DayTotals(minutes=parts[0].totals.minutes, load=parts[0].totals.load, **arrays)
    names = [name for part in parts for name in part.names]
    columns = list(range(len(names)))
    return _Candidates(names, totals, columns, Days.of(totals, columns, parts[0].days.clairvoyant))


def _frontier(parts: Sequence[Days]) -> Frontier:
    cost, left = (np.concatenate([part.frontier()[side][0] for part in parts]) for side in (0, 1))
    return cost, left


def _cell(
    problem: Problem,
    source: str,
    startup: float,
    key: str,
    each: _Candidates,
    number: int,
    split: int,
    curve: Frontier,
    reference: Frontier,
    goal: float,
) -> Cell:
    later, column = each.totals.since(split), each.columns[number]
    found = measures(later, column, float(each.days.clairvoyant[split:].sum()))
    share = found.under_provisioned_percent / 100
    by_day = later.uncovered[:, column] / np.maximum(later.load, 1e-12)
    days = max(float(later.minutes.sum()) / MINUTES_PER_DAY, 1e-12)
    penalised = np.exp(objective(np.array([found.cost_ratio]), np.array([share]), goal))[0]
    knob, target = each.names[number]
    return Cell(
        load=problem.name,
        source=source,
        startup=startup,
        policy=key,
        knob=knob,
        target=target,
        cost=found.cost_ratio,
        unserved=found.under_provisioned_percent,
        minutes=found.under_provisioned_minutes / days,
        equal_cost=equal_cost(curve, reference, goal),
        equal_unserved=100 * equal_unserved(curve, reference, goal),
        penalised=float(penalised),
        utilisation=found.mean_utilisation_percent,
        events=found.capacity_changes_per_day,
        worst_day=100 * float(by_day.max()),
    )


def equal_cost(curve: Frontier, reference: Frontier, goal: float) -> float:
    """Cost over the oracle's at which a policy leaves the goal unserved.

    Read off the policy's curve. A policy that leaves less at every setting: its cheapest setting. One
    that leaves more at every setting: that with the least unserved load, at what the reference would
    pay for the rest of the way.

    Args:
        curve: Costs and unserved shares of the policy's settings.
        reference: Of the reference's.
        goal: Share of the load that may stay unserved.
    """
    tolerance = TOLERANCE * goal
    read, least = cost_at(goal, curve, tolerance), float(curve[1].min())
    if least <= goal:
        return read
    return read * cost_at(goal, reference, tolerance) / cost_at(least, reference, tolerance)


def equal_unserved(curve: Frontier, reference: Frontier, goal: float) -> float:
    """Unserved share of a policy at the hours at which the reference leaves the goal.

    Read off the policy's curve. A policy that is dearer at every setting: its cheapest, scaled by
    what the reference leaves unserved at those hours.

    Args:
        curve: Costs and unserved shares of the policy's settings.
        reference: Of the reference's.
        goal: Share of the load that may stay unserved.
    """
    tolerance = TOLERANCE * goal
    hours = cost_at(goal, reference, tolerance)
    read, cheapest = uncovered_at(hours, curve), float(curve[0].min())
    if cheapest <= hours:
        return read
    theirs = uncovered_at(cheapest, reference)
    return max((read + tolerance) * (goal + tolerance) / (theirs + tolerance) - tolerance, 0.0)


def _oracle_cell(problem: Problem, source: str, startup: float, split: int) -> Cell:
    load = problem.load[split * MINUTES_PER_DAY :]
    lpi = problem.fleet.load_per_instance
    paid = clairvoyant_minutes(problem.load, lpi, round(startup))[split * MINUTES_PER_DAY :]
    needed = np.ceil(np.nan_to_num(load) / lpi - 1e-9).sum()
    events = float((np.diff(paid) != 0).sum()) * MINUTES_PER_DAY / len(paid)
    used = 100 * float(np.nansum(load)) / max(float(needed) * lpi, 1e-12)
    zero = 0.0
    return Cell(problem.name, source, startup, ORACLE, "", None, 1.0, zero, zero, 1.0, zero, 1.0, used, events, zero)


def _verdict(
    problem: Problem, startup: float, found: Mapping[str, _Candidates], split: int, goal: float
) -> tuple[Verdict, float]:
    """The product's verdict from the days before `split`, and the saving that was realised after."""
    ours, reactive = found[RECOMMENDED].days, found["target-tracking"].days
    last = len(ours)
    column = choose(ours.between(0, split), goal)
    traits = Traits(startup, split, busy_to_quiet(problem.load[: split * MINUTES_PER_DAY]), None)
    verdict = judge(
        ours.only(column).between(0, split),
        reactive.between(0, split),
        traits,
        goal,
        ahead_days=last - split,
    )
    saved = savings(ours.only(column).between(split, last), reactive.between(split, last), None, goal)
    return verdict, 100 * float(saved[0])


def busy_to_quiet(load: FloatArray) -> float:
    """Load of busy hours (95th percentile) over that of quiet ones (5th)."""
    hours = load[: len(load) // 60 * 60].reshape(-1, 60)
    known = hours[np.isfinite(hours).any(axis=1)]
    quiet, busy = np.quantile(np.nanmean(known, axis=1), [0.05, 0.95])
    return float(busy / max(quiet, 1e-12))


def _traits(problem: Problem, startup: float, split: int, adjusted: bool) -> tuple[str, ...]:
    before = problem.load[: split * MINUTES_PER_DAY]
    after = problem.load[split * MINUTES_PER_DAY :]
    ratio = busy_to_quiet(problem.load)
    change = float(np.nanmean(after) / max(np.nanmean(before), 1e-12))
    known = (
        (ratio < 1.5, f"flat load (busy hours {ratio:.2f} times quiet ones)"),
        (startup < 10, "short startup time: reactive scaling catches up by itself"),
        (not adjusted, "coarse samples: no adjustment runs"),
        (split < 10, f"tuned on {split} days only"),
        (abs(np.log(change)) > 0.2, f"the load changed by {100 * (change - 1):+.0f} % after tuning"),
    )
    return tuple(text for holds, text in known if holds)
