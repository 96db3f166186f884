"""How forecasts are judged: origins, truth, losses, and what a difference between two methods is worth.

Origins every 6 h over the last third of a trace (at most 42 days), at most 28 days of history, 48 h ahead, steps of 15 min (1 h where the trace is
hourly); only whole horizons count. WQL is the weighted quantile loss: the mean over the levels .5, .9 and .95 of 2 x pinball loss / sum of the load.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.models.base import DEFAULT_QUANTILES, FloatArray

HISTORY = pd.Timedelta(days=28)
HORIZON = pd.Timedelta(hours=48)
EVERY = pd.Timedelta(hours=6)
LAST = pd.Timedelta(days=42)
RESAMPLES = 4000


def read(path: Path) -> pd.Series[float]:
    """A trace at the benchmark's step."""
    load = pd.read_csv(path, parse_dates=["timestamp"]).set_index("timestamp")["value"]
    return load.resample("15min").mean() if path.stem.endswith("_5min") else load.asfreq("1h")


def traces(folder: Path, names: list[str] | None = None) -> list[Path]:
    """The trace files of a folder, those whose name starts with one of `names`.

    Raises:
        SystemExit: there is none.
    """
    found = sorted(folder.glob("*.csv"))
    found = [path for path in found if not names or any(path.stem.startswith(name) for name in names)]
    if not found:
        raise SystemExit(f"no trace in {folder}")
    return found


def tasks(load: pd.Series[float], every: pd.Timedelta = EVERY) -> Iterator[tuple[pd.Series[float], pd.Series[float]]]:
    """History and truth of every origin, the newest first."""
    step = load.index[1] - load.index[0]
    start, end = load.index[0], load.index[-1] + step
    origin = end - HORIZON
    while origin >= end - min((end - start) / 3, LAST):
        yield load[origin - HISTORY : origin - step], load[origin : origin + HORIZON - step]
        origin -= every


def processor_seconds() -> float:
    """Processor time of this process and of the children that have ended: Prophet's Stan is one."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@dataclass(frozen=True)
class Score:
    """One method on one trace, by origin.

    Attributes:
        loss: Sum over the steps of the mean over the levels of 2 x pinball loss, shape (origins,).
        load: Sum of the load, shape (origins,).
        covered: Steps at or below the .95 quantile, shape (origins,).
        steps: Known steps, shape (origins,).
        seconds: Processor time per forecast; 0 where it was not measured.
    """

    loss: FloatArray
    load: FloatArray
    covered: FloatArray
    steps: FloatArray
    seconds: float

    @property
    def wql(self) -> float:
        return float(self.loss.sum() / self.load.sum())

    @property
    def coverage(self) -> float:
        return float(self.covered.sum() / self.steps.sum())


def score(quantiles: FloatArray, truth: FloatArray, seconds: float = 0.0) -> Score:
    """Judge quantiles .5, .9 and .95, shape (origins, horizon, 3), by the truth, shape (origins, horizon)."""
    levels, known = np.array(DEFAULT_QUANTILES), np.isfinite(truth)
    miss = np.where(known, truth, 0.0)[:, :, None] - quantiles
    loss = 2 * np.maximum(levels * miss, (levels - 1) * miss).mean(axis=2)
    return Score(
        loss=np.where(known, loss, 0.0).sum(axis=1),
        load=np.nansum(truth, axis=1),
        covered=(known & (truth <= quantiles[:, :, -1])).sum(axis=1).astype(float),
        steps=known.sum(axis=1).astype(float),
        seconds=seconds,
    )


@dataclass(frozen=True)
class Difference:
    """Mean WQL of one method minus another's, over the traces, with its 95 % bootstrap interval; below zero, the first one is better."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        verdict = "better" if self.high < 0 else "worse" if self.low > 0 else "unclear"
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}] {verdict}"


def difference(
    ours: Mapping[str, Score], theirs: Mapping[str, Score], weeks: Mapping[str, npt.NDArray[np.int64]]
) -> Difference:
    """Paired bootstrap over traces, and over the weeks of each trace: origins within a week share their truth and are drawn together.

    Args:
        ours: Scores by trace.
        theirs: The same traces and origins.
        weeks: Week of each origin, by trace.
    """
    generator = np.random.default_rng(1)
    drawn: list[FloatArray] = []
    for name, score_of in ours.items():
        _, week = np.unique(weeks[name], return_inverse=True)
        gain, load = (np.bincount(week, part) for part in (score_of.loss - theirs[name].loss, score_of.load))
        picked = generator.integers(len(gain), size=(RESAMPLES, len(gain)))
        drawn.append(np.asarray(gain[picked].sum(axis=1) / load[picked].sum(axis=1), np.float64))
    per_trace = np.stack(drawn, axis=1)
    chosen = generator.integers(len(drawn), size=(RESAMPLES, len(drawn)))
    means = np.take_along_axis(per_trace, chosen, axis=1).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    mean = float(np.mean([ours[name].wql - theirs[name].wql for name in ours]))
    return Difference(mean, float(low), float(high))
