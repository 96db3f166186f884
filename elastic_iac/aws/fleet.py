"""The `fleet` output: the group and its forecast settings in the form that the forecasting job reads."""

from typing import Any

import pulumi

from elastic_iac.common.schema.aws import AwsForecastFields, AwsLoad
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.fleet import FORECAST_FIELDS


def fleet_settings(
    name: str,
    forecast: AwsForecastFields,
    *,
    load: AwsLoad | None,
    load_per_instance: Value[float],
    minimum: Value[int],
    maximum: Value[int],
    region: pulumi.Input[str],
    group_name: pulumi.Input[str],
    load_balancer: pulumi.Input[str],
) -> dict[str, Any]:
    """A fleet's settings, with outputs where the arguments or the resources are outputs.

    Args:
        name: Name of the fleet.
        forecast: The forecast of the component; only fields that were given become settings.
        load: The load; the load balancer's requests without one.
        load_per_instance: Load that one instance serves.
        minimum: Configured minimum of the group.
        maximum: Configured maximum of the group.
        region: Region of the group.
        group_name: Name of the group in the cloud.
        load_balancer: ARN suffix of the load balancer; read only without a load.
    """
    return {
        "name": name,
        "cloud": "aws",
        "target": {"region": region, "group_name": group_name},
        "source": _source(forecast, load, group_name=group_name, load_balancer=load_balancer),
        "load_per_instance": load_per_instance,
        "floor": minimum,
        "ceiling": maximum,
        **forecast.given(*FORECAST_FIELDS),
    }


def _source(
    forecast: AwsForecastFields,
    load: AwsLoad | None,
    *,
    group_name: pulumi.Input[str],
    load_balancer: pulumi.Input[str],
) -> dict[str, Any]:
    """Samples of CloudWatch, and the metrics that mark lower bounds of the load."""
    source: dict[str, Any] = {"kind": "cloudwatch"}
    if load is None:
        source |= _requests(load_balancer)
    else:
        source["metric"] = {
            "statistic": "Average" if load.per_instance is True else "Sum",
            **load.given("namespace", "metric_name", "statistic", "unit"),
            "dimensions": {"AutoScalingGroupName": group_name} if load.dimensions is None else load.dimensions,
        }
        source["per_instance"] = load.per_instance
    source |= forecast.given("period_seconds")
    if forecast.saturated_cpu_percent is not None:
        dimensions = {"AutoScalingGroupName": group_name}
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
