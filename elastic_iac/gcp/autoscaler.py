"""The autoscaler: what adds instances above the floor, and the one way in which instances go away again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpInstancesArguments, GcpMetric, GcpScaleInControl, GcpTargetTracking
from elastic_iac.common.validation import number
from forecasting.errors import SettingsError

SCHEDULES_OF_THE_JOB = ["autoscalingPolicy.scalingSchedules"]
"""What the job writes. The spelling matters: a nested path in snake case is not translated, and would ignore nothing."""

DEFAULT_TARGET_TRACKING = (GcpTargetTracking(metric="cpu", target_value=60),)
_PERCENT = number(0, 100)
_SIGNALS_AT_MOST = 5


@dataclass(frozen=True)
class Autoscaler:
    """The policy, in the shape of the provider's argument."""

    policy: dict[str, Any]


def configure_autoscaler(
    args: GcpInstancesArguments,
    problems: Problems,
    *,
    sizes: tuple[Value[int], Value[int]],
    lead_time_seconds: Value[int],
    target_tracking: Sequence[GcpTargetTracking],
) -> Autoscaler:
    """The autoscaler's policy.

    Args:
        args: The arguments of the group or the pool.
        problems: Gets what is wrong.
        sizes: Minimum and maximum.
        lead_time_seconds: Launch to first healthy answer.
        target_tracking: Its signals: one at least, since a minimum only ever adds instances.
    """
    initialization, control = args.initialization_seconds, args.scale_in_control
    return Autoscaler(
        {
            "min_replicas": sizes[0],
            "max_replicas": sizes[1],
            "mode": "ON" if args.mode is None else args.mode,
            "cooldown_period": lift(lambda seconds: min(max(seconds, 60), 3600), lead_time_seconds)
            if initialization is None
            else initialization,
            "stabilization_period": 600 if args.stabilization_seconds is None else args.stabilization_seconds,
            **({} if control is None else {"scale_in_control": _scale_in_control(control, problems)}),
            **_signals(target_tracking, args, problems),
        }
    )


def ordered_sizes(
    minimum: Value[int], maximum: Value[int], problems: Problems, at: str = ""
) -> tuple[Value[int], Value[int]]:
    """Minimum and maximum size, in order."""

    def in_order(least: int, most: int) -> tuple[int, int]:
        if most < max(least, 1):
            raise SettingsError(f"{at}max_size", most, f"at least min_size ({least}) and 1")
        return least, most

    with problems.collect():
        pair = lift(in_order, minimum, maximum)
        return lift(lambda sizes: sizes[0], pair), lift(lambda sizes: sizes[1], pair)
    return minimum, maximum


def _scale_in_control(control: GcpScaleInControl, problems: Problems) -> dict[str, Any]:
    fixed, percent = control.max_instances, control.max_percent
    if (fixed is None) == (percent is None):
        expected = "max_instances or max_percent: one of the two"
        problems.refuse("scale_in_control.max_instances", fixed, expected)
    limit = {"fixed": fixed} if fixed is not None else {"percent": percent}
    return {"time_window_sec": control.window_seconds, "max_scaled_in_replicas": limit}


def _signals(items: Sequence[GcpTargetTracking], args: GcpInstancesArguments, problems: Problems) -> dict[str, Any]:
    """The signals by their place in the policy.

    One is always declared: documents disagree on whether schedules need another signal beside them.
    """
    signals: dict[str, Any] = {}
    if not 1 <= len(items) <= _SIGNALS_AT_MOST:
        expected = f"1 to {_SIGNALS_AT_MOST} signals: nothing else removes instances"
        problems.refuse("target_tracking", f"{len(items)} signals", expected)
    for index, item in enumerate(items):
        field, metric, custom = f"target_tracking[{index}]", item.metric, item.custom_metric
        if (metric == "custom") != (custom is not None):
            expected = "a metric if `metric` is 'custom', and only then"
            problems.refuse(f"{field}.custom_metric", "given" if custom else None, expected)
        if metric == "custom":
            signals.setdefault("metrics", []).append({} if custom is None else _custom(item, custom))
            continue
        place = {"cpu": "cpu_utilization", "lb-utilization": "load_balancing_utilization"}[metric]
        if place in signals:
            problems.refuse(f"{field}.metric", metric, "a metric that no other signal tracks")
        balancer = args.load_balancer
        if metric == "lb-utilization" and (balancer is None or balancer.max_rate_per_instance is None):
            expected = "a load_balancer with max_rate_per_instance, or another metric"
            problems.refuse(f"{field}.metric", metric, expected)
        percent = problems.verified(f"{field}.target_value", item.target_value, _PERCENT)
        signals[place] = {"target": lift(lambda value: round(value / 100, 6), percent)}
    return signals


def _custom(item: GcpTargetTracking, metric: GcpMetric) -> dict[str, Any]:
    return {
        "name": metric.metric_type,
        "type": metric.kind,
        "target": item.target_value,
        **({} if metric.filter is None else {"filter": metric.filter}),
    }


def policy_revision(policy: Mapping[str, Any], target: pulumi.Input[str]) -> pulumi.Output[str]:
    """A name for what is declared of the autoscaler, which changes with every update of it.

    The provider updates an autoscaler by a full PUT from its state, which erases the schedules that the job has written since. The revision is
    part of the fleet's settings, so these change too, and the job that they trigger restores the schedules.
    """
    declared = pulumi.Output.json_dumps({"policy": dict(policy), "target": target}, sort_keys=True)
    return declared.apply(lambda text: hashlib.sha256(json.dumps(json.loads(text)).encode()).hexdigest()[:12])
