"""The controlled clock: due actions move the group's sizes as AWS's do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elastic_iac.local.autoscaling import seeded_jitter
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.rules import Group, Sizes
from tests.doubles import GROUP, action_names, create_group, described, put_action

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def client(aws: LocalAws) -> Any:
    made = aws.client("autoscaling", in_process=True)
    create_group(made)
    return made


def sizes(client: Any) -> tuple[int, int, int, int]:
    group = described(client)
    return group["MinSize"], group["MaxSize"], group["DesiredCapacity"], len(group["Instances"])


def test_the_clock_stands_still_until_it_is_moved(aws: LocalAws) -> None:
    now = aws.clock.now()
    assert aws.clock.now() == now
    aws.clock.advance(HOUR)
    assert aws.clock.now() == now + HOUR
    with pytest.raises(ValueError, match="cannot go back"):
        aws.clock.advance_to(now)
    with pytest.raises(ValueError, match="naive"):
        aws.clock.advance_to(datetime(2100, 1, 1))  # noqa: DTZ001 - the mistake that is tested


def test_an_action_changes_the_sizes_for_good(aws: LocalAws, client: Any) -> None:
    now = aws.clock.now()
    put_action(client, "raise", now + HOUR, MinSize=9)
    aws.clock.advance_to(now + HOUR - MINUTE)
    assert sizes(client) == (2, 20, 4, 4)
    aws.clock.advance_to(now + HOUR)
    assert sizes(client) == (9, 20, 9, 9), "a minimum above the desired capacity raises it"
    assert action_names(client) == [], "a one-off action is gone once it ran"
    put_action(client, "lower", now + 2 * HOUR, MinSize=1)
    put_action(client, "cap", now + 3 * HOUR, MaxSize=5)
    put_action(client, "set", now + 4 * HOUR, DesiredCapacity=3)
    aws.clock.advance(HOUR)
    assert sizes(client) == (1, 20, 9, 9), "a lower minimum scales nothing in"
    aws.clock.advance(HOUR)
    assert sizes(client) == (1, 5, 5, 5), "a maximum below the desired capacity lowers it"
    aws.clock.advance(HOUR)
    assert sizes(client) == (1, 5, 3, 3)


def test_actions_run_in_order_of_time_and_history_tells_each_minute(aws: LocalAws, client: Any) -> None:
    now = aws.clock.now()
    for minutes, floor in ((45, 3), (15, 7), (30, 5)):
        put_action(client, f"at-{minutes}", now + minutes * MINUTE, MinSize=floor)
    aws.clock.advance(HOUR)
    assert [(change.at - now, change.sizes.minimum, change.cause) for change in aws.history(GROUP)] == [
        (timedelta(0), 2, "CreateAutoScalingGroup"),
        (15 * MINUTE, 7, "at-15"),
        (30 * MINUTE, 5, "at-30"),
        (45 * MINUTE, 3, "at-45"),
    ]
    expected = [2] * 15 + [7] * 15 + [5] * 15 + [3] * 15
    assert aws.min_size_by_minute(GROUP, now, now + HOUR) == expected
    with pytest.raises(ValueError, match="exists since"):
        aws.min_size_by_minute(GROUP, now - MINUTE, now)
    with pytest.raises(ValueError, match="the clock stands at"):
        aws.min_size_by_minute(GROUP, now, now + 2 * HOUR)


def test_an_action_out_of_the_groups_bounds_fails_and_changes_nothing(aws: LocalAws, client: Any) -> None:
    now = aws.clock.now()
    put_action(client, "too-high", now + HOUR, MinSize=21)
    put_action(client, "fine", now + 2 * HOUR, MinSize=5)
    aws.clock.advance(2 * HOUR)
    assert sizes(client) == (5, 20, 5, 5)
    activities = client.describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
    assert [(activity["StatusCode"], activity["StartTime"]) for activity in activities] == [
        ("Successful", now + 2 * HOUR),
        ("Failed", now + HOUR),
    ]
    assert "must be greater than or equal to min bound, 21" in activities[1]["StatusMessage"]
    assert "min to 21" in activities[1]["Cause"]


def test_what_falls_due_while_suspended_never_runs(aws: LocalAws, client: Any) -> None:
    now = aws.clock.now()
    put_action(client, "lost", now + HOUR, MinSize=9)
    put_action(client, "later", now + 3 * HOUR, MinSize=6)
    client.suspend_processes(AutoScalingGroupName=GROUP, ScalingProcesses=["ScheduledActions"])
    aws.clock.advance(2 * HOUR)
    client.resume_processes(AutoScalingGroupName=GROUP)
    assert sizes(client) == (2, 20, 4, 4)
    assert action_names(client) == ["later"]
    aws.clock.advance(HOUR)
    assert sizes(client)[0] == 6


def test_a_recurring_action_runs_until_its_end(aws: LocalAws) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    aws.reset(now=start)
    client = aws.client("autoscaling", in_process=True)
    create_group(client)
    put_action(client, "up", None, Recurrence="0 * * * *", MinSize=5, EndTime=start + 2 * HOUR)
    put_action(client, "down", None, Recurrence="30 * * * *", MinSize=2)
    aws.clock.advance(3 * HOUR + 45 * MINUTE)
    assert aws.min_size_by_minute(GROUP, start, start + 4 * HOUR - 15 * MINUTE)[::30] == [2, 2, 5, 2, 5, 2, 2, 2]
    assert action_names(client) == ["down"]


def test_jitter_makes_actions_late_by_up_to_two_minutes(aws: LocalAws, client: Any) -> None:
    now = aws.clock.now()
    aws.jitter(seeded_jitter(seed=1))
    for number in range(1, 31):
        put_action(client, f"a{number}", now + number * HOUR, MinSize=2 + number % 2)
    aws.clock.advance(31 * HOUR)
    late = [change.at - now - number * HOUR for number, change in enumerate(aws.history(GROUP)[1:], start=1)]
    assert len(late) == 30
    assert all(timedelta(0) <= delay <= 2 * MINUTE for delay in late)
    assert max(late) > MINUTE > min(late)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.dictionaries(st.integers(1, 300), st.integers(0, 25), max_size=20),
    steps=st.lists(st.integers(1, 100), max_size=8),
)
def test_how_the_clock_is_moved_makes_no_difference(aws: LocalAws, plan: dict[int, int], steps: list[int]) -> None:
    """However the way is cut, the floor at each minute is the last due action's that the group's maximum allows."""
    aws.reset()
    client = aws.client("autoscaling", in_process=True)
    create_group(client)
    now = aws.clock.now()
    for minute, floor in plan.items():
        put_action(client, f"at-{minute}", now + minute * MINUTE, MinSize=floor)
    end = now + 301 * MINUTE
    for step in steps:
        aws.clock.advance_to(min(aws.clock.now() + step * MINUTE, end))
    aws.clock.advance_to(end)
    floor, expected = 2, list[int]()
    for minute in range(301):
        floor = plan[minute] if plan.get(minute, 99) <= 20 else floor
        expected.append(floor)
    assert aws.min_size_by_minute(GROUP, now, end) == expected
    assert described(client)["MinSize"] == expected[-1]


@given(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(*[st.none() | st.integers(0, 9)] * 3),
)
def test_sizes_stay_in_order_whatever_runs(
    start: tuple[int, int, int], asked: tuple[int | None, int | None, int | None]
) -> None:
    low, desired, high = sorted(start)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    group = Group("g", "us-east-1", Sizes(low, high, desired))
    group.resize(group.sizes, now, "made")
    names = ("MinSize", "MaxSize", "DesiredCapacity")
    wanted = {name: size for name, size in zip(names, asked, strict=True) if size is not None}
    if not wanted or not valid(wanted):
        return
    group.put({"ScheduledActionName": "a", "StartTime": now + HOUR, **wanted}, now)
    group.execute(group.actions["a"], now + HOUR)
    assert 0 <= group.sizes.minimum <= group.sizes.desired <= group.sizes.maximum
    succeeded = all(
        getattr(group.sizes, name) == wanted[key]
        for key, name in zip(names, ("minimum", "maximum", "desired"), strict=True)
        if key in wanted
    )
    assert succeeded or (group.sizes == Sizes(low, high, desired) and group.activities[0]["StatusCode"] == "Failed")


def valid(wanted: dict[str, int]) -> bool:
    low, high = wanted.get("MinSize", 0), wanted.get("MaxSize", 9)
    return low <= high and low <= wanted.get("DesiredCapacity", low) <= high
