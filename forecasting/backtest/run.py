"""The backtest: walk, sweep, choose, judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from forecasting.backtest.accuracy import Accuracy, accuracy
from forecasting.backtest.choice import Days, choose, uncovered_at
from forecasting.backtest.floors import per_minute
from forecasting.backtest.objective_check import Candidate, check_objective
from forecasting.backtest.result import AtEqualHours, Backtest, BootResult, Point, Row
from forecasting.backtest.short import Ticks
from forecasting.backtest.sweep import Setting, Sweep, sweep
from forecasting.backtest.verdict import Traits, judge
from forecasting.backtest.walk import Origin, Progress, WalkSettings, rolling_origins, walk
from forecasting.calendar import Calendar
from forecasting.errors import InputError, SettingsError
from forecasting.replay import Capacity, Case, Measures, Provider, clairvoyant_minutes, measures, replay
from forecasting.replay.base import MINUTES_PER_DAY, FloatArray
from forecasting.settings import Fleet
from forecasting.sources.base import Reading

LABELS = {
    "static": "static peak (known in hindsight)",
    "constant": "constant floor + reactive",
    "reactive": "reactive alone",
    "seasonal-naive": "last week's load + reactive",
    "peer": "AWS-like predictive + reactive",
    "predictive": "elastic-iac + reactive",
    "short-lead": "elastic-iac with short runs + reactive",
    "clairvoyant": "clairvoyant",
}
OURS = ("predictive", "short-lead")
"""Ours is the setting that is best by the past, with short runs or without."""
CHOSEN = ("reactive", "constant", "seasonal-naive", "peer", *OURS)
AGAINST = ("constant", "seasonal-naive")
"""Policies that the recommended setting is compared with besides reactive scaling alone."""
COMMON_TARGETS = (0.5, 0.7, 0.9)
"""Targets that people set; printed beside the chosen one."""


CHOSEN_DAYS = 1
"""Settings are chosen on the first half of the days replayed, on so many at least, and measured on the others."""


@dataclass(frozen=True)
class BacktestSettings:
    """How a backtest is run.

    Attributes:
        boot_minutes: Boot times to replay; empty for the fleet's lead time.
        goal_percent: Share of the load that may stay uncovered.
        days: At most so many of the newest days are replayed.
        first_days: History before the first origin.
        walk: How the past is walked; its quantiles are the ones that are swept.
        provider: Everything about the group but its boot time.
        processes: Worker processes for the forecasts.
        seed: Of jitter, resampling and spot losses.
    """

    boot_minutes: tuple[float, ...] = ()
    goal_percent: float = 0.5
    days: int = 28
    first_days: float = 2.0
    walk: WalkSettings = field(default_factory=WalkSettings)
    provider: Provider = field(default_factory=lambda: Provider(boot_seconds=0))
    processes: int = 1
    seed: int = 0


def backtest(
    reading: Reading, fleet: Fleet, settings: BacktestSettings | None = None, *, progress: Progress | None = None
) -> Backtest:
    """Replay what each policy would have done with a load.

    Args:
        reading: The load's samples.
        fleet: Load per instance, floor, ceiling, limits of change, model, time zone, calendar; `lead_time_seconds` is the boot time unless
            `settings` has some.
        settings: How it is run.
        progress: Called after each origin with the number done and the number of all.

    Returns:
        The same for the same input, whatever the number of processes.

    Raises:
        InputError: there are less than four days of samples.
        SettingsError: a setting is out of range.
    """
    chosen = settings or BacktestSettings()
    times, how = origin_times(reading, fleet, chosen)
    origins = walk(reading, times, how, processes=chosen.processes, progress=progress)
    return assess(reading, origins, fleet, chosen)


def origin_times(reading: Reading, fleet: Fleet, settings: BacktestSettings) -> tuple[list[pd.Timestamp], WalkSettings]:
    """The origins of a backtest and how they are walked; raises as `backtest` does."""
    if not settings.goal_percent > 0:
        raise SettingsError("goal_percent", settings.goal_percent, "a number above 0")
    begin, end = _span(_samples(reading), reading)
    how = _walked(settings, fleet, begin, end)
    first = max(end - pd.Timedelta(days=settings.days), begin + pd.Timedelta(days=settings.first_days))
    times = rolling_origins(first, end, how.refresh_hours)
    if end - first < pd.Timedelta(days=CHOSEN_DAYS + 1):
        days = (end - begin) / pd.Timedelta(days=1)
        least = settings.first_days + CHOSEN_DAYS + 1
        raise InputError(f"{days:.1f} days of load are too few to replay: expected at least {least:g}")
    return times, how


def window(reading: Reading, origins: Sequence[Origin]) -> FloatArray:
    """Load of each minute from the first origin to the end of the samples."""
    samples = _samples(reading)
    start, end = origins[0].at, _span(samples, reading)[1]
    return per_minute(samples, reading.sample_seconds, start, int((end - start) // pd.Timedelta(minutes=1)))


def seen_ticks(reading: Reading, origins: Sequence[Origin], fleet: Fleet, settings: BacktestSettings) -> Ticks | None:
    """The samples and forecasts that the short-lead update would have had; None where they do not do for it."""
    minutes = len(window(reading, origins))
    levels = settings.walk.quantiles
    return Ticks.of(_samples(reading), reading.sample_seconds, origins, minutes, levels, fleet.step_minutes)


def _walked(settings: BacktestSettings, fleet: Fleet, begin: pd.Timestamp, end: pd.Timestamp) -> WalkSettings:
    """How the fleet's past is walked, with its calendar; of an occasion only what had happened is learnt."""
    calendar = None
    if fleet.holidays or fleet.events or fleet.exclusions:
        ahead = pd.Timedelta(hours=settings.walk.horizon_hours)
        calendar = Calendar.of(fleet, begin.to_pydatetime(), (end + ahead).to_pydatetime())
    return replace(
        settings.walk,
        model=fleet.model,
        time_zone=fleet.time_zone,
        step_minutes=fleet.step_minutes,
        calendar=calendar,
    )


def assess(reading: Reading, origins: Sequence[Origin], fleet: Fleet, settings: BacktestSettings) -> Backtest:
    """The part of a backtest that follows the walk."""
    samples = _samples(reading)
    begin, end = _span(samples, reading)
    how = _walked(settings, fleet, begin, end)
    start, load = origins[0].at, window(reading, origins)
    boots = settings.boot_minutes or (fleet.lead_time_seconds / 60,)
    ticks = seen_ticks(reading, origins, fleet, settings)
    found = sweep(load, start, origins, fleet, boots, how, ticks=ticks, provider=settings.provider, seed=settings.seed)
    now = {boot: _chosen_now(found, boot, settings) for boot in boots}
    pictures = _pictures(found, now, fleet, settings)
    day = begin.floor("1D")
    whole = per_minute(samples, reading.sample_seconds, day, int((end - day) // pd.Timedelta(minutes=1)))
    scores = accuracy(origins, _step_means(load, how.step_minutes), start, how.step_minutes, how.quantiles)
    return Backtest(
        start=start,
        measured_from=start + pd.Timedelta(days=_days_to_choose_on(found)),
        load=load,
        history=_series(whole, day, how.step_minutes),
        load_per_instance=fleet.load_per_instance,
        goal_percent=settings.goal_percent,
        band=_band(origins, how),
        accuracy=scores,
        boots=tuple(_boot(found, boot, settings, scores, now[boot], pictures[boot]) for boot in boots),
        history_days=(end - begin) / pd.Timedelta(days=1),
        forecasts=(sum(bool(len(origin.quantiles)) for origin in origins), len(origins)),
    )


def _span(samples: pd.Series[float], reading: Reading) -> tuple[pd.Timestamp, pd.Timestamp]:
    stamps = pd.DatetimeIndex(samples.index)
    return stamps[0], stamps[-1] + pd.Timedelta(seconds=reading.sample_seconds)


def _samples(reading: Reading) -> pd.Series[float]:
    """Ascending and unique: the replay needs no more cleaning, since what happened happened."""
    load = reading.load[reading.load >= 0].sort_index()
    if load.empty:
        raise InputError("the load has no sample of 0 or more")
    return load[~load.index.duplicated(keep="last")]


def _step_means(load: FloatArray, step_minutes: int) -> FloatArray:
    steps = load[: len(load) // step_minutes * step_minutes].reshape(-1, step_minutes)
    known = np.isfinite(steps)
    total = np.where(known, steps, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _series(load: FloatArray, start: pd.Timestamp, step_minutes: int) -> pd.Series[float]:
    means = _step_means(load, step_minutes)
    return pd.Series(means, index=pd.date_range(start, periods=len(means), freq=pd.Timedelta(minutes=step_minutes)))


def _band(origins: Sequence[Origin], how: WalkSettings) -> pd.DataFrame:
    """The newest forecast of each step."""
    made = [
        pd.DataFrame(
            origin.quantiles,
            index=pd.date_range(
                origin.start, periods=len(origin.quantiles), freq=pd.Timedelta(minutes=how.step_minutes)
            ),
            columns=list(how.quantiles),
        )
        for origin in origins
        if len(origin.quantiles)
    ]
    if not made:
        return pd.DataFrame(columns=list(how.quantiles), index=pd.DatetimeIndex([], tz="UTC"))
    joined = pd.concat(made)
    return joined[~joined.index.duplicated(keep="last")].sort_index()


def _days_to_choose_on(found: Sweep) -> int:
    return max(len(found.days.load) // 2, CHOSEN_DAYS)


def _chosen_now(found: Sweep, boot: float, chosen: BacktestSettings) -> dict[str, int]:
    """Columns of ours (under `predictive`) and of reactive scaling at the settings to use from now on: chosen on all days."""
    columns = {"predictive": _ours(found, boot), "reactive": found.columns("reactive", boot)}
    return {
        policy: part[choose(Days.of(found.days, part, found.clairvoyant[boot]), chosen.goal_percent / 100, chosen.seed)]
        for policy, part in columns.items()
    }


def _ours(found: Sweep, boot: float) -> list[int]:
    return [column for policy in OURS for column in found.columns(policy, boot)]


def _boot(
    found: Sweep,
    boot: float,
    chosen: BacktestSettings,
    scores: Accuracy | None,
    now: dict[str, int],
    capacity: dict[str, Capacity],
) -> BootResult:
    goal, best = chosen.goal_percent / 100, found.clairvoyant[boot]
    columns = {policy: part for policy in CHOSEN if (part := found.columns(policy, boot))}
    days = {policy: Days.of(found.days, part, best) for policy, part in columns.items()}
    ours = Days.of(found.days, _ours(found, boot), best)
    split, last = _days_to_choose_on(found), len(best)
    picked = {policy: choose(part.between(0, split), goal, chosen.seed) for policy, part in days.items()}
    traits = Traits(boot, len(best), _busy_to_quiet(found.load), scores.overall.mase if scores else None)
    recommended = Days.of(found.days, [now["predictive"]], best)
    verdicts = {
        policy: judge(recommended, days[policy], traits, goal, seed=chosen.seed)
        for policy in ("reactive", *AGAINST)
        if policy in days
    }
    later = {policy: days[policy].between(split, last) for policy in ("reactive", "constant")}
    place = choose(ours.between(0, split), goal, chosen.seed)
    ours_later = ours.between(split, last).only(place)
    candidates = _candidates(found, boot, split)
    return BootResult(
        boot_minutes=boot,
        rows=_rows(found, boot, picked, split),
        equal_hours=_equal_hours(ours_later, later),
        frontier={policy: _points(found, policy, boot, days[policy]) for policy in columns},
        recommended=_row(found, now["predictive"], boot, 0),
        verdict=verdicts["reactive"],
        against={policy: each for policy, each in verdicts.items() if policy in AGAINST},
        objective=check_objective(
            candidates[_ours(found, boot)[place]], list(candidates.values()), chosen.goal_percent
        ),
        capacity=capacity,
        clairvoyant=_clairvoyant(found, boot).astype(np.int32),
    )


def _candidates(found: Sweep, boot: float, split: int) -> dict[int, Candidate]:
    """Each setting of each policy on the days from `split` on, by column."""
    columns = [column for policy in ("static", *CHOSEN) for column in found.columns(policy, boot)]
    best = found.clairvoyant[boot]
    cost, left = Days.of(found.days, columns, best).between(split, len(best)).frontier()
    hours = cost[0] * float(best[split:].sum()) / 60
    return {
        column: Candidate(_described(found.settings[column]), float(hours[at]), 100 * float(left[0, at]))
        for at, column in enumerate(columns)
    }


def _described(setting: Setting) -> str:
    """Policy and setting, for a person."""
    parts = [
        f"quantile {setting.quantile:g}" if setting.quantile is not None else "",
        f"minimum {setting.floor}" if setting.floor is not None else "",
        f"target {setting.target:.0%}" if setting.target is not None else "",
    ]
    return f"{LABELS[setting.policy]} ({', '.join(part for part in parts if part)})"


def _rows(found: Sweep, boot: float, picked: dict[str, int], split: int) -> tuple[Row, ...]:
    """The table: settings chosen on the days before `split`, measured on those from it on."""
    rows = [_row(found, found.columns("static", boot)[0], boot, split)]
    reactive = found.columns("reactive", boot)
    common = [
        min(reactive, key=lambda column: abs((found.settings[column].target or 0) - target))
        for target in COMMON_TARGETS
    ]
    for column in common:
        row = _row(found, column, boot, split)
        rows.append(replace(row, label=f"reactive alone, target {100 * (row.target or 0):.0f} %"))
    for policy, place in picked.items():
        row = _row(found, found.columns(policy, boot)[place], boot, split)
        rows.append(replace(row, label=f"{row.label}, chosen by its past") if policy == "reactive" else row)
    return (*rows, _clairvoyant_row(found, boot, split))


def _row(found: Sweep, column: int, boot: float, first_day: int) -> Row:
    setting = found.settings[column]
    days = found.days.since(first_day)
    return Row(
        policy=setting.policy,
        label=LABELS[setting.policy],
        target=setting.target,
        quantile=setting.quantile,
        floor=setting.floor,
        measures=measures(days, column, float(found.clairvoyant[boot][first_day:].sum())),
    )


def _clairvoyant(found: Sweep, boot: float) -> FloatArray:
    return clairvoyant_minutes(found.load, found.load_per_instance, round(boot))


def _clairvoyant_row(found: Sweep, boot: float, first_day: int) -> Row:
    load = found.load[first_day * MINUTES_PER_DAY :]
    paid = _clairvoyant(found, boot)[first_day * MINUTES_PER_DAY :]
    need = np.ceil(np.nan_to_num(load) / found.load_per_instance - 1e-9).sum()
    carried = float(np.nansum(load)) / max(float(need) * found.load_per_instance, 1e-12)
    changes = float((np.diff(paid) != 0).sum()) * MINUTES_PER_DAY / len(load)
    known = Measures(float(paid.sum()) / 60, 1.0, 0.0, 0.0, 100 * carried, changes, 0.0)
    return Row("clairvoyant", LABELS["clairvoyant"], None, None, None, known)


def _equal_hours(ours: Days, later: dict[str, Days]) -> AtEqualHours:
    cost, left = ours.frontier()

    def at(policy: str) -> float:
        others, uncovered = later[policy].frontier()
        return 100 * uncovered_at(float(cost[0, 0]), (others[0], uncovered[0]))

    return AtEqualHours(100 * float(left[0, 0]), at("reactive"), at("constant"))


def _points(found: Sweep, policy: str, boot: float, days: Days) -> tuple[Point, ...]:
    cost, left = days.frontier()
    settings = [found.settings[column] for column in found.columns(policy, boot)]
    points = [
        Point(float(cost[0, number]), 100 * float(left[0, number]), setting.target, setting.quantile, setting.floor)
        for number, setting in enumerate(settings)
    ]
    return tuple(sorted(points, key=lambda point: (point.cost_ratio, point.under_provisioned_percent)))


def _pictures(
    found: Sweep, now: dict[float, dict[str, int]], fleet: Fleet, chosen: BacktestSettings
) -> dict[float, dict[str, Capacity]]:
    """The settings of `now` once more, minute by minute: all boot times in one replay."""
    cases: list[Case] = []
    for boot, columns in now.items():
        group = replace(chosen.provider, boot_seconds=boot * 60)
        for policy, column in columns.items():
            setting = found.settings[column]
            floor = fleet.floor
            if setting.quantile is not None:
                floor = found.floors[setting.policy, boot, setting.quantile]
            cases.append(Case(f"{policy}/{boot}", group, floor, setting.target, fleet.ceiling))
    names = [case.name for case in cases]
    kept = replay(found.load, found.load_per_instance, cases, keep=names, seed=chosen.seed).capacity
    return {boot: {policy: kept[f"{policy}/{boot}"] for policy in columns} for boot, columns in now.items()}


def _busy_to_quiet(load: FloatArray) -> float:
    hours = _step_means(load, 60)
    quiet, busy = np.nanquantile(hours, [0.05, 0.95])
    return float(busy / max(quiet, 1e-12))
