"""Short runs on the street of tests: full ones before them, loads that leave the forecast, and deaths among the writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from forecasting.run import FleetResult
from forecasting.settings import Job
from forecasting.shortrun import run_short
from forecasting.targets.aws import AutoScalingTarget
from tests.fleets import floors_by_minute, play, snapshot
from tests.street import HOUR, Street

BOOT = 600


def plan_an_hour_ago(street: Street) -> Street:
    """A full run has been an hour ago; its fleet boots in ten minutes."""
    assert full(street).status == "written"
    street.aws.clock.advance(1 * HOUR)
    return street


def job_of(street: Street, **changes: Any) -> Job:
    """A job whose fleet boots in ten minutes."""
    return street.job(street.fleet(lead_time_seconds=BOOT, **changes))


def full(street: Street, **changes: Any) -> FleetResult:
    """A full run."""
    return street.run(job_of(street), **changes)


def short(street: Street, job: Job | None = None, **changes: Any) -> FleetResult:
    """A short run."""
    street.aws.calls.clear()
    (result,) = run_short(street.make_run(job or job_of(street), **changes))
    return result


def rewrite(street: Street, factor: float, ago: timedelta, until: timedelta | None = None) -> None:
    """The load from some time ago on, times a factor."""
    now = street.aws.clock.now()
    stamps = pd.DatetimeIndex(street.load.index)
    end = pd.Timestamp(now - until) if until else stamps[-1]
    changed = np.asarray((stamps >= pd.Timestamp(now - ago)) & (stamps < end))
    load = street.load.mask(changed, street.load * factor)
    load.rename("value").rename_axis("timestamp").to_csv(street.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")


def floors(street: Street) -> dict[datetime, int]:
    """What stands, by start."""
    return {action["StartTime"]: action["MinSize"] for action in street.described()}


def asked(street: Street, length: timedelta = 5 * HOUR) -> npt.NDArray[np.int_]:
    """MinSize at each minute from now on, if nothing is written any more."""
    now = street.aws.clock.now()
    return floors_by_minute(play(snapshot(street.aws), now + length), now, now + length)


def items(folder: Path) -> dict[str, bytes]:
    """What is in the store."""
    return {str(path): path.read_bytes() for path in (folder / "store").rglob("*") if path.is_file()}


class KilledError(BaseException):
    """The process is gone."""


def killed_at(monkeypatch: pytest.MonkeyPatch, count: int) -> Callable[[], None]:
    """Dies at the write of this number, before it is made; call what is returned to live again."""
    put, made = AutoScalingTarget.put, 0

    def counted(self: AutoScalingTarget, slot: Any) -> None:
        nonlocal made
        if made == count:
            raise KilledError
        made += 1
        put(self, slot)

    monkeypatch.setattr(AutoScalingTarget, "put", counted)
    return lambda: monkeypatch.setattr(AutoScalingTarget, "put", put)
