"""What is known at a tick of what comes within the next window: all as logs relative to the load of the last 15 minutes, so that no unit matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.models.base import FloatArray

STEP = timedelta(minutes=5)
"""Time between two ticks, and length of a sample."""

LEVELS = (0.5, 0.9, 0.95)
"""Quantiles of the 48-h forecast that are looked at: those that every stored forecast has."""

HOUR_STEPS = 12
"""So far back a tick looks at how wrong the forecast was."""

_DAY, _WEEK = 288, 2016
_SMALLEST = 1e-3
"""Loads below this share of the last week's mean are one and the same: their logs say nothing of instances."""

_BOUND = 3.0
"""A factor of 20 either way is as far as a feature goes."""

NAMES = (
    "constant",
    "growth of the forecast to the window's peak",
    "forecast against load",
    "last sample",
    "last hour's mean",
    "last hour's maximum",
    "last hour's range",
    "last hour's error of the forecast",
    "the same change a day ago",
    "the same change a week ago",
    "the last week's mean",
    "peak of the forecast's .9 quantile",
    "peak of the forecast's .95 quantile",
    "change from sample to sample, last hour",
    "change from sample to sample, last day",
)


@dataclass(frozen=True, eq=False)
class Features:
    """One row per tick; the last one is the tick after the newest sample. A row knows only the samples before it.

    Attributes:
        rows: Shape (ticks, features), finite, within `_BOUND`; the columns are `NAMES`.
        now: Mean load of the last 15 minutes, shape (ticks,); 0 where it is nothing.
        change: Log of the highest load within the window over `now`, shape (ticks,): what is predicted. NaN where it is not known yet.
        usable: Whether there are recent samples and a forecast, shape (ticks,).
    """

    rows: FloatArray
    now: FloatArray
    change: FloatArray
    usable: npt.NDArray[np.bool_]

    def part(self, ticks: slice) -> Features:
        """Those of some ticks."""
        return Features(self.rows[ticks], self.now[ticks], self.change[ticks], self.usable[ticks])


def forecast_paths(
    forecasts: Sequence[tuple[datetime, pd.DataFrame]], first: datetime, ticks: int, window: int
) -> FloatArray:
    """What the newest forecast of each tick said of the samples from that tick on.

    Args:
        forecasts: When each was made (aware) and its quantiles (`Forecast.quantiles`, with the columns `LEVELS`), in any order.
        first: The first tick (aware).
        ticks: Number of ticks.
        window: Number of samples from each tick on.

    Returns:
        Shape (ticks, window, levels); NaN where no forecast reaches.
    """
    paths = np.full((ticks, window, len(LEVELS)), np.nan)
    ordered = sorted(forecasts, key=lambda item: item[0])
    made = [max(-((first - at) // STEP), 0) for at, _ in ordered]  # the first tick at or after the making
    for (_, quantiles), begin, until in zip(ordered, made, [*made, ticks][1:], strict=True):
        low, high = min(begin, ticks), min(until, ticks)
        if high <= low or len(quantiles) < 2:
            continue
        starts = (pd.DatetimeIndex(quantiles.index) - pd.Timestamp(first)) / STEP
        length = float(starts[1] - starts[0])
        wanted = np.arange(low, high)[:, None] + np.arange(window)
        outside = (wanted < float(starts[0]) - 1) | (wanted >= float(starts[-1]) + length)
        for level, name in enumerate(LEVELS):
            given = np.asarray(quantiles[name], dtype=np.float64)
            values: FloatArray = np.interp(wanted + 0.5, np.asarray(starts, dtype=np.float64) + length / 2, given)
            paths[low:high, :, level] = np.where(outside, np.nan, values)
    return paths


def features(load: FloatArray, paths: FloatArray) -> Features:
    """The features of the last ticks of a load, the one after its end included: of as many as there are paths.

    Args:
        load: Samples of 5 min, shape (samples,), non-negative, NaN for gaps.
        paths: The forecasts, shape (ticks, window, levels) with ticks <= samples + 1, as `forecast_paths` gives them. Its error over the last hour is
            whole from an hour after the first tick on.
    """
    ticks, window = paths.shape[:2]
    known = np.append(load, np.nan)
    before = _shifted(known)
    level = _values(pd.Series(before).rolling(_WEEK, min_periods=12).mean())
    least = np.maximum(np.nan_to_num(level) * _SMALLEST, np.finfo(float).tiny)
    now, logs = _mean(_trailing(before, 3)), np.log(np.maximum(known, least))
    change = np.log(np.maximum(_highest_ahead(known, window), least)) - np.log(np.maximum(now, least))
    steps = _shifted(np.abs(logs - _shifted(logs)))
    last = slice(len(known) - ticks, None)

    def log(values: FloatArray) -> FloatArray:
        return np.log(np.maximum(values, least[last]))

    base = log(now[last])
    hour = _trailing(before, HOUR_STEPS)[:, last]
    hour_low, hour_high = log(np.fmin.reduce(hour)), log(np.fmax.reduce(hour))
    present = log(paths[:, 0, 0])
    peak, high, higher = (log(level_peak) for level_peak in paths.max(axis=1).T)
    rows = np.stack(
        [
            np.ones(ticks),
            peak - present,
            present - base,
            log(_values(pd.Series(before).ffill(limit=3))[last]) - base,
            log(_mean(hour)) - base,
            hour_high - base,
            hour_high - hour_low,
            _mean(_trailing(_shifted(logs[last] - present), HOUR_STEPS)),
            _ago(change, _DAY)[last],
            _ago(change, _WEEK)[last],
            log(level[last]) - base,
            high - base,
            higher - base,
            _mean(_trailing(steps, HOUR_STEPS)[:, last]),
            _values(pd.Series(steps).rolling(_DAY, min_periods=1).mean())[last],
        ],
        axis=1,
    )
    usable = np.isfinite(now[last]) & np.isfinite(level[last]) & np.isfinite(paths).all(axis=(1, 2))
    # What is not known says nothing: zero is the middle of every feature.
    rows = np.clip(np.nan_to_num(rows, nan=0.0, posinf=_BOUND, neginf=-_BOUND), -_BOUND, _BOUND)
    return Features(rows, np.nan_to_num(now[last]), change[last], usable)


def _values(series: pd.Series[float]) -> FloatArray:
    return np.asarray(series, dtype=np.float64)


def _shifted(values: FloatArray) -> FloatArray:
    """Those of the tick before."""
    return np.concatenate([[np.nan], values[:-1]])


def _trailing(values: FloatArray, steps: int) -> FloatArray:
    """The last `steps` values up to each, shape (steps, values); NaN before the first."""
    padded = np.concatenate([np.full(steps - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, len(values))


def _mean(windows: FloatArray) -> FloatArray:
    """The mean of what is known of each window, shape (windows,) of (steps, windows); NaN where nothing is."""
    there = np.isfinite(windows)
    count = there.sum(axis=0)
    total = np.where(there, windows, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _ago(change: FloatArray, steps: int) -> FloatArray:
    return np.concatenate([np.full(min(steps, len(change)), np.nan), change[: max(len(change) - steps, 0)]])


def _highest_ahead(load: FloatArray, window: int) -> FloatArray:
    """The highest load of [tick, tick + window); NaN where that is not over yet, or half of it is missing."""
    ahead = _trailing(load[::-1], window)[:, ::-1]
    enough = np.isfinite(ahead).sum(axis=0) >= (window + 1) // 2
    highest = np.where(enough, np.fmax.reduce(ahead), np.nan)
    highest[max(len(load) - window, 0) :] = np.nan  # the last element is the tick after the end: it has no load
    return highest
