"""Applies a difference safely: fenced, in order, and read back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from forecasting.errors import Hold
from forecasting.schedule.actions import GroupState, split_actions
from forecasting.schedule.aws_limits import MIN_AHEAD_AT_CALL
from forecasting.schedule.base import Schedule
from forecasting.targets.base import Diff, Target, make_diff, same


@dataclass(frozen=True)
class Outcome:
    """What applying a schedule did.

    Attributes:
        written: Mutating calls that were made.
        state: The group as it was read back.
    """

    written: int
    state: GroupState


def reconcile(
    target: Target,
    state: GroupState,
    schedule: Schedule,
    *,
    owners: Collection[str],
    fence: Callable[[], None],
    clock: Callable[[], datetime],
) -> Outcome:
    """Make our actions on the group equal `schedule`, and prove it by reading them back.

    What the read-back finds amiss is mended once. Nothing is written where nothing differs.

    Args:
        target: The group.
        state: The group as the schedule was built on it.
        schedule: What should stand.
        owners: Ids whose actions are ours.
        fence: Called before every write; raises `Hold` when this run may not write any more.
        clock: The present time (aware).

    Raises:
        Hold: fenced off, out of time, refused, or what was read back is not the schedule. Every slot then holds its old or its new value.
    """
    written = 0
    for _ in range(2):
        owned, _foreign = split_actions(state.actions, owners)
        diff = make_diff(owned, schedule, clock())
        written += _apply(target, diff, fence, clock)
        if diff.writes:
            state = target.read()
        standing, _foreign = split_actions(state.actions, owners)
        if same(schedule.slots, standing, clock()):
            return Outcome(written, state)
    raise Hold("read-back", "the group's scheduled actions are not what was written: somebody else is writing them")


def _apply(target: Target, diff: Diff, fence: Callable[[], None], clock: Callable[[], datetime]) -> int:
    written = 0
    for change in diff.puts:
        fence()
        # Puts go from the latest start to the earliest, so time runs out on the near slots, whose old values then stand.
        if change.slot.start <= clock() + MIN_AHEAD_AT_CALL:
            raise Hold(
                "too-late",
                f"writing took too long: {change.slot.name} is less than two minutes ahead; the next run goes on",
            )
        target.put(change.slot)
        written += 1
    for slot in diff.deletes:
        fence()
        target.delete(slot.name)
        written += 1
    return written
