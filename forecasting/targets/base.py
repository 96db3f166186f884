"""The difference between what stands in a cloud and what should, and who applies it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from forecasting.leadtime.launches import Launches, Watch
from forecasting.planning.base import Plan
from forecasting.schedule.actions import GroupState
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.in_force import MinimumInForce
from forecasting.schedule.memory import Memory, Observation
from forecasting.schedule.people import Timeline
from forecasting.schedule.slots import Request, Restoring


@dataclass(frozen=True)
class CallBudget:
    """How long and how often a call is tried; the waits between the rounds are jittered."""

    seconds: float = 60.0
    longest_wait_seconds: float = 8.0


@dataclass(frozen=True)
class Change:
    """A slot to write; `before` is the floor that stands under its name, or None for a new one."""

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
        at_once: All writes are one call.
        urgent: Starts of the puts and deletes that are made before all others, until their very start.
    """

    puts: tuple[Change, ...]
    deletes: tuple[Slot, ...]
    kept: tuple[Slot, ...] = ()
    imminent: tuple[Slot, ...] = ()
    at_once: bool = False
    urgent: frozenset[datetime] = frozenset()

    @property
    def writes(self) -> int:
        """Number of mutating calls."""
        changes = len(self.puts) + len(self.deletes)
        return min(changes, 1) if self.at_once else changes


class Rules(Protocol):
    """What a cloud's scheduled scaling makes of a plan, and of what stands. Pure."""

    def ours(self, group: GroupState, owners: Collection[str]) -> tuple[Slot, ...]:
        """Our slots as they stand, ascending."""
        ...

    def observe(
        self, memory: Memory | None, group: GroupState, fleet_floor: int, owners: Collection[str], now: datetime
    ) -> Observation:
        """What people want of the group."""
        ...

    def people_events(self, group: GroupState, owners: Collection[str], now: datetime, end: datetime) -> Timeline:
        """When people's own schedules will set the minimum, where that outlasts them."""
        ...

    def floor_in_force(self, group: GroupState, owners: Collection[str], now: datetime) -> int:
        """The minimum in force."""
        ...

    def minimum_in_force(
        self,
        group: GroupState,
        slots: Collection[Slot],
        owners: Collection[str],
        plan: Plan,
        now: datetime,
        *,
        ramp_limited: bool = False,
    ) -> MinimumInForce:
        """The minimum over the plan's horizon if `slots` are all managed actions, external ones included.

        Args:
            group: Live sizes and external actions.
            slots: Managed actions.
            owners: Ids whose actions are managed.
            plan: The minimum that is wanted.
            now: Aware datetime.
            ramp_limited: Ramp limits of the fleet leave less than the plan: `slots` say how much.

        Raises:
            Hold: an external action cannot be read, and could lower the minimum.
        """
        ...

    def timeline(self, slots: Sequence[Slot]) -> Timeline:
        """Slots as a step function."""
        ...

    def build(self, request: Request) -> Schedule:
        """The slots that should stand."""
        ...

    def restore(self, wanted: Restoring) -> Schedule:
        """The slots that bring an earlier schedule back."""
        ...

    def diff(self, group: GroupState, schedule: Schedule, owners: Collection[str], now: datetime) -> Diff:
        """The writes that turn what stands into the schedule."""
        ...

    def stands(self, group: GroupState, schedule: Schedule, diff: Diff, owners: Collection[str], now: datetime) -> bool:
        """Whether ours are exactly the schedule, after `diff` was applied."""
        ...

    def released_min(self, group: GroupState, seen: Observation) -> int:
        """The live minimum that a release leaves."""
        ...


class Target(Protocol):
    """A group in a cloud.

    Every method may raise `TargetError` (and its children) or `Hold`; a call that failed may be made again: all of them are idempotent.
    """

    @property
    def rules(self) -> Rules:
        """Its cloud's."""
        ...

    @property
    def subject(self) -> str:
        """The group, for messages."""
        ...

    def read(self) -> GroupState:
        """The group and everything scheduled on it, now.

        Raises:
            TargetNotFoundError: there is no such group.
            Hold: it may not be written to: it is being deleted, or has no enabled way to scale in or to act on a schedule.
        """
        ...

    def inspect(self) -> GroupState:
        """The same, whether or not it may be written to."""
        ...

    def launches(self, watch: Watch | None, now: datetime) -> Launches:
        """What the group's launches tell since the last look.

        Args:
            watch: What is known. None: read failures alone, by fewer calls; no boot is measured.
            now: The present (aware).
        """
        ...

    def apply(self, diff: Diff, fence: Callable[[], None], clock: Callable[[], datetime]) -> int:
        """Make the writes; returns the number of mutating calls.

        Args:
            diff: What to write.
            fence: Called before every mutating call; raises `Hold` when this run may not write any more.
            clock: The present time (aware).

        Raises:
            Hold: fenced off, or a start is too near by now. Every slot then holds its old or its new value.
        """
        ...

    def give_back(self, ours: Sequence[Slot], min_size: int, fence: Callable[[], None]) -> None:
        """Delete our slots, and set the live minimum where it is another (`Rules.released_min`)."""
        ...
