"""What a setting that is chosen by its past minimises: one rule for the plan's quantile, the short-lead knob and the backtest."""

from __future__ import annotations

import numpy as np

from forecasting.models.base import FloatArray
from forecasting.planning.resample import resampled

TARGET_SHARE = 0.005
"""Share of the load that may stay uncovered, where neither prices nor an objective say otherwise."""

CHOICE_DAYS = 28
"""Older days say little about the next ones."""

RESAMPLES = 200

_SOFT, _TINY = 0.5, 1e-12


def objective(cost: FloatArray, uncovered: FloatArray, target: float) -> FloatArray:
    """Log cost + log(1 + .5 x excess / target), where the excess is what the uncovered share is above its target.

    A hard limit is dangerous: where no setting meets it, it buys any cost. Here twice the target is worth 1.5 times the cost.

    Args:
        cost: Costs of the settings, in any unit.
        uncovered: Their shares of the load, same shape.
        target: Share of the load that may stay uncovered, > 0.
    """
    return np.log(np.maximum(cost, _TINY)) + np.log1p(_SOFT * np.maximum(uncovered - target, 0.0) / target)


def best_setting(paid: FloatArray, uncovered: FloatArray, load: FloatArray, target: float, *, seed: int = 0) -> int:
    """The setting with the least mean objective over resampled pasts: what is best by luck in one past is not in most.

    Args:
        paid: What each setting cost on each day, shape (days, settings), the oldest day first; the latest `CHOICE_DAYS` count.
        uncovered: Load above capacity, same shape.
        load: The load of each day, shape (days,).
        target: Share of the load that may stay uncovered, > 0.
        seed: Of the resampling: the same input gives the same setting.
    """
    latest = slice(max(len(load) - CHOICE_DAYS, 0), None)
    days = len(load[latest])
    weights = resampled(days, days, RESAMPLES, np.random.default_rng(seed))
    total = np.maximum(weights @ load[latest], _TINY)[:, None]
    shares = weights @ uncovered[latest] / total
    return int(np.argmin(objective(weights @ paid[latest], shares, target).mean(axis=0)))
