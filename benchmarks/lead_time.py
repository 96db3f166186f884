"""What a lead time learnt from boots gives, beside guesses that are twofold off, on pools that serve models.

    python -m benchmarks.lead_time [--traces FOLDER] [--walks FOLDER] [--seeds N] [--out FILE] [--picture FILE]

Boots are drawn per launch, log-normal around 5, 15 and 30 min, their p90 half as long again. Each run of the job knows the boots that were over by
then, of its own launches only. Writes a Markdown page and a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.lead_time_page import (
    GOALS,
    PEAK_INSTANCES,
    POOLS,
    SPREAD,
    Point,
    Policy,
    Results,
    Seed,
    page,
    picture,
    policies,
)
from benchmarks.replay import ROOT, SETTINGS, kept_walk
from benchmarks.short_lead_prior import arguments
from forecasting.backtest.floors import Predictive, fleet_at, floor_path
from forecasting.backtest.recommend import csv_fleet
from forecasting.backtest.run import window
from forecasting.backtest.short import DAY_TICKS, STEP_MINUTES, Ticks, short_needs, short_path
from forecasting.backtest.walk import Origin
from forecasting.leadtime import Boot, estimate
from forecasting.models.base import FloatArray
from forecasting.planning.capacity import JITTER_SECONDS
from forecasting.replay import Case, DayTotals, Provider, boots_around, clairvoyant_minutes, replay
from forecasting.replay.base import MINUTES_PER_DAY, IntArray
from forecasting.settings import Fleet
from forecasting.shortlead import TAUS, choose, day_totals, window_steps
from forecasting.shortlead import DayTotals as JudgedDay
from forecasting.shortlead.choice import WARM_DAYS
from forecasting.sources.files import read_csv

MEDIANS_MINUTES = (5, 15, 30)
SEEDS = 8
REACTIVE_TARGETS = tuple(float(target) for target in np.round(np.geomspace(0.15, 1.0, 30), 3))
LEVELS = SETTINGS.walk.quantiles
PLAN_STEP = SETTINGS.walk.step_minutes
FIRST_TAU, FIRST_LEVEL = TAUS.index(0.95), LEVELS.index(0.9)
"""Until there are days to choose by."""


@dataclass(frozen=True, eq=False)
class Pool:
    """A trace, its walk, and what the job would plan from it."""

    name: str
    fleet: Fleet
    origins: list[Origin]
    load: FloatArray
    ticks: Ticks
    plans: dict[tuple[pd.Timestamp, int, int], pd.Series[int] | None] = field(
        default_factory=dict[tuple[pd.Timestamp, int, int], "pd.Series[int] | None"]
    )
    _needs: dict[int, FloatArray] = field(default_factory=dict[int, FloatArray])
    _judged: dict[tuple[int, ...], list[JudgedDay]] = field(default_factory=dict[tuple[int, ...], list[JudgedDay]])

    @cached_property
    def start(self) -> pd.Timestamp:
        """First minute."""
        return self.origins[0].at

    @cached_property
    def scored(self) -> FloatArray:
        """Samples from the first origin on."""
        return self.ticks.load[self.ticks.scored :]

    @cached_property
    def begins(self) -> list[int]:
        """The first tick of each origin, and the end."""
        step = pd.Timedelta(minutes=STEP_MINUTES)
        return [*(int((origin.at - self.start) // step) for origin in self.origins), len(self.scored)]

    def needs(self, window: int) -> FloatArray:
        """What the short runs would ask for, shape (ticks, taus)."""
        if window not in self._needs:
            self._needs[window] = short_needs(self.ticks, window)
        return self._needs[window]

    def floors(self, levels: Sequence[int], leads: Sequence[float]) -> IntArray:
        """MinSize of each minute where each origin's run plans with its own quantile (by position) and lead time."""
        planner = _Led(
            self, dict(zip((origin.at for origin in self.origins), zip(levels, leads, strict=True), strict=True))
        )
        return floor_path(planner, self.origins, self.start, len(self.load), baseline=1, step_minutes=PLAN_STEP)

    def judged_needs(self, window: int, lead: float) -> list[JudgedDay]:
        """The days under each tau, as a job judges them that takes its boots for `lead` seconds."""
        key = (window, math.ceil(lead / 300))
        if key not in self._judged:
            floors = np.nan_to_num(np.ceil(self.needs(window) / self.fleet.load_per_instance - 1e-9), nan=1.0)
            self._judged[key] = day_totals(self.scored, floors, self.fleet.load_per_instance, key[1])
        return self._judged[key]

    def judged_plans(self, lead: float) -> list[JudgedDay]:
        """The days under each quantile of the plan, likewise."""
        key = (0, ahead_steps(lead), math.ceil(lead / 300))
        if key not in self._judged:
            count = len(self.origins)
            paths = [self.floors([level] * count, [lead] * count) for level in range(len(LEVELS))]
            ticks = np.stack([path[::STEP_MINUTES][: len(self.scored)] for path in paths], axis=1)
            self._judged[key] = day_totals(self.scored, ticks.astype(np.float64), self.fleet.load_per_instance, key[2])
        return self._judged[key]

    def job_floors(self, leads: Sequence[float], goal: float, *, short_runs: bool) -> IntArray:
        """MinSize of each minute as the job would have it: its knobs chosen daily from the days before, by the lead time that it believes in."""
        levels: list[int] = []
        wanted = np.full(len(self.scored), np.nan)
        for number, lead in enumerate(leads):
            span = slice(self.begins[number], self.begins[number + 1])
            day = span.start // DAY_TICKS
            level = choose(self.judged_plans(lead)[:day], goal)
            levels.append(FIRST_LEVEL if level is None else level)
            window = window_steps(lead) if short_runs else None
            if window is not None:
                tau = choose(self.judged_needs(window, lead)[:day], goal)
                wanted[span] = self.needs(window)[span, FIRST_TAU if tau is None else tau]
        return short_path(
            wanted, self.floors(levels, leads), self.fleet.load_per_instance, floor=1, ceiling=2 * PEAK_INSTANCES
        )


@dataclass(frozen=True, eq=False)
class _Led:
    """The job's plan, with the quantile and the lead time of each run."""

    pool: Pool
    known: dict[pd.Timestamp, tuple[int, float]]

    def plan(self, origin: Origin) -> pd.Series[int] | None:
        level, lead = self.known[origin.at]
        plans, key = self.pool.plans, (origin.at, level, ahead_steps(lead))
        if key not in plans:
            fleet = fleet_at(self.pool.fleet, quantile=LEVELS[level], lead_time_seconds=lead)
            plans[key] = Predictive(fleet, LEVELS, PLAN_STEP).plan(origin)
        return plans[key]


def ahead_steps(lead_seconds: float) -> int:
    """Whole steps of the plan that a lead time comes to: all that a plan sees of it."""
    return math.ceil((lead_seconds + JITTER_SECONDS) / (60 * PLAN_STEP))


def known_leads(boots: IntArray, start: pd.Timestamp, origins: Sequence[Origin], prior: float) -> list[float]:
    """The p90 that the run at each origin knows from the boots before it; `boots` are minutes of boot by minute of launch, 0 for none."""
    began = start.to_pydatetime()
    seen = [
        Boot("", "cold", began + timedelta(minutes=int(minute)), 60.0 * int(boots[minute]))
        for minute in np.flatnonzero(boots)
    ]
    return [estimate(seen, prior, now=origin.at.to_pydatetime()).p90_seconds for origin in origins]


def played(pool: Pool, provider: Provider, p90: float, seed: int) -> tuple[list[Policy], DayTotals]:
    """All policies' days.

    What a run learns changes later boots, and only later ones. So the replay is repeated with the lead times that the one before taught: each time
    one origin more is settled, and it is done when none changes.
    """
    every = policies()
    leads = {policy.name: [policy.guess * p90] * len(pool.origins) for policy in every}
    while True:
        cases = [
            Case(
                policy.name,
                provider,
                pool.job_floors(leads[policy.name], policy.goal, short_runs=policy.short_runs),
                1.0,
                2 * PEAK_INSTANCES,
            )
            for policy in every
        ]
        found = replay(pool.load, pool.fleet.load_per_instance, cases, keep=list(leads), seed=seed)
        after = leads | {
            policy.name: known_leads(found.capacity[policy.name].boots, pool.start, pool.origins, policy.guess * p90)
            for policy in every
            if policy.learns
        }
        if after == leads:
            return every, found.days
        leads = after


def reactive_days(pool: Pool, provider: Provider, seed: int) -> tuple[list[JudgedDay], DayTotals]:
    """Reactive scaling alone: the days of each target."""
    cases = [Case(f"{target}", provider, 1, target, 2 * PEAK_INSTANCES) for target in REACTIVE_TARGETS]
    days = replay(pool.load, pool.fleet.load_per_instance, cases, seed=seed).days
    judged = [
        JudgedDay(days.instance_minutes[day], days.uncovered[day], float(days.load[day]))
        for day in range(len(days.load))
    ]
    return judged, days


def outcomes(pool: Pool, median_minutes: float, seed: int) -> Seed:
    """Every policy under one seed."""
    p90 = 60.0 * median_minutes * SPREAD
    provider = Provider(boots_around(60.0 * median_minutes, SPREAD))
    best = clairvoyant_minutes(pool.load, pool.fleet.load_per_instance, round(p90 / 60))[WARM_DAYS * MINUTES_PER_DAY :]
    every, days = played(pool, provider, p90, seed)
    later = days.since(WARM_DAYS)
    load, paid = float(later.load.sum()), float(best.sum())
    found = {
        policy.name: Point(
            float(later.instance_minutes[:, column].sum()) / paid, float(later.uncovered[:, column].sum()) / load
        )
        for column, policy in enumerate(every)
    }
    judged, days = reactive_days(pool, provider, seed)
    for goal in GOALS:
        columns = [choose(judged[:day], goal) or 0 for day in range(WARM_DAYS, len(judged))]
        rows = np.arange(WARM_DAYS, len(judged))
        found[f"reactive/{goal}"] = Point(
            float(days.instance_minutes[rows, columns].sum()) / paid, float(days.uncovered[rows, columns].sum()) / load
        )
    return found


def read_pool(name: str, traces: Path, walks: Path | None) -> Pool:
    """A trace and its walk."""
    reading = read_csv(traces / f"{name}.csv")
    peak = float(reading.load.max())
    fleet = csv_fleet(f"{name}.csv", peak / PEAK_INSTANCES, peak)
    origins = kept_walk(name, reading, fleet, walks)
    load = window(reading, origins)
    ticks = Ticks.of(reading.load, reading.sample_seconds, origins, len(load), LEVELS, PLAN_STEP)
    assert ticks is not None
    return Pool(name, fleet, origins, load, ticks)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "lead_time.md")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "lead-time.svg")
    given = parser.parse_args()
    results: Results = {}
    for name in POOLS:
        pool = read_pool(name, given.traces, given.walks)
        for minutes in MEDIANS_MINUTES:
            results[name, minutes] = [outcomes(pool, minutes, seed) for seed in range(given.seeds)]
            print(f"{name}: boots around {minutes} min done", flush=True)
    given.out.write_text(page(results), encoding="utf-8")
    given.picture.write_text(picture(results), encoding="utf-8")
    print(f"wrote {given.out} and {given.picture}")


if __name__ == "__main__":
    main()
