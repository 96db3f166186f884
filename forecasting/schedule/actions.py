"""Scheduled actions and windows as the clouds give them, and which of them are ours."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from forecasting.schedule.other_owner import OtherOwner

NAME_PREFIX = "elastic-iac-"
"""How the name of each managed action begins."""

_NAME = re.compile(r"elastic-iac-(?P<owner>[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)-(?:\d{8}T\d{4}Z|\d{8}t\d{4}z)")


@dataclass(frozen=True)
class ScheduledAction:
    """One scheduled action of an Auto Scaling group, or one scaling schedule of an autoscaler.

    Attributes:
        name: Unique within the group.
        start: Next time it runs (UTC); None where the cloud gives none.
        recurrence: Cron in `time_zone`, or None for an action that runs once; on Google Cloud None for a window of our making alone.
        time_zone: IANA zone of the recurrence; UTC where the cloud gives none.
        end: A recurrence, or a window, ends here (UTC).
        min_size: New MinSize, or None where it is left as it is; likewise the others.
        duration: Length of each window of a recurrence on Google Cloud; None on AWS, or if the window is disabled.
    """

    name: str
    start: datetime | None
    min_size: int | None
    max_size: int | None = None
    desired_capacity: int | None = None
    recurrence: str | None = None
    time_zone: str = "UTC"
    end: datetime | None = None
    duration: timedelta | None = None


@dataclass(frozen=True)
class GroupState:
    """A group as far as scheduling goes.

    Attributes:
        min_size: The live MinSize; on Google Cloud the autoscaler's minimum, which only people change.
        max_size: The live maximum.
        desired_capacity: The live desired capacity; what the autoscaler recommends.
        actions: Every scheduled action, ours and other people's.
        other_owners: Other controllers of its capacity.
    """

    min_size: int
    max_size: int
    desired_capacity: int
    actions: tuple[ScheduledAction, ...]
    other_owners: tuple[OtherOwner, ...] = ()


def slot_name(owner: str, start: datetime) -> str:
    """The name of the owner's action at `start` (UTC, whole minute): derived from the slot, so that old and new plans share names."""
    return f"{NAME_PREFIX}{owner}-{start.astimezone(UTC):%Y%m%dT%H%M}Z"


def window_name(owner: str, start: datetime) -> str:
    """The same for a window on Google Cloud, whose names are lower-case."""
    return slot_name(owner, start).lower()


def owner_of(action: ScheduledAction) -> str | None:
    """Whose action it is: a stack's id, or None for everything that is not exactly of our making.

    Exact prefix, a stack id, a stamp that is the action's own start, a minimum alone and no recurrence. An action of ours that a person has moved
    or widened is that person's. What ends by itself is a window, and has a window's name.
    """
    match = _NAME.fullmatch(action.name)
    if match is None or action.start is None or action.recurrence or action.min_size is None:
        return None
    if action.max_size is not None or action.desired_capacity is not None:
        return None
    name = slot_name if action.end is None else window_name
    return match["owner"] if name(match["owner"], action.start) == action.name else None


def split_actions(
    actions: Collection[ScheduledAction], owners: Collection[str]
) -> tuple[dict[datetime, ScheduledAction], list[ScheduledAction]]:
    """Ours by start, and everybody else's, in the given order."""
    owned: dict[datetime, ScheduledAction] = {}
    foreign: list[ScheduledAction] = []
    for action in actions:
        if action.start is not None and owner_of(action) in owners:
            owned[action.start] = action
        else:
            foreign.append(action)
    return owned, foreign
