"""What the emulator drops of an Auto Scaling group, kept and given back: settings, processes, attachments, metrics, warm pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from elastic_iac.local import wire
from elastic_iac.local.rules import PROCESSES, Group, invalid, stamp
from elastic_iac.local.wire import AwsError

_OURS = frozenset(
    {"AutoScalingGroupName", "MinSize", "MaxSize", "DesiredCapacity", "Tags", "TargetGroupARNs", "TrafficSources"}
)
LAUNCH_SOURCES = ("LaunchTemplate", "LaunchConfigurationName", "InstanceId", "MixedInstancesPolicy")
_TARGET_GROUP = "elbv2"  # API, TrafficSourceIdentifier.Type: an ALB, NLB or GWLB target group


def keep(group: Group, arguments: Mapping[str, Any]) -> None:
    """Remember every setting of a create or update call that DescribeAutoScalingGroups gives back."""
    shown = wire.service_model().shape_for("AutoScalingGroup").members
    if any(name in arguments for name in LAUNCH_SOURCES):  # API, UpdateAutoScalingGroup: one replaces the other
        group.kept |= dict.fromkeys(LAUNCH_SOURCES)
    group.kept |= {name: value for name, value in arguments.items() if name in shown and name not in _OURS}
    _attach(group, [_target_group(arn) for arn in arguments.get("TargetGroupARNs", [])])
    _attach(group, arguments.get("TrafficSources", []))


def describe_group(group: Group, described: Mapping[str, Any]) -> dict[str, Any]:
    """The emulator's description of a group, with what it dropped."""
    sources = _sources(group)
    extra = {
        "SuspendedProcesses": [
            {"ProcessName": name, "SuspensionReason": reason} for name, reason in group.suspended.items()
        ],
        "EnabledMetrics": [{"Metric": name, "Granularity": "1Minute"} for name in group.kept.get("EnabledMetrics", [])],
        "TrafficSources": sources,
        "TargetGroupARNs": [source["Identifier"] for source in sources if source.get("Type") == _TARGET_GROUP],
        "WarmPoolConfiguration": group.warm_pool,
        "WarmPoolSize": None if group.warm_pool is None else 0,
    }
    return {name: value for name, value in {**described, **group.kept, **extra}.items() if value != ""}


def refuse_beside_operator(groups: Mapping[tuple[str, str], Group], region: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a change of a group that has an operator: no caller of the emulator is one.

    API, CreateAutoScalingGroup.Operator: "All mutating API calls from non-operator callers are rejected with an AccessDenied exception".

    Raises:
        AwsError: `AccessDenied`.
    """
    named = {arguments.get("AutoScalingGroupName"), *(tag.get("ResourceId") for tag in arguments.get("Tags", []))}
    for group in (groups.get((region, name)) for name in named if name is not None):
        if group is not None and (operator := group.kept.get("Operator")):
            raise AwsError(
                "AccessDenied", f"{group.name} is managed by {operator['Principal']}; only the operator can change it"
            )


def _suspend(group: Group, arguments: Mapping[str, Any], now: datetime) -> None:
    for process in _processes(arguments):
        group.suspended.setdefault(process, f"User suspended at {stamp(now)}")


def _resume(group: Group, arguments: Mapping[str, Any], _now: datetime) -> None:
    for process in _processes(arguments):
        group.suspended.pop(process, None)


def _processes(arguments: Mapping[str, Any]) -> list[str]:
    """API, SuspendProcesses: all where none is named."""
    named: list[str] = arguments.get("ScalingProcesses", [])
    for process in named:
        if process not in PROCESSES:
            raise invalid(f"{process!r} is not a scaling process; expected one of {', '.join(PROCESSES)}")
    return named or list(PROCESSES)


def _enable_metrics(group: Group, arguments: Mapping[str, Any], _now: datetime) -> None:
    if arguments["Granularity"] != "1Minute":  # API, EnableMetricsCollection: "The only valid value is 1Minute"
        raise invalid(f"Granularity: got {arguments['Granularity']!r}; expected '1Minute'")
    enabled = group.kept.get("EnabledMetrics", [])
    group.kept["EnabledMetrics"] = sorted({*enabled, *(arguments.get("Metrics") or _ALL_METRICS)})


def _disable_metrics(group: Group, arguments: Mapping[str, Any], _now: datetime) -> None:
    disabled = arguments.get("Metrics") or _ALL_METRICS
    group.kept["EnabledMetrics"] = [name for name in group.kept.get("EnabledMetrics", []) if name not in disabled]


# API, EnableMetricsCollection: the metrics of a group without a warm pool.
_ALL_METRICS = [
    f"Group{name}"
    for name in (
        "MinSize",
        "MaxSize",
        "DesiredCapacity",
        *(
            f"{state}{unit}"
            for unit in ("Instances", "Capacity")
            for state in ("InService", "Pending", "Standby", "Terminating", "Total")
        ),
    )
]


def _target_group(arn: str) -> dict[str, str]:
    return {"Identifier": arn, "Type": _TARGET_GROUP}


def _sources(group: Group) -> list[dict[str, str]]:
    return group.kept.setdefault("TrafficSources", [])


def _attach(group: Group, sources: list[dict[str, str]]) -> None:
    """API, AttachTrafficSources: additive."""
    held = _sources(group)
    held.extend(source for source in sources if source not in held)


def _detach(group: Group, identifiers: list[str]) -> None:
    group.kept["TrafficSources"] = [source for source in _sources(group) if source["Identifier"] not in identifiers]


def _describe_target_groups(group: Group, _arguments: Mapping[str, Any], _now: datetime) -> dict[str, Any]:
    arns = [source["Identifier"] for source in _sources(group) if source.get("Type") == _TARGET_GROUP]
    return {"LoadBalancerTargetGroups": [{"LoadBalancerTargetGroupARN": arn, "State": "InService"} for arn in arns]}


def _describe_sources(group: Group, _arguments: Mapping[str, Any], _now: datetime) -> dict[str, Any]:
    return {
        "TrafficSources": [
            {**source, "TrafficSource": source["Identifier"], "State": "InService"} for source in _sources(group)
        ]
    }


def _put_warm_pool(group: Group, arguments: Mapping[str, Any], _now: datetime) -> None:
    settings = {name: value for name, value in arguments.items() if name != "AutoScalingGroupName"}
    _check_warm_pool(group)
    # API, PutWarmPool: MinSize 0 and PoolState Stopped by default.
    group.warm_pool = {"MinSize": 0, "PoolState": "Stopped", **settings}


def _check_warm_pool(group: Group) -> None:
    """GUIDE, Warm pools, Limitations: no weights and no spot in a mixed group. The message is INFERRED."""
    mixed: dict[str, Any] = group.kept.get("MixedInstancesPolicy") or {}
    if any("WeightedCapacity" in override for override in mixed.get("LaunchTemplate", {}).get("Overrides", [])):
        raise invalid("You cannot add a warm pool to an Auto Scaling group that uses instance weighting.")
    # API, InstancesDistribution: 100 per cent on demand by default.
    shares = mixed.get("InstancesDistribution", {})
    if mixed and int(shares.get("OnDemandPercentageAboveBaseCapacity", 100)) < 100:
        raise invalid("You cannot add a warm pool to an Auto Scaling group that launches Spot Instances.")


def _describe_warm_pool(group: Group, _arguments: Mapping[str, Any], _now: datetime) -> dict[str, Any]:
    return {"WarmPoolConfiguration": group.warm_pool, "Instances": []}


def _delete_warm_pool(group: Group, _arguments: Mapping[str, Any], _now: datetime) -> None:
    if group.warm_pool is None:
        raise invalid(f"Warm pool not found for group {group.name}")
    group.warm_pool = None


Extension = Callable[[Group, Mapping[str, Any], datetime], "dict[str, Any] | None"]

EXTENSIONS: Mapping[str, Extension] = {
    "SuspendProcesses": _suspend,
    "ResumeProcesses": _resume,
    "EnableMetricsCollection": _enable_metrics,
    "DisableMetricsCollection": _disable_metrics,
    "AttachLoadBalancerTargetGroups": lambda group, asked, _: _attach(
        group, [_target_group(arn) for arn in asked["TargetGroupARNs"]]
    ),
    "DetachLoadBalancerTargetGroups": lambda group, asked, _: _detach(group, asked["TargetGroupARNs"]),
    "DescribeLoadBalancerTargetGroups": _describe_target_groups,
    "AttachTrafficSources": lambda group, asked, _: _attach(group, asked["TrafficSources"]),
    "DetachTrafficSources": lambda group, asked, _: _detach(
        group, [source["Identifier"] for source in asked["TrafficSources"]]
    ),
    "DescribeTrafficSources": _describe_sources,
    "PutWarmPool": _put_warm_pool,
    "DescribeWarmPool": _describe_warm_pool,
    "DeleteWarmPool": _delete_warm_pool,
}
"""The calls that the emulator answers with InvalidAction, and what they do to a group that exists."""
