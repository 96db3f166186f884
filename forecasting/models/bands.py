"""Prediction intervals from the errors of rolling origins inside the history.

Errors are divided by a scale that grows with the forecast to a power chosen for the series: those of
crowds grow with the load, those of machines and single clients do not. Each block of the horizon has
its own quantiles of all errors, weighted by likeness: lead, time of day, day of the week, age.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from forecasting.models.base import FloatArray, IntArray

_TINY = 1e-12
BLOCKS_PER_DAY = 4
"""Errors are told apart by blocks of 6 h, the distance of the origins."""


@dataclass(frozen=True)
class Bands:
    """Errors of the blend, sorted, and the forecast's scale.

    Attributes:
        level: Mean level of the history.
        power: The scale is forecast^power x level^(1 - power).
        errors: Known errors (actual minus forecast) over their scale, ascending.
        leads: Block of the horizon that each error is of.
        back: Blocks between the block that each error is of and the end of the history.
        weights: Weight of each error by its age.
        block: Steps of a block.
        per_day: Blocks of a day.
    """

    level: float
    power: float
    errors: FloatArray
    leads: IntArray
    back: IntArray
    weights: FloatArray
    block: int
    per_day: int
    powers: ClassVar[tuple[float, ...]] = (0.0, 0.25, 0.5, 0.75, 1.0)
    least_scale: ClassVar[float] = 0.1
    """The scale is never below that of so much of the level: a night without load has errors too."""
    edges: ClassVar[tuple[int, ...]] = (1, 4)
    other_leads: ClassVar[float] = 0.3
    """Weight of an error of another range of leads (below 6 h, to a day, beyond)."""
    same_time: ClassVar[float] = 2.0
    same_weekday: ClassVar[float] = 4.0
    near_weekday: ClassVar[float] = 1.0
    """Additional weights of errors at the same time of day, the same time of the week and within 12 h of it."""
    correction: ClassVar[float] = 0.3
    """Share of the errors' median by which the forecast is corrected."""
    widening: ClassVar[float] = 1.05
    fewest_origins: ClassVar[int] = 4

    @classmethod
    def of(
        cls, actual: FloatArray, forecast: FloatArray, weights: FloatArray, level: float, steps_per_day: int
    ) -> Bands | None:
        """The intervals after errors at rolling origins, 6 h apart; None if they are too few.

        Args:
            actual: Shape (origins, horizon), NaN if unknown.
            forecast: Same shape, NaN if there is none.
            weights: Of the origins, oldest first; the last origin is 6 h before the end of the history.
            level: Mean level of the history.
            steps_per_day: Steps in a day.
        """
        known = np.isfinite(actual) & np.isfinite(forecast)
        if int(known.any(axis=1).sum()) < cls.fewest_origins:
            return None
        origin, lead = np.nonzero(known)
        base = np.maximum(forecast[known], cls.least_scale * level) / (level + _TINY) + _TINY
        errors, by_age = actual[known] - forecast[known], weights[origin]
        power = cls._power(np.abs(errors), base, by_age)
        scaled = errors / (base**power * level + _TINY)
        order = np.argsort(scaled)
        block = max(steps_per_day // BLOCKS_PER_DAY, 1)
        leads = lead // block
        back = len(actual) - origin - leads
        return cls(
            level,
            power,
            scaled[order],
            leads[order],
            back[order],
            by_age[order],
            block,
            max(steps_per_day // block, 1),
        )

    @classmethod
    def _power(cls, errors: FloatArray, base: FloatArray, weights: FloatArray) -> float:
        """The power under which the errors are likeliest, if they follow a Laplace distribution."""
        logs = np.log(base)
        total = float(weights.sum())
        drift = float(weights @ logs) / total
        loss = [
            np.log(float(weights @ (errors * np.exp(-power * logs))) / total + _TINY) + power * drift
            for power in cls.powers
        ]
        return cls.powers[int(np.argmin(loss))]

    def quantiles(self, forecast: FloatArray, levels: tuple[float, ...]) -> FloatArray:
        """Quantiles of the load around `forecast`, shape (horizon,) -> (horizon, levels), ascending."""
        blocks = -(-len(forecast) // self.block)
        offsets = np.stack([self._offsets(block, levels) for block in range(blocks)])
        base = np.maximum(forecast, self.least_scale * self.level) / (self.level + _TINY) + _TINY
        scale = base**self.power * self.level + _TINY
        return np.sort(
            forecast[:, None] + np.repeat(offsets, self.block, axis=0)[: len(forecast)] * scale[:, None], axis=1
        )

    def _offsets(self, block: int, levels: tuple[float, ...]) -> FloatArray:
        median, *found = _quantiles(self.errors, self.weights * self._likeness(block), (0.5, *levels))
        return self.correction * median + (np.array(found) - median) * self.widening

    def _likeness(self, block: int) -> FloatArray:
        """Weight of each error for a block of the horizon."""
        distance = np.arange(block + int(self.back.max()) + 1)
        days, weeks = distance % self.per_day, distance % (7 * self.per_day)
        from_week = np.minimum(weeks, 7 * self.per_day - weeks)
        by_time = (1 + self.same_time * (days == 0)) * (
            1
            + self.same_weekday * (from_week == 0)
            + self.near_weekday * ((from_week > 0) & (from_week <= self.per_day // 2))
        )
        ranges = np.digitize(np.arange(max(block, int(self.leads.max())) + 1), self.edges)
        by_lead = np.where(ranges == ranges[block], 1.0, self.other_leads)
        return by_time[np.abs(block + self.back)] * by_lead[self.leads]


def _quantiles(ascending: FloatArray, weights: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Quantiles of a weighted, sorted sample; with equal weights by Hazen's rule."""
    total = np.cumsum(weights)
    return np.asarray(np.interp(np.array(levels) * total[-1], total - weights / 2, ascending), np.float64)
