"""Several fleets, served by whole invocations against the double, on its clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elastic_iac.local.aws import LocalAws
from forecasting.invocation import Summary, invoke
from forecasting.models.base import Forecast, ModelChoice
from forecasting.pacing import Pacing
from forecasting.settings import Job
from forecasting.store import Store, open_store
from tests.fleets import NOW, REGION, InProcess, fleet_data, make_group, make_job, snapshot
from tests.street import write_load


def quick_forecast(history: pd.Series, horizon: int, quantiles: tuple[float, ...], *_: Any, **__: Any) -> Forecast:
    """Yesterday again: what a run does with a forecast is looked at here, not the forecast."""
    stamps = pd.DatetimeIndex(history.index)
    step = stamps[1] - stamps[0]
    day = history.ffill().to_numpy()[-int(pd.Timedelta(days=1) / step) :]
    median = np.resize(day, horizon)
    index = pd.date_range(stamps[-1], periods=horizon + 1, freq=step)[1:]
    frame = pd.DataFrame({level: median * (0.5 + level) for level in quantiles}, index=index)
    return Forecast(frame, ModelChoice("seasonal-naive-day", {"seasonal-naive-day": 1.0}))


class Fleets:
    """A job of `count` fleets that share one load, each with its group in the double. Waits move the double's clock."""

    def __init__(self, aws: LocalAws, folder: Path, count: int, **changes: Any) -> None:
        self.aws = aws
        self.folder = folder
        aws.reset(now=NOW)
        self.names = [f"fleet-{number}" for number in range(count)]
        for name in self.names:
            make_group(aws, name)
        write_load(folder / "load.csv")
        self.changes = changes
        self.job = self.make_job()

    def fleet(self, name: str, **changes: Any) -> dict[str, Any]:
        target = {"region": REGION, "group_name": name}
        source = {"kind": "file", "path": str(self.folder / "load.csv")}
        return fleet_data(name=name, target=target, source=source, **{**self.changes, **changes})

    def make_job(self, **changes: Any) -> Job:
        return make_job(self.folder, *(self.fleet(name) for name in self.names), **changes)

    @property
    def store(self) -> Store:
        return open_store(self.job.store)

    def invoke(
        self,
        run_id: str = "run",
        *,
        seconds: float = 600,
        job: Job | None = None,
        per_second: float | None = None,
        **changes: Any,
    ) -> Summary:
        """One invocation that has so many seconds of the double's clock; one fleet at a time, so that it is the same each time."""
        clock = self.aws.clock
        end = clock.now() + timedelta(seconds=seconds)
        self.aws.calls.clear()

        def left() -> float:
            return (end - clock.now()).total_seconds()

        options: dict[str, Any] = {
            "session": InProcess(self.aws),
            "clock": clock.now,
            "remaining_seconds": left,
            "pacing": Pacing(per_second, monotonic=lambda: clock.now().timestamp(), sleep=self.wait),
            "workers": 1,
            **changes,
        }
        return invoke(job or self.job, run_id=run_id, now=clock.now(), **options)

    def wait(self, seconds: float) -> None:
        self.aws.clock.advance(timedelta(seconds=seconds))

    def writes(self, name: str | None = None) -> int:
        """Mutating calls of the last invocation."""
        return sum(call.mutating and name in {None, call.params.get("AutoScalingGroupName")} for call in self.aws.calls)

    def actions(self, name: str) -> dict[str, int]:
        return {action.name: action.min_size or 0 for action in snapshot(self.aws, name).actions.values()}


def statuses(summary: Summary) -> list[tuple[str, str, str]]:
    return [(line.fleet, line.status, line.code) for line in summary.lines]
