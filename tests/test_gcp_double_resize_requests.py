"""Resize requests and GPUs of the stand-in: what Compute refuses, and a batch's life on the clock."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import compute_v1

from elastic_iac.local.gcp.cloud import LocalGcp
from tests.gcp_doubles import CPU, PROJECT, SCOPES, ZONE, compute, raises, refused

START = datetime(2026, 3, 1, tzinfo=UTC)
TEMPLATE: dict[str, Any] = {
    "name": "llm-template",
    "properties": {
        "machineType": "a3-highgpu-8g",
        "disks": [{"boot": True, "initializeParams": {"sourceImage": "projects/images/global/images/x"}}],
        "networkInterfaces": [{"network": "global/networks/default"}],
        "scheduling": {
            "provisioningModel": "FLEX_START",
            "automaticRestart": False,
            "onHostMaintenance": "TERMINATE",
            "instanceTerminationAction": "DELETE",
            "maxRunDuration": {"seconds": 7200},
        },
        "reservationAffinity": {"consumeReservationType": "NO_RESERVATION"},
    },
}
GROUP: dict[str, Any] = {
    "name": "llm",
    "baseInstanceName": "llm",
    "targetSize": 0,
    "instanceTemplate": "global/instanceTemplates/llm-template",
    "instanceLifecyclePolicy": {"defaultActionOnFailure": "DO_NOTHING"},
    "updatePolicy": {"type": "OPPORTUNISTIC"},
    "distributionPolicy": {"targetShape": "ANY_SINGLE_ZONE"},
}
REQUEST: dict[str, Any] = {"name": "night", "resizeBy": 3}


@pytest.fixture
def gcp(gcp: LocalGcp) -> LocalGcp:
    gcp.reset(now=START)
    return gcp


def with_value(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with another value at a path such as `properties.scheduling.preemptible`; None leaves it out."""
    changed = copy.deepcopy(document)
    *outer, last = path.split(".")
    held = changed
    for name in outer:
        held = held.setdefault(name, {})
    held.pop(last, None)
    if value is not None:
        held[last] = value
    return changed


def make(gcp: LocalGcp, scope: str = SCOPES["regional"], template: Any = TEMPLATE, group: Any = GROUP) -> str:
    """The template and the group; where its requests are."""
    compute(gcp, "POST", "global/instanceTemplates", template)
    document = group if scope == SCOPES["regional"] else with_value(group, "distributionPolicy", None)
    compute(gcp, "POST", f"{scope}/instanceGroupManagers", document)
    return f"{scope}/instanceGroupManagers/llm/resizeRequests"


@pytest.mark.parametrize("scope", SCOPES.values())
def test_a_batch_waits_comes_at_once_and_goes_when_its_time_is_over(gcp: LocalGcp, scope: str) -> None:
    requests = make(gcp, scope)
    gcp.compute.resize_requests.wait = timedelta(minutes=90)
    compute(gcp, "POST", requests, REQUEST)
    group = requests.removesuffix("/resizeRequests")
    assert compute(gcp, "GET", f"{requests}/night")["state"] == "ACCEPTED"
    held = compute(gcp, "GET", group)
    assert (held["targetSize"], held["currentActions"]["creating"], held["status"]["isStable"]) == (3, 3, False)
    gcp.clock.advance(timedelta(minutes=89))
    assert compute(gcp, "GET", f"{requests}/night")["state"] == "ACCEPTED"
    gcp.clock.advance(timedelta(minutes=3))
    assert compute(gcp, "GET", f"{requests}/night")["state"] == "SUCCEEDED"
    held = compute(gcp, "GET", group)
    assert (held["targetSize"], held["currentActions"]["none"]) == (3, 3)
    gcp.clock.advance(timedelta(minutes=117))
    assert compute(gcp, "GET", group)["targetSize"] == 3
    gcp.clock.advance(timedelta(minutes=1))
    assert compute(gcp, "GET", group)["targetSize"] == 0


def test_the_requests_own_time_goes_before_the_templates(gcp: LocalGcp) -> None:
    requests = make(gcp)
    compute(gcp, "POST", requests, {**REQUEST, "requestedRunDuration": {"seconds": "600"}})
    gcp.clock.advance(timedelta(minutes=10))
    assert compute(gcp, "GET", requests.removesuffix("/resizeRequests"))["targetSize"] == 0


def test_the_official_client_makes_lists_cancels_and_deletes_them(gcp: LocalGcp) -> None:
    make(gcp, SCOPES["zonal"])
    client = gcp.compute_client("InstanceGroupManagerResizeRequestsClient")
    at = {"project": PROJECT, "zone": ZONE, "instance_group_manager": "llm"}
    asked = compute_v1.InstanceGroupManagerResizeRequest(name="night", resize_by=2)
    gcp.compute.resize_requests.wait = timedelta(hours=1)
    client.insert(**at, instance_group_manager_resize_request_resource=asked).result()
    raises(Conflict, client.insert, **at, instance_group_manager_resize_request_resource=asked)
    assert [held.name for held in client.list(**at)] == ["night"]
    assert "active" in raises(BadRequest, client.delete, **at, resize_request="night")
    client.cancel(**at, resize_request="night").result()
    assert client.get(**at, resize_request="night").state == "CANCELLED"
    assert "waits" in raises(BadRequest, client.cancel, **at, resize_request="night")
    client.delete(**at, resize_request="night").result()
    raises(NotFound, client.get, **at, resize_request="night")
    assert gcp.permissions_used() >= {"compute.instanceGroupManagers.update"}


def test_deleting_one_that_was_granted_leaves_its_instances(gcp: LocalGcp) -> None:
    requests = make(gcp)
    compute(gcp, "POST", requests, REQUEST)
    compute(gcp, "DELETE", f"{requests}/night")
    assert compute(gcp, "GET", requests)["items"] == []
    assert compute(gcp, "GET", requests.removesuffix("/resizeRequests"))["targetSize"] == 3


def test_a_group_takes_its_requests_with_it(gcp: LocalGcp) -> None:
    requests = make(gcp)
    compute(gcp, "POST", requests, REQUEST)
    group = requests.removesuffix("/resizeRequests")
    compute(gcp, "DELETE", group)
    compute(gcp, "POST", f"{SCOPES['regional']}/instanceGroupManagers", GROUP)
    assert compute(gcp, "GET", requests)["items"] == []


REFUSED: list[tuple[str, str, Any]] = [
    ("resource.name", "name", None),
    ("resource.name", "name", "Night"),
    ("resizeBy", "resizeBy", None),
    ("resizeBy", "resizeBy", 0),
    ("resizeBy", "instances", [{"name": "a"}]),
    ("requestedRunDuration", "requestedRunDuration", {"seconds": 599}),
    ("requestedRunDuration", "requestedRunDuration", {"seconds": 604_801}),
    ("Cannot find field", "count", 3),
]


@pytest.mark.parametrize(("said", "path", "value"), REFUSED)
def test_a_wrong_request_is_refused(gcp: LocalGcp, said: str, path: str, value: Any) -> None:
    status, _, message = refused(gcp, "POST", make(gcp), with_value(REQUEST, path, value))
    assert status == 400
    assert said in message


UNFIT: list[tuple[str, str, Any]] = [
    ("Repairs", "instanceLifecyclePolicy", None),
    ("OPPORTUNISTIC", "updatePolicy.type", "PROACTIVE"),
    ("ANY_SINGLE_ZONE", "distributionPolicy.targetShape", "BALANCED"),
]


@pytest.mark.parametrize(("said", "path", "value"), UNFIT)
def test_a_group_that_is_not_fit_for_them_is_refused(gcp: LocalGcp, said: str, path: str, value: Any) -> None:
    status, _, message = refused(gcp, "POST", make(gcp, group=with_value(GROUP, path, value)), REQUEST)
    assert (status, said in message) == (400, True)


def test_a_template_of_another_way_of_having_instances_is_refused(gcp: LocalGcp) -> None:
    standard = with_value(TEMPLATE, "properties.scheduling", {"onHostMaintenance": "TERMINATE"})
    assert "FLEX_START" in refused(gcp, "POST", make(gcp, template=standard), REQUEST)[2]


def test_a_template_that_may_use_reservations_up_is_refused(gcp: LocalGcp) -> None:
    anyone = with_value(TEMPLATE, "properties.reservationAffinity", None)
    assert "NO_RESERVATION" in refused(gcp, "POST", make(gcp, template=anyone), REQUEST)[2]


def test_the_autoscaler_and_they_exclude_each_other(gcp: LocalGcp) -> None:
    requests = make(gcp)
    group = requests.removesuffix("/resizeRequests")
    gcp.compute.resize_requests.wait = timedelta(hours=1)
    compute(gcp, "POST", requests, REQUEST)
    autoscaler = {"name": "llm", "target": group, "autoscalingPolicy": {"maxNumReplicas": 5, **CPU}}
    path = f"{SCOPES['regional']}/autoscalers"
    assert refused(gcp, "POST", path, autoscaler)[0] == 412
    assert refused(gcp, "POST", f"{group}/resize?size=9")[0] == 412
    compute(gcp, "POST", f"{requests}/night/cancel")
    compute(gcp, "POST", path, autoscaler)
    assert refused(gcp, "POST", requests, {**REQUEST, "name": "later"})[0] == 412


def test_a_group_that_is_not_there_has_none(gcp: LocalGcp) -> None:
    assert refused(gcp, "GET", f"{SCOPES['regional']}/instanceGroupManagers/no/resizeRequests")[0] == 404


SCHEDULING = "properties.scheduling"
STANDARD = with_value(TEMPLATE, SCHEDULING, {"onHostMaintenance": "TERMINATE"})
T4 = [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": 1}]
N1 = with_value(with_value(STANDARD, "properties.machineType", "n1-standard-8"), "properties.guestAccelerators", T4)
NAMED = {
    "consumeReservationType": "SPECIFIC_RESERVATION",
    "key": "compute.googleapis.com/reservation-name",
    "values": ["a"],
}
TEMPLATES: list[tuple[str, dict[str, Any]]] = [
    ("live migration", with_value(STANDARD, SCHEDULING, None)),
    ("live migration", with_value(STANDARD, f"{SCHEDULING}.onHostMaintenance", "MIGRATE")),
    ("live migration", with_value(N1, f"{SCHEDULING}.onHostMaintenance", "MIGRATE")),
    ("N1 machine types", with_value(N1, "properties.machineType", "e2-standard-4")),
    ("automaticRestart", with_value(STANDARD, f"{SCHEDULING}.provisioningModel", "SPOT")),
    ("instanceTerminationAction", with_value(TEMPLATE, f"{SCHEDULING}.instanceTerminationAction", "STOP")),
    ("maxRunDuration", with_value(TEMPLATE, f"{SCHEDULING}.maxRunDuration", None)),
    ("SPECIFIC_RESERVATION", with_value(STANDARD, "properties.reservationAffinity", {**NAMED, "values": []})),
    (
        "Neither Spot",
        with_value(
            with_value(STANDARD, "properties.reservationAffinity", NAMED),
            SCHEDULING,
            {"provisioningModel": "SPOT", "automaticRestart": False, "onHostMaintenance": "TERMINATE"},
        ),
    ),
]


@pytest.mark.parametrize(("said", "template"), TEMPLATES, ids=[str(index) for index in range(len(TEMPLATES))])
def test_a_template_that_no_instance_could_come_from_is_refused(
    gcp: LocalGcp, said: str, template: dict[str, Any]
) -> None:
    status, _, message = refused(gcp, "POST", "global/instanceTemplates", template)
    assert status == 400
    assert said in message


@pytest.mark.parametrize("template", [N1, with_value(STANDARD, "properties.reservationAffinity", NAMED)])
def test_others_are_taken(gcp: LocalGcp, template: dict[str, Any]) -> None:
    compute(gcp, "POST", "global/instanceTemplates", template)
