"""What a plan is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Plan:
    """The number of instances that must be asked for, per step.

    Attributes:
        floor: Instances to have asked for during each step (int; regular UTC DatetimeIndex, start of the step): lead time, headroom, step limits,
            floor and ceiling are already in.
        need: Instances that the load itself needs in each step, before lead time and limits (int, same index).
        load: The load provisioned for in each step, headroom included (same index).
        baseline: The fleet's floor, which returns after the plan.
        notes: What a person should know: clamped at the ceiling, a step limit that binds, an event.
    """

    floor: pd.Series[int]
    need: pd.Series[int]
    load: pd.Series[float]
    baseline: int
    notes: tuple[str, ...] = ()
