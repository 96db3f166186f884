"""A managed instance group with its autoscaler in the stand-in, and a fleet on it, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting.schedule.base import Schedule
from forecasting.settings import Fleet, parse_fleet
from forecasting.targets.base import CallBudget
from forecasting.targets.gcp import AutoscalerTarget
from forecasting.targets.reconcile import reconcile
from tests.fleets import OWNER, fleet_data, plan_of, request

PROJECT, REGION, ZONE = "local-project", "europe-west1", "europe-west1-b"
NAME = "web"
FAST = CallBudget(seconds=15, longest_wait_seconds=0.01)
SIGNAL: Mapping[str, Any] = {"cpuUtilization": {"utilizationTarget": 0.6}}


def gcp_fleet_data(location: str = REGION, **changes: Any) -> dict[str, Any]:
    """Settings of a fleet on Google Cloud, as a file has them; the rest is that of its twin on AWS."""
    target = {
        "project": PROJECT,
        "location": location,
        "autoscaler": NAME,
        "group": NAME,
        "kind": "zonal" if location.count("-") == 2 else "regional",
    }
    return fleet_data(cloud="gcp", target=target, **changes)


def gcp_fleet(location: str = REGION, **changes: Any) -> Fleet:
    return parse_fleet(gcp_fleet_data(location, **changes))


def call(gcp: LocalGcp, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One REST call by somebody else, such as a person at the console."""
    answer = gcp.answer(
        method, f"/compute/v1/projects/{PROJECT}/{path}", {}, json.dumps(body).encode() if body is not None else b""
    )
    document: dict[str, Any] = json.loads(answer.body)
    assert answer.status == 200, document
    gcp.compute.operations.finish_all()
    return document


def scope_of(location: str) -> str:
    return f"{'zones' if location.count('-') == 2 else 'regions'}/{location}"


def make_autoscaler(gcp: LocalGcp, location: str = REGION, **policy: Any) -> None:
    """A template, a group and an autoscaler of 2 to 60 instances that goes by CPU."""
    disk = {"boot": True, "initializeParams": {"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}
    properties = {
        "machineType": "e2-small",
        "disks": [disk],
        "networkInterfaces": [{"network": "global/networks/default"}],
    }
    call(gcp, "POST", "global/instanceTemplates", {"name": NAME, "properties": properties})
    group = {
        "name": NAME,
        "baseInstanceName": NAME,
        "targetSize": 2,
        "instanceTemplate": f"projects/{PROJECT}/global/instanceTemplates/{NAME}",
    }
    scope = scope_of(location)
    call(gcp, "POST", f"{scope}/instanceGroupManagers", group)
    scaler = {
        "name": NAME,
        "target": f"projects/{PROJECT}/{scope}/instanceGroupManagers/{NAME}",
        "autoscalingPolicy": {"minNumReplicas": 2, "maxNumReplicas": 60, **SIGNAL, **policy},
    }
    call(gcp, "POST", f"{scope}/autoscalers", scaler)
    gcp.calls.clear()


def schedules(gcp: LocalGcp, location: str = REGION) -> dict[str, Any]:
    """The scaling schedules as they stand."""
    return dict(gcp.autoscaler(location, NAME).policy.get("scalingSchedules", {}))


def add_schedule(gcp: LocalGcp, name: str, schedule: Mapping[str, Any] | None, location: str = REGION) -> None:
    """A person's schedule, or without one its end."""
    body = {"autoscalingPolicy": {"scalingSchedules": {name: schedule}}}
    call(gcp, "PATCH", f"{scope_of(location)}/autoscalers?autoscaler={NAME}", body)
    gcp.calls.clear()


def changes(gcp: LocalGcp) -> list[str]:
    """The mutating calls since the last clean."""
    return [each.action for each in gcp.calls if each.asked.mutating]


def floors(gcp: LocalGcp, start: datetime, end: datetime, location: str = REGION) -> list[int]:
    return gcp.floor_by_minute(PROJECT, location, NAME, start, end)


def update(
    gcp: LocalGcp, wanted: list[int], location: str = REGION, fleet: Fleet | None = None, **more: Any
) -> tuple[AutoscalerTarget, Schedule, int]:
    """One run's writes: plan, schedule, reconcile; returns the target, the schedule and the number of writes."""
    now = gcp.clock.now()
    target = AutoscalerTarget(fleet or gcp_fleet(location), FAST)
    group = target.read()
    in_force = target.rules.floor_in_force(group, {OWNER}, now)
    assert in_force >= group.min_size
    schedule = target.rules.build(request(plan_of(wanted, now), group, now, **more))
    outcome = reconcile(target, group, schedule, owners={OWNER}, fence=lambda: None, clock=gcp.clock.now)
    return target, schedule, outcome.written
