"""What a plan is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

Limits = tuple[tuple[datetime, int], ...]
"""(start in UTC, the most that may be asked for from then on), ascending; before the first one the fleet's ceiling holds."""


@dataclass(frozen=True)
class Shortage:
    """What the cloud does not give for now: more than `units` are not asked for until it is tried again.

    Attributes:
        units: What the group has got, in the fleet's units.
        until: When more is asked for again (aware).
        code: The cloud's word for it.
        text: The fact, and what a person can do.
    """

    units: int
    until: datetime
    code: str
    text: str


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
        limits: The most that may be asked for below the fleet's ceiling: capacity windows, a shortage. To the minute, where steps are not.
        on_demand_base: Units that are advised as an on-demand base, spot above them; None where the fleet asks for no advice.
        fresh_until: Steps that begin before it are at what the newest samples say is needed: slots follow them closely, up and down. None: none are.
    """

    floor: pd.Series[int]
    need: pd.Series[int]
    load: pd.Series[float]
    baseline: int
    notes: tuple[str, ...] = ()
    limits: Limits = ()
    on_demand_base: int | None = None
    fresh_until: datetime | None = None
