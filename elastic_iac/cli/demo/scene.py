"""What a demo was: its set-up and its 48 hours, on each cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np

from elastic_iac.cli.demo.cloud import Stack
from elastic_iac.cli.demo.side import Side
from elastic_iac.cli.demo.trace import Trace
from forecasting.run import FleetResult
from forecasting.schedule.base import Slot
from forecasting.settings import Fleet, Job

Needs = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Part:
    """One cloud's part in the demo, after the job has run.

    Attributes:
        side: The cloud.
        fleet: What is scaled there.
        published: Samples that were published in its metrics.
        result: What the job did.
    """

    side: Side
    fleet: Fleet
    published: int
    result: FleetResult

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The schedule that was written; empty where the fleet was held."""
        return self.result.schedule.slots if self.result.schedule else ()


@dataclass(frozen=True)
class Scene:
    """The demo after the job has run.

    Attributes:
        trace: The load.
        stack: What serves it.
        job: The settings.
        parts: One for each cloud.
    """

    trace: Trace
    stack: Stack
    job: Job
    parts: tuple[Part, ...]

    @property
    def held(self) -> tuple[Part, ...]:
        """Those whose plan does not stand."""
        return tuple(part for part in self.parts if not part.result.served)


@dataclass(frozen=True)
class Ending:
    """What the 48 hours were like on one cloud, minute by minute.

    Attributes:
        floors: The minimum that the group had.
        planned: What the plan asked for: its highest floor within the slot.
        needs: Instances that the load needed; NaN where the load is not known.
    """

    floors: list[int]
    planned: list[int]
    needs: Needs

    @property
    def differing_minutes(self) -> int:
        """Minutes at which the group's minimum was not the plan's."""
        return sum(is_ != should for is_, should in zip(self.floors, self.planned, strict=True))

    @property
    def beyond_minutes(self) -> int:
        """Minutes at which the load needed more than the minimum: reactive scaling had to add."""
        return int((self.needs > np.asarray(self.floors)).sum())

    @property
    def covered_percent(self) -> float | None:
        """Share of the needed instance-minutes that the minimum alone gave; None where nothing was needed."""
        known = np.isfinite(self.needs)
        needed = float(self.needs[known].sum())
        return 100 * float(np.minimum(self.needs, self.floors)[known].sum()) / needed if needed else None


Reason = Literal["plan", "window", "unexplained"]
"""Why two clouds' floors differ: their plans do, a window may not be shorter than five minutes, or nothing that we know of."""


@dataclass(frozen=True)
class Agreement:
    """Two clouds' floors beside each other.

    Attributes:
        minutes: How many were compared.
        differing: Of these, how many differ, by reason.
        same_plan: Whether both plans ask for the same floor at every step.
    """

    minutes: int
    differing: dict[Reason, int]
    same_plan: bool

    @property
    def agrees(self) -> bool:
        """Whether one plan gave one floor, up to what the clouds' limits explain."""
        return self.same_plan and not self.differing.get("unexplained")


def agreement(parts: Sequence[Part], endings: Sequence[Ending], start: datetime) -> Agreement | None:
    """How far the floors of two clouds agree; None where there is only one.

    Args:
        parts: The clouds.
        endings: What their floors were.
        start: Of the first minute.
    """
    if len(parts) < 2:
        return None
    plans = [part.result.plan.floor if part.result.plan else None for part in parts]
    same_plan = plans[0] is not None and plans[1] is not None and plans[0].equals(plans[1])
    lengthened = {minute for part in parts for minute in _lengthened(part.slots, start)}
    differing: dict[Reason, int] = {}
    for minute, (one, other) in enumerate(zip(endings[0].floors, endings[1].floors, strict=True)):
        if one != other:
            reason: Reason = "plan" if not same_plan else "window" if minute in lengthened else "unexplained"
            differing[reason] = differing.get(reason, 0) + 1
    return Agreement(len(endings[0].floors), differing, same_plan)


def _lengthened(slots: Sequence[Slot], start: datetime) -> list[int]:
    """Minutes at which a window is still open although the next one has begun."""
    one = timedelta(minutes=1)
    return [
        minute
        for earlier, later in pairwise(slots)
        if earlier.end is not None
        for minute in range((later.start - start) // one, (earlier.end - start) // one)
    ]
