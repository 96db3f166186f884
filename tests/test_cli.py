from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.cli.main import main
from tests.commands import Shell, write_load
from tests.fleets import GROUP, fleet_data, make_group

COMMANDS = [
    "demo",
    "plan",
    "apply",
    "status",
    "pause",
    "resume",
    "rollback",
    "release",
    "doctor",
    "local up",
    "local down",
    "local status",
]


class Terminal(io.StringIO):
    """A person at a terminal, who types this."""

    def isatty(self) -> bool:
        return True


def put_foreign(client: Any, name: str = "sale", **sizes: int) -> None:
    client.put_scheduled_update_group_action(
        AutoScalingGroupName=GROUP,
        ScheduledActionName=name,
        StartTime=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=30, minutes=7),
        **sizes,
    )


# Help and usage


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    printed = capsys.readouterr().out
    assert "Example:" in printed
    assert f"elastic-iac {command}" in " ".join(printed.split())


def test_the_version_needs_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{version('elastic-iac')}\n"


def test_help_imports_neither_pandas_nor_a_cloud() -> None:
    code = (
        "import sys; from elastic_iac.cli.main import main; main(['--help']);"
        "print(sorted({'pandas', 'numpy', 'boto3', 'pulumi', 'pulumi_aws', 'statsmodels', 'plotly'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["plan", "--confg", "job.yaml"],
        ["nothing"],
        ["release"],
        ["demo", "--cloud", "ibm"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_wrong_usage_with_json_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["exit_code"] == 2
    assert "--config" in document["error"]["message"]


def test_defect_is_one_line_and_its_traceback_is_for_who_asks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_url: str) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("forecasting.invocation.load_settings", broken)
    done = shell.run("plan", "--config", "job.yaml")
    assert (done.code, done.stderr.count("\n")) == (1, 1)
    assert "RuntimeError: broken on purpose" in done.stderr
    monkeypatch.setenv("ELASTIC_IAC_DEBUG", "1")
    assert "Traceback" in shell.run("plan", "--config", "job.yaml").stderr


def test_interrupt_is_exit_code_130(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_url: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("forecasting.invocation.load_settings", interrupted)
    assert shell.run("plan", "--config", "job.yaml").code == 130


# plan and apply


def test_plan_shows_the_diff_and_writes_nothing(shell: Shell) -> None:
    make_group(shell.aws)
    config = shell.settings(fleet_data(time_zone="Europe/Berlin"))
    before = len(shell.mutations())
    done = shell.run("plan", "--config", config)
    assert done.code == 0
    for expected in (
        "web: planned",
        "to add",
        "nothing is written yet",
        "Europe/Berlin",
        "seasonal-naive-day",
        "Next: MinSize",
    ):
        assert expected in done.stdout
    assert shell.mutations()[before:] == []
    assert not Path("store").exists()


def test_apply_writes_what_plan_shows_and_a_second_apply_writes_nothing(shell: Shell) -> None:
    client = make_group(shell.aws)
    config = shell.settings()
    planned = shell.run("plan", "--config", config, "--json").document["fleets"][0]
    applied = shell.run("apply", "--config", config, "--yes", "--json")
    assert applied.code == 0
    (fleet,) = applied.document["fleets"]
    assert (fleet["status"], fleet["read_back"]) == ("written", True)
    assert {(item["name"], item["min_size"]) for item in fleet["actions"]} >= {
        (item["name"], item["min_size"]) for item in planned["actions"][1:]
    }
    pages = client.get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=GROUP)
    standing = {
        (action["ScheduledActionName"], action["MinSize"])
        for page in pages
        for action in page["ScheduledUpdateGroupActions"]
    }
    assert standing == {(item["name"], item["min_size"]) for item in fleet["actions"]}

    before = len(shell.mutations())
    again = shell.run("apply", "--config", config, "--yes")
    assert again.code == 0
    assert "web: unchanged" in again.stdout
    assert shell.mutations()[before:] == []


@pytest.mark.parametrize(("typed", "code", "writes"), [("y\n", 0, True), ("n\n", 1, False), ("", 130, False)])
def test_apply_asks_and_takes_no_for_an_answer(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, *, writes: bool
) -> None:
    make_group(shell.aws)
    config = shell.settings()
    before = len(shell.mutations())
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    done = shell.run("apply", "--config", config)
    assert done.code == code
    assert bool(shell.mutations()[before:]) is writes


def test_apply_writes_nothing_when_the_group_has_changed_since_it_was_shown(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_group(shell.aws)
    config = shell.settings()

    def meanwhile(*_: object, **__: object) -> bool:
        client.update_auto_scaling_group(AutoScalingGroupName=GROUP, MinSize=30)
        return True

    monkeypatch.setattr(sys, "stdin", Terminal(""))
    monkeypatch.setattr("typer.confirm", meanwhile)
    done = shell.run("apply", "--config", config)
    assert done.code == 1
    assert "changed" in done.stdout
    assert "PutScheduledUpdateGroupAction" not in shell.mutations()


@pytest.mark.parametrize("command", [["apply"], ["release", "web"]])
@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_nobody_to_ask_is_wrong_usage(shell: Shell, command: list[str], json_flag: list[str]) -> None:
    make_group(shell.aws)
    config = shell.settings()
    before = len(shell.mutations())
    done = shell.run(*command, "--config", config, *json_flag)
    assert done.code == 2
    assert "--yes" in done.stderr
    assert shell.mutations()[before:] == []


def test_one_fleet_held_is_exit_code_1_and_the_other_is_written(shell: Shell) -> None:
    make_group(shell.aws)
    make_group(shell.aws, "api", scale_in=False)
    api = fleet_data(name="api", target={"region": "us-east-1", "group_name": "api"})
    done = shell.run("apply", "--config", shell.settings(fleet_data(), api), "--yes", "--json")
    assert done.code == 1
    assert [(fleet["name"], fleet["status"], fleet["code"]) for fleet in done.document["fleets"]] == [
        ("web", "written", ""),
        ("api", "held", "no-scale-in-path"),
    ]


def test_fleet_option_chooses_and_an_unknown_name_is_wrong_usage(shell: Shell) -> None:
    make_group(shell.aws)
    api = fleet_data(name="api", target={"region": "us-east-1", "group_name": "api"})
    config = shell.settings(fleet_data(), api)
    chosen = shell.run("plan", "--config", config, "--fleet", "web", "--json")
    assert [fleet["name"] for fleet in chosen.document["fleets"]] == ["web"]
    unknown = shell.run("plan", "--config", config, "--fleet", "wbe")
    assert unknown.code == 2
    assert "one of: api, web" in unknown.stderr


# status, release, doctor


def test_status_tells_ours_from_other_peoples(shell: Shell) -> None:
    client = make_group(shell.aws)
    put_foreign(client, MinSize=7)
    config = shell.settings()
    shell.run("apply", "--config", config, "--yes")
    before = len(shell.mutations())
    (fleet,) = shell.run("status", "--config", config, "--json").document["fleets"]
    assert fleet["group"]["min_size"] == 2
    assert [(action["name"], action["min_size"]) for action in fleet["foreign_actions"]] == [("sale", 7)]
    assert {action["name"] for action in fleet["actions"]}
    assert fleet["next"]["name"] == fleet["actions"][0]["name"]
    assert [run["outcome"] for run in fleet["runs"]] == ["written"]
    page = shell.run("status", "--config", config)
    assert page.code == 0
    assert "sale: MinSize 7 at" in page.stdout
    assert "by us" in page.stdout
    assert shell.mutations()[before:] == []


@pytest.mark.parametrize("hours", [4, 7])
def test_status_scores_forecasts_whose_time_has_come(shell: Shell, hours: int) -> None:
    """Also when the whole plan has passed, which ends six hours ahead here."""
    from forecasting.job import run_job  # noqa: PLC0415
    from forecasting.run import Run  # noqa: PLC0415 - the job is run in the past, by hand
    from forecasting.settings import load_job  # noqa: PLC0415

    make_group(shell.aws)
    config = shell.settings()
    past = datetime.now(UTC) - timedelta(hours=hours)
    shell.aws.reset(now=past.replace(second=0, microsecond=0))
    make_group(shell.aws)
    run_job(Run(load_job(Path(config)), shell.aws.clock.now(), clock=shell.aws.clock.now))
    done = shell.run("status", "--config", config, "--json")
    assert done.code == 0, done.stderr
    (fleet,) = done.document["fleets"]
    assert fleet["scores"]["points"] > 10
    assert 0 <= fleet["scores"]["coverage"]["0.9"] <= 1


def test_release_gives_the_group_back(shell: Shell) -> None:
    client = make_group(shell.aws)
    put_foreign(client, MinSize=7)
    config = shell.settings()
    shell.run("apply", "--config", config, "--yes")
    done = shell.run("release", "web", "--config", config, "--yes", "--json")
    assert done.code == 0
    assert done.document["min_size_after"] == 2
    assert len(done.document["deleted"]) > 20
    answer = client.describe_scheduled_actions(AutoScalingGroupName=GROUP)
    assert [action["ScheduledActionName"] for action in answer["ScheduledUpdateGroupActions"]] == ["sale"]


def test_rollback_restores_the_schedule_and_pauses_the_fleet(shell: Shell) -> None:
    make_group(shell.aws)
    config = shell.settings()
    nothing = shell.run("rollback", "web", "--config", config, "--yes")
    assert nothing.code == 1
    assert "nothing-to-roll-back" in nothing.stderr
    assert shell.run("plan", "--config", config).code == 0, "what could not be rolled back is not left paused"

    shell.run("apply", "--config", config, "--yes")
    sizes = _sizes(shell)
    shell.run("apply", "--config", shell.settings(fleet_data(load_per_instance=5)), "--yes")
    assert _sizes(shell) != sizes
    done = shell.run("rollback", "web", "--config", config, "--yes", "--json")
    assert done.code == 0, done.stderr
    assert done.document["written"] > 0
    restored = _sizes(shell)
    assert {name: size for name, size in sizes.items() if name in restored} == {
        name: size for name, size in restored.items() if name in sizes
    }
    assert len(restored.keys() & sizes.keys()) > 20
    held = shell.run("apply", "--config", config, "--yes", "--json")
    assert held.code == 1
    assert held.document["fleets"][0]["code"] == "paused"
    assert "rolled back" in held.document["fleets"][0]["reason"]
    assert _sizes(shell) == restored
    assert shell.run("resume", "--config", config, "--fleet", "web", "--json").document["resumed"] == 1
    assert shell.run("apply", "--config", config, "--yes").code == 0


@pytest.mark.parametrize("before", [["--fleet", "web", "--for", "1h", "--reason", "mine"], ["--reason", "all of them"]])
def test_a_rollback_outlasts_a_pause_that_ends_and_leaves_it_where_it_failed(shell: Shell, before: list[str]) -> None:
    make_group(shell.aws)
    config = shell.settings()
    shell.run("pause", "--config", config, *before)
    assert shell.run("rollback", "web", "--config", config, "--yes").code == 1, "there is nothing to roll back to"
    standing = shell.run("status", "--config", config, "--json").document["fleets"][0]["pause"]
    assert standing["reason"] == before[-1]
    assert (standing["until"] is None) == (before[0] == "--reason")

    shell.run("resume", "--config", config, *before[: 2 * (before[0] == "--fleet")])
    shell.run("apply", "--config", config, "--yes")
    shell.run("apply", "--config", shell.settings(fleet_data(load_per_instance=5)), "--yes")
    shell.run("pause", "--config", config, *before)
    assert shell.run("rollback", "web", "--config", config, "--yes").code == 0
    shell.run("resume", "--config", config)
    document = shell.run("status", "--config", config, "--json").document["fleets"][0]["pause"]
    assert (document["reason"], document["until"]) == ("rolled back", None)
    assert "rolled back" in shell.run("status", "--config", config).stdout


def test_a_rollback_that_is_interrupted_leaves_no_pause(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("forecasting.release.roll_back_fleet", interrupted)
    make_group(shell.aws)
    config = shell.settings()
    assert shell.run("rollback", "web", "--config", config, "--yes").code == 130
    assert shell.run("status", "--config", config, "--json").document["fleets"][0]["pause"] is None


def _sizes(shell: Shell) -> dict[str, int]:
    pages = (
        shell.aws.client("autoscaling").get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=GROUP)
    )
    return {
        action["ScheduledActionName"]: action["MinSize"]
        for page in pages
        for action in page["ScheduledUpdateGroupActions"]
    }


def test_doctor_finds_nothing_wrong_with_a_sound_fleet(shell: Shell) -> None:
    make_group(shell.aws)
    before = len(shell.mutations())
    done = shell.run("doctor", "--config", shell.settings(), "--json")
    assert done.code == 0
    found = {(check["subject"], check["name"]): check["outcome"] for check in done.document["checks"]}
    assert found["web", "scale-in path"] == "ok"
    assert found["web", "load"] == "ok"
    assert "fail" not in found.values()
    assert shell.mutations()[before:] == []
    assert not Path("store").exists()


def test_doctor_names_each_ailment_and_what_to_do(shell: Shell) -> None:
    client = make_group(shell.aws, max_size=30)
    client.suspend_processes(AutoScalingGroupName=GROUP, ScalingProcesses=["ScheduledActions"])
    for number in range(60):
        client.put_scheduled_update_group_action(
            AutoScalingGroupName=GROUP,
            ScheduledActionName=f"theirs-{number}",
            StartTime=datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=1, minutes=number),
            MinSize=2,
        )
    write_load("load.csv", ["2020-01-01T00:00:00Z,1", "2020-01-01T00:15:00Z,2"])
    done = shell.run("doctor", "--config", shell.settings(fleet_data(lead_time_seconds=5)), "--json")
    assert done.code == 1
    outcomes = {check["name"]: check for check in done.document["checks"] if check["subject"] == "web"}
    assert {name: check["outcome"] for name, check in outcomes.items()} == {
        "credentials": "ok",
        "group": "warn",
        "scale-in path": "fail",
        "actions": "warn",
        "launches": "ok",
        "load": "fail",
        "records": "ok",
        "lead time": "warn",
    }
    assert "ScheduledActions" in outcomes["scale-in path"]["found"]
    assert all(check["advice"] for check in outcomes.values() if check["outcome"] != "ok")
    text = shell.run("doctor", "--config", shell.settings())
    assert "2 failed" in text.stdout


# local


def test_local_cloud_comes_up_is_found_and_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--state-dir", str(tmp_path)]
    assert main(["local", "status", *folder]) == 1
    capsys.readouterr()
    try:
        assert main(["local", "up", *folder, "--json"]) == 0
        first = json.loads(capsys.readouterr().out)
        assert first["environment"]["AWS_ENDPOINT_URL"] == first["endpoint_url"]
        assert main(["local", "up", *folder]) == 0
        assert first["endpoint_url"] in capsys.readouterr().out
        assert main(["local", "status", *folder]) == 0
    finally:
        assert main(["local", "down", *folder]) == 0
    capsys.readouterr()
    assert main(["local", "down", *folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stopped"] is False
