"""Desired capacity and external actions of a group, compared with those that the last run left.

IAM has no condition key for an action's name or a desired size: whoever holds the job's role could delete or overwrite
external actions, or set a desired capacity. The job does neither, so a change that nobody made on purpose is worth a
warning. A change is warned of once: the next run compares with what this one saw. Reactive scaling and due actions move
the desired capacity all the time, so its change is reported beside the sizes and is no warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from forecasting.errors import ElasticIacError
from forecasting.run import DesiredBefore, Run
from forecasting.safe_text import printable
from forecasting.schedule.actions import GroupState, ScheduledAction, split_actions
from forecasting.settings import Fleet
from forecasting.store.keys import slug
from forecasting.store.records import Record


class SeenAction(BaseModel):
    """An external action, without the next start of a recurring one, which moves by itself."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    start: AwareDatetime | None = None
    min_size: int | None = None
    max_size: int | None = None
    desired_capacity: int | None = None
    recurrence: str | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it still stands by itself: a one-off action is gone once it has run."""
        return self.recurrence is not None or (self.start is not None and self.start > now)

    def __str__(self) -> str:
        sizes = {"minimum": self.min_size, "maximum": self.max_size, "desired capacity": self.desired_capacity}
        told = [f"{name} {size}" for name, size in sizes.items() if size is not None]
        when = f"on '{printable(self.recurrence)}'" if self.recurrence else f"at {self.start:%Y-%m-%d %H:%M}Z"
        return f"{', '.join(told) or 'no size'} {when if self.recurrence or self.start else ''}".strip()


class SeenActions(Record):
    """State of a group at the end of a run."""

    time: AwareDatetime
    desired_capacity: int | None = None
    actions: Mapping[str, SeenAction] = Field(default_factory=dict[str, SeenAction])


@dataclass(frozen=True)
class Compared:
    """Differences of a group since the last run.

    Attributes:
        warnings: External actions that were deleted or changed, and new ones that set a desired capacity.
        desired: The desired capacity that the run left, if it is another now.
    """

    warnings: tuple[str, ...] = ()
    desired: DesiredBefore | None = None


def compare_with_last_run(run: Run, fleet: Fleet, group: GroupState) -> Compared:
    """Compare a group with what the last run left.

    An action of the job's own name that sets more than a minimum is an external one (`owner_of`).

    Args:
        run: The run.
        fleet: The fleet.
        group: Its group, as it was read.
    """
    _owned, external = split_actions(group.actions, run.owners)
    try:
        item = run.store.get(_key(fleet))
        if item is None:
            return Compared()
        before = SeenActions.from_bytes(_key(fleet), item.body)
    except ElasticIacError as error:
        return Compared((f"external actions could not be compared with the last run's: {error}",))
    desired = before.desired_capacity
    return Compared(
        tuple(_changes(before, {each.name: _seen(each) for each in external}, run.clock())),
        None if desired in {None, group.desired_capacity} else DesiredBefore(desired or 0, before.time),
    )


def keep_external(run: Run, fleet: Fleet, group: GroupState) -> None:
    """Keep the state that this run leaves, for the next one.

    Raises:
        StoreError: it cannot be kept.
    """
    _owned, external = split_actions(group.actions, run.owners)
    actions = {each.name: _seen(each) for each in external}
    seen = SeenActions(time=run.clock(), desired_capacity=group.desired_capacity, actions=actions)
    current = run.store.get(_key(fleet))
    run.store.put(_key(fleet), seen.to_bytes(), if_version=current.version if current else None)


def _changes(before: SeenActions, now_there: Mapping[str, SeenAction], now: datetime) -> Iterator[str]:
    since = f"since the run of {before.time:%Y-%m-%d %H:%M}Z"
    for name, action in before.actions.items():
        found, shown = now_there.get(name), printable(name)
        if found is None and action.is_due(now):
            yield f"external action {shown!r} ({action}) was deleted {since}: if that was not meant, find out who did"
        elif found is not None and found != action and action.is_due(now):
            yield f"external action {shown!r} was changed {since}: {action} -> {found}"
    for name, action in now_there.items():
        if name not in before.actions and action.desired_capacity is not None:
            yield f"external action {printable(name)!r} is new {since} and sets a desired capacity: {action}"


def _seen(action: ScheduledAction) -> SeenAction:
    return SeenAction(
        start=None if action.recurrence else action.start,
        min_size=action.min_size,
        max_size=action.max_size,
        desired_capacity=action.desired_capacity,
        recurrence=action.recurrence,
    )


def _key(fleet: Fleet) -> str:
    return f"targets/{slug(fleet.target_key)}/external.json"
