"""All policies at all settings and boot times over one window, in one replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecasting.backtest.floors import Peer, Predictive, SeasonalNaive, fleet_at, floor_path
from forecasting.backtest.short import Ticks, short_needs, short_path
from forecasting.backtest.walk import Origin, WalkSettings
from forecasting.replay import Case, DayTotals, Provider, clairvoyant_minutes, replay
from forecasting.replay.base import MINUTES_PER_DAY, FloatArray, IntArray
from forecasting.settings import Fleet
from forecasting.shortlead import TAUS, window_steps

REACTIVE_TARGETS = tuple(float(target) for target in np.round(np.geomspace(0.3, 1.0, 25), 3))
"""Targets of reactive scaling alone, as shares of the load per instance: close enough to each other to compare at equal cost."""

FLOOR_TARGETS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Targets of the reactive scaling that stays on above a floor."""

SHORT_TARGETS = (0.7, 1.0)
"""Of the reactive scaling above a floor that the short-lead update keeps: its own knob is the finer one."""
PLAN_QUANTILE = 0.9
"""Of the plan that the short-lead update re-levels; it stands where the update says nothing."""

CONSTANT_TARGETS = (0.6, 0.8, 1.0)
CONSTANT_SHARES = tuple(float(share) for share in np.round(np.arange(0.05, 1.01, 0.05), 2))
"""Constant floors, as shares of the peak."""


@dataclass(frozen=True)
class Setting:
    """One policy at one setting.

    Attributes:
        policy: `static`, `constant`, `reactive`, `seasonal-naive`, `peer`, `predictive` or `short-lead`.
        boot_minutes: Boot time of the group.
        target: Of target tracking, as a share of the load per instance; None where nothing reacts.
        quantile: Of the forecast (`predictive`), or of the highest load within the boot time (`short-lead`).
        floor: The constant floor (`static`, `constant` only).
    """

    policy: str
    boot_minutes: float
    target: float | None = None
    quantile: float | None = None
    floor: int | None = None

    @property
    def name(self) -> str:
        """Unique within a sweep."""
        return f"{self.policy}/{self.boot_minutes:g}/{self.target}/{self.quantile}/{self.floor}"


@dataclass(frozen=True, eq=False)
class Sweep:
    """What came of all settings.

    Attributes:
        start: First minute of the window (UTC).
        load: Load of each minute.
        load_per_instance: Of the fleet.
        settings: Columns of `days`.
        days: Sums per day and setting.
        clairvoyant: Instance-minutes per day of the clairvoyant policy, by boot minutes.
        floors: Floor of each minute of our policies, by (policy, boot minutes, quantile).
    """

    start: pd.Timestamp
    load: FloatArray
    load_per_instance: float
    settings: tuple[Setting, ...]
    days: DayTotals
    clairvoyant: dict[float, FloatArray]
    floors: dict[tuple[str, float, float], IntArray]

    def columns(self, policy: str, boot_minutes: float) -> list[int]:
        """Columns of a policy at a boot time, in the order of the settings."""
        return [
            column
            for column, setting in enumerate(self.settings)
            if setting.policy == policy and setting.boot_minutes == boot_minutes
        ]


def sweep(
    load: FloatArray,
    start: pd.Timestamp,
    origins: Sequence[Origin],
    fleet: Fleet,
    boot_minutes: Sequence[float],
    walk_settings: WalkSettings,
    *,
    ticks: Ticks | None = None,
    provider: Provider | None = None,
    seed: int = 0,
) -> Sweep:
    """Replay every policy at every setting.

    Args:
        load: Load of each minute of the window, NaN where it is not known.
        start: First minute of the window (UTC, a whole step).
        origins: The walk.
        fleet: Load per instance, floor, ceiling, limits; its lead time and quantile are replaced by what is swept.
        boot_minutes: Boot times; the floors are planned with the same lead time.
        walk_settings: Of the walk.
        ticks: What the short-lead update sees; without it, and where a boot takes longer than it looks ahead, that policy is left out.
        provider: Everything but the boot time.
        seed: Of jitter and spot losses.
    """
    settings: list[Setting] = []
    cases: list[Case] = []
    floors: dict[tuple[str, float, float], IntArray] = {}
    peak = int(np.ceil(np.nanmax(load) / fleet.load_per_instance - 1e-9))
    base = provider or Provider(boot_seconds=0)
    for boot in boot_minutes:
        here = fleet_at(fleet, lead_time_seconds=boot * 60)
        group = replace(base, boot_seconds=boot * 60)
        for setting, floor in _settings(here, boot, peak, origins, start, len(load), walk_settings, ticks, floors):
            settings.append(setting)
            cases.append(Case(setting.name, group, floor, setting.target, fleet.ceiling))
    result = replay(load, fleet.load_per_instance, cases, seed=seed)
    best = {boot: _per_day(clairvoyant_minutes(load, fleet.load_per_instance, round(boot))) for boot in boot_minutes}
    return Sweep(start, load, fleet.load_per_instance, tuple(settings), result.days, best, floors)


def _settings(
    fleet: Fleet,
    boot: float,
    peak: int,
    origins: Sequence[Origin],
    start: pd.Timestamp,
    minutes: int,
    walk_settings: WalkSettings,
    ticks: Ticks | None,
    floors: dict[tuple[str, float, float], IntArray],
) -> list[tuple[Setting, IntArray | int]]:
    """All settings at one boot time, each with its floor."""
    step = walk_settings.step_minutes
    found: list[tuple[Setting, IntArray | int]] = [(Setting("static", boot, floor=peak), peak)]
    found += [(Setting("reactive", boot, target), fleet.floor) for target in REACTIVE_TARGETS]
    levels = sorted({max(round(share * peak), fleet.floor) for share in CONSTANT_SHARES})
    found += [
        (Setting("constant", boot, target, floor=level), level) for target in CONSTANT_TARGETS for level in levels
    ]

    def path(planner: Predictive | SeasonalNaive | Peer) -> IntArray:
        return floor_path(planner, origins, start, minutes, baseline=fleet.floor, step_minutes=step)

    naive = path(SeasonalNaive(fleet, step))
    found += [(Setting("seasonal-naive", boot, target), naive) for target in FLOOR_TARGETS]
    found += [(Setting("peer", boot, target), path(Peer(fleet, target, step))) for target in FLOOR_TARGETS]
    for quantile in walk_settings.quantiles:
        floor = path(Predictive(fleet_at(fleet, quantile=quantile), walk_settings.quantiles, step))
        floors["predictive", boot, quantile] = floor
        found += [(Setting("predictive", boot, target, quantile), floor) for target in FLOOR_TARGETS]
    window = window_steps(fleet.lead_time_seconds)
    if ticks is None or window is None:
        return found
    plan, wanted = floors["predictive", boot, PLAN_QUANTILE], short_needs(ticks, window)
    for column, tau in enumerate(TAUS):
        floor = short_path(wanted[:, column], plan, fleet.load_per_instance, floor=fleet.floor, ceiling=fleet.ceiling)
        floors["short-lead", boot, tau] = floor
        found += [(Setting("short-lead", boot, target, tau), floor) for target in SHORT_TARGETS]
    return found


def _per_day(minutes: FloatArray) -> FloatArray:
    return np.add.reduceat(minutes, np.arange(0, len(minutes), MINUTES_PER_DAY))
