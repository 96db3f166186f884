"""What a job writes at both cadences, against the strict doubles with their rate limits on: `python -m benchmarks.write_load`.

    python -m benchmarks.write_load [--cloud aws|gcp|both] [--fleets 250] [--hours 7] [--without 1.25 5.8] [--boot 20] [--traces FOLDER]

As it is deployed: a function for every 150 fleets, each with its own pace; a full run every six hours and a short one every five minutes of the
other ones, all functions at once, and a run that takes longer than five minutes runs on beside the next. Time is the doubles' clock, which moves only
while every run waits: for its pace, for a retry, or for a call, of which each takes 60 ms on AWS and 100 ms on Google Cloud, where an operation is
done at its second poll. Processor time counts as none. A function serves one fleet at a time here, so a run lasts longer than with its four workers,
at the same pace of writes.

`--without` leaves out the short runs between two hours, the clock goes on: 250 fleets take their time. A day is printed for whole days alone.

AWS grants ten mutating calls of Auto Scaling a second, Google Cloud 1,500 calls of Compute a minute, reads included. Loads are drawn, each of its
own, or the last days of real traces in turn.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import requests

from benchmarks.short_runs import FULL_MINUTES, SHORT_MINUTES, write_loads, write_traces
from benchmarks.throughput import CALL_SECONDS, GRANTED_PER_SECOND, NOW, InProcess, fleet_data, make_groups
from elastic_iac.common.forecast_job import FLEETS_PER_SHARD
from elastic_iac.local import faults as aws_faults
from elastic_iac.local.aws import local_aws
from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp import faults as gcp_faults
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from forecasting import gcp_clients
from forecasting.aws_session import sharing_clients
from forecasting.invocation import RESERVE_SECONDS, Summary, invoke
from forecasting.pacing import WRITES_PER_SECOND, Pacing
from forecasting.run import Kind
from forecasting.settings import Job, parse_job
from forecasting.sources import files

FUNCTION_SECONDS = 900.0
GCP_CALL_SECONDS = 0.1
GCP_CALLS_A_MINUTE = 1500
PROJECT, REGION = "local-project", "europe-west1"


class Waiting:
    """The clock of several runs at once: it moves, to where the first of them goes on, when all of them wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.now()
        self._turn = threading.Condition()
        self._running = 0
        self._wakes: dict[int, datetime] = {}

    def seconds(self) -> float:
        """Since the beginning."""
        return (self._clock.now() - self._start).total_seconds()

    def begin(self) -> None:
        """One more that runs; told before its thread is started."""
        with self._turn:
            self._running += 1

    def end(self) -> None:
        """One less."""
        with self._turn:
            self._running -= 1
            self._move()

    def sleep(self, seconds: float) -> None:
        """In the place of `time.sleep`."""
        if seconds <= 0:
            return
        me, until = threading.get_ident(), self._clock.now() + timedelta(seconds=seconds)
        with self._turn:
            self._wakes[me] = until
            self._move()
            self._turn.wait_for(lambda: self._clock.now() >= until)
            self._wakes.pop(me, None)

    def _move(self) -> None:
        waiting = [at for at in self._wakes.values() if at > self._clock.now()]
        if waiting and len(waiting) == self._running:
            self._clock.advance_to(min(waiting))
            self._turn.notify_all()


@dataclass
class Seen:
    """What was seen of one cloud.

    Attributes:
        runs: Kind, tick and summary of each run.
        writes: When each mutating call was made, in seconds since the beginning.
        throttled: Calls that were refused for their rate.
        busiest_minute: Most calls of the limited API in a minute of the clock, reads included.
    """

    runs: list[tuple[Kind, int, Summary]] = field(default_factory=list[tuple[Kind, int, Summary]])
    writes: list[float] = field(default_factory=list[float])
    throttled: int = 0
    busiest_minute: int = 0

    def turns(self) -> pd.DataFrame:
        """A row for each fleet's turn in a run, in order of time: `kind` is `first` up to the fleet's first plan, in whatever run it got that."""
        rows = [
            (tick, kind, line.fleet, f"{line.status} {line.code}".strip(), line.ok, line.written, line.at)
            for kind, tick, summary in self.runs
            for line in summary.lines
        ]
        turns = pd.DataFrame(rows, columns=["tick", "kind", "fleet", "result", "ok", "written", "at"])
        turns = turns.sort_values("at", kind="stable")
        planned = turns.groupby("fleet")["written"].cumsum() - turns["written"] > 0
        return turns.assign(kind=turns["kind"].where(planned, "first"))


def drive(jobs: list[Job], clock: Clock, given: argparse.Namespace, session: Any) -> Seen:
    """Invoke every job at every tick, as its scheduler does, until the hours are over and the last run has ended."""
    begin, end = given.without
    waiting, seen, threads = Waiting(clock), Seen(), list[threading.Thread]()

    def serve(job: Job, tick: int, kind: Kind) -> None:
        now = clock.now()
        try:
            summary = invoke(
                job,
                run_id=f"{kind}-{tick}",
                now=now,
                session=session,
                clock=clock.now,
                remaining_seconds=lambda: FUNCTION_SECONDS - RESERVE_SECONDS - (clock.now() - now).total_seconds(),
                pacing=Pacing(WRITES_PER_SECOND / job.functions, monotonic=waiting.seconds, sleep=waiting.sleep),
                workers=1,
                kind=kind,
            )
            seen.runs.append((kind, tick, summary))
        finally:
            waiting.end()

    waiting.begin()
    read_once = functools.cache(files._read)  # pyright: ignore[reportPrivateUsage] - a file is parsed once, not in every run
    with mock.patch.object(time, "sleep", waiting.sleep), mock.patch.object(files, "_read", read_once):
        for tick in range(int(given.hours * 60) // SHORT_MINUTES):
            if begin <= tick * SHORT_MINUTES / 60 < end:
                continue
            waiting.sleep(60 * SHORT_MINUTES * tick - waiting.seconds())
            kind: Kind = "short" if tick * SHORT_MINUTES % FULL_MINUTES else "full"
            for job in jobs:
                waiting.begin()
                threads.append(threading.Thread(target=serve, args=(job, tick, kind)))
                threads[-1].start()
        waiting.end()
        for thread in threads:
            thread.join()
    return seen


def on_aws(given: argparse.Namespace) -> Seen:
    with tempfile.TemporaryDirectory() as name, local_aws(now=NOW) as aws:
        folder = Path(name)
        make_groups(aws, given.fleets)
        fleets = _fleets(given, folder)
        aws.calls.clear()
        aws.limit_writes(GRANTED_PER_SECOND)
        aws.faults.add(aws_faults.Fault(delay_seconds=CALL_SECONDS, times=None))
        session = sharing_clients(InProcess(aws))  # pyright: ignore[reportArgumentType] - a session's one method
        seen = drive(_jobs(fleets, folder), aws.clock, given, session)
        made = [call for call in aws.calls if call.mutating]
        seen.writes = [(call.at - NOW).total_seconds() for call in made]
        seen.busiest_minute = max(Counter(call.at.replace(second=0, microsecond=0) for call in aws.calls).values())
        seen.throttled = sum(not call.applied for call in made)
        return seen


def on_gcp(given: argparse.Namespace) -> Seen:
    with tempfile.TemporaryDirectory() as name, local_gcp(now=NOW, project=PROJECT) as gcp:
        folder = Path(name)
        fleets = _fleets(given, folder)
        for number, fleet in enumerate(fleets):
            fleet["cloud"] = "gcp"
            group = f"fleet-{number}"
            target = {"project": PROJECT, "location": REGION, "autoscaler": group, "group": group, "kind": "regional"}
            fleet["target"] = target
            _make_autoscaler(gcp, group)
        gcp.calls.clear()
        gcp.compute.operations.polls = 2
        gcp.limit_calls(GCP_CALLS_A_MINUTE)
        gcp.faults.add(gcp_faults.Fault(service="compute", delay_seconds=GCP_CALL_SECONDS, times=None))
        session = (_Session(gcp), f"{gcp.compute_url}/compute/v1")
        with mock.patch.object(gcp_clients, "compute_session", return_value=session):
            seen = drive(_jobs(fleets, folder), gcp.clock, given, None)
        made = [call for call in gcp.calls if call.asked.service == "compute"]
        seen.writes = [(call.at - NOW).total_seconds() for call in made if call.asked.mutating]
        seen.throttled = sum(call.status == 403 for call in made)
        seen.busiest_minute = max(Counter(call.at.replace(second=0, microsecond=0) for call in made).values())
        return seen


def _fleets(given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    if given.traces:
        write_traces(given.fleets, folder, given.hours, given.traces)
    else:
        write_loads(given.fleets, folder, given.hours)
    return [{**fleet_data(number, folder), "lead_time_seconds": 60 * given.boot} for number in range(given.fleets)]


def _jobs(fleets: list[dict[str, Any]], folder: Path) -> list[Job]:
    """A job for every 150 fleets, as the components part them."""
    return [
        parse_job(
            {
                "name": f"bench-{begin}",
                "owner": "bench",
                "functions": -(-len(fleets) // FLEETS_PER_SHARD),
                "store": {"kind": "local", "path": str(folder / f"store-{begin}")},
                "fleets": fleets[begin : begin + FLEETS_PER_SHARD],
            }
        )
        for begin in range(0, len(fleets), FLEETS_PER_SHARD)
    ]


def _make_autoscaler(gcp: LocalGcp, name: str) -> None:
    scope = f"projects/{PROJECT}/regions/{REGION}"
    policy = {"minNumReplicas": 2, "maxNumReplicas": 100, "cpuUtilization": {"utilizationTarget": 0.6}}
    disk = {"boot": True, "initializeParams": {"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}
    network = {"network": "global/networks/default"}
    properties = {"machineType": "e2-small", "disks": [disk], "networkInterfaces": [network]}
    template = f"projects/{PROJECT}/global/instanceTemplates/{name}"
    group = {"name": name, "baseInstanceName": name, "targetSize": 2, "instanceTemplate": template}
    scaler = {"name": name, "target": f"{scope}/instanceGroupManagers/{name}", "autoscalingPolicy": policy}
    for path, body in (
        (template.rsplit("/", 1)[0], {"name": name, "properties": properties}),
        (f"{scope}/instanceGroupManagers", group),
        (f"{scope}/autoscalers", scaler),
    ):
        answer = gcp.answer("POST", f"/compute/v1/{path}", {}, json.dumps(body).encode())
        assert answer.status == 200, answer.body
        gcp.compute.operations.finish_all()


class _Session:
    """Compute's REST session of the stand-in, without a socket: what waits for its answer is the run's own thread."""

    def __init__(self, gcp: LocalGcp) -> None:
        self._gcp = gcp

    def request(
        self, method: str, url: str, *, params: dict[str, str] | None = None, json: Any = None, **_: Any
    ) -> Any:
        prepared = requests.Request(method, url, params=params, json=json).prepare()
        body = prepared.body or b""
        asked = body.encode() if isinstance(body, str) else bytes(body)  # pyright: ignore[reportArgumentType] - no stream is sent
        headers = {name: str(value) for name, value in prepared.headers.items()}
        given = self._gcp.answer(method, prepared.path_url, headers, asked)
        answer = requests.Response()
        answer.status_code, answer._content = given.status, given.body  # pyright: ignore[reportPrivateUsage] - as adapters fill it
        return answer


def report(cloud: str, given: argparse.Namespace, seen: Seen) -> None:
    turns = seen.turns()
    functions = -(-given.fleets // FLEETS_PER_SHARD)
    print(f"{cloud}: {given.fleets} fleets in {functions} functions, {len(seen.runs)} runs, boot {given.boot} min")
    print(f"  {given.hours:g} hours, without the short runs from hour {given.without[0]:g} to {given.without[1]:g}")
    first = turns[turns["kind"] == "first"]
    with_plan = first[first["written"] > 0]
    after = (with_plan["at"].max() - pd.Timestamp(NOW)) / pd.Timedelta(minutes=1)
    calls = f"{with_plan['written'].mean():.0f} mutating calls a fleet"
    print(f"  first plans: {with_plan['fleet'].nunique()} fleets, {calls}, the last one after {after:.0f} min")
    for kind, a_day in (("full", 24 * 60 / FULL_MINUTES), ("short", 24 * 60 / SHORT_MINUTES - 24 * 60 / FULL_MINUTES)):
        some = turns[turns["kind"] == kind]
        if some.empty:
            continue
        results = ", ".join(f"{number} {result}" for result, number in some["result"].value_counts().items())
        by_fleet, by_tick = some.groupby("fleet")["written"].mean(), some.groupby("tick")["written"].sum()
        print(f"  {kind} runs: {results}")
        print(f"    mutating calls a fleet and run {by_fleet.mean():.2f} (busiest fleet {by_fleet.max():.2f})")
        print(f"    of all fleets in one run {by_tick.mean():.0f}, at most {by_tick.max()}")
        if given.hours >= 24 and given.without[0] == given.without[1]:
            print(f"    a day and fleet {a_day * by_fleet.mean():.0f} (busiest fleet {a_day * by_fleet.max():.0f})")
    for kind in ("full", "short"):
        lasted = [summary.seconds for its, tick, summary in seen.runs if its == kind and tick]
        if lasted:
            print(f"  a later {kind} run of a function lasts {np.median(lasted):.0f} s, at most {max(lasted):.0f} s")
    for name, since in (("first plans included", 0.0), ("after them", 60 * after)):
        times = np.sort([at for at in seen.writes if at >= since])
        most = ", ".join(f"{_most_within(times, seconds)} in {seconds} s" for seconds in (1, 60, 300))
        print(f"  mutating calls, {name}: {len(times)}, most {most}")
    print(
        f"  refused for the rate: {seen.throttled} calls; most calls in a minute, reads included: {seen.busiest_minute}"
    )


def _most_within(times: np.ndarray, seconds: float) -> int:
    """Most of the sorted times within so many seconds."""
    return int((np.searchsorted(times, times + seconds) - np.arange(len(times))).max(initial=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", choices=["aws", "gcp", "both"], default="both")
    parser.add_argument("--fleets", type=int, default=250)
    parser.add_argument("--hours", type=float, default=7)
    parser.add_argument("--without", type=float, nargs=2, default=(0.0, 0.0), metavar="HOUR")
    parser.add_argument("--boot", type=int, default=20, help="minutes")
    parser.add_argument("--traces", type=Path)
    given = parser.parse_args()
    for cloud, name, run in (("aws", "AWS", on_aws), ("gcp", "Google Cloud", on_gcp)):
        if given.cloud in {cloud, "both"}:
            report(name, given, run(given))


if __name__ == "__main__":
    main()
