"""The `fleet` output: the group and its forecast settings in the form that the forecasting job reads."""

from collections.abc import Mapping
from typing import Any

import pulumi

from elastic_iac.common.fleet_output import check_forecast, check_literals, forecast_settings
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs, GcpLoad
from elastic_iac.gcp.instance_template import FLEET_LABEL
from forecasting.errors import SettingsError
from forecasting.settings.gcp import load_balancer_refusals, load_balancer_requests


def fleet_settings(
    name: str,
    args: GcpAutoscalingGroupArgs,
    *,
    target: dict[str, pulumi.Input[str]],
    group_label: str,
    backend_service: pulumi.Input[str],
    revision: pulumi.Input[str],
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs.

    Args:
        name: Name of the component, which the fleet takes.
        args: The component's arguments.
        target: Fields of `forecasting.settings.GcpTarget`.
        group_label: What the group's instances are labelled with.
        backend_service: Name of the load balancer's; read only where the arguments have one.
        revision: Changes with every update of the autoscaler.
    """
    forecast = args["forecast"]
    return {
        "name": name,
        "cloud": "gcp",
        "target": target,
        "source": _source(args, group_label=group_label, backend_service=backend_service),
        "floor": args["min_size"],
        "ceiling": args["max_size"],
        "revision": revision,
        **forecast_settings(forecast),
    }


def _source(args: GcpAutoscalingGroupArgs, *, group_label: str, backend_service: pulumi.Input[str]) -> dict[str, Any]:
    """Samples of Cloud Monitoring, with what tells which of them are lower bounds of the load."""
    forecast = args["forecast"]
    source: dict[str, Any] = {"kind": "cloud-monitoring"}
    load = forecast.get("load")
    if load is None:
        source["metric"] = dict(load_balancer_requests(backend_service))
        source["refused"] = dict(load_balancer_refusals(backend_service))
    else:
        average = load.get("per_instance") is True
        metric = {key: value for key, value in load.items() if key not in {"metric_type", "per_instance"}}
        defaults = {"statistic": "mean", "across": "mean"} if average else {"statistic": "rate"}
        source["metric"] = {"type": load["metric_type"], **defaults, **metric}
        source["per_instance"] = load.get("per_instance", False)
    if "period_seconds" in forecast:
        source["period_seconds"] = forecast["period_seconds"]
    if "saturated_cpu_percent" in forecast:
        source["utilisation"] = _cpu(group_label)
        percent = pulumi.Output.from_input(forecast["saturated_cpu_percent"])
        literal = forecast["saturated_cpu_percent"]
        source["saturated_above"] = literal / 100 if isinstance(literal, int | float) else percent.apply(_fraction)
    return source


def _fraction(percent: float) -> float:
    return percent / 100


def _cpu(group_label: str) -> dict[str, Any]:
    """The mean CPU of the group's instances, from 0 to 1 (Cloud Monitoring metrics list, `instance/cpu/utilization`)."""
    return {
        "type": "compute.googleapis.com/instance/cpu/utilization",
        "resource_type": "gce_instance",
        "user_labels": {FLEET_LABEL: group_label},
        "statistic": "mean",
        "across": "mean",
    }


def check_fleet(name: str, args: GcpAutoscalingGroupArgs, more: Mapping[str, Any] | None = None) -> None:
    """Check the forecast's literals, and `more` settings of the fleet, against the job's own contract; outputs are checked by `fleet_json`.

    Raises:
        SettingsError: the first wrong literal, by the argument's name.
    """
    forecast = args["forecast"]
    check_forecast(forecast, GcpLoad)
    if "load" not in forecast and "load_balancer" not in args:
        raise SettingsError(
            "forecast.load", None, "a metric of the fleet's load, or a load_balancer that counts requests"
        )
    stand_ins: dict[str, pulumi.Input[str]] = {
        "project": "unknown",
        "location": "europe-west1",
        "autoscaler": "unknown",
        "group": "unknown",
        "kind": "regional",
    }
    settings = fleet_settings(
        name, args, target=stand_ins, group_label="unknown", backend_service="unknown", revision="0"
    )
    check_literals({**settings, **(more or {})})
