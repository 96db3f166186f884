"""A person at the keyboard on the emulator's clock: commands, manual changes and runs in one order of time, on both clouds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from elastic_iac.cli.main import main
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting import run as run_module
from forecasting.invocation import load_settings
from forecasting.job import run_job
from forecasting.run import FleetResult, Run
from forecasting.shortrun import run_short
from tests.commands import Done
from tests.fleets import GROUP, NOW, OWNER, InProcess, fleet_data, make_group
from tests.gcp_fleets import NAME, PROJECT, REGION, call, gcp_fleet_data, make_autoscaler, scope_of
from tests.gcp_fleets import schedules as gcp_schedules

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def write_levels(path: Path, levels: Callable[[datetime], float], now: datetime) -> None:
    """A load that repeats by the day: `levels` gives instances (of 10) for a time of day."""
    index = pd.date_range(now - timedelta(days=8), now + timedelta(days=1), freq="5min").floor("5min")
    noise = np.random.default_rng(5).normal(0, 0.2, len(index))
    values = [10.0 * levels(stamp.to_pydatetime()) - 5 for stamp in index]
    load = pd.Series(np.asarray(values) + noise, index=index)
    load.rename("value").rename_axis("timestamp").to_csv(path, date_format="%Y-%m-%dT%H:%M:%SZ")


class Desk:
    """A job with one fleet whose commands, runs and cloud all go by one clock."""

    cloud = ""
    now: Callable[[], datetime]
    advance_to: Callable[[datetime], None]

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.changes: dict[str, Any] = {}
        self.levels(lambda _: 5.0)

    def levels(self, levels: Callable[[datetime], float]) -> None:
        """The load from now on, and that of the days before."""
        write_levels(Path("load.csv"), levels, self.now())

    def at(self, hour: int, minute: int = 0, second: int = 0) -> None:
        """Go to a time of the same day."""
        self.advance_to(self.now().replace(hour=hour, minute=minute, second=second))

    def command(self, *arguments: str) -> Done:
        """A command; `--config` is added."""
        self.settle()
        self._capsys.readouterr()
        code = main([*arguments, "--config", "job.yaml"])
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)

    def settle(self) -> None:
        """Write the settings."""
        source = {"kind": "file", "path": "load.csv"}
        quick = {"model": "seasonal-naive-day", "quantile": 0.5, "horizon_hours": 24, "source": source}
        fleet = {**self.fleet_data(), **quick, **self.changes}
        job = {"name": "job", "owner": OWNER, "interval_minutes": 15, "store": {"kind": "local", "path": "store"}}
        Path("job.yaml").write_text(yaml.safe_dump({**job, "fleets": [fleet]}), encoding="utf-8")

    def full_run(self) -> FleetResult:
        """The deployed job's full run."""
        return run_job(self._run())[0]

    def adjustment_run(self) -> FleetResult:
        """The deployed job's adjustment run."""
        return run_short(self._run())[0]

    def _run(self) -> Run:
        self.settle()
        return Run(load_settings("job.yaml"), self.now(), session=self.session(), clock=self.now)

    def fleet_data(self) -> dict[str, Any]:
        """The fleet's settings."""
        raise NotImplementedError

    def session(self) -> Any:
        """For the runs."""
        return None

    def raise_by_hand(self, size: int) -> None:
        """A person sets the minimum."""
        raise NotImplementedError

    def minimum(self, start: datetime, end: datetime) -> list[int]:
        """The minimum in force by minute, as the clock executed it."""
        raise NotImplementedError

    def scheduled(self) -> dict[datetime, int]:
        """What the job has standing: minimum by start."""
        raise NotImplementedError


class AwsDesk(Desk):
    """On the emulated AWS."""

    cloud = "aws"

    def __init__(self, aws: LocalAws, capsys: pytest.CaptureFixture[str]) -> None:
        self.aws = aws
        self.now, self.advance_to = aws.clock.now, aws.clock.advance_to
        self.client = make_group(aws)
        super().__init__(capsys)

    def fleet_data(self) -> dict[str, Any]:
        return fleet_data()

    def session(self) -> Any:
        return InProcess(self.aws)

    def raise_by_hand(self, size: int) -> None:
        self.client.update_auto_scaling_group(AutoScalingGroupName=GROUP, MinSize=size)

    def minimum(self, start: datetime, end: datetime) -> list[int]:
        return self.aws.min_size_by_minute(GROUP, start, end)

    def scheduled(self) -> dict[datetime, int]:
        return {
            action.start: action.min_size
            for name, action in sorted(self.aws.group(GROUP).actions.items())
            if name.startswith(f"elastic-iac-{OWNER}-") and action.min_size is not None
        }


class GcpDesk(Desk):
    """On the emulated Google Cloud."""

    cloud = "gcp"

    def __init__(self, gcp: LocalGcp, capsys: pytest.CaptureFixture[str]) -> None:
        self.gcp = gcp
        self.now, self.advance_to = gcp.clock.now, gcp.clock.advance_to
        make_autoscaler(gcp)
        super().__init__(capsys)

    def fleet_data(self) -> dict[str, Any]:
        return gcp_fleet_data()

    def raise_by_hand(self, size: int) -> None:
        call(
            self.gcp,
            "PATCH",
            f"{scope_of(REGION)}/autoscalers?autoscaler={NAME}",
            {"autoscalingPolicy": {"minNumReplicas": size}},
        )

    def minimum(self, start: datetime, end: datetime) -> list[int]:
        return self.gcp.floor_by_minute(PROJECT, REGION, NAME, start, end)

    def scheduled(self) -> dict[datetime, int]:
        windows: dict[datetime, int] = {}
        for name, window in sorted(gcp_schedules(self.gcp).items()):
            if name.startswith(f"elastic-iac-{OWNER}-"):
                start = datetime.strptime(name.rsplit("-", 1)[-1], "%Y%m%dt%H%Mz").replace(tzinfo=NOW.tzinfo)
                windows[start] = int(window["minRequiredReplicas"])
        return windows


def on_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], datetime]) -> None:
    """Let the command line go by this clock."""

    class Controlled(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
            return now()

    monkeypatch.setattr(run_module, "datetime", Controlled)


def shell_environment(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], drop: Sequence[str]) -> None:
    """Point the command line at an emulator."""
    for name in [name for name in os.environ if name.startswith(tuple(drop))]:
        monkeypatch.delenv(name)
    for name, value in {**values, "COLUMNS": "300"}.items():
        monkeypatch.setenv(name, value)
