"""Protocol of the forecast bench: origins, truth, losses and intervals.

Of the last 42 days of a load the last third is the test. Origins are 6 h apart (12 h if the test is
longer than 8 days), the history is at most 28 days, the horizon 48 h, and the step is the load's own.
WQL is the weighted quantile loss: the mean over the levels .5, .9 and .95 of 2 x pinball loss / load.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.models.base import DEFAULT_QUANTILES, FloatArray

HISTORY = pd.Timedelta(days=28)
HORIZON = pd.Timedelta(hours=48)
EVERY = pd.Timedelta(hours=6)
EVERY_LONG = pd.Timedelta(hours=12)
LONG_TEST = pd.Timedelta(days=8)
LAST = pd.Timedelta(days=42)
BLOCK_DAYS = 2
"""Length of a bootstrap block: neighbouring origins share two days of truth."""
RESAMPLES = 2000
INTERVAL = (0.05, 0.95)
"""The 90 % interval of a ratio."""

SOURCES = {
    "llm": "ServeGen",
    "wc98": "WorldCup98",
    "nyc_taxi": "NAB taxi",
    "tweets": "NAB tweets",
    "azurevm": "Azure VMs",
    "google2019": "Google cluster",
    "cloudpool": "Cloud cluster capacity",
    "isp": "Cortez ISPs",
    "kpi": "NetMan KPIs",
    "walkers": "Melbourne pedestrians",
    "appserver": "Application server",
    "websessions": "Web sessions",
    "interstate": "Interstate 94",
    "retail": "Online Retail II",
    "bankcalls": "Bank calls",
    "hpc": "NASA iPSC",
    "power": "AEMO Victoria",
}
"""Source of each load by the beginning of its file name."""


def source_of(name: str) -> str:
    """Source of a load, its own name if the list has none."""
    return next((source for begin, source in SOURCES.items() if name.startswith(begin)), name)


def read(path: Path) -> pd.Series[float]:
    """A load at its own step: the most common difference of its stamps."""
    load = pd.read_csv(path, parse_dates=["timestamp"]).set_index("timestamp")["value"]
    step = pd.Series(load.index).diff().mode().iloc[0]
    return load.asfreq(step)


def traces(folder: Path, names: list[str] | None = None) -> list[Path]:
    """The load files of a folder, those whose name starts with one of `names`.

    Raises:
        SystemExit: there is none.
    """
    found = sorted(folder.glob("*.csv"))
    found = [path for path in found if not names or any(path.stem.startswith(name) for name in names)]
    if not found:
        raise SystemExit(f"no load file in {folder}")
    return found


def spacing(load: pd.Series[float]) -> pd.Timedelta:
    """Time between the origins of a load."""
    return EVERY_LONG if _test(load) > LONG_TEST else EVERY


def tasks(
    load: pd.Series[float], every: pd.Timedelta | None = None
) -> Iterator[tuple[pd.Series[float], pd.Series[float]]]:
    """History and truth of every origin, the newest first."""
    step = load.index[1] - load.index[0]
    end = load.index[-1] + step
    origin, first = end - HORIZON, end - _test(load)
    every = spacing(load) if every is None else every
    while origin >= first:
        yield load[origin - HISTORY : origin - step], load[origin : origin + HORIZON - step]
        origin -= every


def _test(load: pd.Series[float]) -> pd.Timedelta:
    return min(load.index[-1] + (load.index[1] - load.index[0]) - load.index[0], LAST) / 3


def processor_seconds() -> float:
    """Processor time of this process and of its ended children, such as Prophet's Stan."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@dataclass(frozen=True)
class Score:
    """One method on one load.

    Attributes:
        loss: Mean over the levels of 2 x pinball loss, summed over the steps of each day of truth,
            newest day first, shape (days,).
        load: Sum of the load over the same steps, shape (days,).
        covered: Known steps at or below the .95 quantile.
        steps: Known steps.
        seconds: Processor time of a forecast.
    """

    loss: FloatArray
    load: FloatArray
    covered: int
    steps: int
    seconds: float

    @property
    def wql(self) -> float:
        """Weighted quantile loss."""
        return float(self.loss.sum() / self.load.sum())

    @property
    def coverage(self) -> float:
        """Share of the known steps at or below the .95 quantile."""
        return self.covered / self.steps


def score(
    quantiles: FloatArray,
    truth: FloatArray,
    seconds: float = 0.0,
    days: npt.NDArray[np.int64] | None = None,
) -> Score:
    """Judge quantiles .5, .9 and .95.

    Args:
        quantiles: Shape (origins, horizon, 3).
        truth: Shape (origins, horizon), NaN if unknown.
        seconds: Processor time of a forecast.
        days: Day of each step of truth, counted from 0, same shape as `truth`; one day if None.
    """
    levels, known = np.array(DEFAULT_QUANTILES), np.isfinite(truth)
    miss = np.where(known, truth, 0.0)[:, :, None] - quantiles
    loss = np.where(known, 2 * np.maximum(levels * miss, (levels - 1) * miss).mean(axis=2), 0.0)
    day = (np.zeros(truth.shape, np.int64) if days is None else days).ravel()
    return Score(
        loss=np.asarray(np.bincount(day, loss.ravel()), np.float64),
        load=np.asarray(np.bincount(day, np.where(known, truth, 0.0).ravel()), np.float64),
        covered=int((known & (truth <= quantiles[:, :, -1])).sum()),
        steps=int(known.sum()),
        seconds=seconds,
    )


def truth_days(truths: list[pd.Series[float]]) -> npt.NDArray[np.int64]:
    """Day of each step of the truths, counted back from the newest, shape (origins, horizon)."""
    end = max(truth.index[-1] for truth in truths)
    return np.stack([np.asarray((end - truth.index) // pd.Timedelta(days=1), np.int64) for truth in truths])


def ratio_interval(ours: Score, theirs: Score) -> tuple[float, float]:
    """90 % interval of the ratio of two losses on one load: circular block bootstrap over its days."""
    days = len(ours.loss)
    generator = np.random.default_rng(1)
    starts = generator.integers(days, size=(RESAMPLES, -(-days // BLOCK_DAYS)))
    drawn = ((starts[:, :, None] + np.arange(BLOCK_DAYS)) % days).reshape(RESAMPLES, -1)
    ratios = ours.loss[drawn].sum(axis=1) / theirs.loss[drawn].sum(axis=1)
    low, high = np.quantile(ratios, INTERVAL)
    return float(low), float(high)
