"""Daily and weekly Fourier terms by weighted least squares, with an autoregression on their residuals.

Normal equations and autocovariances of the residuals are running totals over the series: 56 rolling
origins cost one pass, and no residual is computed but the last of each origin.
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
_ROUNDING = 1e-9
"""Relative to the sum of squares of a series: what autocovariances by running totals may be wrong by."""
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


ORDER = 3
"""Of the autoregression."""


@dataclass(frozen=True)
class FourierFit:
    """A regression per origin.

    Attributes:
        coefficients: Shape (origins, terms).
        future: The regression's values for the horizon, shape (origins, horizon).
        design: Terms of the regression.
    """

    coefficients: FloatArray
    future: FloatArray
    design: _Design

    def residuals(self, series: FloatArray) -> FloatArray:
        """Series minus regression, zero from each origin on, shape (origins, steps)."""
        fitted = self.coefficients @ self.design.terms[: len(series)].T
        return (series - fitted) * (np.arange(len(series)) < self.design.origins[:, None])


@dataclass(frozen=True)
class _Design:
    """Terms of a regression and their products; two models on one history, and fleets of one shape, share it.

    Attributes:
        origins: Shape (origins,).
        terms: For the history and the horizon, shape (steps + horizon, terms).
        weighted: The history's terms times the weight of each step, shape (steps, terms).
        inverses: Of the normal matrix before each origin, shape (origins, terms, terms).
        lagged: Sum before each origin of the products of the terms at a step and `lag` steps before
            it, for lags of 0 to ORDER, shape (lags, origins, terms, terms).
        last_day: Mean of the terms over the day before each origin, shape (origins, terms).
    """

    origins: IntArray
    terms: FloatArray
    weighted: FloatArray
    inverses: FloatArray
    lagged: FloatArray
    last_day: FloatArray


@lru_cache(maxsize=4)
def _design(steps: int, origins: tuple[int, ...], horizon: int, steps_per_day: int, half_life_days: float) -> _Design:
    terms = fourier_terms(steps + horizon, steps_per_day)
    past = terms[:steps]
    weights = np.exp2((np.arange(steps) - steps) / (half_life_days * steps_per_day))
    weighted = past * weights[:, None]
    fraction = np.tile(cycles_per_day(steps_per_day) % 1, 2)
    weekly = np.concatenate([[False], fraction > 0])
    grams = np.cumsum([weighted[first:last].T @ past[first:last] for first, last in pairwise((0, *origins))], axis=0)
    for row, last in enumerate(origins):
        # The entry of the constant is the total weight of the data.
        penalty = np.where(weekly, _RIDGE if last >= 14 * steps_per_day else _FIRST_WEEKS_RIDGE, _RIDGE)
        penalty[0] = 0.0
        grams[row] += grams[row, 0, 0] * np.diag(penalty)
    lagged = [
        np.cumsum(
            [
                past[max(first, lag) : last].T @ past[max(first, lag) - lag : last - lag]
                for first, last in pairwise((0, *origins))
            ],
            axis=0,
        )
        for lag in range(ORDER + 1)
    ]
    last_day = np.stack([past[max(origin - steps_per_day, 0) : origin].mean(axis=0) for origin in origins])
    inverses = np.asarray(np.linalg.inv(grams), np.float64)
    return _Design(np.array(origins), terms, weighted, inverses, np.stack(lagged), last_day)


def fit_fourier(
    series: FloatArray, origins: IntArray, horizon: int, steps_per_day: int, half_life_days: float
) -> FourierFit:
    """Fit the terms before each origin by least squares, the weight of a step halving every `half_life_days`."""
    design = _design(len(series), tuple(origins.tolist()), horizon, steps_per_day, half_life_days)
    moments = _totals(design.weighted, series[:, None], origins)
    coefficients = (design.inverses @ moments)[:, :, 0]
    future = np.stack(
        [
            design.terms[origin : origin + horizon] @ row
            for origin, row in zip(origins.tolist(), coefficients, strict=True)
        ]
    )
    return FourierFit(coefficients, future, design)


def _totals(terms: FloatArray, columns: FloatArray, origins: IntArray) -> FloatArray:
    """Sum before each origin of the terms times each column, shape (origins, terms, columns)."""
    return np.cumsum(
        [terms[first:last].T @ columns[first:last] for first, last in pairwise((0, *origins.tolist()))], axis=0
    )


def autocovariances(series: FloatArray, fit: FourierFit, coefficients: FloatArray) -> FloatArray:
    """Sums of products of residuals at lags of 0 to ORDER before each origin, shape (origins, lags).

    A small part of the sum of squares is added at lag 0: above the rounding of the totals, so that the
    values remain those of a stationary process.
    """
    origins, terms, steps = fit.design.origins, fit.design.terms, len(series)
    lags = range(1, ORDER + 1)
    later, earlier = np.zeros((steps, ORDER)), np.zeros((steps, ORDER))
    for lag in lags:
        later[:-lag, lag - 1], earlier[lag:, lag - 1] = series[lag:], series[:-lag]
    products = _totals(terms[:steps], np.column_stack([series, earlier, later]), origins)
    squares = np.stack(
        [
            np.cumsum(series * series)[origins - 1],
            *(np.cumsum(series * earlier[:, lag - 1])[origins - 1] for lag in lags),
        ]
    )
    found = np.empty((len(origins), ORDER + 1))
    for lag in range(ORDER + 1):
        cross = products[:, :, 0] * 2 if lag == 0 else products[:, :, lag] + products[:, :, ORDER + lag]
        for step in range(lag):
            # The totals reach `lag` steps beyond what is before the origin.
            at = origins - 1 - step
            cross = cross - terms[at] * later[at, lag - 1][:, None]
        quadratic = (fit.design.lagged[lag] @ coefficients[:, :, None])[:, :, 0]
        found[:, lag] = squares[lag] - (cross * coefficients).sum(axis=1) + (quadratic * coefficients).sum(axis=1)
    found[:, 0] = np.maximum(found[:, 0], 0.0) + _ROUNDING * squares[0]
    return found


@dataclass(frozen=True)
class FourierAutoregression:
    """Fourier terms with a 28-day half-life, and AR(3) on the residuals, on the square root of the load or on its logarithm.

    Loads are skewed and vary more where they are high: the square root evens out counts, the logarithm what grows by factors. Half of the last
    day's mean residual stays over the whole horizon: a level that moved is otherwise forgotten within hours.
    """

    name: str
    transform: Literal["sqrt", "log"]
    half_life_days: ClassVar[float] = 28.0
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
        day_means = np.cumsum(np.concatenate([[0.0], series]))
        day_means = (day_means[origins] - day_means[origins - steps_per_day]) / steps_per_day
        level = self.level_share * (day_means - (fit.coefficients * fit.design.last_day).sum(axis=1))
        coefficients = fit.coefficients.copy()
        coefficients[:, 0] += level
        path = fit.future + level[:, None] + self._residual_path(series, fit, coefficients, horizon)
        # What is extrapolated here is magnified there: no more than twice what each origin has seen.
        highest = 2.0 * np.maximum.accumulate(load)[origins - 1, None]
        if self.transform == "sqrt":
            return np.minimum(np.maximum(path, 0.0) ** 2, highest)
        return np.exp(np.clip(path, np.log(offset), np.log(highest + 2.0 * offset))) - offset

    def _residual_path(self, series: FloatArray, fit: FourierFit, fitted: FloatArray, horizon: int) -> FloatArray:
        """Forecast of the residuals from the coefficients `fitted`, shape (origins, horizon)."""
        origins, order = fit.design.origins, ORDER
        coefficients = _yule_walker(autocovariances(series, fit, fitted)).T[::-1]
        # One row a step, so that each step reads and writes whole rows: the answer to a unit in each of the last residuals
        # for a block of steps, then block by block from the last residuals of the one before.
        block = min(self.block, horizon)
        answer = np.empty((order + block, order, len(origins)))
        answer[:order] = np.eye(order)[:, :, None]
        for step in range(block):
            np.einsum("ko,kjo->jo", coefficients, answer[step : step + order], out=answer[step + order])
        last = origins - np.arange(order, 0, -1)[:, None]
        state = series[last] - np.einsum("sot,ot->so", fit.design.terms[last], fitted)
        parts: list[FloatArray] = []
        for _ in range(-(-horizon // block)):
            parts.append(np.einsum("sjo,jo->so", answer[order:], state))
            state = np.concatenate([state, parts[-1]])[-order:]
        return np.concatenate(parts)[:horizon].T


def _yule_walker(covariance: FloatArray) -> FloatArray:
    """AR coefficients per row of autocovariances, shape (rows, order).

    Yule-Walker estimates are always stationary, so no path can explode.
    """
    order = covariance.shape[1] - 1
    lags = np.arange(order, dtype=np.int64)
    toeplitz = covariance[:, np.abs(lags[:, None] - lags[None, :])]
    ridge = (1e-6 * covariance[:, :1, None] + 1e-300) * np.eye(order)
    return np.asarray(np.linalg.solve(toeplitz + ridge, covariance[:, 1:, None])[:, :, 0], np.float64)
