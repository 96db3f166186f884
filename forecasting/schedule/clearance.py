"""Slot starts that keep clear of external actions of an Auto Scaling group."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from forecasting.schedule.actions import ScheduledAction
from forecasting.schedule.aws_limits import ORDER_GAP

_MINUTE = timedelta(minutes=1)


def clear_starts(
    times: Collection[datetime],
    foreign: Collection[ScheduledAction],
    events: Sequence[tuple[datetime, int]],
    first: datetime,
    answer_until: datetime | None = None,
) -> list[datetime]:
    """The starts, ascending, moved out of other people's way: away from their changes of MinSize, and off the starts of all their actions.

    Actions closer than the jitter run in either order. So before each change of theirs (or cluster of them) the last start is `ORDER_GAP` earlier;
    after it, one re-asserts the plan `ORDER_GAP` later.

    Args:
        times: The starts that are wanted.
        foreign: Other people's actions.
        events: When they set MinSize, and to what.
        first: No start is earlier.
        answer_until: Changes from then on move no start and add none; only the last start is kept. None: all are answered.
    """
    if not times:
        return []
    clear, end = set(times), max(times)
    changes = [when for when, _ in events if first - ORDER_GAP <= when <= end + ORDER_GAP]
    ordered = sorted(clear)
    for opening, closing in _clusters(changes, 2 * ORDER_GAP):
        within = slice(bisect_right(ordered, opening - ORDER_GAP), bisect_left(ordered, closing + ORDER_GAP))
        near = set(ordered[within])
        clear -= near
        if answer_until and opening >= answer_until and end not in near:
            continue
        if any(start <= closing for start in near) and opening - ORDER_GAP >= first:
            clear.add(opening - ORDER_GAP)
        if closing + ORDER_GAP >= first:
            clear.add(closing + ORDER_GAP)
    busy = {action.start for action in foreign if action.start is not None}
    return sorted({_dodge(start, busy, changes, first) for start in clear})


def _clusters(moments: Sequence[datetime], together: timedelta) -> list[tuple[datetime, datetime]]:
    """Moments too close to each other for a start between them, as (first, last)."""
    clusters: list[tuple[datetime, datetime]] = []
    for moment in moments:
        if clusters and moment - clusters[-1][1] < together:
            clusters[-1] = (clusters[-1][0], moment)
        else:
            clusters.append((moment, moment))
    return clusters


def _dodge(start: datetime, busy: Collection[datetime], changes: Collection[datetime], first: datetime) -> datetime:
    """A free start: a minute or more earlier, since starts are unique within a group; later where earlier is too soon or too near a change."""

    def near_a_change(moment: datetime) -> bool:
        return any(abs(moment - change) < ORDER_GAP for change in changes)

    earlier = start
    while earlier in busy:
        earlier -= _MINUTE
    if earlier == start or (earlier >= first and not near_a_change(earlier)):
        return earlier
    while start in busy or near_a_change(start):
        start += _MINUTE
    return start
