"""What was measured but is not demand: spikes of a broken exporter and outage troughs.

Both are judged against the neighbours within an hour and against the same time of day on other days. What lasts or recurs is demand, however large,
and is kept; a series in which such runs are common is like that by nature, and all of it is kept. The thresholds were set on eight real traces (LLM
serving, web, tweets, taxi, virtual machines).
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecasting.history.series import BoolArray, FloatArray, IntArray, Samples

HOUR = 3600
DAY = 24 * HOUR

NEIGHBOURHOOD_SECONDS = HOUR
"""Neighbours are looked for this far on either side."""

SAME_TIME_SECONDS = HOUR // 2
"""The same time on another day, give or take: jobs and people are not punctual."""

SPIKE_FACTOR = 10.0
"""A spike is more than this times its neighbours, the same time on other days and the usual load: real bursts on the traces stay below, or last."""

SPIKE_SECONDS = 15 * 60
"""What stays up for longer is demand: a surge that a plan must serve lasts at least as long as instances take to start."""

TROUGH_SHARE = 0.1
"""A trough is less than this share of its neighbours; load that people make falls more gently."""

TROUGH_SECONDS = 4 * HOUR
"""What stays down for longer may be the new normal; it is kept, and while it lasts the plan may only be raised."""

LATE_TAIL_SECONDS = 15 * 60
"""Metrics services and exporters complete their newest points within minutes; a low value in this window is not read yet."""

LATE_TAIL_SHARE = 0.5
"""A newest sample below this share of the last hour's median is taken as incomplete; if it was real, the next run sees it."""

NATURAL_RUNS_PER_DAY = 0.5
"""With more such runs than this they are the nature of the series, not faults (3 are always allowed for)."""


HABITUAL_FALLS_PER_DAY = 4
"""A load that falls to near zero this often is a batch load: it is kept whole, and comparing each fall with other days would take seconds."""


@dataclass(frozen=True)
class Run:
    """Samples `first` to `last` (exclusive) of a series that are not demand, `open` where the series ends in them."""

    first: int
    last: int
    open: bool = False


def late_tail(samples: Samples, now: float) -> int:
    """Number of samples at the end that are too new and too low to be complete."""
    values, count = samples.values, 0
    while count < len(values):
        at = len(values) - 1 - count
        if samples.start + samples.seconds * (at + 1) <= now - LATE_TAIL_SECONDS:
            break
        before = _present(values[max(at - _reach(samples), 0) : at])
        low = np.isnan(values[at]) or (len(before) > 0 and values[at] < LATE_TAIL_SHARE * np.median(before))
        if not low:
            break
        count += 1
    return count


def spikes(samples: Samples, time_zone: str) -> tuple[Run, ...]:
    """Isolated spikes: short, far above everything near them and above the same time on every other day."""
    values = samples.values
    positive = values[values > 0]
    if not len(positive):
        return ()
    reach = _reach(samples)
    high = (values > SPIKE_FACTOR * np.median(positive)) & ~samples.censored
    if not high.any():
        return ()
    high &= values > SPIKE_FACTOR * _rolling_median(values, 2 * reach + 1)
    longest = max(SPIKE_SECONDS // samples.seconds, 1)
    days = SameTime(samples, time_zone)
    found: list[Run] = []
    for first, last in _clusters(high, reach):
        low_end = values[first:last][high[first:last]].min()
        around = slice(max(first - reach, 0), last + reach)
        near = values[around][~high[around]]
        lasts = high[first:last].sum() > longest
        shaped = low_end <= SPIKE_FACTOR * _maximum(near)
        if lasts or shaped or low_end <= SPIKE_FACTOR * days.maximum(first, last):
            continue
        at_end = not len(_present(values[last:]))
        found += [Run(*run, open=at_end) for run in _runs(high, first, last)]
    return _unless_natural(found, samples)


def troughs(samples: Samples, time_zone: str) -> tuple[Run, ...]:
    """Outage troughs: a sharp fall to near zero and a sharp return within hours, or no return yet, at a time that is busy on other days."""
    values, reach = samples.values, _reach(samples)
    before = _median_before(values, reach)
    falls = np.flatnonzero(values < TROUGH_SHARE * before)
    days = SameTime(samples, time_zone)
    found: list[Run] = []
    end = candidates = 0
    for first in falls.tolist():
        if first < end:
            continue
        level = before[first]
        back = np.flatnonzero(values[first:] >= TROUGH_SHARE * level)
        is_open = not len(back)
        end = len(values) if is_open else first + int(back[0])
        if not is_open:
            after = _present(values[end : end + reach])
            level = min(level, float(np.median(after)))
        deep = _maximum(values[first:end]) < TROUGH_SHARE * level
        short = (end - first) * samples.seconds <= TROUGH_SECONDS
        candidates += deep
        if candidates > HABITUAL_FALLS_PER_DAY * _days(samples):
            return ()
        if deep and (short or is_open) and not days.recurs_low(first, end, TROUGH_SHARE * level, before):
            found.append(Run(first, end, open=is_open))
    return _unless_natural(found, samples)


class SameTime:
    """The same wall-clock time on other days: a day of 23 or 25 hours moves no shop's opening."""

    def __init__(self, samples: Samples, time_zone: str) -> None:
        self._values = samples.values
        self._seconds = samples.seconds
        self._reach = max(SAME_TIME_SECONDS // samples.seconds, 1)
        self._offsets = _utc_offsets(samples, time_zone)

    def maximum(self, first: int, last: int) -> float:
        """The highest load at this time on any other day."""
        return max((_maximum(self._values[low:high]) for _, low, high in self._others(first, last)), default=0.0)

    def recurs_low(self, first: int, last: int, threshold: float, before: FloatArray) -> bool:
        """Whether it falls as low, for half as long or longer, at this time a week before or after, or on at least two other days.

        Another day is judged by its own level too, the median `before` each sample: last month's whole load may be below a tenth of today's.
        """
        days = 0
        for day, low, high in self._others(first, last):
            lowest = np.fmin(threshold, TROUGH_SHARE * before[low])
            if np.count_nonzero(self._values[low:high] < lowest) >= (last - first) / 2:
                days += 1
                if days == 2 or abs(day) == 7:
                    return True
        return False

    def _others(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """Distance in days, first and last (exclusive) sample of the same time, give or take, on each other day."""
        back = first * self._seconds // DAY + 1
        ahead = (len(self._values) - last) * self._seconds // DAY + 1
        windows: list[tuple[int, int, int]] = []
        for day in range(-back, ahead + 1):
            at = first + round(day * DAY / self._seconds)
            if day == 0 or not 0 <= at < len(self._values):
                continue
            at += int(self._offsets[first] - self._offsets[at]) // self._seconds
            low, high = max(at - self._reach, 0), min(at + (last - first) + self._reach, len(self._values))
            if low < high:
                windows.append((day, low, high))
        return windows


def _utc_offsets(samples: Samples, time_zone: str) -> IntArray:
    """Offset of the zone's wall clock from UTC at each sample, in seconds."""
    if time_zone == "UTC" or not len(samples.values):
        return np.zeros(len(samples.values), dtype=np.int64)
    index = pd.DatetimeIndex(samples.times.astype("datetime64[s]"), tz="UTC")
    local = index.tz_convert(ZoneInfo(time_zone)).tz_localize(None)
    return local.as_unit("s").asi8 - samples.times


def _clusters(high: BoolArray, reach: int) -> list[tuple[int, int]]:
    """First and last (exclusive) of groups of marked samples; marks within `reach` of each other are one group."""
    marks = np.flatnonzero(high)
    if not len(marks):
        return []
    breaks = np.flatnonzero(np.diff(marks) > reach)
    starts = marks[np.append(0, breaks + 1)]
    ends = marks[np.append(breaks, len(marks) - 1)] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _runs(high: BoolArray, first: int, last: int) -> list[tuple[int, int]]:
    return [(first + a, first + b) for a, b in _clusters(high[first:last], 1)]


def _unless_natural(runs: list[Run], samples: Samples) -> tuple[Run, ...]:
    return tuple(runs) if len(runs) <= max(3, NATURAL_RUNS_PER_DAY * _days(samples)) else ()


def _days(samples: Samples) -> float:
    return max(len(samples.values) * samples.seconds / DAY, 1.0)


def _reach(samples: Samples) -> int:
    return max(NEIGHBOURHOOD_SECONDS // samples.seconds, 2)


def _rolling_median(values: FloatArray, window: int) -> FloatArray:
    """Median of the window around each sample."""
    return pd.Series(values).rolling(window, center=True, min_periods=1).median().to_numpy(dtype=float)


def _median_before(values: FloatArray, window: int) -> FloatArray:
    """Median of the last samples before each one, across a gap: an outage often begins with one."""
    present = ~np.isnan(values)
    medians = np.full(len(values), np.nan)
    medians[present] = pd.Series(values[present]).rolling(window, min_periods=1).median().shift(1)
    return medians


def _present(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]


def _maximum(values: FloatArray) -> float:
    return float(np.max(_present(values), initial=0.0))
