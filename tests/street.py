"""A street for tests: a job with one fleet, its group in the double, and its load in a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elastic_iac.local.aws import LocalAws
from forecasting.job import run_job
from forecasting.run import FleetResult, Run
from forecasting.settings import Job
from forecasting.store import open_store
from forecasting.store.ledger import Ledger
from tests.fleets import GROUP, NOW, InProcess, fleet_data, make_group, make_job

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAYS = 12


def write_load(
    path: Path, now: datetime = NOW, *, days: float = DAYS, after: float = 3, scale: float = 1.0
) -> pd.Series:
    """A daily and weekly load in 5-min samples around `now`; the fleet needs 4 to 20 instances of 10."""
    index = pd.date_range(now - timedelta(days=days), now + timedelta(days=after), freq="5min").floor("5min")
    hours = np.asarray(index.hour + index.minute / 60)
    weekend = np.where(np.asarray(index.day_of_week) >= 5, 0.7, 1.0)
    noise = np.random.default_rng(7).normal(0, 2, len(index))
    load = pd.Series(
        scale * np.maximum((110 - 70 * np.cos((hours - 3) / 24 * 2 * np.pi)) * weekend + noise, 0), index=index
    )
    load.rename("value").rename_axis("timestamp").to_csv(path, date_format="%Y-%m-%dT%H:%M:%SZ")
    return load


def step_load(path: Path, scale: float = 1.0) -> None:
    """Four instances until noon and fifteen from then on: with the lead time, the slot of 11:45 raises the floor."""
    load = write_load(path, scale=scale)
    afternoon = np.asarray(pd.DatetimeIndex(load.index).hour) >= 12
    stepped = pd.Series(scale * np.where(afternoon, 150.0, 40.0), index=load.index)
    stepped += np.random.default_rng(3).normal(0, 1, len(load))
    stepped.rename("value").rename_axis("timestamp").to_csv(path, date_format="%Y-%m-%dT%H:%M:%SZ")


class Street:
    """A job with one fleet, its group in the double, and its load in a file."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        self.folder = folder
        aws.reset(now=NOW)
        self.client = make_group(aws)
        self.load = write_load(folder / "load.csv")

    def fleet(self, **changes: Any) -> dict[str, Any]:
        return fleet_data(source={"kind": "file", "path": str(self.folder / "load.csv")}, **changes)

    def job(self, *fleets: dict[str, Any], **changes: Any) -> Job:
        return make_job(self.folder, *(fleets or (self.fleet(),)), **changes)

    def run(self, job: Job | None = None, **changes: Any) -> FleetResult:
        return self.run_all(job, **changes)[0]

    def run_all(self, job: Job | None = None, **changes: Any) -> list[FleetResult]:
        self.aws.calls.clear()
        return run_job(self.make_run(job, **changes))

    def make_run(self, job: Job | None = None, **changes: Any) -> Run:
        run = Run(job or self.job(), self.aws.clock.now(), session=InProcess(self.aws), clock=self.aws.clock.now)  # pyright: ignore[reportArgumentType]
        return replace(run, **changes)

    def changes(self) -> list[str]:
        """The mutating calls since the last run began."""
        return [call.action for call in self.aws.calls if call.mutating]

    def hand(self, **sizes: int) -> None:
        """A person at the console."""
        self.client.update_auto_scaling_group(AutoScalingGroupName=GROUP, **sizes)

    def foreign(self, name: str, start: datetime, **sizes: int) -> None:
        self.client.put_scheduled_update_group_action(
            AutoScalingGroupName=GROUP, ScheduledActionName=name, StartTime=start, **sizes
        )

    def described(self, prefix: str = "") -> list[dict[str, Any]]:
        pages = self.client.get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=GROUP)
        return [
            action
            for page in pages
            for action in page["ScheduledUpdateGroupActions"]
            if action["ScheduledActionName"].startswith(prefix)
        ]

    @property
    def ledger(self) -> Ledger:
        job = self.job()
        return Ledger(open_store(job.store), job.fleets[0].target_key)
