"""The league: cases worked out by hand, equal files from equal input, the emulator's clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.league import measures
from benchmarks.league.__main__ import main
from benchmarks.league.jobs import Outcome
from benchmarks.league.loads import Load, problem_of, read_loads
from benchmarks.league.policy import REGISTRY, Planner, Problem, Setting
from benchmarks.league.summary import by_source
from elastic_iac.local.aws import LocalAws
from forecasting.backtest import BacktestSettings
from forecasting.backtest.recommend import csv_fleet
from forecasting.errors import InputError
from forecasting.replay import Case, Provider, replay
from forecasting.replay import measures as measured
from forecasting.sources.base import Reading
from tests.doubles import GROUP, create_group, put_action

DAY = 1440
STILL = Provider(boot_seconds=300, action_jitter_minutes=0, scale_in_datapoints=10**9)


def flat(load: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Problem:
    """A problem of one instance per 10, without startup delay beyond a minute."""
    index = pd.date_range("2026-03-02", periods=len(load) // 60, freq="1h", tz="UTC")
    reading = Reading(pd.Series(load[::60], index=index), 3600)
    fleet = csv_fleet("x.csv", 10.0, 400.0)
    return Problem("made", reading, fleet, BacktestSettings(boot_minutes=(15.0,)), (index[0],), load)


# Three cases by hand


def test_constant_minimum_by_hand() -> None:
    """A day at 30 of load with 2 instances that carry 10 each: 10 of 30 unserved in every minute."""
    load = np.full(DAY, 30.0)
    days = replay(load, 10.0, [Case("x", STILL, 2)]).days
    found = measured(days, 0, 3.0 * DAY)
    assert found.instance_hours == 48
    assert found.cost_ratio == pytest.approx(2 / 3)
    assert found.under_provisioned_percent == pytest.approx(100 / 3)
    assert found.under_provisioned_minutes == DAY
    assert (found.mean_utilisation_percent, found.capacity_changes_per_day) == (100, 0)


def test_a_step_that_the_plan_meets_late_by_hand() -> None:
    """Load 20, from noon on 40. The minimum rises from 2 to 4 at noon; the instances serve 5 min later."""
    load = np.concatenate([np.full(720, 20.0), np.full(720, 40.0)])
    minimum = np.concatenate([np.full(720, 2), np.full(720, 4)]).astype(np.int32)
    found = measured(replay(load, 10.0, [Case("x", STILL, minimum)]).days, 0, 3.0 * DAY)
    # Paid from noon on: 720 x 2 + 720 x 4 minutes. Unserved: 5 minutes of 20, of 720 x 60 in all.
    assert found.instance_hours == (720 * 2 + 720 * 4) / 60
    assert found.under_provisioned_percent == pytest.approx(100 * 5 * 20 / (720 * 60))
    assert found.under_provisioned_minutes == 5
    assert found.capacity_changes_per_day == 1


def test_a_planner_is_a_startup_time_early_by_hand() -> None:
    """The forecast rises from 10 to 30 at 06:00; startup 15 min + 2 min of jitter = 2 steps of 15 min."""
    load = np.full(3 * DAY, 10.0)
    problem = flat(load)
    index = pd.date_range("2026-03-02", periods=3 * 96, freq="15min", tz="UTC")
    reading = Reading(pd.Series(10.0, index=index), 900)
    at = index[96]
    problem = Problem("made", reading, problem.fleet, problem.settings, (at,), np.full(2 * DAY, 10.0))
    step = np.where(np.arange(192) >= 24, 30.0, 10.0)
    planner = Planner("x", "x", "x", "x", lambda past: step[: past.horizon, None], knobs=(1.0,))
    setting: Setting = next(iter(planner.settings(problem)))
    assert isinstance(setting.minimum, np.ndarray)
    rise = int(np.flatnonzero(np.diff(setting.minimum))[-1]) + 1
    assert rise == 6 * 60 - 30
    assert setting.minimum[rise - 1 : rise + 1].tolist() == [1, 3]


def test_cost_at_equal_unserved_load_by_hand() -> None:
    goal = 0.005
    reference = np.array([1.0, 2.0, 4.0]), np.array([0.05, 0.005, 0.0005])
    # Its own curve meets the goal at 1.5.
    assert measures.equal_cost((np.array([1.2, 1.5]), np.array([0.05, 0.005])), reference, goal) == pytest.approx(1.5)
    # Never so little: from .05 the reference pays twice as much to reach the goal.
    assert measures.equal_cost((np.array([1.2]), np.array([0.05])), reference, goal) == pytest.approx(2.4)
    # At the reference's hours (2.0) the first curve, at its dearest, leaves .005.
    assert measures.equal_unserved((np.array([1.2, 1.5]), np.array([0.05, 0.005])), reference, goal) == pytest.approx(
        0.005
    )


def test_sources_are_weighed_alike() -> None:
    assert by_source(np.array([1.0, 3.0, 10.0]), ["a", "a", "b"]).tolist() == [2.0, 10.0]


# Equal files


def write_loads(folder: Path) -> Path:
    """Two small loads and their table."""
    lines: list[str] = ["[loads]"]
    for number, name in enumerate(("one_1h", "two_1h")):
        index = pd.date_range("2026-03-02", periods=8 * 24, freq="1h", tz="UTC")
        wave = 100 + 50 * np.sin(2 * np.pi * (np.arange(8 * 24) / 24 + number / 3))
        noise = np.random.default_rng(number).normal(1, 0.05, len(wave))
        pd.Series(wave * noise, index=index).to_csv(
            folder / f"{name}.csv", index_label="timestamp", header=["value"], date_format="%Y-%m-%dT%H:%M:%SZ"
        )
        lines.append(f'{name} = {{ source = "s{number}", quick = true }}')
    table = folder / "traces.toml"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def run(folder: Path, cache: str, order: int) -> tuple[bytes, bytes]:
    out = folder / f"{cache}.md"
    where = ["--data", str(folder), "--cache", str(folder / cache), "--out", str(out)]
    policies = ["--policy", "last-week", "--policy", "dynamo-kalman"]
    code = main(["--quick", "--processes", "1", "--order", str(order), *policies, *where])
    assert code == 0
    return out.read_bytes(), out.with_suffix(".html").read_bytes()


def test_two_runs_with_another_order_and_an_empty_cache_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_loads(tmp_path)

    def these(folder: Path) -> list[Load]:
        return read_loads(folder, table)

    monkeypatch.setattr("benchmarks.league.__main__.read_loads", these)
    first, second = run(tmp_path, "a", 0), run(tmp_path, "b", 7)
    assert first == second
    assert b"elastic-iac, recommended" in first[0]
    assert b"This table is partial" in first[0]
    # A third run finds everything in the cache.
    for kept in (tmp_path / "a").rglob("*.pickle"):
        kept.chmod(0o444)
    assert run(tmp_path, "a", 3) == first


def test_a_file_that_differs_from_its_digest_is_refused(tmp_path: Path) -> None:
    table = write_loads(tmp_path)
    table.write_text('[loads]\none_1h = { source = "s", sha256 = "00" }\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"one_1h\.csv: SHA-256 is .*; expected 00"):
        read_loads(tmp_path, table)


def test_an_unknown_policy_is_a_usage_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--policy", "nonesuch", "--data", str(tmp_path)]) == 1
    assert "no load of traces.toml" in capsys.readouterr().err


# The emulator's clock


def test_the_emulator_agrees_on_ten_random_pairs(aws: LocalAws, tmp_path: Path) -> None:
    """Ten random (load, policy) pairs: the emulator executes the minimum of a random stretch."""
    table = write_loads(tmp_path)
    loads = read_loads(tmp_path, table)
    keys = ["last-week", "cron", "ahpa-like", "dynamo-kalman", "phpa-linear", "arima-headroom"]
    rng = np.random.default_rng(11)
    for _ in range(10):
        load, key = loads[rng.integers(len(loads))], keys[rng.integers(len(keys))]
        settings = list(REGISTRY[key].settings(problem_of(load, 4)))
        minimum = np.asarray(settings[rng.integers(len(settings))].minimum)
        first = int(rng.integers(len(minimum) - 12 * 60))
        agree(aws, minimum[first : first + 12 * 60].astype(np.int32))


def agree(aws: LocalAws, minimum: np.ndarray[tuple[int], np.dtype[np.int32]]) -> None:
    """Minimum and desired size of the simulation are those of the emulator, minute by minute."""
    aws.reset()
    start, most = aws.clock.now(), 100
    client = aws.client("autoscaling", in_process=True)
    create_group(client, MinSize=int(minimum[0]), MaxSize=most, DesiredCapacity=int(minimum[0]))
    changes = np.flatnonzero(np.diff(minimum)) + 1
    for minute in changes:
        put_action(client, f"at-{minute}", start + timedelta(minutes=int(minute)), MinSize=int(minimum[minute]))
    end = start + timedelta(minutes=len(minimum))
    aws.clock.advance_to(end)
    case = Case("x", STILL, minimum, 1.0, most)
    load = np.full(len(minimum), 10.0 * int(minimum[0]))
    capacity = replay(load, 10.0, [case], keep=["x"]).capacity["x"]
    assert capacity.floor.tolist() == aws.min_size_by_minute(GROUP, start, end)
    sizes = {change.at: change.sizes.desired for change in aws.history(GROUP)}
    minutes = [start + timedelta(minutes=minute) for minute in range(len(minimum))]
    theirs = [sizes[max(when for when in sizes if when <= minute)] for minute in minutes]
    assert capacity.desired.tolist() == theirs


def test_an_outcome_knows_its_columns() -> None:
    days = replay(np.full(DAY, 10.0), 10.0, [Case("x", STILL, 1)]).days
    outcome = Outcome(((5.0, "a", 0.5), (15.0, "b", None)), days, 0.0)
    assert outcome.columns(15.0) == [1]
    assert Load("x", "s", Path("x.csv"), "", quick=False).name == "x"
