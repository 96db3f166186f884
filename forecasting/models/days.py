"""A fleet's load a day a step: its history as daily means, and what its calendar knows of the days to come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecasting.calendar import Calendar
from forecasting.history import History
from forecasting.models.base import Forecast
from forecasting.models.longterm import LEAST_DAYS, forecast_days
from forecasting.settings import Fleet

_DAY = pd.Timedelta(days=1)


def forecast_fleet_days(fleet: Fleet, calendar: Calendar, history: History, days: int) -> Forecast:
    """Days, as hours are: without what is excluded or a lower bound, and with what is known of coming occasions.

    Args:
        fleet: Its time zone says what a day is, its announced events by how much they multiply the load.
        calendar: The fleet's, of the history and of the days to come.
        history: All that is known.
        days: How many, 1 to 365.

    Raises:
        ForecastError: too little is known, or too many days are asked for.
    """
    means = daily_means(calendar.without_excluded(history.load.mask(history.censored)), fleet.time_zone)
    on_days, by_day = _as_utc(means), calendar.by_day()
    usual = by_day.without_special(on_days).set_axis(means.index)
    found = forecast_days(usual if usual.notna().sum() >= LEAST_DAYS else means, days)
    future = pd.DatetimeIndex(_as_utc(found.quantiles[0.5]).index)
    factors = np.asarray(by_day.factors(on_days, future), np.float64)
    for event in fleet.events:
        known = next((each for each in by_day.occasions if each.name == event.name and not each.learnt), None)
        for start, end in known.spans if known else ():
            first, last = ((pd.Timestamp(each) - future[0]) / _DAY for each in (start, end))
            days_in = np.arange(len(future))
            share = np.clip(np.minimum(days_in + 1, last) - np.maximum(days_in, first), 0.0, 1.0)
            factors = factors * (1 + (event.load_factor - 1) * share)
    return replace(found, quantiles=found.quantiles.mul(factors, axis=0))


def daily_means(load: pd.Series[float], time_zone: str) -> pd.Series[float]:
    """Mean of each local day; a day that is known by less than half is a gap, an unfinished last one is left out."""
    local = load.tz_convert(time_zone)
    by_day = local.resample("D")
    step = load.index[1] - load.index[0]
    means = by_day.mean().where(by_day.count() >= _DAY / step / 2)
    end = local.index[-1] + step
    return means if end == end.normalize() else means.iloc[:-1]


def _as_utc(daily: pd.Series[float]) -> pd.Series[float]:
    """Local days written as UTC."""
    return daily.set_axis(pd.DatetimeIndex(daily.index).tz_localize(None).tz_localize("UTC"))
