"""How good earlier forecasts were, by what happened since. Pure functions on plain frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray
from forecasting.store.ledger import Ledger, StoredForecast

LEAD_BUCKETS_HOURS = (6.0, 24.0)
"""Bounds of the lead buckets `<6h`, `6-24h`, `>=24h`: errors grow with the lead, and most of the growth is within a day."""


MAX_FORECASTS = 28
"""Most forecasts that one scoring reads: one in six hours of a week. A job that runs every 15 min keeps 672 in that time, each an object to fetch."""


DAY, WEEK = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True)
class DayScore:
    """The last day, as earlier forecasts had it and as the seasonal naive forecast would have had it at the same moments.

    The naive forecast of a step is the load a week earlier (a day, where the history is shorter than eight days; two, where that day had not come
    when the forecast was made), and its quantiles are that plus the quantiles of its own errors in the history before the day. So both are
    probabilistic forecasts of the same steps at the same quantiles.

    Attributes:
        points: Number of (forecast, step) pairs scored.
        weighted_quantile_loss: Mean over the quantiles of 2 x pinball loss / sum of the load.
        naive_weighted_quantile_loss: The same of the seasonal naive forecast.
    """

    points: int
    weighted_quantile_loss: float
    naive_weighted_quantile_loss: float

    @property
    def skill(self) -> float:
        """Share of the seasonal naive forecast's loss that was saved; below 0 where it was the better one."""
        naive = self.naive_weighted_quantile_loss
        return 1 - self.weighted_quantile_loss / naive if naive else 0.0

    @property
    def worse_than_naive(self) -> bool:
        """Whether the forecast was of less use than the simplest one."""
        return self.weighted_quantile_loss > self.naive_weighted_quantile_loss


@dataclass(frozen=True)
class Scores:
    """Earlier forecasts against what happened.

    Attributes:
        forecasts: Number of forecasts with at least one step scored.
        points: Number of (forecast, step) pairs scored.
        weighted_quantile_loss: Mean over the quantiles of 2 x pinball loss / sum of the load; None where all load was zero.
        coverage: Share of the points at or below each quantile; a perfect .9 quantile has .9.
        mean_absolute_error: Of the central quantile, by lead bucket, in the load's unit; only buckets that have points.
        day: The last day beside the seasonal naive forecast; None where the history is too short, where the
            forecasts cover less than half of it, or where all load was zero.
    """

    forecasts: int
    points: int
    weighted_quantile_loss: float | None
    coverage: dict[float, float]
    mean_absolute_error: dict[str, float]
    day: DayScore | None = None


def score_forecasts(ledger: Ledger, actual: pd.Series[float], *, since: datetime) -> Scores | None:
    """Score the ledger's forecasts made at `since` (aware) or later; see `score`.

    Raises:
        StoreError: a stored forecast is corrupt, or the store cannot be read.
    """
    return score(ledger.forecasts(since, at_most=MAX_FORECASTS), actual)


def score(forecasts: Iterable[StoredForecast], actual: pd.Series[float]) -> Scores | None:
    """Score forecasts against the load that came.

    Only steps that are in both are scored; NaN in `actual` (gaps, and what the caller masks as censored) is left out.

    Args:
        forecasts: With the same quantiles; others than the newest's are left out.
        actual: Mean load per step; UTC DatetimeIndex at the start of each step, of the forecasts' own step.

    Returns:
        The scores, or None where no step can be scored yet.
    """
    known = actual.dropna()
    made = list(forecasts)
    pieces = [piece for forecast in made if len((piece := _pair(forecast, known)).happened)]
    if not pieces:
        return None
    levels = pieces[-1].levels
    pieces = [piece for piece in pieces if piece.levels == levels]
    happened = np.concatenate([piece.happened for piece in pieces])
    predicted = np.concatenate([piece.predicted for piece in pieces])
    lead_hours = np.concatenate([piece.lead_hours for piece in pieces])
    central = int(np.argmin(np.abs(np.array(levels) - 0.5)))
    return Scores(
        forecasts=len(pieces),
        points=len(happened),
        weighted_quantile_loss=_weighted_quantile_loss(happened, predicted, levels),
        coverage={level: float(np.mean(happened <= predicted[:, at])) for at, level in enumerate(levels)},
        mean_absolute_error=_error_by_lead(np.abs(happened - predicted[:, central]), lead_hours),
        day=_score_day(made, known, levels),
    )


def _score_day(
    forecasts: Iterable[StoredForecast], known: pd.Series[float], levels: tuple[float, ...]
) -> DayScore | None:
    stamps = pd.DatetimeIndex(known.index)
    season = WEEK if stamps[-1] - stamps[0] >= WEEK + DAY else DAY
    last_day = stamps > stamps[-1] - DAY
    errors = _ago(known[~last_day], pd.DatetimeIndex(stamps[~last_day]), season)
    spread = np.asarray(known[~last_day], dtype=np.float64) - errors
    spread = spread[np.isfinite(spread)]
    if not len(spread):
        return None
    happened: list[FloatArray] = []
    predicted: list[FloatArray] = []
    naive: list[FloatArray] = []
    covered = pd.DatetimeIndex([], tz="UTC")
    for forecast in forecasts:
        pair = _pair(forecast, known[last_day])
        if pair.levels != levels:
            continue
        # Only what had come when the forecast was made.
        seasons = 1 + (pair.lead_hours > season / timedelta(hours=1))
        guess = _ago(known, pair.steps, pd.to_timedelta(seasons * season.total_seconds(), unit="s"))
        use = np.isfinite(guess)
        covered = covered.union(pair.steps[use])
        happened.append(pair.happened[use])
        predicted.append(pair.predicted[use])
        naive.append(np.maximum(guess[use, np.newaxis] + np.quantile(spread, levels), 0))
    if len(covered) * 2 < last_day.sum():
        return None
    came = np.concatenate(happened)
    loss = _weighted_quantile_loss(came, np.concatenate(predicted), levels)
    naive_loss = _weighted_quantile_loss(came, np.concatenate(naive), levels)
    return None if loss is None or naive_loss is None else DayScore(len(came), loss, naive_loss)


def _ago(known: pd.Series[float], steps: pd.DatetimeIndex, back: timedelta | pd.TimedeltaIndex) -> FloatArray:
    """The load some time before each step; NaN where none is known."""
    return np.asarray(known.reindex(pd.DatetimeIndex(steps - back)), dtype=np.float64)


@dataclass(frozen=True)
class _Pair:
    """The steps of one forecast that have happened: `predicted` has a row per step and a column per level."""

    levels: tuple[float, ...]
    steps: pd.DatetimeIndex
    happened: FloatArray
    predicted: FloatArray
    lead_hours: FloatArray


def _pair(forecast: StoredForecast, actual: pd.Series[float]) -> _Pair:
    frame = forecast.quantiles
    steps = pd.DatetimeIndex(frame.index.intersection(actual.index))
    return _Pair(
        levels=tuple(float(level) for level in frame.columns),
        steps=steps,
        happened=np.asarray(actual.loc[steps], dtype=np.float64),
        predicted=np.asarray(frame.loc[steps], dtype=np.float64),
        lead_hours=np.asarray((steps - pd.Timestamp(forecast.made_at)) / pd.Timedelta(hours=1), dtype=np.float64),
    )


def _weighted_quantile_loss(happened: FloatArray, predicted: FloatArray, levels: tuple[float, ...]) -> float | None:
    total = float(np.abs(happened).sum())
    if total == 0:
        return None
    missing = happened[:, np.newaxis] - predicted
    pinball = np.maximum(np.array(levels) * missing, (np.array(levels) - 1) * missing)
    return float(2 * pinball.sum(axis=0).mean() / total)


def _error_by_lead(errors: FloatArray, lead_hours: FloatArray) -> dict[str, float]:
    near, far = LEAD_BUCKETS_HOURS
    buckets = {
        f"<{near:g}h": lead_hours < near,
        f"{near:g}-{far:g}h": (lead_hours >= near) & (lead_hours < far),
        f">={far:g}h": lead_hours >= far,
    }
    return {name: float(errors[inside].mean()) for name, inside in buckets.items() if inside.any()}
