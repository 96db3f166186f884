"""Compute of the stand-in: operations, request ids, managed instance groups, load balancing, references."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud import compute_v1

from elastic_iac.local.gcp import faults
from elastic_iac.local.gcp.cloud import LocalGcp
from elastic_iac.local.gcp.types import TABLE, table_text
from tests.gcp_doubles import (
    PROJECT,
    REGION,
    SCOPES,
    ZONE,
    compute,
    make_autoscaler,
    make_group,
    raises,
    refused,
    rest,
    shown,
    window,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
REGIONAL = SCOPES["regional"]
PATCH = f"/compute/v1/projects/{PROJECT}/{REGIONAL}/autoscalers?autoscaler=web"
CHANGE = {"autoscalingPolicy": {"scalingSchedules": {"a": window()}}}


@pytest.fixture
def gcp(gcp: LocalGcp) -> LocalGcp:
    gcp.reset(now=START)
    return gcp


def schedules(gcp: LocalGcp) -> set[str]:
    return set(shown(gcp)["autoscalingPolicy"].get("scalingSchedules", {}))


def test_the_table_of_types_is_the_librarys() -> None:
    assert TABLE.read_text(encoding="utf-8") == table_text(), "run python -m elastic_iac.local.gcp.types"


def test_a_change_takes_effect_when_its_operation_is_done(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.compute.operations.polls = 3
    status, operation = rest(gcp, "PATCH", PATCH, CHANGE)
    assert (status, operation["status"], operation["operationType"]) == (200, "RUNNING", "patch")
    assert operation["targetLink"].endswith("/autoscalers/web")
    path = operation["selfLink"].removeprefix(gcp.url)
    for expected in ("RUNNING", "RUNNING", "DONE"):
        assert schedules(gcp) == set()
        assert rest(gcp, "GET", path)[1]["status"] == expected
    assert schedules(gcp) == {"a"}
    assert path.removeprefix("/compute/v1/").startswith(f"projects/{PROJECT}/{REGIONAL}/operations/")


def test_a_wait_ends_an_operation_and_so_does_the_clock(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.compute.operations.polls = 10**9
    _, operation = rest(gcp, "PATCH", PATCH, CHANGE)
    waited = gcp.compute_client("RegionOperationsClient").wait(
        project=PROJECT, region=REGION, operation=operation["name"]
    )
    assert (waited.status, schedules(gcp)) == (compute_v1.Operation.Status.DONE, {"a"})
    rest(gcp, "PATCH", PATCH, {"autoscalingPolicy": {"scalingSchedules": {"a": None}}})
    assert schedules(gcp) == {"a"}
    gcp.clock.advance(timedelta(seconds=30))
    assert schedules(gcp) == set()


def test_zonal_and_global_operations_can_be_waited_for(gcp: LocalGcp) -> None:
    target = make_group(gcp, SCOPES["zonal"])
    policy = compute_v1.AutoscalingPolicy(min_num_replicas=1, max_num_replicas=3)
    operation = gcp.compute_client("AutoscalersClient").insert(
        project=PROJECT,
        zone=ZONE,
        autoscaler_resource=compute_v1.Autoscaler(name="web", target=target, autoscaling_policy=policy),
    )
    done = gcp.compute_client("ZoneOperationsClient").wait(project=PROJECT, zone=ZONE, operation=operation.name)
    assert done.progress == 100
    firewall = compute_v1.Firewall(
        name="open", network="global/networks/default", allowed=[compute_v1.Allowed(I_p_protocol="tcp", ports=["80"])]
    )
    operation = gcp.compute_client("FirewallsClient").insert(project=PROJECT, firewall_resource=firewall)
    done = gcp.compute_client("GlobalOperationsClient").wait(project=PROJECT, operation=operation.name)
    assert done.operation_type == "insert"
    raises(NotFound, gcp.compute_client("GlobalOperationsClient").get, project=PROJECT, operation="operation-0")


def test_an_error_inside_an_operation_that_is_done_raises_nothing_and_changes_nothing(gcp: LocalGcp) -> None:
    """Measured with the client: `exception()` is None, only `error.errors` tells."""
    make_autoscaler(gcp)
    gcp.faults.add(faults.operation_error("QUOTA_EXCEEDED", action="regionAutoscalers.patch"))
    client = gcp.compute_client("RegionAutoscalersClient")
    policy = compute_v1.AutoscalingPolicy(
        scaling_schedules={
            "a": compute_v1.AutoscalingPolicyScalingSchedule(
                schedule="0 1 * * *", duration_sec=300, min_required_replicas=3
            )
        }
    )
    made = {
        "project": PROJECT,
        "region": REGION,
        "autoscaler_resource": compute_v1.Autoscaler(name="web", autoscaling_policy=policy),
    }
    operation = client.patch(**made)
    operation.result(timeout=30)
    assert operation.exception() is None
    read = gcp.compute_client("RegionOperationsClient").get(project=PROJECT, region=REGION, operation=operation.name)
    assert [error.code for error in read.error.errors] == ["QUOTA_EXCEEDED"]
    assert schedules(gcp) == set()
    client.patch(**made).result(timeout=30)
    assert schedules(gcp) == {"a"}


def test_a_request_id_makes_a_repeated_call_the_same_call(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    path = f"{PATCH}&requestId={uuid4()}"
    first = rest(gcp, "PATCH", path, CHANGE)[1]
    gcp.compute.operations.finish_all()
    rest(gcp, "PATCH", PATCH, {"autoscalingPolicy": {"scalingSchedules": {"a": None}}})
    gcp.compute.operations.finish_all()
    again = rest(gcp, "PATCH", path, CHANGE)[1]
    assert (again["name"], again["status"], again["clientOperationId"]) == (
        first["name"],
        "DONE",
        first["clientOperationId"],
    )
    assert schedules(gcp) == set()  # the second was ignored
    for wrong in ("1", "00000000-0000-0000-0000-000000000000"):
        assert rest(gcp, "PATCH", f"{PATCH}&requestId={wrong}", CHANGE)[0] == 400


def test_the_group_of_an_autoscaler_takes_no_target_size(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    client = gcp.compute_client("RegionInstanceGroupManagersClient")
    where = {"project": PROJECT, "region": REGION, "instance_group_manager": "web"}
    raises(PreconditionFailed, client.resize, **where, size=5)
    resource = compute_v1.InstanceGroupManager(target_size=5)
    raises(PreconditionFailed, client.patch, **where, instance_group_manager_resource=resource)
    compute(gcp, "PATCH", f"{REGIONAL}/autoscalers?autoscaler=web", {"autoscalingPolicy": {"mode": "OFF"}})
    client.resize(**where, size=5).result(timeout=30)
    assert client.get(**where).target_size == 5


def test_a_regional_group_spreads_over_zones_and_its_instances_boot(gcp: LocalGcp) -> None:
    gcp.compute.boot = timedelta(minutes=3)
    make_group(gcp, size=5)
    client = gcp.compute_client("RegionInstanceGroupManagersClient")
    where = {"project": PROJECT, "region": REGION, "instance_group_manager": "web"}
    listed = list(client.list_managed_instances(**where))
    zones = sorted(instance.instance.split("/zones/")[1].split("/")[0] for instance in listed)
    assert [zones.count(f"{REGION}-{letter}") for letter in "abc"] == [2, 2, 1]
    assert {(instance.instance_status, instance.current_action) for instance in listed} == {("STAGING", "CREATING")}
    read = client.get(**where)
    assert (read.status.is_stable, read.current_actions.creating) == (False, 5)
    gcp.clock.advance(timedelta(minutes=3))
    assert {instance.instance_status for instance in client.list_managed_instances(**where)} == {"RUNNING"}
    assert client.get(**where).status.is_stable
    client.resize(**where, size=2).result(timeout=30)
    kept = {instance.instance for instance in client.list_managed_instances(**where)}
    assert len(kept) == 2
    assert kept < {instance.instance for instance in listed}
    group = gcp.compute_client("RegionInstanceGroupsClient").get(project=PROJECT, region=REGION, instance_group="web")
    assert group.size == 2


def test_a_zonal_group_and_its_zones(gcp: LocalGcp) -> None:
    make_group(gcp, SCOPES["zonal"], size=3)
    listed = gcp.compute_client("InstanceGroupManagersClient").list_managed_instances(
        project=PROJECT, zone=ZONE, instance_group_manager="web"
    )
    assert {instance.instance.split("/zones/")[1].split("/")[0] for instance in listed} == {ZONE}


def test_a_load_balancer_stands_only_on_what_exists(gcp: LocalGcp) -> None:
    make_group(gcp)
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("healthChecks", {"name": "hc", "type": "HTTP", "httpHealthCheck": {"port": 80}}, ""),
        (
            "backendServices",
            {
                "name": "be",
                "healthChecks": ["global/healthChecks/hc"],
                "backends": [{"group": f"{REGIONAL}/instanceGroups/web"}],
            },
            "healthChecks/hc",
        ),
        ("urlMaps", {"name": "map", "defaultService": "global/backendServices/be"}, "backendServices/be"),
        ("targetHttpProxies", {"name": "proxy", "urlMap": "global/urlMaps/map"}, "urlMaps/map"),
        ("addresses", {"name": "ip"}, ""),
        (
            "forwardingRules",
            {"name": "rule", "target": "global/targetHttpProxies/proxy", "portRange": "80"},
            "targetHttpProxies/proxy",
        ),
    ]
    for collection, document, needed in steps:
        if needed:
            wrong = {**document, **_pointing_nowhere(document)}
            assert refused(gcp, "POST", f"global/{collection}", wrong)[:2] == (404, "notFound")
        compute(gcp, "POST", f"global/{collection}", document)
    read = gcp.compute_client("GlobalForwardingRulesClient").get(project=PROJECT, forwarding_rule="rule")
    assert read.I_p_address.startswith("203.0.113.")
    in_use = raises(
        BadRequest, gcp.compute_client("BackendServicesClient").delete, project=PROJECT, backend_service="be"
    )
    assert "already being used" in in_use
    for collection, document, _ in reversed(steps):
        compute(gcp, "DELETE", f"global/{collection}/{document['name']}")
    assert compute(gcp, "GET", "global/backendServices").get("items") == []


def _pointing_nowhere(document: dict[str, Any]) -> dict[str, Any]:
    field = next(name for name in ("healthChecks", "defaultService", "urlMap", "target") if name in document)
    value = document[field]
    return {field: [f"{value[0]}-gone"] if isinstance(value, list) else f"{value}-gone"}


def test_what_is_in_use_cannot_be_deleted(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    for path in ("global/instanceTemplates/web-template", f"{REGIONAL}/instanceGroupManagers/web"):
        assert refused(gcp, "DELETE", path)[:2] == (400, "resourceInUseByAnotherResource")
    for path in (
        f"{REGIONAL}/autoscalers/web",
        f"{REGIONAL}/instanceGroupManagers/web",
        "global/instanceTemplates/web-template",
    ):
        compute(gcp, "DELETE", path)
        assert refused(gcp, "GET", path)[0] == 404


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "a template without disks": ("instanceTemplates", {"name": "t", "properties": {"machineType": "e2-small"}}),
    "a template with a misspelt field": ("instanceTemplates", {"name": "t", "propertys": {}}),
    "a health check of no type": ("healthChecks", {"name": "h"}),
    "a health check slower than its interval": (
        "healthChecks",
        {"name": "h", "type": "HTTP", "timeoutSec": 9, "checkIntervalSec": 5},
    ),
    "a firewall that says nothing": ("firewalls", {"name": "f"}),
    "a URL map without a service": ("urlMaps", {"name": "u"}),
    "a rule without a target": ("forwardingRules", {"name": "r"}),
    "a list where one is not due": ("addresses", {"name": "a", "description": ["x"]}),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_resources_are_refused(gcp: LocalGcp, name: str) -> None:
    collection, document = WRONG[name]
    assert refused(gcp, "POST", f"global/{collection}", document)[0] == 400


def test_fingerprints_guard_against_a_lost_update(gcp: LocalGcp) -> None:
    compute(gcp, "POST", "global/healthChecks", {"name": "hc", "type": "TCP"})
    compute(gcp, "POST", "global/backendServices", {"name": "be", "healthChecks": ["global/healthChecks/hc"]})
    read = compute(gcp, "GET", "global/backendServices/be")
    compute(gcp, "PATCH", "global/backendServices/be", {"timeoutSec": 10})
    stale = {"fingerprint": read["fingerprint"], "timeoutSec": 20}
    assert refused(gcp, "PATCH", "global/backendServices/be", stale)[:2] == (412, "conditionNotMet")


def test_a_template_cannot_be_changed_and_unknown_methods_and_places_are_told(gcp: LocalGcp) -> None:
    make_group(gcp)
    assert refused(gcp, "PATCH", "global/instanceTemplates/web-template", {"description": "x"})[0] == 404
    assert refused(gcp, "GET", "global/spaceships")[0] == 404
    assert refused(gcp, "GET", "zones/nowhere/autoscalers")[0] == 400
    assert refused(gcp, "GET", "regions/europe-west1-b/autoscalers")[0] == 400
    again: dict[str, Any] = {
        "name": "web-template",
        "properties": {"machineType": "a", "disks": [{}], "networkInterfaces": [{}]},
    }
    assert refused(gcp, "POST", "global/instanceTemplates", again)[:2] == (409, "alreadyExists")
    client = gcp.compute_client("RegionInstanceGroupManagersClient")
    group = compute_v1.InstanceGroupManager(
        name="web", base_instance_name="web", instance_template="global/instanceTemplates/web-template"
    )
    raises(Conflict, client.insert, project=PROJECT, region=REGION, instance_group_manager_resource=group)
