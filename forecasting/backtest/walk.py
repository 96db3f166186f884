"""Rolling origins: what the job would have forecast at each of its runs, from what was known then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd

from forecasting.calendar import Calendar
from forecasting.errors import ForecastError
from forecasting.history import Verdict, build_history
from forecasting.models.base import FloatArray
from forecasting.models.tournament import forecast
from forecasting.planning.headroom import Headroom
from forecasting.sources.base import Reading

Progress = Callable[[int, int], None]
"""Called with the origins done and their number."""


@dataclass(frozen=True)
class WalkSettings:
    """How the past is walked.

    Attributes:
        quantiles: Quantiles of the load that are forecast, ascending.
        model: As in `forecasting.forecast`.
        step_minutes: Step of the forecasts.
        history_days: History that a forecast may read.
        horizon_hours: How far ahead is forecast.
        refresh_hours: Time between origins. The job runs more often, so its plans are newer than these.
        peer_history_days: History that the peer, predictive scaling as AWS describes it, reads: hourly means of at most 14 days (EC2 Auto Scaling
            User Guide, "How predictive scaling works").
        time_zone: Zone whose days and weeks the load follows.
        calendar: Holidays, events and exclusions, of all days walked; a forecast learns from those in its own history only.
    """

    quantiles: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
    model: str = "auto"
    step_minutes: int = 15
    history_days: int = 28
    horizon_hours: int = 48
    refresh_hours: int = 6
    peer_history_days: int = 14
    time_zone: str = "UTC"
    calendar: Calendar | None = None


@dataclass(frozen=True, eq=False)
class Origin:
    """One run.

    Attributes:
        at: Time of the run (UTC). Everything below was made from samples that ended by then.
        verdict: What the history's quality allowed.
        start: First step of the forecast (UTC).
        quantiles: Forecast load, shape (steps, quantiles); empty where nothing could be forecast.
        headroom: Factors for peaks inside a step, per quantile.
        naive: The load a week before each step, a day before where there is no week; shape (steps,).
        peer: Forecast hourly means, from the full hour of `at` on; empty where the peer has less than a day.
    """

    at: pd.Timestamp
    verdict: Verdict
    start: pd.Timestamp
    quantiles: FloatArray
    headroom: tuple[float | Headroom, ...]
    naive: FloatArray
    peer: FloatArray


def rolling_origins(start: pd.Timestamp, end: pd.Timestamp, refresh_hours: int) -> list[pd.Timestamp]:
    """Every `refresh_hours` since midnight UTC, start <= origin < end."""
    first = start.ceil("1h")
    first += pd.Timedelta(hours=-first.hour % refresh_hours)
    return list(pd.date_range(first, end, freq=pd.Timedelta(hours=refresh_hours), inclusive="left"))


def walk(
    reading: Reading,
    origins: Sequence[pd.Timestamp],
    settings: WalkSettings,
    *,
    processes: int = 1,
    progress: Progress | None = None,
) -> list[Origin]:
    """Forecast from each origin. The result does not depend on `processes`.

    Args:
        reading: All samples; an origin sees only those that ended by then.
        origins: Times of the runs (UTC), whole steps.
        settings: How the past is walked.
        processes: Worker processes; 1 stays in this one.
        progress: Called after each origin.
    """
    job = partial(_run, _sorted(reading), settings)
    done: list[Origin] = []
    for origin in _results(job, origins, processes):
        done.append(origin)
        if progress:
            progress(len(done), len(origins))
    return done


def _results(
    job: Callable[[pd.Timestamp], Origin], origins: Sequence[pd.Timestamp], processes: int
) -> Iterator[Origin]:
    if processes <= 1:
        yield from map(job, origins)
        return
    # A new interpreter each, on every system: forking a process that has threads can hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(job, origins, chunksize=max(len(origins) // (8 * processes), 1))


def _sorted(reading: Reading) -> Reading:
    order = reading.load.index.argsort()
    censored = None if reading.censored is None else reading.censored.iloc[order]
    return Reading(reading.load.iloc[order], reading.sample_seconds, censored)


def _run(reading: Reading, settings: WalkSettings, at: pd.Timestamp) -> Origin:
    """What the job would do at `at`: the same stages, the same defaults."""
    now = at.to_pydatetime()
    known = _before(reading, at, settings.history_days)
    history = build_history(known, now=now, step_minutes=settings.step_minutes, time_zone=settings.time_zone)
    horizon = settings.horizon_hours * 60 // settings.step_minutes
    quantiles, start = np.empty((0, len(settings.quantiles))), at
    if history.verdict is not Verdict.HOLD:
        try:
            made = forecast(
                history.load,
                horizon,
                settings.quantiles,
                settings.model,
                censored=history.censored,
                time_zone=settings.time_zone,
                # The result must not depend on how busy this machine is.
                budget_seconds=600.0,
                calendar=settings.calendar,
            )
            quantiles, start = made.quantiles.to_numpy(dtype=float), pd.Timestamp(made.quantiles.index[0])
        except ForecastError:
            pass  # as in the job: the old plan stays
    return Origin(
        at=at,
        verdict=history.verdict,
        start=start,
        quantiles=quantiles,
        headroom=tuple(Headroom.of(history, quantile, settings.time_zone) for quantile in settings.quantiles)
        if len(quantiles)
        else (),
        naive=_naive(history.load, start, horizon, settings.step_minutes),
        peer=_peer(reading, now, settings),
    )


def _before(reading: Reading, at: pd.Timestamp, days: float) -> Reading:
    stamps = pd.DatetimeIndex(reading.load.index)
    newest = at - pd.Timedelta(seconds=reading.sample_seconds)
    known = (stamps <= newest) & (stamps >= at - pd.Timedelta(days=days))
    censored = None if reading.censored is None else reading.censored[known]
    return Reading(reading.load[known], reading.sample_seconds, censored)


def _naive(load: pd.Series[float], start: pd.Timestamp, horizon: int, step_minutes: int) -> FloatArray:
    step = pd.Timedelta(minutes=step_minutes)
    if load.empty or start - load.index[0] < pd.Timedelta(days=1):
        return np.empty(0)
    season = pd.Timedelta(days=7 if start - load.index[0] >= pd.Timedelta(days=7) else 1)
    steps = pd.date_range(start, periods=horizon, freq=step)
    behind = -((start - step - steps) // season) * season
    return np.asarray(load.ffill().reindex(steps - behind).ffill().bfill(), dtype=np.float64)


def _peer(reading: Reading, now: datetime, settings: WalkSettings) -> FloatArray:
    """Hourly forecast for the peer. Its model is not published; ours, on the data that it may read, stands in for it."""
    known = _before(reading, pd.Timestamp(now), settings.peer_history_days)
    history = build_history(known, now=now, step_minutes=60)
    try:
        made = forecast(history.load, settings.horizon_hours, (0.5,), settings.model, budget_seconds=600.0)
    except ForecastError:
        return np.empty(0)
    median = made.quantiles[0.5]
    return median[median.index >= pd.Timestamp(now).floor("1h")].to_numpy(dtype=float)
