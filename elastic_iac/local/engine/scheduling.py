"""Schedules of EventBridge Scheduler."""

from __future__ import annotations

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import camel, pascal

_SETTINGS = (
    "description",
    "scheduleExpression",
    "scheduleExpressionTimezone",
    "flexibleTimeWindow",
    "target",
    "state",
    "startDate",
    "endDate",
)


def _create_schedule(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    settings = pascal({key: inputs[key] for key in _SETTINGS if key in inputs})
    group = inputs.get("groupName", "default")
    made = cloud.client("scheduler").create_schedule(Name=name, GroupName=group, **settings)
    return Made(f"{group}/{name}", {**inputs, "name": name, "arn": made["ScheduleArn"]})


def _read_schedule(cloud: Cloud, made: Made) -> Inputs:
    group, name = made.id.split("/")
    return camel(cloud.client("scheduler").get_schedule(Name=name, GroupName=group))


def _delete_schedule(cloud: Cloud, made: Made) -> None:
    group, name = made.id.split("/")
    cloud.client("scheduler").delete_schedule(Name=name, GroupName=group)


HANDLERS = {
    "aws:scheduler/schedule:Schedule": Handler(_create_schedule, _read_schedule, _delete_schedule, untagged=True),
}
