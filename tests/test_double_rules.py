"""Each rule of scheduled actions: the strict double refuses what the bare emulator accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.rules import MAX_ACTIONS_PER_GROUP, MAX_BATCH
from tests.doubles import GROUP, action_names, create_group, put_action, refused

HOUR = timedelta(hours=1)


@pytest.fixture
def strict(aws: LocalAws) -> Any:
    client = aws.client("autoscaling", in_process=True)
    create_group(client)
    return client


@pytest.fixture
def bare(aws: LocalAws, strict: Any) -> Any:
    """The emulator behind the double, which knows the same group."""
    return aws.bare_client("autoscaling")


def relative(aws: LocalAws, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings whose durations are counted from the double's now."""
    return {key: aws.clock.now() + value if isinstance(value, timedelta) else value for key, value in settings.items()}


REFUSED = {
    "a start in the past": ({"StartTime": -HOUR, "MinSize": 3}, "in the past"),
    "a start at this moment": ({"StartTime": timedelta(0), "MinSize": 3}, "in the past"),
    "neither start nor recurrence": ({"MinSize": 3}, "StartTime or Recurrence"),
    "an end before its start": ({"StartTime": 2 * HOUR, "EndTime": HOUR, "MinSize": 3}, "before the start"),
    "an end in the past": ({"Recurrence": "0 * * * *", "EndTime": -HOUR, "MinSize": 3}, "end time is in the past"),
    "no occurrence before the end": (
        {"Recurrence": "30 3 29 2 *", "EndTime": HOUR, "MinSize": 3},
        "no occurrence before the end",
    ),
    "no size": ({"StartTime": HOUR}, "At least one of"),
    "a negative size": ({"StartTime": HOUR, "MinSize": -1}, "must not be negative"),
    "min above max": ({"StartTime": HOUR, "MinSize": 5, "MaxSize": 4}, "greater than or equal"),
    "desired below min": ({"StartTime": HOUR, "MinSize": 5, "DesiredCapacity": 4}, "must be between"),
    "desired above max": ({"StartTime": HOUR, "MaxSize": 3, "DesiredCapacity": 4}, "must be between"),
    "a cron of six fields": ({"Recurrence": "0 0 * * * *", "MinSize": 3}, "recurrence"),
    "a cron out of range": ({"Recurrence": "61 * * * *", "MinSize": 3}, "recurrence"),
    "a cron that never comes": ({"Recurrence": "0 0 31 2 *", "MinSize": 3}, "recurrence"),
    "an unknown zone": ({"Recurrence": "0 0 * * *", "TimeZone": "Mars/Olympus", "MinSize": 3}, "IANA"),
    "a zone without a recurrence": ({"StartTime": HOUR, "TimeZone": "UTC", "MinSize": 3}, "only together"),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_an_action_out_of_the_rules_is_refused_and_nothing_changes(
    aws: LocalAws, strict: Any, bare: Any, rule: str
) -> None:
    settings, message = REFUSED[rule]
    asked = {"AutoScalingGroupName": GROUP, "ScheduledActionName": "a", **relative(aws, settings)}
    assert message in refused("ValidationError", strict.put_scheduled_update_group_action, **asked)
    assert action_names(strict) == []
    bare.put_scheduled_update_group_action(**asked)
    assert action_names(bare) == ["a"]


def test_a_group_must_exist(aws: LocalAws, strict: Any, bare: Any) -> None:
    start = aws.clock.now() + HOUR
    assert "not found" in refused("ValidationError", put_action, strict, "a", start, group="absent")
    assert "not found" in refused("ValidationError", action_names, strict, group="absent")
    put_action(bare, "a", start, group="absent")
    assert action_names(bare, group="absent") == ["a"]


def test_a_name_has_at_most_255_characters(aws: LocalAws, strict: Any, bare: Any) -> None:
    start = aws.clock.now() + HOUR
    put_action(strict, "n" * 255, start)
    assert "255" in refused("ValidationError", put_action, strict, "n" * 256, start + HOUR)
    put_action(bare, "n" * 256, start)


def test_start_times_are_unique_within_a_group(aws: LocalAws, strict: Any, bare: Any) -> None:
    start = aws.clock.now() + HOUR
    put_action(strict, "a", start)
    assert "already exists" in refused("AlreadyExists", put_action, strict, "b", start)
    put_action(strict, "a", start, MinSize=7)  # its own start is no obstacle
    create_group(strict, "other")
    put_action(strict, "a", start, group="other")
    assert aws.group("other").actions["a"].min_size == 3, "groups do not share names"
    for name in "ab":
        put_action(bare, name, start)
    assert action_names(bare) == ["a", "b"]


def test_a_group_holds_125_actions(aws: LocalAws, strict: Any, bare: Any) -> None:
    first = aws.clock.now() + HOUR
    for number in range(MAX_ACTIONS_PER_GROUP):
        put_action(strict, f"a{number}", first + timedelta(minutes=number))
    refused("LimitExceeded", put_action, strict, "one-more", first - timedelta(minutes=1))
    put_action(strict, "a7", first + timedelta(days=1), MinSize=9)  # replacing needs no room
    strict.delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionName="a0")
    put_action(strict, "one-more", first)
    for number in range(MAX_ACTIONS_PER_GROUP + 1):
        put_action(bare, f"a{number}", first + timedelta(minutes=number))


def test_a_put_replaces_the_action_of_that_name_whole(aws: LocalAws, strict: Any) -> None:
    start = aws.clock.now() + HOUR
    put_action(strict, "a", start, MinSize=3, MaxSize=9)
    arn = aws.group(GROUP).actions["a"].arn
    put_action(strict, "a", start + HOUR, MinSize=4)
    action = strict.describe_scheduled_actions(AutoScalingGroupName=GROUP)["ScheduledUpdateGroupActions"][0]
    assert (action["StartTime"], action["MinSize"], action["ScheduledActionARN"]) == (start + HOUR, 4, arn)
    assert not {"MaxSize", "DesiredCapacity", "Recurrence", "EndTime", "TimeZone"} & action.keys()


def test_deleting_what_is_not_there_is_refused(strict: Any, bare: Any) -> None:
    asked = {"AutoScalingGroupName": GROUP, "ScheduledActionName": "absent"}
    assert "not found" in refused("ValidationError", strict.delete_scheduled_action, **asked)
    bare.delete_scheduled_action(**asked)


def test_pages_hold_50_by_default_and_100_at_most(aws: LocalAws, strict: Any, bare: Any) -> None:
    starts = {f"a{number:03}": aws.clock.now() + HOUR + timedelta(minutes=number) for number in range(120)}
    for name, start in reversed(starts.items()):
        put_action(strict, name, start)
        put_action(bare, name, start)
    first = strict.describe_scheduled_actions(AutoScalingGroupName=GROUP)
    assert len(first["ScheduledUpdateGroupActions"]) == 50
    pages = strict.get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=GROUP)
    found = [action["ScheduledActionName"] for page in pages for action in page["ScheduledUpdateGroupActions"]]
    assert found == list(starts), "every action once, by start time"
    assert len(action_names(strict, MaxRecords=100)) == 100
    for records in (0, 101):
        refused("ValidationError", action_names, strict, MaxRecords=records)
    refused("InvalidNextToken", action_names, strict, NextToken="made-up")
    assert len(action_names(bare)) == 120


def test_filters_by_name_and_time(aws: LocalAws, strict: Any, bare: Any) -> None:
    now = aws.clock.now()
    for hours, name in enumerate("abcd", start=1):
        put_action(strict, name, now + hours * HOUR)
        put_action(bare, name, now + hours * HOUR)
    window: dict[str, Any] = {"StartTime": now + 2 * HOUR, "EndTime": now + 3 * HOUR}
    assert action_names(strict, **window) == ["b", "c"]
    assert action_names(strict, ScheduledActionNames=["d", "unknown"], **window) == ["d"], "names override times"
    refused("ValidationError", action_names, strict, ScheduledActionNames=[f"a{number}" for number in range(51)])
    assert action_names(bare, **window) == ["a", "b", "c", "d"]


def test_a_batch_put_reports_failures_inside_a_200(aws: LocalAws, strict: Any, bare: Any) -> None:
    start = aws.clock.now() + HOUR
    items: list[dict[str, Any]] = [
        {"ScheduledActionName": "a", "StartTime": start, "MinSize": 3},
        {"ScheduledActionName": "past", "StartTime": start - 2 * HOUR, "MinSize": 3},
        {"ScheduledActionName": "twin", "StartTime": start, "MinSize": 3},
    ]
    asked = {"AutoScalingGroupName": GROUP, "ScheduledUpdateGroupActions": items}
    failed = strict.batch_put_scheduled_update_group_action(**asked)["FailedScheduledUpdateGroupActions"]
    assert [(item["ScheduledActionName"], item["ErrorCode"]) for item in failed] == [
        ("past", "ValidationError"),
        ("twin", "AlreadyExists"),
    ]
    assert action_names(strict) == ["a"]
    refused("InvalidAction", bare.batch_put_scheduled_update_group_action, **asked)


def test_a_batch_delete_reports_failures_inside_a_200(aws: LocalAws, strict: Any) -> None:
    put_action(strict, "a", aws.clock.now() + HOUR)
    answer = strict.batch_delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionNames=["a", "absent"])
    assert [item["ScheduledActionName"] for item in answer["FailedScheduledActions"]] == ["absent"]
    assert action_names(strict) == []


def test_a_batch_holds_50(aws: LocalAws, strict: Any) -> None:
    first = aws.clock.now() + HOUR
    items: list[dict[str, Any]] = [
        {"ScheduledActionName": f"a{number}", "StartTime": first + timedelta(minutes=number), "MinSize": 3}
        for number in range(MAX_BATCH + 1)
    ]
    names = [item["ScheduledActionName"] for item in items]
    for call, key, values in (
        (strict.batch_put_scheduled_update_group_action, "ScheduledUpdateGroupActions", items),
        (strict.batch_delete_scheduled_action, "ScheduledActionNames", names),
    ):
        refused("ValidationError", call, AutoScalingGroupName=GROUP, **{key: values})
        assert set(call(AutoScalingGroupName=GROUP, **{key: values[:MAX_BATCH]})) == {"ResponseMetadata"} | {
            "FailedScheduledUpdateGroupActions" if values is items else "FailedScheduledActions"
        }


def test_sizes_are_whole_numbers(aws: LocalAws, strict: Any) -> None:
    """boto3 refuses these itself, other clients send them."""
    form = f"Action=PutScheduledUpdateGroupAction&AutoScalingGroupName={GROUP}&ScheduledActionName=a&MinSize=2.5"
    scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/autoscaling/aws4_request"
    headers = {"Authorization": scope, "Content-Type": "application/x-www-form-urlencoded"}
    response = aws.answer("POST", "/", headers, form.encode())
    assert response.status == 400
    assert b"<Code>ValidationError</Code>" in response.body
    assert b"minSize" in response.body


def test_a_recurring_action_shows_its_next_start(aws: LocalAws, strict: Any) -> None:
    aws.clock.advance_to(datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + HOUR)
    now = aws.clock.now()
    put_action(strict, "hourly", None, Recurrence="30 * * * *", MinSize=3)
    put_action(strict, "first", now + 10 * HOUR, Recurrence="0 0 * * *", MinSize=4)
    starts = {name: action.start for name, action in aws.group(GROUP).actions.items()}
    assert starts == {"hourly": now + HOUR / 2, "first": now + 10 * HOUR}, "a start that is given is the first one"
    refused("AlreadyExists", put_action, strict, "same", now + HOUR / 2)


def test_a_recurrence_keeps_to_its_zone_over_a_change_of_clocks(aws: LocalAws) -> None:
    aws.reset(now=datetime(2026, 3, 28, 12, tzinfo=UTC))
    client = aws.client("autoscaling", in_process=True)
    create_group(client)
    put_action(client, "nine", None, Recurrence="0 9 * * *", TimeZone="Europe/Berlin", MinSize=5)
    put_action(client, "ten", None, Recurrence="0 10 * * *", TimeZone="Europe/Berlin", MinSize=3)
    put_action(client, "before", datetime(2026, 3, 28, 13, tzinfo=UTC), MinSize=3)
    aws.clock.advance_to(datetime(2026, 3, 30, 12, tzinfo=UTC))
    fives = [change.at for change in aws.history(GROUP) if change.sizes.minimum == 5]
    assert fives == [datetime(2026, 3, 29, 7, tzinfo=UTC), datetime(2026, 3, 30, 7, tzinfo=UTC)], (
        "summer time: 9 is 7 UTC"
    )
