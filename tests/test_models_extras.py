"""Models of other libraries: what each promises where its library is installed, and what serves where it is not."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from forecasting import forecast
from forecasting.models.base import PointModel
from forecasting.models.extras import EXTRA_MODELS, Refitted, origin_features
from tests.forecasts import assert_sound, weeks

LIBRARY = {"lightgbm": "lightgbm", "prophet": "prophet", "auto-arima": "statsforecast", "mstl": "statsforecast"}
HOURS = 24


def installed(model: PointModel) -> bool:
    return find_spec(LIBRARY[model.name]) is not None


@pytest.mark.filterwarnings("ignore")  # what the libraries warn of is theirs; `forecast` collects it
@pytest.mark.parametrize("model", EXTRA_MODELS, ids=lambda model: model.name)
def test_with_its_library_it_forecasts_a_weekly_load(model: PointModel) -> None:
    if not installed(model):
        pytest.skip(f"needs {LIBRARY[model.name]}, of the extra `models`")
    history = weeks(4)
    load = history.to_numpy(float) / 100
    origins = np.array([20 * HOURS, 27 * HOURS, 28 * HOURS])
    found = model.predict(load, origins, 48, HOURS)
    assert found.shape == (3, 48)
    assert np.isfinite(found[-1]).all()
    changed = load.copy()
    changed[27 * HOURS :] *= 3
    before = model.predict(changed, origins, 48, HOURS)
    np.testing.assert_allclose(
        before[:2], found[:2], rtol=1e-3, err_msg="an origin knows nothing of what comes after it"
    )
    named = forecast(history, 48, model=model.name, budget_seconds=600)
    assert named.model.weights == {model.name: 1.0}
    assert_sound(named, 48, 3)
    assert np.abs(named.quantiles[0.5].to_numpy() - history.to_numpy(float)[-168:-120]).mean() < 12


@pytest.mark.parametrize("model", EXTRA_MODELS, ids=lambda model: model.name)
def test_without_its_library_it_is_left_out_by_name(model: PointModel) -> None:
    if installed(model):
        pytest.skip(f"{LIBRARY[model.name]} is installed")
    found = forecast(weeks(3), 24, model=model.name)
    assert found.model.weights == {"seasonal-naive-week": 1.0}
    assert LIBRARY[model.name] in found.model.left_out[model.name]


def test_a_costly_model_is_fitted_at_the_newest_origin_of_a_few_days_only() -> None:
    fits: list[int] = []

    def path(
        load: np.ndarray[tuple[int], np.dtype[np.float64]], horizon: int, steps_per_day: int
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        fits.append(len(load))
        return np.full(horizon, load[-1])

    origins = np.arange(14 * HOURS, 28 * HOURS + 1, 6)
    found = Refitted("slow", path, origins=3).predict(np.arange(28.0 * HOURS), origins, 5, HOURS)
    assert fits == [25 * HOURS, 26 * HOURS, 27 * HOURS, 28 * HOURS]
    assert np.isfinite(found).all(axis=1).sum() == 4


def test_features_know_only_what_came_before_the_origin() -> None:
    load = np.asarray(weeks(3), np.float64)
    origins = np.array([15 * HOURS])
    changed = load.copy()
    changed[15 * HOURS :] = 0
    for ours, theirs in zip(
        origin_features(load, origins, 48, HOURS), origin_features(changed, origins, 48, HOURS), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
