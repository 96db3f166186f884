"""`forecasting.forecast`: what it promises whatever comes in, and how the tournament judges."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.forecast_bench import evaluate
from forecasting import forecast
from forecasting.models.base import FloatArray
from forecasting.models.tournament import ALL_MODELS, BLEND, MODELS
from forecasting.settings import Model
from tests.forecasts import assert_sound, series, shape, weeks
from tests.traces import trace

NAMES = ("auto", *(model.name for model in MODELS))


# What comes out


def test_rows_are_the_steps_after_the_history_and_columns_the_quantiles() -> None:
    history = weeks(2)
    found = forecast(history, 30, quantiles=[0.9, 0.5, 0.9], model="seasonal-naive-day")
    assert found.quantiles.columns.tolist() == [0.5, 0.9]
    expected = pd.date_range(history.index[-1] + pd.Timedelta("1h"), periods=30, freq="1h")
    pd.testing.assert_index_equal(found.quantiles.index, expected, exact="equiv")
    assert found.step == pd.Timedelta("1h")


def test_a_single_step_knows_its_length() -> None:
    assert forecast(weeks(1), 1, model="week-median").step == pd.Timedelta("1h")


@pytest.mark.parametrize("step", ["5min", "15min", "30min", "1h", "3h"])
def test_any_step_that_divides_a_day(step: str) -> None:
    steps = 9 * (pd.Timedelta("1D") // pd.Timedelta(step))
    hours = np.arange(steps) * (pd.Timedelta(step) / pd.Timedelta("1h"))
    found = forecast(series(shape(hours), step), 20)
    ahead = shape(hours[-1] + (1 + np.arange(20)) * (pd.Timedelta(step) / pd.Timedelta("1h")))
    assert_sound(found, 20, 3)
    assert np.abs(found.quantiles[0.5].to_numpy() - ahead).mean() < 0.1 * ahead.mean()


def test_a_pure_weekly_pattern_is_forecast_nearly_exactly() -> None:
    found = forecast(weeks(4, noise=0.0), 48)
    truth = shape(np.arange(4 * 168, 4 * 168 + 48))
    np.testing.assert_allclose(found.quantiles[0.5], truth, rtol=0.01)
    np.testing.assert_allclose(found.quantiles[0.95], truth, rtol=0.02)


def test_bands_hold_their_share_of_the_noise() -> None:
    truth = weeks(6, noise=8.0)
    hits = [
        (
            truth.iloc[end : end + 48] <= forecast(truth.iloc[:end], 48, (0.5, 0.9), "weekly-profile").quantiles[0.9]
        ).mean()
        for end in range(4 * 168, 6 * 168 - 48, 12)
    ]
    assert 0.85 < float(np.mean(hits)) < 0.95


def test_auto_weighs_more_than_one_model_and_says_so() -> None:
    choice = forecast(weeks(4), 48).model
    assert set(choice.weights) == {model.name for model in BLEND}
    assert choice.errors.keys() == choice.weights.keys()
    assert choice.origins > 50
    assert choice.left_out == {}
    assert str(choice).startswith("auto: ")
    assert choice.errors[max(choice.weights, key=lambda name: choice.weights[name])] < 1.1 * min(choice.errors.values())
    assert min(choice.weights, key=lambda name: choice.weights[name]) == max(
        choice.errors, key=lambda name: choice.errors[name]
    )
    naive = forecast(weeks(4), 48, model="seasonal-naive-week").model
    assert naive.errors["seasonal-naive-week"] == pytest.approx(3.4, rel=0.2), (
        "in the load's unit: sqrt(2) x .8 x noise"
    )


@pytest.mark.parametrize("days", [1, 1.5, 2, 3, 5, 7, 7.5, 9])
def test_short_histories_are_served_by_the_models_that_can(days: float) -> None:
    history = weeks(2).iloc[: int(days * 24)]
    found = forecast(history, 48)
    assert_sound(found, 48, 3)
    truth = shape(np.arange(len(history), len(history) + 48))
    assert np.abs(found.quantiles[0.5].to_numpy() - truth).mean() < 40
    if days < 8:
        assert "days of history" in found.model.left_out["weekly-profile"]


def test_settings_name_models_that_exist() -> None:
    assert set(get_args(Model)) <= {"auto", *(model.name for model in ALL_MODELS)}


@pytest.mark.parametrize("model", NAMES)
def test_every_model_by_name(model: str) -> None:
    found = forecast(weeks(4), 48, model=model, budget_seconds=600)
    assert_sound(found, 48, 3)
    assert found.model.name == model
    if model != "auto":
        assert found.model.weights == {model: 1.0}


def _global_state() -> npt.NDArray[Any]:
    return np.array(cast("tuple[Any, ...]", np.random.get_state())[1])  # noqa: NPY002 - the global state that must not move


def test_the_same_input_gives_the_same_forecast_and_touches_no_global_state() -> None:
    history = weeks(3)
    np.random.seed(11)  # noqa: NPY002 - the global state that must not move
    expected = _global_state()
    first, second = forecast(history, 48), forecast(history.copy(), 48)
    pd.testing.assert_frame_equal(first.quantiles, second.quantiles, check_exact=True)
    assert first.model == second.model
    np.testing.assert_array_equal(_global_state(), expected)


@pytest.mark.parametrize("factor", [2.0**40, 2.0**-40])
def test_a_change_of_unit_changes_the_unit_only(factor: float) -> None:
    history = weeks(3)
    scaled = forecast(history * factor, 48).quantiles / factor
    pd.testing.assert_frame_equal(scaled, forecast(history, 48).quantiles, check_exact=True)


# Gaps, lower bounds, time zones


def test_a_gap_is_not_read_as_zero() -> None:
    history = weeks(4)
    holed = history.copy()
    holed.iloc[-60:-10] = np.nan
    holed.iloc[200:260] = np.nan
    whole, found = forecast(history, 48).quantiles[0.5], forecast(holed, 48).quantiles[0.5]
    assert float((found / whole).min()) > 0.85


def test_lower_bounds_do_not_pull_the_forecast_down() -> None:
    history = weeks(4)
    rows = np.arange(len(history))
    saturated = (rows >= len(history) - 168) & (history.to_numpy() > 110)
    capped = history.where(~saturated, 110.0)
    censored = pd.Series(saturated, index=history.index)
    truth = forecast(history, 48).quantiles[0.5].max()
    told = forecast(capped, 48, censored=censored).quantiles[0.5].max()
    untold = forecast(capped, 48).quantiles[0.5].max()
    assert untold < 0.95 * truth
    assert told > 0.97 * truth


def test_a_censored_step_counts_at_least_its_own_value() -> None:
    history = weeks(4)
    higher = history.copy()
    higher.iloc[-168:] *= 1.5
    censored = pd.Series(np.arange(len(history)) >= len(history) - 168, index=history.index)
    assert (
        forecast(higher, 48, censored=censored).quantiles[0.5].mean()
        > 1.2 * forecast(history, 48).quantiles[0.5].mean()
    )


@pytest.mark.parametrize(
    ("change", "title"), [("2026-03-29T01:00Z", "a day of 23 hours"), ("2026-10-25T01:00Z", "a day of 25 hours")]
)
def test_seasons_follow_the_local_clock_over_a_change_of_offset(change: str, title: str) -> None:
    start = pd.Timestamp(change) - pd.Timedelta(days=21)
    index = pd.date_range(start, periods=24 * 24, freq="1h")
    local = index.tz_convert("Europe/Berlin").tz_localize(None)
    busy = pd.Series(np.where((local.hour >= 8) & (local.hour < 18), 100.0, 10.0), index=index)
    # The history ends half a day before the change; the horizon crosses it.
    history, truth = (
        busy[: pd.Timestamp(change) - pd.Timedelta(hours=12)],
        busy[pd.Timestamp(change) - pd.Timedelta(hours=11) :],
    )
    truth = truth.iloc[:48]
    for model in ("seasonal-naive-day", "seasonal-naive-week", "weekly-profile"):
        found = forecast(history, 48, model=model, time_zone="Europe/Berlin").quantiles[0.5]
        np.testing.assert_allclose(found, truth, rtol=0.02, err_msg=f"{model}: {title}")
    assert np.abs(forecast(history, 48, model="seasonal-naive-day").quantiles[0.5] - truth).max() > 50, (
        "UTC would miss it"
    )


@pytest.mark.parametrize("hours_after", [0, 1, 2, 30, 60])
def test_a_history_across_the_repeated_hour(hours_after: int) -> None:
    end = pd.Timestamp("2026-10-25T00:00Z") + pd.Timedelta(hours=hours_after)
    index = pd.date_range(end - pd.Timedelta(days=15), end, freq="1h")
    local = index.tz_convert("Europe/Berlin").tz_localize(None)
    history = pd.Series(np.where((local.hour >= 8) & (local.hour < 18), 100.0, 10.0), index=index)
    found = forecast(history, 48, model="seasonal-naive-week", time_zone="Europe/Berlin").quantiles
    ahead = cast("pd.DatetimeIndex", found.index).tz_convert("Europe/Berlin")
    np.testing.assert_allclose(found[0.5], np.where((ahead.hour >= 8) & (ahead.hour < 18), 100.0, 10.0), rtol=0.02)


# Whatever comes in


def nasty(kind: str, length: int, seed: int) -> FloatArray:
    """A series of `length` hours that a model could choke on."""
    generator = np.random.default_rng(seed)
    noise, chosen = 100 * generator.random(length), np.arange(length) == generator.integers(length)
    series_of: dict[str, npt.NDArray[Any]] = {
        "noise": noise,
        "constant": np.full(length, 7.5),
        "zeros": np.zeros(length),
        "huge": 1e306 * noise,
        "one spike": np.where(chosen, 1.7e308, noise),
        "tiny": generator.integers(0, 3, length) * 5e-324,
        "alternating": np.where(np.arange(length) % 2, 1e12, 0.0),
        "mostly missing": np.where(chosen | (generator.random(length) < 0.03), noise, np.nan),
        "one known": np.where(chosen, 3.0, np.nan),
        "dead end": np.where(np.arange(length) < length // 2, noise, 0.0),
        "explosion": np.exp(np.linspace(0, 600, length)),
    }
    return series_of[kind].astype(np.float64)


KINDS = (
    "noise",
    "constant",
    "zeros",
    "huge",
    "one spike",
    "tiny",
    "alternating",
    "mostly missing",
    "one known",
    "dead end",
    "explosion",
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    length=st.integers(24, 24 * 30),
    horizon=st.integers(1, 60),
    levels=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=4),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]),
    flagged=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_whatever_comes_in_the_forecast_is_sound(
    kind: str, length: int, horizon: int, levels: list[float], time_zone: str, flagged: bool, seed: int
) -> None:
    history = series(nasty(kind, length, seed), start="2026-03-10T00:00Z")
    censored = pd.Series(np.arange(length) % 5 == 0, index=history.index) if flagged else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = forecast(history, horizon, levels, censored=censored, time_zone=time_zone)
    assert_sound(found, horizon, len(set(levels)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", ["arima", "sarima", "harmonic", "ets"])
def test_a_model_that_cannot_is_replaced_not_raised(kind: str, model: str) -> None:
    found = forecast(series(nasty(kind, 24 * 20, 2)), 24, model=model)
    assert_sound(found, 24, 3)
    assert set(found.model.weights) in ({model}, {"seasonal-naive-week"})
    assert (model in found.model.left_out) == (model not in found.model.weights)


def test_zeros_are_forecast_as_zero() -> None:
    assert forecast(series(np.zeros(24 * 14)), 24).quantiles.to_numpy().max() == pytest.approx(0, abs=1e-6)


# Real load


@pytest.mark.traces
@pytest.mark.parametrize("name", ["llm_qwen_small_5min", "wc98_5min", "nyc_taxi_1h"])
def test_auto_beats_last_weeks_load_on_real_load(name: str, tmp_path: Path) -> None:
    path = trace(f"{name}.csv")
    scores = evaluate([path], ("auto", "last-week"), thin=7, jobs=1, cache=tmp_path)
    found = {method: score[path.stem] for method, score in scores.items()}
    assert found["auto"].wql < found["last-week"].wql
    assert 0.7 < found["auto"].coverage <= 1, "few origins: a coarse check"
