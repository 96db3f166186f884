"""Each model on series made for it, and the rule that no row of a prediction sees its own future."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from forecasting.models.base import FloatArray, IntArray, PointModel
from forecasting.models.fourier import ORDER, autocovariances, fit_fourier
from forecasting.models.gaps import fill_gaps, lift_censored
from forecasting.models.statistical import Arima, Arma, Ets, Harmonic, Sarima, arma_paths
from forecasting.models.tournament import MODELS, NAIVE_DAY, NAIVE_WEEK

HOURS = 24
HORIZON = 48


def weekly(weeks: int, steps_per_day: int = HOURS) -> FloatArray:
    """A load with a daily and a weekly shape, near 1."""
    days = np.arange(weeks * 7 * steps_per_day) / steps_per_day
    return 1 + 0.4 * np.sin(2 * np.pi * days) + 0.2 * np.cos(2 * np.pi * days / 7) + 0.1 * np.sin(4 * np.pi * days)


def error(model: PointModel, load: FloatArray, steps_per_day: int = HOURS, horizon: int = HORIZON) -> float:
    """Mean absolute error over origins every 6 h of the last week."""
    origins = np.arange(len(load) - 7 * steps_per_day, len(load) - horizon + 1, steps_per_day // 4)
    predicted = model.predict(load, origins, horizon, steps_per_day)
    return float(np.abs(predicted - load[origins[:, None] + np.arange(horizon)]).mean())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_row_knows_nothing_from_its_origin_on(model: PointModel) -> None:
    noise = np.random.default_rng(3).normal(0, 0.05, 28 * HOURS)
    load = np.maximum(weekly(4) + noise, 0)
    origins = np.array([20 * HOURS, 21 * HOURS + 5])
    changed = load.copy()
    changed[origins[-1] :] = 9.0
    before, after = (model.predict(series, origins, HORIZON, HOURS) for series in (load, changed))
    assert before.shape == (2, HORIZON)
    np.testing.assert_allclose(after, before, rtol=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_earlier_rows_do_not_see_what_later_rows_know(model: PointModel) -> None:
    load = weekly(4) + np.random.default_rng(4).normal(0, 0.05, 28 * HOURS)
    origins = np.array([18 * HOURS, 25 * HOURS])
    changed = load.copy()
    changed[origins[0] : origins[1]] *= 1.7
    before, after = (model.predict(series, origins, HORIZON, HOURS) for series in (load, changed))
    np.testing.assert_allclose(after[0], before[0], rtol=1e-6)
    assert not np.allclose(after[1], before[1])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_predicts_from_the_least_history_it_asks_for(model: PointModel) -> None:
    steps = model.minimum_steps(HOURS)
    load = weekly(4)[:steps]
    assert np.isfinite(model.predict(load, np.array([steps]), HORIZON, HOURS)).all()


def test_seasonal_naive_repeats_the_last_known_season() -> None:
    load = weekly(3)
    end = np.array([len(load)])
    np.testing.assert_array_equal(NAIVE_DAY.predict(load, end, 48, HOURS)[0], np.tile(load[-24:], 2))
    np.testing.assert_array_equal(NAIVE_WEEK.predict(load, end, 24 * 9, HOURS)[0], np.r_[load[-168:], load[-168:-120]])


def test_seasonal_naive_has_no_value_before_its_first_season() -> None:
    predicted = NAIVE_WEEK.predict(weekly(2), np.array([3 * HOURS, 8 * HOURS]), HORIZON, HOURS)
    assert np.isnan(predicted[0]).all()
    assert np.isfinite(predicted[1]).all()


@pytest.mark.parametrize(
    "name",
    ["seasonal-naive-week", "weekly-profile", "fourier-ar-sqrt", "fourier-ar-log", "sarima", "harmonic"],
    ids=str,
)
def test_a_pure_weekly_pattern_is_forecast_nearly_exactly(name: str) -> None:
    (model,) = (model for model in MODELS if model.name == name)
    assert error(model, weekly(4)) < 0.01


def test_the_weekly_profile_follows_a_change_of_level() -> None:
    load = weekly(4)
    load[-30:] *= 1.5
    end = np.array([len(load)])
    (model,) = (model for model in MODELS if model.name == "weekly-profile")
    expected = 1.5 * weekly(5)[len(load) : len(load) + 12]
    np.testing.assert_allclose(model.predict(load, end, 12, HOURS)[0], expected, rtol=0.02)


def test_ets_beats_seasonal_naive_where_the_level_wanders_under_a_daily_season() -> None:
    generator = np.random.default_rng(5)
    level = 5 + np.cumsum(generator.normal(0, 0.02, 21 * HOURS))
    load = level + np.sin(2 * np.pi * np.arange(len(level)) / HOURS) + generator.normal(0, 0.3, len(level))
    assert error(Ets(), load) < 0.9 * min(error(NAIVE_DAY, load), error(NAIVE_WEEK, load))


def test_arima_beats_seasonal_naive_where_nothing_repeats() -> None:
    generator = np.random.default_rng(6)
    load = np.full(21 * HOURS, 5.0)
    shocks = generator.normal(0, 0.2, len(load))
    for step in range(1, len(load)):
        load[step] = load[step - 1] + shocks[step] - 0.6 * shocks[step - 1]
    naive = min(error(NAIVE_DAY, load, horizon=12), error(NAIVE_WEEK, load, horizon=12))
    assert error(Arima(), load, horizon=12) < 0.8 * naive


def test_sarima_beats_seasonal_naive_where_the_level_drifts_back() -> None:
    noise = np.zeros(28 * HOURS)
    for step, shock in enumerate(np.random.default_rng(7).normal(0, 0.05, len(noise) - 1), 1):
        noise[step] = 0.97 * noise[step - 1] + shock
    load = weekly(4) + noise
    naive = min(error(NAIVE_DAY, load, horizon=6), error(NAIVE_WEEK, load, horizon=6))
    assert error(Sarima(), load, horizon=6) < 0.7 * naive


def test_sarima_sums_its_changes_over_the_seasons_of_the_horizon() -> None:
    load = weekly(1)[: 6 * HOURS] + 0.1 * np.repeat(np.arange(6), HOURS)
    predicted = Sarima().predict(load, np.array([len(load)]), 3 * HOURS, HOURS)[0]
    changes = predicted - np.tile(load[-HOURS:], 3)
    assert changes[2 * HOURS] > changes[HOURS] > changes[0] > 0


def test_harmonic_regression_beats_seasonal_naive_where_seasons_carry_correlated_noise() -> None:
    generator = np.random.default_rng(7)
    noise = np.zeros(28 * HOURS)
    for step in range(1, len(noise)):
        noise[step] = 0.9 * noise[step - 1] + generator.normal(0, 0.05)
    load = weekly(4) + noise
    assert error(Harmonic(), load) < 0.8 * min(error(NAIVE_DAY, load), error(NAIVE_WEEK, load))


def test_arma_paths_agree_with_statsmodels() -> None:
    judges: Any = importlib.import_module("statsmodels.tsa.arima.model")
    generator = np.random.default_rng(8)
    series = generator.normal(0, 1, 400)
    for step in range(2, 400):
        series[step] += 0.6 * series[step - 1] + 0.2 * series[step - 2]
    arma = Arma(np.array([0.6, 0.2]), np.array([0.3]))
    judge = judges.ARIMA(series, order=(2, 0, 1), trend="n").smooth(np.array([0.6, 0.2, 0.3, 1.0]))
    paths = arma_paths(arma, series, np.array([300, 400]), 20)
    np.testing.assert_allclose(paths[1], judge.forecast(20), atol=1e-6)


def test_fourier_fit_equals_weighted_least_squares() -> None:
    load = weekly(3) + np.random.default_rng(9).normal(0, 0.1, 21 * HOURS)
    fit = fit_fourier(load, np.array([15 * HOURS, 21 * HOURS]), HORIZON, HOURS, half_life_days=12)
    assert (fit.residuals(load)[0, 15 * HOURS :] == 0).all()
    truth = weekly(4)[21 * HOURS : 21 * HOURS + HORIZON]
    assert np.abs(fit.future[1] - truth).mean() < 0.05


def test_autocovariances_by_totals_are_those_of_the_residuals() -> None:
    load = weekly(3) + np.random.default_rng(9).normal(0, 0.1, 21 * HOURS)
    origins = np.array([9 * HOURS, 15 * HOURS + 5, 21 * HOURS])
    fit = fit_fourier(load, origins, HORIZON, HOURS, half_life_days=12)
    found = autocovariances(load, fit, fit.coefficients)
    for row, origin in enumerate(origins.tolist()):
        residuals = fit.residuals(load)[row, :origin]
        expected = [residuals[lag:] @ residuals[: origin - lag] for lag in range(ORDER + 1)]
        np.testing.assert_allclose(found[row], expected, rtol=1e-6, atol=1e-6)


def test_gaps_are_filled_from_the_season_and_never_with_zero() -> None:
    load = weekly(3)
    holed = load.copy()
    holed[9 * HOURS : 11 * HOURS] = np.nan
    holed[:5] = np.nan
    filled = fill_gaps(holed, HOURS)
    np.testing.assert_array_equal(filled[9 * HOURS : 11 * HOURS], load[2 * HOURS : 4 * HOURS])
    np.testing.assert_array_equal(filled[:5], load[HOURS : HOURS + 5])
    assert np.isnan(holed[0])


def test_a_gap_is_filled_from_the_past_only_where_there_is_one() -> None:
    holed = weekly(3)
    holed[9 * HOURS : 11 * HOURS] = np.nan
    later = holed.copy()
    later[12 * HOURS :] *= 3
    np.testing.assert_array_equal(fill_gaps(holed, HOURS)[: 12 * HOURS], fill_gaps(later, HOURS)[: 12 * HOURS])


def test_lower_bounds_are_lifted_to_what_the_season_expects() -> None:
    load = weekly(3)
    capped = np.minimum(load, np.where(np.arange(len(load)) >= 14 * HOURS, 1.1, np.inf))
    bound = np.where(capped < load, capped, np.nan)
    lifted = lift_censored(capped, bound, HOURS)
    np.testing.assert_allclose(lifted, load, atol=1e-12)
    assert (lifted >= capped).all()


def test_a_lower_bound_above_the_expectation_stays() -> None:
    load = weekly(3)
    bound = np.full(len(load), np.nan)
    bound[400] = load[400] = 7.0
    assert lift_censored(load, bound, HOURS)[400] == 7.0


def test_statsmodels_is_imported_by_the_models_that_need_it_only() -> None:
    program = (
        "import sys, forecasting.models.tournament\n"
        "assert not {'statsmodels', 'scipy'} & set(sys.modules), 'imported too early'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_origins_type_is_used_as_given() -> None:
    origins: IntArray = np.arange(15 * HOURS, 21 * HOURS, 6)
    shapes = {model.name: model.predict(weekly(3), origins, 7, HOURS).shape for model in MODELS}
    assert set(shapes.values()) == {(24, 7)}
