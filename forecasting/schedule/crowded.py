"""Choice of slot starts where external actions leave no room for the finest grid."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from forecasting.schedule.people import PeopleFloor, Timeline

_MINUTE = timedelta(minutes=1)
_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """Quality of a list of slot starts; less is better, the shortfall first.

    Attributes:
        shortfall_minutes: Instance-minutes of the reference above the minimum in force.
        excess_minutes: Instance-minutes of the minimum in force above the reference.
    """

    shortfall_minutes: int
    excess_minutes: int

    @property
    def key(self) -> tuple[int, int]:
        """For sorting."""
        return self.shortfall_minutes, self.excess_minutes


class StartScorer:
    """Scores slot starts by the minimum in force that they give, to the minute.

    The values are those of the plan alone, so that a choice does not depend on the actions that
    are active. The scheduled values may be higher (hysteresis), never lower.

    Args:
        wanted: What the minimum should be: a step function from `first` on.
        people: External changes of the minimum.
        live: The minimum in force before the first slot.
        first: First minute that counts (aware).
        end: End of the plan (aware); the slot that starts there, or the last one, restores `baseline`.
        baseline: The configured minimum.
    """

    def __init__(
        self,
        wanted: Timeline,
        people: PeopleFloor,
        *,
        live: int,
        first: datetime,
        end: datetime,
        baseline: int,
    ) -> None:
        self._first = first
        self._baseline = baseline
        count = max(self._minute(end), 1)
        self._wanted = self._fill(wanted, baseline, count)
        self._people = self._fill(people.events, people.current, count + 1)
        events = [(max(self._minute(when), -1), value) for when, value in people.events]
        self._events = [(minute, value) for minute, value in events if 0 <= minute < count]
        before = [value for minute, value in events if minute < 0]
        self._live = before[-1] if before else live
        self._count = count

    def score(self, starts: Sequence[datetime]) -> Score:
        """The score of ascending slot starts."""
        minutes = np.array([self._minute(start) for start in starts], dtype=np.int64)
        inside = minutes[(minutes >= 0) & (minutes < self._count)]
        values = np.empty(0, dtype=np.int64)
        if inside.size:
            planned = np.maximum.reduceat(self._wanted, inside)
            if inside.size == len(starts):  # no slot at the end: the last one restores the baseline
                planned[-1] = self._baseline
            values = np.maximum(planned, self._people[inside])
        events = np.array(self._events, dtype=np.int64).reshape(-1, 2)
        at = np.concatenate([inside, events[:, 0]])
        order = np.argsort(at, kind="stable")
        at, set_to = at[order], np.concatenate([values, events[:, 1]])[order]
        lengths = np.diff(np.concatenate([[0], at, [self._count]]))
        in_force = np.repeat(np.concatenate([[self._live], set_to]), lengths)
        gap = self._wanted - in_force
        return Score(int(gap[gap > 0].sum()), int(-gap[gap < 0].sum()))

    def rank(self, candidates: Iterable[Sequence[datetime]]) -> list[tuple[datetime, ...]]:
        """Distinct candidates, the best first; among equals the order of the argument decides."""
        distinct: Collection[tuple[datetime, ...]] = dict.fromkeys(tuple(each) for each in candidates)
        return sorted(distinct, key=lambda starts: self.score(starts).key)

    def _minute(self, when: datetime) -> int:
        return (when - self._first) // _MINUTE

    def _fill(self, timeline: Timeline, before: int, count: int) -> _Counts:
        """A step function by the minute; what begins within a minute counts from its start."""
        begun = [value for when, value in timeline if self._minute(when) <= 0]
        later = [(self._minute(when), value) for when, value in timeline if 0 < self._minute(when) < count]
        values = [begun[-1] if begun else before, *(value for _, value in later)]
        bounds = [0, *(minute for minute, _ in later), count]
        return np.repeat(np.array(values, dtype=np.int64), np.diff(bounds))
