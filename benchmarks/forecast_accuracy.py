"""Accuracy of the forecasts on load traces, as a markdown table.

    python -m benchmarks.forecast_accuracy --data DIR [--trace NAME ...] [--model NAME ...]

DIR holds CSV files `NAME_5min.csv` or `NAME_1h.csv` with the columns timestamp (UTC) and value. Origins every 6 h over the last third of
a trace (at most 42 days), at most 28 days of history, 48 h ahead, steps of 15 min (1 h where the trace is hourly); only whole horizons count.
WQL is the weighted quantile loss: the mean over the levels .5, .9 and .95 of 2 x pinball loss / sum of the load. `picked` is the single model
with the least error on the rolling origins inside each history, the rival of `auto`. Seconds are processor time per forecast.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forecasting.models.base import DEFAULT_QUANTILES, Forecast
from forecasting.models.tournament import MODELS, forecast

HISTORY = pd.Timedelta(days=28)
HORIZON = pd.Timedelta(hours=48)
EVERY = pd.Timedelta(hours=6)
LAST = pd.Timedelta(days=42)
SINGLES = tuple(model.name for model in MODELS)


@dataclass
class Score:
    """Sums over the origins of one trace."""

    loss: float = 0.0
    load: float = 0.0
    covered: int = 0
    steps: int = 0
    seconds: float = 0.0
    origins: int = 0

    def add(self, predicted: Forecast, actual: pd.Series[float], seconds: float) -> None:
        truth = actual.to_numpy(float)
        known = np.isfinite(truth)
        truth, paths = truth[known], predicted.quantiles.to_numpy()[known]
        for column, level in enumerate(DEFAULT_QUANTILES):
            miss = truth - paths[:, column]
            self.loss += 2 * float(np.maximum(level * miss, (level - 1) * miss).sum()) / len(DEFAULT_QUANTILES)
        self.load += float(truth.sum())
        self.covered += int((truth <= paths[:, -1]).sum())
        self.steps += len(truth)
        self.seconds += seconds
        self.origins += 1

    @property
    def wql(self) -> float:
        return self.loss / self.load

    @property
    def coverage(self) -> float:
        return self.covered / self.steps


def read(path: Path) -> pd.Series[float]:
    """A trace at the benchmark's step."""
    load = pd.read_csv(path, parse_dates=["timestamp"]).set_index("timestamp")["value"]
    return load.resample("15min").mean() if path.stem.endswith("_5min") else load.asfreq("1h")


def tasks(load: pd.Series[float], every: pd.Timedelta = EVERY) -> Iterator[tuple[pd.Series[float], pd.Series[float]]]:
    """History and truth of every origin."""
    step = load.index[1] - load.index[0]
    start, end = load.index[0], load.index[-1] + step
    origin = end - HORIZON
    while origin >= end - min((end - start) / 3, LAST):
        yield load[origin - HISTORY : origin - step], load[origin : origin + HORIZON - step]
        origin -= every


def evaluate(load: pd.Series[float], models: tuple[str, ...], every: pd.Timedelta = EVERY) -> dict[str, Score]:
    """Scores by model; `picked` where all single models are among them."""
    scores: dict[str, Score] = {}
    for history, truth in tasks(load, every):
        forecasts: dict[str, Forecast] = {}
        for model in models:
            started = time.process_time()
            forecasts[model] = forecast(history, len(truth), model=model)
            scores.setdefault(model, Score()).add(forecasts[model], truth, time.process_time() - started)
        errors = {name: forecasts[name].model.errors.get(name, np.inf) for name in SINGLES if name in forecasts}
        if len(errors) == len(SINGLES):
            best = min(errors, key=lambda name: errors[name])
            scores.setdefault("picked", Score()).add(forecasts[best], truth, 0.0)
    return scores


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the traces")
    parser.add_argument("--trace", action="append", help="only traces whose name starts so (repeatable)")
    parser.add_argument("--model", action="append", choices=("auto", *SINGLES), help="only these (repeatable)")
    options = parser.parse_args()
    paths = [
        path
        for path in sorted(options.data.glob("*.csv"))
        if not options.trace or any(path.stem.startswith(name) for name in options.trace)
    ]
    if not paths:
        print(f"no trace in {options.data}", file=sys.stderr)
        return 2
    models = tuple(options.model or ("auto", *SINGLES))
    results = {path.stem: evaluate(read(path), models) for path in paths}
    rows = [*models, *(["picked"] if "picked" in next(iter(results.values())) else [])]
    print(f"| WQL | {' | '.join(results)} | **mean** | coverage of .95 | seconds |")
    print(f"|---|{'---|' * (len(results) + 3)}")
    for row in rows:
        scores = [result[row] for result in results.values()]
        cells = [f"{score.wql:.3f}" for score in scores]
        mean = float(np.mean([score.wql for score in scores]))
        coverage = float(np.mean([score.coverage for score in scores]))
        seconds = sum(score.seconds for score in scores) / sum(score.origins for score in scores)
        print(f"| {row} | {' | '.join(cells)} | **{mean:.4f}** | {coverage:.3f} | {seconds:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
