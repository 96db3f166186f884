"""What a full run learns for the short ones, once a day: coefficients of the fleet's own past, and the knob by what its values would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray
from forecasting.planning.objective import TARGET_SHARE
from forecasting.shortlead.choice import MOST_DAYS, DayTotals, choose, day_totals
from forecasting.shortlead.features import STEP, Features, features, forecast_paths
from forecasting.shortlead.need import HOLD_STEPS, TAUS, fitted, needs, shipped

DAY = timedelta(days=1)
DAY_STEPS = DAY // STEP

FIRST_TAU = 0.95
"""Until there are days to choose by."""

THINNED = 3
"""Every third tick is learnt from: windows that overlap say the same."""

LEAST_SHARE = 0.5
"""A day with forecasts for fewer of its ticks than this judges no value of the knob."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What was learnt of a fleet.

    Attributes:
        until: Ticks before it were learnt from (aware).
        window: Samples from a tick on that are provided for.
        coefficients: Shape (taus, features).
        tau: The chosen one of `TAUS`.
        days: The days before, judged each by the coefficients of its own time; oldest first.
    """

    until: datetime
    window: int
    coefficients: FloatArray
    tau: float
    days: tuple[DayTotals, ...] = ()


def is_due(before: Fit | None, window: int, now: datetime) -> bool:
    """Whether it is time to learn anew: a day has passed, or another window is asked for."""
    return before is None or before.window != window or now - before.until >= DAY


def learn(
    before: Fit | None,
    load: pd.Series[float],
    forecasts: Sequence[tuple[datetime, pd.DataFrame]],
    *,
    window: int,
    load_per_instance: float,
    boot_steps: int,
    target_share: float = TARGET_SHARE,
    reactive_target: float = 1.0,
) -> Fit:
    """Judge the days since the last fit by its coefficients, then fit anew.

    Args:
        before: The last fit; its days count only where its window is the same.
        load: Samples of 5 min, regular (UTC, start of each), NaN for gaps; at least a week before the days to be judged.
        forecasts: When each was made and its quantiles, as `forecast_paths` takes them.
        window: Samples from a tick on that are provided for.
        load_per_instance: What one instance carries.
        boot_steps: Samples from asking to serving.
        target_share: Share of the load that may stay uncovered.
        reactive_target: What reactive scaling aims at beside it, as a share of the load per instance.
    """
    first: datetime = pd.DatetimeIndex(load.index)[0].to_pydatetime()
    values = np.asarray(load, dtype=np.float64)
    found = features(values, forecast_paths(forecasts, first, len(values) + 1, window))
    end = first + len(values) * STEP
    days: tuple[DayTotals, ...] = ()
    until = end
    if before is not None and before.window == window:
        days, until = before.days, before.until
        while end - until >= DAY:
            begin = (until - first) // STEP
            floors = _floors(before.coefficients, values, found, begin, load_per_instance) if begin >= 0 else None
            if floors is not None:
                day = values[begin : begin + DAY_STEPS]
                days = (*days, *day_totals(day, floors, load_per_instance, boot_steps, reactive_target=reactive_target))
            until += DAY
    chosen = choose(days, target_share)
    coefficients = fitted(found.part(slice(None, None, THINNED)), shipped(window))
    return Fit(until, window, coefficients, FIRST_TAU if chosen is None else TAUS[chosen], days[-MOST_DAYS:])


def _floors(
    coefficients: FloatArray, load: FloatArray, found: Features, begin: int, load_per_instance: float
) -> FloatArray | None:
    """Instances of the day from tick `begin` on under each value of the knob, shape (ticks, taus); None where too little of it was forecast."""
    day = slice(begin, begin + DAY_STEPS)
    if found.usable[day].mean() < LEAST_SHARE:
        return None
    # From an hour before, for what is held.
    span = slice(max(begin - HOLD_STEPS, 0), day.stop)
    largest = np.fmax.accumulate(np.concatenate([load[:1], load]))[span]
    wanted = needs(found.part(span), coefficients, largest)[begin - span.start :]
    return np.nan_to_num(np.ceil(wanted / load_per_instance - 1e-9))
