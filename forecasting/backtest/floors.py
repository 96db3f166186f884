"""The floors that policies would have asked for, minute by minute.

All are written as the job writes them: at each origin the new plan replaces the old one from the next step on, and 48 h after the last the baseline
returns. What a policy knows at an origin is what the walk knew there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from forecasting.backtest.walk import Origin
from forecasting.history import Verdict
from forecasting.models.base import Forecast, ModelChoice
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import Headroom
from forecasting.replay.base import FloatArray, IntArray
from forecasting.settings import Fleet

PEER_BUFFER_SECONDS = 3599
"""The longest scheduling buffer of AWS predictive scaling (API reference, PredictiveScalingConfiguration: less than 3600 s)."""

TOLERANCE = 0.1
"""A standing value that is too high by no more than this share (or by one instance) is left, as the schedule leaves slots of the next six hours."""


class Planner(Protocol):
    """Plans from one origin."""

    def plan(self, origin: Origin) -> pd.Series[int] | None:
        """Floor per step (UTC, regular) from `origin`; None where it has no plan, and the old one stays."""
        ...


@dataclass(frozen=True)
class Predictive:
    """Ours: the quantile path of the forecast, planned by the job's own stage.

    Attributes:
        fleet: Its quantile must be one of `levels`.
        levels: Quantiles of the walk's forecasts.
        step_minutes: Step of the walk's forecasts.
    """

    fleet: Fleet
    levels: tuple[float, ...]
    step_minutes: int

    def plan(self, origin: Origin) -> pd.Series[int] | None:
        """See `Planner.plan`."""
        if not len(origin.quantiles):
            return None
        column = self.levels.index(self.fleet.plan_quantile)
        load = origin.quantiles[:, column]
        return _planned(load, origin.start, self.step_minutes, self.fleet, origin.headroom[column])


@dataclass(frozen=True)
class SeasonalNaive:
    """The load of a week ago (a day, where there is no week), planned as ours is, without a band."""

    fleet: Fleet
    step_minutes: int

    def plan(self, origin: Origin) -> pd.Series[int] | None:
        """See `Planner.plan`."""
        if not len(origin.naive):
            return None
        return _planned(origin.naive, origin.start, self.step_minutes, _unwarned(self.fleet), 1.0)


@dataclass(frozen=True)
class Peer:
    """Predictive scaling as AWS describes it.

    Hourly forecast means at the target utilisation, launched its scheduling buffer ahead (the lead time, up to an hour); it adds capacity only.
    """

    fleet: Fleet
    target: float
    step_minutes: int

    def plan(self, origin: Origin) -> pd.Series[int] | None:
        """See `Planner.plan`."""
        if not len(origin.peer):
            return None
        load = np.repeat(origin.peer, 60 // self.step_minutes) / self.target
        buffer = min(self.fleet.lead_time_seconds, PEER_BUFFER_SECONDS)
        fleet = self.fleet.model_copy(update={"lead_time_seconds": buffer})
        return _planned(load, origin.at.floor("1h"), self.step_minutes, _unwarned(fleet), 1.0)


def _unwarned(fleet: Fleet) -> Fleet:
    """The fleet of a policy that knows no calendar."""
    return fleet.model_copy(update={"events": ()})


def _planned(
    load: FloatArray, start: pd.Timestamp, step_minutes: int, fleet: Fleet, headroom: float | Headroom
) -> pd.Series[int]:
    index = pd.date_range(start, periods=len(load), freq=pd.Timedelta(minutes=step_minutes))
    frame = pd.DataFrame({fleet.plan_quantile: load}, index=index)
    return plan_capacity(Forecast(frame, ModelChoice("given", {})), fleet, headroom=headroom).floor


def floor_path(
    planner: Planner, origins: Sequence[Origin], start: pd.Timestamp, minutes: int, *, baseline: int, step_minutes: int
) -> IntArray:
    """MinSize in each minute from `start` on, shape (minutes,), by the newest plan.

    A plan takes hold at the first step after its origin. Where the history allowed raising only, it never goes below the old plan. As the job does,
    it leaves a standing value that is a little too high.

    Args:
        planner: Plans from each origin.
        origins: Ascending.
        start: First minute (UTC), a whole step.
        minutes: Number of minutes.
        baseline: Floor where there is no plan.
        step_minutes: Step of the plans.
    """
    step = pd.Timedelta(minutes=step_minutes)
    steps = math.ceil(minutes / step_minutes)
    standing = np.full(steps, baseline, dtype=np.int32)
    until = 0
    for origin in origins:
        planned = planner.plan(origin)
        if planned is None:
            continue
        first = int((origin.at.floor(step) + step - start) // step)
        offset = int((pd.Timestamp(planned.index[0]) - start) // step)
        values = planned.to_numpy(dtype=np.int32)[max(first - offset, 0) :]
        low, high = max(first, 0), min(first + len(values), steps)
        if high <= low:
            continue
        new, old = values[low - first : high - first], standing[low:high]
        slack = np.maximum(np.ceil(TOLERANCE * new), 1).astype(np.int32)
        kept = (new <= old) & (old <= new + slack) & (np.arange(low, high) < until)
        if origin.verdict is Verdict.RAISE_ONLY:
            kept |= old > new
        standing[low:high] = np.where(kept, old, new)
        standing[high:] = baseline
        until = high
    return np.repeat(standing, step_minutes)[:minutes].copy()


def fleet_at(fleet: Fleet, *, quantile: float | None = None, lead_time_seconds: float | None = None) -> Fleet:
    """The fleet with another quantile (in place of its prices) or lead time."""
    update: dict[str, object] = {}
    if quantile is not None:
        update |= {"quantile": quantile, "prices": None}
    if lead_time_seconds is not None:
        update["lead_time_seconds"] = lead_time_seconds
    return fleet.model_copy(update=update)


def per_minute(load: pd.Series[float], sample_seconds: int, start: pd.Timestamp, minutes: int) -> FloatArray:
    """Load of each minute from `start` on, NaN where it is not known.

    Samples of 15 min or less are held; longer ones are drawn as a line between their middles, since a load that jumps on the hour would flatter every
    policy that plans by the hour.

    Args:
        load: Samples (UTC, start of each, ascending, unique).
        sample_seconds: Length of a sample.
        start: First minute (UTC).
        minutes: Number of minutes.
    """
    stamps = (pd.DatetimeIndex(load.index).as_unit("s").asi8 - int(start.timestamp())) / 60.0
    values, length = load.to_numpy(dtype=float), sample_seconds / 60.0
    wanted = np.arange(minutes, dtype=float)
    latest = np.searchsorted(stamps, wanted, side="right") - 1
    inside = (latest >= 0) & (wanted < stamps[np.maximum(latest, 0)] + length)
    held = np.where(inside, values[np.maximum(latest, 0)], np.nan)
    if sample_seconds <= 900:
        return held
    known = np.isfinite(values)
    line = np.interp(wanted + 0.5, stamps[known] + length / 2, values[known])
    return np.where(np.isfinite(held), line, np.nan)
