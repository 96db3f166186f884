"""What a forecast is and what a model must do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DEFAULT_QUANTILES = (0.5, 0.9, 0.95)


@dataclass(frozen=True)
class ModelChoice:
    """What was chosen and why.

    Attributes:
        name: `auto` or a model's name.
        weights: Weight of each model in the forecast; they sum to 1.
        errors: Mean absolute error of each model over the rolling origins, in the load's unit.
        left_out: Why a model is not in the forecast: it failed, diverged, overran its budget, or the history is too short for it.
        origins: Number of rolling origins behind the errors.
        notes: What a person should know of what was learnt from.
    """

    name: str
    weights: dict[str, float]
    errors: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    origins: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line a person reads, e.g. `auto: ets 41%, sarima 38%, seasonal-naive-week 21% (by error over 28 origins)`."""
        shares = ", ".join(
            f"{name} {weight:.0%}"
            for name, weight in sorted(self.weights.items(), key=lambda item: -item[1])
            if weight >= 0.005
        )
        return (
            f"{self.name}: {shares} (by error over {self.origins} origins)"
            if self.origins
            else f"{self.name}: {shares}"
        )


@dataclass(frozen=True)
class Forecast:
    """Quantiles of the load for each step of the horizon.

    Attributes:
        quantiles: One row per step (UTC start of the step, regular), one column per quantile (float, ascending); non-negative, finite, not crossing.
        model: What was chosen and why.
    """

    quantiles: pd.DataFrame
    model: ModelChoice

    @property
    def step(self) -> pd.Timedelta:
        """Length of a step."""
        index = cast("pd.DatetimeIndex", self.quantiles.index)
        return index[1] - index[0] if len(index) > 1 else pd.Timedelta(cast("pd.offsets.Tick", index.freq))


class PointModel(Protocol):
    """Forecasts the mean load from rolling origins.

    Models work on plain arrays: the tournament owns time stamps, the time zone, gaps, quantiles, budgets and failures.
    """

    @property
    def name(self) -> str:
        """The name used in settings and records."""
        ...

    def minimum_steps(self, steps_per_day: int) -> int:
        """History that the model needs, in steps."""
        ...

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """Forecast from every origin at once, so that the rolling origins cost little more than the forecast itself.

        Args:
            load: The whole series (1-D, non-negative, no gaps), of a magnitude near 1, on local wall-clock steps.
            origins: Ascending positions in `load`; the last may be `len(load)`.
            horizon: Number of steps.
            steps_per_day: Steps in a day.

        Returns:
            Shape (origins, horizon): row i forecasts the steps from `origins[i]` on and knows `load[: origins[i]]` only; a row of NaN where the
            history before that origin is too short. May raise or return nonsense: the caller checks.
        """
        ...
