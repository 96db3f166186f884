"""What each part of the blend is worth, and whether its constants hold on traces that did not choose them.

    python -m benchmarks.forecast_ablation --data DIR [--trace NAME ...] [--every HOURS]

Each row changes one thing of `auto`; the protocol is `forecast_accuracy`'s, origins every 12 h unless said otherwise. The last rows leave one trace
out: for each trace, the constant (or the component left out) that is best on the mean of the other traces, judged on that trace.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from benchmarks.forecast_protocol import Score, read, score, tasks, traces
from forecasting.models import bands, level, origins, tournament
from forecasting.models.base import DEFAULT_QUANTILES, FloatArray, PointModel
from forecasting.models.fourier import FourierAutoregression
from forecasting.models.task import check
from forecasting.models.tournament import BLEND, MODELS, run


@dataclass(frozen=True)
class Change:
    """One thing done otherwise.

    Attributes:
        group: Changes of one group are choices of one constant.
        name: What is done.
        patches: (object, attribute, value) while it is done.
        models: What is blended.
    """

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


def _scale(power: float) -> Callable[[FloatArray, float], FloatArray]:
    return lambda forecast, mean: np.maximum(forecast, 0.01 * mean) ** power * mean ** (1 - power) + 1e-12


def _without(name: str) -> tuple[PointModel, ...]:
    return tuple(model for model in BLEND if model.name != name)


def _named(name: str) -> PointModel:
    return next(model for model in MODELS if model.name == name)


def _as_it_is(load: FloatArray, steps_per_day: int) -> FloatArray:
    return load


def _no_step(load: FloatArray, steps_per_day: int) -> FloatArray:
    return np.ones(len(load))


AS_IT_IS = Change("", "auto")
CHANGES = (
    *(Change("power", f"weights error^-{power}", ((tournament, "WEIGHT_POWER", power),)) for power in (3, 4, 6, 10, 12)),
    *(Change("prior", f"weights drawn to naive by {count} origins", ((origins, "PRIOR_ORIGINS", count),)) for count in (0, 2, 10, 20)),
    *(Change("half-life", f"origins' half-life {days} d", ((origins, "HALF_LIFE_DAYS", float(days)),)) for days in (4, 7, 1000)),
    *(Change("scale", f"error scale load^{power}", ((bands, "_scale", _scale(power)),)) for power in (0.0, 0.5, 0.9)),
    *(Change("widening", f"widening {factor}", ((bands.Bands, "widening", factor),)) for factor in (1.0, 1.05, 1.2)),
    *(Change("leads", f"lead buckets at {edges} h", ((bands.Bands, "edges", edges),)) for edges in ((), (24.0,), (3.0, 6.0, 12.0, 24.0))),
    *(Change("level", f"share of the last day's residual {share}", ((FourierAutoregression, "level_share", share),)) for share in (0.0, 1.0)),
    *(Change("fourier", f"Fourier half-life {days} d", ((FourierAutoregression, "half_life_days", float(days)),)) for days in (7, 12, 56)),
    Change("crowds", "flash crowds learnt", ((origins, "without_crowds", _as_it_is),)),
    *(Change("crowds", f"flash crowds from {factor} x", ((level, "CROWD_FACTOR", factor),)) for factor in (1.0, 3.0)),
    Change("steps", "steps learnt", ((origins, "step_factors", _no_step),)),
    *(Change("components", f"without {model.name}", (), _without(model.name)) for model in BLEND),
    *(
        Change("components", f"with {name}", (), (*BLEND, _named(name)))
        for name in ("seasonal-naive-week", "seasonal-naive-day", "harmonic", "sarima", "arima", "ets")
    ),
)  # fmt: skip


def evaluate(load: pd.Series[float], change: Change, every: pd.Timedelta) -> Score:
    """Score of a change on a trace."""
    quantiles: list[FloatArray] = []
    truths: list[FloatArray] = []
    with change.made():
        for history, truth in tasks(load, every):
            task = check(
                history,
                len(truth),
                DEFAULT_QUANTILES,
                "auto",
                models=("auto",),
                censored=None,
                time_zone="UTC",
                budget_seconds=60.0,
            )
            quantiles.append(run(task, change.models).quantiles.to_numpy(float))
            truths.append(np.asarray(truth, np.float64))
    return score(np.stack(quantiles), np.stack(truths))


def leave_one_out(choices: dict[str, FloatArray]) -> FloatArray:
    """Loss on each trace of the choice that is best on the others, from losses by choice, each of shape (traces,)."""
    losses = np.stack(list(choices.values()))
    best = [int(np.argmin(np.delete(losses, trace, axis=1).mean(axis=1))) for trace in range(losses.shape[1])]
    return losses[best, np.arange(losses.shape[1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the traces")
    parser.add_argument("--trace", action="append", help="only traces whose name starts so (repeatable)")
    parser.add_argument("--every", type=int, default=12, help="hours from one origin to the next")
    options = parser.parse_args()
    loads = {path.stem: read(path) for path in traces(options.data, options.trace)}
    every = pd.Timedelta(hours=options.every)
    print(f"| change | {' | '.join(loads)} | **mean** | relative | coverage of .95: mean | least | most |")
    print(f"|---|{'---|' * (len(loads) + 5)}")
    losses: dict[Change, FloatArray] = {}
    for change in (AS_IT_IS, *CHANGES):
        found = [evaluate(load, change, every) for load in loads.values()]
        losses[change] = np.array([each.wql for each in found])
        coverage = [each.coverage for each in found]
        text = f"{np.mean(coverage):.3f} | {min(coverage):.3f} | {max(coverage):.3f}"
        print(f"{_row(change.name, losses[change], losses[AS_IT_IS])} {text} |", flush=True)
    groups = list(dict.fromkeys(change.group for change in CHANGES))
    for group in groups:
        choices = {change.name: losses[change] for change in (AS_IT_IS, *CHANGES) if change.group in {"", group}}
        print(f"{_row(f'leave one out: {group}', leave_one_out(choices), losses[AS_IT_IS])} | | |")


def _row(name: str, losses: FloatArray, reference: FloatArray) -> str:
    """Loss by trace, its mean, and the geometric mean of its ratio to the reference."""
    relative = float(np.exp(np.mean(np.log(losses / reference))))
    return f"| {name} | {' | '.join(f'{loss:.4f}' for loss in losses)} | **{losses.mean():.4f}** | {relative:.3f} |"


if __name__ == "__main__":
    main()
