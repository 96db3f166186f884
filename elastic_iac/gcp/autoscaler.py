"""The autoscaler: what adds instances above the floor, and the one way in which instances go away again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.capacity import Sizes
from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpInstancesArguments, GcpMetric, GcpScaleInControl, GcpTargetTracking
from elastic_iac.common.validation import number
from elastic_iac.gcp.group import Group, Manager
from elastic_iac.gcp.load_balancer import Front

Autoscaler = gcp.compute.RegionAutoscaler | gcp.compute.Autoscaler

SCHEDULES_OF_THE_JOB = ["autoscalingPolicy.scalingSchedules"]
"""What the job writes. The spelling matters: a nested path in snake case is not translated, and would ignore nothing."""

DEFAULT_TARGET_TRACKING = (GcpTargetTracking(metric="cpu", target_value=60),)
_PERCENT = number(0, 100)
_SIGNALS_AT_MOST = 5


def configure_autoscaler(
    args: GcpInstancesArguments,
    problems: Problems,
    sizes: Sizes,
    lead_time_seconds: Value[int],
    target_tracking: Sequence[GcpTargetTracking],
) -> dict[str, Any]:
    """The autoscaler's policy, in the shape of the provider's argument."""
    initialization, control = args.initialization_seconds, args.scale_in_control
    return {
        "min_replicas": sizes.minimum,
        "max_replicas": sizes.maximum,
        "mode": "ON" if args.mode is None else args.mode,
        "cooldown_period": lift(lambda seconds: min(max(seconds, 60), 3600), lead_time_seconds)
        if initialization is None
        else initialization,
        "stabilization_period": 600 if args.stabilization_seconds is None else args.stabilization_seconds,
        **({} if control is None else {"scale_in_control": _scale_in_control(control, problems)}),
        **_signals(target_tracking, args, problems),
    }


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


def declare_autoscaler(
    name: str, policy: dict[str, Any], place: Group, group: Manager, front: Front | None, parent: pulumi.Resource
) -> Autoscaler:
    """Declare the autoscaler of the group."""
    given: Any = {"target": group.self_link, "autoscaling_policy": policy}
    opts = pulumi.ResourceOptions(
        parent=parent,
        # Its own option, since one on the component would not reach it.
        ignore_changes=SCHEDULES_OF_THE_JOB,
        # Load-balancing utilisation is refused until the group stands behind a load balancer.
        depends_on=front.rules if front else None,
    )
    if place.zone is not None:
        return gcp.compute.Autoscaler(f"{name}-autoscaler", opts, **given, zone=place.zone)
    return gcp.compute.RegionAutoscaler(f"{name}-autoscaler", opts, **given, region=place.region)


def policy_revision(policy: Mapping[str, Any], target: pulumi.Input[str]) -> pulumi.Output[str]:
    """A name for what is declared of the autoscaler, which changes with every update of it.

    The provider updates an autoscaler by a full PUT from its state, which erases the schedules that the job has written since. The revision is
    part of the fleet's settings, so these change too, and the job that they trigger restores the schedules.
    """
    declared = pulumi.Output.json_dumps({"policy": dict(policy), "target": target}, sort_keys=True)
    return declared.apply(lambda text: hashlib.sha256(json.dumps(json.loads(text)).encode()).hexdigest()[:12])
