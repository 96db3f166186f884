"""Calendars through the job and the command line: events that come back, holidays, local time, incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.run import FleetResult
from tests.commands import Shell
from tests.fleets import NOW, fleet_data, make_group
from tests.street import HOUR, Street, write_load

FEB_3 = datetime(2026, 2, 3, 12, tzinfo=UTC)
"""Four weeks before the day after `NOW`: a monthly event of this day is on again then."""


def event(start: datetime = FEB_3, hours: float = 6, **changes: Any) -> dict[str, Any]:
    span = {"start": start.isoformat(), "end": (start + timedelta(hours=hours)).isoformat()}
    return {"name": "sale", **span, **changes}


def rewrite(path: Path, load: pd.Series[float]) -> None:
    load.rename("value").rename_axis("timestamp").to_csv(path, date_format="%Y-%m-%dT%H:%M:%SZ")


def middle(result: FleetResult, start: datetime, end: datetime) -> float:
    assert result.forecast, result.reason
    quantiles = result.forecast.quantiles
    inside = (quantiles.index >= pd.Timestamp(start)) & (quantiles.index < pd.Timestamp(end))
    assert inside.any()
    return float(quantiles.loc[inside, 0.5].mean())


def in_march(hours: float) -> datetime:
    return datetime(2026, 3, 3, 12, tzinfo=UTC) + timedelta(hours=hours)


def test_a_monthly_event_is_learnt_from_its_last_occurrence(street: Street) -> None:
    path = street.folder / "load.csv"
    load = write_load(path, days=40)
    load[(load.index >= pd.Timestamp(FEB_3)) & (load.index < pd.Timestamp(FEB_3 + 6 * HOUR))] *= 3
    rewrite(path, load)
    plain = street.run()
    learnt = street.run(street.job(street.fleet(events=[event(repeats="monthly", learn_factor=True)])))
    # One occurrence of x 3, drawn to none by a quarter.
    raised = middle(learnt, in_march(0), in_march(6)) / middle(plain, in_march(0), in_march(6))
    assert raised == pytest.approx(3**0.75, rel=0.1)
    before = middle(learnt, in_march(-3), in_march(-1)) / middle(plain, in_march(-3), in_march(-1))
    assert before == pytest.approx(1, rel=0.05)


def test_a_yearly_event_is_learnt_from_the_year_before(street: Street) -> None:
    """A file is read a year and more back where something is to be learnt from it."""
    path = street.folder / "load.csv"
    load = write_load(path, days=400)
    year_ago = datetime(2025, 3, 3, 12, tzinfo=UTC)
    load[(load.index >= pd.Timestamp(year_ago)) & (load.index < pd.Timestamp(year_ago + 6 * HOUR))] *= 3
    rewrite(path, load)
    yearly = [event(year_ago, repeats="yearly", learn_factor=True)]
    plain, learnt = street.run(), street.run(street.job(street.fleet(events=yearly)))
    raised = middle(learnt, in_march(0), in_march(6)) / middle(plain, in_march(0), in_march(6))
    assert raised == pytest.approx(3**0.75, rel=0.1)


def test_an_expected_factor_and_a_floor_are_in_the_plan(street: Street) -> None:
    told = street.run(street.job(street.fleet(events=[event(repeats="monthly", load_factor=2.0, floor=35)])))
    assert told.plan
    assert "event 'sale' is in the plan" in told.notes
    inside = (told.plan.floor.index >= pd.Timestamp(in_march(0))) & (told.plan.floor.index < pd.Timestamp(in_march(6)))
    assert told.plan.floor[inside].min() >= 35
    after = told.plan.floor[told.plan.floor.index >= pd.Timestamp(in_march(7))]
    assert after.max() < 30


def test_a_holiday_is_learnt_from_the_countrys_others(street: Street) -> None:
    """3 March is Bulgaria's day of liberation; its other holidays of the year before were quiet."""
    path = street.folder / "load.csv"
    load = write_load(path, days=400)
    holidays = ["2025-03-03", "2025-05-01", "2025-05-06", "2025-09-22", "2025-12-24", "2025-12-25", "2025-12-26"]
    local = pd.DatetimeIndex(load.index).tz_convert("Europe/Sofia")
    load[np.isin(local.strftime("%Y-%m-%d"), holidays)] *= 0.4
    rewrite(path, load)
    plain = street.run()
    quiet = street.run(street.job(street.fleet(holidays=["BG"], time_zone="Europe/Sofia")))
    midnight = datetime(2026, 3, 2, 22, tzinfo=UTC)  # in Sofia
    day = middle(quiet, midnight, midnight + 24 * HOUR) / middle(plain, midnight, midnight + 24 * HOUR)
    next_day = middle(quiet, midnight + 25 * HOUR, midnight + 34 * HOUR)
    assert 0.35 < day < 0.65
    assert next_day == pytest.approx(middle(plain, midnight + 25 * HOUR, midnight + 34 * HOUR), rel=0.1)


def test_an_incident_that_is_excluded_leaves_no_trace(street: Street) -> None:
    """The incident lasts three days up to the run: the models take it for the new level, unless it is excluded."""
    path = street.folder / "load.csv"
    clean = write_load(path, days=27)
    plain = street.run()
    start = NOW - timedelta(days=3)
    hit = clean.copy()
    hit[(hit.index >= pd.Timestamp(start)) & (hit.index < pd.Timestamp(NOW))] *= 0.3
    rewrite(path, hit)
    learnt = street.run()
    incident = {"name": "outage", "start": start.isoformat(), "end": NOW.isoformat()}
    excluded = street.run(street.job(street.fleet(exclusions=[incident])))
    for hours in (0, 12, 24, 36):
        span = (NOW + hours * HOUR, NOW + (hours + 12) * HOUR)
        assert middle(excluded, *span) == pytest.approx(middle(plain, *span), rel=0.05)
        assert middle(learnt, *span) < 0.7 * middle(plain, *span)


@pytest.mark.parametrize(("zone", "right"), [("Europe/Berlin", True), ("UTC", False)])
def test_the_load_follows_the_local_clock_over_a_dst_shift(street: Street, zone: str, right: bool) -> None:
    """Europe's clocks go forward on 29 March: who opens at 8 opens an hour earlier by UTC."""
    now = datetime(2026, 3, 28, 10, 7, tzinfo=UTC)
    street.aws.clock.advance(now - NOW)
    index = pd.date_range(now - timedelta(days=21), now, freq="5min").floor("5min")
    hours = np.asarray(index.tz_convert("Europe/Berlin").hour)
    load = np.where((hours >= 8) & (hours < 20), 200.0, 40.0)
    noise = np.random.default_rng(2).normal(0, 1, len(index))
    rewrite(street.folder / "load.csv", pd.Series(load + noise, index=index))
    result = street.run(street.job(street.fleet(time_zone=zone)))
    opening = datetime(2026, 3, 29, 6, 15, tzinfo=UTC)  # 8:15 of the new local time
    assert (middle(result, opening, opening + timedelta(minutes=30)) > 150) == right


def test_a_calendar_event_repeats_at_its_local_time_after_the_shift(street: Street) -> None:
    now = datetime(2026, 3, 28, 10, 7, tzinfo=UTC)
    street.aws.clock.advance(now - NOW)
    write_load(street.folder / "load.csv", now)
    monthly = event(datetime(2026, 1, 29, 14, tzinfo=UTC), hours=2, repeats="monthly", floor=38)  # 15:00 in Berlin
    result = street.run(street.job(street.fleet(events=[monthly], time_zone="Europe/Berlin")))
    assert result.plan
    asked = result.plan.need[result.plan.need >= 38]
    assert asked.index[0] == pd.Timestamp("2026-03-29T13:00Z")
    assert len(asked) == 8


# The command line


def test_plan_and_forecast_know_the_calendar(shell: Shell) -> None:
    now = pd.Timestamp(datetime.now(UTC)).floor("1h")
    index = pd.date_range(now - timedelta(days=20), now, freq="15min", inclusive="left")
    wave = 100 + 80 * np.sin(2 * np.pi * np.asarray(index.hour + index.minute / 60) / 24)
    load = pd.Series(wave + np.random.default_rng(1).normal(0, 1, len(index)), index=index)
    start = (now + pd.Timedelta(hours=3)).to_pydatetime()
    earlier = [event(start - timedelta(days=back), hours=2) for back in (11, 2)]
    for each in earlier:
        load[(load.index >= pd.Timestamp(each["start"])) & (load.index < pd.Timestamp(each["end"]))] *= 2
    rewrite(Path("load.csv"), load)
    # The same name, so one occasion: each occurrence teaches the next.
    events = [{**each, "learn_factor": True} for each in (*earlier, event(start, hours=2))]
    planned = fleet_data(model="auto", horizon_hours=6, ceiling=200)

    def forecast(**changes: Any) -> dict[str, float]:
        config = shell.settings({**planned, **changes})
        done = shell.run("forecast", "--config", config, "--days", "1", "--json")
        assert done.code == 0, done.stdout
        return {row["time"]: row["0.5"] for row in done.document["forecast"]}

    plain, learnt = forecast(), forecast(events=events)
    at = start.replace(minute=30).isoformat()
    assert learnt[at] / plain[at] > 1.2

    config = shell.settings({**planned, "events": [*events, {**event(start, hours=1), "name": "launch", "floor": 57}]})
    make_group(shell.aws)
    done = shell.run("plan", "--config", config, "--json")
    fleet = done.document["fleets"][0]
    assert "event 'launch' is in the plan" in fleet["notes"]
    assert max(action["min_size"] for action in fleet["actions"]) == 57
