"""Holidays, events and exclusions: what is not learnt from, and what is learnt of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import forecast
from forecasting.calendar import Calendar, Occasion, holiday_occasions
from forecasting.errors import SettingsError
from forecasting.settings import Event, Exclusion, Fleet
from forecasting.settings.base import validated
from tests.fleets import make_fleet

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def event(**changes: Any) -> Event:
    base = {"name": "sale", "start": "2026-03-31T18:00:00+02:00", "end": "2026-03-31T22:00:00+02:00"}
    return validated(Event, {**base, **changes})


def load(days: int, start: str = "2026-03-02T00:00Z") -> pd.Series[float]:
    """Hours of a daily shape around 100, the same every day."""
    hours = np.arange(days * 24)
    return pd.Series(
        100 + 40 * np.sin(2 * np.pi * hours / 24), index=pd.date_range(start, periods=len(hours), freq="1h")
    )


def span(first: str, last: str) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(first), datetime.fromisoformat(last)


# When


def test_an_event_comes_back_on_the_local_clock() -> None:
    found = event(repeats="monthly").spans(at("2026-03-01"), at("2026-11-01"), "Europe/Berlin")
    starts = [start.astimezone(BERLIN) for start, _ in found]
    assert [(start.month, start.day) for start in starts] == [
        (3, 31),
        (4, 30),
        (5, 31),
        (6, 30),
        (7, 31),
        (8, 31),
        (9, 30),
        (10, 31),
    ]
    assert {start.hour for start in starts} == {18}, "before and after the change of offset"
    assert {end - start for start, end in found} == {timedelta(hours=4)}


def test_a_yearly_event_is_there_every_year_and_a_single_one_once() -> None:
    years = event(repeats="yearly").spans(at("2027-01-01"), at("2029-12-31"), "Europe/Berlin")
    assert [start.year for start, _ in years] == [2027, 2028, 2029]
    assert event().spans(at("2027-01-01"), at("2029-12-31"), "Europe/Berlin") == []
    assert len(event().spans(at("2026-03-31T20:00:00"), at("2026-04-02"), "Europe/Berlin")) == 1, "it is going on"


RULES: dict[str, Callable[[date, date], bool]] = {
    "FREQ=WEEKLY;INTERVAL=2": lambda day, first: (day - first).days % 14 == 0,
    "FREQ=MONTHLY;BYMONTHDAY=-1": lambda day, _: (day + timedelta(days=1)).day == 1,
    "FREQ=MONTHLY;BYDAY=-1FR": lambda day, _: day.weekday() == 4 and (day + timedelta(days=7)).month != day.month,
    "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH": lambda day, _: (
        (day.month, day.weekday()) == (11, 3) and 22 <= day.day <= 28
    ),
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1": lambda day, _: (
        day.weekday() < 5
        and all(
            (day + timedelta(days=on)).month != day.month or (day + timedelta(days=on)).weekday() > 4
            for on in range(1, 5)
        )
    ),
}


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=8, deadline=None)
@given(offset=st.integers(0, 365), hour=st.integers(4, 23), days=st.integers(1, 2))
def test_a_rule_gives_its_days_on_the_local_clock(rule: str, offset: int, hour: int, days: int) -> None:
    start = datetime(2025, 1, 1, hour, tzinfo=BERLIN) + timedelta(days=offset)
    last = start + timedelta(days=400)
    found = event(
        repeats=rule, start=start.isoformat(), end=(start + timedelta(days=days)).isoformat(), learn_factor=True
    ).spans(start, last, "Europe/Berlin")
    clock = [start.replace(tzinfo=None) + timedelta(days=on) for on in range(400)]
    expected = [day for day in clock if RULES[rule](day.date(), start.date())]
    assert [begin.replace(tzinfo=None) for begin, _ in found] == expected
    assert all(end.replace(tzinfo=None) - begin.replace(tzinfo=None) == timedelta(days=days) for begin, end in found)


@pytest.mark.parametrize(
    "rule",
    [
        "weekly",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=3",
        "FREQ=DAILY;BYMONTHDAY=31",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=MONTHLY;BYDAY=XX",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;COUNT=x",
        "FREQ=MONTHLY;UNTIL=2020",
        "INTERVAL=2",
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: str) -> None:
    with pytest.raises(SettingsError, match="repeats"):
        event(repeats=rule)


def test_a_rule_ends_when_it_is_said_to() -> None:
    for end in ("COUNT=3", "UNTIL=20260425T000000Z"):
        weekly = event(repeats=f"FREQ=WEEKLY;{end}").spans(at("2026-01-01"), at("2026-12-31"), "Europe/Berlin")
        assert [begin.day for begin, _ in weekly] == ([31, 7, 14] if "COUNT" in end else [31, 7, 14, 21])


def test_holidays_are_local_days_and_no_weekends() -> None:
    found = holiday_occasions("DE-BY", at("2026-01-01"), at("2026-12-31"), "Europe/Berlin")
    days = {occasion.name: occasion.spans for occasion in found}
    epiphany = next(spans for spans in days.values() if spans[0][0] == at("2026-01-06"))
    assert epiphany[0][1] - epiphany[0][0] == timedelta(days=1)
    all_days = [start for spans in days.values() for start, _ in spans]
    assert at("2026-10-03") not in all_days, "a Saturday"
    assert at("2026-01-06") not in [
        start
        for each in holiday_occasions("DE-BE", at("2026-01-01"), at("2026-12-31"), "Europe/Berlin")
        for start, _ in each.spans
    ], "no holiday in Berlin"


@pytest.mark.parametrize("code", ["XX", "DE-XX"])
def test_an_unknown_country_is_named(code: str) -> None:
    with pytest.raises(SettingsError, match="ISO 3166"):
        holiday_occasions(code, at("2026-01-01"), at("2026-12-31"), "UTC")


@pytest.mark.parametrize(
    "change",
    [
        {"holidays": ["germany"]},
        {"exclusions": [{"name": "x", "start": "2026-01-02T00:00Z", "end": "2026-01-01T00:00Z"}]},
    ],
)
def test_settings_refuse_what_makes_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        make_fleet(**change)
    with pytest.raises(SettingsError, match="learn_factor"):
        event(learn_factor=True, load_factor=2)


def test_an_event_from_midnight_to_midnight_is_that_after_the_change_of_offset() -> None:
    days = event(repeats="monthly", start="2026-01-29T00:00+01:00", end="2026-01-30T00:00+01:00")
    found = days.spans(at("2026-02-01"), at("2026-11-01"), "Europe/Berlin")
    assert {(start.hour, end.hour) for start, end in found} == {(0, 0)}
    fold = event(repeats="yearly", start="2026-10-25T02:30+02:00", end="2026-10-25T02:15+01:00")
    lengths = {
        b.timestamp() - a.timestamp() for a, b in fold.spans(at("2026-01-01"), at("2028-12-31"), "Europe/Berlin")
    }
    assert lengths == {45 * 60}


def test_a_year_that_no_clock_knows_is_refused() -> None:
    with pytest.raises(SettingsError, match="1970"):
        event(start="0001-01-01T00:00+05:00")


# What is learnt


def test_what_was_special_is_no_pattern() -> None:
    history = load(28)
    special = span("2026-03-25T08:00+00:00", "2026-03-25T20:00+00:00")
    inside = (history.index >= special[0]) & (history.index < special[1])
    hit = history.where(~inside, history * 5)
    plain = forecast(history, 48)
    for calendar in (
        Calendar(exclusions=(special,)),
        Calendar(occasions=(Occasion("sale", "event sale", (special,), learnt=False),)),
    ):
        found = forecast(hit, 48, calendar=calendar)
        np.testing.assert_allclose(found.quantiles, plain.quantiles, rtol=0.01)


def test_a_factor_is_learnt_from_earlier_occurrences_and_drawn_to_none() -> None:
    history = load(56)
    spans = tuple(
        span(f"2026-{day}T12:00+00:00", f"2026-{day}T18:00+00:00") for day in ("03-17", "03-31", "04-14", "04-27")
    )
    for start, end in spans[:3]:
        history[(history.index >= start) & (history.index < end)] *= 3
    calendar = Calendar((Occasion("sale", "event sale", spans),))
    future = pd.date_range(history.index[-1] + pd.Timedelta("1h"), periods=48, freq="1h")
    factors = calendar.factors(history, future)
    outside = pd.concat([factors[: spans[3][0] - timedelta(hours=1)], factors[spans[3][1] :]])
    inside = factors[spans[3][0] : spans[3][1] - timedelta(hours=1)]
    assert len(outside) + len(inside) == 48
    assert (outside == 1).all()
    assert 2.2 < inside.min() == inside.max() < 3, "three occurrences against a prior of none"
    plain, found = forecast(load(56), 48), forecast(history, 48, calendar=calendar)
    np.testing.assert_allclose(found.quantiles, plain.quantiles.mul(factors, axis=0), rtol=0.02)


def test_an_occasion_without_a_past_borrows_from_its_kind() -> None:
    history = load(56)
    past, coming = (
        span("2026-04-06T00:00+00:00", "2026-04-07T00:00+00:00"),
        span("2026-04-27T00:00+00:00", "2026-04-28T00:00+00:00"),
    )
    history[(history.index >= past[0]) & (history.index < past[1])] *= 0.5
    future = pd.date_range(history.index[-1] + pd.Timedelta("1h"), periods=24, freq="1h")
    for kind, low, high in (("holiday US", 0.6, 0.9), ("event other", 1.0, 1.0)):
        calendar = Calendar((Occasion("Easter", "holiday US", (past,)), Occasion("New", kind, (coming,))))
        assert low <= calendar.factors(history, future).iloc[0] <= high


def test_a_calendar_that_covers_everything_hides_nothing() -> None:
    history = load(7)
    always = span("2026-01-01T00:00+00:00", "2027-01-01T00:00+00:00")
    found = forecast(history, 24, calendar=Calendar((Occasion("all", "event all", (always,)),), (always,)))
    assert np.isfinite(found.quantiles.to_numpy()).all()


def test_a_fleets_calendar_holds_all_three() -> None:
    settings: Fleet = make_fleet(
        time_zone="Europe/Berlin",
        holidays=["DE"],
        events=[event(learn_factor=True).model_dump(mode="json")],
        exclusions=[Exclusion(name="outage", start=at("2026-03-10"), end=at("2026-03-11")).model_dump(mode="json")],
    )
    calendar = Calendar.of(settings, at("2026-03-01"), at("2026-04-10"))
    assert [(occasion.kind, occasion.learnt) for occasion in calendar.occasions] == [
        ("holiday DE", True), ("holiday DE", True), ("event sale", True),
    ]  # fmt: skip
    assert calendar.exclusions == ((at("2026-03-10"), at("2026-03-11")),)


@given(st.lists(st.tuples(st.integers(-5, 40), st.integers(1, 200), st.floats(0, 1e6)), max_size=6), st.booleans())
def test_factors_are_finite_and_positive(spans: list[tuple[int, int, float]], holed: bool) -> None:
    history = load(21)
    occasions: list[Occasion] = []
    for number, (day, hours, factor) in enumerate(spans):
        start = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=day)
        end = start + timedelta(hours=hours)
        history[(history.index >= start) & (history.index < end)] *= factor
        occasions.append(Occasion(f"{number % 2}", f"kind {number % 3}", ((start, end),)))
    if holed:
        history.iloc[::3] = np.nan
    future = pd.date_range(history.index[-1] + pd.Timedelta("1h"), periods=400, freq="1h")
    factors = Calendar(tuple(occasions)).factors(history, future)
    assert ((factors > 0) & np.isfinite(factors)).all()


def half_of(history: pd.Series[float], days: list[str]) -> pd.Series[float]:
    stamps = pd.DatetimeIndex(history.index)
    halves = [f"{stamp:%m-%d}" in days for stamp in stamps]
    return history.mask(np.array(halves), history / 2)


@pytest.mark.parametrize("more", [["CA"], ["CA", "GB", "FR", "DE", "DE-BY"]])
def test_a_holiday_of_several_countries_counts_once(more: list[str]) -> None:
    history = half_of(load(404, "2024-11-15T00:00Z"), ["12-25", "01-01"])
    future = pd.date_range(history.index[-1] + pd.Timedelta("1h"), periods=96, freq="1h")
    found: list[float] = []
    for codes in (["US"], ["US", *more]):
        calendar = Calendar.of(make_fleet(holidays=codes), history.index[0].to_pydatetime(), at("2025-12-28"))
        found.append(calendar.factors(history, future)["2025-12-25T12:00Z"])
    assert found[1] == pytest.approx(found[0], rel=0.1)
    assert found[1] > 0.5


@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=4),
    st.lists(st.floats(0.1, 10), max_size=4),
    st.integers(1, 3),
)
def test_another_country_moves_a_learnt_day_by_no_more_than_the_prior(
    own: list[float], others: list[float], countries: int
) -> None:
    history = load(70)
    days = [datetime(2026, 3, 3, tzinfo=UTC) + timedelta(days=14 * fortnight) for fortnight in range(len(own))]
    their_days = [datetime(2026, 3, 5, tzinfo=UTC) + timedelta(days=14 * fortnight) for fortnight in range(len(others))]
    for day, factor in zip([*days, *their_days], [*own, *others], strict=True):
        history[(history.index >= day) & (history.index < day + timedelta(days=1))] *= factor
    coming = datetime(2026, 5, 12, tzinfo=UTC)
    spans = tuple((day, day + timedelta(days=1)) for day in [*days, coming])
    rest = tuple((day, day + timedelta(days=1)) for day in their_days)
    future = pd.date_range(history.index[-1] + pd.Timedelta("1h"), periods=96, freq="1h")
    learnt, doubled = (
        Occasion("feast", "holiday A", spans),
        [Occasion("feast", f"holiday {n}", spans) for n in range(countries)],
    )
    neighbours = Occasion("other", "holiday 0", rest)
    alone = Calendar((learnt, neighbours)).factors(history, future)
    same = Calendar((learnt, neighbours, *doubled[1:])).factors(history, future)
    np.testing.assert_allclose(same, alone)
    more = Calendar((learnt, neighbours, *doubled)).factors(history, future)
    moved = np.abs(np.log(more / alone)).max()
    assert moved <= 2 * np.log(20) / (len(own) + 1)


def test_excluded_weeks_are_learnt_from_where_nothing_else_is_read() -> None:
    history = load(80)
    excluded = (history.index[-29 * 24].to_pydatetime(), history.index[-1].to_pydatetime() + timedelta(hours=1))
    found = forecast(history, 48, calendar=Calendar(exclusions=(excluded,)))
    assert any("exclusions" in note for note in found.model.notes)
    np.testing.assert_allclose(found.quantiles, forecast(history, 48).quantiles)


def test_a_day_across_a_repeated_hour_is_enough() -> None:
    day = pd.date_range("2025-10-25T12:00", periods=96, freq="15min", tz="UTC")
    found = forecast(pd.Series(50.0, index=day), 192, time_zone="Europe/Berlin")
    np.testing.assert_allclose(found.quantiles, 50)
