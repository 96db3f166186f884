"""Autoscalers of the stand-in: what Compute accepts, what a patch and a PUT do, what it says of schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import compute_v1

from elastic_iac.local.gcp.cloud import LocalGcp
from tests.gcp_doubles import (
    CPU,
    PROJECT,
    REGION,
    SCOPES,
    ZONE,
    autoscaler_document,
    compute,
    make_autoscaler,
    make_group,
    patch_schedules,
    raises,
    refused,
    shown,
    window,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
REGIONAL = SCOPES["regional"]
PATCH = f"{REGIONAL}/autoscalers?autoscaler=web"


@pytest.fixture
def gcp(gcp: LocalGcp) -> LocalGcp:
    gcp.reset(now=START)
    return gcp


def test_the_official_clients_make_read_change_and_delete_a_regional_autoscaler(gcp: LocalGcp) -> None:
    target = make_group(gcp)
    client = gcp.compute_client("RegionAutoscalersClient")
    policy = compute_v1.AutoscalingPolicy(
        min_num_replicas=2,
        max_num_replicas=20,
        cpu_utilization=compute_v1.AutoscalingPolicyCpuUtilization(utilization_target=0.6),
    )
    made = compute_v1.Autoscaler(name="web", target=target, autoscaling_policy=policy)
    where = {"project": PROJECT, "region": REGION}
    client.insert(**where, autoscaler_resource=made).result(timeout=30)
    schedule = compute_v1.AutoscalingPolicyScalingSchedule(
        schedule="0 12 1 3 * 2026", duration_sec=300, min_required_replicas=7
    )
    change = compute_v1.Autoscaler(
        name="web", autoscaling_policy=compute_v1.AutoscalingPolicy(scaling_schedules={"noon": schedule})
    )
    client.patch(**where, autoscaler_resource=change).result(timeout=30)
    read = client.get(**where, autoscaler="web")
    assert read.autoscaling_policy.max_num_replicas == 20
    assert read.autoscaling_policy.scaling_schedules["noon"].min_required_replicas == 7
    assert read.scaling_schedule_status["noon"].state == "READY"
    assert read.recommended_size == 2
    client.delete(**where, autoscaler="web").result(timeout=30)
    raises(NotFound, client.get, **where, autoscaler="web")


def test_the_official_clients_make_a_zonal_autoscaler(gcp: LocalGcp) -> None:
    target = make_group(gcp, SCOPES["zonal"])
    client = gcp.compute_client("AutoscalersClient")
    policy = compute_v1.AutoscalingPolicy(min_num_replicas=1, max_num_replicas=3)
    made = compute_v1.Autoscaler(name="web", target=target, autoscaling_policy=policy)
    where = {"project": PROJECT, "zone": ZONE}
    client.insert(**where, autoscaler_resource=made).result(timeout=30)
    raises(Conflict, client.insert, **where, autoscaler_resource=made)
    # API: CPU at 0.6 where no signal is declared.
    assert client.get(**where, autoscaler="web").autoscaling_policy.cpu_utilization.utilization_target == 0.6
    listed = {
        scope: [item.name for item in held.autoscalers] for scope, held in client.aggregated_list(project=PROJECT)
    }
    assert listed == {f"zones/{ZONE}": ["web"]}


def test_lists_come_in_pages(gcp: LocalGcp) -> None:
    for number in range(5):
        make_autoscaler(gcp, name=f"web-{number}")
    client = gcp.compute_client("RegionAutoscalersClient")
    request = compute_v1.ListRegionAutoscalersRequest(project=PROJECT, region=REGION, max_results=2)
    pages = [[item.name for item in page.items] for page in client.list(request=request).pages]
    assert pages == [["web-0", "web-1"], ["web-2", "web-3"], ["web-4"]]


POLICIES: dict[str, tuple[dict[str, Any], str]] = {
    "no maximum": ({"maxNumReplicas": None}, "maxNumReplicas"),
    "minimum above maximum": ({"minNumReplicas": 21}, "minNumReplicas"),
    "negative minimum": ({"minNumReplicas": -1}, "minNumReplicas"),
    "unknown mode": ({"mode": "SOMETIMES"}, "mode"),
    "cpu above one": ({"cpuUtilization": {"utilizationTarget": 1.5}}, "cpuUtilization.utilizationTarget"),
    "unknown predictive method": ({"cpuUtilization": {"predictiveMethod": "MAGIC"}}, "predictiveMethod"),
    "metric without its name": ({"customMetricUtilizations": [{"utilizationTarget": 1}]}, "metric"),
    "metric with two targets": (
        {"customMetricUtilizations": [{"metric": "m", "utilizationTarget": 1, "singleInstanceAssignment": 1}]},
        "customMetricUtilizations[0]",
    ),
    "six metrics": ({"customMetricUtilizations": [{"metric": "m", "utilizationTarget": 1}] * 6}, "customMetric"),
    "negative initialization": ({"coolDownPeriodSec": -1}, "coolDownPeriodSec"),
    "two scale-in limits": (
        {"scaleInControl": {"maxScaledInReplicas": {"fixed": 1, "percent": 2}}},
        "scaleInControl.maxScaledInReplicas",
    ),
    "a misspelt field": ({"maxReplicas": 7}, "maxReplicas"),
    "a number as text that is none": ({"maxNumReplicas": "many"}, "maxNumReplicas"),
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_wrong_policy_is_refused_with_its_field(gcp: LocalGcp, name: str) -> None:
    change, field = POLICIES[name]
    document = autoscaler_document(make_group(gcp), **change)
    policy = document["autoscalingPolicy"]
    document["autoscalingPolicy"] = {key: value for key, value in policy.items() if value is not None}
    status, _, message = refused(gcp, "POST", f"{REGIONAL}/autoscalers", document)
    assert status == 400
    assert field in message
    assert refused(gcp, "GET", f"{REGIONAL}/autoscalers/web")[0] == 404


SCHEDULES: dict[str, tuple[dict[str, Any], str]] = {
    "too short": (window(seconds=299), "durationSec"),
    "no duration": ({"schedule": "0 1 * * *", "minRequiredReplicas": 1}, "durationSec"),
    "no minimum": ({"schedule": "0 1 * * *", "durationSec": 300}, "minRequiredReplicas"),
    "no schedule": ({"durationSec": 300, "minRequiredReplicas": 1}, "schedule"),
    "negative minimum": (window(minimum=-1), "minRequiredReplicas"),
    "four fields": (window("0 1 * *"), "schedule"),
    "seven fields": (window("0 0 1 * * 2026 1"), "schedule"),
    "minute 60": (window("60 1 * * *"), "schedule"),
    "no such day": (window("0 0 31 2 *"), "schedule"),
    "a year that is none": (window("0 0 1 1 * MMXXVI"), "schedule"),
    "a year long gone by": (window("0 0 1 1 * 1066"), "schedule"),
    "no such zone": (window(timeZone="Mars/Olympus"), "timeZone"),
    "a long description": (window(description="x" * 2049), "description"),
    "a misspelt field": (window(minReplicas=3), "minReplicas"),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_wrong_schedule_is_refused_and_none_of_the_patch_is_applied(gcp: LocalGcp, name: str) -> None:
    make_autoscaler(gcp)
    schedule, field = SCHEDULES[name]
    change = {"autoscalingPolicy": {"scalingSchedules": {"good": window(), "bad": schedule}}}
    status, _, message = refused(gcp, "PATCH", PATCH, change)
    assert status == 400
    assert field in message
    assert "scalingSchedules" not in shown(gcp)["autoscalingPolicy"]


@pytest.mark.parametrize("name", ["Upper", "1st", "end-", "under_score", "x" * 64])
def test_a_schedules_name_is_that_of_a_resource(gcp: LocalGcp, name: str) -> None:
    make_autoscaler(gcp)
    status, _, message = refused(gcp, "PATCH", PATCH, {"autoscalingPolicy": {"scalingSchedules": {name: window()}}})
    assert (status, name in message) == (400, True)


def test_the_official_client_hears_of_a_short_schedule(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    short = compute_v1.AutoscalingPolicyScalingSchedule(schedule="0 1 * * *", duration_sec=60, min_required_replicas=1)
    policy = compute_v1.AutoscalingPolicy(scaling_schedules={"short": short})
    client = gcp.compute_client("RegionAutoscalersClient")
    message = raises(
        BadRequest,
        client.patch,
        project=PROJECT,
        region=REGION,
        autoscaler_resource=compute_v1.Autoscaler(name="web", autoscaling_policy=policy),
    )
    assert "scalingSchedules[short].durationSec" in message


def test_128_schedules_are_the_most_and_obsolete_and_disabled_ones_count(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    full = {f"w{number}": window() for number in range(126)}
    full |= {"obsolete": window("0 0 1 1 * 2020"), "disabled": window(disabled=True)}
    patch_schedules(gcp, full)
    states = shown(gcp)["scalingScheduleStatus"]
    assert [states[name]["state"] for name in ("obsolete", "disabled", "w0")] == ["OBSOLETE", "DISABLED", "READY"]
    one_more = {"autoscalingPolicy": {"scalingSchedules": {"one-more": window()}}}
    assert refused(gcp, "PATCH", PATCH, one_more)[0] == 400
    patch_schedules(gcp, {"obsolete": None, "one-more": window()})  # one patch may make its own room
    assert len(shown(gcp)["autoscalingPolicy"]["scalingSchedules"]) == 128


def test_a_patch_merges_and_null_deletes_what_it_names_and_nothing_else(gcp: LocalGcp) -> None:
    make_autoscaler(gcp, stabilizationPeriodSec=300)
    foreign = window("0 6 * * 1-5", 9, 7200, timeZone="Europe/Berlin", description="a person's")
    patch_schedules(gcp, {"foreign": foreign, "old": window()})
    before = shown(gcp)
    patch_schedules(gcp, {"old": None, "absent": None, "new": window(minimum=6)})
    after = shown(gcp)
    assert set(after["autoscalingPolicy"]["scalingSchedules"]) == {"foreign", "new"}
    assert after["autoscalingPolicy"]["scalingSchedules"]["foreign"] == foreign
    rest_before, rest_after = (
        {key: value for key, value in read["autoscalingPolicy"].items() if key != "scalingSchedules"}
        for read in (before, after)
    )
    assert rest_before == rest_after
    patch_schedules(gcp, {"new": {"minRequiredReplicas": 8}})  # one member of one entry
    assert shown(gcp)["autoscalingPolicy"]["scalingSchedules"]["new"] == window(minimum=8, timeZone="UTC")


def test_the_official_client_cannot_delete_an_entry_an_empty_one_is_refused(gcp: LocalGcp) -> None:
    """Why the job sends raw REST: the typed client writes an empty entry, not null."""
    make_autoscaler(gcp)
    patch_schedules(gcp, {"old": window()})
    empty = compute_v1.AutoscalingPolicy(scaling_schedules={"old": compute_v1.AutoscalingPolicyScalingSchedule()})
    gcp.compute_client("RegionAutoscalersClient").patch(
        project=PROJECT,
        region=REGION,
        autoscaler_resource=compute_v1.Autoscaler(name="web", autoscaling_policy=empty),
    ).result(timeout=30)
    assert "old" in shown(gcp)["autoscalingPolicy"]["scalingSchedules"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_put_replaces_the_schedules_wholly(gcp: LocalGcp, kept: bool) -> None:
    """The trap of an `up` that touches the autoscaler: what its state does not know is gone."""
    make_autoscaler(gcp)
    patch_schedules(gcp, {"job": window()})
    read = shown(gcp)
    document = autoscaler_document(read["target"], maxNumReplicas=30)
    if kept:
        document["autoscalingPolicy"]["scalingSchedules"] = read["autoscalingPolicy"]["scalingSchedules"]
    compute(gcp, "PUT", PATCH, document)
    after = shown(gcp)
    assert after["autoscalingPolicy"]["maxNumReplicas"] == 30
    assert ("scalingSchedules" in after["autoscalingPolicy"]) is kept
    assert (after["id"], after["creationTimestamp"]) == (read["id"], read["creationTimestamp"])


def test_a_minimum_above_the_maximum_is_accepted_and_the_maximum_wins(gcp: LocalGcp) -> None:
    """API, AutoscalerStatusDetails: SCHEDULED_INSTANCES_GREATER_THAN_AUTOSCALER_MAX."""
    make_autoscaler(gcp)
    patch_schedules(gcp, {"high": window("0 1 * * *", 50), "low": window("0 5 * * *", 1)})
    types = {detail["type"] for detail in shown(gcp)["statusDetails"]}
    assert types == {
        "SCHEDULED_INSTANCES_GREATER_THAN_AUTOSCALER_MAX",
        "SCHEDULED_INSTANCES_LESS_THAN_AUTOSCALER_MIN",
    }
    gcp.clock.advance(timedelta(minutes=65))
    assert shown(gcp)["recommendedSize"] == 20


def test_schedules_alone_are_accepted_without_another_signal(gcp: LocalGcp) -> None:
    """Older pages want another signal beside a schedule, newer ones do not: it is accepted, and nothing is added."""
    document = autoscaler_document(make_group(gcp), scalingSchedules={"a": window()})
    del document["autoscalingPolicy"]["cpuUtilization"]
    compute(gcp, "POST", f"{REGIONAL}/autoscalers", document)
    assert "cpuUtilization" not in shown(gcp)["autoscalingPolicy"]


def test_the_status_of_a_schedule_follows_the_clock(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    patch_schedules(gcp, {"once": window("0 12 1 3 * 2026"), "daily": window("30 6 * * *", timeZone="Europe/Berlin")})

    def said(name: str) -> dict[str, str]:
        return shown(gcp)["scalingScheduleStatus"][name]

    assert said("once") == {"state": "READY", "nextStartTime": "2026-03-01T12:00:00.000Z"}
    assert said("daily") == {"state": "READY", "nextStartTime": "2026-03-01T05:30:00.000Z"}
    gcp.clock.advance_to(START + timedelta(hours=12))
    assert said("once") == {"state": "ACTIVE", "lastStartTime": "2026-03-01T12:00:00.000Z"}
    gcp.clock.advance_to(START + timedelta(hours=13))
    assert said("once") == {"state": "OBSOLETE", "lastStartTime": "2026-03-01T12:00:00.000Z"}
    assert said("daily") == {
        "state": "READY",
        "nextStartTime": "2026-03-02T05:30:00.000Z",
        "lastStartTime": "2026-03-01T05:30:00.000Z",
    }


def test_references_and_names_are_checked(gcp: LocalGcp) -> None:
    target = make_group(gcp)
    path = f"{REGIONAL}/autoscalers"
    assert refused(gcp, "POST", path, autoscaler_document(target.replace("/web", "/gone")))[0] == 404
    assert refused(gcp, "POST", path, autoscaler_document("global/instanceTemplates/web-template"))[:2] == (
        400,
        "invalid",
    )
    assert refused(gcp, "POST", path, autoscaler_document(target, "Web"))[0] == 400
    assert refused(gcp, "POST", path, {**autoscaler_document(target), "name": None})[0] == 400
    zonal = make_group(gcp, SCOPES["zonal"], "zonal")
    assert "must be in" in refused(gcp, "POST", path, autoscaler_document(zonal))[2]
    compute(gcp, "POST", path, autoscaler_document(target))
    second = refused(gcp, "POST", path, autoscaler_document(target, "second"))
    assert second[:2] == (400, "resourceInUseByAnotherResource")
    assert refused(gcp, "PATCH", f"{path}?autoscaler=web", {"target": zonal})[0] == 400
    assert refused(gcp, "PATCH", f"{path}?autoscaler=gone", {"autoscalingPolicy": CPU})[:2] == (404, "notFound")
    assert refused(gcp, "PATCH", path, {"autoscalingPolicy": CPU})[0] == 400  # whose?
