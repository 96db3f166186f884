"""From samples in any order to one regular UTC grid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.errors import InputError
from forecasting.sources.base import Reading

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

ABSURD_LOAD = 1e15
"""No fleet serves this: a larger sample is a broken exporter's (and its square still fits a double)."""

MAX_AGE_SECONDS = 2 * 365 * 24 * 3600
"""Older stamps are a broken clock's (1970 is common): no source keeps fine samples that long, and one of them would stretch the grid over decades."""

MOST_SAMPLES = 5_000_000
"""Two years of samples of 15 s: a grid that is larger is one of a file whose stamps come in pairs."""

MINIMUM_COVER = 0.5
"""A step with less than this share of its samples is missing: half of them still give its mean, a few do not."""


@dataclass(frozen=True)
class Samples:
    """Samples on a regular grid, with what was refused on the way.

    Attributes:
        start: Start of the first sample, in whole seconds since 1970-01-01T00:00Z.
        seconds: Length of a sample.
        values: Load per sample, NaN where it is missing.
        censored: True where the load is a lower bound.
        misdated: Number of stamps after now or more than `MAX_AGE_SECONDS` before it.
        impossible: Starts (seconds) of samples that were negative, infinite or absurd.
        too_high: Starts (seconds) of samples above the fleet's `max_load`.
        conflicts: Number of stamps that came with different values.
    """

    start: int
    seconds: int
    values: FloatArray
    censored: BoolArray
    misdated: int = 0
    impossible: tuple[int, ...] = ()
    too_high: tuple[int, ...] = ()
    conflicts: int = 0

    @property
    def times(self) -> IntArray:
        """Start of each sample, in seconds since 1970-01-01T00:00Z."""
        return self.start + self.seconds * np.arange(len(self.values))


def regularise(reading: Reading, *, now: datetime, max_load: float | None) -> Samples:
    """Sort, refuse, merge and place the samples of a reading on a regular grid that ends before `now`.

    Samples of one stamp become the largest of them, whatever their order: too much capacity is the cheaper error. Stamps that jitter are moved to the
    nearest grid point; several samples at one point become their mean.

    Raises:
        InputError: `now` or the reading's stamps have no time zone, or the length of a sample is not positive.
    """
    index = reading.load.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise InputError("the load's time stamps have no UTC offset; expected a DatetimeIndex in UTC")
    if now.tzinfo is None:
        raise InputError(f"now {now.isoformat()} has no UTC offset")
    if reading.sample_seconds < 1:
        raise InputError(f"the length of a sample is {reading.sample_seconds} s; expected at least 1 s")

    seconds = reading.sample_seconds
    times = index.as_unit("s").asi8
    values: FloatArray = np.asarray(reading.load, dtype=np.float64)
    censored = np.zeros(len(values), dtype=bool) if reading.censored is None else reading.censored.to_numpy(dtype=bool)

    misdated = (times > now.timestamp()) | (times < now.timestamp() - MAX_AGE_SECONDS)
    impossible = ~misdated & ((values < 0) | (values > ABSURD_LOAD))
    too_high = ~misdated & ~impossible & (values > (max_load or np.inf))
    kept = ~(misdated | impossible | too_high | np.isnan(values))
    times_once, values_once, censored_once, conflicts = _merge(times[kept], values[kept], censored[kept])
    start, on_grid, flags = _place(times_once, values_once, censored_once, seconds=seconds)
    open_end = int((start + seconds * len(on_grid)) > now.timestamp())  # the sample that is still being filled
    return Samples(
        start=start,
        seconds=seconds,
        values=on_grid[: len(on_grid) - open_end],
        censored=flags[: len(on_grid) - open_end],
        misdated=len(np.unique(times[misdated])),
        impossible=tuple(np.unique(times[impossible]).tolist()),
        too_high=tuple(np.unique(times[too_high]).tolist()),
        conflicts=conflicts,
    )


def _merge(times: IntArray, values: FloatArray, censored: BoolArray) -> tuple[IntArray, FloatArray, BoolArray, int]:
    """One sample per stamp, ascending, and the number of stamps whose samples differed."""
    order = np.lexsort((values, times))
    times, values, censored = times[order], values[order], censored[order]
    last = np.append(times[1:] != times[:-1], values=True) if len(times) else np.zeros(0, dtype=bool)
    differs = (times[1:] == times[:-1]) & (values[1:] != values[:-1])
    group = np.cumsum(last) - last
    flags = np.bincount(group, weights=censored, minlength=int(last.sum())) > 0
    return times[last], values[last], flags, len(np.unique(times[1:][differs]))


def _place(
    times: IntArray, values: FloatArray, censored: BoolArray, *, seconds: int
) -> tuple[int, FloatArray, BoolArray]:
    """The grid's start, and the samples on it."""
    if not len(times):
        return 0, np.zeros(0), np.zeros(0, dtype=bool)
    # The common offset of the stamps from the grid, as a mean on the circle: stamps just before and just after a grid point belong to the same point.
    angles = 2 * np.pi * (times % seconds) / seconds
    offset = np.arctan2(np.sin(angles).sum(), np.cos(angles).sum()) / (2 * np.pi) * seconds
    points = np.rint((times - offset) / seconds).astype(np.int64)
    first, length = int(points[0]), int(points[-1] - points[0]) + 1
    if length > MOST_SAMPLES:
        expected = f"at most {MOST_SAMPLES} samples, coarser or of less time"
        raise InputError(f"samples of {seconds} s over {length * seconds / 86400:.0f} days; expected {expected}")
    counts = np.bincount(points - first, minlength=length)
    sums = np.bincount(points - first, weights=values, minlength=length)
    on_grid = np.divide(sums, counts, out=np.full(length, np.nan), where=counts > 0)
    flags = np.bincount(points - first, weights=censored, minlength=length) > 0
    return first * seconds, on_grid, flags


def resample(samples: Samples, step_seconds: int, *, until: int) -> tuple[int, FloatArray, BoolArray]:
    """Mean load per step, for the whole steps that end by `until` (seconds).

    Returns:
        Start of the first step (seconds), the load (NaN for a missing step), and whether any of a step's samples is censored.
    """
    if samples.seconds > step_seconds:
        start, load, flags = _interpolate(samples, step_seconds)
    else:
        start, load, flags = _average(samples, step_seconds)
    whole = max((until - start) // step_seconds, 0)
    return start, load[:whole], flags[:whole]


def _average(samples: Samples, step_seconds: int) -> tuple[int, FloatArray, BoolArray]:
    # A sample belongs to the step that its middle lies in, so that steps need not be multiples of samples.
    middles = samples.times + samples.seconds // 2
    steps = middles // step_seconds
    if not len(steps):
        return samples.start, np.zeros(0), np.zeros(0, dtype=bool)
    first, length = int(steps[0]), int(steps[-1] - steps[0]) + 1
    present = ~np.isnan(samples.values)
    at = steps[present] - first
    counts = np.bincount(at, minlength=length)
    sums = np.bincount(at, weights=samples.values[present], minlength=length)
    covered = counts * samples.seconds >= MINIMUM_COVER * step_seconds
    load = np.divide(sums, counts, out=np.full(length, np.nan), where=covered & (counts > 0))
    flags = np.bincount(at, weights=samples.censored[present], minlength=length) > 0
    return first * step_seconds, load, flags & ~np.isnan(load)


def within_sample(values: FloatArray, before: FloatArray, after: FloatArray, place: FloatArray) -> FloatArray:
    """The load at a place within coarse samples, each kept at its mean: linear, and flat beside a sharp edge.

    The slope is the smaller one to either neighbour, none at a turn (van Leer 1979, minmod limiter): a load that jumps
    between two samples jumps there, and neither rises before nor falls before it.

    Args:
        values: Mean of each sample.
        before: Mean of the sample before.
        after: Mean of the sample after.
        place: Of the sample's length, 0 at its start and 1 at its end.
    """
    left, right = values - before, after - values
    slope = np.where(left * right > 0, np.sign(left) * np.minimum(np.abs(left), np.abs(right)), 0.0)
    return values + slope * (place - 0.5)


def _interpolate(samples: Samples, step_seconds: int) -> tuple[int, FloatArray, BoolArray]:
    """Steps within coarse samples; a step inside a missing sample is missing."""
    first = -(-samples.start // step_seconds)
    length = max((samples.start + samples.seconds * len(samples.values)) // step_seconds - first, 0)
    places = ((first + np.arange(length)) * step_seconds + step_seconds / 2 - samples.start) / samples.seconds
    holder = places.astype(np.int64)
    values = samples.values
    before, after = np.concatenate([[np.nan], values[:-1]]), np.concatenate([values[1:], [np.nan]])
    before, after = (np.where(np.isfinite(side), side, values) for side in (before, after))
    load = within_sample(values[holder], before[holder], after[holder], places - holder)
    return first * step_seconds, load, samples.censored[holder] & ~np.isnan(load)
