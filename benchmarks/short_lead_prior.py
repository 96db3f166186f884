"""Learns the coefficients that the short-lead update ships with, from real traces.

    python -m benchmarks.short_lead_prior [--traces FOLDER] [--walks FOLDER] [--without NAME] [--out FILE]

Writes `forecasting/shortlead/coefficients.py`. `--without` leaves a trace out, to see what an unknown load would get; `benchmarks.short_lead` does so
for each trace. The walks (forecasts from rolling origins) take the time; `--walks` keeps them for the next run.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.replay import PEAK_INSTANCES, ROOT, SETTINGS, TRACES
from forecasting.backtest.floors import per_minute
from forecasting.backtest.recommend import csv_fleet
from forecasting.backtest.run import origin_times
from forecasting.backtest.walk import Origin, walk
from forecasting.models.base import FloatArray
from forecasting.shortlead.features import LEVELS, STEP, Features, features, forecast_paths
from forecasting.shortlead.need import TAUS, quantile_regression
from forecasting.sources.files import read_csv

WINDOWS = (4, 5, 7, 9, 12, 15)
"""Samples from a tick on: lead times of 5, 10, 20, 30, 45 and 60 minutes."""

PAST_DAYS, THINNED, RIDGE = 8, 4, 1e-4


@dataclass(frozen=True, eq=False)
class Trace:
    """A trace as the update sees it.

    Attributes:
        load: Samples of 5 min from `begin` on.
        minutes: Load per minute from the first origin on.
        scored: Ticks before the first origin, which are history only.
    """

    name: str
    begin: pd.Timestamp
    load: FloatArray
    minutes: FloatArray
    scored: int
    peak: float
    origins: list[Origin]

    @lru_cache(maxsize=32)  # noqa: B019 - a command's traces live as long as it
    def features(self, window: int) -> Features:
        """Of all ticks but the one after the end."""
        paths = forecast_paths(self.forecasts(), self.begin.to_pydatetime(), len(self.load) + 1, window)
        found = features(self.load, paths)
        return found.part(slice(-1))

    def forecasts(self) -> list[tuple[datetime, pd.DataFrame]]:
        """Those of the walk."""
        columns = [SETTINGS.walk.quantiles.index(level) for level in LEVELS]
        step = pd.Timedelta(minutes=SETTINGS.walk.step_minutes)
        return [
            (
                origin.at.to_pydatetime(),
                pd.DataFrame(
                    origin.quantiles[:, columns],
                    index=pd.date_range(origin.start, periods=len(origin.quantiles), freq=step),
                    columns=list(LEVELS),
                ),
            )
            for origin in self.origins
            if len(origin.quantiles)
        ]


def read_trace(name: str, traces: Path, walks: Path | None) -> Trace:
    """A trace and its walk, from this machine's own earlier run where there is one."""
    reading = read_csv(traces / f"{name}.csv")
    peak = float(reading.load.max())
    kept = walks / f"{name}.pkl" if walks else None
    if kept and kept.exists():
        origins: list[Origin] = pickle.loads(kept.read_bytes())  # noqa: S301 - written by the lines below on this machine
    else:
        origins = walk(reading, *origin_times(reading, csv_fleet(name, peak / PEAK_INSTANCES, peak), SETTINGS))
        if kept:
            kept.write_bytes(pickle.dumps(origins))
    start, end = origins[0].at, origins[-1].at + pd.Timedelta(hours=SETTINGS.walk.refresh_hours)
    begin = max(start - pd.Timedelta(days=PAST_DAYS), pd.Timestamp(reading.load.index[0]))
    ticks, scored = (end - begin) // STEP, (start - begin) // STEP
    minutes = per_minute(reading.load, reading.sample_seconds, begin, 5 * ticks)
    known = np.isfinite(minutes.reshape(ticks, 5))
    sums = np.nan_to_num(minutes).reshape(ticks, 5).sum(axis=1)
    load = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
    return Trace(name, begin, load, minutes[5 * scored :], scored, peak, origins)


def learn(past: Iterable[Trace], window: int) -> FloatArray:
    """The coefficients of some traces together, shape (taus, features)."""
    rows: list[FloatArray] = []
    change: list[FloatArray] = []
    for trace in past:
        found = trace.features(window)
        known = found.usable & np.isfinite(found.change)
        known[: trace.scored] = False
        picked = np.flatnonzero(known)[::THINNED]
        rows.append(found.rows[picked])
        change.append(found.change[picked])
    together, values = np.concatenate(rows), np.concatenate(change)
    nothing = np.zeros(together.shape[1])
    return np.stack([quantile_regression(together, values, tau, nothing, RIDGE) for tau in TAUS])


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What both commands take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--walks", type=Path)
    return parser


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--without", choices=tuple(TRACES))
    parser.add_argument("--out", type=Path, default=ROOT / "forecasting" / "shortlead" / "coefficients.py")
    given = parser.parse_args()
    past = [read_trace(name, given.traces, given.walks) for name in TRACES if name != given.without]
    lines = [
        f"{window} {tau} " + " ".join(f"{value:.3f}" for value in row)
        for window in WINDOWS
        for tau, row in zip(TAUS, learn(past, window), strict=True)
    ]
    text = (
        f'"""The coefficients that the update ships with, learnt on {len(past)} traces by `python -m benchmarks.short_lead_prior`."""\n\n'
        'TABLE = """\n' + "\n".join(lines) + '\n"""\n'
        '"""A line: window in samples of 5 min, tau, then one coefficient for each of `features.NAMES`."""\n'
    )
    given.out.write_text(text, encoding="utf-8")
    print(f"wrote {given.out}: {len(lines)} lines")


if __name__ == "__main__":
    main()
