"""Samples of several periods, or of none, brought to one.

Monitoring services keep old samples at coarser periods (CloudWatch: 1 min, then 5 min, then 1 h), and
an exporter's period may be changed. Each part of a reading has its own period; a coarse sample stands
for all of its period. A log that has a row for each change of the value holds it until the next one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecasting.history.series import BoolArray, FloatArray, IntArray, within_sample
from forecasting.sources.base import Reading

LEAST_RUN = 3
"""So many equal differences between neighbouring stamps are a period; fewer are gaps."""
COARSER = 1.5
"""Another period is longer than the reading's by this factor; one that is shorter is averaged anyway."""
LONGEST_PERIOD = 3 * 3600
"""A coarser part shows no shape of a day, and is left out where finer samples are known."""
LOG_SECONDS = 60
"""A log of changes is read at this step."""
LOG_SPREAD, LOG_SHARE = 0.5, 0.6
"""In a log fewer than this share of the differences are within half of the median of it."""
LEAST_LOG = 48
LONGEST_HOLD = 6 * 3600
"""No change for longer is a gap of the log."""


def end_of(reading: Reading) -> pd.Timestamp:
    """End of the newest sample of a reading, by the period of its part."""
    stamps = np.unique(pd.DatetimeIndex(reading.load.index).as_unit("s").asi8)
    period = int(_periods(stamps, reading.sample_seconds)[-1])
    return pd.Timestamp(
        int(stamps[-1]) + (period if period <= LONGEST_PERIOD else reading.sample_seconds), unit="s", tz="UTC"
    )


def one_period(reading: Reading, until: float) -> tuple[Reading, tuple[str, ...]]:
    """The reading at one period, and the periods it has, in seconds as text, if there were several.

    Args:
        reading: As a source gave it.
        until: The time of the run (seconds since 1970): a coarse sample that ends later is not complete and is left out.

    Returns:
        The reading as it is if it has one period; else with each coarser sample repeated over its period at the finest one.
        The text names what was done.
    """
    if len(reading.load) < LEAST_LOG or not isinstance(reading.load.index, pd.DatetimeIndex):
        return reading, ()
    if reading.load.index.tz is None:
        return reading, ()
    ordered = reading.load[reading.load.notna()].sort_index(kind="stable")
    ordered = ordered[~ordered.index.duplicated(keep="last")]
    stamps = pd.DatetimeIndex(ordered.index).as_unit("s").asi8
    gaps = np.diff(stamps)
    values: FloatArray = np.asarray(ordered, np.float64)
    if _is_log(gaps, values):
        return _held(reading, stamps, values), (
            "the samples are a log of changes: each value is held until the next one",
        )
    periods = _periods(stamps, reading.sample_seconds)
    seconds = int(min(reading.sample_seconds, periods.min(initial=reading.sample_seconds)))
    coarse = (periods > COARSER * seconds) & (periods <= LONGEST_PERIOD)
    if not coarse.any():
        return reading, ()
    whole = stamps + periods <= until
    index = pd.DatetimeIndex(reading.load.index).as_unit("s").asi8
    kept = ~np.isin(index, stamps[coarse & ~whole])
    reading = replace(
        reading,
        load=reading.load[kept],
        censored=None if reading.censored is None else reading.censored[kept],
    )
    coarse &= whole
    return _repeated(reading, stamps[coarse], periods[coarse], seconds), (_text(periods, coarse, seconds),)


def _periods(stamps: IntArray, usual: int) -> IntArray:
    """Period of each sample: of the run of equal differences that it begins or ends, else the usual one."""
    gaps = np.diff(stamps)
    found = np.full(len(stamps), usual, np.int64)
    if not len(gaps):
        return found
    differs = np.abs(np.diff(gaps)) > 0.02 * gaps[1:] + 1
    begin = np.flatnonzero(np.concatenate([[True], differs]))
    ends = np.append(begin[1:], len(gaps))
    for first, end in zip(begin.tolist(), ends.tolist(), strict=True):
        period = int(gaps[first])
        if end - first >= LEAST_RUN and (period >= COARSER * usual or period * COARSER <= usual):
            found[first:end] = period
            follows = end < len(gaps) and gaps[end] < period
            if not follows:
                found[end] = period
    return found


def _repeated(reading: Reading, stamps: IntArray, periods: IntArray, seconds: int) -> Reading:
    """The reading with the samples at these stamps repeated at a finer step, until the next sample or the period's end."""
    index = pd.DatetimeIndex(reading.load.index).as_unit("s").asi8
    period_of = pd.Series(periods, index=stamps).reindex(index).fillna(0).to_numpy(np.int64)
    known = np.unique(index)
    following = np.append(known[1:], np.iinfo(np.int64).max)[np.searchsorted(known, index)]
    count = np.maximum(np.minimum(period_of, following - index) // seconds, 1)
    row = np.repeat(np.arange(len(index)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    values: FloatArray = np.asarray(reading.load, np.float64)
    shaped = within_sample(
        values[row], *_neighbours(values, index, period_of, row), np.asarray((within + 0.5) / count[row], np.float64)
    )
    at = pd.DatetimeIndex(pd.to_datetime(index[row] + seconds * within, unit="s", utc=True))
    censored = None if reading.censored is None else pd.Series(reading.censored.to_numpy(bool)[row], index=at)
    return replace(reading, load=pd.Series(shaped, index=at, name="load"), sample_seconds=seconds, censored=censored)


def _neighbours(values: FloatArray, index: IntArray, period: IntArray, row: IntArray) -> tuple[FloatArray, FloatArray]:
    """Value of the coarse sample before and after each, its own value if there is none."""
    by_stamp = pd.Series(values, index=index)
    by_stamp = by_stamp[~by_stamp.index.duplicated(keep="last")]
    sides = [by_stamp.reindex(index + sign * period).to_numpy(float) for sign in (-1, 1)]
    before, after = (np.where(np.isfinite(side) & (period > 0), side, values) for side in sides)
    return before[row], after[row]


def _is_log(gaps: IntArray, values: FloatArray) -> bool:
    """No usual distance between rows, and hardly a value that is that of the row before."""
    if len(gaps) < LEAST_LOG:
        return False
    median = float(np.median(gaps))
    usual = (np.abs(gaps - median) <= LOG_SPREAD * median).mean()
    _, counts = np.unique(gaps, return_counts=True)
    changes = (np.diff(values) != 0).mean()
    return bool(usual < LOG_SHARE and counts.max() < 0.2 * len(gaps) and changes > 0.98)


def _held(reading: Reading, stamps: IntArray, values: FloatArray) -> Reading:
    """A log as samples of a minute, each the value in force."""
    first, last = -(-int(stamps[0]) // LOG_SECONDS), int(stamps[-1]) // LOG_SECONDS
    grid = np.arange(first, last + 1) * LOG_SECONDS
    row = np.searchsorted(stamps, grid, side="right") - 1
    fresh: BoolArray = grid - stamps[row] <= LONGEST_HOLD
    at = pd.DatetimeIndex(pd.to_datetime(grid[fresh], unit="s", utc=True))
    return replace(
        reading, load=pd.Series(values[row][fresh], index=at, name="load"), sample_seconds=LOG_SECONDS, censored=None
    )


def _text(periods: IntArray, coarse: BoolArray, seconds: int) -> str:
    lengths, counts = np.unique(periods[coarse], return_counts=True)
    parts = ", ".join(f"{count} of {length} s" for length, count in zip(lengths.tolist(), counts.tolist(), strict=True))
    return f"samples of several periods: {parts} beside those of {seconds} s; each stands for its own period"
