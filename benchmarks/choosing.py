"""What choosing the plan's quantile by the fleet's own past gives on real traces, and what a borrowed history gives a new fleet.

    python -m benchmarks.choosing [--traces FOLDER] [--walks FOLDER] [--boots 5,20,30]

Each day's quantile is chosen by the job's own code from the days before; what it then costs is replayed minute by minute under reactive scaling.
Nothing is tuned: the rule, the candidates and the days are those of the job for every trace. Prints Markdown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.replay import PEAK_INSTANCES, SETTINGS, TRACES
from benchmarks.short_lead_prior import Trace, arguments, read_trace
from forecasting import forecast
from forecasting.backtest.floors import Predictive, fleet_at, floor_path
from forecasting.backtest.recommend import csv_fleet
from forecasting.choosing import CANDIDATES, REACTIVE_TARGETS, replay_days
from forecasting.choosing.quantile import WARM_DAYS
from forecasting.errors import ForecastError
from forecasting.history import History, build_history
from forecasting.history.similar import begin_with
from forecasting.models.base import FloatArray
from forecasting.planning.headroom import Headroom
from forecasting.planning.objective import CHOICE_DAYS, TARGET_SHARE, best_setting, objective
from forecasting.replay import Case, Provider, clairvoyant_minutes, replay
from forecasting.settings import Fleet
from forecasting.shortlead import DayTotals
from forecasting.sources.base import Reading
from forecasting.sources.files import read_csv

STEP = pd.Timedelta(minutes=SETTINGS.walk.step_minutes)
AS_SET = slice((len(REACTIVE_TARGETS) - 1) * len(CANDIDATES), None)
"""The candidates at the reactive target that the settings say."""

LEVELS = (0.5, 0.9, 0.95)
PAIRS = (
    ("llm_qwen_large_5min", "llm_qwen_small_5min"),
    ("llm_qwen_small_5min", "llm_qwen_large_5min"),
    ("llm_qwen_large_tokens_5min", "llm_qwen_small_5min"),
    ("azurevm_5min", "google2019_5min"),
    ("wc98_5min", "wc98_5min"),
    ("nyc_taxi_1h", "nyc_taxi_1h"),
)
"""A new fleet and the one it resembles; a trace beside itself: the same service four weeks earlier at three times the load."""

Setting = Callable[[Sequence[DayTotals]], int]
"""The knob for the next day, from the days before."""


@dataclass(frozen=True, eq=False)
class Played:
    """A trace at a boot time: the job's own coarse days, and what each knob came to minute by minute (shape (days, knobs))."""

    known: list[DayTotals]
    paid: FloatArray
    uncovered: FloatArray
    load: FloatArray
    clairvoyant: FloatArray
    seconds_per_day: float

    def at(self, setting: Setting) -> tuple[float, float, float]:
        """Cost ratio, share uncovered and objective, from the first day on that has enough before it."""
        days = range(WARM_DAYS, len(self.known))
        knobs = [setting(self.known[max(day - CHOICE_DAYS, 0) : day]) for day in days]
        cost = sum(self.paid[day, knob] for day, knob in zip(days, knobs, strict=True)) / self.clairvoyant[days].sum()
        left = sum(self.uncovered[day, knob] for day, knob in zip(days, knobs, strict=True)) / self.load[days].sum()
        return float(cost), float(left), float(objective(np.array([cost]), np.array([left]), TARGET_SHARE)[0])

    def best(self, columns: slice) -> Setting:
        """The knob that was best, known in hindsight."""
        days = slice(WARM_DAYS, None)
        cost, left = self.paid[days, columns].sum(axis=0), self.uncovered[days, columns].sum(axis=0)
        best = int(np.argmin(objective(cost, left / self.load[days].sum(), TARGET_SHARE)))
        return lambda _before: best + (columns.start or 0)


def fixed(quantile: float) -> Setting:
    return lambda _before: (AS_SET.start or 0) + CANDIDATES.index(quantile)


def chosen(columns: slice) -> Setting:
    """As the job chooses."""

    def setting(before: Sequence[DayTotals]) -> int:
        paid, uncovered = (np.stack([getattr(day, name)[columns] for day in before]) for name in ("paid", "uncovered"))
        load = np.array([day.load for day in before])
        return (columns.start or 0) + best_setting(paid, uncovered, load, TARGET_SHARE)

    return setting


def play(trace: Trace, boot: int) -> Played:
    fleet = fleet_at(csv_fleet(trace.name, trace.peak / PEAK_INSTANCES, trace.peak), lead_time_seconds=60.0 * boot)
    begin = trace.origins[0].at
    first = begin.ceil("1D")
    days = [(first + timedelta(days=number)).to_pydatetime() for number in range((trace_end(trace) - first).days)]
    started = time.process_time()
    found = replay_days(forecasts(trace), samples(trace), fleet, headroom(trace), days)
    seconds = (time.process_time() - started) / len(days)
    skipped = int((first - begin) / pd.Timedelta(minutes=1))
    totals = replay(trace.minutes[skipped:], fleet.load_per_instance, cases(trace, fleet, boot, skipped)).days
    best = clairvoyant_minutes(trace.minutes[skipped:], fleet.load_per_instance, boot)
    ideal = np.add.reduceat(best, np.arange(0, len(best), 1440))
    kept = [number for number, day in enumerate(days) if date_of(day) in found]
    known = [found[date_of(days[number])] for number in kept]
    return Played(known, totals.instance_minutes[kept], totals.uncovered[kept], totals.load[kept], ideal[kept], seconds)


def date_of(day: pd.Timestamp | object) -> date:
    return pd.Timestamp(day).date()  # pyright: ignore[reportArgumentType]


def cases(trace: Trace, fleet: Fleet, boot: int, skipped: int) -> list[Case]:
    """Every knob, in the order of the job's days."""
    levels, provider = SETTINGS.walk.quantiles, Provider(60.0 * boot)
    floors = {
        level: floor_path(
            Predictive(fleet_at(fleet, quantile=level), levels, SETTINGS.walk.step_minutes),
            trace.origins,
            trace.origins[0].at,
            len(trace.minutes),
            baseline=fleet.floor,
            step_minutes=SETTINGS.walk.step_minutes,
        )[skipped:]
        for level in CANDIDATES
    }
    return [
        Case(f"{target}/{level}", provider, floors[level], target, fleet.ceiling)
        for target in REACTIVE_TARGETS
        for level in CANDIDATES
    ]


def forecasts(trace: Trace) -> list[tuple[pd.Timestamp, pd.DataFrame]]:
    return [
        (
            origin.at,
            pd.DataFrame(
                origin.quantiles,
                index=pd.date_range(origin.start, periods=len(origin.quantiles), freq=STEP),
                columns=list(SETTINGS.walk.quantiles),
            ),
        )
        for origin in trace.origins
        if len(origin.quantiles)
    ]


def headroom(trace: Trace) -> dict[float, Headroom]:
    known = [[_factor(each) for each in origin.headroom] for origin in trace.origins if origin.headroom]
    return {
        level: Headroom(float(np.median([each[at] for each in known])))
        for at, level in enumerate(SETTINGS.walk.quantiles)
    }


def _factor(headroom: float | Headroom) -> float:
    return headroom.factor if isinstance(headroom, Headroom) else headroom


def samples(trace: Trace) -> pd.Series[float]:
    return pd.Series(trace.load, index=pd.date_range(trace.begin, periods=len(trace.load), freq="5min"))


def trace_end(trace: Trace) -> pd.Timestamp:
    return trace.begin + len(trace.load) * pd.Timedelta(minutes=5)


def choices(boots: Sequence[int], traces: Sequence[Trace]) -> None:
    whole = slice(0, None)
    print("| boot, min | setting | objective | cost | uncovered, % | per trace: cost (uncovered) |")
    print("|---|---|---|---|---|---|")
    for boot in boots:
        played = [play(trace, boot) for trace in traces]
        rows: dict[str, Callable[[Played], Setting]] = {
            **{f"{level:g} throughout": lambda _one, level=level: fixed(level) for level in (0.8, 0.9, 0.95, 0.98)},
            "**chosen daily**": lambda _one: chosen(AS_SET),
            "best in hindsight": lambda one: one.best(AS_SET),
            "**chosen daily, with the reactive target advised**": lambda _one: chosen(whole),
            "best in hindsight, with its target": lambda one: one.best(whole),
        }
        for name, setting in rows.items():
            found = np.array([one.at(setting(one)) for one in played])
            each = ", ".join(f"{cost:.2f} ({100 * left:.2f})" for cost, left, _ in found)
            cost, left, value = found.mean(axis=0)
            print(f"| {boot} | {name} | {value:.3f} | {cost:.3f} | {100 * left:.2f} | {each} |")
        print(f"\nReplaying a day: {1000 * np.mean([one.seconds_per_day for one in played]):.0f} ms.\n", flush=True)


# A borrowed history


def borrowed(folder: Path) -> None:
    print("| days of its own | alone: WQL (coverage of .95) | borrowed | borrowed, with an expected load 30 % off |")
    print("|---|---|---|---|")
    for days in (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0):
        found = np.array([score for pair in PAIRS for score in pair_scores(folder, *pair, days)])
        known = found[np.isfinite(found[:, -1, 0])]
        cells = [
            "held" if np.isnan(column).any() else f"{column[:, 0].mean():.3f} ({column[:, 1].mean():.2f})"
            for column in known.transpose(1, 0, 2)
        ]
        print(f"| {days:g} | " + " | ".join(cells) + " |", flush=True)


def pair_scores(folder: Path, own_name: str, other_name: str, days: float) -> list[list[tuple[float, float]]]:
    """Loss and coverage alone, borrowed, and borrowed with an expected load, from a few first moments of the fleet."""
    own, other = (read_csv(folder / f"{name}.csv") for name in (own_name, other_name))
    weeks = 4 if own_name == other_name else round((own.load.index[0] - other.load.index[0]) / pd.Timedelta(days=7))
    other = Reading(
        (3 if own_name == other_name else 1) * other.load.set_axis(other.load.index + pd.Timedelta(weeks=weeks)),
        other.sample_seconds,
    )
    begin = max(own.load.index[0], other.load.index[0]).ceil("1D") + pd.Timedelta(days=7)
    scores: list[list[tuple[float, float]]] = []
    for shift in (0, 7, 14) if own_name.startswith("llm") else (0, 10, 20, 31):
        start = begin + pd.Timedelta(hours=shift)
        now = start + pd.Timedelta(days=days)
        came = history(own, start, now + pd.Timedelta(days=2)).load
        if not len(came) or came.index[-1] < now + pd.Timedelta(days=1):
            continue
        expected_load = 1.3 * float(own.load.loc[start : start + pd.Timedelta(days=7)].mean())
        alone, lent = history(own, start, now), history(other, now - pd.Timedelta(days=28), now)
        kinds = [alone] + [
            begin_with(alone, lent, STEP, name="the other", expected_load=expected)
            for expected in (None, expected_load)
        ]
        scores.append([score(each, now, came) for each in kinds])
    return scores


def history(reading: Reading, start: pd.Timestamp, now: pd.Timestamp) -> History:
    inside = (reading.load.index >= start) & (reading.load.index < now)
    part = Reading(reading.load[inside], reading.sample_seconds)
    return build_history(part, now=now.to_pydatetime(), step_minutes=SETTINGS.walk.step_minutes)


def score(known: History, now: pd.Timestamp, came: pd.Series[float]) -> tuple[float, float]:
    try:
        if len(known.load) < 2:
            return np.nan, np.nan
        behind = max(0, int((now - known.load.index[-1]) / STEP) - 1)
        made = forecast(known.load, 192 + behind, LEVELS, censored=known.censored).quantiles
    except ForecastError:
        return np.nan, np.nan
    steps = made.index[made.index >= now].intersection(came.dropna().index)
    happened, predicted = came.loc[steps].to_numpy(float), made.loc[steps].to_numpy(float)
    missing, levels = happened[:, None] - predicted, np.array(LEVELS)
    loss = 2 * np.maximum(levels * missing, (levels - 1) * missing).sum(axis=0).mean() / happened.sum()
    return float(loss), float((happened <= predicted[:, -1]).mean())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--boots", default="5,20,30")
    given = parser.parse_args()
    choices(
        [int(text) for text in given.boots.split(",")], [read_trace(name, given.traces, given.walks) for name in TRACES]
    )
    borrowed(given.traces)


if __name__ == "__main__":
    main()
