"""Scores of earlier forecasts, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting.store.ledger import Ledger, StoredForecast
from forecasting.store.scores import score, score_forecasts
from tests.stores import MemoryStore

START = datetime(2026, 3, 1, tzinfo=UTC)


def hours(values: list[float], start: datetime = START) -> pd.Series:
    return pd.Series(values, index=pd.date_range(start, periods=len(values), freq="1h"), dtype="float64")


def forecast(made_at: datetime, median: list[float], upper: list[float]) -> StoredForecast:
    return StoredForecast(made_at, pd.DataFrame({0.5: hours(median, made_at), 0.9: hours(upper, made_at)}))


def test_a_forecast_worked_by_hand() -> None:
    scores = score([forecast(START, [10, 10], [20, 20])], hours([12, 30]))
    assert scores is not None
    assert (scores.forecasts, scores.points) == (1, 2)
    # median: .5 x (2 + 20) = 11; upper: .1 x 8 + .9 x 10 = 9.8; times 2, the mean of both, over the load 42
    assert scores.weighted_quantile_loss == pytest.approx((2 * 11 + 2 * 9.8) / 2 / 42)
    assert scores.coverage == {0.5: 0.0, 0.9: 0.5}
    assert scores.mean_absolute_error == {"<6h": 11.0}


def test_a_perfect_forecast_loses_nothing() -> None:
    scores = score([forecast(START, [1, 2, 3], [1, 2, 3])], hours([1, 2, 3]))
    assert scores is not None
    assert scores.weighted_quantile_loss == 0
    assert scores.coverage == {0.5: 1.0, 0.9: 1.0}


def test_errors_are_kept_apart_by_lead() -> None:
    median = [1.0] * 6 + [2.0] * 18 + [3.0] * 4
    scores = score([forecast(START, median, median)], hours([0.0] * 28))
    assert scores is not None
    assert scores.mean_absolute_error == {"<6h": 1.0, "6-24h": 2.0, ">=24h": 3.0}
    assert scores.weighted_quantile_loss is None  # no load at all: there is nothing to weigh by


def test_what_has_not_happened_and_gaps_are_left_out() -> None:
    assert score([], hours([1])) is None
    assert score([forecast(START, [1, 1], [1, 1])], hours([np.nan, np.nan])) is None
    assert score([forecast(START + timedelta(days=1), [1], [1])], hours([1, 1])) is None
    scores = score([forecast(START, [1, 1, 1], [1, 1, 1])], hours([1, np.nan]))
    assert scores is not None
    assert scores.points == 1


def test_a_change_of_quantiles_starts_the_score_afresh() -> None:
    old = StoredForecast(START, pd.DataFrame({0.5: hours([100.0]), 0.99: hours([100.0])}))
    scores = score([old, forecast(START, [1], [1])], hours([1]))
    assert scores is not None
    assert scores.forecasts == 1
    assert scores.coverage == {0.5: 1.0, 0.9: 1.0}


def test_the_ledger_is_scored_from_since_on() -> None:
    ledger = Ledger(MemoryStore(), "aws/eu-central-1/web")
    for hour, median in ((0, 99.0), (1, 5.0)):
        made_at = START + timedelta(hours=hour)
        ledger.save_forecast(f"run-{hour}", made_at, forecast(made_at, [median], [median]).quantiles)
    scores = score_forecasts(ledger, hours([5, 5]), since=START + timedelta(hours=1))
    assert scores is not None
    assert scores.forecasts == 1
    assert scores.mean_absolute_error == {"<6h": 0.0}
