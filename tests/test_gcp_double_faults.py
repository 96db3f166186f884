"""Faults, permissions and the record of calls, over REST and gRPC."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    InternalServerError,
    PermissionDenied,
    ResourceExhausted,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from google.api_core.retry import Retry
from google.cloud import compute_v1, monitoring_v3

from elastic_iac.local.gcp import faults
from elastic_iac.local.gcp.cloud import LocalGcp
from elastic_iac.local.gcp.faults import Fault
from tests.gcp_doubles import (
    PROJECT,
    REGION,
    SCOPES,
    compute,
    make_autoscaler,
    make_group,
    patch_schedules,
    raises,
    rest,
    shown,
    window,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
PATCH = f"/compute/v1/projects/{PROJECT}/{SCOPES['regional']}/autoscalers?autoscaler=web"
CHANGE = {"autoscalingPolicy": {"scalingSchedules": {"a": window()}}}
ACTION = "regionAutoscalers.patch"


@pytest.fixture
def gcp(gcp: LocalGcp) -> LocalGcp:
    gcp.reset(now=START)
    return gcp


def patch(gcp: LocalGcp) -> Any:
    schedule = compute_v1.AutoscalingPolicyScalingSchedule(
        schedule="0 1 * * *", duration_sec=300, min_required_replicas=3
    )
    policy = compute_v1.AutoscalingPolicy(scaling_schedules={"a": schedule})
    change = compute_v1.Autoscaler(name="web", autoscaling_policy=policy)
    return gcp.compute_client("RegionAutoscalersClient").patch(
        project=PROJECT, region=REGION, autoscaler_resource=change
    )


def names(gcp: LocalGcp) -> set[str]:
    return set(shown(gcp)["autoscalingPolicy"].get("scalingSchedules", {}))


ERRORS: dict[str, tuple[Callable[..., Fault], type[GoogleAPICallError], str]] = {
    "rate limit": (faults.rate_limited, Forbidden, "rateLimitExceeded"),
    "quota": (faults.quota_exceeded, Forbidden, "quotaExceeded"),
    "too many requests": (faults.too_many_requests, TooManyRequests, "rateLimitExceeded"),
    "unavailable": (faults.unavailable, ServiceUnavailable, "backendError"),
    "server error": (faults.server_error, InternalServerError, "backendError"),
    "forbidden": (faults.forbidden, Forbidden, "forbidden"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("after", [False, True])
def test_an_error_comes_before_or_after_the_call_is_applied(gcp: LocalGcp, name: str, after: bool) -> None:
    make, error, reason = ERRORS[name]
    make_autoscaler(gcp)
    gcp.faults.add(make(action=ACTION, after=after))
    with pytest.raises(error) as caught:
        patch(gcp)
    answered: Any = caught.value
    assert [item["reason"] for item in answered.errors] == [reason]
    assert names(gcp) == ({"a"} if after else set())
    recorded = next(call for call in gcp.calls if call.action == ACTION)
    assert (recorded.status, recorded.applied) == (error.code, after)
    patch(gcp)  # it strikes once


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_gives_no_answer_and_what_was_accepted_takes_effect(gcp: LocalGcp, after: bool) -> None:
    make_autoscaler(gcp)
    gcp.faults.add(faults.reset(action=ACTION, after=after))
    with pytest.raises(requests.exceptions.ConnectionError):
        patch(gcp)
    assert names(gcp) == ({"a"} if after else set())
    recorded = next(call for call in gcp.calls if call.action == ACTION)
    assert (recorded.status, recorded.applied) == (None, after)


def test_an_expired_token_is_answered_401(gcp: LocalGcp) -> None:
    """The official client would try to refresh its credentials."""
    make_autoscaler(gcp)
    gcp.faults.add(faults.expired_token(action=ACTION))
    status, answer = rest(gcp, "PATCH", PATCH, CHANGE, "a-token")
    assert (status, answer["error"]["errors"][0]["reason"], names(gcp)) == (401, "authError", set())


def test_the_client_retries_a_get_that_finds_the_service_unavailable(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.faults.add(faults.unavailable(action="regionAutoscalers.get"))
    client = gcp.compute_client("RegionAutoscalersClient")
    assert client.get(project=PROJECT, region=REGION, autoscaler="web", retry=Retry(initial=0.01)).name == "web"
    assert [call.status for call in gcp.calls if call.action == "regionAutoscalers.get"] == [503, 200]


def test_a_fault_strikes_the_nth_matching_call_and_no_other(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.faults.add(faults.rate_limited(action=ACTION, resource="web", nth=2, times=2))
    gcp.faults.add(faults.rate_limited(action=ACTION, resource="other", times=None))
    assert [rest(gcp, "PATCH", PATCH, CHANGE)[0] for _ in range(5)] == [200, 403, 403, 200, 200]


def test_a_minute_has_no_more_calls_of_compute_than_its_quota_grants(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.limit_calls(2)
    answers = [rest(gcp, "PATCH", PATCH, CHANGE) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 403]
    assert answers[-1][1]["error"]["errors"][0]["reason"] == "rateLimitExceeded"
    assert gcp.storage_client().lookup_bucket("none") is None  # another service's calls are not counted
    gcp.clock.advance(timedelta(minutes=1))
    assert rest(gcp, "PATCH", PATCH, CHANGE)[0] == 200
    gcp.reset()
    make_autoscaler(gcp)
    assert {rest(gcp, "PATCH", PATCH, CHANGE)[0] for _ in range(3)} == {200}


def test_after_a_kill_nothing_is_applied_any_more_on_any_service(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    bucket = gcp.storage_client().create_bucket("some-bucket")
    gcp.faults.add(faults.kill(nth=2))
    bucket.blob("a").upload_from_string("x", if_generation_match=0)
    with pytest.raises(requests.exceptions.ConnectionError):
        patch(gcp)
    with pytest.raises(requests.exceptions.ConnectionError):
        bucket.blob("b").upload_from_string("x", retry=None)
    gcp.faults.clear()
    assert (names(gcp), bucket.get_blob("b")) == (set(), None)


def series(gcp: LocalGcp) -> list[monitoring_v3.TimeSeries]:
    interval = monitoring_v3.TimeInterval(start_time=START - timedelta(hours=1), end_time=START)
    request = monitoring_v3.ListTimeSeriesRequest(
        name=f"projects/{PROJECT}", filter='metric.type = "custom.googleapis.com/x"', interval=interval
    )
    return list(gcp.monitoring_client().list_time_series(request=request, retry=None))


RPC_ERRORS: dict[str, tuple[Callable[..., Fault], type[GoogleAPICallError]]] = {
    "rate limit": (faults.rate_limited, ResourceExhausted),
    "too many requests": (faults.too_many_requests, ResourceExhausted),
    "unavailable": (faults.unavailable, ServiceUnavailable),
    "server error": (faults.server_error, InternalServerError),
    "forbidden": (faults.forbidden, PermissionDenied),
    "expired": (faults.expired_token, Unauthenticated),
    "reset": (faults.reset, ServiceUnavailable),
}


@pytest.mark.parametrize("name", RPC_ERRORS)
def test_errors_over_grpc(gcp: LocalGcp, name: str) -> None:
    gcp.monitoring.publish(PROJECT, "custom.googleapis.com/x", [(START, 1.0)])
    make, error = RPC_ERRORS[name]
    gcp.faults.add(make(service="monitoring", action="timeSeries.list"))
    raises(error, series, gcp)
    assert len(series(gcp)) == 1


def test_a_partial_answer_says_so_and_leaves_points_out(gcp: LocalGcp) -> None:
    gcp.monitoring.publish(
        PROJECT, "custom.googleapis.com/x", [(START - timedelta(minutes=n), 1.0) for n in (3, 2, 1, 0)]
    )
    gcp.faults.add(faults.partial_series())
    interval = monitoring_v3.TimeInterval(start_time=START - timedelta(hours=1), end_time=START)
    request = {"name": f"projects/{PROJECT}", "filter": 'metric.type = "custom.googleapis.com/x"', "interval": interval}
    page = next(iter(gcp.monitoring_client().list_time_series(request=request).pages))
    assert len(page.execution_errors) == 1
    assert [len(found.points) for found in page.time_series] == [2]
    assert [len(found.points) for found in series(gcp)] == [4]


def test_a_delayed_call_waits(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.faults.add(faults.delay(0.2, action=ACTION))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.patch(f"{gcp.url}{PATCH}", json=CHANGE, timeout=0.05)
    assert requests.patch(f"{gcp.url}{PATCH}", json=CHANGE, timeout=30).status_code == 200


def test_a_delayed_call_does_not_outlive_a_reset(gcp: LocalGcp) -> None:
    gcp.faults.add(faults.delay(0.2, action=ACTION))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.patch(f"{gcp.url}{PATCH}", json=CHANGE, timeout=0.05)
    gcp.reset(now=START)
    make_autoscaler(gcp)
    time.sleep(0.3)
    assert names(gcp) == set()
    assert not [call for call in gcp.calls if call.action == ACTION]


ROLE = {"compute.autoscalers.get", "compute.autoscalers.update", "compute.instanceGroupManagers.use"}


def test_a_token_may_do_what_it_is_granted_and_no_more(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.grant(ROLE, "runtime-token", "runtime")
    assert rest(gcp, "PATCH", PATCH, CHANGE, "runtime-token")[0] == 200
    status, answer = rest(gcp, "GET", f"{PATCH.partition('?')[0]}/web", token="runtime-token")
    assert (status, answer["name"]) == (200, "web")
    status, answer = rest(gcp, "DELETE", f"{PATCH.partition('?')[0]}/web", token="runtime-token")
    assert (status, answer["error"]["errors"][0]["reason"]) == (403, "forbidden")
    assert "compute.autoscalers.delete" in answer["error"]["message"]
    assert rest(gcp, "DELETE", f"{PATCH.partition('?')[0]}/web", token="somebody-else")[0] == 200
    assert [call.principal for call in gcp.calls[-4:]] == ["runtime", "runtime", "runtime", "anyone"]


@pytest.mark.parametrize("missing", sorted(ROLE))
def test_a_patch_needs_each_of_its_permissions(gcp: LocalGcp, missing: str) -> None:
    make_autoscaler(gcp)
    gcp.grant(ROLE - {missing}, "t")
    status, answer = rest(gcp, "PATCH", PATCH, CHANGE, "t")
    assert (status, missing in answer["error"]["message"]) == (403, True)
    assert names(gcp) == set()


def test_calls_without_a_token_can_be_limited_too(gcp: LocalGcp) -> None:
    gcp.monitoring.publish(PROJECT, "custom.googleapis.com/x", [(START, 1.0)])
    bucket = gcp.storage_client().create_bucket("some-bucket")
    gcp.grant({"storage.objects.create"})
    assert "monitoring.timeSeries.list" in raises(PermissionDenied, series, gcp)
    bucket.blob("a").upload_from_string("x")
    assert "storage.objects.delete" in raises(Forbidden, bucket.blob("a").upload_from_string, "y")  # it replaces
    assert "storage.objects.get" in raises(Forbidden, bucket.blob("a").download_as_bytes)
    assert "storage.objects.list" in raises(Forbidden, list, bucket.list_blobs())


def test_the_permissions_that_calls_need_are_recorded(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.calls.clear()
    patch(gcp).result(timeout=30)
    shown(gcp)
    assert gcp.permissions_used() == {*ROLE, "compute.regionOperations.get"}
    gcp.calls.clear()
    make_autoscaler(gcp, SCOPES["zonal"], "other")
    compute(gcp, "GET", f"{SCOPES['zonal']}/operations")
    assert gcp.permissions_used() == {
        "compute.instanceTemplates.create",
        "compute.instanceGroupManagers.create",
        "compute.instanceGroupManagers.use",
        "compute.autoscalers.create",
        "compute.zoneOperations.list",
    }


def test_the_record_holds_what_was_sent(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    gcp.calls.clear()
    patch_schedules(gcp, {"a": None})
    [call] = gcp.calls
    assert (call.asked.service, call.action, call.asked.resource, call.asked.mutating) == (
        "compute",
        ACTION,
        "web",
        True,
    )
    assert b'{"scalingSchedules": {"a": null}}' in call.asked.body
    assert (call.status, call.applied, call.at) == (200, True, START)


def test_a_reset_wipes_everything(gcp: LocalGcp) -> None:
    make_group(gcp)
    gcp.storage_client().create_bucket("some-bucket")
    gcp.monitoring.publish(PROJECT, "loadbalancing.googleapis.com/x", [(START, 1.0)])
    gcp.faults.add(faults.unavailable(times=None))
    gcp.grant(set())
    gcp.reset()
    assert gcp.calls == []
    assert compute(gcp, "GET", "global/instanceTemplates")["items"] == []
    assert list(gcp.storage_client().list_buckets()) == []
