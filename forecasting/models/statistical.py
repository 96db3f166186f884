"""ARIMA, SARIMA, dynamic harmonic regression and ETS.

statsmodels estimates; the paths from the rolling origins are run here, with the estimated parameters held.

Parameters are estimated twice: before the first origin, for all rolling origins (which therefore never see their own future), and before the last
one, for the forecast itself. statsmodels is imported when a model runs: it takes longer than the forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from forecasting.models.base import FloatArray, IntArray
from forecasting.models.fourier import fit_fourier
from forecasting.models.naive import look_back


class DidNotConvergeError(ArithmeticError):
    """The optimiser gave up: its parameters mean nothing."""


@dataclass(frozen=True)
class Arma:
    """Parameters of a zero-mean ARMA process (signs as in y_t = sum ar y + e_t + sum ma e)."""

    ar: FloatArray
    ma: FloatArray


def estimate_arma(series: FloatArray, ar_order: int, ma_order: int) -> Arma:
    """Hannan and Rissanen's (1982) regressions; maximum likelihood, twenty times slower, where they leave the stationary and invertible region.

    Raises:
        DidNotConvergeError: the optimiser failed.
    """
    scale = float(np.sqrt(np.mean(series**2)))
    if scale < 1e-9:
        return Arma(np.zeros(ar_order), np.zeros(ma_order))
    regressions: Any = import_module("statsmodels.tsa.arima.estimators.hannan_rissanen")
    innovations: Any = import_module("statsmodels.tsa.arima.estimators.innovations")
    found, _ = regressions.hannan_rissanen(series / scale, ar_order=ar_order, ma_order=ma_order, demean=False)
    if not (found.is_stationary and found.is_invertible):
        found, details = innovations.innovations_mle(
            series / scale,
            order=(ar_order, 0, ma_order),
            demean=False,
            minimize_kwargs={"method": "L-BFGS-B", "options": {"maxiter": 50}},
        )
        if not details.minimize_results.success:
            raise DidNotConvergeError(f"maximum likelihood: {details.minimize_results.message}")
    return Arma(np.asarray(found.ar_params, float), np.asarray(found.ma_params, float))


def arma_paths(arma: Arma, series: FloatArray, origins: IntArray, horizon: int) -> FloatArray:
    """Expected values after each origin, shape (origins, horizon).

    Args:
        arma: The process.
        series: Its values, shape (steps,) or one series per origin, shape (origins, steps).
        origins: Positions.
        horizon: Steps.
    """
    signal: Any = import_module("scipy.signal")
    rows = np.atleast_2d(series)
    innovations = signal.lfilter(np.r_[1.0, -arma.ar], np.r_[1.0, arma.ma], rows, axis=1)
    picked = np.arange(len(origins)) if len(rows) > 1 else np.zeros(len(origins), int)
    paths = np.zeros((len(origins), len(arma.ar) + horizon))
    paths[:, : len(arma.ar)] = rows[picked[:, None], origins[:, None] - np.arange(len(arma.ar), 0, -1)]
    reversed_ar = arma.ar[::-1]
    for lead in range(horizon):
        shocks = innovations[picked[:, None], origins[:, None] - 1 - np.arange(len(arma.ma) - lead)]
        window = paths[:, lead : lead + len(arma.ar)]
        paths[:, len(arma.ar) + lead] = window @ reversed_ar + shocks @ arma.ma[lead:]
    return paths[:, len(arma.ar) :]


def _first_then_last(origins: IntArray, paths: Callable[[int, IntArray], FloatArray]) -> FloatArray:
    """Run `paths(fitted_before, origins)` for the rolling origins with the earliest parameters and for the last origin with its own."""
    if len(origins) == 1:
        return paths(int(origins[0]), origins)
    return np.vstack([paths(int(origins[0]), origins[:-1]), paths(int(origins[-1]), origins[-1:])])


@dataclass(frozen=True)
class Arima:
    """ARIMA(p, 1, q), (1, 1, 1) if nothing else is said: no season; follows the present level."""

    name: str = "arima"
    ar_order: int = 1
    ma_order: int = 1

    def minimum_steps(self, steps_per_day: int) -> int:
        """One day."""
        return max(steps_per_day, 24)

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        changes = np.diff(load, prepend=load[0])

        def paths(fitted_before: int, some: IntArray) -> FloatArray:
            arma = estimate_arma(changes[1:fitted_before], self.ar_order, self.ma_order)
            return load[some - 1][:, None] + np.cumsum(arma_paths(arma, changes, some, horizon), axis=1)

        return _first_then_last(origins, paths)


@dataclass(frozen=True)
class Sarima:
    """SARIMA(1, 0, 1)(0, 1, 0): ARMA(1, 1) on the changes over a season; the season is a week where three are known, else a day.

    Seasonal terms beyond the difference would need a state of 96 or 672 steps, whose fit takes minutes.
    """

    name: str = "sarima"
    weekly_from_days: ClassVar[int] = 21
    ar_order: ClassVar[int] = 1
    ma_order: ClassVar[int] = 1

    def minimum_steps(self, steps_per_day: int) -> int:
        """Two days: one of changes over a day."""
        return 2 * max(steps_per_day, 24)

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        days = 7 if origins[-1] >= self.weekly_from_days * steps_per_day else 1
        season = days * steps_per_day
        changes = np.concatenate([np.zeros(season), load[season:] - load[:-season]])
        found = np.full((len(origins), horizon), np.nan)
        able = origins >= season + max(steps_per_day, 24)

        def paths(fitted_before: int, some: IntArray) -> FloatArray:
            arma = estimate_arma(changes[season:fitted_before], self.ar_order, self.ma_order)
            return look_back(load, some, np.arange(horizon), season) + _over_seasons(
                arma_paths(arma, changes, some, horizon), season
            )

        found[able] = _first_then_last(origins[able], paths)
        return found


def _over_seasons(changes: FloatArray, season: int) -> FloatArray:
    """Changes over a season, shape (origins, horizon), summed up to changes since the last known season."""
    total = changes.copy()
    for lead in range(season, changes.shape[1]):
        total[:, lead] += total[:, lead - season]
    return total


@dataclass(frozen=True)
class Harmonic:
    """Dynamic harmonic regression: the long seasons as Fourier terms, ARMA(1, 1) on the residuals, in two steps.

    A seasonal difference of 96 or 672 steps is out of reach of a state-space fit; Fourier terms carry such seasons
    (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, section 10.5).
    """

    name: str = "harmonic"
    half_life_days: ClassVar[float] = 28.0
    ar_order: ClassVar[int] = 1
    ma_order: ClassVar[int] = 1

    def minimum_steps(self, steps_per_day: int) -> int:
        """Two days."""
        return 2 * max(steps_per_day, 24)

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        fit = fit_fourier(load, origins, horizon, steps_per_day, self.half_life_days)
        residuals = fit.residuals(load)

        def paths(fitted_before: int, some: IntArray) -> FloatArray:
            rows = np.searchsorted(origins, some)
            fitted_row = int(np.searchsorted(origins, fitted_before))
            arma = estimate_arma(residuals[fitted_row, :fitted_before], self.ar_order, self.ma_order)
            return fit.future[rows] + arma_paths(arma, residuals[rows], some, horizon)

        return _first_then_last(origins, paths)


@dataclass(frozen=True)
class Ets:
    """Holt-Winters exponential smoothing, ETS(A, N, A): level and additive season; the season is a week where three are known, else a day."""

    name: str = "ets"
    weekly_from_days: ClassVar[int] = 21
    """Two weeks for the first values of a weekly season, and one to be judged in."""

    def minimum_steps(self, steps_per_day: int) -> int:
        """Two days and what the heuristic for the first level reads."""
        return _least_steps(steps_per_day)

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        module: Any = import_module("statsmodels.tsa.holtwinters")
        season = steps_per_day * (7 if origins[-1] >= self.weekly_from_days * steps_per_day else 1)

        def model(series: FloatArray) -> Any:
            return module.ExponentialSmoothing(
                series, seasonal="add", seasonal_periods=season, initialization_method="heuristic"
            )

        def paths(fitted_before: int, some: IntArray) -> FloatArray:
            fitted = model(load[:fitted_before]).fit()
            if not fitted.mle_retvals.success:
                raise DidNotConvergeError(f"smoothing parameters: {fitted.mle_retvals.message}")
            level, seasonal = (fitted.params[f"smoothing_{name}"] for name in ("level", "seasonal"))
            smoothed = model(load[: some[-1]]).fit(smoothing_level=level, smoothing_seasonal=seasonal, optimized=False)
            last_season = np.asarray(smoothed.season, float)[some[:, None] - season + np.arange(season)[None, :]]
            return np.asarray(smoothed.level, float)[some - 1, None] + last_season[:, np.arange(horizon) % season]

        able = origins >= _least_steps(season)
        found = np.full((len(origins), horizon), np.nan)
        found[able] = _first_then_last(origins[able], paths)
        return found


def _least_steps(season: int) -> int:
    return 2 * season + 10
