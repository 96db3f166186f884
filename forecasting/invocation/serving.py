"""Serves a job's fleets within the time left: some are read and forecast while others wait for their calls."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from forecasting.aws_session import sharing_clients
from forecasting.deadline import time_limit
from forecasting.errors import Deferred, ElasticIacError
from forecasting.invocation.order import advanced, by_need, is_overdue, oldest_plan_age_minutes
from forecasting.invocation.summary import FleetLine, Summary, line_of
from forecasting.job import run_fleet
from forecasting.pacing import WRITES_PER_SECOND, Pacing
from forecasting.run import Kind, Run, utc_now
from forecasting.safe_text import redacted
from forecasting.settings import Fleet, Job
from forecasting.settings.job import SHORT_RUN_MINUTES
from forecasting.shortrun import run_fleet_short
from forecasting.store.progress import FleetProgress, read_progress, update_progress
from forecasting.store.shortruns import LastShortRun, ShortResult, save_short_run

if TYPE_CHECKING:
    import boto3.session

log = logging.getLogger(__name__)

RESERVE_SECONDS = 20.0
"""Of a function's time, what is kept for the last call, for the records and for the metrics."""

WORKERS = 4
"""Fleets under way at once: two that write (`forecasting.pacing.WRITERS`), one that is forecast, one that reads."""

SAVE_SECONDS = 30.0
"""How often the progress is saved: a process that dies loses no more of it."""


def invoke(
    job: Job,
    *,
    run_id: str,
    now: datetime,
    session: boto3.session.Session | None = None,
    clock: Callable[[], datetime] = utc_now,
    remaining_seconds: Callable[[], float] | None = None,
    on_result: Callable[[FleetLine], None] | None = None,
    pacing: Pacing | None = None,
    workers: int = WORKERS,
    kind: Kind = "full",
) -> Summary:
    """Serve every fleet of a job, those first that need it soonest. One fleet's failure never touches another's.

    What does not fit into the time is deferred: nothing is written, and it goes first the next time. No forecast outlives its fleet's turn.

    Args:
        job: The settings.
        run_id: Unique for each run; a scheduler's repeated invocation carries the same one and writes nothing.
        now: When the run started (aware).
        session: AWS credentials and endpoint; boto3's standard chain where it is not given.
        clock: The present time (aware).
        remaining_seconds: Time left, the caller's reserve taken off; where it is not given, the job's `time_budget_seconds` counts from `now`.
        on_result: Called with each fleet's line, one at a time.
        pacing: How fast it writes; its share of `WRITES_PER_SECOND` where it is not given.
        workers: Fleets under way at once.
        kind: Of the run. A short one has the time until the next; whom the last full run put off or held has a full turn in it.

    Raises:
        StoreError, CredentialsError: the store cannot be read; nothing was written.
    """
    run = Run(
        job,
        now,
        run_id=run_id,
        session=sharing_clients(session),
        clock=clock,
        time_left=remaining_seconds,
        pacing=pacing or Pacing(WRITES_PER_SECOND / job.functions),
    )
    if kind == "short":
        run = replace(run, time_left=_until_the_next(run))
    with time_limit(run.remaining_seconds):
        return _Invocation(run, on_result or _ignore, kind).go(workers)


def _until_the_next(run: Run) -> Callable[[], float]:
    """A short run that would take longer is overtaken by the next."""
    end = run.now + timedelta(minutes=run.job.short_run_minutes or SHORT_RUN_MINUTES)
    left = run.remaining_seconds
    return lambda: min(left(), (end - run.clock()).total_seconds())


class _Invocation:
    def __init__(self, run: Run, on_result: Callable[[FleetLine], None], kind: Kind) -> None:
        self._run = run
        self._kind: Kind = kind
        self._planned: set[str] = set()  # those that had a full turn
        self._on_result = on_result
        self._began = self._saved = run.pacing.monotonic()
        self._progress = read_progress(run.store, run.job.name).fleets
        self._queue = deque(by_need(run.job.fleets, self._progress))
        self._lines: dict[str, FleetLine] = {}
        self._lock = threading.Lock()

    def go(self, workers: int) -> Summary:
        count = min(workers, len(self._queue))
        with ThreadPoolExecutor(count, thread_name_prefix="fleet") as pool:
            for worker in [pool.submit(self._work) for _ in range(count)]:
                worker.result()
        self._save()
        if self._kind == "short":
            self._save_short()
        run = self._run
        return Summary(
            job=run.job.name,
            kind=self._kind,
            run_id=run.run_id,
            started=run.now,
            seconds=round(run.pacing.monotonic() - self._began, 1),
            lines=tuple(self._lines.values()),
            oldest_plan_age_minutes=oldest_plan_age_minutes(self._progress, self._lines, run.clock()),
        )

    def _work(self) -> None:
        while self._queue:
            try:
                fleet = self._queue.popleft()
            except IndexError:  # another worker was quicker
                return
            line = self._serve(fleet)
            with self._lock:
                self._lines[line.fleet] = line
                self._on_result(line)
                if self._run.pacing.monotonic() - self._saved > SAVE_SECONDS:
                    self._save()

    def _serve(self, fleet: Fleet) -> FleetLine:
        """The fleet's result as a line; the result itself, with its forecast, goes with this call."""
        run = self._run
        began = run.pacing.monotonic()
        try:
            run.pacing.check_start(run.remaining_seconds())
            if self._kind == "full" or is_overdue(self._progress.get(fleet.name), run.clock()):
                self._planned.add(fleet.name)
            result = (run_fleet if fleet.name in self._planned else run_fleet_short)(run, fleet)
            for remark in result.remarks:
                log.warning("fleet %s: %s", fleet.name, remark)
            return line_of(result, run.owners, run.clock(), run.pacing.monotonic() - began)
        except Deferred as error:
            return FleetLine(fleet.name, "deferred", run.clock(), error.code, error.reason)
        except Exception as error:
            log.exception("fleet %s: unexpected error", fleet.name)
            return FleetLine(
                fleet.name, "failed", run.clock(), "unexpected", redacted(f"{type(error).__name__}: {error}")
            )

    def _save(self) -> None:
        """Progress orders the next run and feeds alarms: where it cannot be saved, what was written stands."""
        run, lines = self._run, {name: line for name, line in self._lines.items() if self._counts(line)}
        self._saved = run.pacing.monotonic()
        if not lines and self._kind == "short":
            return

        def change(before: Mapping[str, FleetProgress]) -> dict[str, FleetProgress]:
            return advanced(before, run.job.fleets, lines, run.now)

        try:
            self._progress = update_progress(run.store, run.job.name, change).fleets
        except ElasticIacError as error:
            log.warning("the job's progress could not be saved: %s", error)
            self._progress = change(self._progress)

    def _counts(self, line: FleetLine) -> bool:
        """Whether it says something of the fleet's plan: a short turn does not confirm one."""
        return self._kind == "full" or line.fleet in self._planned

    def _save_short(self) -> None:
        """What the last short run did, one item for the whole job: it is news, and no later run goes by it."""
        run = self._run
        served = {
            name: ShortResult(status=line.status, code=line.code, needed=line.needed, written=line.written)
            for name, line in self._lines.items()
        }
        try:
            save_short_run(run.store, run.job.name, LastShortRun(run_id=run.run_id, time=run.now, fleets=served))
        except ElasticIacError as error:
            log.warning("the short run could not be recorded: %s", error)


def _ignore(_line: FleetLine) -> None:
    pass
