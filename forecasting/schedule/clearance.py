"""Slot starts that keep clear of external actions of an Auto Scaling group."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from forecasting.schedule.actions import ScheduledAction
from forecasting.schedule.aws_limits import ORDER_GAP

_MINUTE = timedelta(minutes=1)


class Clearance:
    """Moves slot starts away from external changes of the minimum, and off the starts of all external actions.

    Actions closer than the jitter run in either order. So before each external change (or cluster of
    them) the last start is `ORDER_GAP` earlier; after it, one re-asserts the plan `ORDER_GAP` later.

    Args:
        foreign: External actions.
        events: When they set the minimum, and to what.
        first: No start is earlier.
    """

    def __init__(
        self,
        foreign: Collection[ScheduledAction],
        events: Sequence[tuple[datetime, int]],
        first: datetime,
    ) -> None:
        self._busy = {action.start for action in foreign if action.start is not None}
        self._changes = [when for when, _ in events if when >= first - ORDER_GAP]
        self._clusters = _clusters(self._changes, 2 * ORDER_GAP)
        self._first = first

    def starts(self, times: Collection[datetime], answer_until: datetime | None = None) -> list[datetime]:
        """The starts, ascending, moved out of the way.

        Args:
            times: The starts that are wanted.
            answer_until: Changes from then on move no start and add none; only the last start is kept. None: all are answered.
        """
        if not times:
            return []
        clear, end = set(times), max(times)
        ordered = sorted(clear)
        for opening, closing in self._clusters:
            if opening > end + ORDER_GAP:
                break
            within = slice(bisect_right(ordered, opening - ORDER_GAP), bisect_left(ordered, closing + ORDER_GAP))
            near = set(ordered[within])
            clear -= near
            if answer_until and opening >= answer_until and end not in near:
                continue
            if any(start <= closing for start in near) and opening - ORDER_GAP >= self._first:
                clear.add(opening - ORDER_GAP)
            if closing + ORDER_GAP >= self._first:
                clear.add(closing + ORDER_GAP)
        return sorted({self._dodge(start) for start in clear})

    def _dodge(self, start: datetime) -> datetime:
        """A free start: a minute or more earlier, since starts are unique within a group; later where earlier is too soon or too near a change."""
        earlier = start
        while earlier in self._busy:
            earlier -= _MINUTE
        if earlier == start or (earlier >= self._first and not self._is_near_a_change(earlier)):
            return earlier
        while start in self._busy or self._is_near_a_change(start):
            start += _MINUTE
        return start

    def _is_near_a_change(self, moment: datetime) -> bool:
        at = bisect_right(self._changes, moment - ORDER_GAP)
        return at < len(self._changes) and self._changes[at] < moment + ORDER_GAP


def _clusters(moments: Sequence[datetime], together: timedelta) -> list[tuple[datetime, datetime]]:
    """Moments too close to each other for a start between them, as (first, last)."""
    clusters: list[tuple[datetime, datetime]] = []
    for moment in moments:
        if clusters and moment - clusters[-1][1] < together:
            clusters[-1] = (clusters[-1][0], moment)
        else:
            clusters.append((moment, moment))
    return clusters
