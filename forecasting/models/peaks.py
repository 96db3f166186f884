"""Recurring peaks and flash crowds: told apart by recurrence, not by rarity.

A peak far above the usual load that comes back at the same time (weekdays at an hour, one weekday,
campaign evenings) is taken out of what the models see and put back by its own past occurrences: the
models average over days and their errors over hours, so a quarter of an hour a day would vanish.
A peak that came once is a flash crowd, and not learnt from; where they are many they are the nature of
the load: the models see their beginning, the intervals all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting.history.chance import chance_of
from forecasting.models.base import FloatArray, IntArray
from forecasting.models.gaps import fill_gaps
from forecasting.models.naive import median_of_known, quantiles_of_known

BoolArray = npt.NDArray[np.bool_]

PEAK_SHARE, PEAK_FACTOR = 0.97, 1.25
"""A recurring peak is above this factor over the load that is exceeded 3 % of the time."""
CROWD_SHARE, CROWD_FACTOR = 0.99, 1.5
"""Load above this factor over the load that is exceeded 1 % of the time is a flash crowd's, unless it recurs."""
NATURAL_CROWDS = 3
"""More flash crowds than these in four weeks are the nature of the load: its errors are learnt whole."""
CROWD_HOURS = 3
"""What is newer is taken as it is: the rise may still be going on."""
TOLERANCE_MINUTES = 30
"""The same time of the day, give or take."""
WHOLE_SHARE = 0.25
"""Lower steps are looked for if peaks are above the usual load by this share of the threshold."""
DENSE = 0.8
NEAR_DAYS = (-3, -2, -1, 1, 2, 3)
WEEKS = (-4, -3, -2, -1, 1, 2, 3, 4)
"""Days near and weeks away on which a peak may come back."""
FLANK_SHARE = 0.5
"""A step below this share of the highest beside it belongs to the flank of a peak."""
CHANCE = 0.01
"""It recurs if peaks at any times would come together as often with no more than this probability."""
_WEEK = 7


@dataclass(frozen=True)
class Peaks:
    """A history in two parts.

    Attributes:
        calm: The load without recurring peaks and flash crowds.
        excess: What recurring peaks add to the load, zero elsewhere.
        crowds: True in the flash crowds that are not learnt from.
    """

    calm: FloatArray
    excess: FloatArray
    crowds: BoolArray

    @classmethod
    def split(cls, load: FloatArray, steps_per_day: int) -> Peaks:
        """Split a series without gaps; one that is nearly always zero stays whole."""
        threshold = PEAK_FACTOR * float(np.quantile(load, PEAK_SHARE))
        crowd = CROWD_FACTOR * float(np.quantile(load, CROWD_SHARE))
        excess = np.zeros(len(load))
        if threshold > 0:
            peaks = _recurring(load > threshold, steps_per_day)
            if peaks.any():
                excess = _above_neighbours(load, _whole(load, peaks, threshold, steps_per_day))
        calm = load - excess
        newest = max(steps_per_day * CROWD_HOURS // 24, 1)
        high = calm > (crowd if crowd > 0 else np.inf)
        high[-newest:] = False
        crowds = _dilated(high[None], _tolerance(steps_per_day))[0]
        crowds[-newest:] = False
        natural = max(NATURAL_CROWDS * len(load) / (28 * steps_per_day), 1.0)
        if np.count_nonzero(np.diff(crowds.astype(int)) > 0) + int(crowds[0]) > natural:
            return cls(np.where(high, crowd, calm), excess, np.zeros_like(high))
        return cls(fill_gaps(np.where(crowds, np.nan, calm), steps_per_day), excess, crowds)

    def quantiles(self, leads: IntArray, levels: tuple[float, ...], steps_per_day: int) -> FloatArray:
        """Quantiles of what recurring peaks add at each lead, shape (leads, levels).

        They are those of past occurrences: of the same weekday as far back as the peak at this time of
        the day is known, of all days since its beginning if that is less than eight days ago.
        """
        found = np.zeros((len(leads), len(levels)))
        if not self.excess.any():
            return found
        days = -(-len(self.excess) // steps_per_day)
        by_day = np.full((days, steps_per_day), np.nan)
        by_day.ravel()[days * steps_per_day - len(self.excess) :] = self.excess
        by_day = by_day[::-1]  # newest first
        near = _dilated(np.nan_to_num(by_day).ravel()[None] > 0, _tolerance(steps_per_day)).reshape(by_day.shape)
        age = np.where(near.any(axis=0), days - 1 - np.argmax(near[::-1], axis=0), -1)
        back = np.arange(days)[:, None]
        ahead, slots = np.divmod(leads, steps_per_day)
        for day in np.unique(ahead).tolist():
            used = (back <= age) & ((age < _WEEK) | ((back + day + 1) % _WEEK == 0))
            rows = ahead == day
            past = np.where(used, by_day, np.nan)
            found[rows] = _occurrence_quantiles(past, levels, _tolerance(steps_per_day))[slots[rows]]
        return found


def _occurrence_quantiles(past: FloatArray, levels: tuple[float, ...], tolerance: int) -> FloatArray:
    """Quantiles of the next occurrence at each time of the day, shape (steps of a day, levels).

    The spread about the median of a step is pooled over the steps beside it and widened for the
    number of occurrences: the highest of four is no .95 quantile. The flanks of a peak and one that is
    absent on most of the days have the quantiles of their own steps.

    Args:
        past: What occurrences added, shape (days, steps of a day), NaN for days that do not count.
        levels: Quantile levels.
        tolerance: Steps to either side.
    """
    count = np.isfinite(past).sum(axis=0)
    median = np.nan_to_num(median_of_known(past))
    own = quantiles_of_known(past, levels)
    beside = range(-tolerance, tolerance + 1)
    # The flanks of a peak are small: what they vary by, relative to themselves, is not the peak's spread.
    highest = np.max([np.roll(median, by) for by in beside], axis=0)
    within = (median > 0) & (median >= FLANK_SHARE * highest)
    relative = np.where(within, past / np.where(within, median, 1.0), np.nan)
    pool = np.concatenate([np.roll(relative, by, axis=1) for by in beside])
    widening = np.sqrt((count + 1) / np.maximum(count - 1, 1))[:, None]
    spread = 1 + (quantiles_of_known(pool, levels) - 1) * widening
    return np.nan_to_num(np.where(within[:, None], np.maximum(median[:, None] * spread, 0.0), own))


def _recurring(high: BoolArray, steps_per_day: int) -> BoolArray:
    """Marked steps with marks at their time of the day on more of the days near, or of the weeks, than chance has it."""
    wide = _dilated(high[None], _tolerance(steps_per_day))[0]
    rate = float(wide.mean())
    at = np.flatnonzero(high)
    found = np.zeros(len(high), bool)
    for days in (np.array(NEAR_DAYS), _WEEK * np.array(WEEKS)):
        others = at[:, None] + days * steps_per_day
        inside = (others >= 0) & (others < len(high))
        count = (inside & wide[np.clip(others, 0, len(high) - 1)]).sum(axis=1)
        found[at] |= (count > 0) & (_chance(count, inside.sum(axis=1), rate) < CHANCE)
    return found


def _whole(load: FloatArray, peaks: BoolArray, threshold: float, steps_per_day: int) -> BoolArray:
    """Recurring peaks with their lower steps: a batch that fills 3 % of the time is above the threshold in part.

    Steps beside them, and those at the same times of other days, belong to the peak if they are above
    the usual load of their time by half of what the marked ones are, if nearly all steps of these days
    and times are. A peak of most days is the usual load itself and stays as it is.
    """
    days = len(load) // steps_per_day
    rest = len(load) - days * steps_per_day
    usual = np.median(load[rest:].reshape(days, steps_per_day), axis=0)
    time = (np.arange(len(load)) - rest) % steps_per_day
    above = load - usual[time]
    typical = float(np.median(above[peaks]))
    if typical < WHOLE_SHARE * threshold:
        return peaks
    high = peaks | (above > 0.5 * typical)
    runs = np.cumsum(np.diff(high.astype(np.int64), prepend=0) > 0) * high
    whole = high & np.isin(runs, np.unique(runs[peaks]))
    at_times = np.isin(time, time[whole])
    found = high & at_times
    day = (np.arange(len(load)) - rest) // steps_per_day
    among = at_times & np.isin(day, day[found])
    return found if found.sum() > DENSE * among.sum() else peaks


def _chance(count: IntArray, among: IntArray, rate: float) -> FloatArray:
    """Probability of so many or more marks, if each of them were there by chance at a rate (binomial)."""
    most = int(among.max(initial=0))
    table = np.array([[chance_of(c, n, rate) if c <= n else 0.0 for c in range(most + 1)] for n in range(most + 1)])
    return table[among, count]


def _above_neighbours(load: FloatArray, peaks: BoolArray) -> FloatArray:
    """What the load is above the line between the steps beside each peak, a step wider for its flanks."""
    wide = _dilated(peaks[None], 1)[0]
    if wide.all():
        return np.zeros(len(load))
    steps = np.arange(len(load))
    line = np.interp(steps, steps[~wide], load[~wide])
    return np.where(wide, np.maximum(load - line, 0.0), 0.0)


def _tolerance(steps_per_day: int) -> int:
    return TOLERANCE_MINUTES * steps_per_day // 1440


def _dilated(marks: BoolArray, by: int) -> BoolArray:
    """Marks and their neighbours on either side, along the last axis."""
    wide = marks.copy()
    for steps in range(1, by + 1):
        wide[..., steps:] |= marks[..., :-steps]
        wide[..., :-steps] |= marks[..., steps:]
    return wide
