"""A plan as scheduled actions of an Auto Scaling group.

Only MinSize is written. Starts come from a nested grid, stay clear of other people's actions, and the last one restores the baseline. See
`designs/schedule-aws.md` for the rules and why they hold after a crash at any call.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from forecasting.errors import Hold
from forecasting.planning.base import Plan
from forecasting.planning.limits import limit_changes
from forecasting.schedule.actions import GroupState, ScheduledAction, slot_name, split_actions
from forecasting.schedule.aws_limits import MAX_ACTIONS, ORDER_GAP, RESERVED_ACTIONS, START_AHEAD
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.grid import GRIDS, Grid, round_up
from forecasting.schedule.people import PeopleFloor, max_size_events, people_events, value_at

NEAR = timedelta(hours=6)
"""Slots within this time are held to the plan closely; for those beyond, a value too high costs nothing if the job lives to plan them again."""

RAISE_MARGIN = 0.3
"""A far slot that has to be raised is raised by this much more, so that a load that grows from run to run does not rewrite it in each."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Request:
    """What a schedule is built from.

    Attributes:
        plan: The floor per step.
        now: Aware datetime of the run.
        owner: Id of the stack that owns the actions.
        former_owners: Ids it had before; their actions are ours.
        ceiling: The fleet's ceiling.
        max_increase_per_slot: Largest rise from a slot to the next, or None; `max_decrease_per_slot` likewise.
        group: The group as it stands.
        people_floor: The people's floor now (`people.observe`).
        raise_only: The data is in doubt: no slot goes below what the standing schedule gives.
    """

    plan: Plan
    now: datetime
    owner: str
    former_owners: tuple[str, ...]
    ceiling: int
    max_increase_per_slot: int | None
    max_decrease_per_slot: int | None
    group: GroupState
    people_floor: int
    raise_only: bool = False

    @property
    def owners(self) -> frozenset[str]:
        """All ids whose actions are ours."""
        return frozenset({self.owner, *self.former_owners})


def build_schedule(request: Request) -> Schedule:
    """The slots that should stand, given what stands.

    Raises:
        Hold: other people's actions leave no room, or the group's MaxSize is below the fleet's floor.
    """
    return _Builder(request).build()


class _Builder:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.plan = request.plan
        self.owned, self.foreign = split_actions(request.group.actions, request.owners)
        self.first = round_up(request.now + START_AHEAD, 1)
        self.starts: list[datetime] = [stamp.to_pydatetime() for stamp in pd.DatetimeIndex(self.plan.floor.index)]
        self.floors = [int(value) for value in self.plan.floor]
        self.step = self.starts[1] - self.starts[0]
        self.end = round_up(self.starts[-1] + self.step, 60)
        self.people = PeopleFloor(
            request.people_floor, people_events(self.foreign, request.now, self.end + timedelta(hours=1))
        )
        self.upper, self.notes = self._upper()
        standing = {start: action.min_size or 0 for start, action in self.owned.items() if start > request.now}
        self.standing = sorted([*standing.items(), *self.people.events])

    def build(self) -> Schedule:
        times, complete = self._choose_times()
        values = self._values(times)
        slots = tuple(
            Slot(start, value, self._name(start))
            for start, value in zip(times, values, strict=True)
            # Where people want more than the ceiling allows us, nothing of ours may run: it could only lower their floor.
            if self.people.at(start) <= self.upper
        )
        if len(slots) < len(times):
            self.notes.append(
                f"people want {max(self.people.at(start) for start in times)} instances, more than the {self.upper} that may be asked for:"
                f" {len(times) - len(slots)} of {len(times)} slots are left to them"
            )
        return Schedule(slots, tuple(self.notes), complete)

    def _upper(self) -> tuple[int, list[str]]:
        """The highest MinSize that may be written, and what limits it below the ceiling."""
        group_max = min(
            [
                self.request.group.max_size,
                *(size for _, size in max_size_events(self.foreign, self.request.now, self.end)),
            ]
        )
        if group_max < self.plan.baseline:
            raise Hold(
                "max-size-below-floor",
                f"the group's MaxSize is (or is scheduled to be) {group_max}, below the fleet's floor of {self.plan.baseline}",
            )
        if group_max < self.request.ceiling and max(self.floors) > group_max:
            return group_max, [
                f"clamped: the group's MaxSize of {group_max} is below the fleet's ceiling of {self.request.ceiling} and the plan needs more"
            ]
        return min(self.request.ceiling, group_max), []

    # Times

    def _choose_times(self) -> tuple[list[datetime], bool]:
        """The finest grid that fits beside what stands.

        Where none does, an intermediate schedule on standing names alone, which makes room. The reserve for people's next actions is used last.
        """
        for limit in (MAX_ACTIONS - RESERVED_ACTIONS, MAX_ACTIONS):
            for grid in GRIDS:
                times = self._times(grid)
                new = sum(start not in self.owned for start in times)
                if len(self.foreign) + len(self.owned) + new <= limit:
                    self._note_grid(grid)
                    return times, True
            for grid in GRIDS:
                wanted = set(self._times(grid))
                # The last standing slot restores the baseline and stays.
                shared = [start for start in sorted(self.owned) if start in wanted or start == max(self.owned)]
                if shared and len(self.foreign) + len(shared) < limit and len(shared) < len(self.owned):
                    self.notes.append("intermediate: standing actions are thinned out first to make room")
                    return shared, False
        raise Hold(
            "no-room",
            f"other people have {len(self.foreign)} of at most {MAX_ACTIONS} scheduled actions on this group: delete some",
        )

    def _note_grid(self, grid: Grid) -> None:
        if grid is not GRIDS[0]:
            self.notes.append(
                f"coarsened to {grid}: other people have {len(self.foreign)} scheduled actions on this group"
            )

    def _times(self, grid: Grid) -> list[datetime]:
        times = set(grid.starts(self.first, self.request.now, self.end)) | {self.end}
        roll = self._roll_time(min(times))
        foreign_names = {action.name for action in self.foreign}
        clear = clear_starts(
            times | ({roll} if roll else set()),
            self.foreign,
            self.people.events,
            self.first,
            together=timedelta(minutes=grid.together_minutes),
        )
        return [start for start in clear if self._name(start) not in foreign_names]

    def _roll_time(self, first_slot: datetime) -> datetime | None:
        """A start before the first slot, where the need of the present interval would else wait for it.

        One that stands already keeps its start, so that a second run writes nothing.
        """
        standing = next((start for start in sorted(self.owned) if self.first <= start < self.first + ORDER_GAP), None)
        start = standing or self.first
        in_force = value_at(self.standing, start - timedelta(seconds=1), self.request.group.min_size)
        if start < first_slot and in_force < min(self._planned(start, first_slot), self.upper):
            return start
        return None

    # Values

    def _values(self, times: Sequence[datetime]) -> list[int]:
        request = self.request
        spans = list(zip(times, [*times[1:], None], strict=True))
        # Hysteresis is for what we plan. What people want, and what stands when in doubt, is taken as it is.
        least = [
            max(self.people.at(start), self._standing(start, end) if request.raise_only else 0) for start, end in spans
        ]
        settled = [
            max(self._settle(start, self._planned(start, end)), low)
            for (start, end), low in zip(spans, least, strict=True)
        ]
        limited = limit_changes(
            settled[:-1],
            start=value_at(self.standing, times[0] - timedelta(seconds=1), request.group.min_size),
            lower=self.plan.baseline,
            upper=self.upper,
            max_increase=request.max_increase_per_slot,
            max_decrease=request.max_decrease_per_slot,
        )
        # The last slot restores the baseline: it is exempt from the limits of change. What people want, and what stands when in doubt, outranks them.
        return [
            min(max(value, low), self.upper)
            for value, low in zip([*limited, max(self.plan.baseline, least[-1])], least, strict=True)
        ]

    def _planned(self, start: datetime, end: datetime | None) -> int:
        """The plan's largest floor between two starts; the baseline after the plan's end."""
        if start >= self.end:
            return self.plan.baseline
        first = bisect_right(self.starts, start - self.step)
        last = bisect_left(self.starts, end) if end else len(self.starts)
        return max(self.floors[first:last], default=self.plan.baseline)

    def _standing(self, start: datetime, end: datetime | None) -> int:
        """The standing schedule's largest floor between two starts."""
        return highest(self.standing, start, end, self.request.group.min_size)

    def _settle(self, start: datetime, value: int) -> int:
        """Hysteresis, always on the high side: raising is urgent, lowering a far slot is not, since it will be planned again before it comes."""
        standing = self.owned.get(start)
        if standing is None or standing.min_size is None or start == self.end:
            return value
        far = start - self.request.now > NEAR
        if value <= standing.min_size <= value + _tolerance(value, far=far):
            return standing.min_size
        return value + math.ceil(value * RAISE_MARGIN) if far and standing.min_size < value else value

    def _name(self, start: datetime) -> str:
        """The name that stands for this start (a former owner's is kept: it can neither be renamed nor doubled), else our own."""
        standing = self.owned.get(start)
        return standing.name if standing else slot_name(self.request.owner, start)


def _tolerance(value: int, *, far: bool) -> int:
    """How much too high a standing slot may stay, in instances: a tenth (at least one) when it is near, half (at least three) while it is far."""
    return max(3, math.ceil(value * 0.5)) if far else max(1, math.ceil(value * 0.1))


def clear_starts(
    times: Collection[datetime],
    foreign: Collection[ScheduledAction],
    events: Sequence[tuple[datetime, int]],
    first: datetime,
    together: timedelta = 2 * ORDER_GAP,
) -> list[datetime]:
    """The starts, ascending, moved out of other people's way: away from their changes of MinSize, and off the starts of all their actions.

    Actions closer than the jitter run in either order. So before each change of theirs (or cluster of them) the last start is `ORDER_GAP` earlier;
    after it, one re-asserts the plan `ORDER_GAP` later.

    Args:
        times: The starts that are wanted.
        foreign: Other people's actions.
        events: When they set MinSize, and to what.
        first: No start is earlier.
        together: Changes closer than this are taken for one: nothing of ours runs between them.
    """
    clear, end = set(times), max(times)
    changes = [when for when, _ in events if first - ORDER_GAP <= when <= end + ORDER_GAP]
    for opening, closing in _clusters(changes, together):
        near = {start for start in clear if opening - ORDER_GAP < start < closing + ORDER_GAP}
        clear -= near
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


def highest(timeline: Sequence[tuple[datetime, int]], start: datetime, end: datetime | None, before: int) -> int:
    """The largest value of start <= time < end; `before` is in force where nothing has started yet."""
    within = [value for when, value in timeline if start < when and (end is None or when < end)]
    return max([value_at(timeline, start, before), *within])


def standing_timeline(
    actions: Collection[ScheduledAction], owners: Collection[str]
) -> tuple[tuple[datetime, int], ...]:
    """Our slots as they stand: (start, MinSize), ascending."""
    owned, _ = split_actions(actions, owners)
    return tuple(sorted((start, action.min_size or 0) for start, action in owned.items()))
