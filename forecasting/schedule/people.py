"""What people want of a group's MinSize: their own scheduled actions, and what they set by hand.

On AWS the last writer of MinSize wins, so a person's wish is one step function, the *people's floor*: it holds the last MinSize that a person set, by
an action or by hand, until a person sets another. Nothing of ours ever goes below it.
"""

from __future__ import annotations

import importlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from forecasting.errors import Hold
from forecasting.schedule.actions import ScheduledAction
from forecasting.schedule.aws_limits import JITTER
from forecasting.schedule.grid import round_up

Timeline = tuple[tuple[datetime, int], ...]
"""(start in UTC, value from then on), ascending."""

_LOOK_BACK = timedelta(days=8)
"""On first contact a recurring action's last run is looked for this far back: a weekly one is found."""


def value_at(timeline: Sequence[tuple[datetime, int]], when: datetime, before: int) -> int:
    """The value in force at `when`; `before` where nothing has started yet."""
    value = before
    for start, new in timeline:
        if start > when:
            break
        value = new
    return value


@dataclass(frozen=True)
class PeopleFloor:
    """The people's floor: `current` from now on, then `events`; 0 where people want nothing."""

    current: int
    events: Timeline

    @classmethod
    def in_any_order(cls, current: int, events: Timeline) -> PeopleFloor:
        """Of actions that are closer than one may run late, the last to run may be any: the highest counts."""
        times, values = [when for when, _ in events], [value for _, value in events]
        highest = (max(values[bisect_left(times, when - JITTER) : bisect_right(times, when)]) for when in times)
        return cls(current, tuple(zip(times, highest, strict=True)))

    def at(self, when: datetime) -> int:
        """The floor that people want at `when`."""
        return value_at(self.events, when, self.current)


def people_events(foreign: Sequence[ScheduledAction], now: datetime, end: datetime) -> Timeline:
    """When other people's actions will set MinSize, up to `end`, and to what. One that is due but still listed runs late: it counts.

    Raises:
        Hold: a recurrence cannot be read, so nobody knows what it will do.
    """
    events = [
        (when, action.min_size)
        for action in foreign
        if action.min_size is not None
        for when in action_runs(action, now, end)
    ]
    return tuple(sorted(events))


def max_size_events(foreign: Sequence[ScheduledAction], now: datetime, end: datetime) -> Timeline:
    """When other people's actions will set MaxSize, and to what."""
    events = [
        (when, action.max_size)
        for action in foreign
        if action.max_size is not None
        for when in action_runs(action, now, end)
    ]
    return tuple(sorted(events))


def last_people_event(foreign: Sequence[ScheduledAction], now: datetime) -> int | None:
    """The MinSize that recurring actions of other people set last, or None."""
    past: list[tuple[datetime, int]] = []
    for action in foreign:
        if action.recurrence and action.min_size is not None:
            when = _last_run(action, now)
            if when is not None:
                past.append((when, action.min_size))
    return max(past)[1] if past else None


def action_runs(action: ScheduledAction, now: datetime, end: datetime) -> Iterator[datetime]:
    """When an action runs from now on, before `end`; one that is due but still listed runs late.

    The next start counts also if the recurrence has no such time: "performs the action at this time,
    and then performs the action based on the specified recurrence" (API reference,
    PutScheduledUpdateGroupAction). A run at the very end time of a recurrence is counted.

    Raises:
        Hold: the recurrence cannot be read.
    """
    since = now - JITTER
    if action.start is not None and since < action.start < end and not _is_over(action, action.start):
        yield action.start
    if not action.recurrence:
        return
    begin = max(since, action.start) if action.start else now
    for when in _cron_runs_until(action, begin, round_up(end, 24 * 60)):
        if when >= end or _is_over(action, when):
            return
        yield when


@lru_cache(maxsize=1024)
def _cron_runs_until(action: ScheduledAction, begin: datetime, end: datetime) -> tuple[datetime, ...]:
    """Kept, since a schedule looks at the same actions some times over."""
    return tuple(takewhile(lambda when: when < end, cron_runs(action, begin)))


def _is_over(action: ScheduledAction, when: datetime) -> bool:
    """Whether a recurrence has ended by then; an action that runs once has no end."""
    return bool(action.recurrence) and action.end is not None and when > action.end


def _last_run(action: ScheduledAction, now: datetime) -> datetime | None:
    when = next(cron_runs(action, now + timedelta(seconds=1), reverse=True), None)
    return when if when is not None and now - when <= _LOOK_BACK else None


def cron_runs(action: ScheduledAction, begin: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """When a recurrence falls due after `begin` (before it, if reverse), UTC.

    Raises:
        Hold: it cannot be read.
    """
    cronsim: Any = importlib.import_module("cronsim")
    try:
        zone = ZoneInfo(action.time_zone)
        runs = cronsim.CronSim(action.recurrence, begin.astimezone(zone), reverse=reverse)
    except (cronsim.CronSimError, KeyError, ValueError, OSError) as error:
        raise Hold(
            "foreign-recurrence",
            f"the scheduled action {action.name!r} recurs as {action.recurrence!r} in {action.time_zone!r}, which cannot be read;"
            " expected five cron fields and an IANA time zone",
        ) from error
    return (run.astimezone(UTC) for run in runs)
