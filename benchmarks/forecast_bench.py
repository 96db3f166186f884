"""Forecast bench: every method on every load at its own step, relative to last week's load.

    make bench-models
    python -m benchmarks.forecast_bench [--data DIR] [--load NAME ...] [--method NAME ...] [--quick]

DIR holds CSV files with the columns timestamp (UTC) and value. `forecast_protocol` has the protocol.
The first table has a row a method: mean WQL, geo (geometric mean over the loads of WQL / WQL of last
week's load), geo with every source weighed alike, the mean coverage of the .95 quantile and the loads
below .88, the loads on which the method loses to last week's load (90 % interval wholly above 1; more
than 5 % worse) and processor seconds of a forecast. The second table has a row a load for `auto`.
Slow libraries run on the loads of `SUBSET` only, their figures are of those. `--quick`: `auto` and
last week's load, every fourth origin. Results are cached by the content of the load, the code and the
library's version.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from joblib import Parallel, delayed  # pyright: ignore[reportUnknownVariableType] - joblib has no types

from benchmarks.forecast_protocol import (
    Score,
    processor_seconds,
    ratio_interval,
    read,
    score,
    source_of,
    spacing,
    tasks,
    traces,
    truth_days,
)
from benchmarks.forecast_references import LAST_WEEK, REFERENCES, LastValue
from forecasting.models.base import DEFAULT_QUANTILES, FloatArray, PointModel
from forecasting.models.statistical import Arima
from forecasting.models.task import check
from forecasting.models.tournament import MODELS, forecast, run

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "wide"
CACHE = ROOT / "out" / "forecast-bench"
OURS, NAIVE = "auto", LAST_WEEK.name
EXTRA: tuple[PointModel, ...] = (LastValue(), Arima("arima-212", 2, 2))
SLOW = {reference.name: reference for reference in REFERENCES}
LIBRARIES = {**SLOW, NAIVE: LAST_WEEK}
SUBSET = (
    "llm_qwen_small", "wc98", "nyc_taxi", "tweets_amzn", "google2019", "cloudpool1_", "isp_a", "walkers_station",
)  # fmt: skip
"""Loads of the slow libraries: one of each of eight sources."""
METHODS = (OURS, NAIVE, *(model.name for model in (*MODELS, *EXTRA)), *SLOW)
QUICK_ORIGINS = 4
LEAST_COVERAGE, COVERAGE_DAYS = 0.88, 14.0
WORSE = 1.05
HEADER = """\
# Forecast bench

`python -m benchmarks.forecast_bench`; protocol in `benchmarks/forecast_protocol.py`. Sources and
licences are in [the design page](../../designs/forecast-blend.md#traces).
"""


@dataclass(frozen=True)
class Work:
    """One method on one load, with every n-th origin."""

    path: Path
    method: str
    thin: int

    def score(self, cache: Path) -> Score:
        """From the cache, or computed."""
        load = read(self.path)
        histories, truths = zip(*tasks(load, self.thin * spacing(load)), strict=True)
        truth = np.stack([np.asarray(each, np.float64) for each in truths])
        kept = cache / f"{self.path.stem}--{self.method}--{self._digest()}.npz"
        if not kept.is_file():
            started = processor_seconds()
            quantiles = np.stack([forecast_by(self.method, each, truth.shape[1]) for each in histories])
            seconds = (processor_seconds() - started) / len(histories)
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(kept, quantiles=quantiles.astype(np.float32), seconds=seconds)
        with np.load(kept) as found:
            return score(found["quantiles"].astype(float), truth, float(found["seconds"]), truth_days(list(truths)))

    def _digest(self) -> str:
        return hashlib.sha256(f"{_digest(self.path)} {code_digest(self.method)} {self.thin}".encode()).hexdigest()[:16]


def forecast_by(method: str, history: pd.Series[float], horizon: int) -> FloatArray:
    """Quantiles .5, .9 and .95 of a method, shape (horizon, 3)."""
    if method in LIBRARIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks of other libraries on the data
            return LIBRARIES[method].forecast(history, horizon)
    extra = [model for model in EXTRA if model.name == method]
    if not extra:
        return forecast(history, horizon, model=method, budget_seconds=600.0).quantiles.to_numpy(float)
    task = check(
        history,
        horizon,
        DEFAULT_QUANTILES,
        method,
        models=(method,),
        censored=None,
        time_zone="UTC",
        budget_seconds=600.0,
    )
    return run(task, extra).quantiles.to_numpy(float)


def code_digest(method: str) -> str:
    """Digest of all that decides a method's forecasts besides the load."""
    files = [ROOT / "benchmarks" / "forecast_protocol.py", ROOT / "benchmarks" / "forecast_references.py"]
    if method in LIBRARIES:
        return " ".join([*map(_digest, files), importlib.metadata.version(LIBRARIES[method].library)])
    files += [*sorted((ROOT / "forecasting" / "models").glob("*.py")), ROOT / "forecasting" / "calendar.py"]
    return " ".join(map(_digest, files))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def evaluate(
    paths: Sequence[Path], methods: Sequence[str], *, thin: int = 1, jobs: int = -1, cache: Path = CACHE
) -> dict[str, dict[str, Score]]:
    """Scores by method, then by load; slow libraries on `SUBSET` only."""
    work = [
        Work(path, method, thin)
        for method in methods
        for path in paths
        if method not in SLOW or path.stem.startswith(SUBSET)
    ]
    scores = cast("list[Score]", Parallel(n_jobs=jobs)(delayed(Work.score)(each, cache) for each in work))  # pyright: ignore[reportUnknownVariableType] - joblib has no types
    found: dict[str, dict[str, Score]] = {method: {} for method in methods}
    for each, result in zip(work, scores, strict=True):
        found[each.method][each.path.stem] = result
    return found


def ratios(scores: Mapping[str, Score], naive: Mapping[str, Score]) -> dict[str, float]:
    """WQL over the WQL of last week's load, by load."""
    return {name: found.wql / naive[name].wql for name, found in scores.items()}


def geometric(values: Mapping[str, float]) -> float:
    """Geometric mean."""
    return float(np.exp(np.mean(np.log(list(values.values())))))


def by_source(values: Mapping[str, float]) -> dict[str, float]:
    """Geometric mean of each source."""
    groups: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        groups.setdefault(source_of(name), {})[name] = value
    return {source: geometric(group) for source, group in groups.items()}


def losers(scores: Mapping[str, Score], naive: Mapping[str, Score]) -> list[str]:
    """Loads on which a method is worse than last week's load by its paired interval."""
    return [name for name, found in scores.items() if ratio_interval(found, naive[name])[0] > 1.0]


def summary_table(scores: Mapping[str, Mapping[str, Score]]) -> list[str]:
    """A row a method, best geo first."""
    naive = scores[NAIVE]
    lines = [
        "| method | loads | mean WQL | geo | geo, sources alike | coverage of .95 | below .88 | losses | > 5 % worse | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows: list[tuple[float, str]] = []
    for method, found in scores.items():
        relative = ratios(found, naive)
        coverage = [each.coverage for each in found.values()]
        cells = [
            method,
            str(len(found)),
            f"{np.mean([each.wql for each in found.values()]):.4f}",
            f"{geometric(relative):.4f}",
            f"{geometric(by_source(relative)):.4f}",
            f"{np.mean(coverage):.3f}",
            str(sum(each < LEAST_COVERAGE for each in coverage)),
            str(len(losers(found, naive))),
            str(sum(each > WORSE for each in relative.values())),
            f"{np.mean([each.seconds for each in found.values()]):.3f}",
        ]
        rows.append((geometric(relative), f"| {' | '.join(cells)} |"))
    return [*lines, *(line for _, line in sorted(rows))]


def load_table(scores: Mapping[str, Score], naive: Mapping[str, Score]) -> list[str]:
    """A row a load for one method."""
    lines = [
        "| load | source | WQL | last week's | ratio | 90 % interval | coverage of .95 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in scores.items():
        low, high = ratio_interval(found, naive[name])
        ratio = found.wql / naive[name].wql
        mark = " **worse**" if low > 1 else ""
        lines.append(
            f"| {name} | {source_of(name)} | {found.wql:.4f} | {naive[name].wql:.4f} | {ratio:.3f}{mark} | "
            f"{low:.3f} to {high:.3f} | {found.coverage:.3f} |"
        )
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the loads")
    parser.add_argument("--load", action="append", help="only loads whose name starts so (repeatable)")
    parser.add_argument("--method", action="append", choices=METHODS, help="only these (repeatable)")
    parser.add_argument("--quick", action="store_true", help="auto and last week's load, every fourth origin")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one a core")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="Markdown file to write besides")
    options = parser.parse_args()
    methods = options.method or ([OURS] if options.quick else [name for name in METHODS if _installed(name)])
    scores = evaluate(
        traces(options.data, options.load),
        list(dict.fromkeys([*methods, NAIVE])),
        thin=QUICK_ORIGINS if options.quick else 1,
        jobs=options.jobs,
        cache=options.cache,
    )
    lines = summary_table(scores)
    if OURS in scores:
        lines += ["", *load_table(scores[OURS], scores[NAIVE])]
    print("\n".join(lines))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")


def _installed(method: str) -> bool:
    return method not in SLOW or SLOW[method].installed


if __name__ == "__main__":
    main()
