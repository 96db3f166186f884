"""A time zone that the load's own shape suggests: it moves by an hour when clocks change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecasting.history.base import Finding, Verdict
from forecasting.history.series import FloatArray

CANDIDATES = ("Europe/Berlin", "America/New_York", "Australia/Sydney")
"""A zone of each common rule of clock changes: its date is known from the load, not its place."""
DAYS = 14
"""Days compared on either side of a change."""
LEAST_DAYS = 3
BETTER = 0.6
"""The shape has moved if an hour's shift leaves less than this share of the difference."""
_DAY, _HOUR = 86400, 3600


def suggested(start: int, load: FloatArray, step_seconds: int, time_zone: str) -> Iterable[Finding]:
    """A zone whose clock changed in the history on the day on which the load's shape moved by an hour.

    Args:
        start: Of the first step, seconds since 1970.
        load: Per step, NaN for gaps.
        step_seconds: Length of a step.
        time_zone: That of the settings: nothing is suggested to who has one that changes.
    """
    if _HOUR % step_seconds or not len(load):
        return
    times = start + step_seconds * np.arange(len(load))
    local = pd.DatetimeIndex(pd.to_datetime(times, unit="s", utc=True)).tz_convert(time_zone)
    clock = local.tz_localize(None).as_unit("s").asi8
    for zone in CANDIDATES:
        for change, earlier in _changes(zone, int(times[0]), int(times[-1])):
            if time_zone != "UTC" and _offset(time_zone, change - 1) != _offset(time_zone, change + 1):
                continue
            if _moved(times, clock, load, change, step_seconds, earlier=earlier):
                day = datetime.fromtimestamp(change, UTC).strftime("%Y-%m-%d")
                text = f"since {day}, when clocks changed in {zone}, the load's shape is an hour {'earlier' if earlier else 'later'}"
                yield Finding(
                    "zone", Verdict.GOOD, f"{text}: give the `time_zone` that its users live in, such as {zone}"
                )
                return


def _changes(zone: str, first: int, last: int) -> list[tuple[int, bool]]:
    """Clock changes of a zone (seconds), and whether its days begin earlier in UTC since."""
    begin = datetime.fromtimestamp(first, UTC)
    hours = [int((begin + timedelta(hours=hour)).timestamp()) for hour in range((last - first) // _HOUR + 1)]
    offsets = pd.DatetimeIndex(pd.to_datetime(hours[::12], unit="s", utc=True)).tz_convert(zone)
    shift = offsets.tz_localize(None).as_unit("s").asi8 - np.array(hours[::12])
    at = np.flatnonzero(np.diff(shift))
    return [(hours[12 * (int(each) + 1)], bool(shift[each + 1] > shift[each])) for each in at]


def _offset(zone: str, at: int) -> float:
    offset = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return offset.total_seconds() if offset else 0.0


def _moved(times: np.ndarray, clock: np.ndarray, load: FloatArray, change: int, step: int, *, earlier: bool) -> bool:
    """Whether the shape of a day after a change is that before it, an hour earlier or later."""
    profiles: list[FloatArray] = []
    for inside in (
        (times < change - _DAY) & (times >= change - (DAYS + 1) * _DAY),
        (times >= change + _DAY) & (times < change + (DAYS + 1) * _DAY),
    ):
        if inside.sum() < LEAST_DAYS * _DAY // step:
            return False
        by_clock = pd.Series(load[inside]).groupby(clock[inside] % _DAY // step).median()
        profile = by_clock.reindex(range(_DAY // step)).to_numpy(float)
        if not np.isfinite(profile).all() or profile.mean() <= 0:
            return False
        profiles.append(profile / profile.mean())
    before, after = profiles
    hour = _HOUR // step
    same, moved = (float(np.abs(after - np.roll(before, shift)).mean()) for shift in (0, -hour if earlier else hour))
    other = float(np.abs(after - np.roll(before, hour if earlier else -hour)).mean())
    return same > 0.03 and moved < BETTER * same and moved < other
