"""Autoscalers: the policy as Compute judges it, and the size it recommends on the stand-in's clock.

Sources: API = the Compute Engine API reference (also in google-cloud-compute); GUIDE = "Autoscaling groups of instances" and its pages; INFERRED =
not documented, the stricter reading is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from elastic_iac.local.gcp import schedules
from elastic_iac.local.gcp.groups import Group
from elastic_iac.local.gcp.wire import Document, invalid, required

MINUTE = timedelta(minutes=1)
FIELD = "resource.autoscalingPolicy"
MODES = ("ON", "OFF", "ONLY_SCALE_OUT", "ONLY_UP")  # API; ONLY_UP is the old name of ONLY_SCALE_OUT
MAX_METRICS = 5  # GUIDE, "Use an autoscaling policy with multiple signals"
DEFAULT_INITIALIZATION_SECONDS, DEFAULT_STABILIZATION_SECONDS, DEFAULT_CPU = 60, 600, 0.6  # API

Signal = float | Callable[[datetime, int], float]
"""A utilisation or a metric's value; or a function of the moment and the number of instances that serve."""


@dataclass(frozen=True)
class Written:
    """A policy, since when it is in force, and since when each schedule stands as it does."""

    at: datetime
    policy: Document
    schedules_at: Mapping[str, datetime]


@dataclass
class Autoscaler:
    """One autoscaler.

    Attributes:
        path: `projects/P/zones/Z/autoscalers/NAME`, or with `regions/R`.
        document: What was declared, with what the cloud adds.
        history: Every policy since it was made.
        recommended: The size it recommends, None before the first decision.
        signals: `cpu`, `load_balancing` or a metric's type, and what is measured.
    """

    path: str
    document: Document
    history: list[Written] = field(default_factory=list[Written])
    recommended: int | None = None
    signals: dict[str, Signal] = field(default_factory=dict[str, Signal])
    _peaks: list[tuple[datetime, int]] = field(default_factory=list[tuple[datetime, int]])

    @property
    def policy(self) -> Document:
        """The policy in force."""
        return self.document["autoscalingPolicy"]

    def write(self, document: Document, at: datetime) -> None:
        """Put a declared autoscaler in force; it has been checked."""
        self.document = document
        known = self.history[-1] if self.history else None
        before: Document = known.policy.get("scalingSchedules", {}) if known else {}
        now: Document = self.policy.get("scalingSchedules", {})
        since = {
            name: known.schedules_at[name] if known and before.get(name) == schedule else at
            for name, schedule in now.items()
        }
        self.history.append(Written(at, self.policy, since))

    def floors(self, start: datetime, end: datetime, *, begun_windows: bool) -> list[int]:
        """The minimum in force at each minute, start <= minute < end: minNumReplicas or the greatest open window, at most maxNumReplicas.

        Raises:
            ValueError: the autoscaler did not exist yet at `start`.
        """
        if not self.history or start < self.history[0].at:
            raise ValueError(f"start: got {start.isoformat()}; {self.path} was not there yet")
        found: list[int] = []
        changes = [*(written.at for written in self.history[1:]), end]
        for written, until in zip(self.history, changes, strict=True):
            found += _floors(written, start + len(found) * MINUTE, min(until, end), begun_windows=begun_windows)
        return found

    def decide(self, group: Group, moment: datetime, floor: int, boot: timedelta) -> None:
        """Recommend a size and, as the mode allows, resize the group (GUIDE, "How autoscaler works")."""
        policy = self.policy
        most = int(policy["maxNumReplicas"])
        size = min(max(self._needed(group, moment, boot), floor), most)
        self._peaks.append((moment, size))
        size = min(max(size, self._held(policy, moment)), most)
        self.recommended = size
        mode = policy["mode"]
        if mode == "ON" or (mode in {"ONLY_SCALE_OUT", "ONLY_UP"} and size > group.size):
            group.resize(size, moment, "autoscaler")

    def _held(self, policy: Document, moment: datetime) -> int:
        """What scale-in may not go below: the peak of the stabilization period, and that of scale-in control less what it lets go."""
        stabilization = timedelta(seconds=int(policy.get("stabilizationPeriodSec", DEFAULT_STABILIZATION_SECONDS)))
        control: Document = policy.get("scaleInControl", {})
        window = timedelta(seconds=int(control.get("timeWindowSec", 0)))
        self._peaks = [peak for peak in self._peaks if peak[0] > moment - max(stabilization, window, MINUTE)]
        held = max((size for at, size in self._peaks if at > moment - stabilization), default=0)
        peak = max((size for at, size in self._peaks if at > moment - window), default=0)
        allowed: Document = control.get("maxScaledInReplicas", {})
        if peak and allowed:
            share = math.ceil(peak * int(allowed.get("percent", 0)) / 100)
            held = max(held, peak - int(allowed.get("fixed", share)))
        return held

    def _needed(self, group: Group, moment: datetime, boot: timedelta) -> int:
        """The instances that the greatest signal asks for; instances that still initialise are not measured (API, coolDownPeriodSec)."""
        serving = len(group.running(moment, boot + timedelta(seconds=int(self.policy["coolDownPeriodSec"]))))
        needed = [0]
        for name, target, per_group in _targets(self.policy):
            signal = self.signals.get(name, 0.0)
            value = signal(moment, serving) if callable(signal) else signal
            # The tolerance keeps 0.6 * 5 / 0.6 at five instances.
            needed.append(math.ceil(value * (1 if per_group else serving) / target - 1e-9))
        return max(needed)


def checked_policy(policy: Document) -> Document:
    """A policy with the defaults that Compute fills in.

    Raises:
        GcpError: 400, naming the field.
    """
    if policy.get("maxNumReplicas") is None:  # API: "This is required when creating or updating an autoscaler."
        raise required(f"{FIELD}.maxNumReplicas")
    most = int(policy["maxNumReplicas"])
    policy = {
        "minNumReplicas": min(2, most),  # API: chosen from the maximum; how is INFERRED
        "mode": "ON",
        "coolDownPeriodSec": DEFAULT_INITIALIZATION_SECONDS,
        **policy,
    }
    least = int(policy["minNumReplicas"])
    if not 0 <= least <= most:
        raise invalid(f"{FIELD}.minNumReplicas", least, f"Must be at least 0 and at most maxNumReplicas ({most}).")
    if policy["mode"] not in MODES:
        raise invalid(f"{FIELD}.mode", policy["mode"], f"Must be one of {', '.join(MODES)}.")
    for name in ("coolDownPeriodSec", "stabilizationPeriodSec"):
        if int(policy.get(name, 0)) < 0:
            raise invalid(f"{FIELD}.{name}", policy[name], "Must not be negative.")
    _check_signals(policy)
    _check_scale_in(policy.get("scaleInControl", {}))
    held: Document = policy.get("scalingSchedules", {})
    schedules.check_schedules(held, f"{FIELD}.scalingSchedules")
    if held:
        policy["scalingSchedules"] = {name: {"timeZone": "UTC", **schedule} for name, schedule in held.items()}
    # API: CPU at 0.6 where no signal is declared. That schedules alone need no other signal is what newer pages say; older ones want one.
    elif not _targets(policy):
        policy["cpuUtilization"] = {"utilizationTarget": DEFAULT_CPU}
    return policy


def _check_signals(policy: Document) -> None:
    for name in ("cpuUtilization", "loadBalancingUtilization"):
        target = policy.get(name, {}).get("utilizationTarget", DEFAULT_CPU)
        if not 0 < target <= 1:
            raise invalid(f"{FIELD}.{name}.utilizationTarget", target, "Must be in the range (0, 1].")
    predictive = policy.get("cpuUtilization", {}).get("predictiveMethod", "NONE")
    if predictive not in {"NONE", "OPTIMIZE_AVAILABILITY"}:
        raise invalid(f"{FIELD}.cpuUtilization.predictiveMethod", predictive, "Must be NONE or OPTIMIZE_AVAILABILITY.")
    metrics: list[Document] = policy.get("customMetricUtilizations", [])
    if len(metrics) > MAX_METRICS:
        raise invalid(f"{FIELD}.customMetricUtilizations", len(metrics), f"At most {MAX_METRICS} are allowed.")
    for number, metric in enumerate(metrics):
        _check_metric(metric, f"{FIELD}.customMetricUtilizations[{number}]")


def _check_metric(metric: Document, field: str) -> None:
    if not metric.get("metric"):
        raise required(f"{field}.metric")
    targets = [metric[name] for name in ("utilizationTarget", "singleInstanceAssignment") if metric.get(name)]
    if len(targets) != 1 or targets[0] <= 0:
        raise invalid(field, targets, "One positive utilizationTarget or singleInstanceAssignment must be given.")
    kinds = {"GAUGE", "DELTA_PER_SECOND", "DELTA_PER_MINUTE"}
    if metric.get("utilizationTargetType", "GAUGE") not in kinds:
        raise invalid(
            f"{field}.utilizationTargetType", metric["utilizationTargetType"], f"Must be one of {sorted(kinds)}."
        )


def _check_scale_in(control: Document) -> None:
    allowed: Document = control.get("maxScaledInReplicas", {})
    if {"fixed", "percent"} <= set(allowed):
        raise invalid(f"{FIELD}.scaleInControl.maxScaledInReplicas", allowed, "Either fixed or percent may be given.")
    if not 0 <= int(allowed.get("percent", 0)) <= 100 or int(allowed.get("fixed", 0)) < 0:
        raise invalid(f"{FIELD}.scaleInControl.maxScaledInReplicas", allowed, "Out of range.")
    if int(control.get("timeWindowSec", 0)) < 0:
        raise invalid(f"{FIELD}.scaleInControl.timeWindowSec", control["timeWindowSec"], "Must not be negative.")


def _targets(policy: Document) -> list[tuple[str, float, bool]]:
    """Each signal of a policy: its name, its target, and whether the value is the whole group's."""
    found: list[tuple[str, float, bool]] = []
    for key, name in (("cpuUtilization", "cpu"), ("loadBalancingUtilization", "load_balancing")):
        if key in policy:
            found.append((name, policy[key].get("utilizationTarget", DEFAULT_CPU), False))
    metrics: list[dict[str, Any]] = policy.get("customMetricUtilizations", [])
    for metric in metrics:
        assigned = metric.get("singleInstanceAssignment")
        found.append((metric["metric"], assigned or metric["utilizationTarget"], bool(assigned)))
    return found


def _floors(written: Written, start: datetime, end: datetime, *, begun_windows: bool) -> list[int]:
    """`Autoscaler.floors` under one policy."""
    count = max(0, math.ceil((end - start) / MINUTE))
    if not count:
        return []
    most = int(written.policy["maxNumReplicas"])
    found = [min(int(written.policy["minNumReplicas"]), most)] * count
    held: Mapping[str, schedules.Schedule] = written.policy.get("scalingSchedules", {})
    for name, schedule in held.items():
        if schedule.get("disabled"):
            continue
        length, least = schedules.duration(schedule), min(int(schedule["minRequiredReplicas"]), most)
        for begin in schedules.cron_of(schedule).starts(start - length, end):
            if not begun_windows and begin < written.schedules_at[name]:
                continue
            first = max(0, math.ceil((begin - start) / MINUTE))
            last = min(count, math.ceil((begin + length - start) / MINUTE))
            found[first:last] = [max(least, value) for value in found[first:last]]
    return found


def status_details(policy: Document) -> list[Document]:
    """API, AutoscalerStatusDetails: what the policy itself gives reason to say."""
    least, most = int(policy["minNumReplicas"]), int(policy["maxNumReplicas"])
    wanted = [int(schedule["minRequiredReplicas"]) for schedule in policy.get("scalingSchedules", {}).values()]
    said = {
        "MIN_EQUALS_MAX": least == most,
        "MODE_OFF": policy["mode"] == "OFF",
        "MODE_ONLY_SCALE_OUT": policy["mode"] in {"ONLY_SCALE_OUT", "ONLY_UP"},
        "SCHEDULED_INSTANCES_GREATER_THAN_AUTOSCALER_MAX": any(size > most for size in wanted),
        "SCHEDULED_INSTANCES_LESS_THAN_AUTOSCALER_MIN": any(size < least for size in wanted),
    }
    return [{"type": name, "message": name} for name, true in said.items() if true]
