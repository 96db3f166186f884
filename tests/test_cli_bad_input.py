"""Bad input: one clear line, the right exit code, nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elastic_iac.local.faults import Fault
from tests.commands import Shell, write_load
from tests.fleets import fleet_data, make_group

BAD_LOADS: dict[str, tuple[list[str] | None, str]] = {
    "missing column": (None, "column 'value' is absent"),
    "naive stamp": (["2026-03-01T00:00:00,1", "2026-03-01T00:15:00,2"], "has no UTC offset"),
    "text": (["2026-03-01T00:00:00Z,1", "2026-03-01T00:15:00Z,many"], "is not a number"),
    "infinite": (["2026-03-01T00:00:00Z,1", "2026-03-01T00:15:00Z,inf"], "is infinite"),
    "no stamp": (["yesterday,1", "today,2"], "is not an ISO 8601 time stamp"),
    "nothing": ([], "holds no sample"),
}


@pytest.mark.parametrize("bad", BAD_LOADS)
@pytest.mark.parametrize("command", ["plan", "apply --yes"])
def test_bad_load_file_is_wrong_input(shell: Shell, bad: str, command: str) -> None:
    lines, message = BAD_LOADS[bad]
    make_group(shell.aws)
    if lines is None:
        Path("load.csv").write_text("timestamp,load\n2026-03-01T00:00:00Z,1\n", encoding="utf-8")
    else:
        write_load("load.csv", lines)
    before = len(shell.mutations())
    done = shell.run(*command.split(), "--config", shell.settings(), "--json")
    assert done.code == 2
    (fleet,) = done.document["fleets"]
    assert fleet["status"] == "held"
    assert message in fleet["reason"]
    assert shell.mutations()[before:] == []


@pytest.mark.parametrize("disorder", ["shuffled", "duplicated", "negative", "gap"])
def test_untidy_but_honest_load_is_tidied(shell: Shell, disorder: str) -> None:
    """Order and duplicates do not matter; negatives and gaps are missing samples."""
    make_group(shell.aws)
    lines = Path("load.csv").read_text(encoding="utf-8").splitlines()[1:]
    match disorder:
        case "shuffled":
            lines = lines[::-1]
        case "duplicated":
            lines = [*lines, *lines[:50]]
        case "negative":
            lines[40] = lines[40].split(",")[0] + ",-5"
        case _:
            lines[40] = lines[40].split(",")[0] + ","
    tidy = shell.run("plan", "--config", shell.settings(), "--json").document["fleets"][0]
    write_load("load.csv", lines)
    done = shell.run("plan", "--config", shell.settings(), "--json")
    assert done.code == 0
    (fleet,) = done.document["fleets"]
    if disorder in {"shuffled", "duplicated"}:
        assert fleet["actions"][2:] == tidy["actions"][2:]
    else:
        assert fleet["history_points"] < tidy["history_points"] or fleet["notes"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flor": 3}, "flor"),
        ({"floor": None}, "floor"),
        ({"floor": 50}, "ceiling"),
        ({"target": {"region": "", "group_name": "web"}}, "region"),
        ({"load_per_instance": -1}, "load_per_instance"),
    ],
)
def test_bad_settings_are_refused_whole(shell: Shell, change: dict[str, Any], message: str) -> None:
    make_group(shell.aws)
    config = shell.settings(fleet_data(**change))
    before = len(shell.mutations())
    for command in (["plan"], ["apply", "--yes"], ["status"], ["doctor"], ["release", "web", "--yes"]):
        done = shell.run(*command, "--config", config)
        assert done.code == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert shell.mutations()[before:] == []


@pytest.mark.parametrize("name", ["absent.yaml", "job.toml"])
def test_settings_file_that_cannot_be_read_is_wrong_usage(shell: Shell, name: str) -> None:
    done = shell.run("plan", "--config", name)
    assert done.code == 2
    assert name in done.stderr


def test_settings_that_are_not_yaml_are_wrong_usage(shell: Shell) -> None:
    Path("job.yaml").write_text("fleets: [", encoding="utf-8")
    assert shell.run("plan", "--config", "job.yaml").code == 2


@pytest.mark.parametrize("command", ["plan", "apply --yes", "status", "release web --yes", "doctor"])
def test_group_that_does_not_exist_is_a_failure(shell: Shell, command: str) -> None:
    done = shell.run(*command.split(), "--config", shell.settings(), "--json")
    assert done.code == 1
    assert "'web' in us-east-1 does not exist" in done.stdout
    assert shell.mutations() == []


@pytest.mark.parametrize("command", ["plan", "apply --yes", "status", "release web --yes", "doctor"])
def test_no_credentials_is_a_failure_that_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    make_group(shell.aws)
    before = len(shell.mutations())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = shell.run(*command.split(), "--config", shell.settings(), "--json")
    assert done.code == 1
    assert "credentials" in done.stdout
    assert shell.mutations()[before:] == []


@pytest.mark.parametrize("command", ["plan", "apply --yes", "status", "release web --yes", "doctor"])
def test_expired_credentials_are_a_failure_that_shows_no_secret(shell: Shell, command: str) -> None:
    make_group(shell.aws)
    before = len(shell.mutations())
    text = "The security token included in the request is expired: ASIASECRET"
    shell.aws.faults.add(Fault(service=None, times=None, code="ExpiredToken", status=403, message=text))
    done = shell.run(*command.split(), "--config", shell.settings(), "--json")
    assert done.code == 1
    assert "ExpiredToken" in done.stdout
    assert "ASIASECRET" not in done.stdout + done.stderr
    assert shell.mutations()[before:] == []


@pytest.mark.parametrize("command", ["plan", "status", "doctor", "release web --yes"])
def test_a_profile_that_does_not_exist_is_named_as_a_missing_credential(
    shell: Shell, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = shell.settings()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    done = shell.run(*command.split(), "--config", config)
    assert done.code == 1
    assert "ProfileNotFound" in done.stdout + done.stderr
    assert "defect" not in done.stdout + done.stderr
