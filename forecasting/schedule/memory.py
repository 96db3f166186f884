"""What a run remembers of a group, so that the next one can tell a person's hand from its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue, TypeAdapter, ValidationError

from forecasting.errors import StoreError
from forecasting.schedule.actions import GroupState, split_actions
from forecasting.schedule.aws_limits import JITTER
from forecasting.schedule.people import Timeline, last_people_event, value_at


@dataclass(frozen=True)
class Memory:
    """What the last run knew, so that this one can tell a person's hand from its own.

    Attributes:
        as_of: When it was written (UTC).
        min_size: The live MinSize then.
        baseline: MinSize as the group was found at first contact; `release` returns to it.
        people_floor: The people's floor then.
        people_events: Other people's future MinSizes, as they were known then.
        slots: Our slots as they stood when the last run had finished, what ran among its writes included.
        intended: Our slots as a run that may have died half-way wanted them; empty when it finished.
        previous: Managed slots before the last run that wrote, after the minimum that was in force then: what a rollback restores.
    """

    as_of: datetime
    min_size: int
    baseline: int
    people_floor: int
    people_events: Timeline = ()
    slots: Timeline = ()
    intended: Timeline = ()
    previous: Timeline = ()

    def to_json(self) -> dict[str, JsonValue]:
        """As the ledger keeps it."""
        return {
            "as_of": self.as_of.astimezone(UTC).isoformat(),
            "min_size": self.min_size,
            "baseline": self.baseline,
            "people_floor": self.people_floor,
            "people_events": _dump(self.people_events),
            "slots": _dump(self.slots),
            "intended": _dump(self.intended),
            "previous": _dump(self.previous),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Memory | None:
        """What `to_json` gave; None where nothing is remembered.

        Raises:
            StoreError: the record is damaged. Nothing is guessed from one.
        """
        if not data:
            return None
        try:
            return _MEMORY.validate_python(dict(data))
        except ValidationError as error:
            raise StoreError(f"the target's memory is damaged: {error.error_count()} fields cannot be read") from error

    def possible_min_sizes(self, now: datetime) -> set[int]:
        """Every MinSize that the group may have at `now` if nobody touched it: under the old slots or the new, each action on time or late."""
        values: set[int] = set()
        for slots in {self.slots, self.intended or self.slots}:
            timeline = sorted([*slots, *self.people_events])
            late = [
                now - JITTER - timedelta(minutes=1),
                *(start for start, _ in timeline if now - JITTER - timedelta(minutes=1) < start <= now),
                now,
            ]
            values |= {value_at(timeline, when, self.min_size) for when in late}
        return values


_MEMORY = TypeAdapter(Memory)


def _dump(timeline: Timeline) -> list[JsonValue]:
    return [[start.astimezone(UTC).isoformat(), value] for start, value in timeline]


@dataclass(frozen=True)
class Observation:
    """What people want of the group now.

    Attributes:
        people_floor: The MinSize that people want; 0 for none.
        baseline: MinSize as the group was found at first contact.
        note: What a person should know where a hand was seen, or None.
        raised: The manual raise that was seen; empty if there is none.
    """

    people_floor: int
    baseline: int
    note: str | None = None
    raised: str = ""

    def after_writing(self, group: GroupState, owners: Collection[str], now: datetime) -> Observation:
        """The same, with the note on a manual raise for `group` as it was read back."""
        if not self.raised:
            return self
        return replace(self, note=_raise_note(self.raised, self.people_floor, group, owners, now))


def observe(
    memory: Memory | None, group: GroupState, fleet_floor: int, owners: Collection[str], now: datetime
) -> Observation:
    """What people want now, from the live MinSize and what the last run knew.

    Args:
        memory: What the last run left, or None on first contact.
        group: The group as it stands.
        fleet_floor: The fleet's floor.
        owners: Ids whose actions are ours.
        now: Aware datetime.
    """
    live = group.min_size
    if memory is None:
        return _first_contact(group, fleet_floor, owners, now)
    possible = memory.possible_min_sizes(now)
    if live in possible:
        return Observation(value_at(memory.people_events, now, memory.people_floor), memory.baseline)
    if live > max(possible):
        return _raised(f"pinned: a person raised MinSize to {live}", memory.baseline, group, owners, now)
    return Observation(0, memory.baseline, f"a person lowered MinSize to {live}; the plan re-asserts what it needs")


_UNTIL = "nothing lower is scheduled until it is lowered or released"


def _first_contact(group: GroupState, fleet_floor: int, owners: Collection[str], now: datetime) -> Observation:
    owned, foreign = split_actions(group.actions, owners)
    scheduled = last_people_event(foreign, now) or 0
    live = group.min_size
    if owned:
        # The records are gone but our actions stand (a new store, a renamed stack): they wrote MinSize, and they would write it again.
        return Observation(
            scheduled,
            fleet_floor,
            "no records of this group: its standing actions are taken over, MinSize is taken for theirs",
        )
    if live == scheduled or live <= fleet_floor:
        return Observation(min(scheduled, live), live)
    raised = f"pinned: MinSize is {live}, above the fleet's floor of {fleet_floor}"
    return _raised(raised, live, group, owners, now)


def _raised(raised: str, baseline: int, group: GroupState, owners: Collection[str], now: datetime) -> Observation:
    live = group.min_size
    return Observation(live, baseline, _raise_note(raised, live, group, owners, now), raised)


def _raise_note(raised: str, size: int, group: GroupState, owners: Collection[str], now: datetime) -> str:
    """A manual raise, and whether it holds: managed actions may exist that set less."""
    owned, _foreign = split_actions(group.actions, owners)
    lower = [(start, action.min_size or 0) for start, action in sorted(owned.items()) if start > now - JITTER]
    lower = [(start, least) for start, least in lower if least < size]
    if not lower:
        return f"{raised}; {_UNTIL}"
    start, least = lower[0]
    return (
        f"{raised}; it does not hold yet: MinSize {least} is scheduled for {start:%H:%M} UTC. The next run changes that; "
        "`elastic-iac apply` does so at once"
    )


def with_value_before(timeline: Timeline, value: int, now: datetime) -> Timeline:
    """The timeline, after the value in force at `now`, where nothing of it had run yet."""
    earliest = min([now, *(start for start, _ in timeline)])
    return ((earliest - timedelta(minutes=1), value), *timeline)
