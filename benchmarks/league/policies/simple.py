"""Policies without a forecast: target tracking, a constant minimum, a schedule by hour of the week."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.league.policy import Past, Planner, Problem, Setting, register
from forecasting.backtest.sweep import CONSTANT_SHARES, CONSTANT_TARGETS, REACTIVE_TARGETS
from forecasting.models.base import FloatArray, IntArray

HOURS_PER_WEEK = 168
CRON_QUANTILES = (0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class TargetTracking:
    """Reactive scaling alone, at 25 targets."""

    key: str = "target-tracking"
    label: str = "target tracking"
    source: str = "Amazon EC2 Auto Scaling User Guide, 'Target tracking scaling policies'"
    differences: str = "the metric has no cap and no delay, which favours it"
    slow: bool = False
    library: str | None = None

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        for startup in problem.settings.boot_minutes:
            for target in REACTIVE_TARGETS:
                yield Setting(startup, "", target, problem.fleet.floor)


@dataclass(frozen=True)
class ConstantMinimum:
    """One minimum for all time, in shares of the highest load before the simulated days."""

    key: str = "constant"
    label: str = "constant minimum"
    source: str = "the usual MinSize"
    differences: str = "levels up to twice the highest load of the days before; target tracking above"
    slow: bool = False
    library: str | None = None

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        before = problem.samples[problem.samples.index < problem.start]
        peak = float(before.max()) / problem.fleet.load_per_instance
        shares = (*CONSTANT_SHARES, 1.25, 1.5, 2.0)
        levels = sorted({max(round(share * peak), problem.fleet.floor) for share in shares})
        for startup in problem.settings.boot_minutes:
            for target in CONSTANT_TARGETS:
                for level in levels:
                    yield Setting(startup, f"{level}", target, level)


def last_week(past: Past) -> FloatArray:
    """The load a week before each step, a day before if there is no week, times each headroom."""
    season = past.steps_per_day * (7 if len(past.load) >= 7 * past.steps_per_day else 1)
    positions = len(past.load) - season + np.arange(past.horizon) % season
    return past.load[positions][:, None] * np.array(LAST_WEEK.knobs)


def hour_of_week(past: Past) -> FloatArray:
    """Quantiles of the samples of the same hour of the week; of the day while there is no week."""
    weekly = len(past.load) >= 7 * past.steps_per_day
    period = HOURS_PER_WEEK if weekly else 24

    known, ahead = _hours(past.index) % period, _hours(past.ahead) % period
    found = np.empty((period, len(CRON_QUANTILES)))
    for hour in range(period):
        same = past.load[known == hour]
        found[hour] = np.quantile(same if len(same) else past.load, CRON_QUANTILES)
    return found[ahead]


def _hours(index: pd.DatetimeIndex) -> IntArray:
    """Whole hours since 1970."""
    return (index.as_unit("s").asi8 // 3600).astype(np.int64)


LAST_WEEK = Planner(
    key="last-week",
    label="last week's load",
    source="seasonal naive forecast (Hyndman and Athanasopoulos, Forecasting, 5.2)",
    differences="planned a startup time early, times a headroom",
    forecast=last_week,
)
CRON = Planner(
    key="cron",
    label="hour-of-week cron",
    source="recurring scheduled actions (EC2 Auto Scaling User Guide); the KEDA cron scaler",
    differences="the schedule is renewed daily from at most 28 days; a person would do so rarely",
    forecast=hour_of_week,
    knobs=CRON_QUANTILES,
    every_hours=24,
)

for policy in (TargetTracking(), ConstantMinimum(), LAST_WEEK, CRON):
    register(policy)
