"""The `fleet` output: the group and its forecast settings in the form that the forecasting job reads."""

from typing import Any, NamedTuple

import pulumi

from elastic_iac.common.capacity import Sizes
from elastic_iac.common.fleet_output import fleet_fields
from elastic_iac.common.schema.aws import AwsForecastFields, AwsLoad
from elastic_iac.common.schema.base import Value


class Place(NamedTuple):
    """Where the group is, and its load balancer."""

    region: pulumi.Input[str]
    group_name: pulumi.Input[str]
    load_balancer: pulumi.Input[str]
    """ARN suffix of the load balancer; read only without a load."""


UNKNOWN = Place("us-east-1", "unknown", "unknown")
"""In the early check of a fleet, whose group is not declared yet."""


def fleet_settings(
    name: str,
    forecast: AwsForecastFields,
    place: Place,
    sizes: Sizes,
    load_per_instance: Value[float],
    load: AwsLoad | None,
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs; without a load, by requests."""
    target = {"region": place.region, "group_name": place.group_name}
    own = fleet_fields(name, "aws", forecast, sizes, load_per_instance)
    return {**own, "target": target, "source": _source(forecast, load, place)}


def _source(forecast: AwsForecastFields, load: AwsLoad | None, place: Place) -> dict[str, Any]:
    """Samples of CloudWatch, and the metrics that mark lower bounds of the load."""
    source: dict[str, Any] = {"kind": "cloudwatch"}
    dimensions = {"AutoScalingGroupName": place.group_name}
    if load is None:
        source |= _requests(place.load_balancer)
    else:
        source["metric"] = {
            "statistic": "Average" if load.per_instance is True else "Sum",
            **load.given("namespace", "metric_name", "statistic", "unit"),
            "dimensions": dimensions if load.dimensions is None else load.dimensions,
        }
        source["per_instance"] = load.per_instance
    source |= forecast.given("period_seconds")
    if forecast.saturated_cpu_percent is not None:
        source["utilisation"] = {"namespace": "AWS/EC2", "metric_name": "CPUUtilization", "dimensions": dimensions}
        source["saturated_above"] = forecast.saturated_cpu_percent
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
