from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elastic_iac.cli.chart import ASCII, floor_chart, sparkline
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.trace import HISTORY_DAYS, UNSEEN_HOURS, file_trace, synthetic_trace
from elastic_iac.cli.main import main
from elastic_iac.local.aws import LocalAws
from forecasting.errors import InputError
from tests.commands import write_load
from tests.traces import trace

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)

# A stranger's machine: whatever cloud it is set up for must not be touched.
SOMEBODYS_AWS = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_ENDPOINT_URL_AUTO_SCALING": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


def demo(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from elastic_iac.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, "demo", *arguments],
        cwd=folder,
        env={**os.environ, **SOMEBODYS_AWS, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def check(document: dict[str, Any]) -> dict[str, Any]:
    """What holds for every demo; returns its fleet."""
    assert document["engine"]
    assert {"type", "name", "id"} == set(document["resources"][0])
    assert "aws:autoscaling/group:Group" in {resource["type"] for resource in document["resources"]}
    (fleet,) = document["fleets"]
    assert fleet["cloud"] == "aws"
    assert fleet["read_back"] is True
    assert fleet["model"].startswith("auto: ")
    assert 50 < len(fleet["actions"]) <= 120
    starts = [action["start"] for action in fleet["actions"]]
    assert starts == sorted(set(starts))
    assert fleet["actions"][-1]["min_size"] == 2
    assert fleet["minutes"]["total"] == UNSEEN_HOURS * 60
    assert fleet["minutes"]["min_size_differs_from_plan"] == 0
    assert document["ok"] is True
    assert {"static", "reactive", "predictive", "oracle"} <= set(fleet["replay"])
    for measured in fleet["replay"].values():
        assert {"instance_hours", "cost_ratio", "under_provisioned_percent"} <= set(measured)
    return fleet


def test_an_engine_that_is_not_there_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["demo", "--engine", "pulumi"]) == 2
    assert "--engine pulumi: the Pulumi CLI is not on PATH; install it" in capsys.readouterr().err
    assert main(["demo", "--engine", "docker"]) == 2
    assert "--engine: got 'docker'; expected embedded or pulumi" in capsys.readouterr().err


def test_demo_end_to_end_prints_one_document_and_touches_no_other_cloud(tmp_path: Path) -> None:
    done = demo("--json", "--out", "kept", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    fleet = check(document)
    assert document["load"]["synthetic"] is True
    assert "synthetic" in document["load"]["label"]
    assert document["load"]["points_published"] == HISTORY_DAYS * 288
    assert (
        HISTORY_DAYS * 96 - 1 <= fleet["history_points"] <= HISTORY_DAYS * 96
    )  # the quarter of an hour under way is left out
    assert "synthetic" in Path(tmp_path, document["report"]).read_text(encoding="utf-8")
    assert Path(tmp_path, "kept", "settings.yaml").is_file()


@pytest.mark.traces
@pytest.mark.parametrize("name", ["llm_qwen_small_5min.csv", "wc98_5min.csv", "nyc_taxi_1h.csv"])
def test_group_has_the_plans_min_size_at_every_minute_of_a_real_load(name: str, tmp_path: Path) -> None:
    done = demo("--json", "--csv", str(trace(name)), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    check(document)
    assert document["load"]["synthetic"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_demo_that_is_stopped_leaves_no_process_and_no_folder(number: int, code: int, tmp_path: Path) -> None:
    program = "import sys; from elastic_iac.cli.main import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, "demo"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("provisioning"):  # the local cloud runs
                break
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    assert list(tmp_path.glob("elastic-iac-*")) == []


# The load


def test_file_is_moved_so_that_its_last_48_hours_begin_now(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    write_load(path, [f"{(start + timedelta(hours=hour)).isoformat()},{hour + 1}" for hour in range(30 * 24)])
    moved = file_trace(path, NOW)
    assert moved.now == datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    assert (len(moved.history), len(moved.unseen)) == (HISTORY_DAYS * 24, UNSEEN_HOURS)
    assert moved.unseen.index[0] == moved.now
    assert moved.unseen.tolist() == [float(hour + 1) for hour in range(28 * 24, 30 * 24)]


def test_missing_samples_stay_missing(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    lines = [f"{(start + timedelta(hours=hour)).isoformat()},{hour % 24 + 1}" for hour in range(14 * 24)]
    lines[100] = lines[100].split(",")[0] + ","
    del lines[200]
    write_load(path, lines)
    found = file_trace(path, NOW)
    assert np.flatnonzero(found.load.isna()).tolist() == [100, 200]


@pytest.mark.parametrize(
    ("hours", "step", "message"),
    [(3 * 24, 1, "expected at least 2 days of history"), (40 * 24, 24, "expected one an hour or more often")],
)
def test_file_that_is_too_short_or_too_coarse_is_refused(tmp_path: Path, hours: int, step: int, message: str) -> None:
    path = tmp_path / "load.csv"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    write_load(path, [f"{(start + timedelta(hours=hour)).isoformat()},1" for hour in range(0, hours, step)])
    with pytest.raises(InputError, match=message):
        file_trace(path, NOW)


@pytest.mark.parametrize(("seconds", "taken", "step"), [(10, 60, 15), (300, 300, 15), (420, 600, 30), (3600, 3600, 60)])
def test_samples_are_put_on_a_period_that_a_forecasts_step_holds(
    tmp_path: Path, seconds: int, taken: int, step: int
) -> None:
    path = tmp_path / "load.csv"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    stamps = [start + timedelta(seconds=seconds * number) for number in range(5 * 86_400 // seconds)]
    write_load(path, [f"{stamp.isoformat()},1" for stamp in stamps])
    found = file_trace(path, NOW)
    assert (found.sample_seconds, found.step_minutes) == (taken, step)


def test_load_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    write_load(path, [f"{(start + timedelta(hours=hour)).isoformat()},0" for hour in range(10 * 24)])
    with pytest.raises(InputError, match="never above zero"):
        file_trace(path, NOW)


def test_generated_load_is_the_same_each_time_and_says_what_it_is() -> None:
    first, second = synthetic_trace(NOW), synthetic_trace(NOW)
    assert first.load.equals(second.load)
    assert first.synthetic
    assert "synthetic" in first.label
    assert (first.load > 0).all()


@pytest.mark.parametrize(
    ("lines", "message"),
    [(["2026-03-01T00:00:00,1"], "has no UTC offset"), (["2026-03-01T00:00:00Z,x"], "is not a number")],
)
def test_bad_file_is_exit_code_2_and_starts_no_cloud(
    tmp_path: Path, lines: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def started(**_: object) -> None:
        raise AssertionError("the cloud was started")

    monkeypatch.setattr("elastic_iac.cli.demo.story.local_aws", started)
    write_load(tmp_path / "load.csv", lines)
    assert main(["demo", "--csv", str(tmp_path / "load.csv"), "--json"]) == 2
    captured = capsys.readouterr()
    assert message in json.loads(captured.out)["error"]["message"]
    assert captured.err.count("\n") == 1


# The cloud


def test_nobodys_settings_reach_the_clients_of_the_demo(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SOMEBODYS_AWS.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with cloud.only_local(aws):
        assert os.environ["AWS_ENDPOINT_URL"] == aws.endpoint_url
        assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_AUTO_SCALING"} & set(os.environ)
        assert os.environ["AWS_ACCESS_KEY_ID"] != "AKIAREAL"
    assert dict(os.environ) == before


# The picture


def test_chart_shows_where_the_floor_was_too_low() -> None:
    floors = [2] * 60 + [4] * 60 + [2] * 60
    needs = [1.0] * 60 + [3.0] * 60 + [float("nan")] * 30 + [5.0] * 30
    lines = floor_chart(floors, needs, NOW.replace(minute=0), 3, columns=9, glyphs=ASCII).plain.splitlines()
    assert lines == [
        "   5 |  !",
        "   4 | =!",
        "   3 | #!",
        "   2 |=#=",
        "   1 |###",
        "   0 +---",
    ]


def test_chart_names_the_hours_in_utc() -> None:
    start = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    axis = floor_chart([1] * 48, [1.0] * 48, start, 48, columns=54, glyphs=ASCII).plain.splitlines()[-1]
    assert "Tue" in axis
    assert axis.index("06:00") - axis.index("Tue") == 6


def test_sparkline_keeps_the_highest_value_of_each_part() -> None:
    assert sparkline([0, 0, 0, 8, 4, 4], 3) == " █▄"


def test_sparkline_of_nothing_is_empty() -> None:
    assert sparkline([], 48) == ""
