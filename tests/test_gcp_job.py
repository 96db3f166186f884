"""The pipeline for a fleet on Google Cloud, whole: one load, one plan, windows in the stand-in; and the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from elastic_iac.cli.main import main
from elastic_iac.local.gcp import faults
from forecasting.errors import Hold
from forecasting.invocation import invoke
from forecasting.job import run_job
from forecasting.release import release_fleet, roll_back_fleet
from forecasting.store.pause import pause
from tests import commands
from tests.fleets import NOW
from tests.gcp_fleets import (
    NAME,
    REGION,
    add_schedule,
    call,
    changes,
    floors,
    make_autoscaler,
    schedules,
    scope_of,
)
from tests.gcp_street import Road
from tests.street import HOUR, MINUTE, write_load

PERSON = {"schedule": "0 9 * * Mon-Fri", "timeZone": "Europe/Berlin", "durationSec": 3600, "minRequiredReplicas": 30}


def test_a_load_becomes_windows_and_the_floor_per_minute_is_the_plan(road: Road) -> None:
    result = road.run()
    assert (result.status, result.written, result.read_back) == ("written", 1, True)
    assert result.plan is not None
    assert result.schedule is not None
    end = NOW + 47 * HOUR
    in_force = floors(road.gcp, NOW + 3 * MINUTE, end)
    for step, planned in result.plan.floor.items():
        at = int((step.to_pydatetime() - NOW - 3 * MINUTE) / MINUTE)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
        if 0 <= at < len(in_force) - 15:
            assert in_force[at + 5] >= planned
    assert max(in_force) == max(slot.floor for slot in result.schedule.slots)


def test_a_second_run_writes_nothing_and_a_repeated_one_is_a_duplicate(road: Road) -> None:
    assert road.run(run_id="one").status == "written"
    again = road.run()
    assert (again.status, again.written, changes(road.gcp)) == ("unchanged", 0, [])
    assert road.run(run_id="one").code == "duplicate-run"
    assert changes(road.gcp) == []


def test_runs_of_two_days_leave_no_obsolete_window_and_never_too_many(road: Road) -> None:
    for hours in (0, 7, 24):
        road.gcp.clock.advance(hours * HOUR)
        assert road.run().ok
        now = f"{road.gcp.clock.now():%Y%m%dt%H%M}z"
        begun = [name for name in schedules(road.gcp) if name.rsplit("-", maxsplit=1)[-1] <= now]
        assert len(begun) <= 1  # the open one
        assert len(schedules(road.gcp)) <= 128 - 5


def test_where_nothing_may_be_written_no_mutating_call_is_made(road: Road) -> None:
    assert road.run(road.job(enabled=False)).code == "disabled"
    assert changes(road.gcp) == []
    for dry in (road.job(dry_run=True), road.job(road.fleet(dry_run=True))):
        assert road.run(dry).status == "planned"
        assert changes(road.gcp) == []
    assert road.run(write=False).status == "planned"
    assert changes(road.gcp) == []


def test_a_paused_fleet_is_held(road: Road) -> None:
    run = road.make_run()
    pause(run.store, run.job, "web", until=None, by="anna", reason="trial", now=NOW)
    result = road.run()
    assert (result.status, result.code, changes(road.gcp)) == ("held", "paused", [])


def test_one_clouds_failure_leaves_the_other_fleet_alone(road: Road) -> None:
    lost = road.fleet(name="lost")
    lost["target"] = {**lost["target"], "autoscaler": "gone"}
    job = road.job(lost, road.fleet())
    results = run_job(road.make_run(job))
    assert [(each.status, each.code) for each in results] == [("held", "TargetNotFoundError"), ("written", "")]


def test_a_run_that_died_before_or_after_its_patch_is_finished_by_the_next(road: Road) -> None:
    road.gcp.faults.add(faults.forbidden(action="regionAutoscalers.patch"))
    assert road.run().code == "CredentialsError"
    assert schedules(road.gcp) == {}
    road.gcp.faults.add(faults.forbidden(action="regionOperations.get"))
    assert road.run().code == "CredentialsError"
    road.gcp.compute.operations.finish_all()
    assert len(schedules(road.gcp)) > 90
    assert road.run().status == "unchanged"


def test_a_raised_minimum_of_the_autoscaler_is_a_persons_and_is_left_alone(road: Road) -> None:
    road.run()
    call(
        road.gcp,
        "PATCH",
        f"{scope_of(REGION)}/autoscalers?autoscaler={NAME}",
        {"autoscalingPolicy": {"minNumReplicas": 9}},
    )
    result = road.run()
    assert result.ok
    assert result.observation is not None
    assert result.observation.people_floor == 9
    assert road.gcp.autoscaler(REGION, NAME).policy["minNumReplicas"] == 9


def test_a_roll_back_restores_the_floors_of_before_and_once_more_undoes_it(road: Road) -> None:
    job = road.job()
    fleet = job.fleets[0]
    road.run(job)
    before = floors(road.gcp, NOW + HOUR, NOW + 40 * HOUR)
    write_load(road.load, scale=1.6)
    road.run(job)
    raised = floors(road.gcp, NOW + HOUR, NOW + 40 * HOUR)
    assert raised != before
    roll_back_fleet(road.make_run(job), fleet)
    assert floors(road.gcp, NOW + HOUR, NOW + 40 * HOUR) == before
    roll_back_fleet(road.make_run(job), fleet)
    assert floors(road.gcp, NOW + HOUR, NOW + 40 * HOUR) == raised


def test_there_is_nothing_to_roll_back_to_before_a_second_plan(road: Road) -> None:
    road.run()
    with pytest.raises(Hold, match="no earlier schedule"):
        roll_back_fleet(road.make_run(), road.job().fleets[0])


def test_a_release_removes_ours_alone_open_ones_too(road: Road) -> None:
    add_schedule(road.gcp, "office-hours", PERSON)
    road.run()
    road.gcp.clock.advance(HOUR)
    released = release_fleet(road.make_run(), road.job().fleets[0])
    assert set(schedules(road.gcp)) == {"office-hours"}
    assert (released.min_size_before, released.min_size_after) == (2, 2)
    assert len(released.deleted) > 90
    assert road.run().status == "written"


# The command line


class Console:
    """`elastic-iac` for a fleet of the stand-in, at the present time."""

    def __init__(self, road: Road, capsys: pytest.CaptureFixture[str]) -> None:
        road.gcp.reset()
        road.gcp.clock.advance_to(datetime.now(UTC))
        make_autoscaler(road.gcp)
        commands.write_load(road.load)
        self.capsys = capsys
        self.config = road.folder / "job.json"
        quick = road.job(road.fleet(model="seasonal-naive-day", horizon_hours=6))
        self.config.write_text(quick.model_dump_json(), encoding="utf-8")

    def run(self, *arguments: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = main([*arguments, "--config", str(self.config)])
        return code, self.capsys.readouterr().out


def test_plan_apply_status_and_release_from_the_command_line(
    road: Road, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    console = Console(road, capsys)
    add_schedule(road.gcp, "office-hours", PERSON)
    code, text = console.run("plan")
    assert code == 0, text
    assert all(
        word in text for word in ("minRequiredReplicas", "minNumReplicas 2", f"web in {REGION}", "window closes")
    )
    assert "MinSize" not in text
    assert changes(road.gcp) == []

    code, text = console.run("apply", "--yes")
    assert code == 0, text
    assert "1 call made; read back: equal to the plan" in text
    assert len(changes(road.gcp)) == 1

    code, text = console.run("status")
    assert code == 0, text
    assert "scaling schedules of ours" in text
    assert "office-hours: minRequiredReplicas 30 on '0 9 * * Mon-Fri' Europe/Berlin" in text

    code, text = console.run("release", "web", "--yes")
    assert code == 0, text
    assert "minNumReplicas 2 -> 2" in text
    assert set(schedules(road.gcp)) == {"office-hours"}


def test_documents_of_both_clouds_have_one_shape(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = Console(road, capsys).run("plan", "--json")
    assert code == 0
    (fleet,) = json.loads(text)["fleets"]
    assert (fleet["cloud"], fleet["target"]) == ("gcp", f"gcp/local-project/{REGION}/{NAME}")
    assert fleet["group"] == {"min_size": 2, "max_size": 60, "desired_capacity": 2}
    assert {"name", "start", "min_size"} <= set(fleet["actions"][0])


def test_an_invocation_tells_of_the_floor_in_force_and_takes_nobodys_schedule_for_a_pin(road: Road) -> None:
    add_schedule(road.gcp, "launch", {**PERSON, "schedule": "0 9 27 11 * 2026"})
    road.run()
    road.gcp.clock.advance(HOUR)
    job = road.job()
    told = invoke(job, run_id="later", now=road.gcp.clock.now(), clock=road.gcp.clock.now)
    (line,) = told.lines
    assert (line.status, line.pinned) == ("written", False)
    assert line.floor == floors(road.gcp, road.gcp.clock.now(), road.gcp.clock.now() + MINUTE)[0] > 2
