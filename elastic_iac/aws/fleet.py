"""The `fleet` output: the group and its forecast settings in the form that the forecasting job reads."""

from typing import Any

import pulumi

from elastic_iac.aws.args import AwsAutoscalingGroupArgs, AwsLoad
from elastic_iac.fleet import check_forecast, check_literals, forecast_settings
from forecasting.errors import SettingsError


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
        **forecast_settings(forecast),
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
    check_forecast(forecast, AwsLoad)
    if "load" not in forecast and "load_balancer" not in args:
        raise SettingsError(
            "forecast.load", None, "a metric of the fleet's load, or a load_balancer that counts requests"
        )
    check_literals(fleet_settings(name, args, region="us-east-1", group_name="unknown", load_balancer="unknown"))
