"""Seasonal naive forecasts: what was, a day or a week ago. The floor that always works, and the measure of all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.models.base import FloatArray, IntArray


def look_back(load: FloatArray, origins: IntArray, leads: IntArray, season: int) -> FloatArray:
    """The load at the latest whole number of seasons before each step `origin + lead` that lies before the origin.

    Args:
        load: The series.
        origins: Positions, shape (n,).
        leads: Steps from the origin (negative: before it), shape (m,).
        season: Steps.

    Returns:
        Shape (n, m), NaN where the series does not reach back that far.
    """
    seasons_back = np.maximum(leads // season + 1, 1)
    return values_at(load, origins[:, None] + (leads - season * seasons_back)[None, :])


def values_at(load: FloatArray, positions: IntArray) -> FloatArray:
    """`load[positions]`, NaN where a position lies before the series."""
    return np.where(positions >= 0, load[np.maximum(positions, 0)], np.nan)


def median_of_known(stack: FloatArray) -> FloatArray:
    """Median along the first axis of what is not NaN; NaN if nothing is known."""
    ranked = np.sort(stack, axis=0)  # NaN last
    count = np.isfinite(ranked).sum(axis=0)
    least, most = int(count.min(initial=len(stack))), int(count.max(initial=0))
    if least == most > 0:
        return (ranked[(most - 1) // 2] + ranked[most // 2]) / 2
    low, high = (
        np.take_along_axis(ranked, at[None], axis=0)[0]
        for at in (np.maximum(count - 1, 0) // 2, count // 2 % len(stack))
    )
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan), np.float64)


def quantiles_of_known(stack: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Quantiles along the first axis of what is not NaN, shape (columns, levels); NaN if nothing is known."""
    ranked = np.sort(stack, axis=0)  # NaN last
    last = np.maximum(np.isfinite(stack).sum(axis=0) - 1, 0)[None]
    at = np.array(levels)[:, None] * last
    low = np.floor(at).astype(np.int64)
    lower, upper = (np.take_along_axis(ranked, each, axis=0) for each in (low, np.minimum(low + 1, last)))
    return (lower + (upper - lower) * (at - low)).T


@dataclass(frozen=True)
class SeasonalNaive:
    """The same time one season ago; further ahead than a season, the latest season that is known."""

    name: str
    days: int

    def minimum_steps(self, steps_per_day: int) -> int:
        """One season."""
        return self.days * steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        return look_back(load, origins, np.arange(horizon), self.days * steps_per_day)
