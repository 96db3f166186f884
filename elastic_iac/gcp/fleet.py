"""The `fleet` output: the group and its forecast settings in the form that the forecasting job reads."""

from typing import Any

import pulumi

from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.fleet import FORECAST_FIELDS
from elastic_iac.common.schema.gcp import GcpForecastFields, GcpLoad
from elastic_iac.gcp.instance_template import FLEET_LABEL
from forecasting.settings.gcp import load_balancer_refusals, load_balancer_requests

UNKNOWN_TARGET = {
    "project": "unknown",
    "location": "europe-west1",
    "autoscaler": "unknown",
    "group": "unknown",
    "kind": "regional",
}
"""In the early check of a fleet, whose group is not declared yet."""


def fleet_settings(
    name: str,
    forecast: GcpForecastFields,
    *,
    load: GcpLoad | None,
    load_per_instance: Value[float],
    minimum: Value[int],
    maximum: Value[int],
    target: dict[str, pulumi.Input[str]],
    group_label: pulumi.Input[str],
    backend_service: pulumi.Input[str],
    revision: pulumi.Input[str] | None = None,
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs.

    Args:
        name: Name of the fleet.
        forecast: The forecast of the component; only fields that were given become settings.
        load: The load; the load balancer's requests without one.
        load_per_instance: Load that one instance serves.
        minimum: Configured minimum of the group.
        maximum: Configured maximum of the group.
        target: Fields of `forecasting.settings.GcpTarget`.
        group_label: Label of the group's instances.
        backend_service: Name of the load balancer's; read only without a load.
        revision: Changes with every update of an autoscaler that a component declares.
    """
    return {
        "name": name,
        "cloud": "gcp",
        "target": target,
        "source": _source(forecast, load, group_label=group_label, backend_service=backend_service),
        "load_per_instance": load_per_instance,
        "floor": minimum,
        "ceiling": maximum,
        **({} if revision is None else {"revision": revision}),
        **forecast.given(*FORECAST_FIELDS),
    }


def _source(
    forecast: GcpForecastFields,
    load: GcpLoad | None,
    *,
    group_label: pulumi.Input[str],
    backend_service: pulumi.Input[str],
) -> dict[str, Any]:
    """Samples of Cloud Monitoring, and the metrics that mark lower bounds of the load."""
    source: dict[str, Any] = {"kind": "cloud-monitoring"}
    if load is None:
        source["metric"] = dict(load_balancer_requests(backend_service))
        source["refused"] = dict(load_balancer_refusals(backend_service))
    else:
        average = load.per_instance is True
        source["metric"] = {
            "type": load.metric_type,
            **({"statistic": "mean", "across": "mean"} if average else {"statistic": "rate"}),
            **load.given("resource_type", "metric_labels", "resource_labels", "user_labels"),
            **load.given("statistic", "across", "absent_is_zero"),
        }
        source["per_instance"] = load.per_instance
    source |= forecast.given("period_seconds")
    if forecast.saturated_cpu_percent is not None:
        source["utilisation"] = _cpu(group_label)
        source["saturated_above"] = lift(lambda percent: percent / 100, forecast.saturated_cpu_percent)
    return source


def _cpu(group_label: pulumi.Input[str]) -> dict[str, Any]:
    """The mean CPU of the group's instances, from 0 to 1 (Cloud Monitoring metrics list, `instance/cpu/utilization`)."""
    return {
        "type": "compute.googleapis.com/instance/cpu/utilization",
        "resource_type": "gce_instance",
        "user_labels": {FLEET_LABEL: group_label},
        "statistic": "mean",
        "across": "mean",
    }
