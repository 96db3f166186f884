"""The autoscaler through its REST API, against the stand-in: what is written, what is survived, what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from elastic_iac.local.gcp import faults
from elastic_iac.local.gcp.cloud import LocalGcp
from elastic_iac.local.gcp.faults import Fault
from forecasting.errors import CredentialsError, Hold, SettingsError, TargetError, TargetNotFoundError
from forecasting.targets.base import CallBudget
from forecasting.targets.gcp import AutoscalerTarget
from tests.fleets import NOW
from tests.gcp_fleets import (
    FAST,
    NAME,
    PROJECT,
    REGION,
    ZONE,
    add_schedule,
    call,
    changes,
    floors,
    gcp_fleet,
    make_autoscaler,
    schedules,
    scope_of,
    update,
)

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FLAT, HIGH = [4] * 192, [9] * 192
PATCH = "regionAutoscalers.patch"
PERSON = {"schedule": "0 9 * * Mon-Fri", "timeZone": "Europe/Berlin", "durationSec": 3600, "minRequiredReplicas": 30}


@pytest.fixture
def cloud(gcp: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> LocalGcp:
    """The stand-in with a group, and the variables that point every client at it."""
    gcp.reset(now=NOW)
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    make_autoscaler(gcp)
    return gcp


@pytest.mark.parametrize("location", [REGION, ZONE])
def test_a_plan_is_written_by_one_patch_and_is_in_force(cloud: LocalGcp, location: str) -> None:
    if location == ZONE:
        cloud.reset(now=NOW)
        make_autoscaler(cloud, ZONE)
    _target, schedule, written = update(cloud, HIGH, location)
    assert written == 1
    assert len(changes(cloud)) == 1
    assert len(schedules(cloud, location)) == len(schedule.slots) == 96
    assert set(floors(cloud, NOW + 3 * MINUTE, schedule.slots[-1].end or NOW, location)) == {9}
    assert floors(cloud, schedule.slots[-1].end or NOW, NOW + 60 * HOUR, location)[0] == 2


def test_a_second_run_writes_nothing(cloud: LocalGcp) -> None:
    update(cloud, HIGH)
    cloud.calls.clear()
    _target, _schedule, written = update(cloud, HIGH)
    assert (written, changes(cloud)) == (0, [])


def test_what_people_made_is_the_same_byte_for_byte_and_is_not_even_mentioned(cloud: LocalGcp) -> None:
    update(cloud, FLAT)
    ours = sorted(schedules(cloud))
    moved, raised, disabled = ours[20], ours[30], ours[40]
    add_schedule(cloud, "office-hours", PERSON)
    add_schedule(cloud, "elastic-iac-other-20260303t1000z", {**schedules(cloud)[ours[0]]})
    add_schedule(cloud, "elastic-iac-prod-20260399t1000z", PERSON)
    add_schedule(cloud, moved, {"durationSec": 7200})
    add_schedule(cloud, raised, {"minRequiredReplicas": 33})
    add_schedule(cloud, disabled, {"disabled": True})
    theirs = set(schedules(cloud)) - (set(ours) - {moved, raised, disabled})
    assert len(theirs) == 6
    before = json.dumps({name: schedules(cloud)[name] for name in sorted(theirs)}).encode()

    for wanted in (HIGH, FLAT):
        cloud.clock.advance(6 * HOUR)
        cloud.calls.clear()
        target, _schedule, written = update(cloud, wanted)
        assert written == 1
        (patch,) = [each for each in cloud.calls if each.asked.mutating]
        named = json.loads(patch.asked.body)["autoscalingPolicy"]["scalingSchedules"]
        assert not theirs & set(named)
    target.give_back(target.rules.ours(target.inspect(), {"prod"}), 2, lambda: None)
    assert set(schedules(cloud)) == theirs
    assert json.dumps({name: schedules(cloud)[name] for name in sorted(theirs)}).encode() == before


def test_only_owned_keys_of_the_policy_change(cloud: LocalGcp) -> None:
    before = copy.deepcopy(cloud.autoscaler(REGION, NAME).document)
    update(cloud, HIGH)
    after = copy.deepcopy(cloud.autoscaler(REGION, NAME).document)
    after["autoscalingPolicy"].pop("scalingSchedules")
    volatile = {"scalingScheduleStatus", "recommendedSize", "status", "statusDetails"}
    assert {k: v for k, v in after.items() if k not in volatile} == {
        k: v for k, v in before.items() if k not in volatile
    }


# Faults


@pytest.mark.parametrize(
    "fault",
    [
        faults.rate_limited(action=PATCH, times=2),
        Fault(action=PATCH, status=403, reason="CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", times=2),
        faults.too_many_requests(action=PATCH),
        faults.server_error(action=PATCH),
        faults.server_error(action=PATCH, after=True),
        faults.reset(action=PATCH),
        faults.reset(action=PATCH, after=True),
        faults.reset(action="regionAutoscalers.get", times=2),
        faults.unavailable(action="regionOperations.get", times=2),
        faults.operation_error("CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", action=PATCH),
    ],
    ids=lambda fault: f"{fault.reason or fault.operation_code or 'reset'}-{fault.action}-{fault.after}",
)
def test_what_passes_by_itself_is_tried_again(cloud: LocalGcp, fault: Fault) -> None:
    cloud.faults.add(fault)
    _target, schedule, _written = update(cloud, HIGH)
    assert set(floors(cloud, NOW + 3 * MINUTE, schedule.slots[-1].end or NOW)) == {9}


def test_a_repeated_patch_carries_the_same_request_id_and_is_applied_once(cloud: LocalGcp) -> None:
    history = len(cloud.autoscaler(REGION, NAME).history)
    cloud.faults.add(faults.reset(action=PATCH, after=True))
    update(cloud, HIGH)
    assert len(changes(cloud)) == 2
    assert len(cloud.autoscaler(REGION, NAME).history) == history + 1


def test_a_quota_error_inside_a_done_operation_is_no_success(cloud: LocalGcp) -> None:
    cloud.faults.add(faults.operation_error("QUOTA_EXCEEDED", action=PATCH))
    with pytest.raises(Hold, match="QUOTA_EXCEEDED") as caught:
        update(cloud, HIGH)
    assert caught.value.code == "limit-exceeded"
    assert schedules(cloud) == {}
    assert len(changes(cloud)) == 1


def test_any_other_error_inside_an_operation_holds_the_fleet(cloud: LocalGcp) -> None:
    cloud.faults.add(faults.operation_error("RESOURCE_POLICY_INVALID", action=PATCH))
    with pytest.raises(Hold, match="RESOURCE_POLICY_INVALID") as caught:
        update(cloud, HIGH)
    assert caught.value.code == "operation-failed"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.rate_limited(action=PATCH, times=None), "throttled"),
        (faults.unavailable(action=PATCH, times=None), "unreachable"),
        (faults.quota_exceeded(action=PATCH), "limit-exceeded"),
        (Fault(action=PATCH, status=412, reason="conditionNotMet"), "contention"),
    ],
)
def test_what_does_not_pass_in_time_holds_the_fleet_and_writes_nothing(
    cloud: LocalGcp, monkeypatch: pytest.MonkeyPatch, fault: Fault, code: str
) -> None:
    monkeypatch.setattr("tests.gcp_fleets.FAST", CallBudget(seconds=0.05, longest_wait_seconds=0.01))
    cloud.faults.add(fault)
    with pytest.raises(Hold) as caught:
        update(cloud, HIGH)
    assert caught.value.code == code
    assert schedules(cloud) == {}


def test_an_operation_that_never_ends_is_not_waited_for_for_ever(
    cloud: LocalGcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.gcp_fleets.FAST", CallBudget(seconds=0.05, longest_wait_seconds=0.01))
    cloud.compute.operations.polls = 10_000
    with pytest.raises(Hold) as caught:
        update(cloud, HIGH)
    assert caught.value.code == "operation-pending"


def test_an_operation_that_takes_a_while_is_polled_until_it_is_done(cloud: LocalGcp) -> None:
    cloud.compute.operations.polls = 4
    update(cloud, HIGH)
    assert [each.action for each in cloud.calls].count("regionOperations.get") == 4


def test_a_refusal_names_the_permission_and_is_not_tried_again(cloud: LocalGcp) -> None:
    for action, permission in (
        ("regionAutoscalers.get", "compute.autoscalers.get"),
        (PATCH, "compute.autoscalers.update"),
    ):
        cloud.faults.add(faults.forbidden(action=action, times=None))
        cloud.calls.clear()
        with pytest.raises(CredentialsError, match=permission):
            update(cloud, HIGH)
        assert [each.action for each in cloud.calls].count(action) == 1
        cloud.faults.clear()
    cloud.faults.add(faults.expired_token(times=None))
    with pytest.raises(CredentialsError):
        update(cloud, HIGH)


def test_permissions_used_are_those_that_messages_name(cloud: LocalGcp) -> None:
    update(cloud, HIGH)
    granted = {
        "compute.autoscalers.get",
        "compute.autoscalers.update",
        "compute.instanceGroupManagers.use",
        "compute.regionOperations.get",
    }
    assert cloud.permissions_used() == granted
    cloud.grant(granted)
    update(cloud, FLAT)
    for taken in sorted(granted):
        cloud.grant(granted - {taken})
        with pytest.raises(CredentialsError, match=taken):
            update(cloud, HIGH)


def test_an_answer_that_is_no_json_is_a_failure_of_the_way_there(
    cloud: LocalGcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", f"{cloud.url}/nowhere")
    with pytest.raises(TargetError):
        AutoscalerTarget(gcp_fleet(), FAST).read()


@pytest.mark.parametrize(
    "endpoint", ["http://compute.example.com", "ftp://127.0.0.1", "compute", "http://169.254.169.254"]
)
def test_an_endpoint_elsewhere_must_be_encrypted(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", endpoint)
    with pytest.raises(SettingsError, match="CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"):
        AutoscalerTarget(gcp_fleet(), FAST).read()


# What may not be written to


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ({"mode": "OFF"}, "no-scale-in-path"),
        ({"mode": "ONLY_SCALE_OUT"}, "no-scale-in-path"),
    ],
)
def test_an_autoscaler_without_a_way_to_scale_in_is_held(cloud: LocalGcp, policy: dict[str, Any], code: str) -> None:
    call(cloud, "PATCH", f"{scope_of(REGION)}/autoscalers?autoscaler={NAME}", {"autoscalingPolicy": policy})
    with pytest.raises(Hold) as caught:
        update(cloud, HIGH)
    assert caught.value.code == code
    assert AutoscalerTarget(gcp_fleet(), FAST).inspect().max_size == 60


def test_an_absent_autoscaler_and_one_of_another_group_are_not_found(cloud: LocalGcp) -> None:
    for change in ({"autoscaler": "gone"}, {"group": "other"}):
        fleet = gcp_fleet()
        target = fleet.target.model_copy(update=change)
        with pytest.raises(TargetNotFoundError):
            AutoscalerTarget(fleet.model_copy(update={"target": target}), FAST).read()


def test_a_floor_outside_the_bounds_never_reaches_the_wire(cloud: LocalGcp) -> None:
    with pytest.raises(Hold, match=r"outside 2\.\.5") as caught:
        update(cloud, HIGH, fleet=gcp_fleet(ceiling=5))
    assert caught.value.code == "out-of-bounds"
    assert changes(cloud) == []


def test_a_start_that_has_come_too_near_is_not_written(cloud: LocalGcp) -> None:
    target = AutoscalerTarget(gcp_fleet(), FAST)
    _target, schedule, _written = update(cloud, HIGH)
    diff = target.rules.diff(target.read(), type(schedule)(()), {"nobody"}, NOW)
    late = target.rules.diff(type(target.inspect())(2, 60, 2, ()), schedule, {"prod"}, NOW)
    assert diff.writes == 0
    with pytest.raises(Hold) as caught:
        target.apply(late, lambda: None, lambda: NOW + 2 * MINUTE)
    assert caught.value.code == "too-late"


def test_no_call_leaves_loopback(cloud: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests  # noqa: PLC0415

    seen: list[str] = []
    send: Callable[..., Any] = requests.Session.send

    def watched(self: Any, prepared: Any, **more: Any) -> Any:
        seen.append(prepared.url)
        return send(self, prepared, **more)

    monkeypatch.setattr(requests.Session, "send", watched)
    cloud.compute.operations.polls = 3
    update(cloud, HIGH)
    assert len(seen) >= 6
    assert all(url.startswith(cloud.url) for url in seen)


def test_the_project_and_location_are_those_of_the_settings(cloud: LocalGcp) -> None:
    update(cloud, HIGH)
    assert cloud.autoscaler(REGION, NAME).path == f"projects/{PROJECT}/regions/{REGION}/autoscalers/{NAME}"
