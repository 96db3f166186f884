"""The short-lead update over a fleet's past: what it would have asked for at each tick, from what was known then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from forecasting.backtest.floors import per_minute
from forecasting.backtest.walk import Origin
from forecasting.models.base import FloatArray
from forecasting.replay.base import IntArray
from forecasting.shortlead import LEVELS, STEP, TAUS, Features, features, fitted, forecast_paths, needs, shipped
from forecasting.shortlead.choice import MOST_DAYS
from forecasting.shortlead.need import HOLD_STEPS

STEP_MINUTES = 5
PAST_DAYS = 8
"""What the update looks back at: a week, and a day for its change a week ago."""
DAY_TICKS = 288
THINNED = 3
"""Every third tick is learnt from: windows that overlap say the same."""
DELAY_MINUTES = 5
"""From a tick to the start of its action."""


@dataclass(frozen=True, eq=False)
class Ticks:
    """A load as the update sees it, and the forecasts that it looks at.

    Attributes:
        begin: The first sample (UTC), a whole step.
        load: Samples of 5 min from `begin` on, NaN where none is known.
        scored: Samples before the first origin, which are history only.
        forecasts: When each was made and its quantiles, with the columns `LEVELS`.
    """

    begin: pd.Timestamp
    load: FloatArray
    scored: int
    forecasts: list[tuple[pd.Timestamp, pd.DataFrame]]

    @classmethod
    def of(
        cls,
        samples: pd.Series[float],
        sample_seconds: int,
        origins: Sequence[Origin],
        minutes: int,
        levels: Sequence[float],
        step_minutes: int,
    ) -> Ticks | None:
        """Of a walk over `minutes` from its first origin; None where samples are too coarse or a level was not forecast.

        A sample of more than 5 min is not over when the update would need it.
        """
        if sample_seconds > STEP.total_seconds() or not set(LEVELS) <= set(levels):
            return None
        start = origins[0].at
        scored = int(min(start - samples.index[0], pd.Timedelta(days=PAST_DAYS)) // STEP)
        begin = start - scored * STEP
        ticks = scored + minutes // STEP_MINUTES
        each = per_minute(samples, sample_seconds, begin, ticks * STEP_MINUTES).reshape(ticks, STEP_MINUTES)
        known = np.isfinite(each)
        total = np.where(known, each, 0.0).sum(axis=1)
        load = np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
        columns = [list(levels).index(level) for level in LEVELS]
        step = pd.Timedelta(minutes=step_minutes)
        made = [
            (
                origin.at,
                pd.DataFrame(
                    origin.quantiles[:, columns],
                    index=pd.date_range(origin.start, periods=len(origin.quantiles), freq=step),
                    columns=list(LEVELS),
                ),
            )
            for origin in origins
            if len(origin.quantiles)
        ]
        return cls(begin, load, scored, made)

    @cached_property
    def largest(self) -> FloatArray:
        """The largest load seen before each tick."""
        known = np.nan_to_num(self.load)
        return np.maximum.accumulate(np.concatenate([known[:1], known[:-1]]))

    def features(self, window: int) -> Features:
        """Of each tick that has a sample after it."""
        made = [(at.to_pydatetime(), quantiles) for at, quantiles in self.forecasts]
        paths = forecast_paths(made, self.begin.to_pydatetime(), len(self.load) + 1, window)
        return features(self.load, paths).part(slice(None, -1))


def short_needs(ticks: Ticks, window: int, prior: FloatArray | None = None) -> FloatArray:
    """Load to be provided for at each scored tick under each tau, shape (ticks, taus); NaN where the update says nothing.

    The coefficients of a day are fitted on the days before it.

    Args:
        ticks: The load and its forecasts.
        window: Samples from a tick on that are provided for.
        prior: What the coefficients are pulled towards, shape (taus, features); the shipped ones where it is not given.
    """
    found = ticks.features(window)
    start = shipped(window) if prior is None else prior
    wanted = np.full((len(ticks.load), len(TAUS)), np.nan)
    for day in range(ticks.scored, len(ticks.load), DAY_TICKS):
        past = slice(max(ticks.scored, day - MOST_DAYS * DAY_TICKS), max(day - window, 0), THINNED)
        coefficients = fitted(found.part(past), start)
        # From an hour before, for what is held.
        span = slice(max(day - HOLD_STEPS, 0), day + DAY_TICKS)
        wanted[day : day + DAY_TICKS] = needs(found.part(span), coefficients, ticks.largest[span])[day - span.start :]
    return wanted[ticks.scored :]


def short_path(wanted: FloatArray, plan: IntArray, load_per_instance: float, *, floor: int, ceiling: int) -> IntArray:
    """MinSize of each minute: what the update asks for, `DELAY_MINUTES` after its tick; the plan's where it says nothing.

    Args:
        wanted: Load to be provided for at each tick, shape (ticks,), NaN where nothing is said.
        plan: MinSize of the full runs' plans in each minute.
        load_per_instance: What one instance carries.
        floor: The fleet's.
        ceiling: The fleet's.
    """
    said = np.isfinite(wanted)
    instances = np.ceil(np.where(said, wanted, 0.0) / load_per_instance - 1e-9)
    level = np.clip(instances, floor, ceiling).astype(np.int32)
    each = np.repeat(np.where(said, level, -1), STEP_MINUTES)
    delayed = np.concatenate([np.full(DELAY_MINUTES, -1), each, np.full(STEP_MINUTES, -1)])[: len(plan)]
    return np.where(delayed >= 0, delayed, plan).astype(np.int32)
