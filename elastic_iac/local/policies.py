"""Predictive scaling policies of a group, which the emulator behind does not know: checked, kept and described here, never executed.

Sources, named at each rule: API = the EC2 Auto Scaling API reference; MODEL = botocore's service model; INFERRED = not documented, the
stricter reading is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from elastic_iac.local import wire
from elastic_iac.local.pages import Arguments, Result, page
from elastic_iac.local.rules import ACCOUNT, Group, invalid
from elastic_iac.local.wire import Request, Response

KIND = "PredictiveScaling"
MODES = ("ForecastAndScale", "ForecastOnly")  # MODEL, PredictiveScalingMode
BREACHES = ("HonorMaxCapacity", "IncreaseMaxCapacity")  # API, PredictiveScalingConfiguration
FORECAST_INTERVAL_SECONDS = (
    3600  # API: SchedulingBufferTime "must be less than the forecast interval duration of 3600 seconds"
)
_PAIR = "PredefinedMetricPairSpecification"
_SINGLE = (
    {"PredefinedScalingMetricSpecification", "CustomizedScalingMetricSpecification"},
    {"PredefinedLoadMetricSpecification", "CustomizedLoadMetricSpecification"},
)


class Policies:
    """The calls of scaling policies: predictive ones are answered here, the others by the emulator behind.

    Args:
        named: The groups that a call names; refuses one that does not exist.
        upstream: Lets the emulator carry out a call.
    """

    def __init__(
        self, named: Callable[[Request, Arguments], list[Group]], upstream: Callable[[Request], Response]
    ) -> None:
        self._named = named
        self._upstream = upstream

    def put(self, request: Request, arguments: Arguments) -> Result:
        """PutScalingPolicy."""
        (group,) = self._named(request, arguments)
        if arguments.get("PolicyType") == KIND:
            return put_predictive(group, arguments, self._others(request, group))
        if arguments["PolicyName"] in group.predictive:  # INFERRED: a policy's type stays
            raise invalid(f"Policy {arguments['PolicyName']} has another type; delete it first")
        return wire.parse_xml(self._upstream(request), request.action)

    def describe(self, request: Request, arguments: Arguments) -> Result:
        """DescribePolicies."""
        kinds, wanted = arguments.get("PolicyTypes"), set(arguments.get("PolicyNames", []))
        found = [
            policy
            for group in self._named(request, arguments)
            for policy in (*self._others(request, group), *group.predictive.values())
            if (not kinds or policy["PolicyType"] in kinds)
            and (not wanted or {policy["PolicyName"], policy["PolicyARN"]} & wanted)
        ]
        return page("ScalingPolicies", found, arguments)

    def delete(self, request: Request, arguments: Arguments) -> Result:
        """DeletePolicy."""
        if not any(delete_predictive(group, arguments["PolicyName"]) for group in self._named(request, arguments)):
            self._upstream(request)
        return {}

    def _others(self, request: Request, group: Group) -> list[dict[str, Any]]:
        form = {"Action": "DescribePolicies", "Version": "2011-01-01", "AutoScalingGroupName": group.name}
        response = self._upstream(wire.form_request("autoscaling", request.region, form))
        return wire.parse_xml(response, "DescribePolicies")["ScalingPolicies"]


def put_predictive(group: Group, arguments: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Create or replace a predictive scaling policy.

    Args:
        group: Its group.
        arguments: Of PutScalingPolicy.
        others: The group's policies of other types.

    Raises:
        AwsError: as AWS refuses it; nothing is changed then.
    """
    name, settings = arguments["PolicyName"], arguments.get("PredictiveScalingConfiguration")
    if settings is None:  # API, PutScalingPolicy: required for this type
        raise invalid("PredictiveScalingConfiguration is required for policies of type PredictiveScaling")
    if any(policy["PolicyName"] == name for policy in others):  # INFERRED: a policy's type stays
        raise invalid(f"Policy {name} has another type; delete it first")
    _check(settings)
    old = group.predictive.get(name)
    arn = old["PolicyARN"] if old else _arn(group, name)
    group.predictive[name] = {
        "AutoScalingGroupName": group.name,
        "PolicyName": name,
        "PolicyARN": arn,
        "PolicyType": KIND,
        "Alarms": [],
        "Enabled": arguments.get("Enabled", True),
        # API: ForecastOnly, 300 s and HonorMaxCapacity by default.
        "PredictiveScalingConfiguration": {
            "Mode": "ForecastOnly",
            "SchedulingBufferTime": 300,
            "MaxCapacityBreachBehavior": "HonorMaxCapacity",
            **settings,
        },
    }
    return {"PolicyARN": arn, "Alarms": []}


def delete_predictive(group: Group, named: str) -> bool:
    """Delete a predictive scaling policy by its name or ARN, if it is one."""
    name = next((name for name, held in group.predictive.items() if named in {name, held["PolicyARN"]}), None)
    return name is not None and group.predictive.pop(name, None) is not None


def _check(settings: Mapping[str, Any]) -> None:
    metrics: list[Mapping[str, Any]] = settings.get("MetricSpecifications", [])
    if len(metrics) != 1:  # API: "we currently only support a single metric specification"
        raise invalid(f"MetricSpecifications: got {len(metrics)}; expected one")
    _check_metric(metrics[0])
    if (mode := settings.get("Mode", MODES[1])) not in MODES:
        raise invalid(f"Mode: got {mode!r}; expected one of {', '.join(MODES)}")
    buffer = settings.get("SchedulingBufferTime", 300)
    if not 0 <= buffer < FORECAST_INTERVAL_SECONDS:
        raise invalid(f"SchedulingBufferTime: got {buffer}; expected 0 to {FORECAST_INTERVAL_SECONDS - 1}")
    breach, share = settings.get("MaxCapacityBreachBehavior", BREACHES[0]), settings.get("MaxCapacityBuffer")
    if breach not in BREACHES:
        raise invalid(f"MaxCapacityBreachBehavior: got {breach!r}; expected one of {', '.join(BREACHES)}")
    # API, MaxCapacityBuffer: "Required if ... IncreaseMaxCapacity, and cannot be used otherwise"; its range is MODEL's.
    if (share is None) == (breach == "IncreaseMaxCapacity"):
        raise invalid("MaxCapacityBuffer is required with IncreaseMaxCapacity, and cannot be used otherwise")
    if share is not None and not 0 <= share <= 100:
        raise invalid(f"MaxCapacityBuffer: got {share}; expected 0 to 100")


def _check_metric(metric: Mapping[str, Any]) -> None:
    if metric.get("TargetValue") is None:  # MODEL: required
        raise invalid("TargetValue is required")
    # API, PredictiveScalingMetricSpecification: "either a metric pair, or a load metric and a scaling metric individually"
    singles = [len(kinds & set(metric)) for kinds in _SINGLE]
    if singles != ([0, 0] if _PAIR in metric else [1, 1]):
        raise invalid("Specify either a metric pair, or one load metric and one scaling metric")


def _arn(group: Group, name: str) -> str:
    return (
        f"arn:aws:autoscaling:{group.region}:{ACCOUNT}:scalingPolicy:{uuid4()}"
        f":autoScalingGroupName/{group.name}:policyName/{name}"
    )
