"""Recurring days that the models cannot follow are named, and no others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.history.recurrence import recurring_days
from forecasting.settings import Event
from forecasting.settings.base import validated


def hours(days: int, seed: int, zone: str = "UTC") -> pd.Series[float]:
    """Hours of office days, from a Thursday on, with noise of 5 %."""
    index = pd.date_range("2025-01-02", periods=days * 24, freq="1h", tz=zone)
    shape = 60 - 40 * np.cos(2 * np.pi * np.arange(len(index)) / 24)
    weekend = np.where(np.asarray(index.day_of_week) >= 5, 0.6, 1.0)
    noise = np.random.default_rng(seed).normal(1, 0.05, len(index))
    return pd.Series(shape * weekend * noise, index=index)


def is_last_working_day(day: date) -> bool:
    ahead = [day + timedelta(days=on) for on in range(1, 5)]
    return day.weekday() < 5 and all(each.month != day.month or each.weekday() > 4 for each in ahead)


RULES: dict[str, Callable[[date], bool]] = {
    "FREQ=MONTHLY;BYMONTHDAY=-1": lambda day: (day + timedelta(days=1)).day == 1,
    "FREQ=MONTHLY;BYMONTHDAY=15": lambda day: day.day == 15,
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR": lambda day: (day - date(1970, 1, 9)).days % 14 == 0,
    "FREQ=MONTHLY;BYDAY=2TU": lambda day: day.weekday() == 1 and 8 <= day.day <= 14,
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1": is_last_working_day,
}


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=4, deadline=None)
@given(height=st.floats(2.5, 6), begin=st.integers(6, 14), length=st.integers(3, 10), seed=st.integers(0, 1000))
def test_a_rule_is_named_whose_event_has_its_days(rule: str, height: float, begin: int, length: int, seed: int) -> None:
    load = hours(390, seed)
    index = pd.DatetimeIndex(load.index)
    on = np.array([RULES[rule](day.date()) for day in index.to_pydatetime()])
    inside = on & (np.asarray(index.hour) >= begin) & (np.asarray(index.hour) < begin + length)
    found = recurring_days(load.mask(inside, load * height), "UTC")
    assert [each.rule for each in found] == [rule]
    assert found[0].factor > 1.4
    days = sorted({day.date() for day in index[inside]})
    assert found[0].first == days[0]
    start = pd.Timestamp(days[0], tz="UTC")
    event = validated(
        Event,
        {
            "name": "peak",
            "start": start.isoformat(),
            "end": (start + pd.Timedelta(days=1)).isoformat(),
            "repeats": found[0].rule,
        },
    )
    spans = event.spans(index[0].to_pydatetime(), index[-1].to_pydatetime(), "UTC")
    assert [begin.date() for begin, _ in spans] == days
    assert f"repeats: {rule}" in found[0].advice


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), days=st.integers(20, 450), crowds=st.integers(0, 12))
def test_days_that_do_not_recur_are_not_named(seed: int, days: int, crowds: int) -> None:
    load = hours(days, seed, "Europe/Berlin")
    at = np.random.default_rng(seed).integers(0, days, crowds)
    crowd = np.isin(np.arange(len(load)) // 24, at)
    assert recurring_days(load.mask(crowd, load * 4), "Europe/Berlin") == ()


def test_a_sale_of_every_year_is_named_and_an_event_that_is_declared_is_not() -> None:
    load = hours(760, 1)
    index = pd.DatetimeIndex(load.index)
    friday = (index.month == 11) & (index.day_of_week == 4) & (index.day >= 22) & (index.day <= 28)
    found = recurring_days(load.mask(friday, load * 5), "UTC")
    assert [each.rule for each in found] == ["FREQ=YEARLY;BYMONTH=11;BYDAY=4FR"]
    assert recurring_days(load.mask(friday), "UTC") == ()
