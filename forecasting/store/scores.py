"""How good earlier forecasts were, by what happened since. Pure functions on plain frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray
from forecasting.store.ledger import Ledger, StoredForecast

LEAD_BUCKETS_HOURS = (6.0, 24.0)
"""Bounds of the lead buckets `<6h`, `6-24h`, `>=24h`: errors grow with the lead, and most of the growth is within a day."""


MAX_FORECASTS = 28
"""Most forecasts that one scoring reads: one in six hours of a week. A job that runs every 15 min keeps 672 in that time, each an object to fetch."""


@dataclass(frozen=True)
class Scores:
    """Earlier forecasts against what happened.

    Attributes:
        forecasts: Number of forecasts with at least one step scored.
        points: Number of (forecast, step) pairs scored.
        weighted_quantile_loss: Mean over the quantiles of 2 x pinball loss / sum of the load; None where all load was zero.
        coverage: Share of the points at or below each quantile; a perfect .9 quantile has .9.
        mean_absolute_error: Of the central quantile, by lead bucket, in the load's unit; only buckets that have points.
    """

    forecasts: int
    points: int
    weighted_quantile_loss: float | None
    coverage: dict[float, float]
    mean_absolute_error: dict[str, float]


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
    pieces = [piece for forecast in forecasts if len((piece := _pair(forecast, known)).happened)]
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
    )


@dataclass(frozen=True)
class _Pair:
    """The steps of one forecast that have happened: `predicted` has a row per step and a column per level."""

    levels: tuple[float, ...]
    happened: FloatArray
    predicted: FloatArray
    lead_hours: FloatArray


def _pair(forecast: StoredForecast, actual: pd.Series[float]) -> _Pair:
    frame = forecast.quantiles
    steps = pd.DatetimeIndex(frame.index.intersection(actual.index))
    return _Pair(
        levels=tuple(float(level) for level in frame.columns),
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
