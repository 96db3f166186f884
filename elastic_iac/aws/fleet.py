"""The `fleet` output: the group and its forecast settings in the form that the forecasting job reads."""

from collections.abc import Mapping
from typing import Any, cast

import pulumi

from elastic_iac.aws.args import (
    AwsAutoscalingGroupArgs,
    AwsForecast,
    AwsLoad,
    LoadEvent,
    LoadPrices,
)
from elastic_iac.validation import is_literal, plain_list, refuse_unknown
from forecasting.errors import SettingsError
from forecasting.settings import parse_fleet

FORECAST_FIELDS = (
    "load_per_instance",
    "lead_time_seconds",
    "quantile",
    "prices",
    "step_minutes",
    "horizon_hours",
    "max_increase_per_slot",
    "max_decrease_per_slot",
    "time_zone",
    "model",
    "max_load",
    "events",
    "dry_run",
    "enabled",
)
"""Fields of `AwsForecast` that a fleet has under the same name."""

_STAND_INS: Mapping[str, object] = {
    "load_per_instance": 1.0,
    "floor": 0,
    "ceiling": 100_000,
    "namespace": "unknown",
    "metric_name": "unknown",
    "instance_hour": 1.0,
    "unmet_instance_hour": 1.0,
    "name": "unknown",
    "start": "2000-01-01T00:00:00Z",
    "end": "2999-01-01T00:00:00Z",
}
"""Required values for checking the others while these are outputs; optional outputs are left out of the early check."""

_ARGUMENT_OF = (
    ("source.metric.", "forecast.load."),
    ("source.per_instance", "forecast.load.per_instance"),
    ("source.saturated_above", "forecast.saturated_cpu_percent"),
    ("source.", "forecast."),
    ("floor", "min_size"),
    ("ceiling", "max_size"),
)
"""Where a field of the fleet comes from, so that a message names what the user wrote."""


def fleet_settings(
    name: str,
    args: AwsAutoscalingGroupArgs,
    *,
    region: pulumi.Input[str],
    group_name: pulumi.Input[str],
    load_balancer: pulumi.Input[str],
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs.

    Args:
        name: Name of the component, which the fleet takes.
        args: The component's arguments.
        region: Region of the group.
        group_name: Name of the group in the cloud.
        load_balancer: ARN suffix of the load balancer; read only where the arguments have one.
    """
    forecast = args["forecast"]
    return {
        "name": name,
        "cloud": "aws",
        "target": {"region": region, "group_name": group_name},
        "source": _source(args, group_name=group_name, load_balancer=load_balancer),
        "floor": args["min_size"],
        "ceiling": args["max_size"],
        **{field: forecast.get(field) for field in FORECAST_FIELDS if field in forecast},
    }


def _source(
    args: AwsAutoscalingGroupArgs, *, group_name: pulumi.Input[str], load_balancer: pulumi.Input[str]
) -> dict[str, Any]:
    """Samples of CloudWatch, with what tells which of them are lower bounds of the load."""
    forecast = args["forecast"]
    source: dict[str, Any] = {"kind": "cloudwatch"}
    load = forecast.get("load")
    if load is None:
        source |= _requests(load_balancer)
    else:
        fields = ("namespace", "metric_name", "statistic", "unit")
        metric = {field: load.get(field) for field in fields if field in load}
        default_statistic = "Average" if load.get("per_instance") is True else "Sum"
        dimensions = load.get("dimensions", {"AutoScalingGroupName": group_name})
        source["metric"] = {"statistic": default_statistic, **metric, "dimensions": dimensions}
        source["per_instance"] = load.get("per_instance", False)
    if "period_seconds" in forecast:
        source["period_seconds"] = forecast["period_seconds"]
    if "saturated_cpu_percent" in forecast:
        dimensions = {"AutoScalingGroupName": group_name}
        source["utilisation"] = {"namespace": "AWS/EC2", "metric_name": "CPUUtilization", "dimensions": dimensions}
        source["saturated_above"] = forecast["saturated_cpu_percent"]
    return source


def _requests(load_balancer: pulumi.Input[str]) -> dict[str, Any]:
    """Requests per second through the load balancer; those it refused for want of a target are not among them.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    """
    common = {"namespace": "AWS/ApplicationELB", "dimensions": {"LoadBalancer": load_balancer}, "statistic": "Sum"}
    return {
        "metric": {**common, "metric_name": "RequestCount"},
        "refused": {**common, "metric_name": "HTTPCode_ELB_503_Count"},
    }


def check_fleet(name: str, args: AwsAutoscalingGroupArgs) -> None:
    """Check the forecast's literals against the job's own contract; outputs are checked by `fleet_json`.

    Raises:
        SettingsError: the first wrong literal, by the argument's name.
    """
    forecast = args["forecast"]
    _check_nested(forecast)
    if "load" not in forecast and "load_balancer" not in args:
        raise SettingsError(
            "forecast.load", None, "a metric of the fleet's load, or a load_balancer that counts requests"
        )
    settings = fleet_settings(name, args, region="us-east-1", group_name="unknown", load_balancer="unknown")
    fleet_json(_literals(settings))


def _check_nested(forecast: AwsForecast) -> None:
    load, prices = forecast.get("load"), forecast.get("prices")
    if load is not None:
        refuse_unknown("forecast.load", load, AwsLoad)
    if prices is not None:
        refuse_unknown("forecast.prices", prices, LoadPrices)
    for index, event in enumerate(plain_list("forecast.events", forecast.get("events", []))):
        refuse_unknown(f"forecast.events[{index}]", event, LoadEvent)


def _literals(value: Any) -> Any:
    """`value` without its outputs, or with stand-ins where a fleet needs a value."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        known = {key: item if is_literal(item) else _STAND_INS.get(key) for key, item in items}
        return {key: _literals(item) for key, item in known.items() if item is not None}
    if isinstance(value, list):
        return [_literals(item) for item in cast("list[object]", value)]
    return value


def fleet_json(settings: Mapping[str, Any]) -> str:
    """A fleet's settings as the JSON that `forecasting.settings.Fleet.model_validate_json` reads.

    Raises:
        SettingsError: a value that the job would refuse, by the argument's name.
    """
    try:
        return parse_fleet(_whole_numbers(settings)).model_dump_json()
    except SettingsError as error:
        raise SettingsError(_argument(error.field), error.value, error.expected) from error


def _argument(field: str) -> str:
    for start, argument in _ARGUMENT_OF:
        if field.startswith(start):
            return argument + field.removeprefix(start)
    return "forecast" if field == "fleet" else f"forecast.{field}"


def _whole_numbers(value: Any) -> Any:
    """Other languages send every number as a float; the contract tells 5 from 5.0."""
    if isinstance(value, Mapping):
        return {key: _whole_numbers(item) for key, item in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list):
        return [_whole_numbers(item) for item in cast("list[object]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value
