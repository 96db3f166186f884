"""One run's writes against the double, watched call by call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.rules import Group
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Schedule, Slot
from forecasting.targets.aws import AutoScalingTarget
from forecasting.targets.base import CallBudget
from forecasting.targets.reconcile import reconcile
from tests.fleets import (
    OWNER,
    InProcess,
    make_fleet,
    plan_of,
    request,
    snapshot,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FAST = CallBudget(seconds=15, longest_wait_seconds=0.01)


class Watched(AutoScalingTarget):
    """A target that keeps a copy of the double's group before the first change and after each one."""

    def __init__(self, aws: LocalAws, fleet: Any = None) -> None:
        super().__init__(fleet or make_fleet(), InProcess(aws), FAST)  # pyright: ignore[reportArgumentType] - a session's one method
        self.aws = aws
        self.snapshots: list[Group] = []

    def put(self, slot: Slot) -> None:
        super().put(slot)
        self.snapshots.append(snapshot(self.aws))

    def delete(self, name: str) -> None:
        super().delete(name)
        self.snapshots.append(snapshot(self.aws))


def no_fence() -> None:
    pass


def update(
    aws: LocalAws,
    floors: list[int],
    *,
    people_floor: int = 0,
    target: Watched | None = None,
    fence: Callable[[], None] = no_fence,
    **changes: Any,
) -> tuple[Watched, Schedule, int]:
    """One run's writes: plan, schedule, reconcile; returns the target, the schedule and the number of writes."""
    now = aws.clock.now()
    target = target or Watched(aws)
    state = target.read()
    plan = replace(plan_of(floors, now), limits=changes.pop("limits", ()))
    schedule = build_schedule(request(plan, state, now, people_floor=people_floor, **changes))
    target.snapshots.append(snapshot(aws))
    outcome = reconcile(target, state, schedule, owners={OWNER}, fence=fence, clock=aws.clock.now)
    return target, schedule, outcome.written
