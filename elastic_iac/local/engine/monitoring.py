"""Log groups, alarms and dashboards."""

from __future__ import annotations

from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import camel, pascal, tag_list, tag_map


def _create_log_group(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName=name, tags=inputs["tags"])
    if inputs.get("retentionInDays"):
        logs.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])
    return Made(name, {**inputs, "name": name, "arn": _log_group(cloud, name)["arn"].removesuffix(":*")})


def _log_group(cloud: Cloud, name: str) -> Any:
    found = cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return next(group for group in found if group["logGroupName"] == name)


def _read_log_group(cloud: Cloud, made: Made) -> Inputs:
    tags = cloud.client("logs").list_tags_for_resource(resourceArn=made.outputs["arn"])["tags"]
    return {"retentionInDays": _log_group(cloud, made.id).get("retentionInDays"), "tags": tags}


def _delete_log_group(cloud: Cloud, made: Made) -> None:
    cloud.client("logs").delete_log_group(logGroupName=made.id)


_RENAMED = {"okActions": "OKActions", "insufficientDataActions": "InsufficientDataActions"}
_NOT_SETTINGS = ("tags", "dimensions", "region", "name")


def _create_alarm(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    settings = {
        _RENAMED.get(key, key[:1].upper() + key[1:]): value for key, value in inputs.items() if key not in _NOT_SETTINGS
    }
    dimensions = [{"Name": key, "Value": value} for key, value in sorted(inputs.get("dimensions", {}).items())]
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName=name, Dimensions=dimensions, Tags=tag_list(inputs["tags"]), **settings)
    return Made(name, {**inputs, "name": name, "arn": _alarm(cloud, name)["AlarmArn"]})


def _alarm(cloud: Cloud, name: str) -> Any:
    return cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]


def _read_alarm(cloud: Cloud, made: Made) -> Inputs:
    found = _alarm(cloud, made.id)
    tags = cloud.client("cloudwatch").list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
    return {
        **camel(found),
        "okActions": found.get("OKActions"),
        "dimensions": {item["Name"]: item["Value"] for item in found.get("Dimensions", [])},
        "tags": tag_map(tags),
    }


def _delete_alarm(cloud: Cloud, made: Made) -> None:
    cloud.client("cloudwatch").delete_alarms(AlarmNames=[made.id])


def _create_dashboard(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    name = inputs["dashboardName"]  # the provider makes none up
    cloud.client("cloudwatch").put_dashboard(**pascal({key: inputs[key] for key in ("dashboardName", "dashboardBody")}))
    return Made(name, inputs)


def _read_dashboard(cloud: Cloud, made: Made) -> Inputs:
    return camel(cloud.client("cloudwatch").get_dashboard(DashboardName=made.id))


def _delete_dashboard(cloud: Cloud, made: Made) -> None:
    cloud.client("cloudwatch").delete_dashboards(DashboardNames=[made.id])


HANDLERS = {
    "aws:cloudwatch/logGroup:LogGroup": Handler(_create_log_group, _read_log_group, _delete_log_group),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Handler(_create_alarm, _read_alarm, _delete_alarm),
    "aws:cloudwatch/dashboard:Dashboard": Handler(_create_dashboard, _read_dashboard, _delete_dashboard, untagged=True),
}
