"""What is not demand is not learned, and what is demand is (rows 11 and 12 of the fault list)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting.history import Verdict, build_history
from forecasting.sources.files import read_csv
from tests.histories import NOW, ago, daily, history, reading, stamps, text, verdicts
from tests.traces import trace


def between(load: pd.Series[float], start: pd.Timestamp, **length: float) -> pd.Series[bool]:
    inside = (load.index >= start) & (load.index < start + timedelta(**length))
    return pd.Series(inside, index=load.index)


# --- spikes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("hours", [30, 40, 200])
def test_an_isolated_spike_is_not_learned(samples: int, hours: int) -> None:
    load = daily()
    at = between(load, ago(hours=hours), minutes=5 * samples)
    load[at] *= 100
    made = history(load)
    assert verdicts(made) == {"spike": Verdict.GOOD}
    assert text(made, "spike").startswith(f"{samples} sample")
    assert made.fine[at].isna().all()
    assert made.fine[~at].notna().all()
    assert made.load.max() < 250


def test_a_surge_that_lasts_is_demand() -> None:
    load = daily()
    at = between(load, ago(hours=30), minutes=20)
    load[at] *= 100
    made = history(load)
    assert made.findings == ()
    assert made.fine[at].equals(load[at].rename("load"))


def test_a_burst_that_decays_is_demand() -> None:
    load = daily()
    load.update(load[between(load, ago(hours=30), minutes=20)] * pd.Series([100, 40, 14, 5]).to_numpy())
    assert history(load).findings == ()


def test_a_burst_that_recurs_at_its_time_of_day_is_demand() -> None:
    load = daily()
    for days in (1, 8):
        load[between(load, ago(days=days, hours=6), minutes=5)] *= 100
    assert history(load).findings == ()


def test_a_daily_burst_keeps_its_local_hour_when_the_clocks_change() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    load = daily(days=6, end=now)
    local = stamps(load).tz_convert("Europe/Berlin")  # one hour earlier in UTC from the 29th on
    friday_or_monday = np.isin(local.day, [27, 30]) & (local.hour == 6) & (local.minute == 0)
    load[friday_or_monday] *= 100
    assert "spike" in verdicts(history(load, now=now, time_zone="UTC"))
    assert history(load, now=now, time_zone="Europe/Berlin").findings == ()


def test_a_load_made_of_bursts_is_kept() -> None:
    load = daily()
    load.iloc[97:-97:331] *= 100  # at another time each day
    assert len(load.iloc[97:-97:331]) == 12
    made = history(load)
    assert made.findings == ()
    assert made.fine.max() > 5000


def test_a_load_of_bursts_and_nothing_else_is_kept() -> None:
    load = daily() * 0
    for at, value in ((700, 500.0), (1900, 400.0), (3100, 600.0)):
        load.iloc[at] = value
    assert (history(load).fine > 0).sum() == 3


def test_a_spike_at_the_end_may_be_a_surge_so_the_plan_may_only_rise() -> None:
    load = daily()
    load.iloc[-1] *= 100
    made = history(load)
    assert verdicts(made) == {"spike": Verdict.RAISE_ONLY}
    assert made.load.max() < 250


def test_a_saturated_fleets_spike_is_demand() -> None:
    load = daily()
    at = between(load, ago(hours=30), minutes=5)
    load[at] *= 100
    made = build_history(reading(load, censored=at), now=NOW, step_minutes=15)
    assert made.fine[at].notna().all()
    assert verdicts(made) == {"censored": Verdict.GOOD}


# --- troughs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 0.02])
@pytest.mark.parametrize("minutes", [5, 45, 235])
def test_an_outage_is_not_learned_as_low_demand(minutes: int, level: float) -> None:
    load = daily()
    at = between(load, ago(hours=50), minutes=minutes)
    load[at] *= level
    made = history(load)
    assert verdicts(made) == {"trough": Verdict.GOOD}
    assert made.fine[at].isna().all()
    assert made.fine[~at].notna().all()
    assert made.load.min() > 20


def test_an_outage_that_begins_with_a_gap() -> None:
    load = daily()
    load[between(load, ago(hours=50), minutes=60)] = 0.0
    load = load[~between(load, ago(hours=53), hours=3)]
    made = history(load)
    assert verdicts(made)["trough"] is Verdict.GOOD
    assert made.load.min() > 20


def test_an_outage_at_the_end_lets_the_plan_rise_only() -> None:
    load = daily()
    at = between(load, ago(hours=2), hours=2)
    load[at] = 0.0
    made = history(load)
    assert verdicts(made) == {"trough-now": Verdict.RAISE_ONLY}
    assert text(made, "trough-now") == "the load fell to near zero at 2026-03-15 10:00 UTC and has not returned"
    assert made.load.index[-1] == ago(hours=2, minutes=15)


def test_a_load_that_stays_away_is_learned_but_lets_the_plan_rise_only() -> None:
    load = daily()
    load[between(load, ago(hours=8), hours=8)] = 0.0
    made = history(load)
    assert verdicts(made) == {"trough-now": Verdict.RAISE_ONLY}
    assert (made.load.iloc[-32:] == 0).all()


def test_a_load_that_was_away_for_long_is_demand() -> None:
    load = daily()
    at = between(load, ago(hours=50), hours=5)
    load[at] = 0.0
    made = history(load)
    assert made.findings == ()
    assert (made.fine[at] == 0).all()


def test_a_load_that_comes_in_batches_is_kept() -> None:
    load = daily()
    load.iloc[::2] = 0.0
    made = history(load)
    assert made.findings == ()
    assert made.fine.equals(load.rename("load"))


def test_a_fall_to_a_lower_level_is_demand() -> None:
    load = daily()
    load[between(load, ago(hours=50), hours=3)] *= 0.05
    load[between(load, ago(hours=47), hours=47)] *= 0.15
    made = history(load)
    assert made.findings == ()
    assert made.fine.notna().all()


def test_an_outage_that_refused_everything_is_no_lower_bound_of_use() -> None:
    load = daily()
    at = between(load, ago(hours=50), minutes=45)
    load[at] = 0.0
    made = build_history(reading(load, censored=at), now=NOW, step_minutes=15)
    assert made.fine[at].isna().all()
    assert not made.censored.any()


def test_a_nightly_pause_is_demand() -> None:
    load = daily()
    load[stamps(load).hour.isin([2, 3])] = 0.0
    assert history(load).findings == ()


def test_a_weekly_maintenance_window_is_demand() -> None:
    load = daily()
    load[(stamps(load).day_of_week == 5) & (stamps(load).hour < 3)] = 0.0  # two Saturdays
    assert history(load).findings == ()


def test_a_gentle_fall_is_demand() -> None:
    load = daily(noise=0)
    hours = stamps(load).hour + stamps(load).minute / 60
    load *= 1e-3 ** np.clip((4 - np.abs(hours - 3)) / 3, 0, 1)  # a factor of a thousand between 23:00 and 02:00
    made = history(load[load.index >= ago(days=1.5)])
    assert not {"trough", "trough-now"} & set(verdicts(made))


# --- the real traces ---------------------------------------------------------------------------------------------------

TRACES = {
    "azurevm_5min.csv": 0,
    "google2019_5min.csv": 0,
    "llm_qwen_large_5min.csv": 0,
    "llm_qwen_large_tokens_5min.csv": 0,
    "llm_qwen_small_5min.csv": 0,
    "nyc_taxi_1h.csv": 0,
    "tweets_amzn_5min.csv": 29,  # the feed was silent for two hours, and twice for minutes
    "wc98_5min.csv": 24,  # ten outages of the site, the longest of 45 minutes
}


@pytest.mark.traces
@pytest.mark.parametrize("name", TRACES)
def test_real_demand_is_kept(name: str) -> None:
    source = read_csv(trace(name))
    now = source.load.index[-1] + timedelta(seconds=source.sample_seconds)
    made = build_history(source, now=now, step_minutes=15)
    kept = made.fine.dropna()
    removed = source.load.dropna()[: kept.index[-1]].drop(kept.index)
    assert len(removed) == TRACES[name]
    assert made.verdict is Verdict.GOOD
    assert kept.max() == source.load.max()
    if len(removed):
        assert removed.max() < 0.1 * source.load.median()


@pytest.mark.traces
@pytest.mark.parametrize("name", TRACES)
def test_faults_put_into_real_load_are_found(name: str) -> None:
    source = read_csv(trace(name))
    load = source.load.dropna().iloc[-28 * 86400 // source.sample_seconds :]
    now = load.index[-1] + timedelta(seconds=source.sample_seconds)
    busy = np.flatnonzero((load >= load.median()).to_numpy()[200:-200]) + 200
    spikes = outages = 0
    for at in np.random.default_rng(7).choice(busy, 10):
        spiked, broken = load.copy(), load.copy()
        spiked.iloc[at] = 100 * load.median()
        broken.iloc[at : at + 4] *= 0.01
        made = build_history(reading(spiked, sample_seconds=source.sample_seconds), now=now, step_minutes=15)
        spikes += bool(np.isnan(made.fine[load.index[at]]))
        made = build_history(reading(broken, sample_seconds=source.sample_seconds), now=now, step_minutes=15)
        outages += bool(np.isnan(made.fine[load.index[at]]))
    assert spikes >= 8
    assert outages >= 9
