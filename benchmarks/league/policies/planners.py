"""Planners in the manner of products: a quantile plan like AHPA's, and AWS-like predictive scaling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.league.policy import Past, Planner, Problem, Setting, register
from forecasting.backtest.floors import Peer, fleet_at, floor_path
from forecasting.backtest.sweep import FLOOR_TARGETS
from forecasting.models.base import FloatArray

AHPA_QUANTILES = (0.5, 0.8, 0.9, 0.95, 0.99)
PERIODIC = 0.3
"""Autocorrelation at a lag of one day below which no daily period is taken to exist."""


def ahpa_plan(past: Past) -> FloatArray:
    """A robust decomposition with quantiles of what is left, for the next day.

    Level: the median of the last day. Season: the median over the days of each phase, relative to
    each day's own median. Remainder: its quantiles within half an hour of the phase.
    """
    per_day = past.steps_per_day
    days = len(past.load) // per_day
    # Whole days before the origin: row = day, column = phase after the origin's time of day.
    table = past.load[len(past.load) - days * per_day :].reshape(days, per_day)
    medians = np.median(table, axis=1, keepdims=True)
    level = float(medians[-1, 0])
    centred = table - medians
    lagged, newer = centred[:-1].ravel(), centred[1:].ravel()
    spread = float(np.sqrt((lagged**2).sum() * (newer**2).sum()))
    periodic = days > 1 and spread > 0 and float((lagged * newer).sum()) / spread >= PERIODIC
    season = np.median(centred, axis=0) if periodic else np.zeros(per_day)
    left = centred - season
    reach = max(per_day // 48, 1)
    around = np.concatenate([np.roll(left, shift, axis=1) for shift in range(-reach, reach + 1)])
    quantiles = np.quantile(around if periodic else left.ravel(), AHPA_QUANTILES, axis=0)
    if not periodic:
        quantiles = np.repeat(quantiles[:, None], per_day, axis=1)
    one_day = (level + season)[:, None] + quantiles.T
    return one_day[np.arange(past.horizon) % per_day]


AHPA = Planner(
    key="ahpa-like",
    label="AHPA-like quantile plan",
    source="Alibaba Cloud documentation, 'AHPA overview': 7 days of history, 24 hours ahead, "
    "the larger of plan and reactive scaling; Zhou et al. 2023 (AAAI), robust decomposition",
    differences="medians in place of RobustSTL, a daily period only, no queueing model",
    forecast=ahpa_plan,
    knobs=AHPA_QUANTILES,
    history_days=7,
    horizon_hours=24,
)


@dataclass(frozen=True)
class AwsLike:
    """Hourly forecasts from 14 days at the target utilisation, launched up to an hour early."""

    key: str = "aws-like"
    label: str = "AWS-like predictive scaling"
    source: str = "EC2 Auto Scaling User Guide, 'How predictive scaling works'"
    differences: str = "AWS's model is not published: this project's forecast of hourly means, every 6 h"
    slow: bool = False
    library: str | None = None

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        for startup in problem.settings.boot_minutes:
            fleet = fleet_at(problem.fleet, lead_time_seconds=startup * 60)
            step = fleet.step_minutes
            for target in FLOOR_TARGETS:
                minimum = floor_path(
                    Peer(fleet, target, step),
                    problem.origin_forecasts,
                    problem.start,
                    len(problem.load),
                    baseline=fleet.floor,
                    step_minutes=step,
                )
                yield Setting(startup, "", target, minimum)


for policy in (AwsLike(), AHPA):
    register(policy)
