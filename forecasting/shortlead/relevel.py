"""The standing plan with its next slots at the level that is needed now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd

from forecasting.planning.base import Plan

REACH = timedelta(minutes=15)
"""How far ahead is re-levelled: an action that is missed or late is followed by the next ticks'; beyond, the full plan knows better."""


def relevel(plan: Plan, wanted: int, *, now: datetime, ceiling: int, raise_only: bool = False) -> Plan:
    """The plan with the step of `now`, and those that begin within `REACH`, at what is needed; everything beyond stays as it was planned.

    Args:
        plan: The last full plan.
        wanted: Instances needed within the lead time.
        now: The tick (aware).
        ceiling: The fleet's ceiling; its floor is the plan's baseline.
        raise_only: The data is in doubt: nothing goes below the plan, and nothing is followed down.
    """
    starts = pd.DatetimeIndex(plan.floor.index)
    step = starts[1] - starts[0]
    near = (starts + step > pd.Timestamp(now)) & (starts < pd.Timestamp(now) + REACH)
    level = min(max(wanted, plan.baseline), ceiling)
    changed = plan.floor.mask(near, plan.floor.clip(lower=level) if raise_only else level).astype(int)
    return replace(plan, floor=changed, fresh_until=None if raise_only else now + REACH)
