"""The autoscaler: what adds instances above the floor, and the one way in which instances go away again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.common.validation import (
    SIZE,
    TEXT,
    checked,
    is_literal,
    matching,
    number,
    one_of,
    plain_list,
    refuse_unknown,
    whole,
)
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs, GcpMetric, GcpScaleInControl, GcpTargetTracking
from elastic_iac.gcp.group import lead_time_seconds
from forecasting.errors import SettingsError

SCHEDULES_OF_THE_JOB = ["autoscalingPolicy.scalingSchedules"]
"""What the job writes. The spelling matters: a nested path in snake case is not translated, and would ignore nothing."""

DEFAULT_TARGET_TRACKING: tuple[GcpTargetTracking, ...] = ({"metric": "cpu", "target_value": 60},)
_METRIC = one_of("cpu", "lb-utilization", "custom")
_METRIC_TYPE = matching(r"[A-Za-z][\w.-]*\.[\w.-]+(/[\w.-]+)+", "a metric's type such as 'custom.googleapis.com/queue'")
_KIND = one_of("GAUGE", "DELTA_PER_SECOND", "DELTA_PER_MINUTE")
_SIGNALS_AT_MOST = 5


@dataclass(frozen=True)
class Autoscaler:
    """The checked policy; `policy` is in the shape of the provider's argument."""

    policy: dict[str, Any]


def settle_autoscaler(args: GcpAutoscalingGroupArgs) -> Autoscaler:
    """Check the autoscaler's arguments: sizes, signals, periods.

    Raises:
        SettingsError: the first wrong literal, or no signal: a floor only ever adds instances.
    """
    minimum, maximum = _sizes(args)
    initialization, control = args.get("initialization_seconds"), args.get("scale_in_control")
    return Autoscaler(
        {
            "min_replicas": minimum,
            "max_replicas": maximum,
            "mode": checked("mode", args.get("mode", "ON"), one_of("ON", "ONLY_UP", "OFF")),
            "cooldown_period": lead_time_seconds(args).apply(lambda seconds: min(max(seconds, 60), 3600))
            if initialization is None
            else checked("initialization_seconds", initialization, whole(15, 3600)),
            "stabilization_period": checked(
                "stabilization_seconds", args.get("stabilization_seconds", 600), whole(60, 3600)
            ),
            **({} if control is None else {"scale_in_control": _scale_in_control(control)}),
            **_signals(args.get("target_tracking", DEFAULT_TARGET_TRACKING), args),
        }
    )


def _sizes(args: GcpAutoscalingGroupArgs) -> tuple[pulumi.Output[int], pulumi.Output[int]]:
    """Minimum and maximum size, in order: compared at once where both are literals."""
    minimum, maximum = checked("min_size", args["min_size"], SIZE), checked("max_size", args["max_size"], SIZE)
    literals = [args["min_size"], args["max_size"]]
    if all(map(is_literal, literals)):
        _in_order(literals)
    ordered = pulumi.Output.all(minimum, maximum).apply(_in_order)
    return ordered.apply(lambda sizes: sizes[0]), ordered.apply(lambda sizes: sizes[1])


def _in_order(sizes: list[Any]) -> list[int]:
    minimum, maximum = map(int, sizes)
    if maximum < max(minimum, 1):
        raise SettingsError("max_size", maximum, f"at least min_size ({minimum}) and 1")
    return [minimum, maximum]


def _scale_in_control(control: GcpScaleInControl) -> dict[str, Any]:
    at = "scale_in_control"
    refuse_unknown(at, control, GcpScaleInControl)
    fixed, percent = control.get("max_instances"), control.get("max_percent")
    if (fixed is None) == (percent is None):
        raise SettingsError(f"{at}.max_instances", fixed, "max_instances or max_percent: one of the two")
    limit = (
        {"fixed": checked(f"{at}.max_instances", fixed, whole(1, 100_000))}
        if fixed is not None
        else {"percent": checked(f"{at}.max_percent", percent, whole(1, 100))}
    )
    return {
        "time_window_sec": checked(f"{at}.window_seconds", control["window_seconds"], whole(60, 3600)),
        "max_scaled_in_replicas": limit,
    }


def _signals(given: Sequence[GcpTargetTracking], args: GcpAutoscalingGroupArgs) -> dict[str, Any]:
    """The signals by their place in the policy.

    One is always declared: documents disagree on whether schedules need another signal beside them.
    """
    signals: dict[str, Any] = {}
    items = plain_list("target_tracking", given)
    if not 1 <= len(items) <= _SIGNALS_AT_MOST:
        raise SettingsError(
            "target_tracking", given, f"1 to {_SIGNALS_AT_MOST} signals: nothing else removes instances"
        )
    for index, item in enumerate(items):
        field = f"target_tracking[{index}]"
        refuse_unknown(field, item, GcpTargetTracking)
        metric = _METRIC(f"{field}.metric", item["metric"])
        custom = item.get("custom_metric")
        if (metric == "custom") != (custom is not None):
            raise SettingsError(f"{field}.custom_metric", custom, "a metric where `metric` is 'custom', and only there")
        if custom is not None:
            signals.setdefault("metrics", []).append(_custom(field, item, custom))
            continue
        place = {"cpu": "cpu_utilization", "lb-utilization": "load_balancing_utilization"}[metric]
        if place in signals:
            raise SettingsError(f"{field}.metric", metric, "a metric that no other signal tracks")
        if metric == "lb-utilization" and "max_rate_per_instance" not in args.get("load_balancer", {}):
            raise SettingsError(
                f"{field}.metric", metric, "a load_balancer with max_rate_per_instance, or another metric"
            )
        percent = checked(f"{field}.target_value", item["target_value"], number(0, 100))
        signals[place] = {"target": percent.apply(lambda value: round(value / 100, 6))}
    return signals


def _custom(field: str, item: GcpTargetTracking, metric: GcpMetric) -> dict[str, Any]:
    at = f"{field}.custom_metric"
    refuse_unknown(at, metric, GcpMetric)
    selection = metric.get("filter")
    return {
        "name": checked(f"{at}.metric_type", metric["metric_type"], _METRIC_TYPE),
        "type": checked(f"{at}.kind", metric.get("kind", "GAUGE"), _KIND),
        "target": checked(f"{field}.target_value", item["target_value"], number(0, 1e12)),
        **({} if selection is None else {"filter": checked(f"{at}.filter", selection, TEXT)}),
    }


def policy_revision(policy: Mapping[str, Any], target: pulumi.Input[str]) -> pulumi.Output[str]:
    """A name for what is declared of the autoscaler, which changes with every update of it.

    The provider updates an autoscaler by a full PUT from its state, which erases the schedules that the job has written since. The revision stands
    in the fleet's settings, so these change too, and the job that they trigger puts the schedules back.
    """
    declared = pulumi.Output.json_dumps({"policy": dict(policy), "target": target}, sort_keys=True)
    return declared.apply(lambda text: hashlib.sha256(json.dumps(json.loads(text)).encode()).hexdigest()[:12])
