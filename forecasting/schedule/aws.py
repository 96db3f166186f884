"""A plan as scheduled actions of an Auto Scaling group.

Only MinSize is written. Starts come from a nested grid, stay clear of other people's actions, and the last one restores the baseline. See
`designs/schedule-aws.md` for the rules and why they hold after a crash at any call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from operator import lt

from forecasting.errors import Hold
from forecasting.planning.pool import lowest
from forecasting.schedule.actions import ScheduledAction, slot_name, split_actions
from forecasting.schedule.aws_limits import JITTER, MAX_ACTIONS, ORDER_GAP, RESERVED_ACTIONS, START_AHEAD
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.clearance import Clearance
from forecasting.schedule.crowded import StartScorer
from forecasting.schedule.grid import CROWDED_GRIDS, GRIDS, Grid, Tiers, round_up
from forecasting.schedule.in_force import Replay
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
from forecasting.schedule.transition import Bounds, after_each_call, find_ways

_MINUTE = timedelta(minutes=1)

_MOST_CANDIDATES = 12
"""Lists of slot starts that are tried for a way to get there, of those within one limit."""

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
    starts = Clearance(foreign, people.events, first).starts(
        {first, *(start for start, _ in wanted.previous if start > first)}
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


def slot_list(owned: Mapping[datetime, ScheduledAction]) -> tuple[Slot, ...]:
    """Managed actions as slots, ascending."""
    return tuple(Slot(start, action.min_size or 0, action.name) for start, action in sorted(owned.items()))


class _Builder:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.plan = request.plan
        self.owned, self.foreign = split_actions(request.group.actions, request.owners)
        self.first = round_up(request.now + START_AHEAD, 1)
        self._wanted_times, self._is_taken = cache(self._wanted_times), cache(self._is_taken)
        self.starts, _step, self.end = plan_span(self.plan)
        people = PeopleFloor.in_any_order(
            request.people_floor, people_events(self.foreign, request.now, self.end + timedelta(hours=1))
        )
        events = [event for event in people.events if event[0] <= self.end + ORDER_GAP]
        self.clearance = Clearance(self.foreign, events, self.first)
        self.replay = Replay(request.group, self.foreign, request.now, self.end)
        live = (min(request.now, self.starts[0]), request.group.max_size)
        maxima = (live, *max_size_events(self.foreign, request.now, self.end))
        lone = [action for action in self.foreign if action.min_size is None]
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
        self.existing = tuple(
            replace(slot, floor=resized.get(slot.start, slot.floor))
            for slot in slot_list(self.owned)
            if slot.start not in cancelled
        )
        floors = {start: action.min_size or 0 for start, action in self.owned.items()}
        self.slots = PlannedSlots(
            request,
            floors,
            standing,
            people,
            maxima,
            lone_maxima=max_size_events(lone, request.now, self.end),
        )

    def build(self) -> Schedule:
        old = _values(self.existing)
        sizes = self.replay.sizes(self.existing)
        in_force = [each.minimum for each in sizes if each.start < self.first]
        bounds = Bounds(
            room=MAX_ACTIONS - len(self.foreign),
            changes=[when for when, _ in self.slots.people.events],
            first=self.first,
            live=in_force[-1],
            upper=self.slots.upper,
        )
        better: list[tuple[Slot, ...]] = []
        for grid, times in self._ranked(in_force[-1]):
            slots, notes = self._slots(times)
            new = _values(slots)
            if grid is None and not new:  # nothing fits: what exists runs on
                continue
            steps = self._safe_steps(old, new, bounds)
            if steps is None:
                better.append(slots)
                continue
            onward = [each for each in better if any(find_ways(new, _values(each), bounds))]
            if any(self._falls_between(slots, each) for each in onward):
                continue
            self.notes += notes
            if grid is not GRIDS[0]:
                self._note_grid(grid)
            self.notes += [
                f"{slot.name} sets MinSize {slot.floor} at {slot.start:%H:%M} UTC and cannot be stopped any more"
                for slot in self.pending.left
            ]
            slots = (*self.pending.rewritten, *slots)
            if len(steps) > 1:
                self.notes.append("intermediate: managed actions are merged first to make room")
                slots = tuple(Slot(start, value, self._name(start)) for start, value in sorted(steps[0].items()))
            # A better schedule may be reachable from this one alone, since slots keep values that exist. In doubt,
            # and where nothing new fits, the room that this one leaves may take more slots: the next round looks again.
            final = grid is not None and (grid is GRIDS[0] or not self.request.raise_only)
            settled = len(steps) <= 1 and not better and final
            return Schedule(slots, tuple(self.notes), settled, self.clamped, self.pending.urgent, self.pending.left)
        raise Hold(
            "no-room",
            f"external actions are {len(self.foreign)} of at most {MAX_ACTIONS} scheduled actions on this group: delete some",
        )

    def _safe_steps(
        self, old: Mapping[datetime, int], new: Mapping[datetime, int], bounds: Bounds
    ) -> list[dict[datetime, int]] | None:
        """The shortest way of which each call is safe."""
        return next((steps for steps in find_ways(old, new, bounds) if self._are_safe(steps)), None)

    def _are_safe(self, steps: Sequence[Mapping[datetime, int]]) -> bool:
        """Whether after each call of these steps no minute's minimum is below both the first and the last list's."""
        if not self.foreign or not steps:
            return True
        old = _values(self.existing)
        pending = {start: value for start, value in old.items() if start < self.first}
        new = {**pending, **steps[-1]}
        starts = {self.first, *self.replay.external_starts, *old, *(start for step in steps for start in step)}
        moments = sorted(moment for moment in starts if self.first <= moment < self.end)
        lists = (self.replay.minimums(actions, moments) for actions in (old, new))
        least = [min(both) for both in zip(*lists, strict=True)]
        before = old
        for step in steps:
            after = {**pending, **step}
            for actions in after_each_call(before, after):
                if any(map(lt, self.replay.minimums(actions, moments), least)):
                    return False
            before = after
        return True

    def _slots(self, times: Sequence[datetime]) -> tuple[tuple[Slot, ...], list[str]]:
        """The slots with these starts, and what a person should know of those that are left out."""
        spans = list(zip(times, [*times[1:], None], self.slots.values(times), strict=True)) if times else []
        slots = tuple(
            Slot(start, value, self._name(start))
            for start, end, value in spans
            # Where people want more than the ceiling allows us, nothing of ours may run: it could only lower their floor.
            if self.slots.is_open(start) and self.slots.people.at(start) <= self.slots.upper(start, end)
        )
        if (
            self.request.raise_only
        ):  # in doubt what exists is kept in closed hours too: its deletion could lower the minimum
            kept = {slot.start: slot for slot in self.existing if not self.slots.is_open(slot.start)}
            slots = tuple(sorted([*slots, *(kept[start] for start in times if start in kept)]))
        written = {slot.start for slot in slots}
        # A pool's window closes by an action that is not ours: what stands until then is not worth a word. Closed hours are named elsewhere.
        left = [
            start
            for start in times
            if start not in written and self.slots.is_open(start) and not self._closes_at(start)
        ]
        if not left:
            return slots, []
        wanted = max(self.slots.people.at(start) for start in left)
        upper = min(self.slots.upper(start, None) for start in left)
        text = (
            f"people want {wanted} instances, more than the {upper} that may be asked for:"
            f" {len(left)} of {len(times)} slots are left to them"
        )
        return slots, [text]

    def _closes_at(self, start: datetime) -> bool:
        return lowest(self.plan.limits, start, start + 2 * ORDER_GAP, self.request.ceiling) == 0

    def _falls_between(self, slots: Sequence[Slot], after: Sequence[Slot]) -> bool:
        """Whether the minimum in force by `slots` is at any time below both the present list's and the next one's."""
        old = _values(self.existing)
        pending = {start: value for start, value in old.items() if start < self.first}
        lists = (old, {**pending, **_values(slots)}, {**pending, **_values(after)})
        starts = {self.first, *self.replay.external_starts, *(start for each in lists for start in each)}
        moments = sorted(moment for moment in starts if self.first <= moment < self.end)
        before, between, then = (self.replay.minimums(each, moments) for each in lists)
        return any(value < min(bounds) for value, *bounds in zip(between, before, then, strict=True))

    # Times

    def _ranked(self, live: int) -> Iterator[tuple[Grid | None, Sequence[datetime]]]:
        """Slot starts that fit beside the external actions, the best first.

        That is the finest grid if it fits; else the one whose minimum in force, external actions
        included, is nearest to the plan. The reserve for further external actions is used last.
        In doubt the starts that exist are kept, and the finest grid that fits is added. The starts
        that exist are the last resort: they need no room.
        """
        finest = self._times(GRIDS[0])
        if self._fits(finest, _COMFORT):
            yield GRIDS[0], finest
        grids: dict[tuple[datetime, ...], Grid] = {}
        for grid in CROWDED_GRIDS:
            times = tuple(self._times(grid))
            if self._fits(times, MAX_ACTIONS):
                grids.setdefault(times, grid)
        ranked = list(grids) if self.request.raise_only else self._scorer(live).rank(grids)
        for limit in (_COMFORT, MAX_ACTIONS):
            for times in [each for each in ranked if self._fits(each, limit)][:_MOST_CANDIDATES]:
                yield grids[times], times
        if existing := sorted(start for start in self.owned if start >= self.first):
            yield None, existing if self.request.raise_only else self.clearance.starts(existing, self.first)

    def _fits(self, times: Collection[datetime], limit: int) -> bool:
        """Whether these slots fit; in doubt, beside those that exist: no room is made for them."""
        kept: Collection[datetime] = self.owned if self.request.raise_only else ()
        return len({*times, *kept}) + len(self.foreign) <= limit

    def _scorer(self, live: int) -> StartScorer:
        wanted = zip(self.starts, self.slots.floors, strict=True)
        moments = sorted({*self.starts, *(when for when, _ in self.plan.limits)})
        floors = tuple(wanted)
        timeline = [
            (moment, min(value_at(floors, moment, 0), lowest(self.plan.limits, moment, moment, self.request.ceiling)))
            for moment in moments
        ]
        return StartScorer(
            tuple(timeline),
            self.slots.people,
            live=live,
            first=self.first,
            end=self.end,
            baseline=self.plan.baseline,
        )

    def _note_grid(self, grid: Grid | None) -> None:
        chosen = f"coarsened to {grid}" if grid else "only the starts of existing actions are used"
        self.notes.append(f"{chosen}: external scheduled actions on this group: {len(self.foreign)}")

    def _times(self, grid: Grid) -> list[datetime]:
        answer_until = self.request.now + timedelta(hours=grid.answer_hours)
        clear = {
            start
            for start in self.clearance.starts(self._wanted_times(grid.tiers), answer_until)
            if not self._is_taken(start)
        }
        existing = {start for start in self.owned if self.request.raise_only and start >= self.first}
        return sorted(clear | existing)

    def _wanted_times(self, tiers: Tiers) -> frozenset[datetime]:
        """Slot starts without regard to external actions."""
        until = min(self.request.until or self.end, self.end)
        kept = {start for start in self.owned if until <= start < self.end}
        times = {*Grid(tiers).starts(self.first, self.request.now, until), *kept, self.end}
        times |= limit_bounds(self.plan, self.first, until)
        roll = self._roll_time(min(times)) or self._fall_time(min(times))
        return frozenset(times | ({roll} if roll else set()))

    @cached_property
    def _foreign_names(self) -> frozenset[str]:
        return frozenset(action.name for action in self.foreign)

    def _is_taken(self, start: datetime) -> bool:
        """Whether an external action has the name of this slot."""
        return self._name(start) in self._foreign_names

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


def _values(slots: Iterable[Slot]) -> dict[datetime, int]:
    return {slot.start: slot.floor for slot in slots}
