"""What AWS's scheduled actions make of a plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from forecasting.planning.base import Plan
from forecasting.schedule.actions import GroupState, ScheduledAction, split_actions
from forecasting.schedule.aws import build_schedule, restore_schedule, slot_list
from forecasting.schedule.aws_limits import ORDER_GAP, START_AHEAD
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.in_force import MinimumInForce, Replay, compare_with_plan, first_writable
from forecasting.schedule.memory import Memory, Observation, observe
from forecasting.schedule.people import Timeline, people_events
from forecasting.schedule.slots import Request, Restoring, plan_span
from forecasting.targets.base import Change, Diff

CLOCK_SKEW = timedelta(minutes=1)
"""AWS's clock may be this much ahead of ours."""


class AwsRules:
    """An action holds until the next one, whoever wrote it. See `forecasting.targets.base.Rules`."""

    def ours(self, group: GroupState, owners: Collection[str]) -> tuple[Slot, ...]:
        """Our actions."""
        owned, _foreign = split_actions(group.actions, owners)
        return slot_list(owned)

    def observe(
        self, memory: Memory | None, group: GroupState, fleet_floor: int, owners: Collection[str], now: datetime
    ) -> Observation:
        """From the live MinSize and what the last run knew."""
        return observe(memory, group, fleet_floor, owners, now)

    def people_events(self, group: GroupState, owners: Collection[str], now: datetime, end: datetime) -> Timeline:
        """What their actions will set."""
        _owned, foreign = split_actions(group.actions, owners)
        return people_events(foreign, now, end)

    def floor_in_force(self, group: GroupState, owners: Collection[str], now: datetime) -> int:
        """The live MinSize, whoever set it."""
        return group.min_size

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
        """An action holds until the next one, whoever wrote it."""
        _owned, foreign = split_actions(group.actions, owners)
        end = plan_span(plan)[2]
        sizes = Replay(group, foreign, now, end).sizes(slots)
        since = first_writable(slots, now, START_AHEAD, ORDER_GAP)
        return compare_with_plan(sizes, plan, since, slots=slots, ramp_limited=ramp_limited, settle=ORDER_GAP)

    def timeline(self, slots: Sequence[Slot]) -> Timeline:
        """Each holds until the next."""
        return tuple((slot.start, slot.floor) for slot in sorted(slots))

    def build(self, request: Request) -> Schedule:
        """See `build_schedule`."""
        return build_schedule(request)

    def restore(self, wanted: Restoring) -> Schedule:
        """See `restore_schedule`."""
        return restore_schedule(wanted)

    def diff(self, group: GroupState, schedule: Schedule, owners: Collection[str], now: datetime) -> Diff:
        """See `make_diff`."""
        owned, _foreign = split_actions(group.actions, owners)
        return make_diff(owned, schedule, now)

    def stands(self, group: GroupState, schedule: Schedule, diff: Diff, owners: Collection[str], now: datetime) -> bool:
        """What has run meanwhile is gone; the rest must stand, and nothing else but what is about to run."""
        owned, _foreign = split_actions(group.actions, owners)
        return same(schedule.slots, owned, now)

    def released_min(self, group: GroupState, seen: Observation) -> int:
        """What people want, else what was found at first contact."""
        return min(seen.people_floor or seen.baseline, group.max_size)


def make_diff(owned: Mapping[datetime, ScheduledAction], schedule: Schedule, now: datetime) -> Diff:
    """The writes that turn our standing actions into `schedule`.

    The order is what keeps every minute's floor the old plan's or the new plan's wherever a crash falls: upserts from the latest start to the
    earliest, then deletes from the earliest to the latest. What is about to run comes before both.
    """
    standing = {start: Slot(start, action.min_size or 0, action.name) for start, action in owned.items()}
    wanted = {slot.start: slot for slot in schedule.slots}
    imminent = {
        start: slot
        for start, slot in standing.items()
        if now - START_AHEAD <= start < now + START_AHEAD and start not in wanted and start not in schedule.urgent
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
        urgent=schedule.urgent,
    )


def same(slots: Sequence[Slot], owned: Mapping[datetime, ScheduledAction], now: datetime) -> bool:
    """Whether our actions are exactly `slots`: all of those stand that cannot have run yet, and nothing else but what is about to run."""
    wanted = {(slot.start, slot.floor, slot.name) for slot in slots}
    standing = {(start, action.min_size, action.name) for start, action in owned.items()}
    missing, surplus = wanted - standing, standing - wanted
    return all(start <= now + CLOCK_SKEW for start, *_ in missing) and all(
        start < now + START_AHEAD for start, *_ in surplus
    )
