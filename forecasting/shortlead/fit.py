"""What a full run learns for the short ones, once a day: coefficients of the fleet's own past, and the knob by what its values would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

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


class Terms(NamedTuple):
    """What a day is judged in. Its totals are in these terms, so that days judged in others say nothing.

    Attributes:
        load_per_instance: What one instance carries.
        floor: Never fewer instances than this, whatever is needed.
        ceiling: Never more.
        reactive_target: What reactive scaling aims at beside it, as a share of the load per instance.
    """

    load_per_instance: float
    floor: int
    ceiling: int
    reactive_target: float = 1.0


@dataclass(frozen=True, eq=False)
class Fit:
    """What was learnt of a fleet.

    Attributes:
        until: Ticks before it were learnt from (aware).
        window: Samples from a tick on that are provided for.
        coefficients: Shape (taus, features).
        tau: The chosen one of `TAUS`.
        terms: What the days are judged in.
        days: The days before, judged each by the coefficients of its own time; oldest first.
    """

    until: datetime
    window: int
    coefficients: FloatArray
    tau: float
    terms: Terms
    days: tuple[DayTotals, ...] = ()


def is_due(before: Fit | None, window: int, terms: Terms, now: datetime) -> bool:
    """Whether it is time to learn anew: a day has passed, or another window or other terms are asked for."""
    return before is None or not _goes_on(before, window, terms) or now - before.until >= DAY


def _goes_on(before: Fit, window: int, terms: Terms) -> bool:
    return (before.window, before.terms) == (window, terms)


def learn(
    before: Fit | None,
    load: pd.Series[float],
    forecasts: Sequence[tuple[datetime, pd.DataFrame]],
    *,
    window: int,
    terms: Terms,
    boot_steps: int,
    target_share: float = TARGET_SHARE,
) -> Fit:
    """Judge the days since the last fit by its coefficients, then fit anew.

    Args:
        before: The last fit; its days count only where its window and its terms are the same.
        load: Samples of 5 min, regular (UTC, start of each), NaN for gaps; at least a week before the days to be judged.
        forecasts: When each was made and its quantiles, as `forecast_paths` takes them.
        window: Samples from a tick on that are provided for.
        terms: What the days are judged in.
        boot_steps: Samples from asking to serving.
        target_share: Share of the load that may stay uncovered.
    """
    first: datetime = pd.DatetimeIndex(load.index)[0].to_pydatetime()
    values = np.asarray(load, dtype=np.float64)
    found = features(values, forecast_paths(forecasts, first, len(values) + 1, window))
    end = first + len(values) * STEP
    days: tuple[DayTotals, ...] = ()
    until = end
    if before is not None and _goes_on(before, window, terms):
        days, until = before.days, before.until
        while end - until >= DAY:
            begin = (until - first) // STEP
            floors = _floors(before.coefficients, values, found, begin, terms) if begin >= 0 else None
            if floors is not None:
                day = values[begin : begin + DAY_STEPS]
                judged = day_totals(
                    day, floors, terms.load_per_instance, boot_steps, reactive_target=terms.reactive_target
                )
                days = (*days, *judged)
            until += DAY
    chosen = choose(days, target_share)
    coefficients = fitted(found.part(slice(None, None, THINNED)), shipped(window))
    return Fit(until, window, coefficients, FIRST_TAU if chosen is None else TAUS[chosen], terms, days[-MOST_DAYS:])


def _floors(coefficients: FloatArray, load: FloatArray, found: Features, begin: int, terms: Terms) -> FloatArray | None:
    """Instances of the day from tick `begin` on under each value of the knob, shape (ticks, taus); None where too little of it was forecast."""
    day = slice(begin, begin + DAY_STEPS)
    if found.usable[day].mean() < LEAST_SHARE:
        return None
    # From an hour before, for what is held.
    span = slice(max(begin - HOLD_STEPS, 0), day.stop)
    largest = np.fmax.accumulate(np.concatenate([load[:1], load]))[span]
    wanted = needs(found.part(span), coefficients, largest)[begin - span.start :]
    return np.clip(np.nan_to_num(np.ceil(wanted / terms.load_per_instance - 1e-9)), terms.floor, terms.ceiling)
