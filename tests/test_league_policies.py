"""The policies of the league know the past only."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.league.jobs import problem_with_forecasts
from benchmarks.league.loads import Load
from benchmarks.league.policies import controllers, simple
from benchmarks.league.policy import REGISTRY, Past, Policy, Problem, Setting, installed
from forecasting.backtest.walk import Origin, walk
from forecasting.models.base import FloatArray
from forecasting.sources.base import Reading

FAST = [key for key, policy in REGISTRY.items() if not policy.slow and installed(policy)]
DAYS = 5
CHANGED_MINUTE = 3 * 1440 + 60


def made_load(step_minutes: int, days: int = 9) -> pd.Series[float]:
    """A daily wave with noise."""
    count = days * 1440 // step_minutes
    hours = np.arange(count) * step_minutes / 60
    noise = np.random.default_rng(4).normal(1, 0.1, count)
    values = (100 + 60 * np.sin(2 * np.pi * hours / 24)) * noise
    index = pd.date_range("2026-03-02", periods=count, freq=f"{step_minutes}min", tz="UTC")
    return pd.Series(values, index=index)


@cache
def problem(step_minutes: int, *, changed: bool = False, folder: str = "") -> Problem:
    """Five simulated days; `changed`: the load is ten times as high from `CHANGED_MINUTE` on."""
    load = made_load(step_minutes)
    if changed:
        change = pd.Timestamp("2026-03-06", tz="UTC") + pd.Timedelta(minutes=CHANGED_MINUTE)
        load[load.index >= change] *= 10
    path = Path(folder) / f"made_{step_minutes}_{changed}.csv"
    load.to_csv(path, index_label="timestamp", header=["value"], date_format="%Y-%m-%dT%H:%M:%SZ")
    found = problem_with_forecasts(
        Load("made", "made", path, f"{step_minutes}{changed}", quick=True), DAYS, Path(folder)
    )
    # The same fleet for both: its size is no part of what a policy learns.
    fleet = found.fleet.model_copy(update={"load_per_instance": 10.0, "ceiling": 500})
    return replace(found, fleet=fleet)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("league"))


@pytest.mark.parametrize("step_minutes", [5, 60])
@pytest.mark.parametrize("key", FAST)
def test_a_minimum_depends_on_earlier_samples_only(key: str, step_minutes: int, folder: str) -> None:
    settings = [
        list(REGISTRY[key].settings(problem(step_minutes, changed=changed, folder=folder))) for changed in (False, True)
    ]
    # Hourly samples are drawn as a line between their middles: the load differs half an hour before.
    change = CHANGED_MINUTE - (30 if step_minutes == 60 else 0)
    later = False
    assert len(settings[0]) == len(settings[1])
    for before, after in zip(*settings, strict=True):
        assert (before.startup_minutes, before.target) == (after.startup_minutes, after.target)
        paths = [np.broadcast_to(each.minimum, DAYS * 1440) for each in (before, after)]
        assert paths[0][: change + 1].tolist() == paths[1][: change + 1].tolist()
        later |= bool((paths[0] != paths[1]).any())
    # A policy that learns shows the change afterwards, or this test could not fail; two learn nothing,
    # and two repeat the week before, which has no change in it.
    assert later or key in {"target-tracking", "constant", "cron", "last-week"} or not settings[0]


def test_a_policy_that_looks_ahead_is_caught() -> None:
    """The property above, on a controller that reads the sample it predicts."""

    def clairvoyant(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
        return np.append(load[first:], load[-1])[:, None]

    policy = replace(controllers.POLICIES[0], predict=clairvoyant)
    known = np.asarray(made_load(60), dtype=np.float64)
    changed = known.copy()
    changed[150:] *= 10
    found = [policy.predict(load, 48, 1, 24)[: 151 - 48] for load in (known, changed)]
    assert found[0].tolist() != found[1].tolist()


def test_every_policy_of_the_league_is_registered_with_its_source() -> None:
    assert {
        "target-tracking",
        "constant",
        "last-week",
        "cron",
        "aws-like",
        "dynamo-constant",
        "dynamo-arima",
        "dynamo-kalman",
        "dynamo-prophet",
        "phpa-holt-winters",
        "phpa-linear",
        "prophet-gate",
        "ahpa-like",
        "arima-headroom",
        "lightgbm",
        "ours",
        "ours-adjust",
        "ours-chosen",
    } == set(REGISTRY)
    assert all(policy.source and policy.differences for policy in REGISTRY.values())


def past(values: FloatArray, horizon: int = 4) -> Past:
    return Past(pd.Timestamp("2026-03-04", tz="UTC"), values, 360, horizon)


def test_last_week_without_a_week_is_yesterday() -> None:
    found = simple.last_week(past(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])))
    assert found[:, 0].tolist() == [5.0, 6.0, 7.0, 8.0]


def test_cron_takes_the_quantile_of_the_same_hour() -> None:
    # Two days at 6-h steps, less than a week: the hours of the day. 00:00 had 1 and 3.
    found = simple.hour_of_week(past(np.array([1.0, 10.0, 10.0, 10.0, 3.0, 20.0, 20.0, 20.0])))
    assert found[0].tolist() == [2.0, 2.5, 2.8, 3.0]


def test_the_linear_controller_continues_a_line() -> None:
    load = np.arange(20.0)
    found = controllers.linear(load, 10, 3, 288)
    # The tick at position 10 knows 0 ... 9 and looks three samples ahead: 12.
    assert found[:, 0] == pytest.approx(np.arange(12.0, 23.0))


def test_kalman_first_steps_by_hand() -> None:
    # x = 5, P = 1000 I. Predict: level 5, P11 = 2001, P12 = 1000. Gain 2001 / 2011 and 1000 / 2011;
    # the sample 7 misses by 2: level 5 + 2 x 2001/2011, trend 2 x 1000/2011.
    found = controllers.kalman(np.array([5.0, 7.0]), 2, 1, 288)
    assert found[0, 0] == pytest.approx(5 + 2 * 2001 / 2011 + 2 * 1000 / 2011)


def test_holt_winters_repeats_a_pure_season() -> None:
    season = np.array([10.0, 20.0, 30.0, 20.0])
    found = controllers.holt_winters(np.tile(season, 6), 12, 1, 4)
    assert found == pytest.approx(np.tile(np.append(np.tile(season, 3), 10.0)[:, None], (1, 3)))


def test_arima_of_a_geometric_decay_is_its_ratio() -> None:
    load = 100.0 * 0.9 ** np.arange(40.0)
    found = controllers.arima(load, 35, 1, 288)
    assert found[:, 0] == pytest.approx(100.0 * 0.9 ** np.arange(35.0, 41.0), rel=1e-3)


def test_origins_of_the_problem_are_those_of_the_walk(folder: str) -> None:
    found = problem(60, folder=folder)
    made: list[Origin] = walk(found.reading, found.origins[:1], found.settings.walk)
    assert made[0].at == found.start
    assert isinstance(found.reading, Reading)
    assert all(isinstance(each, Setting) for each in simple.TargetTracking().settings(found))
    policy: Policy = simple.LAST_WEEK
    assert policy.key in REGISTRY
