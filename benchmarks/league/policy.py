"""The interface of a policy, its registry, and two ready forms: planners and controllers.

A policy turns the past of a load into a minimum capacity, minute by minute, at each of its settings.
Most need one function: a `Planner` forecasts many hours at once from each origin, a `Controller`
predicts the next samples at every sample. Reactive scaling stays on above every minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.backtest import BacktestSettings
from forecasting.backtest.floors import floor_path
from forecasting.backtest.sweep import FLOOR_TARGETS
from forecasting.backtest.walk import Origin
from forecasting.errors import SettingsError
from forecasting.history import Verdict
from forecasting.models.base import FloatArray
from forecasting.models.gaps import fill_gaps
from forecasting.planning.capacity import JITTER_SECONDS
from forecasting.settings import Fleet
from forecasting.sources.base import Reading

IntArray = npt.NDArray[np.int32]

HEADROOMS = (1.0, 1.15, 1.3, 1.5, 2.0)
"""Factors on a point forecast: its knob, as the quantile is that of a quantile forecast."""
CONTROLLER_TARGETS = (0.6, 0.8, 1.0)
MINUTES_PER_DAY = 1440


@dataclass(frozen=True, eq=False)
class Problem:
    """One load with the time that is simulated.

    Attributes:
        name: Of the load.
        reading: All its samples.
        fleet: Load per instance, minimum, maximum.
        settings: Startup times, goal and days.
        origins: Times of full runs (UTC), every six hours; the first is the first minute simulated.
        load: Load of each minute from there on, NaN if unknown.
        origin_forecasts: What the product forecast at each origin.
    """

    name: str
    reading: Reading
    fleet: Fleet
    settings: BacktestSettings
    origins: tuple[pd.Timestamp, ...]
    load: FloatArray
    origin_forecasts: tuple[Origin, ...] = ()

    @property
    def start(self) -> pd.Timestamp:
        """The first minute that is simulated (UTC)."""
        return self.origins[0]

    @property
    def step_minutes(self) -> int:
        """Length of a sample."""
        return self.reading.sample_seconds // 60

    @cached_property
    def samples(self) -> pd.Series[float]:
        """The samples on a regular grid, NaN for gaps."""
        load = self.reading.load.sort_index()
        load = load[~load.index.duplicated(keep="last")]
        step = pd.Timedelta(minutes=self.step_minutes)
        return load.reindex(pd.date_range(load.index[0], load.index[-1], freq=step))


@dataclass(frozen=True, eq=False)
class Setting:
    """One setting of a policy.

    Attributes:
        startup_minutes: Startup time of the fleet.
        knob: The policy's own setting, for reports.
        target: Of reactive scaling, as a share of the load per instance; None without it.
        minimum: Minimum capacity of each minute, shape (minutes,), or one number for all.
        jitter_minutes: Lateness of scheduled actions; 0 for a controller that acts by itself.
    """

    startup_minutes: float
    knob: str
    target: float | None
    minimum: IntArray | int
    jitter_minutes: int = 2


class Policy(Protocol):
    """A policy that a user could pick.

    Attributes:
        key: Name in the cache and on the command line.
        label: Name in tables.
        source: Public description that it follows.
        differences: Differences from that description.
        slow: Left out by `--quick`.
        library: Module that it imports beyond the project's own; None if there is none.
    """

    @property
    def key(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def differences(self) -> str: ...
    @property
    def slow(self) -> bool: ...
    @property
    def library(self) -> str | None: ...

    def settings(self, problem: Problem) -> Iterable[Setting]:
        """Every setting at every startup time. A minimum at a minute uses earlier samples only."""
        ...


REGISTRY: dict[str, Policy] = {}


def register(policy: Policy) -> None:
    """Add a policy to the league.

    Raises:
        SettingsError: the key is taken.
    """
    if policy.key in REGISTRY:
        raise SettingsError("key", policy.key, f"a key that is not taken; taken: {sorted(REGISTRY)}")
    REGISTRY[policy.key] = policy


def installed(policy: Policy) -> bool:
    """Check that the library of a policy can be imported."""
    return policy.library is None or find_spec(policy.library) is not None


@dataclass(frozen=True, eq=False)
class Past:
    """The samples that ended by an origin.

    Attributes:
        at: The origin (UTC), the first step to forecast.
        load: Samples without gaps, the newest last, shape (samples,).
        step_minutes: Length of a sample.
        horizon: Steps to forecast.
    """

    at: pd.Timestamp
    load: FloatArray
    step_minutes: int
    horizon: int

    @property
    def steps_per_day(self) -> int:
        """Samples in a day."""
        return MINUTES_PER_DAY // self.step_minutes

    @property
    def index(self) -> pd.DatetimeIndex:
        """Start of each sample (UTC)."""
        step = pd.Timedelta(minutes=self.step_minutes)
        return pd.date_range(self.at - len(self.load) * step, periods=len(self.load), freq=step)

    @property
    def ahead(self) -> pd.DatetimeIndex:
        """Start of each step of the horizon (UTC)."""
        step = pd.Timedelta(minutes=self.step_minutes)
        return pd.date_range(self.at, periods=self.horizon, freq=step)


@dataclass(frozen=True)
class Planner:
    """A policy that forecasts many hours at once and schedules the minimum, a startup time early.

    Attributes:
        forecast: Load of each step ahead per knob, shape (horizon, knobs), or None: the old plan
            stays. Of zeros: reactive scaling alone.
        knobs: Names of the columns: quantiles or headrooms.
        every_hours: Time between origins, a multiple of 6.
        history_days: History that a forecast may read.
        horizon_hours: How far ahead it plans.
        least_step_minutes: Finer samples are averaged to this.
    """

    key: str
    label: str
    source: str
    differences: str
    forecast: Callable[[Past], FloatArray | None]
    knobs: tuple[float, ...] = HEADROOMS
    slow: bool = False
    library: str | None = None
    every_hours: int = 6
    history_days: int = 28
    horizon_hours: int = 48
    least_step_minutes: int = 5
    targets: tuple[float, ...] = FLOOR_TARGETS

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        step = max(problem.step_minutes, self.least_step_minutes)
        made = self._forecasts(problem, step)
        for startup in problem.settings.boot_minutes:
            for column, knob in enumerate(self.knobs):
                plan = _Plan(problem.fleet, startup, column, step)
                minimum = floor_path(
                    plan,
                    made,
                    problem.start,
                    len(problem.load),
                    baseline=problem.fleet.floor,
                    step_minutes=step,
                )
                for target in self.targets:
                    yield Setting(startup, f"{knob:g}", target, minimum)

    def _forecasts(self, problem: Problem, step: int) -> list[Origin]:
        samples = problem.samples
        if step > problem.step_minutes:
            samples = samples.resample(f"{step}min").mean()
        length = pd.Timedelta(minutes=step)
        made: list[Origin] = []
        for at in problem.origins[:: self.every_hours // 6]:
            begin = at - pd.Timedelta(days=self.history_days)
            stamps = pd.DatetimeIndex(samples.index)
            known: pd.Series[float] = samples[(stamps >= begin) & (stamps <= at - length)]
            if len(known) < MINUTES_PER_DAY // step or not known.notna().any():
                continue
            # A sample that is late leaves a gap before the origin, filled as any other.
            grid = pd.date_range(known.index[0], at - length, freq=length)
            values = np.asarray(known.reindex(grid), dtype=np.float64)
            load = fill_gaps(values, MINUTES_PER_DAY // step)
            found = self.forecast(Past(at, load, step, self.horizon_hours * 60 // step))
            if found is not None:
                made.append(_origin(at, np.maximum(found, 0.0)))
        return made


def _origin(at: pd.Timestamp, load: FloatArray) -> Origin:
    empty = np.empty(0)
    return Origin(at, Verdict.GOOD, at, load, (1.0,) * load.shape[1], empty, empty)


@dataclass(frozen=True)
class _Plan:
    """The plan of one column: capacity for the greatest load until an instance could be up."""

    fleet: Fleet
    startup_minutes: float
    column: int
    step_minutes: int

    def plan(self, origin: Origin) -> pd.Series[int]:
        """See `forecasting.backtest.floors.Planner.plan`."""
        lead = int(np.ceil((self.startup_minutes * 60 + JITTER_SECONDS) / (60 * self.step_minutes)))
        wanted = required(origin.quantiles[:, self.column], self.fleet)
        padded = np.concatenate([wanted, np.repeat(wanted[-1:], lead)])
        early = np.lib.stride_tricks.sliding_window_view(padded, lead + 1).max(axis=1)
        step = pd.Timedelta(minutes=self.step_minutes)
        return pd.Series(early, index=pd.date_range(origin.start, periods=len(early), freq=step))


def required(load: FloatArray, fleet: Fleet) -> IntArray:
    """Instances that a load needs, within the minimum and the maximum of the fleet."""
    instances = np.ceil(np.nan_to_num(load) / fleet.load_per_instance - 1e-9)
    return np.clip(instances, fleet.floor, fleet.ceiling).astype(np.int32)


@dataclass(frozen=True)
class Controller:
    """A policy that predicts the next samples at every sample and sets the minimum at once.

    Attributes:
        predict: (samples without gaps, position of the first tick, samples ahead, samples in a day)
            -> load to provide for at each tick, shape (ticks, variants): the tick at position i
            knows samples[:i]. The number of ticks is len(samples) + 1 - first.
        variants: Names of the columns.
        looks_ahead: Predict as far as the startup time; else one sample.
    """

    key: str
    label: str
    source: str
    differences: str
    predict: Callable[[FloatArray, int, int, int], FloatArray]
    variants: tuple[str, ...] = ("",)
    looks_ahead: bool = False
    slow: bool = False
    library: str | None = None
    headrooms: tuple[float, ...] = HEADROOMS
    targets: tuple[float, ...] = CONTROLLER_TARGETS

    def settings(self, problem: Problem) -> Iterator[Setting]:
        """See `Policy.settings`."""
        step = problem.step_minutes
        # The last known sample stands in for a gap; the first one for a gap before it.
        load = np.asarray(problem.samples.ffill().bfill(), dtype=np.float64)
        first = int((problem.start - problem.samples.index[0]) // pd.Timedelta(minutes=step))
        found: dict[int, FloatArray] = {}
        most = 3.0 * np.maximum.accumulate(load)[first - 1 :]
        for startup in problem.settings.boot_minutes:
            ahead = max(int(np.ceil(startup / step)), 1) if self.looks_ahead else 1
            if ahead not in found:
                raw = self.predict(load, first, ahead, MINUTES_PER_DAY // step)
                found[ahead] = np.clip(np.nan_to_num(raw), 0.0, most[:, None])
            for column, variant in enumerate(self.variants):
                for headroom in self.headrooms:
                    minimum = required(headroom * found[ahead][:, column], problem.fleet)
                    path = np.repeat(minimum, step)[: len(problem.load)]
                    knob = f"{variant} {headroom:g}".strip()
                    for target in self.targets:
                        yield Setting(startup, knob, target, path, jitter_minutes=0)


def with_forecasts(problem: Problem, made: Iterable[Origin]) -> Problem:
    """The problem with the product's own forecasts."""
    return replace(problem, origin_forecasts=tuple(made))
