"""An operator's commands and manual changes, through the command line, on both clouds' emulators and their clock."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.gcp.cloud import LocalGcp
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
