"""Accuracy of the forecasts beside what a user could pick instead, on load traces, as markdown tables.

    python -m benchmarks.forecast_accuracy --data DIR [--trace NAME ...] [--model NAME ...] [--cache DIR]

DIR holds CSV files `NAME_5min.csv` or `NAME_1h.csv` with the columns timestamp (UTC) and value; the protocol is in `forecast_protocol.py`.
Rows: `auto`; all models by name; `last-value` and ARIMA(2, 1, 2), with our bands; `median-of-models`, the median of five of them; `picked`, the
single model with the least error on the rolling origins inside each history; rivals as their own libraries run them (`forecast_references.py`),
where these are installed (`make bench-models` installs them). Then the coverage of `auto` by trace, its paired difference to each row, what holds of
the bars, and the two traces with a calendar beside those without (`forecast_calendar.py`). Seconds are processor time per forecast, child processes
included. `--cache` keeps what the slow rivals gave.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecast_calendar import calendar_table
from benchmarks.forecast_protocol import (
    EVERY,
    Difference,
    Score,
    difference,
    processor_seconds,
    read,
    score,
    tasks,
    traces,
)
from benchmarks.forecast_references import REFERENCES, LastValue, Reference
from forecasting.models.base import DEFAULT_QUANTILES, FloatArray, Forecast, IntArray, PointModel
from forecasting.models.statistical import Arima
from forecasting.models.task import check
from forecasting.models.tournament import BLEND, MODELS, forecast, run

OURS = "auto"
PICKED = "picked"
CALENDAR_TRACES = ("nyc_taxi_1h.csv", "wc98_5min.csv")
MEAN_COVERAGE, TRACE_COVERAGE = (0.93, 0.97), (0.90, 0.99)


@dataclass(frozen=True)
class MedianOfModels:
    """At each step the median of five forecasts: what many do instead of weighing."""

    members: tuple[PointModel, ...] = (*BLEND[:4], MODELS[len(BLEND) + 1])
    name: str = "median-of-models"

    def minimum_steps(self, steps_per_day: int) -> int:
        return max(member.minimum_steps(steps_per_day) for member in self.members)

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        found = [member.predict(load, origins, horizon, steps_per_day) for member in self.members]
        return np.asarray(np.median(found, axis=0), np.float64)


EXTRA: tuple[PointModel, ...] = (LastValue(), Arima("arima-212", 2, 2), MedianOfModels())
SINGLES = tuple(model.name for model in MODELS)
NAMES = (OURS, PICKED, *SINGLES, *(model.name for model in EXTRA), *(rival.name for rival in REFERENCES))


def evaluate(load: pd.Series[float], names: Sequence[str], every: pd.Timedelta = EVERY) -> dict[str, Score]:
    """Scores of our own models, of `EXTRA` and of `picked`, by name."""
    histories, truth = _tasks(load, every)
    forecasts: dict[str, list[Forecast]] = {}
    seconds: dict[str, float] = {}
    for name in names:
        started = processor_seconds()
        if name != PICKED:
            forecasts[name] = [_forecast(history, truth.shape[1], name) for history in histories]
        else:
            candidates = [forecasts[single] for single in SINGLES if single in forecasts]
            forecasts[name] = [min(found, key=_own_error) for found in zip(*candidates, strict=True)]
        seconds[name] = (processor_seconds() - started) / len(histories)
    return {
        name: score(np.stack([each.quantiles.to_numpy() for each in found]), truth, seconds[name])
        for name, found in forecasts.items()
    }


def _tasks(load: pd.Series[float], every: pd.Timedelta) -> tuple[list[pd.Series[float]], FloatArray]:
    histories, truths = zip(*tasks(load, every), strict=True)
    return list(histories), np.stack([truth.to_numpy(float) for truth in truths])


def _own_error(found: Forecast) -> float:
    """Error of a single model on the origins inside its history."""
    return found.model.errors.get(found.model.name, np.inf)


def _forecast(history: pd.Series[float], horizon: int, name: str) -> Forecast:
    extra = [model for model in EXTRA if model.name == name]
    if not extra:
        return forecast(history, horizon, model=name)
    asked = {"models": (name,), "censored": None, "time_zone": "UTC", "budget_seconds": 60.0}
    return run(check(history, horizon, DEFAULT_QUANTILES, name, **asked), extra)  # pyright: ignore[reportArgumentType] - by name


def evaluate_rival(rival: Reference, path: Path, cache: Path | None) -> Score:
    """Score of a rival on a trace; what it gave is taken from the cache where it is there."""
    histories, truth = _tasks(read(path), EVERY)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    kept = cache / f"{path.stem}-{digest}--{rival.name}.npz" if cache else None
    if kept and kept.is_file():
        with np.load(kept) as found:
            return score(found["quantiles"], truth, float(found["seconds"]))
    started = processor_seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a rival's library thinks of the data is its own affair
        quantiles = np.stack([rival.forecast(history, truth.shape[1]) for history in histories])
    seconds = (processor_seconds() - started) / len(histories)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, quantiles=quantiles, seconds=seconds)
    return score(quantiles, truth, seconds)


def _weeks(load: pd.Series[float]) -> npt.NDArray[np.int64]:
    """Week of each origin, counted back from the newest."""
    newest_first = [truth.index[0] for _, truth in tasks(load)]
    return np.array([(newest_first[0] - stamp) // pd.Timedelta(days=7) for stamp in newest_first], np.int64)


def accuracy_table(scores: dict[str, dict[str, Score]]) -> list[str]:
    """WQL of each method (by name, then by trace), best first, and its coverage."""
    columns = list(next(iter(scores.values())))
    lines = [
        f"| WQL | {' | '.join(columns)} | **mean** | coverage of .95: mean | least | most | seconds |",
        f"|---|{'---|' * (len(columns) + 5)}",
    ]
    for name, found in sorted(scores.items(), key=lambda item: _mean_wql(item[1])):
        cells = [f"{found[column].wql:.3f}" for column in columns]
        coverage = [each.coverage for each in found.values()]
        seconds = float(np.mean([each.seconds for each in found.values()]))
        row = [*cells, f"**{_mean_wql(found):.4f}**", *(f"{value:.3f}" for value in _mean_least_most(coverage))]
        lines.append(f"| {name} | {' | '.join(row)} | {f'{seconds:.3f}' if name != PICKED else ''} |")
    return lines


def _mean_wql(scores: dict[str, Score]) -> float:
    return float(np.mean([each.wql for each in scores.values()]))


def _mean_least_most(values: list[float]) -> tuple[float, float, float]:
    return float(np.mean(values)), min(values), max(values)


def comparison(scores: dict[str, dict[str, Score]], weeks: dict[str, npt.NDArray[np.int64]]) -> list[str]:
    """The coverage of `auto` by trace, its difference to each other row, and which bars that meets."""
    ours = scores[OURS]
    coverage = [each.coverage for each in ours.values()]
    others = sorted(scores.keys() - {OURS}, key=lambda name: _mean_wql(scores[name]))
    found: dict[str, Difference] = {name: difference(ours, scores[name], weeks) for name in others}
    parts = {model.name for model in BLEND}
    lines = [
        f"| coverage of .95 | {' | '.join(ours)} |",
        f"|---|{'---|' * len(ours)}",
        f"| {OURS} | {' | '.join(f'{value:.3f}' for value in coverage)} |",
        "",
        f"| {OURS} minus | mean WQL [95 % interval] |",
        "|---|---|",
        *(f"| {name}{', a part of it' if name in parts else ''} | {each} |" for name, each in found.items()),
    ]
    not_below = [name for name, each in found.items() if each.mean >= 0]
    unclear = [name for name, each in found.items() if each.high >= 0]
    mean, least, most = _mean_least_most(coverage)
    within = MEAN_COVERAGE[0] <= mean <= MEAN_COVERAGE[1]
    inside = TRACE_COVERAGE[0] <= least and most <= TRACE_COVERAGE[1]
    return [
        *lines,
        "",
        "| bar | holds |",
        "|---|---|",
        f"| mean WQL below every other row | {_but(not_below)} |",
        f"| interval below zero for every other row | {_but(unclear)} |",
        f"| coverage of .95 from {MEAN_COVERAGE[0]} to {MEAN_COVERAGE[1]} in the mean | {'yes' if within else 'no'}: {mean:.3f} |",
        f"| coverage of .95 from {TRACE_COVERAGE[0]} to {TRACE_COVERAGE[1]} by trace | {'yes' if inside else 'no'}: {least:.3f} to {most:.3f} |",
    ]


def _but(names: list[str]) -> str:
    return f"all but {', '.join(names)}" if names else "yes"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the traces")
    parser.add_argument("--trace", action="append", help="only traces whose name starts so (repeatable)")
    parser.add_argument("--model", action="append", choices=NAMES, help="only these (repeatable)")
    parser.add_argument("--cache", type=Path, help="folder that keeps what the slow rivals gave")
    options = parser.parse_args()
    names = options.model or list(NAMES)
    own = [name for name in (*(name for name in NAMES if name != PICKED), PICKED) if name in names]
    own = [name for name in own if name not in {rival.name for rival in REFERENCES}]
    rivals = [rival for rival in REFERENCES if rival.name in names]
    scores: dict[str, dict[str, Score]] = {}
    weeks: dict[str, npt.NDArray[np.int64]] = {}
    for path in traces(options.data, options.trace):
        load = read(path)
        weeks[path.stem] = _weeks(load)
        for name, found in evaluate(load, own).items():
            scores.setdefault(name, {})[path.stem] = found
        for rival in rivals:
            if rival.installed:
                scores.setdefault(rival.name, {})[path.stem] = evaluate_rival(rival, path, options.cache)
        print(f"{path.stem}: {len(weeks[path.stem])} origins", file=sys.stderr, flush=True)
    print("\n".join(accuracy_table(scores)))
    if OURS in scores and len(scores) > 1:
        print("\n".join(["", *comparison(scores, weeks)]))
    if absent := sorted({rival.library for rival in rivals if not rival.installed}):
        print(f"\nNot run, not installed: {', '.join(absent)}")
    if not (options.model or options.trace) and all((options.data / name).is_file() for name in CALENDAR_TRACES):
        print("\n".join(["", *calendar_table(options.data)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
