"""The knob, chosen daily from what each of its values would have cost on the days before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray
from forecasting.planning.objective import TARGET_SHARE, best_setting

WARM_DAYS, MOST_DAYS = 3, 28
"""Fewer days say too little; earlier ones say nothing of today."""

_STABILISATION_STEPS = 3
"""Reactive scaling takes back what was not needed for 15 min (the default of target tracking)."""

_DAY_STEPS = 288


@dataclass(frozen=True, eq=False)
class DayTotals:
    """One day under each value of the knob.

    Attributes:
        paid: Instance-steps paid for, booting ones included, shape (knobs,).
        uncovered: Load above the capacity, summed over the steps, shape (knobs,).
        load: The day's load, summed over the steps.
    """

    paid: FloatArray
    uncovered: FloatArray
    load: float


def day_totals(
    load: FloatArray, floors: FloatArray, load_per_instance: float, boot_steps: int, *, reactive_target: float = 1.0
) -> list[DayTotals]:
    """Replay floors under reactive scaling on the 5-minute grid, day by day: coarse, but right in its order of the knobs.

    A floor written at a tick acts a step later; what is asked for is up after the boot time and paid for at once.

    Args:
        load: Shape (ticks,); NaN counts as nothing.
        floors: Instances asked for at each tick, shape (ticks, knobs).
        load_per_instance: What one instance carries.
        boot_steps: Steps from asking to serving.
        reactive_target: Share of it that reactive scaling aims at.
    """
    known = np.nan_to_num(load)
    seen = np.concatenate([known[:1], known[:-1]])
    reactive = pd.Series(np.ceil(seen / (load_per_instance * reactive_target) - 1e-9))
    reactive = reactive.rolling(_STABILISATION_STEPS, min_periods=1).max()
    acting = np.concatenate([floors[:1], floors[:-1]])
    asked = pd.DataFrame(np.maximum(acting, reactive.to_numpy(dtype=float)[:, None]))
    serving = asked.rolling(boot_steps + 1, min_periods=1).min().to_numpy(dtype=float)
    missing = np.maximum(known[:, None] - serving * load_per_instance, 0)
    paid = asked.to_numpy(dtype=float)
    return [
        DayTotals(paid[day].sum(axis=0), missing[day].sum(axis=0), float(known[day].sum()))
        for day in (slice(begin, begin + _DAY_STEPS) for begin in range(0, len(known), _DAY_STEPS))
    ]


def choose(days: Sequence[DayTotals], target_share: float = TARGET_SHARE) -> int | None:
    """Position of the knob's value for the next day; None where there are too few days.

    By `forecasting.planning.objective.best_setting`, as the plan's quantile is chosen: what is best by luck in one past is not in most.

    Args:
        days: The days before, oldest first; the latest `MOST_DAYS` count.
        target_share: Share of the load that may stay uncovered, > 0.
    """
    latest = days[-MOST_DAYS:]
    if len(latest) < WARM_DAYS:
        return None
    paid, uncovered = (np.stack([getattr(day, name) for day in latest]) for name in ("paid", "uncovered"))
    return best_setting(paid, uncovered, np.array([day.load for day in latest]), target_share)
