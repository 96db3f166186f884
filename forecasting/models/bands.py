"""Quantiles from the errors of rolling origins inside the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from forecasting.models.base import FloatArray

_TINY = 1e-12


@dataclass(frozen=True)
class Bands:
    """Error quantiles by lead, in units of forecast^.7 x level^.3: errors grow with the load, but slower.

    Attributes:
        level: Mean level of the history.
        scaled: Errors (actual minus forecast) over their scale, shape (origins, horizon), NaN where the actual value is not known.
        weights: How much each origin counts, shape (origins,).
        hours: Lead of each column in hours.
        idle: The forecast is often next to nothing: it says nothing of the size of its errors then, so they are taken as they are.
    """

    level: float
    scaled: FloatArray
    weights: FloatArray
    hours: FloatArray
    idle: bool = False
    edges: ClassVar[tuple[float, ...]] = (6.0, 24.0)
    widening: ClassVar[float] = 1.1
    fewest_origins: ClassVar[int] = 4
    idle_below: ClassVar[float] = 0.01
    idle_share: ClassVar[float] = 0.05

    @classmethod
    def of(
        cls, actual: FloatArray, forecast: FloatArray, weights: FloatArray, level: float, hours: FloatArray
    ) -> Bands | None:
        """The bands after errors at rolling origins (`actual` and `forecast` of shape (origins, horizon)); None where they are too few."""
        often = cls.idle_share * np.isfinite(forecast).sum()
        idle = bool(np.count_nonzero(forecast < cls.idle_below * level) > often)
        scaled = (actual - forecast) / (level + _TINY if idle else _scale(forecast, level))
        return cls(level, scaled, weights, hours, idle) if cls._enough(scaled) else None

    def quantiles(self, forecast: FloatArray, levels: tuple[float, ...]) -> FloatArray:
        """Quantiles of the load around `forecast`, shape (horizon,) -> (horizon, levels), ascending."""
        offsets = np.empty((len(forecast), len(levels)))
        bucket_of = np.digitize(self.hours, self.edges)
        for bucket in range(len(self.edges) + 1):
            columns = bucket_of == bucket
            if columns.any():
                offsets[columns] = self._offsets(self.scaled[:, columns], levels)
        scale = np.full(len(forecast), self.level + _TINY) if self.idle else _scale(forecast, self.level)
        return np.sort(forecast[:, None] + offsets * scale[:, None], axis=1)

    def _offsets(self, scaled: FloatArray, levels: tuple[float, ...]) -> FloatArray:
        sample = scaled if self._enough(scaled) else self.scaled
        known = np.isfinite(sample)
        weights = np.broadcast_to(self.weights[:, None], sample.shape)[known]
        median, *found = weighted_quantiles(sample[known], weights, (0.5, *levels))
        return median + (np.array(found) - median) * self.widening

    @classmethod
    def _enough(cls, scaled: FloatArray) -> bool:
        return int(np.isfinite(scaled).any(axis=1).sum()) >= cls.fewest_origins


def weighted_quantiles(sample: FloatArray, weights: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Quantiles of a weighted sample; with equal weights they interpolate between the middles of the sample's steps (Hazen's rule)."""
    order = np.argsort(sample)
    total = np.cumsum(weights[order])
    middles = total - weights[order] / 2
    return np.array([np.interp(level * total[-1], middles, sample[order]) for level in levels], np.float64)


def _scale(forecast: FloatArray, level: float) -> FloatArray:
    return np.maximum(forecast, 0.01 * level) ** 0.7 * level**0.3 + _TINY
