"""Means over loads, intervals over sources, and ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.league.measures import OURS, RECOMMENDED, Cell, Judged
from forecasting.models.base import FloatArray

DRAWS = 2000
DIGITS = 4


@dataclass(frozen=True)
class Mean:
    """Mean of a measure, sources weighed alike, with its 90 % bootstrap interval over sources."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """A policy over loads at one startup time.

    Attributes:
        policy: Key.
        loads: Number of loads that it ran on.
        cost: Geometric mean of the cost at equal unserved load.
        hindsight: The same, tuned on the measured days.
        equal_unserved: Mean unserved percent at equal hours.
        rank: Mean rank by cost at equal unserved load, sources weighed alike.
        first: Loads on which no other policy is cheaper.
        plain: Means of the other measures, by name of the field.
    """

    policy: str
    loads: int
    cost: Mean
    hindsight: float
    equal_unserved: float
    rank: float
    first: int
    plain: dict[str, float]


PLAIN = ("cost", "unserved", "minutes", "penalised", "utilisation", "events", "worst_day")


def rows(found: Sequence[Judged], policies: Sequence[str]) -> list[Row]:
    """One row a policy, the cheapest first; one that ran on fewer loads, on which no mean compares, last.

    Policies that ran on no load are left out.
    """
    table = [_row(found, policy) for policy in policies if any(policy in each.past for each in found)]
    return sorted(table, key=lambda row: (-row.loads, round(row.cost.value, DIGITS), row.policy))


def _row(found: Sequence[Judged], policy: str) -> Row:
    mine = [each for each in found if policy in each.past]
    sources = [each.source for each in mine]

    def mean(value: Callable[[Judged], float]) -> float:
        return float(by_source(np.array([value(each) for each in mine]), sources).mean())

    logs = by_source(np.log([each.past[policy].equal_cost for each in mine]), sources)
    low, high = _interval(logs)
    ranks = [rank(each, policy) for each in mine]
    return Row(
        policy=policy,
        loads=len(mine),
        cost=Mean(float(np.exp(logs.mean())), low, high),
        hindsight=float(np.exp(mean(lambda each: float(np.log(each.hindsight[policy].equal_cost))))),
        equal_unserved=mean(lambda each: each.past[policy].equal_unserved),
        rank=float(by_source(np.array(ranks, dtype=float), sources).mean()),
        first=sum(place == 1 for place in ranks),
        plain={name: mean(lambda each, name=name: getattr(each.past[policy], name)) for name in PLAIN},
    )


def by_source(values: FloatArray, sources: Sequence[str]) -> FloatArray:
    """Mean of each source, in the order of their names."""
    names = sorted(set(sources))
    at = np.array([names.index(source) for source in sources])
    return np.bincount(at, values, minlength=len(names)) / np.bincount(at, minlength=len(names))


def _interval(logs: FloatArray) -> tuple[float, float]:
    drawn = np.random.default_rng(0).integers(len(logs), size=(DRAWS, len(logs)))
    low, high = np.quantile(logs[drawn].mean(axis=1), (0.05, 0.95))
    return float(np.exp(low)), float(np.exp(high))


def field(each: Judged, policy: str) -> list[Cell]:
    """The policies that one is ranked among: other projects' and, for those, ours as recommended."""
    left_out = {"oracle", policy, *OURS, *([RECOMMENDED] if policy in OURS else [])}
    return [cell for key, cell in each.past.items() if key not in left_out]


def rank(each: Judged, policy: str) -> int:
    """1 + the number of policies that are cheaper at equal unserved load, to four digits."""
    if policy == "oracle":
        return 0
    mine = round(each.past[policy].equal_cost, DIGITS)
    return 1 + sum(round(cell.equal_cost, DIGITS) < mine for cell in field(each, policy))


def winner(each: Judged) -> Cell:
    """The cheapest policy of a load among the others and ours as recommended."""
    cells = [cell for key, cell in each.past.items() if key != "oracle" and key not in OURS]
    return min(cells, key=lambda cell: (round(cell.equal_cost, DIGITS), cell.policy != RECOMMENDED))
