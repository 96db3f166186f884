"""Scheduled actions of this job that start sooner than a new one could: rewrite, cancel or leave each of them.

A new action needs time before its start (`START_AHEAD`); an action that exists may be deleted, and its size changed, until it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from forecasting.schedule.base import Slot
from forecasting.schedule.people import Timeline, value_at

REWRITE_AHEAD = timedelta(seconds=30)
"""A slot that starts sooner is not rewritten: the call would arrive too late."""


@dataclass(frozen=True)
class Pending:
    """Decisions on the pending slots.

    Attributes:
        rewritten: Slots with a new size, start and name unchanged.
        cancelled: Slots to delete.
        left: Slots that run with a size that is not wanted, since nothing can stop them.
    """

    rewritten: tuple[Slot, ...] = ()
    cancelled: tuple[Slot, ...] = ()
    left: tuple[Slot, ...] = ()

    @property
    def urgent(self) -> frozenset[datetime]:
        """Starts of what is written first."""
        return frozenset(slot.start for slot in (*self.rewritten, *self.cancelled))


def settle_pending(
    pending: Iterable[Slot],
    wanted: Callable[[Slot], int],
    *,
    live: int,
    external: Timeline,
    now: datetime,
    upper: int,
) -> Pending:
    """Decide on each pending slot of a cloud on which a slot sets the minimum for good.

    A slot is cancelled if the minimum without it is high enough: a deletion is accepted at any time before it runs. Else it is rewritten, if there
    is time. No decision lowers the minimum below `wanted`, nor below the slot's own size.

    Args:
        pending: Slots of this job that are due or start soon.
        wanted: The minimum that a slot should set.
        live: The minimum in force at `now`.
        external: External changes of the minimum from `now` on.
        now: The present (aware).
        upper: The largest minimum that may be written.
    """
    rewritten: list[Slot] = []
    cancelled: list[Slot] = []
    left: list[Slot] = []
    ours: list[tuple[datetime, int]] = []
    for slot in sorted(pending):
        size = wanted(slot)
        without = value_at(sorted([*ours, *external]), slot.start, live)
        if slot.floor == size:
            ours.append((slot.start, size))
        elif without >= size:
            cancelled.append(slot)
        elif size <= upper and slot.start >= now + REWRITE_AHEAD:
            rewritten.append(Slot(slot.start, size, slot.name, slot.end))
            ours.append((slot.start, size))
        else:
            left.append(slot)
            ours.append((slot.start, slot.floor))
    return Pending(tuple(rewritten), tuple(cancelled), tuple(left))
