"""The difference between what stands in the cloud and what should, and who applies it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from forecasting.schedule.actions import GroupState, ScheduledAction
from forecasting.schedule.aws_limits import START_AHEAD
from forecasting.schedule.base import Schedule, Slot

_CLOCK_SKEW = timedelta(minutes=1)
"""AWS's clock may be this much ahead of ours."""


class Target(Protocol):
    """A group in a cloud, as the reconciler sees it.

    Every method may raise `TargetError` (and its children) or `Hold`; a call that failed may be made again: all of them are idempotent.
    """

    def read(self) -> GroupState:
        """The group and all its scheduled actions, now."""
        ...

    def put(self, slot: Slot) -> None:
        """Create the slot's action, or overwrite the one of its name."""
        ...

    def delete(self, name: str) -> None:
        """Delete an action; one that is not there (it has just run) is as good as deleted."""
        ...

    def set_min_size(self, min_size: int) -> None:
        """Set the live MinSize (only `release` does)."""
        ...


@dataclass(frozen=True)
class Change:
    """A slot to write; `before` is the MinSize that stands under its name, or None for a new one."""

    slot: Slot
    before: int | None


@dataclass(frozen=True)
class Diff:
    """What to write, in the order in which it is written.

    Attributes:
        puts: From the latest start to the earliest.
        deletes: Then these, from the earliest start to the latest.
        kept: Slots that stand as they should.
        imminent: Ours, about to run or running: nobody touches them.
    """

    puts: tuple[Change, ...]
    deletes: tuple[Slot, ...]
    kept: tuple[Slot, ...]
    imminent: tuple[Slot, ...]

    @property
    def writes(self) -> int:
        """Number of mutating calls."""
        return len(self.puts) + len(self.deletes)


def make_diff(owned: Mapping[datetime, ScheduledAction], schedule: Schedule, now: datetime) -> Diff:
    """The writes that turn our standing actions into `schedule`.

    The order is what keeps every minute's floor the old plan's or the new plan's wherever a crash falls: upserts from the latest start to the
    earliest, then deletes from the earliest to the latest.
    """
    standing = {start: Slot(start, action.min_size or 0, action.name) for start, action in owned.items()}
    wanted = {slot.start: slot for slot in schedule.slots}
    imminent = {
        start: slot
        for start, slot in standing.items()
        if now - START_AHEAD <= start < now + START_AHEAD and start not in wanted
    }
    puts = [
        Change(slot, standing[start].floor if start in standing else None)
        for start, slot in sorted(wanted.items(), reverse=True)
        if standing.get(start) != slot
    ]
    deletes = [slot for start, slot in sorted(standing.items()) if start not in wanted and start not in imminent]
    return Diff(
        puts=tuple(puts),
        deletes=tuple(deletes),
        kept=tuple(slot for start, slot in sorted(wanted.items()) if standing.get(start) == slot),
        imminent=tuple(slot for _, slot in sorted(imminent.items())),
    )


def same(slots: Sequence[Slot], owned: Mapping[datetime, ScheduledAction], now: datetime) -> bool:
    """Whether our actions are exactly `slots`: all of those stand that cannot have run yet, and nothing else but what is about to run."""
    wanted = {(slot.start, slot.floor, slot.name) for slot in slots}
    standing = {(start, action.min_size, action.name) for start, action in owned.items()}
    missing, surplus = wanted - standing, standing - wanted
    return all(start <= now + _CLOCK_SKEW for start, *_ in missing) and all(
        start < now + START_AHEAD for start, *_ in surplus
    )
