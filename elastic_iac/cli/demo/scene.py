"""What a demo was: its set-up and its 48 hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elastic_iac.cli.demo.cloud import Stack
from elastic_iac.cli.demo.trace import Trace
from forecasting.run import FleetResult
from forecasting.schedule.base import Slot
from forecasting.settings import Job


@dataclass(frozen=True)
class Scene:
    """The demo after the job has run.

    Attributes:
        trace: The load.
        stack: What serves it.
        published: Samples that were published as metric data.
        job: The settings.
        result: What the job did.
        slots: The schedule it wrote; empty where it held.
    """

    trace: Trace
    stack: Stack
    published: int
    job: Job
    result: FleetResult
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Ending:
    """What the 48 hours were like, minute by minute.

    Attributes:
        floors: MinSize that the group had.
        planned: What the plan asked for: its highest floor within the slot.
        needs: Instances that the load needed; NaN where the load is not known.
    """

    floors: list[int]
    planned: list[int]
    needs: np.ndarray[tuple[int], np.dtype[np.float64]]

    @property
    def differing_minutes(self) -> int:
        """Minutes at which the group's MinSize was not the plan's."""
        return sum(is_ != should for is_, should in zip(self.floors, self.planned, strict=True))

    @property
    def beyond_minutes(self) -> int:
        """Minutes at which the load needed more than MinSize: reactive scaling had to add."""
        return int((self.needs > np.asarray(self.floors)).sum())

    @property
    def covered_percent(self) -> float | None:
        """Share of the needed instance-minutes that MinSize alone gave; None where nothing was needed."""
        known = np.isfinite(self.needs)
        needed = float(self.needs[known].sum())
        return 100 * float(np.minimum(self.needs, self.floors)[known].sum()) / needed if needed else None
