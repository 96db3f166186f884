"""Loads made for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd


def daily_load(days: float, *, step_minutes: int = 5, noise: float = 0.02, seed: int = 0) -> pd.Series[float]:
    """A steep day, the same every day but for a little noise: 20 at night, 200 from 8 to 20 UTC, ramps of an hour."""
    index = pd.date_range(
        "2026-03-02", periods=round(days * 1440 / step_minutes), freq=pd.Timedelta(minutes=step_minutes), tz="UTC"
    )
    hour = index.hour + index.minute / 60
    shape = np.interp(hour, [0, 7, 8, 20, 21, 24], [20.0, 20.0, 200.0, 200.0, 20.0, 20.0])
    scatter = np.exp(noise * np.random.default_rng(seed).normal(size=len(index)))
    return pd.Series(shape * scatter, index=index, name="load")
