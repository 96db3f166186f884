"""A level that moved for good: the history is brought to the present one.

Models average over days or weeks and their errors from before a shift are none of today's. A shift is
taken out only if the days since are like the days before it in all but the shift, to within the usual
change from week to week. It has one of three forms, by the least error: a constant (a tenant joins or
leaves), a factor, or a constant by the hour of the day (a new nightly batch, a moved peak).
A load that grows by the day is brought to its newest level and the growth is carried on, damped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting.models.base import FloatArray, IntArray
from forecasting.models.naive import median_of_known

BoolArray = npt.NDArray[np.bool_]

RISE_DAYS, HOURS_DAYS, FALL_DAYS = 2, 3, 5
"""A shift must have lasted so long. A fall that was only a holiday would leave load unserved; a rise that was, a few instances."""
MOST_DAYS, LATE_DAYS, LATE_USUAL = 18, 10, 0.15
"""The oldest shift. After ten days the models know the new level: a shift is taken out only if the days before it differed by less
than this share from week to week."""
SMALLEST_SHARE = 0.25
"""A smaller shift, relative to the mean level, is within what the models follow by themselves."""
CLEAR = 3.0
"""The days since differ from those before by this many times the usual change from week to week."""
ALIKE = 1.7
"""With the shift taken out they differ by no more than this many times."""
EACH_ALIKE = 3.0
"""So much for each single day."""
CLOSE = 0.15
"""And by no more than this share of their mean load."""
STEADY_SHARE = 0.3
"""Neither the last days before a shift nor the days since drift by more than this share of it: what grows is no shift."""
DRIFT_DAYS = 3
HOURS_BETTER = 0.6
HOURS_PENALTY = 1.25
"""A constant by the hour has as many parameters as hours: it must fit better than these shares of what the others do."""
PRE_DAYS = 9
MOST_SCATTER = 10.0
"""The most by which the noise before a shift is multiplied."""

GROWTH_DAYS = 4
LEAST_GROWTH, MOST_GROWTH = float(np.log(1.08)), float(np.log(1.4))
"""Growth of a day, as a logarithm, that is carried on, and the most that is."""
MOST_GROWTH_DAYS = 14
"""What grew for longer is a trend that the models follow, and no launch."""
STEADY = 0.35
"""No day grows by less than this share of the usual one."""
DAMPING = 0.9
"""Share of the growth of a day that the median expects of the next."""
_WEEK = 7


@dataclass(frozen=True)
class Level:
    """What brings a history to its present level: load x factor + constant, never below zero.

    Attributes:
        factor: Shape (steps,).
        constant: Shape (steps,).
        growth: Logarithm of the growth of a day, 0 if the load does not grow by the day.
        spread: Standard deviation of that growth.
    """

    factor: FloatArray
    constant: FloatArray
    growth: float = 0.0
    spread: float = 0.0

    @classmethod
    def of(cls, load: FloatArray, steps_per_day: int) -> Level:
        """The newest clear shift of a series without gaps, or its growth; no change if there is neither."""
        unchanged = cls(np.ones(len(load)), np.zeros(len(load)))
        group = max(steps_per_day // 24, 1)
        days = len(load) // steps_per_day
        if days < _WEEK + RISE_DAYS + 3 or steps_per_day % group:
            return unchanged
        hours = load[len(load) - days * steps_per_day :].reshape(days, -1, group).mean(axis=2)[::-1]
        grown = _growth(hours.mean(axis=1))
        if grown:
            growth, spread, lasted = grown
            age = np.minimum((len(load) - np.arange(len(load))) / steps_per_day, lasted)
            return cls(np.exp(growth * age), np.zeros(len(load)), growth, spread)
        shift = _newest_shift(hours)
        if shift is None:
            return unchanged
        by_step = np.repeat(shift.constant, group)
        # Days are counted back from the end of the history: so are the hours of the constant.
        constant = by_step[(np.arange(len(load)) - len(load)) % steps_per_day]
        at = _position(load, shift, constant, steps_per_day)
        before = np.arange(len(load)) < at
        constant = constant + _scatter(load, (constant != 0) & before, (constant != 0) & ~before, group)
        return cls(np.where(before, shift.factor, 1.0), np.where(before, constant, 0.0))

    def apply(self, load: FloatArray) -> FloatArray:
        """The series at the present level, NaN where it is NaN."""
        return np.maximum(load * self.factor + self.constant, 0.0)

    def ahead(self, days: FloatArray, levels: tuple[float, ...]) -> FloatArray:
        """Factor of the growth after so many days, by quantile level, shape (days, levels).

        The median expects it to fade; the upper quantiles do not.
        """
        damped = (1 - DAMPING**days) / -np.log(DAMPING)
        share = np.clip((np.array(levels) - 0.5) / 0.4, 0.0, 1.2)
        faster = 1.1 * self.growth + self.spread
        return np.exp(self.growth * damped[:, None] + share * (faster * days - self.growth * damped)[:, None])


@dataclass(frozen=True)
class _Shift:
    """A shift some days ago: before it, load x factor + constant by the hour is the load of today.

    Attributes:
        lasted: Whole days since.
        factor: Of the load before.
        constant: By the hour, counted back from the end of the history.
        misfit: Mean difference of the days since from those before, with the shift taken out.
        usual: Mean change from week to week before the shift.
    """

    lasted: int
    factor: float
    constant: FloatArray
    misfit: float
    usual: float


def _newest_shift(hours: FloatArray) -> _Shift | None:
    """The shift whose form leaves least unexplained; `hours` has a row a day, newest first."""
    last = min(MOST_DAYS, len(hours) - PRE_DAYS)
    found = [_shift(hours, lasted) for lasted in range(RISE_DAYS, last + 1)]
    clear = [each for each in found if each is not None]
    # A day of the shift that is counted among those before makes these unlike each other.
    return min(clear, key=lambda each: each.misfit + each.usual, default=None)


def _shift(hours: FloatArray, lasted: int) -> _Shift | None:
    """The shift so many days ago, if it is clear. The day of the shift holds both levels and is not looked at."""
    before = hours[lasted + 1 :]
    usual = float(np.abs(before[:-_WEEK] - before[_WEEK:]).mean()) + 1e-9
    days, reference = _references(hours, lasted)
    if len(days) < RISE_DAYS or (lasted > LATE_DAYS and usual > LATE_USUAL * float(before.mean())):
        return None
    change = hours[days] - reference
    whole = float(np.abs(change).mean())
    if whole < max(CLEAR * usual, 0.1 * float(before.mean())) or _drifts(hours, lasted, days, change):
        return None
    rise = float(change.mean()) > 0
    steady = lasted >= (RISE_DAYS if rise else FALL_DAYS)
    # Noise grows with the load.
    usual_now = usual * max(float(hours[days].mean()) / max(float(reference.mean()), 1e-9), 1.0)
    nothing = np.zeros(len(hours[0]))
    forms: list[_Shift] = []
    if steady and abs(float(change.mean())) > SMALLEST_SHARE * float(reference.mean()):
        constant = float(np.median(change))
        forms.append(_judged(change - constant, usual_now, lasted, 1.0, constant + nothing))
        total = float(reference.sum())
        factor = float(hours[days].sum()) / total if total > 0 else 1.0
        scaled = hours[days] - factor * reference
        forms.append(_judged(scaled, usual_now, lasted, factor, nothing))
    best = min(forms, key=lambda each: each.misfit, default=None)
    if lasted >= HOURS_DAYS:
        by_hour = np.median(change, axis=0)
        by_hour = np.where(np.abs(by_hour) > 2 * usual, by_hour, 0.0)
        kept = by_hour if lasted >= FALL_DAYS else np.maximum(by_hour, 0.0)
        hourly = _judged(HOURS_PENALTY * (change - by_hour), usual_now, lasted, 1.0, kept)
        if best is None or hourly.misfit < HOURS_BETTER * best.misfit:
            best = hourly
    most = min(ALIKE * usual_now, CLOSE * float(hours[:lasted].mean()))
    return best if best is not None and best.misfit <= most else None


def _drifts(hours: FloatArray, lasted: int, days: IntArray, change: FloatArray) -> bool:
    """Whether the load moved by a part of the shift before it, or goes on moving since."""
    shift = float(np.abs(change).mean())
    last = hours[lasted + 1 : lasted + 1 + DRIFT_DAYS]
    earlier = hours[lasted + 1 + _WEEK :][: len(last)]
    before = abs(float((last[: len(earlier)] - earlier).mean())) if len(earlier) else 0.0
    half = len(days) // 2
    since = abs(float(change[:half].mean() - change[-half:].mean())) if half else 0.0
    return max(before, since) > STEADY_SHARE * shift


def _judged(rest: FloatArray, usual: float, lasted: int, factor: float, constant: FloatArray) -> _Shift:
    by_day = np.abs(rest).mean(axis=1)
    misfit = float(by_day.mean()) if by_day.max() <= EACH_ALIKE * usual else np.inf
    return _Shift(lasted, factor, constant, misfit, usual)


def _references(hours: FloatArray, lasted: int) -> tuple[IntArray, FloatArray]:
    """Days since the shift with a same weekday before it, and the median of these weekdays."""
    days = np.arange(lasted)
    same = days + _WEEK * np.arange(1, len(hours) // _WEEK + 1)[:, None]
    known = (same > lasted) & (same < len(hours))
    stack = np.where(known[:, :, None], hours[np.minimum(same, len(hours) - 1)], np.nan)
    some = known.any(axis=0)
    return days[some], median_of_known(stack[:, some])


def _position(load: FloatArray, shift: _Shift, constant: FloatArray, steps_per_day: int) -> int:
    """Where the change from a week before turns from none to the shift, within a day of `lasted` days ago."""
    week = _WEEK * steps_per_day
    first = max(len(load) - (shift.lasted + 1) * steps_per_day, week)
    last = len(load) - (shift.lasted - 1) * steps_per_day
    earlier = load[first - week : last - week]
    expected = earlier * (shift.factor - 1) + constant[first:last]
    large = np.abs(expected) > 0.05 * float(load.mean())
    change = np.clip((load[first:last] - earlier) / np.where(large, expected, 1.0), -1.0, 2.0)
    excess = np.where(large, change - 0.5, 0.0)
    return first + int(np.argmin(np.concatenate([[0.0], np.cumsum(excess)])))


def _scatter(load: FloatArray, before: BoolArray, since: BoolArray, group: int) -> FloatArray:
    """Addition that gives the steps before a shift the scatter within the hour of the steps since.

    Noise often grows with the load: errors of nights without a batch are none of nights with it.

    Args:
        load: A series without gaps.
        before: Steps before the shift that it concerns.
        since: Such steps since.
        group: Steps of an hour; no scatter is known if there is one.
    """
    whole = len(load) // group * group
    hours = load[len(load) - whole :].reshape(-1, group)
    scatter = np.zeros(len(load))
    scatter[len(load) - whole :] = (hours - hours.mean(axis=1, keepdims=True)).ravel()
    if group == 1 or not before.any() or not since.any():
        return np.zeros(len(load))
    earlier, now = (float(np.median(np.abs(scatter[steps]))) for steps in (before, since))
    more = min(now / earlier, MOST_SCATTER) if earlier > 0 else 1.0
    return np.where(before, (more - 1) * scatter, 0.0)


def _growth(daily: FloatArray) -> tuple[float, float, int] | None:
    """Growth of a day (logarithm), its spread and the days it has lasted; `daily` is newest first."""
    if daily.min() <= 0:
        return None
    logs = np.log(daily)
    changes = logs[:-1] - logs[1:]
    # A working week begins with a rise each week: that of the same weekday two and three weeks before is no growth.
    growth = changes - _usual_changes(changes)
    slow = np.flatnonzero(growth < LEAST_GROWTH)
    lasted = int(slow[0]) if len(slow) else len(growth)
    if not GROWTH_DAYS <= lasted <= MOST_GROWTH_DAYS:
        return None
    typical = float(np.median(growth[:lasted]))
    noise = float(np.median(np.abs(growth[lasted:]))) if len(growth) > lasted else 0.0
    if (
        growth[:lasted].min() < STEADY * typical
        or noise > 0.5 * typical
        or logs[0] - logs[lasted] < GROWTH_DAYS * LEAST_GROWTH
    ):
        return None
    return min(typical, MOST_GROWTH), float(growth[:lasted].std()), lasted


def _usual_changes(changes: FloatArray) -> FloatArray:
    """Change to the same weekday in the third and second week before, in the week before if no more is known, else none."""
    usual = np.zeros(len(changes))
    for weeks in ((1,), (2,), (2, 3)):
        known = len(changes) - _WEEK * max(weeks)
        if known > 0:
            usual[:known] = np.mean([changes[_WEEK * week :][:known] for week in weeks], axis=0)
    return usual
