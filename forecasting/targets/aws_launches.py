"""What an Auto Scaling group's scaling activities tell of its launches. Pure: of what AWS answers.

An activity begins when the launch does and ends when the instance is in service: with a lifecycle hook on launching, when that is completed, which
the boot script does once the model answers (EC2 Auto Scaling user guide, lifecycle hooks: the instance stays in Pending:Wait until then).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from forecasting.leadtime import Boot, StartKind
from forecasting.leadtime.launches import UNNAMED, Launches, LaunchFailure, Meaning, Refusal, Watch

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
"""Of a lifecycle hook: it holds an instance that is being launched (API, LifecycleHook.LifecycleTransition)."""

LOOK_BACK = timedelta(hours=12)
"""Activities of this time before the last look are read again: what was under way then is over now."""

REFUSED_WITHIN = timedelta(hours=24)
"""Refusals are told that far back."""

_NAMED_CODE = re.compile(r"([A-Z][a-z]+(?:\.?[A-Z][A-Za-z]+)+)\b(?=[.:]|$)")

_FAILED = frozenset({"Failed", "Cancelled"})
_LAUNCH = re.compile(r"^Launching a new EC2 instance(?P<where> from warm pool| into warm pool)?(?:: (?P<id>i-\w+))?")
"""Of an activity's description; `into warm pool` brings nothing into service (EC2 Auto Scaling user guide, warm pools)."""

_ABANDONED = re.compile(r"lifecycle action\b.*\babandoned", re.IGNORECASE | re.DOTALL)
"""An instance's boot script gave up, or its hook ran out: it did not answer in time. What a person or a scale-in ends is told in other words.

AWS re:Post, "lifecycle actions CodeDeploy": the message is "... Lifecycle Action with token ... was abandoned: ...".
"""

_RETRIED_WITHIN = timedelta(minutes=30)
"""Auto Scaling tries a refused launch again; attempts further apart than this have nothing to do with each other. (Inferred.)"""
_TOGETHER = timedelta(minutes=5)
"""Launches that begin within this time of the first that succeeds have waited as it did."""

CODES: Mapping[str, Meaning] = {
    # EC2 API reference, "Error codes for the Amazon EC2 API": server and client errors of RunInstances.
    "InsufficientInstanceCapacity": "stockout",
    "InsufficientHostCapacity": "stockout",
    "InsufficientCapacity": "stockout",
    "InsufficientReservedInstanceCapacity": "stockout",
    "ReservationCapacityExceeded": "stockout",
    "SpotMaxPriceTooLow": "stockout",
    "UnfulfillableCapacity": "stockout",  # of EC2 Fleet, which launches for mixed instances policies
    "InstanceLimitExceeded": "quota",
    "MaxSpotInstanceCountExceeded": "quota",
    "MaxSpotFleetRequestCountExceeded": "quota",
    "VcpuLimitExceeded": "quota",
}
"""What a refused launch means for the plan; any other code is a fault of the group's, such as a missing image, and is reported alone."""

_WORDS: tuple[tuple[str, str], ...] = (
    # User guide, "Troubleshoot issues: EC2 instance launch failures": messages that come without their code.
    ("do not have sufficient", "InsufficientInstanceCapacity"),
    ("insufficient capacity", "InsufficientInstanceCapacity"),
    ("no spot capacity available", "UnfulfillableCapacity"),
    ("more vcpu capacity than your current vcpu limit", "VcpuLimitExceeded"),
    ("more instances", "InstanceLimitExceeded"),
    ("max spot instance count exceeded", "MaxSpotInstanceCountExceeded"),
    ("quota for maximum fleet requests", "MaxSpotFleetRequestCountExceeded"),
)


def read_launches(
    activities: Sequence[Mapping[str, Any]], group: Mapping[str, Any], *, held: bool, watch: Watch, now: datetime
) -> Launches:
    """What these activities tell.

    Args:
        activities: As DescribeScalingActivities gives them, in any order.
        group: As DescribeAutoScalingGroups gives it.
        held: A lifecycle hook holds its launches until they answer.
        watch: What is known.
        now: The present (aware).
    """
    instances: Sequence[Mapping[str, Any]] = group.get("Instances", [])
    types = {each["InstanceId"]: str(each.get("InstanceType", "")) for each in instances}
    launches = sorted(
        (launch for activity in activities if (launch := _launch(activity))), key=lambda launch: launch.start
    )
    boots = {launch.id: launch.boot(types) for launch in _waited(launches) if launch.end}
    refusals = tuple(
        Refusal(launch.start, launch.refused, CODES[launch.refused], launch.message[:300])
        for launch in launches
        if launch.refused and launch.start >= now - REFUSED_WITHIN
    )
    # One that has no instance yet may still be refused: it ends no shortage.
    begun = [launch.start for launch in launches if not launch.failed and launch.instance]
    return Launches(
        watch=Watch(watch.with_boots(boots, now), {}, now),
        refusals=refusals,
        launched_at=max(begun, default=None),
        units=_units(group, instances),
        to_answer=held,
        failures=tuple(
            LaunchFailure(launch.start, launch.refused or _named_code(launch.message), launch.message[:300])
            for launch in launches
            if launch.broken and launch.start >= now - REFUSED_WITHIN
        ),
    )


def _units(group: Mapping[str, Any], instances: Sequence[Mapping[str, Any]]) -> int:
    """What the group has got, in weights: its instances, booting ones included, and those of its warm pool."""
    weights = [
        int(each.get("WeightedCapacity") or 1)
        for each in instances
        if not str(each.get("LifecycleState", "")).startswith(("Terminat", "Detach", "Quarantined"))
    ]
    return sum(weights) + int(group.get("WarmPoolSize") or 0) * min(weights, default=1)


@dataclass(frozen=True)
class _Launch:
    id: str
    instance: str
    kind: StartKind
    start: datetime
    asked: datetime
    end: datetime | None
    failed: bool
    broken: bool
    refused: str
    message: str

    def boot(self, types: Mapping[str, str]) -> Boot:
        end = self.end or self.start
        seconds = max(0.0, (end - self.asked).total_seconds())
        return Boot(types.get(self.instance) or "unknown", self.kind, self.asked, seconds, answered=not self.failed)


def _launch(activity: Mapping[str, Any]) -> _Launch | None:
    found = _LAUNCH.match(str(activity.get("Description", "")))
    if found is None or found["where"] == " into warm pool":
        return None
    failed, message = activity["StatusCode"] in _FAILED, str(activity.get("StatusMessage") or "")
    killed = failed and found["id"] and _ABANDONED.search(f"{activity['Description']} {message}")
    return _Launch(
        id=str(activity["ActivityId"]),
        instance=found["id"] or "",
        kind="warm" if found["where"] else "cold",
        start=activity["StartTime"],
        asked=activity["StartTime"],
        end=activity.get("EndTime") if activity["StatusCode"] == "Successful" or killed else None,
        failed=failed,
        # A person or a scale-in cancels a launch: that is no failure of it, unless its hook was abandoned.
        broken=activity["StatusCode"] == "Failed" or bool(killed),
        refused=code_of_refusal(message) if failed else "",
        message=message,
    )


def _named_code(message: str) -> str:
    """The error code that a message begins with, such as `Client.InternalError`; `launch-failed` if there is none."""
    found = _NAMED_CODE.match(message)
    return found[1] if found else UNNAMED


def code_of_refusal(message: str) -> str:
    """The code in an activity's status message, or what its words mean; empty where it speaks of neither capacity nor quota."""
    named = [code for code in CODES if re.search(rf"\b{code}\b", message)]
    return named[0] if named else next((code for words, code in _WORDS if words in message.lower()), "")


def _waited(launches: Sequence[_Launch]) -> list[_Launch]:
    """The launches, those that were refused at first asked for since then. Cold ones: a stopped instance is there."""
    found: list[_Launch] = []
    since = last = ended = None
    for launch in launches:
        if launch.refused:
            if since is None or last is None or ended is not None or launch.start - last > _RETRIED_WITHIN:
                since, ended = launch.start, None
            last = launch.start
        elif (
            not launch.failed
            and launch.kind == "cold"
            and since is not None
            and last is not None
            and launch.start - last <= _RETRIED_WITHIN
            and (ended is None or launch.start - ended <= _TOGETHER)
        ):
            ended = ended or launch.start
            found.append(replace(launch, kind="waiting", asked=since))
            continue
        found.append(launch)
    return found
