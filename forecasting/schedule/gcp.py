"""A plan as scaling schedules of an autoscaler: windows that abut, each asking for a minimum until it ends by itself.

The slots are those of AWS (same grid, same values). See `designs/schedule-gcp.md` for what differs and why.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from forecasting.errors import Hold
from forecasting.schedule.actions import GroupState, owner_of, window_name
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.gcp_limits import MAX_WINDOWS, MIN_DURATION, RESERVED_WINDOWS, REWRITE_AHEAD, START_AHEAD
from forecasting.schedule.gcp_windows import windows_timeline
from forecasting.schedule.grid import GRIDS, Grid, round_up
from forecasting.schedule.people import PeopleFloor, value_at
from forecasting.schedule.slots import (
    PlannedSlots,
    Request,
    Restoring,
    check_maxima,
    limit_bounds,
    plan_span,
)

ROLL_KEPT = timedelta(minutes=3)
"""A roll slot that stands within this time of where a new one would start keeps its start, so that a second run writes nothing."""


@dataclass(frozen=True)
class Standing:
    """Our windows at a moment.

    Attributes:
        kept: Open or about to open: they stay until their end, or until a later one of ours has opened over them.
        ahead: Those that may still be rewritten.
        gone: Ended, or covered: they only count against the limit.
    """

    kept: tuple[Slot, ...]
    ahead: tuple[Slot, ...]
    gone: tuple[Slot, ...]


def our_windows(group: GroupState, owners: Collection[str]) -> tuple[Slot, ...]:
    """Our windows, ascending, also where two of ours (one of a former owner's) start together."""
    return tuple(
        sorted(
            Slot(action.start, action.min_size or 0, action.name, action.end)
            for action in group.actions
            if owner_of(action) in owners and action.start
        )
    )


def sort_windows(windows: Collection[Slot], now: datetime) -> Standing:
    """Which of our windows may be touched at `now`.

    An open one is never changed: whether a changed window stays open is not documented.
    """
    opened = max((slot.start for slot in windows if is_open(slot, now)), default=now)
    kept = tuple(slot for slot in windows if opened <= slot.start < now + START_AHEAD and not _ended(slot, now))
    ahead = tuple(slot for slot in windows if slot.start >= now + START_AHEAD)
    return Standing(kept, ahead, tuple(slot for slot in windows if slot not in {*kept, *ahead}))


def is_open(slot: Slot, now: datetime) -> bool:
    """Whether the window asks for its floor at `now`."""
    return slot.start <= now and not _ended(slot, now)


def _ended(slot: Slot, now: datetime) -> bool:
    return slot.end is not None and slot.end <= now


def floor_in_force(group: GroupState, owners: Collection[str], now: datetime) -> int:
    """The minimum at `now`: the autoscaler's own, or that of our open windows; people's windows may hold more."""
    return value_at(windows_timeline(our_windows(group, owners), group.min_size), now, group.min_size)


def build_windows(request: Request) -> Schedule:
    """The windows that should stand ahead, given what stands. What is open already is not among them.

    Raises:
        Hold: other people's schedules leave no room, or the autoscaler's maximum is below the fleet's floor.
    """
    return _Builder(request).build()


def restore_windows(wanted: Restoring) -> Schedule:
    """An earlier schedule from `START_AHEAD` on, to its own end."""
    standing = {slot.start: slot.name for slot in our_windows(wanted.group, wanted.owners)}
    foreign = {action.name for action in wanted.group.actions} - set(standing.values())
    first = round_up(wanted.now + START_AHEAD, 1)
    bounds = [first, *(start for start, _ in wanted.previous if start > first)]
    names = {start: standing.get(start, window_name(wanted.owner, start)) for start in bounds}
    starts = [start for start in bounds[:-1] if names[start] not in foreign]
    slots = tuple(
        Slot(start, wanted.floor(start, end), names[start], max(end, start + MIN_DURATION))
        for start, end in zip(starts, [*starts[1:], bounds[-1]], strict=True)
    )
    rewritten, left = _settle_windows(wanted, first)
    return Schedule((*rewritten, *slots), urgent=frozenset(slot.start for slot in rewritten), left=left)


def _settle_windows(wanted: Restoring, first: datetime) -> tuple[tuple[Slot, ...], tuple[Slot, ...]]:
    """Windows that are open or open before `first`, with more than the restored minimum: those to rewrite, and those to leave.

    An open window is never touched, nor one that opens before the patch is sure to be applied. One that opens with less needs nothing: the greatest
    of all holds.
    """
    rewritten: list[Slot] = []
    left: list[Slot] = []
    for slot in sort_windows(our_windows(wanted.group, wanted.owners), wanted.now).kept:
        end = max(first, slot.start + MIN_DURATION)
        floor = wanted.floor(max(slot.start, wanted.now), end)
        if slot.floor <= floor:
            continue
        if slot.start >= wanted.now + REWRITE_AHEAD and first < (slot.end or end):
            rewritten.append(Slot(slot.start, floor, slot.name, end))
        elif slot.end and slot.end > first:
            left.append(slot)
    return tuple(rewritten), tuple(left)


class _Builder:
    def __init__(self, request: Request) -> None:
        self.request = request
        group = request.group
        ours = our_windows(group, request.owners)
        self.foreign = {action.name for action in group.actions} - {slot.name for slot in ours}
        self.windows = sort_windows(ours, request.now)
        self.first = round_up(request.now + START_AHEAD, 1)
        _starts, _step, self.end = plan_span(request.plan)
        maxima = ((min(request.now, _starts[0]), group.max_size),)
        self.notes = check_maxima(request, maxima, "maxNumReplicas")
        self.clamped = bool(self.notes)
        if group.min_size < request.plan.baseline:
            self.notes.append(
                f"minNumReplicas is {group.min_size}, below the fleet's floor of {request.plan.baseline}: after the plan's end {group.min_size} holds"
            )
        floors = {slot.start: slot.floor for slot in self.windows.ahead}
        if self.windows.ahead:
            # On AWS an action stands where the last window ends, and restores the baseline: a new plan is weighed against it.
            floors.setdefault(max(slot.end or slot.start for slot in self.windows.ahead), request.plan.baseline)
        timeline = windows_timeline([*self.windows.kept, *self.windows.ahead], group.min_size)
        self.slots = PlannedSlots(request, floors, timeline, PeopleFloor(0, ()), maxima, MIN_DURATION)
        self.names = {slot.start: slot.name for slot in ours}

    def build(self) -> Schedule:
        times = self._choose_times()
        values = self.slots.values([*times, self.end])
        slots = tuple(
            Slot(start, value, self._name(start), max(end, start + MIN_DURATION))
            for start, end, value in zip(times, [*times[1:], self.end], values, strict=False)
        )
        return Schedule(slots, tuple(self.notes), clamped=self.clamped)

    def _choose_times(self) -> list[datetime]:
        """The finest grid that fits beside what stays. The reserve for people's next schedules is used last."""
        for limit in (MAX_WINDOWS - RESERVED_WINDOWS, MAX_WINDOWS):
            for grid in GRIDS:
                times = self._times(grid)
                if len(self.foreign) + len(self.windows.kept) + len(times) <= limit:
                    if grid is not GRIDS[0]:
                        self.notes.append(
                            f"coarsened to {grid}: other people have {len(self.foreign)} scaling schedules on this autoscaler"
                        )
                    return times
        raise Hold(
            "no-room",
            f"other people have {len(self.foreign)} of at most {MAX_WINDOWS} scaling schedules on this autoscaler: delete some",
        )

    def _times(self, grid: Grid) -> list[datetime]:
        until = min(self.request.until or self.end, self.end)
        kept = {slot.start for slot in self.windows.ahead if until <= slot.start < self.end}
        times = {*grid.starts(self.first, self.request.now, until), *kept}
        times |= limit_bounds(self.request.plan, self.first, until)
        if roll := self._roll_time(min(times, default=self.end)):
            times.add(roll)
        return sorted(start for start in times if self._name(start) not in self.foreign)

    def _roll_time(self, first_slot: datetime) -> datetime | None:
        """A start before the first slot, where the need until then is not held by windows that stay open."""
        standing = next((start for start in sorted(self.names) if self.first <= start < self.first + ROLL_KEPT), None)
        start = standing or self.first
        if start >= first_slot:
            return None
        kept = windows_timeline(self.windows.kept, self.request.group.min_size)
        bounds = [start, *(bound for bound, _ in kept if start < bound < first_slot)]
        lowest = min(value_at(kept, bound, self.request.group.min_size) for bound in bounds)
        return start if lowest < self.slots.wanted(start, first_slot) else None

    def _name(self, start: datetime) -> str:
        """The name that stands for this start (a former owner's is kept), else our own."""
        return self.names.get(start, window_name(self.request.owner, start))
