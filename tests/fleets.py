"""Fleets, jobs, plans and groups for tests."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.rules import Group
from forecasting.planning.base import Plan
from forecasting.schedule.actions import GroupState, ScheduledAction
from forecasting.schedule.grid import round_up
from forecasting.schedule.slots import Request
from forecasting.settings import Fleet, Job, parse_fleet, parse_job

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
OWNER = "prod"
GROUP = "web"
REGION = "us-east-1"


def fleet_data(**changes: Any) -> dict[str, Any]:
    """Settings of a fleet, as a file has them."""
    return {
        "name": "web",
        "cloud": "aws",
        "target": {"region": REGION, "group_name": GROUP},
        "source": {"kind": "file", "path": "load.csv"},
        "load_per_instance": 10,
        "floor": 2,
        "ceiling": 40,
        "lead_time_seconds": 180,
        **changes,
    }


def make_fleet(**changes: Any) -> Fleet:
    return parse_fleet(fleet_data(**changes))


def make_job(folder: Path, *fleets: dict[str, Any], **changes: Any) -> Job:
    """A job with a store in `folder`."""
    return parse_job(
        {
            "name": "job",
            "owner": OWNER,
            "interval_minutes": 15,
            "store": {"kind": "local", "path": str(folder / "store")},
            "fleets": list(fleets) or [fleet_data()],
            **changes,
        }
    )


def plan_of(floors: Sequence[int], now: datetime = NOW, baseline: int = 2, step_minutes: int = 15) -> Plan:
    """A plan with these floors, the first one in the step that `now` is in."""
    step = timedelta(minutes=step_minutes)
    start = round_up(now, step_minutes) - (step if round_up(now, step_minutes) > now else timedelta(0))
    index = pd.date_range(start, periods=len(floors), freq=step)
    series = pd.Series(list(floors), index=index, dtype=int)
    return Plan(floor=series, need=series, load=series.astype(float), baseline=baseline)


def request(plan: Plan, group: GroupState, now: datetime = NOW, **changes: Any) -> Request:
    made = Request(
        plan=plan,
        now=now,
        owner=OWNER,
        former_owners=(),
        ceiling=40,
        max_increase_per_slot=None,
        max_decrease_per_slot=None,
        group=group,
        people_floor=0,
    )
    return replace(made, **changes)


def group_state(*actions: ScheduledAction, min_size: int = 2, max_size: int = 60) -> GroupState:
    return GroupState(min_size=min_size, max_size=max_size, desired_capacity=min_size, actions=actions)


def one_off(name: str, start: datetime, min_size: int | None = None, **changes: Any) -> ScheduledAction:
    return ScheduledAction(name=name, start=start, min_size=min_size, **changes)


class InProcess:
    """A boto3 session of the double whose clients need no socket."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def client(self, service: str, region_name: str | None = None, config: Any = None) -> Any:
        return self._aws.client(service, in_process=True, region=region_name, config=config)


def make_group(
    aws: LocalAws, name: str = GROUP, *, min_size: int = 2, max_size: int = 60, scale_in: bool = True
) -> Any:
    """A group in the double, with a target tracking policy; returns a client."""
    client = aws.client("autoscaling", in_process=True)
    client.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=min_size,
        MaxSize=max_size,
        DesiredCapacity=min_size,
        AvailabilityZones=[f"{REGION}a"],
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "1"},
    )
    client.put_scaling_policy(
        AutoScalingGroupName=name,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            "TargetValue": 50.0,
            "DisableScaleIn": not scale_in,
        },
    )
    return client


def snapshot(aws: LocalAws, name: str = GROUP) -> Group:
    """The double's own state of a group, to be played on without touching it."""
    group = aws.group(name)
    return replace(group, actions=dict(group.actions), history=group.history[-1:], activities=[])


def play(group: Group, until: datetime) -> Group:
    """Run a copy of a snapshot's actions up to `until` by the double's rules."""
    group = replace(group, actions=dict(group.actions), history=list(group.history), activities=[])
    due = [(action.start, name) for name, action in group.actions.items()]
    heapq.heapify(due)
    while due and due[0][0] <= until:
        start, name = heapq.heappop(due)
        group.execute(group.actions[name], start)
        if name in group.actions:
            heapq.heappush(due, (group.actions[name].start, name))
    return group


def floors_by_minute(group: Group, start: datetime, end: datetime) -> npt.NDArray[np.int_]:
    """MinSize at each minute of start <= minute < end of a group that was played on to `end`."""
    changed = np.array([(change.at - start).total_seconds() for change in group.history])
    floors = np.array([change.sizes.minimum for change in group.history])
    minutes = np.arange(0, (end - start).total_seconds(), 60)
    return floors[np.maximum(np.searchsorted(changed, minutes, side="right") - 1, 0)]
