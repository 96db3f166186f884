"""EventBridge Scheduler on the double's clock."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.faults import Fault
from elastic_iac.local.schedule_times import occurrences
from elastic_iac.local.wire import AwsError
from tests.doubles import refused
from tests.functions import NAME, allow, make_function, make_role, messages, seen, total

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OFF = {"Mode": "OFF"}
QUEUE = "arn:aws:sqs:us-east-1:000000000000:failures"


def target(aws: LocalAws, **changes: Any) -> dict[str, Any]:
    """The function, and a role that may invoke it."""
    function = make_function(aws)
    role = make_role(
        aws, "schedule", "scheduler", allow(["lambda:InvokeFunction"], function), allow(["sqs:SendMessage"], QUEUE)
    )
    return {"Arn": function, "RoleArn": role, "Input": '{"at": "<aws.scheduler.scheduled-time>"}', **changes}


def put(aws: LocalAws, expression: str, aim: dict[str, Any], **settings: Any) -> None:
    settings = {"FlexibleTimeWindow": OFF, **settings}
    aws.client("scheduler").create_schedule(Name="job", ScheduleExpression=expression, Target=aim, **settings)


def invocations(aws: LocalAws) -> list[datetime]:
    return [call.at for call in aws.calls if call.caller == "scheduler.amazonaws.com" and call.action == "Invoke"]


def test_a_rate_fires_on_the_clock_and_tells_the_planned_time(policed: LocalAws) -> None:
    start = policed.clock.now()
    put(policed, "rate(15 minutes)", target(policed))
    policed.clock.advance(31 * MINUTE)
    assert invocations(policed) == [start, start + 15 * MINUTE, start + 30 * MINUTE]
    assert seen(policed)["event"] == {"at": (start + 30 * MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ")}
    policed.client("scheduler").delete_schedule(Name="job")
    policed.clock.advance(HOUR)
    assert len(invocations(policed)) == 3


def test_a_schedule_keeps_to_its_dates_and_its_state(policed: LocalAws) -> None:
    now, aim = policed.clock.now(), target(policed)
    dates = {"StartDate": now + HOUR, "EndDate": now + 2 * HOUR}
    put(policed, "rate(30 minutes)", aim, **dates)
    policed.clock.advance(30 * MINUTE)
    scheduler = policed.client("scheduler")
    scheduler.update_schedule(
        Name="job", ScheduleExpression="rate(30 minutes)", FlexibleTimeWindow=OFF, Target=aim, State="DISABLED", **dates
    )
    policed.clock.advance(45 * MINUTE)
    assert invocations(policed) == []
    scheduler.update_schedule(
        Name="job", ScheduleExpression="rate(30 minutes)", FlexibleTimeWindow=OFF, Target=aim, **dates
    )
    policed.clock.advance(3 * HOUR)
    assert invocations(policed) == [now + 90 * MINUTE, now + 2 * HOUR]


def test_a_flexible_window_delays_within_its_bounds(policed: LocalAws) -> None:
    start = policed.clock.now()
    put(policed, "rate(1 hour)", target(policed), FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 20})
    policed.clock.advance(2 * HOUR + 30 * MINUTE)
    late = [at - start - number * HOUR for number, at in enumerate(invocations(policed))]
    assert len(late) == 3
    assert all(timedelta(0) <= delay < 20 * MINUTE for delay in late)
    assert len(set(late)) == 3


def test_what_cannot_be_invoked_goes_to_the_dead_letter_queue(policed: LocalAws) -> None:
    aim = target(policed, DeadLetterConfig={"Arn": QUEUE})
    policed.client("iam").put_role_policy(
        RoleName="schedule",
        PolicyName="may",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]}',
    )
    put(policed, "rate(1 hour)", aim)
    policed.clock.advance(MINUTE)
    (message,) = messages(policed, "failures")
    assert message["attributes"]["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    assert set(message["body"]) == {"at"}
    assert total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME) is None


def test_what_fails_for_a_while_is_tried_again(policed: LocalAws) -> None:
    start = policed.clock.now()
    policed.faults.add(Fault(service="lambda", action="Invoke", code="ServiceException", status=500, times=2))
    put(policed, "rate(1 hour)", target(policed, RetryPolicy={"MaximumRetryAttempts": 3}))
    policed.clock.advance(10 * MINUTE)
    assert invocations(policed) == [start, start + MINUTE, start + 3 * MINUTE]
    assert total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME) == 1


def test_what_keeps_failing_is_given_up(policed: LocalAws) -> None:
    policed.faults.add(Fault(service="lambda", action="Invoke", code="ServiceException", status=500, times=None))
    aim = target(policed, RetryPolicy={"MaximumRetryAttempts": 1}, DeadLetterConfig={"Arn": QUEUE})
    put(policed, "rate(1 hour)", aim)
    policed.clock.advance(10 * MINUTE)
    (message,) = messages(policed, "failures")
    assert message["attributes"]["RETRY_ATTEMPTS"]["StringValue"] == "1"


AIM = {"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "RoleArn": "arn:aws:iam::000000000000:role/r"}


@pytest.mark.parametrize(
    ("expression", "settings"),
    [
        ("rate(1 minutes)", {}),
        ("rate(0 minutes)", {}),
        ("rate(15)", {}),
        ("cron(0 12 * * *)", {}),
        ("cron(0 12 * * * *)", {}),
        ("cron(0 25 * * ? *)", {}),
        ("cron(0 12 * * ? 99)", {}),
        ("at(noon)", {}),
        ("rate(15 minutes)", {"ScheduleExpressionTimezone": "Mars/Olympus"}),
        ("rate(15 minutes)", {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}),
        ("rate(15 minutes)", {"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}}),
        ("rate(15 minutes)", {"Target": {**AIM, "Input": "plain"}}),
        (
            "rate(15 minutes)",
            {"StartDate": datetime(2026, 2, 1, tzinfo=UTC), "EndDate": datetime(2026, 1, 1, tzinfo=UTC)},
        ),
    ],
)
def test_a_schedule_that_aws_refuses_is_refused(aws: LocalAws, expression: str, settings: dict[str, Any]) -> None:
    asked = {"Name": "job", "FlexibleTimeWindow": OFF, "Target": AIM, "ScheduleExpression": expression, **settings}
    refused("ValidationException", aws.client("scheduler").create_schedule, **asked)
    aws.bare_client("scheduler").create_schedule(**asked)  # the bare emulator takes it


def test_a_role_that_the_scheduler_may_not_assume_is_refused(policed: LocalAws) -> None:
    role = make_role(policed, "other", "lambda")
    asked = {"Name": "job", "FlexibleTimeWindow": OFF, "ScheduleExpression": "rate(15 minutes)"}
    aim = {"Arn": make_function(policed), "RoleArn": role}
    told = refused("ValidationException", policed.client("scheduler").create_schedule, **asked, Target=aim)
    assert "assume the role" in told
    policed.bare_client("scheduler").create_schedule(**asked, Target=aim)


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("rate(2 hours)", "UTC", ["2026-03-02T14:00", "2026-03-02T16:00"]),
        ("cron(30 9 * * ? *)", "UTC", ["2026-03-03T09:30", "2026-03-04T09:30"]),
        ("cron(0 8 * * ? *)", "America/New_York", ["2026-03-02T13:00", "2026-03-03T13:00"]),
        ("cron(0 12 ? * 1 *)", "UTC", ["2026-03-08T12:00", "2026-03-15T12:00"]),  # 1 is Sunday
        ("cron(0 12 ? * MON-FRI *)", "UTC", ["2026-03-03T12:00", "2026-03-04T12:00"]),
        ("cron(0 12 ? * 3#1 *)", "UTC", ["2026-03-03T12:00", "2026-04-07T12:00"]),
        ("cron(0 0 1 1 ? 2027-2028)", "UTC", ["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("cron(0 0 1 1 ? 2027)", "UTC", ["2027-01-01T00:00"]),
        ("at(2026-03-02T13:00:00)", "Europe/Berlin", []),
        ("at(2026-03-02T14:00:00)", "Europe/Berlin", ["2026-03-02T13:00"]),
    ],
)
def test_when_a_schedule_falls_due(expression: str, zone: str, expected: list[str]) -> None:
    found = itertools.islice(occurrences(expression, zone, NOON, NOON), 2)
    assert [moment.strftime("%Y-%m-%dT%H:%M") for moment in found] == expected


def test_an_unknown_expression_is_named() -> None:
    with pytest.raises(AwsError, match="every day"):
        occurrences("every day", "UTC", NOON, NOON)
