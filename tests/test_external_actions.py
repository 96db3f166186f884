"""External actions and other owners through the command line: what is written, reported and held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.commands import Shell
from tests.fleets import GROUP, fleet_data, make_group

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def settings(shell: Shell, **changes: Any) -> str:
    return shell.settings(fleet_data(horizon_hours=48), **changes)


def put(client: Any, name: str, **asked: Any) -> None:
    client.put_scheduled_update_group_action(AutoScalingGroupName=GROUP, ScheduledActionName=name, **asked)


def put_daily(client: Any, count: int, size: int) -> None:
    """Daily actions at equal distances, off the grid of slots."""
    for number in range(count):
        minute = number * (1440 // count) + 7
        put(client, f"daily-{number}", Recurrence=f"{minute % 60} {minute // 60} * * *", MinSize=size)


def managed(shell: Shell) -> list[str]:
    return [name for name in shell.aws.group(GROUP).actions if name.startswith("elastic-iac-")]


def lived(shell: Shell, hours: int) -> list[int]:
    """The minimum of each minute, as the emulator's clock executes it."""
    start = shell.aws.clock.now()
    shell.aws.clock.advance(hours * HOUR)
    return shell.aws.min_size_by_minute(GROUP, start, start + hours * HOUR)


@pytest.mark.parametrize("count", [16, 24])
def test_external_daily_actions_take_minutes_of_the_plan_and_not_the_plan(shell: Shell, count: int) -> None:
    client = make_group(shell.aws)
    config = settings(shell)
    assert shell.run("apply", "--config", config, "--yes").code == 0
    assert len(managed(shell)) > 90
    put_daily(client, count, 3)

    done = shell.run("apply", "--config", config, "--yes", "--json")
    fleet = done.document["fleets"][0]
    assert (fleet["status"], fleet["code"], fleet["reason"]) == ("written", "", "")
    assert (done.code, fleet["ok"], fleet["read_back"]) == (1, False, True)
    minimum = fleet["minimum_in_force"]
    assert min(step["minimum"] for step in minimum["steps"][1:]) == 3  # the first is the live one
    assert 0 < minimum["shortfall_instance_hours"] < 0.1 * minimum["planned_instance_hours"]
    assert minimum["external_actions"][0].startswith("daily-")
    assert len(managed(shell)) > 60

    status = shell.run("status", "--config", config, "--json").document["fleets"][0]
    assert status["minimum_in_force"]["shortfall_instance_hours"] == pytest.approx(
        minimum["shortfall_instance_hours"], abs=0.2
    )
    assert "instance-hours below the plan" in " ".join(shell.run("status", "--config", config).stdout.split())

    page = shell.run("plan", "--config", config)
    assert page.code == 1
    assert "BELOW THE PLAN" in page.stdout
    assert "instance-hours below the plan" in " ".join(page.stdout.split())
    steps = [(datetime.fromisoformat(step["start"]), step["minimum"]) for step in minimum["steps"]]
    start = shell.aws.clock.now()
    executed = lived(shell, 24)
    for number, value in enumerate(executed[5:], start=5):
        moment = start + number * MINUTE
        assert value == [size for when, size in steps if when <= moment][-1], moment


def test_an_external_action_counts_at_its_next_start_though_its_recurrence_has_no_such_time(shell: Shell) -> None:
    client = make_group(shell.aws)
    start = (shell.aws.clock.now() + 4 * HOUR).replace(minute=7, second=0)
    other_day = (start + timedelta(days=4)).strftime("%a").upper()
    put(client, "ops-batch", StartTime=start, Recurrence=f"{start.minute} {start.hour} * * {other_day}", MinSize=25)

    assert shell.run("apply", "--config", settings(shell), "--yes").code == 0
    executed = lived(shell, 30)
    after = executed[int((start - (shell.aws.clock.now() - 30 * HOUR)) / MINUTE) :]
    assert set(after) == {25}


def office_hours(shell: Shell, client: Any, begins_in: int) -> tuple[datetime, datetime]:
    """All sizes 0 for five hours of each day; the first closing and opening from now."""
    close = (shell.aws.clock.now() + begins_in * HOUR).replace(minute=0, second=0)
    reopen = close + 5 * HOUR
    put(client, "night-stop", Recurrence=f"0 {close.hour} * * *", MinSize=0, MaxSize=0, DesiredCapacity=0)
    put(client, "morning-start", Recurrence=f"0 {reopen.hour} * * *", MinSize=2, MaxSize=40, DesiredCapacity=2)
    return close, reopen


def test_hours_that_external_actions_close_are_left_to_them_and_named(shell: Shell) -> None:
    client = make_group(shell.aws)
    close, reopen = office_hours(shell, client, begins_in=4)
    config = settings(shell)
    done = shell.run("apply", "--config", config, "--yes", "--json")
    fleet = done.document["fleets"][0]
    assert (fleet["status"], fleet["code"]) == ("written", "")
    closed = fleet["minimum_in_force"]["closed"][0]
    assert (closed["action"], closed["maximum"]) == ("night-stop", 0)
    assert (closed["start"], closed["end"]) == tuple(f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (close, reopen))
    assert "closed by external action 'night-stop'" in shell.run("plan", "--config", config).stdout

    start = shell.aws.clock.now()
    executed = lived(shell, 24)
    at = {start + number * MINUTE: value for number, value in enumerate(executed)}
    assert {value for moment, value in at.items() if close <= moment < reopen} == {0}
    assert min(value for moment, value in at.items() if start + 5 * MINUTE <= moment < close) >= 2
    assert max(value for moment, value in at.items() if moment > reopen + 5 * MINUTE) > 2


def test_a_group_that_is_closed_now_is_planned_from_its_opening_on(shell: Shell) -> None:
    client = make_group(shell.aws)
    office_hours(shell, client, begins_in=2)
    client.update_auto_scaling_group(AutoScalingGroupName=GROUP, MinSize=0, MaxSize=0, DesiredCapacity=0)
    assert shell.aws.group(GROUP).sizes.maximum == 0
    done = shell.run("plan", "--config", settings(shell), "--json")
    fleet = done.document["fleets"][0]
    assert (fleet["status"], fleet["minimum_in_force"]["closed"][0]["action"]) == ("planned", None)


def test_the_later_of_two_jobs_on_a_group_holds_and_names_the_other(shell: Shell) -> None:
    make_group(shell.aws)
    first = settings(shell)
    assert shell.run("apply", "--config", first, "--yes").code == 0
    before = dict(shell.aws.group(GROUP).actions)
    second = settings(shell, owner="dev", store={"kind": "local", "path": "other-store"})
    done = shell.run("apply", "--config", second, "--yes", "--json")
    fleet = done.document["fleets"][0]
    assert (done.code, fleet["status"], fleet["code"]) == (1, "held", "other-owner")
    assert "'prod'" in fleet["reason"]
    assert "former_owners" in fleet["reason"]
    assert dict(shell.aws.group(GROUP).actions) == before
    checks = [
        each for each in shell.run("doctor", "--config", second, "--json").document["checks"] if "owner" in each["name"]
    ]
    assert [(each["outcome"], "'prod'" in each["found"]) for each in checks] == [("fail", True)]
    first = settings(shell)
    assert shell.run("apply", "--config", first, "--yes").code == 0


def test_the_job_that_serves_a_group_names_what_another_one_left(shell: Shell) -> None:
    client = make_group(shell.aws)
    start = (shell.aws.clock.now() + 40 * HOUR).replace(minute=0, second=0).astimezone(UTC)
    config = settings(shell)
    shell.run("apply", "--config", config, "--yes")
    name = f"elastic-iac-dev-{start + MINUTE:%Y%m%dT%H%M}Z"
    put(client, name, StartTime=start + MINUTE, MinSize=3)
    done = shell.run("apply", "--config", config, "--yes", "--json")
    fleet = done.document["fleets"][0]
    assert fleet["status"] == "written"
    assert any("owner 'dev'" in note for note in fleet["notes"])


def test_a_renamed_owner_is_told_of_former_owners(shell: Shell) -> None:
    make_group(shell.aws)
    shell.run("apply", "--config", settings(shell), "--yes")
    renamed = settings(shell, owner="blue")
    fleet = shell.run("apply", "--config", renamed, "--yes", "--json").document["fleets"][0]
    assert fleet["code"] == "other-owner"
    assert "add 'prod' to former_owners" in fleet["reason"]
    taken_over = settings(shell, owner="blue", former_owners=["prod"])
    assert shell.run("apply", "--config", taken_over, "--yes").code == 0
