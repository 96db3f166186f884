"""Applies a difference safely: fenced, in order, and read back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from forecasting.errors import Hold
from forecasting.schedule.actions import GroupState
from forecasting.schedule.base import Schedule
from forecasting.targets.base import Target


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
        diff = target.rules.diff(state, schedule, owners, clock())
        if diff.writes:
            written += target.apply(diff, fence, clock)
            state = target.read()
        if target.rules.stands(state, schedule, diff, owners, clock()):
            return Outcome(written, state)
    raise Hold("read-back", f"{target.subject}: what is scheduled is not what was written: somebody else is writing")
