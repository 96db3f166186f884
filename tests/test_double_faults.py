"""Faults: each strikes the calls that were meant, and no others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from elastic_iac.local import faults
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.faults import Fault
from tests.doubles import GROUP, action_names, create_group, put_action, refused

HOUR = timedelta(hours=1)
PUT = "PutScheduledUpdateGroupAction"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="module", params=[False, True], ids=["http", "in-process"])
def client(request: pytest.FixtureRequest, running_aws: LocalAws) -> Any:
    """A client that never retries."""
    return running_aws.client("autoscaling", in_process=request.param, config=ONE_ATTEMPT)


@pytest.fixture
def start(aws: LocalAws, client: Any) -> datetime:
    """A start an hour from now, of a group that exists."""
    create_group(client)
    return aws.clock.now() + HOUR


ERRORS: dict[str, tuple[Callable[..., Fault], str, int]] = {
    "throttle": (faults.throttle, "Throttling", 400),
    "request limit": (faults.request_limit_exceeded, "RequestLimitExceeded", 400),
    "unavailable": (faults.slow_down, "ServiceUnavailable", 503),
    "server error": (faults.server_error, "InternalFailure", 500),
    "contention": (faults.resource_contention, "ResourceContention", 500),
    "denied": (faults.access_denied, "AccessDenied", 403),
    "expired": (faults.expired_token, "ExpiredToken", 403),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("after", [False, True])
def test_an_error_comes_before_or_after_the_call_is_applied(
    aws: LocalAws, client: Any, start: datetime, name: str, after: bool
) -> None:
    make, code, status = ERRORS[name]
    aws.faults.add(make(action=PUT, after=after))
    with pytest.raises(ClientError) as caught:
        put_action(client, "a", start)
    answered: Any = caught.value.response
    assert (answered["Error"]["Code"], answered["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert action_names(client) == (["a"] if after else [])
    put = next(call for call in aws.calls if call.action == PUT)
    assert (put.status, put.applied) == (status, after)
    put_action(client, "a", start)  # it strikes once


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_gives_no_answer(aws: LocalAws, client: Any, start: datetime, after: bool) -> None:
    aws.faults.add(faults.reset(action=PUT, after=after))
    with pytest.raises(HTTPClientError):
        put_action(client, "a", start)
    assert action_names(client) == (["a"] if after else [])
    put = next(call for call in aws.calls if call.action == PUT)
    assert (put.status, put.applied) == (None, after)


def test_botocore_retries_what_it_is_known_to_retry(aws: LocalAws, start: datetime) -> None:
    """The errors are told apart by the client as AWS's own are."""
    standard = aws.client("autoscaling", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    for number, fault in enumerate((faults.throttle, faults.request_limit_exceeded, faults.reset)):
        aws.faults.add(fault(action=PUT))
        put_action(standard, f"a{number}", start + number * HOUR)
    aws.faults.add(faults.expired_token(action=PUT))
    refused("ExpiredToken", put_action, standard, "a9", start + 9 * HOUR)
    statuses = [call.status for call in aws.calls if call.action == PUT]
    assert statuses == [400, 200, 400, 200, None, 200, 403]


def test_a_fault_strikes_the_nth_matching_call_and_those_after_it(aws: LocalAws, client: Any, start: datetime) -> None:
    create_group(client, "other")
    aws.faults.add(faults.throttle(action=PUT, group=GROUP, nth=2, times=2))
    outcomes: list[bool] = []
    for number in range(5):
        put_action(client, f"a{number}", start + number * HOUR, group="other")
        try:
            put_action(client, f"a{number}", start + number * HOUR)
            outcomes.append(True)
        except ClientError:
            outcomes.append(False)
    assert outcomes == [True, False, False, True, True]


def test_faults_last_until_they_are_cleared(aws: LocalAws, client: Any, start: datetime) -> None:
    aws.faults.add(faults.throttle(times=None))
    for _ in range(3):
        refused("Throttling", action_names, client)
    aws.faults.clear()
    put_action(client, "a", start)
    assert action_names(client) == ["a"]


def test_a_killed_client_changes_nothing_from_then_on(aws: LocalAws, client: Any, start: datetime) -> None:
    bucket = aws.client("s3", config=ONE_ATTEMPT)
    aws.faults.add(faults.kill(nth=3))
    put_action(client, "a0", start)
    put_action(client, "a1", start + HOUR)
    for call in (
        lambda: put_action(client, "a2", start + 2 * HOUR),
        lambda: put_action(client, "a3", start + 3 * HOUR),
        lambda: bucket.create_bucket(Bucket="records"),
    ):
        with pytest.raises(HTTPClientError):
            call()
    assert action_names(client) == ["a0", "a1"], "reading is no change"
    aws.faults.clear()
    put_action(client, "a2", start + 2 * HOUR)


def test_a_delayed_call_is_overtaken(aws: LocalAws, client: Any, start: datetime) -> None:
    aws.faults.add(faults.delay(0.5, action=PUT))
    slow = threading.Thread(target=put_action, args=(client, "slow", start))
    slow.start()
    _wait_until_in_flight(aws)
    put_action(client, "fast", start + HOUR)
    slow.join()
    assert [call.params["ScheduledActionName"] for call in aws.calls if call.action == PUT] == ["fast", "slow"]


def test_a_delayed_call_does_not_outlive_a_reset(aws: LocalAws, client: Any, start: datetime) -> None:
    aws.faults.add(faults.delay(0.3, action=PUT))
    dropped: list[Exception] = []

    def put() -> None:
        try:
            put_action(client, "slow", start)
        except HTTPClientError as error:
            dropped.append(error)

    slow = threading.Thread(target=put)
    slow.start()
    _wait_until_in_flight(aws)
    aws.reset()
    create_group(client)
    slow.join()
    assert len(dropped) == 1
    assert action_names(client) == []
    assert not [call for call in aws.calls if call.action == PUT]


def test_of_two_writes_in_flight_to_one_group_the_second_is_refused(
    aws: LocalAws, client: Any, start: datetime
) -> None:
    create_group(client, "other")
    aws.faults.add(faults.refuse_concurrent_puts())
    aws.faults.add(faults.delay(0.5, action=PUT))
    slow = threading.Thread(target=put_action, args=(client, "slow", start))
    slow.start()
    _wait_until_in_flight(aws)
    refused("AlreadyExists", put_action, client, "fast", start + HOUR)
    put_action(client, "elsewhere", start, group="other")
    slow.join()
    put_action(client, "fast", start + HOUR)
    assert action_names(client) == ["slow", "fast"]


def _wait_until_in_flight(aws: LocalAws) -> None:
    while not aws.writes_in_flight(GROUP):
        time.sleep(0.005)


def test_one_item_of_a_batch_fails_inside_a_200(aws: LocalAws, client: Any, start: datetime) -> None:
    aws.faults.add(faults.failed_item(action="BatchPutScheduledUpdateGroupAction"))
    items: list[dict[str, Any]] = [
        {"ScheduledActionName": f"a{number}", "StartTime": start + number * HOUR, "MinSize": 3} for number in range(3)
    ]
    asked = {"AutoScalingGroupName": GROUP, "ScheduledUpdateGroupActions": items}
    failed = client.batch_put_scheduled_update_group_action(**asked)["FailedScheduledUpdateGroupActions"]
    assert [(item["ScheduledActionName"], item["ErrorCode"]) for item in failed] == [("a0", "ResourceContention")]
    assert action_names(client) == ["a1", "a2"]


def test_a_fault_of_another_service_speaks_its_protocol(aws: LocalAws) -> None:
    calls: dict[str, tuple[str, dict[str, str]]] = {
        "s3": ("list_buckets", {}),
        "ssm": ("get_parameter", {"Name": "/x"}),
        "sts": ("get_caller_identity", {}),
        "ec2": ("describe_images", {}),
        "lambda": ("list_functions", {}),
        "cloudwatch": ("list_metrics", {}),
    }
    for service, (operation, asked) in calls.items():
        aws.faults.add(faults.access_denied(service=None))
        refused("AccessDenied", getattr(aws.client(service, config=ONE_ATTEMPT), operation), **asked)


def test_every_call_is_recorded(aws: LocalAws, client: Any, start: datetime) -> None:
    aws.calls.clear()
    put_action(client, "a", start, MinSize=3)
    action_names(client)
    put, read = aws.calls
    assert (put.service, put.action, put.mutating, put.applied, put.at) == (
        "autoscaling",
        PUT,
        True,
        True,
        aws.clock.now(),
    )
    assert (put.params["ScheduledActionName"], put.params["MinSize"]) == ("a", "3")
    assert (read.action, read.mutating) == ("DescribeScheduledActions", False)
