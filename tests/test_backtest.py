"""A whole backtest, and a written schedule beside its rivals."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.backtest import Backtest, BacktestSettings, Outcome, backtest
from forecasting.backtest.compare import compare
from forecasting.backtest.recommend import csv_fleet, recommended_fleet, recommended_settings
from forecasting.backtest.sweep import SHORT_TARGETS
from forecasting.backtest.walk import WalkSettings
from forecasting.errors import InputError, SettingsError
from forecasting.schedule.base import Slot
from forecasting.settings import Fleet, load_job, parse_fleet
from forecasting.shortlead import TAUS
from forecasting.sources.base import Reading
from forecasting.sources.files import read_csv
from tests.loads import daily_load
from tests.traces import trace

SETTINGS = BacktestSettings(boot_minutes=(5, 30), days=8, walk=WalkSettings(quantiles=(0.5, 0.9)))


def fleet(model: str = "seasonal-naive-day", lead_time_seconds: float = 300) -> Fleet:
    return csv_fleet("load.csv", 10.0, 220.0, model=model, lead_time_seconds=lead_time_seconds)


@pytest.fixture(scope="module")
def result() -> Backtest:
    return backtest(Reading(daily_load(12), 300), fleet(), SETTINGS)


def test_prediction_pays_where_steep_ramps_meet_slow_boots(result: Backtest) -> None:
    slow = result.boots[1]
    assert slow.boot_minutes == 30
    assert slow.verdict.outcome is Outcome.PAYS
    assert slow.verdict.saving_percent is not None
    assert slow.verdict.saving_percent > 3
    assert slow.equal_hours.predictive_percent < slow.equal_hours.reactive_percent


def test_the_table_holds_every_policy_measured_on_later_days(result: Backtest) -> None:
    for boot in result.boots:
        rows = {row.policy: row.measures for row in boot.rows}
        assert set(rows) == {
            "static",
            "reactive",
            "constant",
            "seasonal-naive",
            "peer",
            "predictive",
            "clairvoyant",
        }
        assert rows["static"].under_provisioned_percent == 0
        assert rows["clairvoyant"].cost_ratio == 1
        assert all(each.cost_ratio >= 0.99 or each.under_provisioned_percent > 0 for each in rows.values())
        # Eight days: chosen on four, measured on four.
        hours = rows["clairvoyant"].instance_hours
        need = np.ceil(result.load[4 * 1440 :] / 10.0).sum() / 60
        assert need <= hours <= 1.2 * need
    assert result.measured_from == result.start + pd.Timedelta(days=4)


@pytest.fixture(scope="module")
def bursty() -> Backtest:
    """Bursts that no day repeats."""
    load = daily_load(12)
    rng = np.random.default_rng(3)
    level = np.repeat(rng.choice([1.0, 1.0, 2.5], len(load) // 18 + 1), 18)[: len(load)]
    how = replace(SETTINGS, boot_minutes=(30,), walk=WalkSettings(quantiles=(0.5, 0.9, 0.95)))
    return backtest(Reading(load * level, 300), fleet(), how)


def test_short_runs_are_a_policy_beside_the_others(bursty: Backtest) -> None:
    (boot,) = bursty.boots
    (row,) = [row for row in boot.rows if row.policy == "short-lead"]
    assert row.label == "elastic-iac with short runs + reactive"
    assert {point.target for point in boot.frontier["short-lead"]} == set(SHORT_TARGETS)
    assert {point.quantile for point in boot.frontier["short-lead"]} == set(TAUS)
    assert boot.to_json()["recommended"]["policy"] == boot.recommended.policy
    # What is drawn is what is recommended.
    minutes = boot.capacity["predictive"]
    assert minutes.desired.sum() / 60 == pytest.approx(boot.recommended.measures.instance_hours)


def test_recommended_short_runs_choose_their_knob_by_the_objective(bursty: Backtest) -> None:
    (boot,) = bursty.boots
    (row,) = [row for row in boot.rows if row.policy == "short-lead"]
    recommended = recommended_fleet(fleet(), replace(boot, recommended=row), 0.5)
    assert recommended.quantile is None
    assert recommended.uncovered_share == 0.005
    assert recommended.reactive_target == row.target
    assert recommended.short_lead is True
    (plain,) = [row for row in boot.rows if row.policy == "predictive"]
    other = recommended_fleet(fleet(), replace(boot, recommended=plain), 0.5)
    assert (other.quantile, other.uncovered_share, other.short_lead) == (plain.quantile, None, False)
    assert parse_fleet(recommended.model_dump(mode="json")) == recommended


def test_without_fine_samples_or_beyond_its_window_there_is_no_short_run(result: Backtest) -> None:
    # The fixture's walk has no .95 quantile.
    assert all("short-lead" not in boot.frontier for boot in result.boots)
    how = replace(SETTINGS, boot_minutes=(90,), walk=WalkSettings(quantiles=(0.5, 0.9, 0.95)))
    (slow,) = backtest(Reading(daily_load(8), 300), fleet(), how).boots
    assert "short-lead" not in slow.frontier


def test_the_frontier_holds_every_setting(result: Backtest) -> None:
    points = result.boots[0].frontier["predictive"]
    assert {(point.quantile, point.target) for point in points} >= {(0.5, 1.0), (0.9, 0.5)}
    chosen = result.boots[0].recommended
    assert any(
        (point.quantile, point.target, point.cost_ratio)
        == (chosen.quantile, chosen.target, pytest.approx(chosen.measures.cost_ratio))
        for point in points
    )


def test_the_minutes_for_pictures_belong_to_the_recommended_setting(result: Backtest) -> None:
    boot = result.boots[1]
    minutes = boot.capacity["predictive"]
    uncovered = np.maximum(result.load - 10.0 * minutes.in_service, 0).sum() / result.load.sum()
    assert 100 * uncovered == pytest.approx(boot.recommended.measures.under_provisioned_percent)
    assert minutes.desired.sum() / 60 == pytest.approx(boot.recommended.measures.instance_hours)
    assert len(boot.clairvoyant) == len(result.load)


def test_it_is_one_json_document_and_the_same_every_time(result: Backtest) -> None:
    again = backtest(Reading(daily_load(12), 300), fleet(), SETTINGS)
    assert json.dumps(again.to_json(), allow_nan=False) == json.dumps(result.to_json(), allow_nan=False)
    document = result.to_json()
    assert [boot["boot_minutes"] for boot in document["boots"]] == [5, 30]
    assert document["boots"][1]["verdict"]["outcome"] == "pays"


def test_plan_takes_the_recommended_settings(result: Backtest, tmp_path: Path) -> None:
    boot = result.boots[1]
    file = tmp_path / "recommended.yaml"
    file.write_text(recommended_settings(result, fleet(), boot), encoding="utf-8")
    (member,) = load_job(file).fleets
    assert member.quantile == boot.recommended.quantile
    assert member.lead_time_seconds == 1800
    assert member.load_per_instance == 10
    assert member.ceiling == fleet().ceiling
    assert boot.verdict.sentence in file.read_text(encoding="utf-8")


def test_an_existing_job_keeps_everything_else(result: Backtest, tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    first.write_text(recommended_settings(result, fleet()), encoding="utf-8")
    job = load_job(first).model_copy(update={"schedule": "*/30 * * * *"})
    second = tmp_path / "second.yaml"
    second.write_text(recommended_settings(result, fleet(), result.boots[1], job), encoding="utf-8")
    assert load_job(second).schedule == "*/30 * * * *"
    assert load_job(second).fleets[0].lead_time_seconds == 1800


def test_gaps_are_neither_load_nor_lack_of_it() -> None:
    load = daily_load(9)
    load.iloc[1000:1200] = np.nan
    found = backtest(Reading(load, 300), fleet(), replace(SETTINGS, boot_minutes=(), days=7))
    assert [boot.boot_minutes for boot in found.boots] == [5]
    json.dumps(found.to_json(), allow_nan=False)


def test_what_cannot_be_replayed_is_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        backtest(Reading(daily_load(2), 300), fleet())
    with pytest.raises(InputError, match="no sample"):
        backtest(Reading(daily_load(4) * -1, 300), fleet())
    with pytest.raises(SettingsError, match="goal_percent"):
        backtest(Reading(daily_load(4), 300), fleet(), BacktestSettings(goal_percent=0))


def test_a_schedule_in_time_beats_reactive_scaling_at_the_same_hours() -> None:
    load = daily_load(6)
    history, unseen = load.iloc[: 4 * 288], load.iloc[4 * 288 :]
    start = unseen.index[0].to_pydatetime()
    slots = [
        Slot(start + timedelta(days=day, hours=hour, minutes=minute), floor, f"{day}-{hour}-{minute}")
        for day in range(2)
        for hour, minute, floor in [(6, 15, 12), (6, 45, 22), (20, 15, 14), (20, 45, 3)]
    ]
    found = compare(history, unseen, 300, fleet(lead_time_seconds=1200), slots)
    ours, reactive = found.measures["predictive"], found.measures["reactive_at_equal_hours"]
    assert reactive.instance_hours == pytest.approx(ours.instance_hours, rel=0.05)
    assert ours.under_provisioned_percent < 0.5 * reactive.under_provisioned_percent
    assert found.measures["oracle"].cost_ratio == 1
    assert found.measures["static"].instance_hours > ours.instance_hours
    assert set(found.to_json()) == {
        "static",
        "reactive",
        "reactive_at_equal_hours",
        "seasonal_naive",
        "predictive",
        "oracle",
    }
    # The floor in force is the schedule's, two minutes late at most, and the fleet's floor before it.
    floor = found.capacity["predictive"].floor
    assert floor[6 * 60 + 14] == 1
    assert floor[6 * 60 + 17] == 12


@pytest.mark.traces
def test_a_real_trace() -> None:
    samples = read_csv(trace("llm_qwen_large_5min.csv"))
    known = csv_fleet("x.csv", float(samples.load.max()) / 40, float(samples.load.max()), model="seasonal-naive-week")
    found = backtest(samples, known, BacktestSettings(boot_minutes=(15,), days=6))
    assert found.accuracy is not None
    assert found.accuracy.overall.mase == pytest.approx(1, abs=0.15)
    rows = {row.policy: row.measures for row in found.boots[0].rows}
    assert rows["predictive"].cost_ratio < rows["static"].cost_ratio
