"""What the short-lead update writes, and what its actions do, through the schedule that the job builds.

    python -m benchmarks.short_lead_writes [--traces FOLDER] [--walks FOLDER] [--days 7] [--boot 20] [--tau 0.95]

Walks the last days of each trace twice on Auto Scaling's rules: a full run every six hours, and with it an update every five minutes, which plans
the slots of the next quarter of an hour anew. Prints the mutating calls a day; then the cost and the uncovered load of both, beside the update whose
every tick acts five minutes later, off any grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.replay import PEAK_INSTANCES, SETTINGS, TRACES
from benchmarks.scheduling import plain_request
from benchmarks.short_lead import DAY, by_minute, short_floors
from benchmarks.short_lead_prior import Trace, arguments, learn, read_trace
from forecasting.backtest.floors import Predictive, fleet_at
from forecasting.backtest.recommend import csv_fleet
from forecasting.models.base import FloatArray
from forecasting.planning.base import Plan
from forecasting.replay import Case, Provider, clairvoyant_minutes, replay
from forecasting.replay.base import IntArray
from forecasting.schedule.actions import GroupState, ScheduledAction
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Slot
from forecasting.shortlead import STEP, TAUS, relevel
from forecasting.shortlead.relevel import REACH
from forecasting.targets.aws_rules import make_diff


@dataclass(frozen=True, eq=False)
class Walked:
    """A walk: writes of each run, and MinSize in each minute."""

    full_writes: list[int]
    short_writes: list[int]
    floors: IntArray


def walked(trace: Trace, wanted: FloatArray | None, boot: int, first: int) -> Walked:
    """Run after run from tick `first` on; `wanted` are the needs per scored tick, None for full runs alone."""
    fleet = csv_fleet(trace.name, trace.peak / PEAK_INSTANCES, trace.peak)
    fleet = fleet_at(fleet, quantile=0.9, lead_time_seconds=60.0 * boot)
    planner = Predictive(fleet, SETTINGS.walk.quantiles, SETTINGS.walk.step_minutes)
    plans = {origin.at: planned for origin in trace.origins if (planned := planner.plan(origin)) is not None}
    full: list[int] = []
    short: list[int] = []
    standing: tuple[Slot, ...] = ()
    plan: Plan | None = None
    min_size, floors = fleet.floor, [fleet.floor] * (5 * (len(trace.load) - trace.scored - first))
    for tick in range(first, len(trace.load) - trace.scored):
        at = trace.begin + (trace.scored + tick) * STEP
        now = at.to_pydatetime()
        due = [slot for slot in standing if slot.start <= now]
        min_size = due[-1].floor if due else min_size
        standing = tuple(slot for slot in standing if slot.start > now)
        if at in plans:
            floor = plans[at]
            plan = Plan(floor, floor, floor.astype(float), fleet.floor)
            asked = plan
        elif plan is not None and wanted is not None:
            asked = relevel(plan, int(wanted[tick]), now=now, ceiling=fleet.ceiling)
        else:
            asked = None
        if asked is not None:
            owned = {slot.start: ScheduledAction(slot.name, slot.start, slot.floor) for slot in standing}
            group = GroupState(min_size, 10 * PEAK_INSTANCES, min_size, tuple(owned.values()))
            request = plain_request(fleet, asked, group, now)
            if at not in plans:
                request = replace(request, until=now + REACH)
            diff = make_diff(owned, schedule := build_schedule(request), now)
            standing = tuple(sorted({*schedule.slots, *diff.imminent}))
            (full if at in plans else short).append(diff.writes)
        for minute in range(5):
            moment = pd.Timestamp(now) + pd.Timedelta(minutes=minute)
            acting = [slot.floor for slot in standing if slot.start <= moment]
            floors[5 * (tick - first) + minute] = acting[-1] if acting else min_size
    return Walked(full[1:], short, np.array(floors, dtype=np.int32))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--boot", type=int, default=20)
    parser.add_argument("--tau", type=float, choices=TAUS, default=0.95)
    given = parser.parse_args()
    traces = {name: read_trace(name, given.traces, given.walks) for name in TRACES}
    window, provider = math.ceil(given.boot / 5) + 3, Provider(60.0 * given.boot)
    print(
        "| trace | writes a day, full runs | with updates | most in one update | full runs | updates | updates off the grid |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, trace in traces.items():
        others = [other for other in traces.values() if other is not trace]
        wanted = short_floors(trace, trace.features(window), learn(others, window), window)[:, TAUS.index(given.tau)]
        # A whole number of days, from an origin on.
        first = len(wanted) - given.days * DAY
        alone, both = walked(trace, None, given.boot, first), walked(trace, wanted, given.boot, first)
        load, per_instance = trace.minutes[5 * first :], trace.peak / PEAK_INSTANCES
        paths = (alone.floors, both.floors, by_minute(wanted[first:], 5))
        cases = [Case(str(place), provider, path, 1.0, 60) for place, path in enumerate(paths)]
        totals = replay(load, per_instance, cases).days
        cost = totals.instance_minutes.sum(axis=0) / clairvoyant_minutes(load, per_instance, given.boot).sum()
        missing = 100 * totals.uncovered.sum(axis=0) / totals.load.sum()
        cells = [f"{c:.2f} ({u:.2f} %)" for c, u in zip(cost, missing, strict=True)]
        writes = sum(both.full_writes) + sum(both.short_writes)
        print(
            f"| {name} | {sum(alone.full_writes) / given.days:.0f} | {writes / given.days:.0f} | {max(both.short_writes)} | "
            + " | ".join(cells)
            + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
