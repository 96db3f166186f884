"""The local wall clock: load follows people, and people follow their clocks.

Models see a regular series of local wall-clock steps, so that "the same time yesterday" is right across a change of offset: the hour that the
clock skips is a gap, the hour that it repeats is averaged. Forecasts are read back at the local time of each UTC step.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray, IntArray


@dataclass(frozen=True)
class WallClock:
    """Maps the UTC steps of a history, and of the horizon after it, to local steps.

    Attributes:
        past: Local position of each step of the history, from 0.
        leads: Local lead of each step of the horizon: 0 is the first local step after the history. A repeated hour has the same leads twice.
    """

    past: IntArray
    leads: IntArray

    @classmethod
    def of(cls, past: pd.DatetimeIndex, future: pd.DatetimeIndex, step: pd.Timedelta, time_zone: str) -> WallClock:
        """The map for UTC steps `past` and `future`, regular with `step`, in an IANA `time_zone`."""
        zone = ZoneInfo(time_zone)
        step_ns = step.value
        local_past, local_future = (
            index.tz_convert(zone).tz_localize(None).as_unit("ns").asi8 // step_ns for index in (past, future)
        )
        # A day across a repeated hour is an hour short on the clock: a gap before it makes the day whole, which is the least that models can use.
        day = pd.Timedelta(days=1).value // step_ns if len(past) * step_ns >= pd.Timedelta(days=1).value else 1
        positions = local_past - min(local_past.min(), local_past.max() + 1 - day)
        leads = np.maximum(local_future - local_past.max() - 1, 0)
        return cls(positions, leads)

    @property
    def steps(self) -> int:
        """Length of the local history."""
        return int(self.past.max()) + 1

    @property
    def horizon(self) -> int:
        """Local steps to forecast."""
        return int(self.leads.max()) + 1

    def to_local(self, values: FloatArray) -> FloatArray:
        """The history on local steps: the mean of what falls on a step, NaN where nothing does."""
        known = np.isfinite(values)
        count = np.bincount(self.past[known], minlength=self.steps)
        total = np.bincount(self.past[known], weights=values[known], minlength=self.steps)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
