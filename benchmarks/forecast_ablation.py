"""Ablation of the forecast: what each part is worth, with sources left out.

    python -m benchmarks.forecast_ablation [--data DIR] [--load NAME ...] [--every N] [--out FILE]

Each row changes one thing of `auto`; the protocol is that of the bench with every N-th origin (4 if
nothing is said). `geo` is the geometric mean of WQL over last week's load, `sources` the number of
sources on which the change is better than `auto`. The last rows leave one source out: for each source
the choice of a group that is best (geo, sources alike) on all other sources, judged on that source.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from unittest.mock import patch

import numpy as np
import pandas as pd
from joblib import Parallel, delayed  # pyright: ignore[reportUnknownVariableType] - joblib has no types

from benchmarks.forecast_bench import DATA, by_source, geometric, ratios
from benchmarks.forecast_protocol import Score, read, score, spacing, tasks, traces, truth_days
from benchmarks.forecast_references import LAST_WEEK
from forecasting.models import bands, level, origins, peaks, tournament
from forecasting.models.base import DEFAULT_QUANTILES, FloatArray, PointModel
from forecasting.models.task import check
from forecasting.models.tournament import BLEND, MODELS, run

NAIVE = "last week's load"


@dataclass(frozen=True)
class Change:
    """One thing done otherwise; changes of one group are choices of one constant or part."""

    group: str
    name: str
    patches: tuple[tuple[object, str, object], ...] = ()
    models: tuple[PointModel, ...] = BLEND

    @contextmanager
    def made(self) -> Generator[None]:
        with ExitStack() as stack:
            for target, attribute, value in self.patches:
                stack.enter_context(patch.object(target, attribute, value))
            yield


def _without(name: str) -> tuple[PointModel, ...]:
    return tuple(model for model in BLEND if model.name != name)


def _named(name: str) -> PointModel:
    return next(model for model in MODELS if model.name == name)


def _interval(name: str, attribute: str, *values: object) -> tuple[Change, ...]:
    return tuple(Change(attribute, f"{name} {value}", ((bands.Bands, attribute, value),)) for value in values)


AS_IT_IS = Change("", "auto")
CHANGES = (
    *(Change("power", f"weights error^-{power}", ((tournament, "WEIGHT_POWER", power),)) for power in (6, 8, 14)),
    *(Change("prior", f"prior of {count} origins", ((origins, "PRIOR_ORIGINS", count),)) for count in (0, 5)),
    *(Change("half-life", f"half-life {days} d", ((origins, "HALF_LIFE_DAYS", float(days)),)) for days in (4, 14)),
    *_interval("powers of the scale", "powers", (0.0,), (0.7,), (1.0,)),
    *_interval("least scale", "least_scale", 0.05, 0.2),
    *_interval("other leads", "other_leads", 0.0, 1.0),
    *_interval("weight of the same time", "same_time", 0.0, 4.0),
    *_interval("weight of the same weekday", "same_weekday", 0.0, 8.0),
    *_interval("weight near the weekday", "near_weekday", 0.0, 2.0),
    *_interval("correction", "correction", 0.0, 0.2, 1.0),
    *_interval("widening", "widening", 1.0, 1.1),
    Change("shifts", "shifts learnt", ((level, "MOST_DAYS", 0),)),
    Change("peaks", "recurring peaks not told apart", ((peaks, "CHANCE", -1.0),)),
    *(Change("components", f"without {model.name}", (), _without(model.name)) for model in BLEND),
    *(
        Change("components", f"with {name}", (), (*BLEND, _named(name)))
        for name in ("seasonal-naive-week", "seasonal-naive-day")
    ),
)


def evaluate(path: Path, change: Change, every: int) -> Score:
    """Score of a change on a load."""
    load = read(path)
    histories, truths = zip(*tasks(load, every * spacing(load)), strict=True)
    with change.made():
        found = [_forecast(history, len(truth), change) for history, truth in zip(histories, truths, strict=True)]
    truth = np.stack([np.asarray(each, np.float64) for each in truths])
    return score(np.stack(found), truth, days=truth_days(list(truths)))


def _forecast(history: pd.Series[float], horizon: int, change: Change) -> FloatArray:
    if change.name == NAIVE:
        return LAST_WEEK.forecast(history, horizon)
    task = check(
        history,
        horizon,
        DEFAULT_QUANTILES,
        "auto",
        models=("auto",),
        censored=None,
        time_zone="UTC",
        budget_seconds=600.0,
    )
    return run(task, change.models).quantiles.to_numpy(float)


def leave_one_out(choices: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Ratio on each source of the choice that is best on the others, from ratios by source of each choice."""
    found: dict[str, float] = {}
    for source in choices[0]:
        best = min(choices, key=lambda each: geometric({name: each[name] for name in each if name != source}))
        found[source] = best[source]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the loads")
    parser.add_argument("--load", action="append", help="only loads whose name starts so (repeatable)")
    parser.add_argument("--every", type=int, default=4, help="every n-th origin")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one a core")
    parser.add_argument("--out", type=Path, help="Markdown file to write besides")
    options = parser.parse_args()
    paths = traces(options.data, options.load)
    changes = (Change("", NAIVE), AS_IT_IS, *CHANGES)
    work = [(path, change) for change in changes for path in paths]
    scores = cast(
        "list[Score]",
        Parallel(n_jobs=options.jobs)(  # pyright: ignore[reportUnknownVariableType] - joblib has no types
            delayed(evaluate)(path, change, options.every) for path, change in work
        ),
    )
    by_change: dict[Change, dict[str, Score]] = {change: {} for change in changes}
    for (path, change), each in zip(work, scores, strict=True):
        by_change[change][path.stem] = each
    lines = table(by_change)
    print("\n".join(lines))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(by_change: Mapping[Change, Mapping[str, Score]]) -> list[str]:
    """A row a change, and a row a group with sources left out."""
    naive = next(found for change, found in by_change.items() if change.name == NAIVE)
    relative = {change: ratios(found, naive) for change, found in by_change.items() if change.name != NAIVE}
    sources = {change: by_source(found) for change, found in relative.items()}
    ours = sources[AS_IT_IS]
    lines = [
        "| change | mean WQL | geo | geo, sources alike | better on sources | coverage of .95 |",
        "|---|---|---|---|---|---|",
    ]
    for change, found in relative.items():
        each = by_change[change].values()
        better = sum(sources[change][source] < ours[source] for source in ours)
        lines.append(
            f"| {change.name} | {np.mean([one.wql for one in each]):.4f} | {geometric(found):.4f} | "
            f"{geometric(sources[change]):.4f} | {better} of {len(ours)} | {np.mean([one.coverage for one in each]):.3f} |"
        )
    for group in dict.fromkeys(change.group for change in CHANGES):
        choices = [sources[change] for change in relative if change.group in {"", group}]
        lines.append(f"| one source left out: {group} | | | {geometric(leave_one_out(choices)):.4f} | | |")
    return lines


if __name__ == "__main__":
    main()
