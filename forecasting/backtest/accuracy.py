"""How good the forecasts of a walk were, by how far ahead they looked. Pure functions of plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from forecasting.backtest.walk import Origin
from forecasting.models.base import FloatArray

WQL_LEVELS = (0.5, 0.9, 0.95)
LEAD_HOURS = (1, 3, 6, 12, 24, 36, 48)
"""Upper ends of the leads that are told apart."""


@dataclass(frozen=True)
class LeadAccuracy:
    """Accuracy of the steps from `from_hours` to `to_hours` ahead.

    Attributes:
        from_hours: Leads above this ...
        to_hours: ... up to this.
        mase: Mean absolute error of the median over that of the seasonal naive forecast on the same steps (Hyndman and Koehler 2006, scaled out of
            sample); None where that one made no error.
        weighted_quantile_loss: Mean over the levels .5, .9 and .95 (those that were forecast) of 2 x pinball loss / sum of load.
        coverage: Share of steps at or below each forecast quantile.
    """

    from_hours: int
    to_hours: int
    mase: float | None
    weighted_quantile_loss: float
    coverage: dict[float, float]


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of a walk.

    Attributes:
        overall: All leads.
        by_lead: Near to far.
        origins: Number of origins with a forecast.
    """

    overall: LeadAccuracy
    by_lead: tuple[LeadAccuracy, ...]
    origins: int

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)


def pinball(actual: FloatArray, predicted: FloatArray, level: float) -> FloatArray:
    """Pinball loss (Koenker and Bassett 1978) of each value."""
    miss = actual - predicted
    return np.maximum(level * miss, (level - 1) * miss)


def accuracy(
    origins: Sequence[Origin], actual: FloatArray, start: pd.Timestamp, step_minutes: int, levels: Sequence[float]
) -> Accuracy | None:
    """Accuracy of the origins' forecasts; None where there is nothing to compare.

    Args:
        origins: The walk.
        actual: Load of each step from `start` on (NaN where it is not known).
        start: First step (UTC).
        step_minutes: Step of forecasts and of `actual`.
        levels: Quantiles that were forecast.
    """
    step = pd.Timedelta(minutes=step_minutes)
    made = [origin for origin in origins if len(origin.quantiles) and len(origin.naive)]
    if not made:
        return None
    horizon = len(made[0].quantiles)
    first = np.array([int((origin.start - start) // step) for origin in made])
    where = first[:, None] + np.arange(horizon)
    truth = np.where((where >= 0) & (where < len(actual)), actual[np.clip(where, 0, len(actual) - 1)], np.nan)
    predicted = np.stack([origin.quantiles for origin in made])
    naive = np.stack([origin.naive for origin in made])
    if not (np.isfinite(truth) & np.isfinite(naive)).any():
        return None
    hours = (np.arange(horizon) + 1) * step_minutes / 60
    edges = [0, *(edge for edge in LEAD_HOURS if edge <= hours[-1])]
    by_lead: list[LeadAccuracy] = []
    for low, high in pairwise(edges):
        inside = (hours > low) & (hours <= high)
        if np.isfinite(truth[:, inside]).any():
            by_lead.append(_of(truth[:, inside], predicted[:, inside], naive[:, inside], levels, low, high))
    overall = _of(truth, predicted, naive, levels, 0, round(float(hours[-1])))
    return Accuracy(overall, tuple(by_lead), len(made))


def _of(
    truth: FloatArray, predicted: FloatArray, naive: FloatArray, levels: Sequence[float], low: int, high: int
) -> LeadAccuracy:
    known = np.isfinite(truth) & np.isfinite(naive)
    actual, bands = truth[known], predicted[known]
    scale = float(np.abs(actual - naive[known]).sum())
    error = float(np.abs(actual - bands[:, list(levels).index(0.5)]).sum()) if 0.5 in levels else float("nan")
    losses = [
        2 * float(pinball(actual, bands[:, column], level).sum())
        for column, level in enumerate(levels)
        if level in WQL_LEVELS
    ]
    return LeadAccuracy(
        from_hours=low,
        to_hours=high,
        mase=error / scale if scale > 0 else None,
        weighted_quantile_loss=float(np.mean(losses)) / max(float(actual.sum()), 1e-12),
        coverage={level: float((actual <= bands[:, column]).mean()) for column, level in enumerate(levels)},
    )
