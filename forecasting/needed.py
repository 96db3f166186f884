"""Instances needed within the lead time, by the newest samples and a 48-h forecast: both kinds of run ask it in the same way."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.settings import Fleet
from forecasting.shortlead import FIRST_TAU, STEP, Fit, features, forecast_paths, need, shipped
from forecasting.shortlead.features import HOUR_STEPS
from forecasting.shortlead.need import HOLD_STEPS


def needed_instances(
    fleet: Fleet,
    load: pd.Series[float],
    quantiles: pd.DataFrame,
    *,
    fit: Fit | None,
    window: int,
    largest: float,
    now: datetime,
) -> int | None:
    """What is needed at a moment; None where nothing can be said.

    Args:
        fleet: The fleet.
        load: Its samples of 5 min (UTC, start of each), NaN for gaps.
        quantiles: The forecast, as `Forecast.quantiles`, with the last hours before it.
        fit: What was learnt; None for the shipped coefficients.
        window: Samples that are provided for where nothing was learnt.
        largest: The largest load seen before `load`.
        now: The moment (aware): what has not come yet is missing.
    """
    index = pd.date_range(load.index[0], pd.Timestamp(now).floor(STEP), freq=STEP, inclusive="left")
    known = np.asarray(load.reindex(index), dtype=np.float64)
    window = fit.window if fit else window
    coefficients, tau = (fit.coefficients, fit.tau) if fit else (shipped(window), FIRST_TAU)
    # No more ticks than a need is held for, and the hour before them that tells how wrong the forecast was.
    ticks = min(HOLD_STEPS + HOUR_STEPS, len(known) + 1)
    first: datetime = (index[0] + (len(known) + 1 - ticks) * STEP).to_pydatetime()
    found = features(known, forecast_paths([(quantiles.index[0], quantiles)], first, ticks, window))
    needed = need(found, coefficients, float(np.nanmax([largest, *known])), tau, fleet.load_per_instance)
    pool = fleet.pool
    if needed is None or pool is None:
        return needed
    # With what is kept warm, in whole instances.
    return -(-(needed + pool.warm_headroom) // pool.units_per_instance) * pool.units_per_instance
