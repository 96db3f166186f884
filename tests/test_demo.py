from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from elastic_iac.cli.chart import ASCII, floor_chart, sparkline
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.scene import Ending, Part, agreement
from elastic_iac.cli.demo.side import AwsSide, GcpSide
from elastic_iac.cli.demo.telling import agreement_line
from elastic_iac.cli.demo.trace import HISTORY_DAYS, METRICS_DELAY, UNSEEN_HOURS, file_trace, synthetic_trace
from elastic_iac.cli.main import main
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting import settings
from forecasting.errors import InputError
from forecasting.run import FleetResult
from forecasting.schedule.base import Schedule, Slot
from forecasting.settings.gcp import load_balancer_requests
from forecasting.sources.monitoring import CloudMonitoringSource
from tests.commands import write_load
from tests.fleets import make_fleet, plan_of
from tests.gcp_fleets import gcp_fleet_data
from tests.traces import trace

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)

# A stranger's machine: whatever cloud it is set up for must not be touched.
SOMEBODYS_CLOUDS = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_ENDPOINT_URL_AUTO_SCALING": "http://127.0.0.1:9",
    "GOOGLE_CLOUD_PROJECT": "production",
    "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "https://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "grpc_proxy": "http://127.0.0.1:9",
}


def demo(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from elastic_iac.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, "demo", *arguments],
        cwd=folder,
        env={**os.environ, **SOMEBODYS_CLOUDS, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def check(document: dict[str, Any], *clouds: str) -> list[dict[str, Any]]:
    """What holds for every demo on these clouds; returns their fleets."""
    assert document["engine"]
    assert document["clouds"] == list(clouds)
    assert {"type", "name", "id"} == set(document["resources"][0])
    types = {resource["type"].split("/")[0] for resource in document["resources"]}
    assert {"aws:autoscaling", "gcp:compute"} & types == {
        {"aws": "aws:autoscaling", "gcp": "gcp:compute"}[each] for each in clouds
    }
    fleets: list[dict[str, Any]] = document["fleets"]
    assert [fleet["cloud"] for fleet in fleets] == list(clouds)
    for fleet in fleets:
        assert fleet["read_back"] is True
        assert fleet["model"].startswith("auto: ")
        assert 50 < len(fleet["actions"]) <= 120
        starts = [action["start"] for action in fleet["actions"]]
        assert starts == sorted(set(starts))
        assert fleet["minutes"]["total"] == UNSEEN_HOURS * 60
        assert fleet["minutes"]["min_size_differs_from_plan"] == 0
        assert fleet["written"] == (len(fleet["actions"]) if fleet["cloud"] == "aws" else 1)
        if fleet["cloud"] == "aws":
            assert fleet["actions"][-1]["min_size"] == 2
    assert document["ok"] is True
    assert {"static", "reactive", "predictive", "oracle"} <= set(fleets[0]["replay"])
    for measured in fleets[0]["replay"].values():
        assert {"instance_hours", "cost_ratio", "under_provisioned_percent"} <= set(measured)
    return fleets


def test_an_engine_that_is_not_there_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["demo", "--engine", "pulumi", "--cloud", "aws"]) == 2
    assert "--engine pulumi: the Pulumi CLI is not on PATH; install it" in capsys.readouterr().err
    assert main(["demo", "--engine", "docker"]) == 2
    assert "--engine: got 'docker'; expected embedded or pulumi" in capsys.readouterr().err
    assert main(["demo", "--engine", "pulumi"]) == 2
    assert "--cloud: got 'both'; expected aws with --engine pulumi" in capsys.readouterr().err


def test_demo_end_to_end_prints_one_document_and_touches_no_other_cloud(tmp_path: Path) -> None:
    done = demo("--json", "--out", "kept", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    fleets = check(document, "aws", "gcp")
    assert document["load"]["synthetic"] is True
    assert "synthetic" in document["load"]["label"]
    assert [fleet["points_published"] for fleet in fleets] == [HISTORY_DAYS * 288] * 2
    # The quarter of an hour under way is left out.
    assert {fleet["history_points"] for fleet in fleets} <= {HISTORY_DAYS * 96 - 1, HISTORY_DAYS * 96}
    agreed = document["agreement"]
    assert agreed["same_plan"] is True
    assert agreed["minutes"] == UNSEEN_HOURS * 60
    assert agreed["minutes_differing"]["plan"] == agreed["minutes_differing"]["unexplained"] == 0
    assert agreed["minutes_differing"]["window"] < 5
    floors = [{action["start"]: action["min_size"] for action in fleet["actions"]} for fleet in fleets]
    assert floors[1].items() <= floors[0].items()  # one plan; where AWS restores the baseline, a window just ends
    assert "synthetic" in Path(tmp_path, document["report"]).read_text(encoding="utf-8")
    assert Path(tmp_path, "kept", "settings.yaml").is_file()
    answers_the_rise(document["short_run"])


def test_demo_on_google_cloud_alone_starts_no_other(tmp_path: Path) -> None:
    done = demo("--json", "--cloud", "gcp", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    check(document, "gcp")
    assert document["agreement"] is None
    answers_the_rise(document["short_run"])


def answers_the_rise(rise: dict[str, Any]) -> None:
    """Above the plan, as soon as a cloud takes it."""
    assert rise["needed"] > rise["planned"]
    ahead = datetime.fromisoformat(rise["starts"]) - datetime.fromisoformat(rise["at"])
    assert timedelta(minutes=2) < ahead <= timedelta(minutes=5)


@pytest.mark.traces
@pytest.mark.parametrize("name", ["llm_qwen_small_5min.csv", "wc98_5min.csv", "nyc_taxi_1h.csv"])
def test_groups_have_the_plans_minimum_at_every_minute_of_a_real_load(name: str, tmp_path: Path) -> None:
    done = demo("--json", "--csv", str(trace(name)), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    check(document, "aws", "gcp")
    assert document["load"]["synthetic"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_demo_that_is_stopped_leaves_no_process_and_no_folder(number: int, code: int, tmp_path: Path) -> None:
    # Ctrl-C's signal is ignored by what a shell started in the background, and by its children: not here.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = f"{heeding}import sys; from elastic_iac.cli.main import main; sys.exit(main())"
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
    assert moved.seen_until == datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    assert moved.now == moved.seen_until + METRICS_DELAY <= NOW
    assert (len(moved.history), len(moved.unseen)) == (HISTORY_DAYS * 24, UNSEEN_HOURS)
    assert moved.unseen.index[0] == moved.seen_until
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
    def started(*_: object) -> None:
        raise AssertionError("the cloud was started")

    monkeypatch.setattr("elastic_iac.cli.demo.story.cloud.local_clouds", started)
    write_load(tmp_path / "load.csv", lines)
    assert main(["demo", "--csv", str(tmp_path / "load.csv"), "--json"]) == 2
    captured = capsys.readouterr()
    assert message in json.loads(captured.out)["error"]["message"]
    assert captured.err.count("\n") == 1


# The cloud


def test_nobodys_settings_reach_the_clients_of_the_demo(
    aws: LocalAws, gcp: LocalGcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SOMEBODYS_CLOUDS.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with cloud.only_local(cloud.Clouds(aws, gcp).environment()):
        assert os.environ["AWS_ENDPOINT_URL"] == aws.endpoint_url
        assert os.environ["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"] == gcp.compute_url
        assert os.environ["GOOGLE_CLOUD_PROJECT"] == gcp.project
        gone = {"AWS_PROFILE", "AWS_ENDPOINT_URL_AUTO_SCALING", "GOOGLE_APPLICATION_CREDENTIALS", "HTTP_PROXY"}
        assert not {*gone, "grpc_proxy"} & set(os.environ)
        assert os.environ["AWS_ACCESS_KEY_ID"] != "AKIAREAL"
    assert dict(os.environ) == before


@pytest.mark.parametrize("gap", [False, True])
def test_what_a_trace_lacks_is_no_zero_on_google_cloud_either(
    gcp: LocalGcp, monkeypatch: pytest.MonkeyPatch, gap: bool
) -> None:
    fleet = settings.parse_fleet(
        {**gcp_fleet_data(), "source": {"kind": "cloud-monitoring", "metric": load_balancer_requests("backend")}}
    )
    load = synthetic_trace(NOW)
    if gap:
        load.load.iloc[100:110] = np.nan
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    gcp.reset(now=load.now)
    side = GcpSide(gcp)
    read = side.reading(load, fleet)
    side.publish(load, read)
    source = CloudMonitoringSource(
        cast("settings.CloudMonitoringSource", read.source), target=cast("settings.GcpTarget", read.target)
    )
    found = source.read(load.now - timedelta(days=HISTORY_DAYS + 1), load.now).load
    assert not (found == 0).any()
    assert len(found) == HISTORY_DAYS * 288 - 10 * gap
    assert found.index[-1] + pd.Timedelta(minutes=5) == load.seen_until
    expected = load.history.dropna()
    assert np.allclose(found.to_numpy(), expected.to_numpy())


# Two floors beside each other


def part(floors: list[int], *slots: Slot) -> Part:
    """A part whose plan has these floors; nothing else of it is looked at."""
    fleet = make_fleet()
    result = FleetResult(fleet, "written", plan=plan_of(floors, NOW), schedule=Schedule(slots))
    return Part(AwsSide(cast("LocalAws", None)), fleet, 0, result)


def ending(*floors: int) -> Ending:
    return Ending([*floors], [*floors], np.ones(len(floors)))


MINUTE = timedelta(minutes=1)


def test_floors_that_are_the_same_agree() -> None:
    one = [part([3, 4]), part([3, 4])]
    found = agreement(one, [ending(2, 3, 3), ending(2, 3, 3)], NOW)
    assert found is not None
    assert found.agrees
    assert "the same at each of the 3 minutes" in agreement_line(found)
    assert agreement(one[:1], [ending(2)], NOW) is None


def test_a_window_that_lasts_longer_than_its_slot_is_a_reason() -> None:
    first = Slot(NOW + MINUTE, 9, "a", NOW + 6 * MINUTE)
    second = Slot(NOW + 4 * MINUTE, 3, "b", NOW + 20 * MINUTE)
    both = [part([9, 3]), part([9, 3], first, second)]
    found = agreement(both, [ending(2, 9, 9, 9, 3, 3, 3), ending(2, 9, 9, 9, 9, 9, 3)], NOW)
    assert found is not None
    assert (found.differing, found.agrees) == ({"window": 2}, True)
    assert "5 of 7 minutes. 2 min: a scaling schedule of Google Cloud lasts 5 min at least" in agreement_line(found)
    elsewhere = agreement(both, [ending(2, 9, 9, 9, 3, 3, 3), ending(2, 9, 9, 9, 9, 9, 9)], NOW)
    assert elsewhere is not None
    assert (elsewhere.differing, elsewhere.agrees) == ({"window": 2, "unexplained": 1}, False)


def test_plans_that_differ_do_not_agree_and_are_named() -> None:
    found = agreement([part([3, 4]), part([3, 5])], [ending(3, 4), ending(3, 5)], NOW)
    assert found is not None
    assert (found.differing, found.agrees) == ({"plan": 1}, False)
    assert agreement_line(found).startswith("The two plans are NOT the same")


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
