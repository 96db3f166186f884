"""How a group's instances come up in the double: each launch is a scaling activity that takes its time, or is refused and tried again.

Only a group that was told to (`LocalAws.launch`) does so; the others have what the emulator gives them, at once and without a record.

Sources: API = the EC2 Auto Scaling API reference; GUIDE = its user guide; INFERRED = not documented, the stricter reading taken.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from elastic_iac.local.rules import Group, invalid, stamp

RETENTION = timedelta(weeks=6)  # API, DescribeScalingActivities: activities of the last six weeks
RETRY = timedelta(minutes=5)  # INFERRED: how soon a refused launch is tried again
_BOUNDS = ("StartTimeLowerBound", "StartTimeUpperBound")  # API, DescribeScalingActivities.Filters


@dataclass(frozen=True)
class Outage:
    """From `start` on, and until `end` where there is one, launches beyond `units` are refused with this status message."""

    start: datetime
    message: str
    end: datetime | None = None
    units: int = 0

    def refuses(self, at: datetime, units: int) -> bool:
        """Whether a launch is refused that would bring the group to so many units."""
        return self.start <= at and (self.end is None or at < self.end) and units > self.units


@dataclass
class Instance:
    """One instance: `ready` is when it is in service."""

    id: str
    started: datetime
    ready: datetime
    activity: dict[str, Any]


@dataclass
class Launching:
    """How the instances of a group are launched.

    Attributes:
        at: From when on.
        boot: How long the launch that begins at a time takes until it is in service: with a launching lifecycle hook, until that is completed.
        instance_type: Of them all.
        units: Weight of an instance.
        warm: How long one from the warm pool takes; None: there is none.
        outages: When the cloud refuses.
        instances: Those that it has.
        retry_at: When what was refused is tried again.
        answered: Changes of the group's sizes that were acted on.
    """

    at: datetime
    boot: Callable[[datetime], timedelta]
    instance_type: str = "g6.xlarge"
    units: int = 1
    warm: timedelta | None = None
    outages: list[Outage] = field(default_factory=list[Outage])
    instances: list[Instance] = field(default_factory=list[Instance])
    retry_at: datetime | None = None
    answered: int = 0

    def run(self, group: Group, until: datetime) -> None:
        """Launch and terminate as the group's desired capacity changes up to `until`, and try again what was refused."""
        while True:
            changes = [change.at for change in group.history[self.answered :] if change.at <= until]
            retries = [self.retry_at] if self.retry_at is not None and self.retry_at <= until else []
            moment = min([*changes, *retries], default=None)
            if moment is None:
                return
            self.answered += sum(at <= moment for at in changes)
            self._settle(group, moment)

    def begin(self, group: Group) -> None:
        """What the group has at first is in service already."""
        self.answered = len(group.history)
        while self._held < group.sizes.desired:
            self.instances.append(Instance(_new_id(), self.at, self.at, {}))

    def described(self, at: datetime) -> list[dict[str, Any]]:
        """As DescribeAutoScalingGroups shows them."""
        return [
            {
                "InstanceId": instance.id,
                "InstanceType": self.instance_type,
                "AvailabilityZone": "us-east-1a",
                "LifecycleState": "InService" if instance.ready <= at else "Pending:Wait",
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": False,
                "WeightedCapacity": str(self.units) if self.units > 1 else None,
            }
            for instance in self.instances
        ]

    @property
    def _held(self) -> int:
        return len(self.instances) * self.units

    def _settle(self, group: Group, at: datetime) -> None:
        desired = group.history[self.answered - 1].sizes.desired
        self.retry_at = None
        while self._held - self.units >= desired and self.instances:
            gone = self.instances.pop()
            if gone.activity and gone.ready > at:  # INFERRED: a launch that is overtaken is cancelled
                gone.activity |= {"StatusCode": "Cancelled", "EndTime": at}
            group.activities.append(_activity(group, f"Terminating EC2 instance: {gone.id}", at, at, "Successful"))
        while self._held < desired:
            refusing = next((each for each in self.outages if each.refuses(at, self._held + self.units)), None)
            if refusing is not None:
                text = f"Launching a new EC2 instance.  Status Reason: {refusing.message}"
                group.activities.append(_activity(group, text, at, at, "Failed", refusing.message))
                self.retry_at = at + RETRY
                return
            warm = self.warm is not None and group.warm_pool is not None
            ready = at + (self.warm if warm and self.warm is not None else self.boot(at))
            instance_id = _new_id()
            text = f"Launching a new EC2 instance{' from warm pool' if warm else ''}: {instance_id}"
            activity = _activity(group, text, at, ready, "Successful")
            group.activities.append(activity)
            self.instances.append(Instance(instance_id, at, ready, activity))


def shown(activity: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """As DescribeScalingActivities shows it at a moment: one that is not over has no end (API, Activity)."""
    end = activity.get("EndTime")
    if end is None or end <= at:
        return dict(activity)
    return {**activity, "StatusCode": "PreInService", "StatusMessage": None, "EndTime": None, "Progress": 30}


def bounds(filters: list[Mapping[str, Any]]) -> Callable[[datetime], bool]:
    """Whether an activity that began at a time is asked for.

    Raises:
        AwsError: `ValidationError`: a filter is none of the two, or has not one time.
    """
    limits: dict[str, datetime] = {}
    for each in filters:
        name, values = each.get("Name", ""), each.get("Values", [])
        if name not in _BOUNDS or len(values) != 1:
            raise invalid(f"Filter {name!r} is not supported, or has not one value: {' and '.join(_BOUNDS)}")
        try:
            limits[name] = datetime.fromisoformat(values[0])
        except ValueError:
            raise invalid(f"Filter {name}: {values[0]!r} is not a time in ISO 8601") from None
    low, high = (limits.get(name) for name in _BOUNDS)
    return lambda start: (low is None or start >= low) and (high is None or start <= high)


def _activity(
    group: Group, description: str, start: datetime, end: datetime, status: str, trouble: str | None = None
) -> dict[str, Any]:
    return {
        "ActivityId": str(uuid4()),
        "AutoScalingGroupName": group.name,
        "Description": description,
        "Cause": f"At {stamp(start)} an instance was started in response to a difference between desired and actual capacity.",
        "StartTime": start,
        "EndTime": end,
        "StatusCode": status,
        "StatusMessage": trouble,
        "Progress": 100,
        "Details": '{"Availability Zone":"us-east-1a"}',
    }


def _new_id() -> str:
    return f"i-{random.getrandbits(68):017x}"
