"""What each candidate would have cost: earlier forecasts, planned anew and replayed under reactive scaling, day by day."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.choosing.base import CANDIDATES, REACTIVE_TARGETS
from forecasting.models.base import FloatArray, Forecast, ModelChoice
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import Headroom
from forecasting.settings import Fleet
from forecasting.shortlead import STEP, DayTotals, day_totals

LEAST_KNOWN = 0.5
"""A day of which less than this share was measured says nothing."""

DAY = timedelta(days=1)


def replay_days(
    forecasts: Sequence[tuple[datetime, pd.DataFrame]],
    load: pd.Series[float],
    fleet: Fleet,
    headroom: Mapping[float, float | Headroom],
    days: Sequence[datetime],
    targets: Sequence[float] = REACTIVE_TARGETS,
) -> dict[date, DayTotals]:
    """The days as each candidate would have had them, at each target of reactive scaling.

    The floor at a moment is that of the newest plan, as the job writes it. What the short-lead update would have changed is not in it.

    Args:
        forecasts: When each was made (aware) and its quantiles, ascending; those that have not all candidates are left out.
        load: Samples of the load (regular UTC DatetimeIndex), NaN for gaps.
        fleet: Load per instance, lead time, floor, ceiling, limits of change, events.
        headroom: Factors for peaks inside a step, by candidate.
        days: UTC midnights, ascending, of complete days.
        targets: Of reactive scaling, as shares of the load per instance.

    Returns:
        By day, with knobs in the order target by target, within each the candidates. A day for which a forecast was missing, or most of the load,
        is left out.
    """
    if not days:
        return {}
    ticks = pd.date_range(days[0], days[-1] + DAY, freq=STEP, inclusive="left")
    known = _on(load, ticks)
    floors = np.stack([_floors(forecasts, fleet, level, headroom[level], ticks) for level in CANDIDATES], axis=1)
    boot = math.ceil(fleet.lead_time_seconds / STEP.total_seconds())
    filled = np.nan_to_num(floors, nan=float(fleet.floor))
    by_target = [day_totals(known, filled, fleet.load_per_instance, boot, reactive_target=target) for target in targets]
    per_day = DAY // STEP
    found: dict[date, DayTotals] = {}
    for midnight in days:
        number = (midnight - days[0]) // DAY
        part = slice(number * per_day, (number + 1) * per_day)
        if np.isfinite(floors[part]).all() and np.isfinite(known[part]).mean() >= LEAST_KNOWN:
            at = [totals[number] for totals in by_target]
            paid, uncovered = (np.concatenate([getattr(each, name) for each in at]) for name in ("paid", "uncovered"))
            found[midnight.date()] = DayTotals(paid, uncovered, at[0].load)
    return found


def _on(load: pd.Series[float], ticks: pd.DatetimeIndex) -> FloatArray:
    """The load at each tick: the mean of finer samples, a coarser one held."""
    length = pd.Timedelta(load.index[1] - load.index[0])
    if length < STEP:
        return np.asarray(load.resample(STEP).mean().reindex(ticks), dtype=np.float64)
    return np.asarray(load.reindex(ticks, method="ffill", tolerance=length - STEP), dtype=np.float64)


def _floors(
    forecasts: Sequence[tuple[datetime, pd.DataFrame]],
    fleet: Fleet,
    quantile: float,
    headroom: float | Headroom,
    ticks: pd.DatetimeIndex,
) -> FloatArray:
    """Instances asked for at each tick; NaN where no plan reaches."""
    path = np.full(len(ticks), np.nan)
    at_quantile = fleet.model_copy(update={"quantile": quantile, "prices": None})
    for made_at, quantiles in forecasts:
        if quantile not in quantiles.columns or len(quantiles) < 2:
            continue
        planned = plan_capacity(Forecast(quantiles, ModelChoice("stored", {})), at_quantile, headroom=headroom).floor
        step = planned.index[1] - planned.index[0]
        inside = np.asarray((ticks >= pd.Timestamp(made_at)) & (ticks < planned.index[-1] + step))
        path[inside] = planned.reindex(ticks[inside], method="ffill").to_numpy(dtype=np.float64)
    return path
