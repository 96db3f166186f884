"""A plan as scheduled actions of an Auto Scaling group.

Only MinSize is written. Starts come from a nested grid, stay clear of other people's actions, and the last one restores the baseline. See
`designs/schedule-aws.md` for the rules and why they hold after a crash at any call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from forecasting.errors import Hold
from forecasting.planning.pool import lowest
from forecasting.schedule.actions import ScheduledAction, slot_name, split_actions
from forecasting.schedule.aws_limits import JITTER, MAX_ACTIONS, ORDER_GAP, RESERVED_ACTIONS, START_AHEAD
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.grid import GRIDS, Grid, round_up
from forecasting.schedule.pending import Pending, settle_pending
from forecasting.schedule.people import PeopleFloor, max_size_events, people_events, value_at
from forecasting.schedule.slots import (
    PlannedSlots,
    Request,
    Restoring,
    check_maxima,
    limit_bounds,
    plan_span,
)

_MINUTE = timedelta(minutes=1)

_COMFORT = MAX_ACTIONS - RESERVED_ACTIONS
"""So many actions leave people their reserve."""


def build_schedule(request: Request) -> Schedule:
    """The slots that should stand, given what stands.

    Raises:
        Hold: other people's actions leave no room, or the group's MaxSize is below the fleet's floor.
    """
    return _Builder(request).build()


def restore_schedule(wanted: Restoring) -> Schedule:
    """An earlier schedule from `START_AHEAD` on. People come first as ever: no slot is restored below what they want now."""
    owned, foreign = split_actions(wanted.group.actions, wanted.owners)
    end = wanted.previous[-1][0] if wanted.previous else wanted.now
    people = PeopleFloor.in_any_order(wanted.people_floor, people_events(foreign, wanted.now, end + timedelta(hours=1)))
    first = round_up(wanted.now + START_AHEAD, 1)
    starts = clear_starts(
        {first, *(start for start, _ in wanted.previous if start > first)}, foreign, people.events, first
    )
    starts = _fitting(starts, owned, MAX_ACTIONS - len(wanted.group.actions))
    slots = tuple(
        Slot(
            start,
            wanted.floor(start, end, people.at(start)),
            owned[start].name if start in owned else slot_name(wanted.owner, start),
        )
        for start, end in zip(starts, [*starts[1:], None], strict=True)
        if people.at(start) <= wanted.upper
    )

    def restored(slot: Slot) -> int:
        # It must do until the next slot that exists now: the restored ones may not be written.
        following = min((start for start in owned if start > slot.start), default=starts[0])
        return wanted.floor(slot.start, max(following, starts[0]), people.at(slot.start))

    pending = _settle(owned, first, restored, people, wanted.group.min_size, wanted.now, wanted.upper)
    return Schedule((*pending.rewritten, *slots), urgent=pending.urgent, left=pending.left)


def _fitting(starts: list[datetime], owned: Mapping[datetime, ScheduledAction], room: int) -> list[datetime]:
    """The starts, without the latest new ones for which the group has no room beside what exists. The slot before each covers its time."""
    new = [start for start in starts if start not in owned]
    if len(new) <= room:
        return starts
    dropped = set(new) - set([starts[-1], *new][:room])
    kept = [start for start in starts if start not in dropped]
    if starts[-1] in dropped:  # then the last one that exists restores the baseline
        kept = sorted({*kept, max(owned)})
    return kept


def _settle(
    owned: Mapping[datetime, ScheduledAction],
    first: datetime,
    wanted: Callable[[Slot], int],
    people: PeopleFloor,
    live: int,
    now: datetime,
    upper: int,
) -> Pending:
    """Decide on the managed actions before `first` that have not run yet; one may be late."""
    pending = [
        Slot(start, action.min_size or 0, action.name)
        for start, action in owned.items()
        if now - JITTER < start < first
    ]
    return settle_pending(pending, wanted, live=live, external=people.events, now=now, upper=upper)


class _Builder:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.plan = request.plan
        self.owned, self.foreign = split_actions(request.group.actions, request.owners)
        self.first = round_up(request.now + START_AHEAD, 1)
        _starts, _step, self.end = plan_span(self.plan)
        people = PeopleFloor.in_any_order(
            request.people_floor, people_events(self.foreign, request.now, self.end + timedelta(hours=1))
        )
        live = (min(request.now, _starts[0]), request.group.max_size)
        maxima = (live, *max_size_events(self.foreign, request.now, self.end))
        self.notes = check_maxima(request, maxima, "MaxSize")
        self.clamped = bool(self.notes)
        self.pending = _settle(
            self.owned,
            self.first,
            # Only a slot below the external minimum is unwanted: any other is the plan's.
            lambda slot: max(slot.floor, people.at(slot.start)),
            people,
            request.group.min_size,
            request.now,
            request.ceiling,
        )
        resized = {slot.start: slot.floor for slot in self.pending.rewritten}
        cancelled = {slot.start for slot in self.pending.cancelled}
        ahead = [
            (start, resized.get(start, action.min_size or 0))
            for start, action in self.owned.items()
            if start > request.now and start not in cancelled
        ]
        standing = tuple(sorted([*ahead, *people.events]))
        floors = {start: action.min_size or 0 for start, action in self.owned.items()}
        self.slots = PlannedSlots(request, floors, standing, people, maxima)

    def build(self) -> Schedule:
        times, complete = self._choose_times()
        values = self.slots.values(times)
        slots = tuple(
            Slot(start, value, self._name(start))
            for start, end, value in zip(times, [*times[1:], None], values, strict=True)
            # Where people want more than the ceiling allows us, nothing of ours may run: it could only lower their floor.
            if self.slots.people.at(start) <= self.slots.upper(start, end)
        )
        written = {slot.start for slot in slots}
        # A pool's window closes by an action that is not ours: what stands until then is not worth a word.
        left = [start for start in times if start not in written and not self._closes_at(start)]
        if left:
            wanted = max(self.slots.people.at(start) for start in left)
            upper = min(self.slots.upper(start, None) for start in left)
            self.notes.append(
                f"people want {wanted} instances, more than the {upper} that may be asked for:"
                f" {len(left)} of {len(times)} slots are left to them"
            )
        for slot in self.pending.left:
            self.notes.append(
                f"{slot.name} sets MinSize {slot.floor} at {slot.start:%H:%M} UTC and cannot be stopped any more"
            )
        return Schedule(
            (*self.pending.rewritten, *slots),
            tuple(self.notes),
            complete,
            self.clamped,
            self.pending.urgent,
            self.pending.left,
        )

    def _closes_at(self, start: datetime) -> bool:
        return lowest(self.plan.limits, start, start + 2 * ORDER_GAP, self.request.ceiling) == 0

    # Times

    def _choose_times(self) -> tuple[list[datetime], bool]:
        """The finest grid that fits beside what stands.

        Where none does, an intermediate schedule on standing names alone, which makes room. The reserve for people's next actions is used last.
        """
        for limit in (_COMFORT, MAX_ACTIONS):
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
        until = min(self.request.until or self.end, self.end)
        kept = {start for start in self.owned if until <= start < self.end}
        times = {*grid.starts(self.first, self.request.now, until), *kept, self.end}
        times |= limit_bounds(self.plan, self.first, until)
        roll = self._roll_time(min(times)) or self._fall_time(min(times))
        foreign_names = {action.name for action in self.foreign}
        clear = clear_starts(
            times | ({roll} if roll else set()),
            self.foreign,
            self.slots.people.events,
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
        if start >= first_slot:
            return None
        # The external minimum too: a slot that could not be stopped may have lowered it.
        wanted = max(self.slots.wanted(start, first_slot), self.slots.people.at(start))
        return start if self._before(start) < wanted else None

    def _fall_time(self, first_slot: datetime) -> datetime | None:
        """A start before the first slot, where less is needed than what is in force until then. That is no reason to make room."""
        start = next(iter(self.slots.near_starts(self.first, first_slot)), None)
        if start is None or (start not in self.owned and len(self.foreign) + len(self.owned) >= _COMFORT):
            return None
        wanted = max(self.slots.wanted(start, first_slot), self.slots.people.at(start))
        return start if self._before(start) > wanted else None

    def _before(self, start: datetime) -> int:
        """The floor in force until a start, as it stands."""
        return value_at(self.slots.standing, start - timedelta(seconds=1), self.request.group.min_size)

    def _name(self, start: datetime) -> str:
        """The name that stands for this start (a former owner's is kept: it can neither be renamed nor doubled), else our own."""
        standing = self.owned.get(start)
        return standing.name if standing else slot_name(self.request.owner, start)


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
