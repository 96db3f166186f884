"""A thousand series backtested in parallel processes, beside statsforecast's AutoARIMA and Prophet in the same run.

    python -m benchmarks.many_series --data DIR [--series 1000] [--processes 2] [--arima-sample 12] [--prophet-sample 60] [--out FILE]

Each series is a stretch of a trace in DIR, 28 days and what is forecast after them (all of a shorter trace), times a random scale, a level that
wanders by 3 % a day and noise of 5 % a step. Each is forecast 48 h ahead from four origins, 12 h apart, by every method on the same histories.
Ours runs on all series, the rivals on the first ones of the same random order, as many as are asked for: their time for all is extrapolated from
those, and said to be. WQL is the protocol's (`forecast_protocol.py`), the mean over series; a series' own is capped at 2, for a night without
load makes it huge.
"""

from __future__ import annotations

import argparse
import math
import platform
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from benchmarks.forecast_protocol import HISTORY, HORIZON, processor_seconds, read, score, traces
from benchmarks.forecast_references import REFERENCES
from forecasting.models.base import FloatArray
from forecasting.models.tournament import forecast

OURS = "auto"
RIVALS = ("autoarima-fourier", "prophet")
ORIGINS = 4
APART = pd.Timedelta(hours=12)
MOST_WQL = 2.0


@dataclass(frozen=True)
class Judged:
    """One method on one series: its WQL, the coverage of its .95 quantile, processor seconds for all origins, peak of the process in MB."""

    wql: float
    coverage: float
    seconds: float
    peak_mb: float


def series_of(loads: Sequence[pd.Series[float]], number: int) -> pd.Series[float]:
    """The series of this number: always the same for the same traces."""
    generator = np.random.default_rng(number)
    load = loads[int(generator.integers(len(loads)))]
    steps = min(_steps(HISTORY + HORIZON + (ORIGINS - 1) * APART, load), len(load))
    begin = int(generator.integers(len(load) - steps + 1))
    values: FloatArray = np.asarray(load.iloc[begin : begin + steps], np.float64) / max(float(load.mean()), 1e-12)
    changes: FloatArray = generator.normal(0, 0.03, steps) / math.sqrt(_steps(pd.Timedelta(days=1), load))
    level, noise = np.exp(np.cumsum(changes)), np.maximum(generator.normal(1, 0.05, steps), 0)
    scale = 10.0 ** float(generator.uniform(-1, 4))
    return pd.Series(values * level * noise * scale, index=load.index[begin : begin + steps])


def _steps(span: pd.Timedelta, load: pd.Series[float]) -> int:
    return round(span / (load.index[1] - load.index[0]))


def judge(loads: Sequence[pd.Series[float]], method: str, number: int) -> Judged:
    """A method on a series."""
    load = series_of(loads, number)
    horizon = _steps(HORIZON, load)
    quantiles: list[FloatArray] = []
    truths: list[FloatArray] = []
    started = processor_seconds()
    for origin in range(ORIGINS):
        end = len(load) - horizon - origin * _steps(APART, load)
        history = load.iloc[max(end - _steps(HISTORY, load), 0) : end]
        quantiles.append(_forecast(method, history, horizon))
        truths.append(np.asarray(load.iloc[end : end + horizon], np.float64))
    seconds = processor_seconds() - started
    found = score(np.stack(quantiles), np.stack(truths))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Judged(min(found.wql, MOST_WQL), found.coverage, seconds, peak)


def _forecast(method: str, history: pd.Series[float], horizon: int) -> FloatArray:
    if method == OURS:
        return forecast(history, horizon, budget_seconds=600.0).quantiles.to_numpy(float)
    (rival,) = (rival for rival in REFERENCES if rival.name == method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rival.forecast(history, horizon)


def run(loads: Sequence[pd.Series[float]], method: str, count: int, processes: int) -> tuple[list[Judged], float]:
    """The first `count` series, with a bar on standard error, and the seconds it took."""
    started = time.perf_counter()
    job = partial(judge, loads, method)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        found = pool.map(job, range(count), chunksize=max(min(count // (8 * processes), 8), 1))
        done = list(track(found, method, count, console=Console(stderr=True)))
    return done, time.perf_counter() - started


def row(method: str, found: list[Judged], ours: list[Judged], wall: float, total: int, processes: int) -> str:
    """A line of the table; ours on the same series beside it."""
    wql, same = (float(np.mean([each.wql for each in part])) for part in (found, ours[: len(found)]))
    seconds = float(np.mean([each.seconds for each in found]))
    whole = seconds * total / processes
    text = f"{whole:.0f} s" if whole < 600 else f"{whole / 60:.0f} min"
    return (
        f"| {method} | {len(found)} | {wql:.4f} | {same:.4f} | {np.mean([each.coverage for each in found]):.3f} | {seconds:.3f} | "
        f"{wall:.0f} | {text}{'' if len(found) == total else ', extrapolated'} | {max(each.peak_mb for each in found):.0f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the traces")
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--arima-sample", type=int, default=12, help="series that AutoARIMA is run on")
    parser.add_argument("--prophet-sample", type=int, default=60, help="series that Prophet is run on")
    parser.add_argument("--out", type=Path, help="Markdown page to write")
    options = parser.parse_args()
    paths = traces(options.data)
    loads = [read(path).interpolate() for path in paths]
    whole = f"{options.series} series on {options.processes} idle cores"
    lines = [
        f"| method | series | WQL | `auto` on these | coverage of .95 | processor s a series | wall s of this run | {whole} | peak, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ours: list[Judged] = []
    samples = {OURS: options.series, RIVALS[0]: options.arima_sample, RIVALS[1]: options.prophet_sample}
    absent = {rival.name for rival in REFERENCES if not rival.installed}
    for method, count in samples.items():
        if method in absent or not count:
            continue
        found, wall = run(loads, method, min(count, options.series), options.processes)
        ours = ours or found
        lines.append(row(method, found, ours, wall, options.series, options.processes))
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines)
    print(text)
    if not_run := absent & set(RIVALS):
        print(f"\nNot run, not installed: {', '.join(sorted(not_run))} (`make bench-many` installs them)")
    if options.out:
        options.out.write_text(page(text, [path.stem for path in paths]), encoding="utf-8")
    return 0


def page(table: str, names: list[str]) -> str:
    """The page, with how it came about."""
    about = "\n\n".join((__doc__ or "").split("\n\n")[2:]).strip()
    return (
        "# A thousand series\n\n`make bench-many ARGS='--data DIR'`\n\n"
        f"{about}\n\n{table}\n\n"
        f"Traces: {', '.join(names)}; sources and licences are in [the table of the forecast's page](../designs/forecast-blend.md#traces). "
        f"Python {platform.python_version()} on {platform.machine()}, one BLAS thread a process. Processor time counts child processes (Prophet's "
        "Stan). The machine was busy, so wall seconds are longer than on idle cores; the last but one column is processor seconds "
        "over cores.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
