"""Steps from the actions that exist to a schedule, within the limit on actions of a group.

Old and new actions exist side by side while a schedule is written. If both do not fit, some old
ones go first. A step is safe if at each minute, at each call and after a crash, the minimum in
force is at least the lower of the old list's and the new list's, external actions included:

- a *merge* raises an old action to the value of the next one and deletes that one. It is allowed
  only if no external change of the minimum lies between the two: the external value would last.
- a *segment* replaces all old actions between two bounds. It begins at an action of the new list,
  and ends at one of the old list, so that the values outside come from actions that are kept.

Before either, values above the maximum that is scheduled may come down to it: an action above the
maximum fails. That lowers too much where the maximum never comes into force, since the minimum is
above it at that time. So steps with and without it are tried.

These rules find steps that are likely to be safe; `forecasting.schedule.aws` replays each call of
them. Within each step `forecasting.targets.aws_rules.make_diff` orders the calls.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from forecasting.schedule.aws_limits import ORDER_GAP

_MOST_STEPS = 10
"""A schedule that takes more steps is taken for unreachable: a run makes each in a round."""

_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Bounds:
    """Facts that decide which steps are safe.

    Attributes:
        room: Most managed actions at once.
        changes: Starts of external changes of the minimum, ascending (aware).
        first: Actions that start sooner run as they are (aware).
        live: The minimum in force until the first action that starts at `first` or later.
        upper: Highest value that an action may have from a start until another one.
        clamps: Higher values are lowered to that first.
    """

    room: int
    changes: Sequence[datetime]
    first: datetime
    live: int
    upper: Callable[[datetime, datetime | None], int]
    clamps: bool = False

    def changes_between(self, start: datetime, end: datetime) -> bool:
        """Whether an external change can run between two actions, each on time or late."""
        at = bisect_left(self.changes, start - ORDER_GAP)
        return at < len(self.changes) and self.changes[at] < end + ORDER_GAP


def next_step(old: Mapping[datetime, int], new: Mapping[datetime, int], bounds: Bounds) -> dict[datetime, int] | None:
    """The next list of actions (start to value) on the way from `old` to `new`; None if there is none."""
    if len({*old, *new}) <= bounds.room:
        return dict(new)
    if len(new) > bounds.room:
        return None
    if bounds.clamps and (clamped := _clamp(old, bounds)) != old:
        return clamped
    merged = _merge(old, new, bounds)
    if len(merged) < len(old):
        return merged
    return _replace_segment(old, new, bounds)


def find_ways(
    old: Mapping[datetime, int], new: Mapping[datetime, int], bounds: Bounds
) -> list[list[dict[datetime, int]]]:
    """Ways from `old` to `new`, the shortest first: each the lists of actions after its steps."""
    ways = (_find_way(old, new, replace(bounds, clamps=clamps)) for clamps in (False, True))
    return sorted((way for way in ways if way is not None), key=len)


def _find_way(
    old: Mapping[datetime, int], new: Mapping[datetime, int], bounds: Bounds
) -> list[dict[datetime, int]] | None:
    steps: list[dict[datetime, int]] = []
    state: Mapping[datetime, int] = old
    while state != new:
        step = next_step(state, new, bounds)
        if step is None or len(steps) == _MOST_STEPS:
            return None
        steps.append(step)
        state = step
    return steps


def after_each_call(old: Mapping[datetime, int], new: Mapping[datetime, int]) -> Iterator[dict[datetime, int]]:
    """The list of actions after each call of a step, as `forecasting.targets.aws_rules.make_diff` orders them.

    Puts come first, from the latest start to the earliest; then deletions, from the earliest on.
    """
    state = dict(old)
    for start, value in sorted(new.items(), reverse=True):
        if state.get(start) != value:
            state[start] = value
            yield state
    for start in sorted(old):
        if start not in new:
            del state[start]
            yield state


def _clamp(old: Mapping[datetime, int], bounds: Bounds) -> dict[datetime, int]:
    """`old` within the maximum that is scheduled: a higher value would fail once that is in force."""
    starts = sorted(start for start in old if start >= bounds.first)
    ends = [*starts[1:], None]
    return {**old, **{each: min(old[each], bounds.upper(each, end)) for each, end in zip(starts, ends, strict=True)}}


def _merge(old: Mapping[datetime, int], new: Mapping[datetime, int], bounds: Bounds) -> dict[datetime, int]:
    """`old` with as many merges as make room for all of `new`, those that add least first."""
    state = dict(old)
    surplus = len({*old, *new}) - bounds.room
    while surplus > 0:
        choice = _cheapest_merge(state, new, bounds)
        if choice is None:
            break
        kept, gone = choice
        if kept is not None:
            state[kept] = max(state[kept], state[gone])
        del state[gone]
        surplus -= 1
    return state


def _cheapest_merge(
    state: Mapping[datetime, int], new: Mapping[datetime, int], bounds: Bounds
) -> tuple[datetime | None, datetime] | None:
    """The action that is raised (None: the live minimum is high enough) and the one that goes."""
    starts = sorted(start for start in state if start >= bounds.first)
    best: tuple[timedelta, datetime | None, datetime] | None = None
    # The last action restores the baseline and stays.
    for position, gone in enumerate(starts[:-1]):
        if gone in new:
            continue
        kept = starts[position - 1] if position else None
        begin = kept or bounds.first - ORDER_GAP
        if bounds.changes_between(begin, gone):
            continue
        value = bounds.live if kept is None else state[kept]
        following = starts[position + 1]
        if state[gone] > value and (kept is None or state[gone] > bounds.upper(kept, following)):
            continue
        added = max(state[gone] - value, 0) * (gone - begin) + max(value - state[gone], 0) * (following - gone)
        if best is None or added < best[0]:
            best = (added, kept, gone)
    return best[1:] if best else None


def _replace_segment(
    old: Mapping[datetime, int], new: Mapping[datetime, int], bounds: Bounds
) -> dict[datetime, int] | None:
    """`old` with the longest segment of `new` that needs no more room, else with the longest that fits."""
    spare = bounds.room - len(old)
    best: tuple[bool, int] = (True, 0)
    segment: tuple[datetime, datetime] | None = None
    for begin in sorted(start for start in new if start >= bounds.first):
        added = changed = freed = 0
        for start in sorted({*(each for each in (*old, *new) if each >= begin), _END}):
            if (start in old or start == _END) and changed and added <= spare:
                quality = (added > freed, -changed)
                if quality < best:
                    best, segment = quality, (begin, start)
            added += start in new and start not in old
            freed += start in old and start not in new
            changed += old.get(start) != new.get(start)
    if segment is None:
        return None
    begin, end = segment
    step = {start: value for start, value in old.items() if not begin <= start < end}
    return step | {start: value for start, value in new.items() if begin <= start < end}
