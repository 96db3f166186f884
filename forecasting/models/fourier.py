"""Daily and weekly Fourier terms by weighted least squares, with an autoregression on what they leave.

Normal equations are summed per origin from running totals, so that 56 rolling origins cost one pass over the series.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np

from forecasting.models.base import FloatArray, IntArray

_DAILY_HARMONICS = 8
_WEEKLY_HARMONICS = 3
_RIDGE = 1e-3
"""Relative to the weight of the data: keeps short histories solvable, moves long ones by a thousandth."""
_FIRST_WEEKS_RIDGE = 1.0
"""For weekly terms before two weeks are known: what one week did is no weekly pattern yet."""


def cycles_per_day(steps_per_day: int) -> FloatArray:
    """Frequencies of the terms, none above what the steps can carry; whole numbers are daily harmonics, the rest weekly ones."""
    # The neighbours of the first two daily harmonics let the shape of a day differ between weekdays and weekend.
    weekly = [cycles / 7 for cycles in (*range(1, _WEEKLY_HARMONICS + 1), 6, 8, 13, 15)]
    frequencies = np.array([*range(1, _DAILY_HARMONICS + 1), *weekly], float)
    return frequencies[frequencies <= steps_per_day / 2]


def fourier_terms(steps: int, steps_per_day: int) -> FloatArray:
    """Constant, then sines and cosines of each frequency, for the positions 0 .. steps - 1; shape (steps, terms)."""
    angles = 2 * np.pi * np.outer(np.arange(steps) / steps_per_day, cycles_per_day(steps_per_day))
    return np.hstack([np.ones((steps, 1)), np.sin(angles), np.cos(angles)])


@dataclass(frozen=True)
class FourierFit:
    """A regression per origin.

    Attributes:
        future: The regression's values for the horizon, shape (origins, horizon).
        residuals: Series minus regression, zero from the origin on, shape (origins, steps).
    """

    future: FloatArray
    residuals: FloatArray


@dataclass(frozen=True)
class _Design:
    """What a regression needs besides the series; two models on one history, and fleets of one shape, share it.

    Attributes:
        terms: For the history and the horizon, shape (steps + horizon, terms).
        weighted: The history's terms times the weight of each step, shape (steps, terms).
        inverses: Of the normal matrix before each origin, shape (origins, terms, terms).
    """

    terms: FloatArray
    weighted: FloatArray
    inverses: FloatArray


@lru_cache(maxsize=4)
def _design(steps: int, origins: tuple[int, ...], horizon: int, steps_per_day: int, half_life_days: float) -> _Design:
    terms = fourier_terms(steps + horizon, steps_per_day)
    past = terms[:steps]
    weights = np.exp2((np.arange(steps) - steps) / (half_life_days * steps_per_day))
    weighted = past * weights[:, None]
    fraction = np.tile(cycles_per_day(steps_per_day) % 1, 2)
    weekly = np.concatenate([[False], fraction > 0])
    gram = np.zeros((terms.shape[1],) * 2)
    grams = np.empty((len(origins), *gram.shape))
    for row, (first, last) in enumerate(pairwise((0, *origins))):
        gram = gram + weighted[first:last].T @ past[first:last]
        # gram[0, 0], of the constant, is the total weight of the data.
        penalty = np.where(weekly, _RIDGE if last >= 14 * steps_per_day else _FIRST_WEEKS_RIDGE, _RIDGE)
        penalty[0] = 0.0
        grams[row] = gram + gram[0, 0] * np.diag(penalty)
    return _Design(terms, weighted, np.asarray(np.linalg.inv(grams), np.float64))


def fit_fourier(
    series: FloatArray, origins: IntArray, horizon: int, steps_per_day: int, half_life_days: float
) -> FourierFit:
    """Fit the terms before each origin by least squares, the weight of a step halving every `half_life_days`."""
    steps = len(series)
    design = _design(steps, tuple(origins.tolist()), horizon, steps_per_day, half_life_days)
    # Sums of each stretch between origins, then running totals: the series is read once.
    starts = np.concatenate([[0], origins[:-1]])
    products = design.weighted[: origins[-1]] * series[: origins[-1], None]
    moments = np.cumsum(np.add.reduceat(products, starts, axis=0), axis=0)
    coefficients = (design.inverses @ moments[:, :, None])[:, :, 0]
    fitted = coefficients @ design.terms.T
    future = np.take_along_axis(fitted, origins[:, None] + np.arange(horizon), axis=1)
    residuals = series - fitted[:, :steps]
    residuals[np.arange(steps) >= origins[:, None]] = 0.0
    return FourierFit(future, residuals)


@dataclass(frozen=True)
class FourierAutoregression:
    """Fourier terms with a 28-day half-life, and AR(3) on the residuals, on the square root of the load or on its logarithm.

    Loads are skewed and vary more where they are high: the square root evens out counts, the logarithm what grows by factors. Half of the last
    day's mean residual stays over the whole horizon: a level that moved is otherwise forgotten within hours.
    """

    name: str
    transform: Literal["sqrt", "log"]
    half_life_days: ClassVar[float] = 28.0
    order: ClassVar[int] = 3
    block: ClassVar[int] = 16
    level_share: ClassVar[float] = 0.5

    def minimum_steps(self, steps_per_day: int) -> int:
        """Two days."""
        return 2 * steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        # A hundredth of the mean keeps the logarithm of an idle night from outweighing the busy day.
        offset = 0.01 * float(load[: origins[0]].mean()) + 1e-12
        series = np.log(load + offset) if self.transform == "log" else np.sqrt(load)
        fit = fit_fourier(series, origins, horizon, steps_per_day, self.half_life_days)
        last_day = fit.residuals[np.arange(len(origins)), origins - np.arange(1, steps_per_day + 1)[:, None]]
        level = self.level_share * last_day.mean(axis=0)[:, None]
        known = np.arange(len(series)) < origins[:, None]
        path = fit.future + level + self._residual_path(np.where(known, fit.residuals - level, 0.0), origins, horizon)
        # What is extrapolated here is magnified there: no more than twice what each origin has seen.
        highest = 2.0 * np.maximum.accumulate(load)[origins - 1, None]
        if self.transform == "sqrt":
            return np.minimum(np.maximum(path, 0.0) ** 2, highest)
        return np.exp(np.clip(path, np.log(offset), np.log(highest + 2.0 * offset))) - offset

    def _residual_path(self, residuals: FloatArray, origins: IntArray, horizon: int) -> FloatArray:
        coefficients = _yule_walker(residuals, self.order).T[::-1]
        # One row a step, so that each step reads and writes whole rows: the answer to a unit in each of the last residuals
        # for a block of steps, then block by block from the last residuals of the one before.
        block = min(self.block, horizon)
        answer = np.empty((self.order + block, self.order, len(origins)))
        answer[: self.order] = np.eye(self.order)[:, :, None]
        for step in range(block):
            np.einsum("ko,kjo->jo", coefficients, answer[step : step + self.order], out=answer[step + self.order])
        state = residuals[np.arange(len(origins)), origins - np.arange(self.order, 0, -1)[:, None]]
        parts: list[FloatArray] = []
        for _ in range(-(-horizon // block)):
            parts.append(np.einsum("sjo,jo->so", answer[self.order :], state))
            state = np.concatenate([state, parts[-1]])[-self.order :]
        return np.concatenate(parts)[:horizon].T


def _yule_walker(residuals: FloatArray, order: int) -> FloatArray:
    """AR coefficients per row, shape (rows, order). Yule-Walker estimates are always stationary, so no path can explode."""
    products = [(residuals[:, lag:] * residuals[:, : residuals.shape[1] - lag]).sum(axis=1) for lag in range(order + 1)]
    covariance = np.stack(products, axis=1)
    toeplitz = covariance[:, np.abs(np.arange(order)[:, None] - np.arange(order)[None, :])]
    ridge = (1e-6 * covariance[:, :1, None] + 1e-300) * np.eye(order)
    return np.asarray(np.linalg.solve(toeplitz + ridge, covariance[:, 1:, None])[:, :, 0], np.float64)
