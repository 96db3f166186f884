"""The `fleet` output: the group and its forecast settings in the form that the forecasting job reads."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pulumi

from elastic_iac.common.capacity import Sizes
from elastic_iac.common.fleet_output import fleet_fields
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpForecastFields, GcpLoad
from elastic_iac.gcp.instance_template import FLEET_LABEL
from forecasting.settings.gcp import load_balancer_refusals, load_balancer_requests


class Place(NamedTuple):
    """Where the group is, and how its series are found."""

    target: Mapping[str, pulumi.Input[str]]
    """Fields of `forecasting.settings.GcpTarget`."""
    backend_service: pulumi.Input[str]
    """Name of the load balancer's; read only without a load."""
    group_label: pulumi.Input[str] = ""
    """Label of the group's instances."""
    revision: pulumi.Input[str] | None = None
    """Changes with every update of an autoscaler that a component declares."""


UNKNOWN = Place(
    {
        "project": "unknown",
        "location": "europe-west1",
        "autoscaler": "unknown",
        "group": "unknown",
        "kind": "regional",
    },
    *("unknown", "unknown", "0"),
)
"""In the early check of a fleet, whose group is not declared yet."""


def fleet_settings(
    name: str,
    forecast: GcpForecastFields,
    place: Place,
    sizes: Sizes,
    load_per_instance: Value[float],
    load: GcpLoad | None,
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs; without a load, by requests."""
    own = fleet_fields(name, "gcp", forecast, sizes, load_per_instance)
    revision = {} if place.revision is None else {"revision": place.revision}
    return {**own, **revision, "target": {**place.target}, "source": _source(forecast, load, place)}


def _source(forecast: GcpForecastFields, load: GcpLoad | None, place: Place) -> dict[str, Any]:
    """Samples of Cloud Monitoring, and the metrics that mark lower bounds of the load."""
    source: dict[str, Any] = {"kind": "cloud-monitoring"}
    if load is None:
        source["metric"] = dict(load_balancer_requests(place.backend_service))
        source["refused"] = dict(load_balancer_refusals(place.backend_service))
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
        source["utilisation"] = _cpu(place.group_label)
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
