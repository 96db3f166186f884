"""A day at both cadences against the strict double, on its clock.

    python -m benchmarks.short_runs [--fleets 4] [--hours 24] [--boot 20] [--traces FOLDER]

Full runs every six hours with the real models, short runs every five minutes between them, loads of 5 min that jump now and then, or the last days of
real traces, one a fleet. Prints the mutating calls of the first plan, those a day and fleet after it and the most in five minutes, refusals of the
double, minutes in which MinSize was below what the last short runs had found to be needed, and what a short run takes in processor time beside its
calls (to the cloud, the source and the store).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.throughput import NOW, TRACES, InProcess, fleet_data, prepare
from elastic_iac.local.aws import LocalAws, local_aws
from forecasting.job import run_fleet
from forecasting.run import FleetResult, Run
from forecasting.settings import Job, parse_job
from forecasting.shortrun import run_fleet_short
from forecasting.sources.files import FileSource, read_csv
from forecasting.store.local import LocalStore
from forecasting.targets.aws import AutoScalingTarget

FULL_MINUTES, SHORT_MINUTES = 360, 5


def write_loads(count: int, folder: Path, hours: int) -> None:
    """Samples of 5 min: a day, a week, noise that lasts an hour, and five jumps a day that last two hours."""
    index = pd.date_range(NOW - timedelta(days=15), NOW + timedelta(hours=hours + 1), freq="5min").floor("5min")
    hour = np.asarray(index.hour) + np.asarray(index.minute) / 60
    for number in range(count):
        dice = np.random.default_rng(number)
        shape = 0.3 + np.exp(-(((hour - dice.uniform(9, 18)) / dice.uniform(2, 6)) ** 2))
        shape *= np.where(np.asarray(index.day_of_week) >= 5, dice.uniform(0.4, 1.2), 1.0)
        slow = pd.Series(dice.normal(0, 0.1, len(index))).ewm(span=12).mean().to_numpy()
        jumps = np.zeros(len(index))
        for at in dice.integers(0, len(index), len(index) // 58):
            jumps[at : at + 24] = dice.uniform(0.1, 0.6)
        load = pd.Series(
            dice.uniform(400, 2000) * shape * np.exp(slow + dice.normal(0, 0.03, len(index))) * (1 + jumps), index=index
        )
        load.rename("value").rename_axis("timestamp").to_csv(
            folder / f"fleet-{number}.csv", date_format="%Y-%m-%dT%H:%M:%SZ"
        )


def write_traces(count: int, folder: Path, hours: int, traces: Path) -> None:
    """The last 15 days of a trace, as if its last hours were those to come; the largest load needs 40 instances."""
    loads = [read_csv(traces / name).load for name in TRACES]
    for number in range(count):
        load = loads[number % len(loads)]
        stamps = pd.DatetimeIndex(load.index)
        later = pd.Timestamp(NOW + timedelta(hours=hours + 1)).floor("D") - stamps[-1].floor(
            "D"
        )  # its hours of the day are kept
        load = load.set_axis(stamps + later)
        load = load[load.index >= pd.Timestamp(NOW - timedelta(days=15))] * (2000 / load.max())
        load.rename("value").rename_axis("timestamp").to_csv(
            folder / f"fleet-{number}.csv", date_format="%Y-%m-%dT%H:%M:%SZ"
        )


class Calls:
    """Processor time spent in calls, which is not the run's own."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False
        calls = {
            AutoScalingTarget: ("read", "put", "delete"),
            FileSource: ("read",),
            LocalStore: ("get", "put", "keys"),
        }
        for owner, names in calls.items():
            for name in names:
                setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            if self._inside:
                return call(*args, **options)
            self._inside, began = True, time.process_time()
            try:
                return call(*args, **options)
            finally:
                self.seconds += time.process_time() - began
                self._inside = False

        return timed


def day(aws: LocalAws, job: Job, hours: int, calls: Calls) -> None:
    writes: Counter[tuple[str, str]] = Counter()
    burst: list[int] = []
    spent: list[float] = []
    needed: dict[str, list[tuple[Any, int]]] = {fleet.name: [] for fleet in job.fleets}
    statuses: Counter[str] = Counter()
    for tick in range(hours * 60 // SHORT_MINUTES):
        aws.clock.advance_to(NOW + tick * timedelta(minutes=SHORT_MINUTES))
        full = tick * SHORT_MINUTES % FULL_MINUTES == 0
        made = 0
        for fleet in job.fleets:
            run = Run(job, aws.clock.now(), session=InProcess(aws), clock=aws.clock.now)  # pyright: ignore[reportArgumentType]
            calls.seconds, began = 0.0, time.process_time()
            result: FleetResult = (run_fleet if full else run_fleet_short)(run, fleet)
            if not full:
                spent.append(time.process_time() - began - calls.seconds)
                if result.needed is not None:
                    needed[fleet.name].append((run.now, min(result.needed, fleet.ceiling)))
            kind = "first" if not tick else "full" if full else "short"
            statuses[f"{kind} {result.status} {result.code}".strip()] += 1
            writes[kind, fleet.name] += result.written
            made += result.written
        if not full:
            burst.append(made)
    refused = sum(call.mutating and (call.status or 0) >= 400 for call in aws.calls)
    below = sum(_below(aws, name, found) for name, found in needed.items())
    fleets, days = len(job.fleets), hours / 24
    first, later = (sum(count for (kind, _), count in writes.items() if kind == which) for which in ("first", "full"))
    short = [count for (kind, _), count in writes.items() if kind == "short"]
    print(f"runs: {dict(statuses)}")
    short_mean, short_most = sum(short) / fleets / days, max(short) / days
    print(f"mutating calls of the first plan, a fleet: {first / fleets:.0f}")
    print(
        f"after it, a day and fleet: full runs {later / fleets / days:.0f}, short runs {short_mean:.0f} (at most {short_most:.0f})"
    )
    print(f"most in one short run of {fleets} fleets: {max(burst)}; refused by the double: {refused}")
    print(f"minutes with MinSize below what was needed, from five to ten minutes after each tick: {below}")
    milliseconds = 1000 * np.array(spent)
    print(
        f"a short run beside its calls: median {np.median(milliseconds):.1f} ms, p95 {np.quantile(milliseconds, 0.95):.1f} ms of processor time"
    )


def _below(aws: LocalAws, name: str, needed: list[tuple[Any, int]]) -> int:
    """An action begins three to five minutes after its tick, and the double runs it on time; where the next tick says less, less may be there."""
    end = aws.clock.now()
    missed = 0
    for (at, wanted), (later, newer) in pairwise(needed):
        begin, until = at + timedelta(minutes=5), at + timedelta(minutes=10)
        if until < end:
            soonest = min(max(later + timedelta(minutes=3), begin), until)
            missed += sum(floor < wanted for floor in aws.min_size_by_minute(name, begin, soonest))
            missed += sum(floor < min(wanted, newer) for floor in aws.min_size_by_minute(name, soonest, until))
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleets", type=int, default=4)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--boot", type=int, default=20)
    parser.add_argument("--traces", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, local_aws(now=NOW) as aws:
        folder = Path(name)
        prepare(aws, folder, given.fleets)
        if given.traces:
            write_traces(given.fleets, folder, given.hours, given.traces)
        else:
            write_loads(given.fleets, folder, given.hours)
        fleets = [
            {**fleet_data(number, folder), "lead_time_seconds": 60 * given.boot} for number in range(given.fleets)
        ]
        store = {"kind": "local", "path": str(folder / "store")}
        job = parse_job({"name": "bench", "owner": "bench", "store": store, "fleets": fleets})
        aws.calls.clear()
        day(aws, job, given.hours, Calls())


if __name__ == "__main__":
    main()
