"""How many fleets one invocation serves: `python -m benchmarks.throughput`.

`calls`: whole invocations, with the real models, against the double in this process, which grants ten mutating calls a second and takes 60 ms
for each call. Real time, but a sample of it: an invocation has a tenth of Lambda's 15 minutes, and what a whole one does is ten times as much.

`fit`: reading from memory, cleaning, all models, plan and slots for distinct loads, one after the other and without any call, as the job does it.

`memory`: the peak of a process that serves N fleets, and of one that serves 4 N.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.fleet_run import peak_mb
from benchmarks.job import ONE_THREAD, ROOT
from benchmarks.scheduling import plain_request
from elastic_iac.local.aws import LocalAws, local_aws
from elastic_iac.local.faults import Fault
from forecasting.history import build_history
from forecasting.invocation import Summary, invoke
from forecasting.models.tournament import forecast
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import Headroom
from forecasting.schedule.actions import GroupState
from forecasting.schedule.aws import build_schedule
from forecasting.settings import Fleet, Job, parse_fleet, parse_job
from forecasting.sources.base import Reading
from forecasting.sources.files import read_csv
from forecasting.store import open_store
from forecasting.store.ledger import Ledger

DAYS = 28
SCALE = 10
"""An invocation of the sample has this part of 15 minutes."""
BUDGET_SECONDS = 900 / SCALE
CALL_SECONDS = 0.06
GRANTED_PER_SECOND = 10
NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
TRACES = ("llm_qwen_small_5min.csv", "wc98_5min.csv", "tweets_amzn_5min.csv", "azurevm_5min.csv", "google2019_5min.csv")


def load_of(number: int, now: datetime = NOW, after_hours: float = 3) -> pd.Series[float]:
    """A load of its own for each number: height, hours of the peak, weekends and noise differ."""
    random = np.random.default_rng(number)
    index = pd.date_range(now - timedelta(days=DAYS), now + timedelta(hours=after_hours), freq="15min").floor("15min")
    hour = index.hour.to_numpy() + index.minute.to_numpy() / 60
    day = 0.3 + np.exp(-(((hour - random.uniform(9, 18)) / random.uniform(2, 6)) ** 2))
    week = np.where(index.day_of_week.to_numpy() >= 5, random.uniform(0.4, 1.2), 1.0)
    noise = np.exp(random.normal(0, random.uniform(0.03, 0.15), len(index)))
    return pd.Series(random.uniform(200, 2000) * day * week * noise, index=index)


def fleet_data(number: int, folder: Path) -> dict[str, Any]:
    name = f"fleet-{number}"
    return {
        "name": name,
        "cloud": "aws",
        "target": {"region": "us-east-1", "group_name": name},
        "source": {"kind": "file", "path": str(folder / f"{name}.csv")},
        "load_per_instance": 50,
        "floor": 2,
        "ceiling": 80,
    }


# Calls


def calls(count: int) -> None:
    print(
        f"| {count} fleets, {BUDGET_SECONDS:.0f} s an invocation | served | deferred | writes | throttled | other calls | s | peak MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, local_aws(now=NOW) as aws:
        job = prepare(aws, Path(name), count)
        aws.limit_writes(GRANTED_PER_SECOND, time.monotonic)
        aws.faults.add(Fault(delay_seconds=CALL_SECONDS, times=None))
        for number in range(1, 20):
            summary = serve(aws, job, f"first run, invocation {number}")
            if not summary.counts["deferred"]:
                break
        for number in range(1, 4):
            aws.clock.advance_to(NOW + number * timedelta(minutes=15))
            serve(aws, job, f"steady state, {15 * number} min later")
        wrong = check_floors(aws, job)
        print(f"\nFleet-minutes of the next hours whose floor is below the plan: {wrong}")


def prepare(aws: LocalAws, folder: Path, count: int) -> Job:
    make_groups(aws, count)
    for number in range(count):
        load = load_of(number).rename_axis("timestamp").rename("value")
        load.to_csv(folder / f"fleet-{number}.csv", date_format="%Y-%m-%dT%H:%M:%SZ")
    store = {"kind": "local", "path": str(folder / "store")}
    fleets = [fleet_data(number, folder) for number in range(count)]
    return parse_job({"name": "bench", "owner": "bench", "store": store, "fleets": fleets})


def make_groups(aws: LocalAws, count: int) -> None:
    client = aws.client("autoscaling", in_process=True)
    for number in range(count):
        client.create_auto_scaling_group(
            AutoScalingGroupName=f"fleet-{number}",
            MinSize=2,
            MaxSize=100,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "bench", "Version": "1"},
        )
        client.put_scaling_policy(
            AutoScalingGroupName=f"fleet-{number}",
            PolicyName="cpu",
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration={
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
                "TargetValue": 60.0,
            },
        )


class InProcess:
    """A session of the double whose clients need no socket."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def client(self, service: str, region_name: str | None = None, config: Any = None) -> Any:
        return self._aws.client(service, in_process=True, region=region_name, config=config)


def serve(aws: LocalAws, job: Job, title: str) -> Summary:
    """One invocation in real time; the double's clock is moved after it."""
    began, now = time.monotonic(), aws.clock.now()
    aws.calls.clear()
    summary = invoke(
        job,
        run_id=title.replace(" ", "-").replace(",", ""),
        now=now,
        session=InProcess(aws),  # pyright: ignore[reportArgumentType] - a session's one method
        clock=lambda: now + timedelta(seconds=time.monotonic() - began),
        remaining_seconds=lambda: BUDGET_SECONDS - (time.monotonic() - began),
    )
    aws.clock.advance(timedelta(seconds=time.monotonic() - began))
    made = Counter(
        "throttled" if call.mutating and call.status == 400 else "writes" if call.mutating else "others"
        for call in aws.calls
    )
    print(
        f"| {title} | {summary.counts['served']} | {summary.counts['deferred']} | {made['writes']} | {made['throttled']} | {made['others']}"
        f" | {summary.seconds:.0f} | {peak_mb():.0f} |",
        flush=True,
    )
    for line in summary.lines:
        if line.status in {"held", "failed"}:
            print(f"  {line.fleet}: {line.status} {line.code}: {line.reason}")
    return summary


def check_floors(aws: LocalAws, job: Job) -> int:
    """Play the schedules on: no minute may have a floor below the last plan of its fleet."""
    start = aws.clock.now() + timedelta(minutes=16)
    end = start + timedelta(hours=24)
    store, wrong = open_store(job.store), 0
    aws.faults.clear()
    aws.clock.advance_to(end)
    for fleet in job.fleets:
        floors = Ledger(store, fleet.target_key).runs(1)[0].floors
        plan = pd.Series(list(floors.values()), index=pd.to_datetime(list(floors), utc=True)).sort_index()
        minutes = pd.date_range(start, end, freq="1min", inclusive="left")
        needed = plan.reindex(minutes, method="ffill").to_numpy()
        wrong += int((np.array(aws.min_size_by_minute(fleet.name, start, end)) < needed).sum())
    return wrong


# Fitting alone


def fit(count: int, data: Path | None) -> None:
    loads = [Reading(load_of(number, after_hours=0), 900) for number in range(count)]
    print(
        "| loads | fleets | processor s a fleet | wall-clock s a fleet | fleets in 15 min | peak MB |\n|---|---|---|---|---|---|"
    )
    _fit_row("synthetic, 15 min", loads[:1], show=False)  # imports the model libraries
    _fit_row("synthetic, 15 min", loads)
    if data:
        real = [read_csv(data / name) for name in TRACES]
        _fit_row("real traces, last 28 days", [_last_days(reading) for reading in real])


def _last_days(reading: Reading) -> Reading:
    stamps = pd.DatetimeIndex(reading.load.index)
    return Reading(reading.load[stamps > stamps.max() - timedelta(days=DAYS)], reading.sample_seconds)


def _fit_row(title: str, readings: list[Reading], *, show: bool = True) -> None:
    fleet = parse_fleet(fleet_data(0, Path()))
    wall, processor = time.perf_counter(), time.process_time()
    for reading in readings:
        _plan(fleet, reading)
    wall, processor = (time.perf_counter() - wall) / len(readings), (time.process_time() - processor) / len(readings)
    if show:
        print(
            f"| {title} | {len(readings)} | {processor:.2f} | {wall:.2f} | {900 / processor:.0f} | {peak_mb():.0f} |",
            flush=True,
        )


def _plan(fleet: Fleet, reading: Reading) -> None:
    """What the job does for a fleet between reading and writing."""
    fleet = fleet.model_copy(update={"load_per_instance": float(reading.load.max()) / 40})
    now = reading.load.index.max().to_pydatetime() + timedelta(seconds=reading.sample_seconds)
    history = build_history(reading, now=now, step_minutes=fleet.step_minutes)
    quantiles = forecast(history.load, 192, (0.1, 0.5, 0.9, 0.95), censored=history.censored)
    plan = plan_capacity(quantiles, fleet, headroom=Headroom.of(history, 0.9), current_floor=2)
    group = GroupState(min_size=2, max_size=100, desired_capacity=2, actions=())
    assert build_schedule(plain_request(fleet, plan, group, now)).slots


# Memory


def memory(count: int) -> None:
    print("| fleets served by one process | peak MB |\n|---|---|")
    for fleets in (count, 4 * count):
        command = [sys.executable, "-m", "benchmarks.throughput", "memory-of", "--count", str(fleets)]
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        print(f"| {fleets} | {json.loads(done.stdout):.0f} |", flush=True)


def memory_of(count: int) -> None:
    with tempfile.TemporaryDirectory() as name, local_aws(now=NOW) as aws:
        job = prepare(aws, Path(name), count)
        aws.calls = _Nothing()
        summary = invoke(
            job.model_copy(update={"dry_run": True}),
            run_id="memory",
            now=NOW,
            session=InProcess(aws),  # pyright: ignore[reportArgumentType] - a session's one method
            clock=lambda: NOW,
        )
        assert summary.counts["served"] == count
    print(json.dumps(peak_mb()))


class _Nothing(list[Any]):
    """Keeps no calls: the double's records are not the job's memory."""

    def append(self, _call: Any) -> None:
        pass


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["calls", "fit", "memory"])
    parser.add_argument("--count", type=int, help="fleets (calls: 15, fit: 60, memory: 8)")
    parser.add_argument("--data", type=Path, help="folder of real load traces")
    options = parser.parse_args(arguments)
    for what in options.what:
        if what == "calls":
            calls(options.count or 15)
        elif what == "fit":
            fit(options.count or 60, options.data)
        elif what == "memory":
            memory(options.count or 8)
        elif what == "memory-of":
            memory_of(options.count)
        else:
            parser.error(f"what: got {what!r}; expected calls, fit or memory")
        print()


if __name__ == "__main__":
    main()
