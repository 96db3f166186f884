"""Arguments of `forecast`: what is wrong is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasting import forecast
from forecasting.errors import ForecastError, SettingsError
from tests.forecasts import series, weeks


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 2.5}, "horizon"),
        ({"horizon": True}, "horizon"),
        ({"quantiles": (0.5, 1.0)}, "quantiles"),
        ({"quantiles": ()}, "quantiles"),
        ({"quantiles": ("high",)}, "quantiles"),
        ({"quantiles": (float("nan"),)}, "quantiles"),
        ({"model": "oracle"}, "model"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"budget_seconds": 0}, "budget_seconds"),
        ({"history": [1.0, 2.0]}, "history"),
        ({"history": weeks(1).tz_localize(None)}, "history"),
        ({"history": weeks(1).iloc[::-1]}, "history"),
        ({"history": weeks(1).drop(weeks(1).index[5])}, "history"),
        ({"history": weeks(1).reset_index(drop=True)}, "history"),
        ({"history": series(np.ones(300), "7min")}, "history"),
        ({"history": -weeks(1)}, "history"),
        ({"history": weeks(1).replace(weeks(1).iloc[3], np.inf)}, "history"),
        ({"history": weeks(1).astype(str) + "x"}, "history"),
        ({"censored": [True]}, "censored"),
        ({"censored": pd.Series([True])}, "censored"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(change: dict[str, object], field: str) -> None:
    arguments: dict[str, object] = {"history": weeks(1), "horizon": 4, **change}
    with pytest.raises(SettingsError) as raised:
        forecast(**arguments)  # pyright: ignore[reportArgumentType] - wrong on purpose
    assert raised.value.field == field
    assert "expected" in str(raised.value)


@pytest.mark.parametrize(
    "history", [weeks(1).iloc[:23], weeks(1).iloc[:1], weeks(1).iloc[:0], weeks(1) * np.nan], ids=len
)
def test_too_little_history_is_a_forecast_error(history: pd.Series[float]) -> None:
    with pytest.raises(ForecastError, match="a day or more"):
        forecast(history, 4)


def test_a_history_in_another_zone_is_the_same_history() -> None:
    history = weeks(2)
    elsewhere = forecast(history.tz_convert("Asia/Tokyo"), 24).quantiles
    pd.testing.assert_frame_equal(elsewhere, forecast(history, 24).quantiles)
