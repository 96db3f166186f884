"""Accuracy that stays visible: a model that drifts loses its say, and a forecast that is of no use is told until it is of use again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from elastic_iac.cli.standing import look
from forecasting import forecast
from forecasting.choosing import CANDIDATES
from forecasting.invocation.summary import line_of
from forecasting.models.base import FloatArray
from forecasting.run import FleetResult
from tests.forecasts import series
from tests.street import HOUR, Street, write_load

DAY = 24
WEEKDAYS = np.random.default_rng(5).uniform(40, 160, 7)
"""A level for each day of the week."""


def loses_its_weeks(days_since: int) -> FloatArray:
    """Four weeks in which each weekday has its own level, then days that are all alike."""
    hours = np.arange((28 + days_since) * DAY)
    shape = 1 + 0.3 * np.sin(2 * np.pi * hours / DAY)
    level = np.where(hours < 28 * DAY, WEEKDAYS[hours // DAY % 7], 100.0)
    return level * shape * np.exp(np.random.default_rng(1).normal(0, 0.03, len(hours)))


def test_a_model_whose_recent_origins_err_loses_its_weight_within_a_week() -> None:
    weights = {
        days: sum(
            weight
            for name, weight in forecast(series(loses_its_weeks(days)), 48).model.weights.items()
            if name.startswith("weekly-")
        )
        for days in (0, 4, 7, 10)
    }
    assert weights[0] > 0.95
    assert weights[4] < 0.85
    assert weights[7] < 0.1
    assert weights[10] < 0.01


def test_the_forecast_is_right_again_once_the_model_has_lost_its_weight() -> None:
    expected = 100 * (1 + 0.3 * np.sin(2 * np.pi * np.arange(48) / DAY))
    for days, error in ((7, 12), (10, 5)):
        found = forecast(series(loses_its_weeks(days)), 48).quantiles[0.5]
        assert np.abs(found.to_numpy() - expected).mean() < error


def told(street: Street, result: FleetResult) -> bool:
    """What the alarms of both clouds count."""
    return line_of(result, frozenset({"prod"}), street.aws.clock.now(), 1.0).worse_than_naive


def test_a_day_worse_than_seasonal_naive_is_told_until_a_better_one_is_over(street: Street) -> None:
    load = write_load(street.folder / "load.csv", days=24, after=5)
    # What repeats to a hundredth is best repeated; a load with noise is worth a forecast.
    noisy = load * np.exp(np.random.default_rng(4).normal(0, 0.3, len(load)))
    noisy.rename("value").rename_axis("timestamp").to_csv(street.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")
    begin = pd.Timestamp(street.aws.clock.now()).floor("15min")
    useless = pd.DataFrame(
        {level: np.full(192, 500.0) for level in (0.1, *CANDIDATES)},
        index=pd.date_range(begin, periods=192, freq="15min"),
    )
    for _ in range(4):
        street.ledger.save_forecast("useless", street.aws.clock.now(), useless)
        street.aws.clock.advance(6 * HOUR)
    bad = street.run()
    assert bad.scores
    assert bad.scores.day
    assert bad.scores.day.weighted_quantile_loss > 2 * bad.scores.day.naive_weighted_quantile_loss
    assert told(street, bad)

    verdicts: list[bool] = []
    for _ in range(12):
        street.aws.clock.advance(6 * HOUR)
        verdicts.append(told(street, street.run()))
    # The useless forecasts reach 48 h ahead and count as long as they do; then a day must pass.
    assert verdicts[0]
    assert not verdicts[-1]
    assert verdicts == sorted(verdicts, reverse=True), "told once, and then no more"

    seen = look(street.make_run(), street.job().fleets[0])
    assert seen.scores
    assert seen.scores.day
    document = seen.document()["scores"]
    assert document["coverage"]["0.9"] == pytest.approx(seen.scores.coverage[0.9])
    assert document["skill"] == pytest.approx(seen.scores.day.skill)
    assert 0 < seen.scores.day.skill < 1
