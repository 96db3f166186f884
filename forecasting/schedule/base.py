"""Slots: what a cloud's scheduled scaling is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, order=True)
class Slot:
    """From `start` (UTC, whole minute) on, at least `floor` instances.

    Attributes:
        start: When it begins.
        floor: Instances at least.
        name: Derived from owner and start.
        end: When it ends by itself (Google Cloud's windows); None: it holds until the next slot.
    """

    start: datetime
    floor: int
    name: str
    end: datetime | None = None


@dataclass(frozen=True)
class Schedule:
    """What is to stand in the cloud.

    Attributes:
        slots: Ascending by start, starts unique; the last one restores the baseline, or ends by itself.
        notes: What a person should know (coarsened, pinned, merged with foreign actions).
        complete: False where the limit on actions forced an intermediate schedule: applying it makes room, and a second round finishes.
        clamped: The group's own maximum is below what the plan needs.
        urgent: Starts of managed slots that run soon and are rewritten, or deleted if not among `slots`, before all else.
        left: Managed slots that run with an unwanted size, since nothing can stop them.
    """

    slots: tuple[Slot, ...]
    notes: tuple[str, ...] = ()
    complete: bool = True
    clamped: bool = False
    urgent: frozenset[datetime] = frozenset()
    left: tuple[Slot, ...] = ()
