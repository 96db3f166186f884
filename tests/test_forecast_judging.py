"""How the tournament judges: who is left out, and what serves where none is left."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from forecasting.models.base import FloatArray, IntArray, PointModel
from forecasting.models.naive import SeasonalNaive
from forecasting.models.tournament import BLEND, run
from tests.forecasts import assert_sound, task, weeks

CHEAP = list(BLEND)


@dataclass
class Fake:
    """A model that does what a test says."""

    name: str = "fake"
    level: float = 0.0
    error: Exception | None = None
    warning: type[Warning] | None = None

    def minimum_steps(self, steps_per_day: int) -> int:
        return steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        if self.error is not None:
            raise self.error
        if self.warning is not None:
            warnings.warn("it would not settle", self.warning, stacklevel=1)
        return np.full((len(origins), horizon), self.level)


class ConvergenceWarning(UserWarning):
    """Named as statsmodels names its own."""


@pytest.mark.parametrize(
    ("fake", "reason"),
    [
        (Fake(error=ValueError("singular")), "ValueError: singular"),
        (Fake(error=MemoryError()), "MemoryError"),
        (Fake(level=np.nan), "not finite"),
        (Fake(level=np.inf), "not finite"),
        (Fake(level=1e6), "diverged: more than 10 times"),
        (Fake(level=-1e6), "diverged: more than 10 times"),
        (Fake(warning=ConvergenceWarning), "did not converge: it would not settle"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_that_fails_is_left_out_by_name(fake: PointModel, reason: str) -> None:
    found = run(task(weeks(3)), [fake, *CHEAP])
    assert reason in found.model.left_out["fake"]
    assert "fake" not in found.model.weights
    without = run(task(weeks(3)), CHEAP)
    pd.testing.assert_frame_equal(found.quantiles, without.quantiles)


def test_another_warning_leaves_a_model_in_and_does_not_leak() -> None:
    found = run(task(weeks(3)), [Fake(level=0.5, warning=RuntimeWarning)])
    assert found.model.weights == {"fake": 1.0}


@pytest.mark.parametrize(("days", "floor"), [(5, "seasonal-naive-day"), (8, "seasonal-naive-week")])
def test_where_all_fail_the_seasonal_naive_forecast_serves(days: int, floor: str) -> None:
    found = run(task(weeks(2).iloc[: days * 24]), [Fake(error=ValueError("no"))])
    assert found.model.weights == {floor: 1.0}
    assert_sound(found, 24, 2)


@dataclass
class Watch:
    """A clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Slow:
    """A model that takes its time, on the test's clock."""

    watch: Watch
    seconds: float
    name: str = "slow"

    def minimum_steps(self, steps_per_day: int) -> int:
        return steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        self.watch.now += self.seconds
        return np.full((len(origins), horizon), 0.5)


def test_a_model_that_overruns_its_share_is_left_out_and_the_others_still_run() -> None:
    watch = Watch()
    found = run(task(weeks(3), budget_seconds=10), [Slow(watch, 6.0), SeasonalNaive("next", 1)], watch)
    assert "took 6 s; its share of the budget was 5 s" in found.model.left_out["slow"]
    assert found.model.weights == {"next": 1.0}


def test_once_the_budget_is_spent_no_model_starts() -> None:
    watch = Watch()
    found = run(task(weeks(3), budget_seconds=10), [Slow(watch, 11.0), SeasonalNaive("next", 1)], watch)
    assert "spent before its turn" in found.model.left_out["next"]
    assert found.model.weights == {"seasonal-naive-week": 1.0}


def test_a_model_within_its_share_stays() -> None:
    watch = Watch()
    assert run(task(weeks(3), budget_seconds=10), [Slow(watch, 4.0)], watch).model.left_out == {}
