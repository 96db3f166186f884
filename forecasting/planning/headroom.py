"""Headroom for the peaks that a step's mean does not show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecasting.history.base import History

MAX_HEADROOM = 3.0
"""A step whose peaks are more than three times its mean is better served by a shorter step."""

MIN_STEPS = 96
"""Fewer steps than this (a day at 15 min) say too little: no headroom is learnt."""


def learn_headroom(history: History, quantile: float) -> float:
    """Ratio of the highest fine sample inside a step to the step's mean, at `quantile` over the fleet's busy half.

    A perfect forecast of 15-min means leaves 3 % of real load uncovered, because capacity must carry the peak and not the mean. The busy half is
    what sizes a fleet; at night the ratio is large and the instances are few.

    Args:
        history: The clean history; `fine` is at the source's own step.
        quantile: Share of steps whose peak is to be covered, 0 < quantile < 1.

    Returns:
        A factor >= 1, or 1.0 where the source is no finer than the step or the history is too short.
    """
    step = _step(history.load)
    fine_step = _step(history.fine)
    if fine_step >= step:
        return 1.0
    steps = history.fine.resample(step)
    peak, mean = steps.max().to_numpy(dtype=float), steps.mean().to_numpy(dtype=float)
    known = np.isfinite(peak) & (mean > 0)
    peak, mean = peak[known], mean[known]
    if len(mean) < MIN_STEPS:
        return 1.0
    busy = mean >= np.median(mean)
    return float(min(max(np.quantile(peak[busy] / mean[busy], quantile), 1.0), MAX_HEADROOM))


def _step(series: pd.Series[float]) -> pd.Timedelta:
    index = pd.DatetimeIndex(series.index)
    return pd.Timedelta(index[1] - index[0])
