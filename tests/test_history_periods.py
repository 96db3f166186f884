"""Histories of several periods, logs of changes, running totals and coarse files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting import forecast
from forecasting.history import Verdict, build_history
from forecasting.history.periods import end_of
from forecasting.models.days import daily_means
from forecasting.sources import Reading
from tests.histories import NOW, daily, history, reading, text, verdicts

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mixed(parts: list[tuple[float, int]], *, seconds: int) -> Reading:
    """A reading of parts (days, minutes), the last one up to NOW."""
    series: list[pd.Series[float]] = []
    end = NOW
    for days, minutes in reversed(parts):
        series.insert(0, daily(days, minutes=minutes, end=end))
        end -= timedelta(days=days)
    return Reading(load=pd.concat(series), sample_seconds=seconds)


@FEW
@given(
    old=st.sampled_from([1, 5, 15, 60]),
    new=st.sampled_from([1, 5, 15, 60]),
    newest=st.floats(0.5, 6.0),
    first=st.booleans(),
)
def test_every_part_is_read_at_its_own_period(old: int, new: int, newest: float, first: bool) -> None:
    newest = round(newest * 24) / 24
    found = mixed([(10.0, old), (newest, new)], seconds=60 * (old if first else new))
    made = build_history(found, now=NOW, step_minutes=15)
    plain = history(daily(10 + newest, minutes=15))
    assert made.verdict is Verdict.GOOD
    assert made.load.index[-1] == NOW - timedelta(minutes=15), "the newest sample ends the history"
    apart = (made.load.reindex(plain.load.index) - plain.load).abs()
    assert apart.isna().mean() < 0.02
    assert apart.mean() < 8
    assert ("periods" in verdicts(made)) == (max(old, new) > min(old, new) or old > 60)


def test_a_newest_part_that_cannot_be_read_holds() -> None:
    load = pd.concat([daily(10, minutes=5, end=NOW - timedelta(hours=8)), daily(8 / 24, minutes=240)])
    made = build_history(Reading(load=load, sample_seconds=300), now=NOW, step_minutes=15)
    assert made.verdict is Verdict.HOLD
    assert "give samples of one period" in text(made, "unread")


def test_the_end_of_a_file_is_that_of_its_newest_part() -> None:
    assert end_of(mixed([(5.0, 5), (2.0, 60)], seconds=300)) == pd.Timestamp(NOW)


@pytest.mark.parametrize("hours", [3, 6, 8, 12, 24])
def test_equal_coarse_samples_are_no_frozen_exporter(hours: int) -> None:
    load = daily(100, minutes=60 * hours).round()
    load.iloc[-2:] = 1358.0
    made = history(load)
    assert "frozen" not in verdicts(made)
    assert made.verdict is Verdict.GOOD


def test_a_whole_last_day_is_known_and_an_unfinished_one_is_not() -> None:
    whole = history(daily(20, end=datetime(2026, 3, 15, tzinfo=UTC)), now=datetime(2026, 3, 15, tzinfo=UTC)).load
    assert daily_means(whole, "UTC").index[-1] == pd.Timestamp("2026-03-14T00:00Z")
    assert daily_means(history(daily(20)).load, "UTC").index[-1] == pd.Timestamp("2026-03-14T00:00Z")


@FEW
@given(seed=st.integers(0, 1000), resets=st.integers(0, 3), minutes=st.sampled_from([1, 5, 60]))
def test_a_running_total_is_refused_with_the_remedy(seed: int, resets: int, minutes: int) -> None:
    load = daily(4, minutes=minutes)
    total = np.random.default_rng(seed).poisson(load.to_numpy()).cumsum().astype(float)
    for part in range(resets):
        at = (part + 1) * len(total) // (resets + 1)
        total[at:] -= total[at]
    made = history(pd.Series(total, index=load.index))
    assert made.verdict is Verdict.HOLD
    assert "rate" in text(made, "counter")


@FEW
@given(seed=st.integers(0, 1000), every=st.floats(6.0, 30.0))
def test_a_log_of_changes_is_held(seed: int, every: float) -> None:
    fine = daily(14, minutes=1, noise=0.0)
    random = np.random.default_rng(seed)
    at = np.unique(np.cumsum(random.exponential(every, 6000)).astype(int))
    at = at[at < len(fine)]
    made = build_history(Reading(load=fine.iloc[at], sample_seconds=60), now=NOW, step_minutes=15)
    assert "held" in text(made, "periods")
    plain = history(fine).load
    apart = (made.load.reindex(plain.index) - plain).abs()
    assert apart.isna().mean() < 0.03
    assert apart.mean() < 0.1 * plain.mean()


def test_a_row_for_each_instance_holds() -> None:
    load = daily(10)
    doubled = pd.concat([0.6 * load, 0.4 * load]).sort_index()
    made = build_history(Reading(load=doubled, sample_seconds=300), now=NOW, step_minutes=15)
    assert made.verdict is Verdict.HOLD
    assert "the sum over the fleet" in text(made, "several-series")


@FEW
@given(begin=st.integers(1, 14), hours=st.integers(3, 8), high=st.floats(100, 1000))
def test_an_hourly_file_with_sharp_edges_keeps_them(begin: int, hours: int, high: float) -> None:
    index = pd.date_range(end=NOW, periods=28 * 24 + 1, freq="1h")[:-1]
    busy = (index.hour >= begin) & (index.hour < begin + hours)
    noise = 1 + 0.02 * np.random.default_rng(begin).standard_normal(len(index))
    made = history(pd.Series(np.where(busy, high, 20.0) * noise, index=index)).load
    inside = np.isin(pd.DatetimeIndex(made.index).hour, range(begin, begin + hours))
    assert made[inside].min() > 0.85 * high
    assert made[~inside].max() < 25
    found = forecast(made, 96).quantiles
    ahead = np.isin(pd.DatetimeIndex(found.index).hour, range(begin, begin + hours))
    assert found[0.9][ahead].min() > 0.95 * high
    assert found[0.5][~ahead].max() < 30


@pytest.mark.parametrize(("day", "zone"), [("2026-03-29", "Europe/Berlin"), ("2026-03-08", "America/New_York")])
def test_a_zone_is_suggested_when_the_shape_moves_with_its_clock(day: str, zone: str) -> None:
    now = datetime.fromisoformat(f"{day}T00:00+00:00") + timedelta(days=9)
    index = pd.date_range(end=now, periods=24 * 96 + 1, freq="15min")[:-1]

    def office(of: pd.DatetimeIndex) -> pd.Series[float]:
        noise = 1 + 0.03 * np.random.default_rng(1).standard_normal(len(of))
        return pd.Series(np.where((of.hour >= 8) & (of.hour < 18), 100.0, 30.0) * noise, index=index)

    moved = build_history(reading(office(index.tz_convert(zone))), now=now, step_minutes=15)
    assert zone in text(moved, "zone")
    assert moved.verdict is Verdict.GOOD
    assert "zone" not in verdicts(build_history(reading(office(index)), now=now, step_minutes=15))
    told = build_history(reading(office(index.tz_convert(zone))), now=now, step_minutes=15, time_zone=zone)
    assert "zone" not in verdicts(told)
