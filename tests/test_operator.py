"""An operator's commands and manual changes, through the command line, on both clouds' emulators and their clock."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.cli.person import person
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting.schedule.base import Slot
from forecasting.targets.aws import AutoScalingTarget
from tests.operators import HOUR, MINUTE, AwsDesk, Desk, GcpDesk, on_clock, shell_environment

DAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(params=["aws", "gcp"])
def desk(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    monkeypatch.chdir(tmp_path)
    if request.param == "aws":
        aws: LocalAws = request.getfixturevalue("aws")
        aws.reset(now=DAY)
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        shell_environment(monkeypatch, {**aws.environment(), **nowhere}, ["AWS_"])
        on_clock(monkeypatch, aws.clock.now)
        return AwsDesk(aws, capsys)
    gcp: LocalGcp = request.getfixturevalue("gcp")
    gcp.reset(now=DAY)
    shell_environment(monkeypatch, gcp.environment(), [])
    on_clock(monkeypatch, gcp.clock.now)
    return GcpDesk(gcp, capsys)


@pytest.fixture
def aws_desk(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AwsDesk:
    monkeypatch.chdir(tmp_path)
    aws.reset(now=DAY)
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    shell_environment(monkeypatch, {**aws.environment(), **nowhere}, ["AWS_"])
    on_clock(monkeypatch, aws.clock.now)
    return AwsDesk(aws, capsys)


def test_a_rollback_keeps_the_minimum_in_force_until_the_next_old_slot(desk: Desk) -> None:
    """A healthy fleet: the minimum is 7, and the next slot says 7 as well."""
    desk.levels(lambda _: 7.0)
    assert desk.command("apply", "--yes").code == 0
    desk.at(1, 35)
    assert desk.minimum(desk.now() - MINUTE, desk.now()) == [7]
    desk.changes = {"load_per_instance": 5}
    assert desk.command("apply", "--yes").code == 0
    desk.advance_to(desk.now() + timedelta(seconds=30))
    done = desk.command("rollback", "web", "--yes")
    assert done.code == 0, done.stderr
    start = desk.now()
    desk.advance_to(start + 2 * HOUR)
    assert min(desk.minimum(start, start + 2 * HOUR)) == 7


@pytest.mark.parametrize("seconds", [20, 75, 150, 170])
def test_a_rollback_stops_the_next_slot_of_the_wrong_plan(desk: Desk, seconds: int) -> None:
    desk.levels(lambda _: 2.0)
    assert desk.command("apply", "--yes").code == 0
    desk.at(1, 20)
    desk.changes = {"load_per_instance": 1.43}
    assert desk.command("apply", "--yes").code == 0
    (first, wrong) = min((start, size) for start, size in desk.scheduled().items() if start > desk.now())
    assert wrong > 10
    desk.advance_to(first - timedelta(seconds=seconds))
    done = desk.command("rollback", "web", "--yes")
    assert done.code == 0, done.stderr
    start = desk.now()
    desk.advance_to(start + HOUR)
    lived = desk.minimum(start, start + HOUR)
    if "cannot be stopped" not in done.stdout:
        assert max(lived) == 2
    else:
        assert desk.cloud == "gcp"
        assert seconds < 60
        assert f"{first:%H:%M}" in done.stdout
        assert str(wrong) in done.stdout


@pytest.mark.parametrize("minute", [22, 27, 28, 29])
def test_a_manual_raise_holds_from_the_run_that_reports_it(aws_desk: AwsDesk, minute: int) -> None:
    desk = aws_desk
    desk.levels(lambda _: 15.0)
    assert desk.command("apply", "--yes").code == 0
    desk.at(10, 16)
    desk.levels(lambda at: 15.0 if at.hour != 10 or at.minute < 30 else 14.0)
    assert desk.full_run().ok
    desk.at(10, 22)
    desk.raise_by_hand(30)
    desk.at(10, minute, 30)
    result = desk.full_run()
    assert result.ok
    assert any("nothing lower is scheduled" in note for note in result.notes)
    desk.at(11, 30)
    assert min(desk.minimum(DAY.replace(hour=10, minute=23), desk.now())) == 30


# What still holds after a resume


@pytest.mark.parametrize(
    ("paused", "resumed", "still"),
    [
        (["pause"], ["--fleet", "web"], "the job was paused by"),
        (["pause", "--fleet", "web"], [], "fleet 'web' was paused by"),
    ],
)
def test_a_resume_names_the_pause_that_still_holds(
    desk: Desk, paused: list[str], resumed: list[str], still: str
) -> None:
    assert desk.command(*paused).code == 0
    done = desk.command("resume", *resumed)
    assert done.code == 1
    assert "was not paused, but is still held" in done.stdout
    assert still in done.stdout
    assert still in desk.command("resume", *resumed, "--json").document["held"][0]
    assert desk.command("apply", "--yes", "--json").document["fleets"][0]["code"] == "paused"
    assert desk.command("resume", *paused[1:]).code == 0
    assert desk.command("resume", *resumed).code == 0


def test_a_resume_that_ends_one_of_two_pauses_names_the_other(aws_desk: AwsDesk) -> None:
    aws_desk.command("pause", "--reason", "all")
    aws_desk.command("pause", "--fleet", "web", "--reason", "mine")
    done = aws_desk.command("resume", "--fleet", "web", "--json")
    assert (done.code, done.document["resumed"]) == (1, 1)
    (held,) = done.document["held"]
    assert "all" in held


def test_a_resume_names_a_fleet_that_the_settings_disable(aws_desk: AwsDesk) -> None:
    aws_desk.changes = {"enabled": False}
    for arguments in ([], ["--fleet", "web"]):
        done = aws_desk.command("resume", *arguments)
        assert done.code == 1
        assert "fleet 'web' has `enabled: false` in the settings" in done.stdout


def test_a_pause_that_has_run_out_holds_nothing(aws_desk: AwsDesk) -> None:
    aws_desk.command("pause", "--for", "1h")
    aws_desk.at(2)
    assert aws_desk.command("resume", "--fleet", "web").code == 0


# Interrupted among the writes


def interrupt_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Ctrl-C comes in the write of this number; the next ones are made."""
    put, made = AutoScalingTarget.put, 0

    def counted(self: AutoScalingTarget, slot: Slot) -> None:
        nonlocal made
        made += 1
        if made == number:
            raise KeyboardInterrupt
        put(self, slot)

    monkeypatch.setattr(AutoScalingTarget, "put", counted)


def test_an_interrupted_apply_says_how_far_it_got_and_the_next_one_goes_on(
    aws_desk: AwsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = aws_desk.command("plan", "--json").document["fleets"][0]["diff"]
    writes = len(planned["put"]) + len(planned["delete"])
    interrupt_at(monkeypatch, 13)
    done = aws_desk.command("apply", "--yes")
    assert done.code == 130
    assert f"web: interrupted: 12 of {writes} written; safe" in done.stderr
    assert "run apply again" in done.stderr
    assert len(aws_desk.scheduled()) == 12
    again = aws_desk.command("apply", "--yes", "--json")
    assert again.code == 0
    (fleet,) = again.document["fleets"]
    assert fleet["written"] == writes - 12
    assert not any("person" in note for note in fleet["notes"])
    outcomes = [each["outcome"] for each in status(aws_desk)["commands"]]
    assert outcomes == [f"written, {writes - 12} calls", f"interrupted: 12 of {writes} written"]


def test_an_interrupted_rollback_stays_paused_and_the_next_one_restores_the_same(
    aws_desk: AwsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_desk.command("apply", "--yes")
    before = aws_desk.scheduled()
    aws_desk.at(0, 20)
    aws_desk.changes = {"load_per_instance": 5}
    aws_desk.command("apply", "--yes")
    interrupt_at(monkeypatch, 5)
    done = aws_desk.command("rollback", "web", "--yes", "--json")
    assert (done.code, done.document["error"]["type"]) == (130, "Interrupted")
    assert "web: interrupted: 4 of" in done.stderr
    assert "run rollback again" in done.stderr
    assert aws_desk.full_run().code == "paused"
    assert aws_desk.command("rollback", "web", "--yes").code == 0
    restored = aws_desk.scheduled()
    assert {start: size for start, size in before.items() if start in restored}.items() <= restored.items()
    assert len(before.keys() & restored.keys()) > 20


# The commands in `status`, and the runs after a rollback


def status(desk: Desk) -> dict[str, Any]:
    """The fleet, as `status` has it."""
    document = desk.command("status", "--json").document
    return document["fleets"][0]


def test_status_lists_every_command_with_who_and_when(desk: Desk) -> None:
    desk.command("apply", "--yes")
    desk.at(1)
    desk.changes = {"load_per_instance": 5}
    desk.command("apply", "--yes")
    for hour, *arguments in (
        (2, "rollback", "web", "--yes"),
        (3, "resume", "--fleet", "web"),
        (4, "pause", "--reason", "drill"),
        (5, "resume"),
        (6, "release", "web", "--yes"),
    ):
        desk.at(hour)
        assert desk.command(*arguments).code == 0
    commands = status(desk)["commands"]
    assert [(each["command"], each["time"]) for each in commands] == [
        ("release", "2026-03-02T06:00:00Z"),
        ("resume", "2026-03-02T05:00:00Z"),
        ("pause", "2026-03-02T04:00:00Z"),
        ("resume", "2026-03-02T03:00:00Z"),
        ("rollback", "2026-03-02T02:00:00Z"),
        ("apply", "2026-03-02T01:00:00Z"),
        ("apply", "2026-03-02T00:00:00Z"),
    ]
    assert {each["by"] for each in commands} == {person()}
    assert "drill" in commands[2]["outcome"]
    page = desk.command("status").stdout
    assert f"Mon 02 Mar 06:00 UTC  release by {person()}" in page
    assert f"pause of all fleets by {person()}" in page


def test_no_run_writes_after_a_rollback(desk: Desk) -> None:
    desk.command("apply", "--yes")
    desk.at(0, 30)
    desk.changes = {"load_per_instance": 5}
    desk.command("apply", "--yes")
    desk.command("rollback", "web", "--yes")
    restored = desk.scheduled()
    for _ in range(6):
        desk.advance_to(desk.now() + 5 * MINUTE)
        assert desk.adjustment_run().code == "paused"
        assert desk.full_run().code == "paused"
        assert desk.scheduled().items() <= restored.items()


def test_a_raise_that_no_run_has_seen_is_not_said_to_hold(aws_desk: AwsDesk) -> None:
    desk = aws_desk
    desk.levels(lambda at: 15.0 if at.hour < 11 else 10.0)
    desk.command("apply", "--yes")
    desk.at(10, 40)
    desk.raise_by_hand(30)
    for command in ("status", "plan"):
        page = desk.command(command).stdout
        assert "it does not hold yet: MinSize" in page
        assert "`elastic-iac apply` does so at once" in page
    applied = desk.command("apply", "--yes").stdout
    assert "nothing lower is scheduled" in applied
    desk.at(12)
    assert min(desk.minimum(DAY.replace(hour=10, minute=41), desk.now())) == 30


def test_an_adjustment_run_notices_a_raise_before_the_next_slot(aws_desk: AwsDesk) -> None:
    desk = aws_desk
    desk.levels(lambda at: 15.0 if at.hour < 11 else 10.0)
    desk.command("apply", "--yes")
    desk.at(10, 40)
    desk.raise_by_hand(30)
    desk.at(10, 44, 50)
    result = desk.adjustment_run()
    assert result.ok
    assert any("nothing lower is scheduled" in note for note in result.notes)
    desk.at(12)
    assert min(desk.minimum(DAY.replace(hour=10, minute=41), desk.now())) == 30
