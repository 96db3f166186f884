"""Choosing a setting by its past, and comparing policies that differ in two things at once: cost and uncovered load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.planning.objective import best_setting
from forecasting.replay import DayTotals
from forecasting.replay.base import FloatArray

TOLERANCE = 0.1
"""Differences in uncovered load that are small beside this share of the goal hardly count."""


@dataclass(frozen=True, eq=False)
class Days:
    """Cost and uncovered load per day, of some settings side by side.

    Attributes:
        paid: Instance-minutes, shape (days, settings).
        uncovered: Load above capacity, in load x minutes (days, settings).
        load: Load, in load x minutes (days,).
        clairvoyant: Instance-minutes of the clairvoyant policy (days,).
    """

    paid: FloatArray
    uncovered: FloatArray
    load: FloatArray
    clairvoyant: FloatArray

    @classmethod
    def of(cls, totals: DayTotals, columns: Sequence[int], clairvoyant: FloatArray) -> Days:
        """Of the settings in `columns`."""
        chosen = list(columns)
        return cls(totals.instance_minutes[:, chosen], totals.uncovered[:, chosen], totals.load, clairvoyant)

    def __len__(self) -> int:
        """Number of days."""
        return len(self.load)

    def between(self, first: int, last: int) -> Days:
        """Days first <= day < last."""
        part = slice(first, last)
        return Days(self.paid[part], self.uncovered[part], self.load[part], self.clairvoyant[part])

    def only(self, setting: int) -> Days:
        """One setting."""
        one = slice(setting, setting + 1)
        return Days(self.paid[:, one], self.uncovered[:, one], self.load, self.clairvoyant)

    def frontier(self, weights: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Cost ratio and share of the load uncovered, each (samples, settings); a row of `weights` (samples, days) says how often each day counts."""
        weight = np.ones((1, len(self))) if weights is None else weights
        cost = (weight @ self.paid) / np.maximum(weight @ self.clairvoyant, 1e-12)[:, None]
        return cost, (weight @ self.uncovered) / np.maximum(weight @ self.load, 1e-12)[:, None]


def choose(days: Days, goal: float, seed: int = 0) -> int:
    """The setting with the least mean objective over resampled pasts: what is best by luck in one past is not in most."""
    return best_setting(days.paid, days.uncovered, days.load, goal, seed=seed)


def cost_at(uncovered: float, frontier: tuple[FloatArray, FloatArray], tolerance: float) -> float:
    """Cost at which a frontier leaves `uncovered` of the load.

    Log cost is interpolated over log(uncovered + tolerance): shares far below the tolerance are nearly as good as none, and a tenth of it is as good.
    Beyond its ends the frontier is held, so a policy that leaves less uncovered than the frontier ever does is compared with its dearest point.
    """
    cost, left = _ascending(frontier)
    enough = int(np.searchsorted(-left, -tolerance / 10)) + 1
    depth = -np.log(np.maximum(left[:enough], tolerance / 10) + tolerance)
    wanted = -math.log(max(uncovered, tolerance / 10) + tolerance)
    return math.exp(float(np.interp(wanted, depth, np.log(cost[:enough]))))


def uncovered_at(cost: float, frontier: tuple[FloatArray, FloatArray]) -> float:
    """Share of the load that a frontier leaves uncovered at `cost`, linear between its points, held beyond its ends."""
    costs, left = _ascending(frontier)
    return float(np.interp(cost, costs, left))


def _ascending(frontier: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """By cost, without points that cost more and cover less."""
    cost, left = frontier
    order = np.argsort(cost, kind="stable")
    least: FloatArray = np.minimum.accumulate(left[order])
    return cost[order], least


def savings(ours: Days, reference: Days, weights: FloatArray | None, goal: float) -> FloatArray:
    """Share of the reference's cost that ours (one setting) saves where both leave the same load uncovered, one per row of `weights`."""
    cost, left = ours.frontier(weights)
    reference_cost, reference_left = reference.frontier(weights)
    return np.array(
        [
            1.0 - cost[row, 0] / cost_at(left[row, 0], (reference_cost[row], reference_left[row]), TOLERANCE * goal)
            for row in range(len(cost))
        ]
    )
