"""Rolling origins inside a history: where the models compete."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.models.base import FloatArray, IntArray
from forecasting.models.gaps import fill_gaps, lift_censored
from forecasting.models.level import Level
from forecasting.models.naive import SeasonalNaive
from forecasting.models.peaks import Peaks
from forecasting.models.task import Task

ORIGIN_DAYS = 14
ORIGIN_HOURS = 6
HALF_LIFE_DAYS = 6.0
"""What an origin says fades with its age: a level that moved and a flash crowd are forgotten in weeks, and no model is judged by few origins."""

PRIOR_ORIGINS = 2
"""A model is judged as if it had also been as good as the daily naive forecast at so many origins: few good ones do not make it the only one."""

_NEGLIGIBLE = 1e-9
"""An error below this, relative to loads near 1, is none."""


@dataclass(frozen=True)
class Origins:
    """The origins of one task: every six hours of the last 14 days, as far as a day of history comes before.

    Attributes:
        load: The history as the models see it: gaps and lower bounds filled in, at the present level, without recurring peaks and flash crowds.
        positions: Ascending; the last is the end of the history, from which the forecast itself is made.
        actual: What came after each origin but the last, at the present level, shape (origins - 1, horizon), NaN where nobody knows.
        naive_error: Absolute error of the daily naive forecast, same shape.
        weights: How much each origin but the last counts, shape (origins - 1,), halving every `HALF_LIFE_DAYS`.
        peaks: Recurring peaks, which the models do not see.
        level: What brought the history to the present level.
    """

    load: FloatArray
    positions: IntArray
    actual: FloatArray
    naive_error: FloatArray
    weights: FloatArray
    peaks: Peaks
    level: Level

    @classmethod
    def of(cls, task: Task) -> Origins:
        """The origins inside a task's history."""
        lifted = lift_censored(task.load, task.bound, task.steps_per_day)
        peaks = Peaks.split(fill_gaps(lifted, task.steps_per_day), task.steps_per_day)
        level = Level.of(peaks.calm, task.steps_per_day)
        load = level.apply(peaks.calm)
        happened = level.apply(np.where(peaks.crowds, np.nan, lifted - peaks.excess))
        steps, horizon = len(load), task.clock.horizon
        spacing = max(task.steps_per_day * ORIGIN_HOURS // 24, 1)
        earliest = max(steps - ORIGIN_DAYS * task.steps_per_day, task.steps_per_day)
        positions = np.arange(steps, earliest - 1, -spacing, dtype=np.int64)[::-1]
        ahead = positions[:-1, None] + np.arange(horizon)
        actual = np.where(ahead < steps, happened[np.minimum(ahead, steps - 1)], np.nan)
        naive = SeasonalNaive("", 1).predict(load, positions[:-1], horizon, task.steps_per_day)
        weights = np.exp2((positions[:-1] - steps) / (HALF_LIFE_DAYS * task.steps_per_day))
        return cls(load, positions, actual, np.abs(naive - actual), weights, peaks, level)

    @property
    def judged(self) -> int:
        """Number of origins with a known future."""
        return int(np.isfinite(self.actual).any(axis=1).sum())

    def error(self, predictions: FloatArray) -> float:
        """Mean absolute error of predictions from all positions, zero where nothing is known."""
        return self._mean(np.abs(predictions[:-1] - self.actual))

    def relative_error(self, predictions: FloatArray) -> float:
        """The error over the daily naive forecast's on the same steps (models differ in where they can predict), drawn to 1."""
        errors = np.abs(predictions[:-1] - self.actual)
        naive = self._mean(np.where(np.isfinite(errors), self.naive_error, np.nan))
        judged = float(self.weights @ np.isfinite(errors).sum(axis=1)) / self.actual.shape[1]
        prior = PRIOR_ORIGINS * self._mean(self.naive_error) + _NEGLIGIBLE
        return (judged * self._mean(errors) + prior) / (judged * naive + prior)

    def _mean(self, errors: FloatArray) -> float:
        """Mean of what is known, by the weights of the origins; zero where nothing is."""
        known = np.isfinite(errors)
        total = float(self.weights @ known.sum(axis=1))
        return float(self.weights @ np.where(known, errors, 0.0).sum(axis=1)) / total if total else 0.0
