"""What the tests of the stand-in of Google Cloud share."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.api_core.exceptions import GoogleAPICallError

from elastic_iac.local.gcp.cloud import LocalGcp

PROJECT, REGION, ZONE, NAME = "local-project", "europe-west1", "europe-west1-b", "web"
SCOPES = {"regional": f"regions/{REGION}", "zonal": f"zones/{ZONE}"}
CPU: dict[str, Any] = {"cpuUtilization": {"utilizationTarget": 0.6}}


def rest(gcp: LocalGcp, method: str, path: str, document: object = None, token: str = "") -> tuple[int, dict[str, Any]]:
    """One raw REST call, for what the official client cannot send (null, unknown fields); status and JSON."""
    connection = HTTPConnection(urlsplit(gcp.url).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, None if document is None else json.dumps(document), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def compute(gcp: LocalGcp, method: str, path: str, document: object = None) -> dict[str, Any]:
    """A raw call of Compute that is to succeed, its operation polled to the end."""
    status, answer = rest(gcp, method, f"/compute/v1/projects/{PROJECT}/{path}", document)
    assert status == 200, answer
    if answer.get("kind") == "compute#operation":
        gcp.compute.operations.finish_all()
    return answer


def refused(gcp: LocalGcp, method: str, path: str, document: object = None) -> tuple[int, str, str]:
    """A raw call of Compute that is to be refused: status, reason and message."""
    status, answer = rest(gcp, method, f"/compute/v1/projects/{PROJECT}/{path}", document)
    assert status >= 400, answer
    return status, answer["error"]["errors"][0]["reason"], answer["error"]["message"]


def raises(kind: type[GoogleAPICallError], call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Check that the official client raises this; returns the message."""
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def make_group(gcp: LocalGcp, scope: str = SCOPES["regional"], name: str = NAME, size: int = 2) -> str:
    """A template and a managed instance group; its URL relative to the project."""
    template = {
        "name": f"{name}-template",
        "properties": {
            "machineType": "e2-small",
            "disks": [{"boot": True, "initializeParams": {"sourceImage": "projects/debian-cloud/global/images/x"}}],
            "networkInterfaces": [{"network": "global/networks/default"}],
        },
    }
    compute(gcp, "POST", "global/instanceTemplates", template)
    group = {
        "name": name,
        "baseInstanceName": name,
        "targetSize": size,
        "instanceTemplate": f"global/instanceTemplates/{name}-template",
    }
    compute(gcp, "POST", f"{scope}/instanceGroupManagers", group)
    return f"{scope}/instanceGroupManagers/{name}"


def make_autoscaler(gcp: LocalGcp, scope: str = SCOPES["regional"], name: str = NAME, **policy: Any) -> None:
    """A group of 2 to 20 instances with an autoscaler that goes by CPU."""
    target = make_group(gcp, scope, name)
    document = autoscaler_document(target, name, **policy)
    compute(gcp, "POST", f"{scope}/autoscalers", document)


def autoscaler_document(target: str, name: str = NAME, **policy: Any) -> dict[str, Any]:
    settings = {"minNumReplicas": 2, "maxNumReplicas": 20, **CPU, **policy}
    return {"name": name, "target": target, "autoscalingPolicy": settings}


def window(schedule: str = "0 12 1 3 * 2026", minimum: int = 5, seconds: int = 3600, **more: Any) -> dict[str, Any]:
    """A scaling schedule."""
    return {"schedule": schedule, "durationSec": seconds, "minRequiredReplicas": minimum, **more}


def patch_schedules(
    gcp: LocalGcp, schedules: dict[str, Any], scope: str = SCOPES["regional"], name: str = NAME
) -> dict[str, Any]:
    """One merge patch of the schedules alone; None deletes."""
    path = f"{scope}/autoscalers?autoscaler={name}"
    return compute(gcp, "PATCH", path, {"autoscalingPolicy": {"scalingSchedules": schedules}})


def shown(gcp: LocalGcp, scope: str = SCOPES["regional"], name: str = NAME) -> dict[str, Any]:
    return compute(gcp, "GET", f"{scope}/autoscalers/{name}")
