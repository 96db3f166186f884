from __future__ import annotations

from datetime import datetime

from forecasting.planning.base import Plan
from forecasting.schedule.actions import GroupState
from forecasting.schedule.slots import Request
from forecasting.settings import Fleet


def plain_request(fleet: Fleet, plan: Plan, group: GroupState, now: datetime) -> Request:
    """A schedule's request where nobody but the job has a say."""
    return Request(
        plan=plan,
        now=now,
        owner="bench",
        former_owners=(),
        ceiling=fleet.ceiling,
        max_increase_per_slot=None,
        max_decrease_per_slot=None,
        group=group,
        people_floor=0,
    )
