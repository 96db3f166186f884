"""What Google Cloud's scaling schedules make of a plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from forecasting.planning.base import Plan
from forecasting.schedule.actions import GroupState, owner_of
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.gcp import (
    ROLL_KEPT,
    build_windows,
    floor_in_force,
    is_open,
    our_windows,
    restore_windows,
    sort_windows,
)
from forecasting.schedule.gcp_limits import START_AHEAD
from forecasting.schedule.gcp_windows import external_windows, windows_timeline
from forecasting.schedule.in_force import MinimumInForce, Sizes, compare_with_plan, first_writable
from forecasting.schedule.memory import Memory, Observation
from forecasting.schedule.people import Timeline
from forecasting.schedule.slots import Request, Restoring, plan_span
from forecasting.targets.base import Change, Diff


class GcpRules:
    """A window raises the minimum until it ends, and the greatest of all that are open holds. See `forecasting.targets.base.Rules`.

    So nothing has to be told from a person's hand: the autoscaler's own minimum and people's schedules are theirs, and ours only add to them.
    """

    def ours(self, group: GroupState, owners: Collection[str]) -> tuple[Slot, ...]:
        """Our windows."""
        return our_windows(group, owners)

    def observe(
        self, memory: Memory | None, group: GroupState, fleet_floor: int, owners: Collection[str], now: datetime
    ) -> Observation:
        """The autoscaler's own minimum is what people want."""
        return Observation(group.min_size, memory.baseline if memory else group.min_size)

    def people_events(self, group: GroupState, owners: Collection[str], now: datetime, end: datetime) -> Timeline:
        """None: their windows leave nothing behind."""
        return ()

    def floor_in_force(self, group: GroupState, owners: Collection[str], now: datetime) -> int:
        """The autoscaler's minimum, or that of our open windows."""
        return floor_in_force(group, owners, now)

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
        """The greatest of the autoscaler's minimum and all open windows, within its maximum."""
        end = plan_span(plan)[2]
        foreign = [action for action in group.actions if owner_of(action) not in owners]
        windows = [*slots, *external_windows(foreign, now, end)]
        bounds = sorted({now, *(when for when, _ in windows_timeline(windows, 0) if now < when < end)})
        sizes = [_sizes_at(group, windows, moment) for moment in bounds]
        since = first_writable(slots, now, START_AHEAD, ROLL_KEPT)
        return compare_with_plan(sizes, plan, since, slots=slots, ramp_limited=ramp_limited)

    def timeline(self, slots: Sequence[Slot]) -> Timeline:
        """The greatest of those that are open."""
        return windows_timeline(slots, 0)

    def build(self, request: Request) -> Schedule:
        """See `build_windows`."""
        return build_windows(request)

    def restore(self, wanted: Restoring) -> Schedule:
        """See `restore_windows`."""
        return restore_windows(wanted)

    def diff(self, group: GroupState, schedule: Schedule, owners: Collection[str], now: datetime) -> Diff:
        """One patch: what is new or different, and without what is gone or no longer wanted."""
        standing = our_windows(group, owners)
        by_name = {slot.name: slot for slot in standing}
        wanted = {slot.name for slot in schedule.slots}
        sorted_ = sort_windows(standing, now)
        return Diff(
            puts=tuple(
                Change(slot, by_name[slot.name].floor if slot.name in by_name else None)
                for slot in reversed(schedule.slots)
                if by_name.get(slot.name) != slot
            ),
            deletes=tuple(slot for slot in sorted((*sorted_.gone, *sorted_.ahead)) if slot.name not in wanted),
            kept=tuple(slot for slot in schedule.slots if by_name.get(slot.name) == slot),
            imminent=tuple(slot for slot in sorted_.kept if slot.name not in wanted),
            at_once=True,
            urgent=schedule.urgent,
        )

    def stands(self, group: GroupState, schedule: Schedule, diff: Diff, owners: Collection[str], now: datetime) -> bool:
        """Nothing goes by itself: ours are what is wanted and what was left open, and nothing else."""
        return set(our_windows(group, owners)) == {*schedule.slots, *diff.imminent}

    def released_min(self, group: GroupState, seen: Observation) -> int:
        """It was never ours."""
        return group.min_size


def _sizes_at(group: GroupState, windows: Collection[Slot], moment: datetime) -> Sizes:
    """The bounds at a moment, and the open window that asks for most."""
    asking = max((slot for slot in windows if is_open(slot, moment)), key=lambda slot: slot.floor, default=None)
    floor = max(group.min_size, asking.floor if asking else 0)
    return Sizes(moment, min(floor, group.max_size), group.max_size, asking.name if asking else "")
