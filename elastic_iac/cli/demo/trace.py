"""The load of the demo: the last days of a file, or a synthetic one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from forecasting.errors import InputError
from forecasting.sources.files import read_csv

HISTORY_DAYS = 12
MIN_HISTORY_DAYS = 2
UNSEEN_HOURS = 48
SYNTHETIC_SECONDS = 300
SYNTHETIC_SEED = 20260301
SAMPLE_SECONDS = tuple(60 * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60))
"""Lengths of a sample: CloudWatch's periods are whole minutes, and a forecast's step holds whole samples."""

METRICS_DELAY = timedelta(minutes=5)
"""The clouds show a sample some minutes after its end, each after another while (Cloud Monitoring: four). After this one both show the same."""

_UNSEEN = timedelta(hours=UNSEEN_HOURS)


@dataclass(frozen=True)
class Trace:
    """A load around a moment that is taken for now.

    Attributes:
        label: What it is, for people; says so where it is synthetic.
        load: Samples on a regular UTC grid, NaN where missing; stamps are starts of samples, moved by `moved_by`.
        sample_seconds: Length of a sample.
        seen_until: Samples before it are history; `UNSEEN_HOURS` follow, which the job does not see.
        moved_by: What was added to the file's own stamps.
        synthetic: Whether it was generated.
    """

    label: str
    load: pd.Series[float]
    sample_seconds: int
    seen_until: datetime
    moved_by: timedelta
    synthetic: bool

    @property
    def now(self) -> datetime:
        """When the job runs: as soon as the history's last sample is to be seen."""
        return self.seen_until + METRICS_DELAY

    @property
    def step_minutes(self) -> int:
        """The shortest step of a forecast, of a quarter of an hour or more, that holds whole samples."""
        return next(minutes for minutes in (15, 30, 60) if 60 * minutes % self.sample_seconds == 0)

    @property
    def history(self) -> pd.Series[float]:
        """What the job may read."""
        return self.load[self.load.index < pd.Timestamp(self.seen_until)]

    @property
    def missing(self) -> int:
        """Samples that the history lacks."""
        return int(self.history.isna().sum())

    @property
    def unseen(self) -> pd.Series[float]:
        """What comes afterwards."""
        return self.load[self.load.index >= pd.Timestamp(self.seen_until)]


def floor_time(moment: datetime, seconds: int) -> datetime:
    """The last whole multiple of `seconds` at or before an aware moment."""
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, moment.tzinfo)


def file_trace(path: Path, present: datetime) -> Trace:
    """The last 14 days of a load file, moved so that its last 48 hours begin as the job runs.

    Args:
        path: CSV (`timestamp,value`) or Parquet.
        present: The present time (aware).

    Raises:
        InputError: the file is not a load series, its samples are longer than an hour, or it is shorter than four days.
    """
    reading = read_csv(path)
    load = reading.load[~reading.load.index.duplicated(keep="last")].sort_index()
    seconds = next((length for length in SAMPLE_SECONDS if length >= reading.sample_seconds), None)
    if seconds is None:
        raise InputError(f"{path}: samples of {reading.sample_seconds} s; expected one an hour or more often")
    sample = pd.Timedelta(seconds=seconds)
    load = load.resample(sample).mean()
    steps, unseen = len(load), int(_UNSEEN / sample)
    shortest = unseen + int(timedelta(days=MIN_HISTORY_DAYS) / sample)
    if steps < shortest:
        days = steps * seconds / 86_400
        raise InputError(
            f"{path}: {days:.1f} days of load; expected at least {MIN_HISTORY_DAYS} days of history and the {UNSEEN_HOURS} h after them"
        )
    load = load.iloc[-(unseen + int(timedelta(days=HISTORY_DAYS) / sample)) :]
    if not (load.iloc[:-unseen] > 0).any():
        raise InputError(f"{path}: the load before the last {UNSEEN_HOURS} h is never above zero")
    seen_until = floor_time(present - METRICS_DELAY, seconds)
    moved_by = seen_until - load.index[-unseen].to_pydatetime()
    moved = load.set_axis(pd.DatetimeIndex(load.index) + moved_by)
    return Trace(path.name, moved.rename("load"), seconds, seen_until, moved_by, synthetic=False)


def synthetic_trace(present: datetime) -> Trace:
    """Fourteen days with daily and weekly seasons, noise that lasts, and bursts; the same for the same minute.

    Args:
        present: The present time (aware); the shape follows its wall clock in UTC.
    """
    seen_until = floor_time(present - METRICS_DELAY, SYNTHETIC_SECONDS)
    start = seen_until - timedelta(days=HISTORY_DAYS)
    sample = pd.Timedelta(seconds=SYNTHETIC_SECONDS)
    index = pd.date_range(start, seen_until + _UNSEEN, freq=sample, inclusive="left")
    random = np.random.default_rng(SYNTHETIC_SEED)
    hour = index.hour.to_numpy() + index.minute.to_numpy() / 60
    # A working day: a steep morning, a lunch dip, a long evening; weekends at two thirds.
    day = 0.25 + 0.75 * np.exp(-(((hour - 11) / 3.2) ** 2)) + 0.55 * np.exp(-(((hour - 17.5) / 3.0) ** 2))
    week = np.where(index.day_of_week.to_numpy() >= 5, 0.66, 1.0)
    wander = np.zeros(len(index))
    for step, shock in enumerate(random.normal(0, 0.018, len(index) - 1), start=1):
        wander[step] = 0.97 * wander[step - 1] + shock
    noise = np.exp(wander + random.normal(0, 0.03, len(index)))
    load = 1200 * day * week * noise * _bursts(len(index), random)
    label = "synthetic load (generated: daily and weekly seasons, noise, bursts)"
    series = pd.Series(load.round(2), index=index, name="load")
    return Trace(label, series, SYNTHETIC_SECONDS, seen_until, timedelta(0), synthetic=True)


def _bursts(steps: int, random: np.random.Generator) -> np.ndarray:
    """Factors: about one burst in two days, of half an hour to an hour and a half, up to 1.7 times the load."""
    factor = np.ones(steps)
    for start in np.flatnonzero(random.random(steps) < 1 / (2 * 288)):
        length = int(random.integers(6, 18))
        height = random.uniform(0.3, 0.7)
        shape = np.sin(np.linspace(0.3, np.pi - 0.3, length))
        factor[start : start + length] += height * shape[: steps - start]
    return factor
