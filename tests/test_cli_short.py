"""Short runs from the command line."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.invocation import load_settings
from forecasting.invocation.serving import invoke
from tests.commands import Shell, write_load
from tests.fleets import fleet_data, make_group


class Terminal(io.StringIO):
    """A person at a terminal, who types this."""

    def isatty(self) -> bool:
        return True


def write_fine_load(surge: float = 1.0) -> None:
    """A daily wave in samples of 5 min that ends now; its last 20 minutes are higher by a factor."""
    now = pd.Timestamp(datetime.now(UTC)).floor("5min")
    index = pd.date_range(now - timedelta(days=9), now, freq="5min", inclusive="left")
    wave = 100 + 40 * np.sin(2 * np.pi * (index.hour + index.minute / 60) / 24)
    wave *= np.where(np.asarray(index >= now - timedelta(minutes=20)), surge, 1.0)
    write_load(
        "load.csv", [f"{stamp:%Y-%m-%dT%H:%M:%SZ},{value:.2f}" for stamp, value in zip(index, wave, strict=True)]
    )


@pytest.fixture
def config(shell: Shell) -> str:
    make_group(shell.aws)
    write_fine_load()
    return shell.settings(fleet_data(lead_time_seconds=600))


def test_before_the_first_full_run_it_says_so_and_fails(shell: Shell, config: str) -> None:
    before = len(shell.mutations())
    for command in (["plan", "--short"], ["apply", "--short", "--yes"]):
        done = shell.run(*command, "--config", config)
        assert done.code == 1
        assert "web: no plan yet" in done.stdout
        assert "no full run has left a plan yet: it comes first" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
    told = shell.run("plan", "--short", "--config", config, "--json")
    assert told.code == 1
    (fleet,) = told.document["fleets"]
    assert (fleet["status"], fleet["code"], fleet["needed"], fleet["diff"]) == ("unchanged", "no-plan", None, None)
    assert shell.mutations()[before:] == []
    assert not list(Path("store").rglob("*.json"))


def test_plan_short_shows_what_apply_short_writes_and_a_second_one_writes_nothing(shell: Shell, config: str) -> None:
    full = shell.run("apply", "--config", config, "--yes", "--json").document["fleets"][0]
    assert full["needed"] <= max(each["min_size"] for each in full["actions"])
    write_fine_load(1.4)
    before = len(shell.mutations())
    page = shell.run("plan", "--short", "--config", config)
    told = shell.run("plan", "--short", "--config", config, "--json").document
    assert shell.mutations()[before:] == []
    (planned,) = told["fleets"]
    assert (page.code, told["command"], planned["status"]) == (0, "plan", "planned")
    assert f"{planned['needed']} instances within the lead time" in page.stdout
    assert max(put["after"] for put in planned["diff"]["put"]) == planned["needed"]
    assert planned["model"] is None

    applied = shell.run("apply", "--short", "--config", config, "--yes", "--json")
    (fleet,) = applied.document["fleets"]
    assert (applied.code, fleet["status"], fleet["read_back"]) == (0, "written", True)
    assert max(put["after"] for put in fleet["diff"]["put"]) == fleet["needed"]
    far = datetime.now(UTC) + timedelta(minutes=20)
    beyond = {
        each["start"]: each["min_size"] for each in full["actions"] if datetime.fromisoformat(each["start"]) > far
    }
    assert beyond.items() <= {each["start"]: each["min_size"] for each in fleet["actions"]}.items()
    before = len(shell.mutations())
    again = shell.run("apply", "--short", "--config", config, "--yes")
    assert (again.code, shell.mutations()[before:]) == (0, [])
    assert "web: unchanged" in again.stdout


def test_apply_short_asks_and_takes_no_for_an_answer(
    shell: Shell, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.run("apply", "--config", config, "--yes").code == 0
    write_fine_load(1.4)
    for typed, code, writes in (("n\n", 1, False), ("y\n", 0, True)):
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        before = len(shell.mutations())
        assert shell.run("apply", "--short", "--config", config).code == code
        assert bool(shell.mutations()[before:]) is writes


def test_status_tells_of_the_last_short_run(shell: Shell, config: str) -> None:
    assert shell.run("apply", "--config", config, "--yes").code == 0
    assert shell.run("status", "--config", config, "--json").document["fleets"][0]["short_run"] is None
    assert "short run" not in shell.run("status", "--config", config).stdout
    write_fine_load(1.4)
    job, now = load_settings(config), datetime.now(UTC)
    (line,) = invoke(job, run_id="short-1", now=now, kind="short").lines
    assert (line.status, bool(line.needed)) == ("written", True)
    found = shell.run("status", "--config", config, "--json").document["fleets"][0]["short_run"]
    assert datetime.fromisoformat(found.pop("time")) == now.replace(microsecond=0)
    assert found == {"status": "written", "code": "", "needed": line.needed, "written": line.written}
    page = " ".join(shell.run("status", "--config", config).stdout.split())
    assert f"written {line.needed} instances needed within the lead time, {line.written} calls" in page
