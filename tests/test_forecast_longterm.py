"""A day a step, up to a year ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.calendar import Calendar
from forecasting.errors import ForecastError
from forecasting.history import History
from forecasting.models.base import FloatArray
from forecasting.models.days import forecast_fleet_days
from forecasting.models.longterm import forecast_days
from tests.commands import Shell, write_load
from tests.fleets import make_fleet


def daily(values: FloatArray) -> pd.Series[float]:
    return pd.Series(values, index=pd.date_range("2024-01-01", periods=len(values), freq="D", tz="America/New_York"))


def shape(days: int, seed: int = 1) -> FloatArray:
    """Weekends at 60 %, noise of 5 %."""
    week = np.where(np.arange(days) % 7 >= 5, 0.6, 1.0)
    return 100 * week * np.exp(np.random.default_rng(seed).normal(0, 0.05, days))


def test_weekdays_and_level_are_carried_on_and_local_days_stay_days() -> None:
    found = forecast_days(daily(shape(60)), 365)
    index = pd.DatetimeIndex(found.quantiles.index)
    assert len(index) == 365
    assert set(index.hour) == {0}, "across two changes of offset"
    median = found.quantiles[0.5].to_numpy()
    truth = shape(425)[60:]
    assert np.abs(median[:28] - truth[:28]).mean() < 8
    weekend = index.day_of_week.to_numpy() >= 5
    assert 0.5 < median[weekend].mean() / median[~weekend].mean() < 0.7


def test_what_lies_further_ahead_is_less_certain() -> None:
    quantiles = forecast_days(daily(shape(60)), 365).quantiles
    width = (quantiles[0.95] / quantiles[0.5]).to_numpy()
    assert width[-1] > 1.3 > width[0] > 1.05


def test_a_trend_goes_on_but_not_for_ever() -> None:
    growing = shape(84) * np.exp(np.arange(84) / 7 * 0.03)
    found = forecast_days(daily(growing), 364).quantiles[0.5].to_numpy()
    month, year = found[21:28].mean() / growing[-7:].mean(), found[-7:].mean() / growing[-7:].mean()
    assert 1.02 < month < 1.13
    assert month < year < 1.6, "12 weeks of growth are no promise of 52"


@pytest.mark.parametrize(("factor", "weeks"), [(1.3, 20), (2.0, 5), (1.1, 8)])
def test_a_steep_trend_is_no_drift_as_well(factor: float, weeks: int) -> None:
    load = daily(100 * factor ** (np.arange(7 * weeks) / 7))
    last = forecast_days(load, 365).quantiles.iloc[-1]
    assert last.max() <= 10 * load.max()
    slow = forecast_days(daily(100 * 1.03 ** (np.arange(140) / 7)), 365).quantiles.iloc[-1]
    assert slow[0.95] / slow[0.5] < 2, "a steady trend is little doubt"


def test_a_lone_spike_is_not_learnt() -> None:
    for spike in (30, 59):
        idle, busy = np.zeros(60), shape(60)
        idle[spike], busy[spike] = 1e12, 1e12
        assert forecast_days(daily(idle), 365).quantiles.to_numpy().max() == 0
        assert forecast_days(daily(busy), 28).quantiles.to_numpy().max() < 200


def test_a_yearly_season_is_known_after_more_than_a_year() -> None:
    season = 1 + 0.4 * np.sin(2 * np.pi * np.arange(1000) / 365.25)
    for days, least in ((200, -1.0), (600, 0.8)):
        found = forecast_days(daily((shape(1000) * season)[:days]), 365).quantiles[0.5].to_numpy()
        smooth = np.convolve(found, np.ones(7) / 7, "valid")
        assert np.corrcoef(smooth, season[days + 3 : days + 362])[0, 1] > least


def test_bands_hold_their_share_of_a_wandering_level() -> None:
    hits: list[float] = []
    for seed in range(40):
        walk = np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.03, 180)))
        load = shape(180, seed) * walk
        found = forecast_days(daily(load[:120]), 60).quantiles
        hits.append(float((load[120:] <= found[0.95].to_numpy()).mean()))
    assert 0.85 < np.mean(hits) <= 0.99


@pytest.mark.parametrize(("days", "ahead"), [(13, 30), (60, 366), (60, 0)])
def test_too_little_or_too_far_is_named(days: int, ahead: int) -> None:
    with pytest.raises(ForecastError, match="expected"):
        forecast_days(daily(shape(days)), ahead)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 1e15), st.just(0.0), st.just(float("nan"))), min_size=14, max_size=120),
    st.integers(1, 365),
)
def test_whatever_comes_in_it_is_finite_ascending_and_not_negative(values: list[float], ahead: int) -> None:
    load = np.array(values)
    if np.isfinite(load).sum() < 14:
        return
    found = forecast_days(daily(load), ahead, (0.5, 0.9, 0.99)).quantiles.to_numpy()
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()


# The command


@pytest.mark.parametrize(("days", "steps", "minutes"), [(2, 192, 15), (30, 30, 1440)])
def test_forecast_of_a_file(shell: Shell, days: int, steps: int, minutes: int) -> None:
    write_load("load.csv", days=20)
    done = shell.run("forecast", "--csv", "load.csv", "--days", str(days), "--json")
    assert done.code == 0
    document = done.document
    assert document["step_minutes"] == minutes
    assert len(document["forecast"]) == steps
    assert all(row["0.5"] <= row["0.9"] <= row["0.95"] for row in document["forecast"])
    with open(document["report"], encoding="utf-8") as report:  # noqa: PTH123 - a path as the command printed it
        assert "<html" in report.read()
    assert shell.mutations() == []


def test_forecast_for_a_person_is_a_table(shell: Shell) -> None:
    write_load("load.csv", days=16)
    done = shell.run("forecast", "--csv", "load.csv", "--days", "40")
    assert done.code == 0
    assert "95%" in done.stdout
    assert "In pictures" in done.stdout


def test_forecast_of_a_fleet_reads_its_own_source(shell: Shell) -> None:
    write_load("load.csv", days=6)
    done = shell.run("forecast", "--config", shell.settings(), "--json")
    assert done.code == 0
    assert done.document["step_minutes"] == 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "--csv or --config"), (["--csv", "load.csv", "--days", "30"], "14 or more"), (["--csv", "no.csv"], "no.csv")],
)
def test_wrong_usage_is_named(shell: Shell, arguments: list[str], message: str) -> None:
    write_load("load.csv", days=6)
    done = shell.run("forecast", *arguments)
    assert done.code in {1, 2}
    assert message in done.stderr


@pytest.mark.parametrize("weeks", [5, 20])
def test_a_steady_trend_is_no_drift_and_goes_no_further_than_it_has_come(weeks: int) -> None:
    values = 100 * 1.3 ** (np.arange(7 * weeks) / 7)
    found = forecast_days(daily(values), 365).quantiles.iloc[-1]
    assert values[-1] < found[0.5] < values[-1] * values[-1] / values[0]
    assert found[0.95] < 2.5 * found[0.5]


def test_a_history_that_the_job_would_hold_by_is_marked_so(shell: Shell) -> None:
    end = pd.Timestamp.now("UTC").floor("1h") - pd.Timedelta(days=60)
    stamps = pd.date_range(end=end, periods=24 * 20, freq="1h")
    write_load("load.csv", [f"{stamp.isoformat()},5{stamp.hour}" for stamp in stamps])
    config = shell.settings()
    for more in ([], ["--json"]):
        done = shell.run("forecast", "--config", config, *more)
        assert done.code == 1
        assert "HELD" in done.stderr
        assert "newest sample ends at" in done.stdout


def test_a_file_that_is_too_short_is_wrong_input(shell: Shell) -> None:
    write_load("load.csv", days=3)
    assert shell.run("forecast", "--csv", "load.csv", "--days", "365").code == 2


def test_days_know_events_and_do_not_learn_exclusions() -> None:
    hours = pd.date_range("2026-02-01", periods=24 * 60, freq="1h", tz="UTC")
    load = pd.Series(100.0, index=hours)
    load.iloc[-24 * 10 : -24 * 4] = 900
    flags = pd.Series(data=False, index=hours)
    event = {"name": "sale", "start": "2026-04-10T00:00Z", "end": "2026-04-10T12:00Z", "load_factor": 3}
    excluded = {"name": "test", "start": hours[-24 * 10].isoformat(), "end": hours[-24 * 4].isoformat()}
    fleet = make_fleet(time_zone="UTC", events=[event], exclusions=[excluded])
    calendar = Calendar.of(fleet, hours[0].to_pydatetime(), hours[-1].to_pydatetime() + pd.Timedelta(days=21))
    found = forecast_fleet_days(fleet, calendar, History(load, flags, load, ()), 20).quantiles[0.5]
    assert found["2026-04-09"] == pytest.approx(100, rel=0.05)
    assert found["2026-04-10"] == pytest.approx(2 * found["2026-04-09"], rel=0.01)
