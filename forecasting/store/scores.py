"""How good earlier forecasts were, by what happened since. Pure functions on plain frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.store.ledger import Ledger, StoredForecast

LEAD_BUCKETS_HOURS = (6.0, 24.0)
"""Upper bounds of the lead buckets `<6h`, `6-24h`, `>24h`: errors grow with the lead, and most of the growth is within a day."""


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
    return score(ledger.forecasts(since), actual)


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
    parts = [part for forecast in forecasts if len(part := _joined(forecast, known))]
    if not parts:
        return None
    levels = [column for column in parts[-1].columns if isinstance(column, float)]
    parts = [part for part in parts if set(levels) <= set(part.columns)]
    points = pd.concat(parts, ignore_index=True)
    happened = points["actual"].to_numpy(dtype=np.float64)
    return Scores(
        forecasts=len(parts),
        points=len(points),
        weighted_quantile_loss=_weighted_quantile_loss(points, levels, happened),
        coverage={level: float(np.mean(happened <= points[level].to_numpy(dtype=np.float64))) for level in levels},
        mean_absolute_error=_error_by_lead(points, levels, happened),
    )


def _joined(forecast: StoredForecast, actual: pd.Series[float]) -> pd.DataFrame:
    """One row per step that has happened: the quantiles, `actual` and `lead_hours`."""
    frame = forecast.quantiles
    steps = frame.index.intersection(actual.index)
    leads = (pd.DatetimeIndex(steps) - pd.Timestamp(forecast.made_at)) / pd.Timedelta(hours=1)
    return frame.loc[steps].assign(actual=actual.loc[steps], lead_hours=leads)


def _weighted_quantile_loss(points: pd.DataFrame, levels: list[float], happened: np.ndarray) -> float | None:
    total = float(np.abs(happened).sum())
    if total == 0:
        return None
    losses = [2 * _pinball(happened, points[level].to_numpy(dtype=np.float64), level).sum() for level in levels]
    return float(np.mean(losses) / total)


def _pinball(happened: np.ndarray, predicted: np.ndarray, level: float) -> np.ndarray:
    missing = happened - predicted
    return np.maximum(level * missing, (level - 1) * missing)


def _error_by_lead(points: pd.DataFrame, levels: list[float], happened: np.ndarray) -> dict[str, float]:
    central = min(levels, key=lambda level: abs(level - 0.5))
    errors = np.abs(happened - points[central].to_numpy(dtype=np.float64))
    buckets = np.digitize(points["lead_hours"].to_numpy(dtype=np.float64), LEAD_BUCKETS_HOURS)
    near, far = LEAD_BUCKETS_HOURS
    names = (f"<{near:g}h", f"{near:g}-{far:g}h", f">{far:g}h")
    return {name: float(errors[buckets == number].mean()) for number, name in enumerate(names) if number in buckets}
