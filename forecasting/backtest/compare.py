"""A schedule that stands, replayed beside other policies over the hours after it: what the demo shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecasting.backtest.choice import Days, choose
from forecasting.backtest.floors import per_minute
from forecasting.backtest.sweep import REACTIVE_TARGETS
from forecasting.replay import Capacity, Case, Measures, Provider, clairvoyant_minutes, measures, replay
from forecasting.replay.base import MINUTES_PER_DAY, FloatArray, IntArray
from forecasting.schedule.base import Slot
from forecasting.settings import Fleet


@dataclass(frozen=True, eq=False)
class Comparison:
    """Policies over hours that none of them had seen.

    Attributes:
        start: First minute (UTC).
        load: Load of each minute.
        need: Instances that it needs.
        target: Target of the reactive scaling, alone and above the floors, as a share of the load per instance: chosen on the history.
        measures: By policy: `static` (the history's peak), `reactive`, `reactive_at_equal_hours` (its target lowered until it costs what ours does),
            `seasonal_naive`, `predictive` (the schedule that was written) and `oracle` (clairvoyant, same boot time).
        capacity: Minute by minute, of `static`, `reactive`, `seasonal_naive` and `predictive`.
        oracle: Instances of the oracle, minute by minute.
    """

    start: pd.Timestamp
    load: FloatArray
    need: IntArray
    target: float
    measures: dict[str, Measures]
    capacity: dict[str, Capacity]
    oracle: IntArray

    def to_json(self) -> dict[str, Any]:
        """The measures of each policy, by name."""
        return {policy: found.to_json() for policy, found in self.measures.items()}


def compare(
    history: pd.Series[float],
    unseen: pd.Series[float],
    sample_seconds: int,
    fleet: Fleet,
    slots: Sequence[Slot],
    *,
    goal_percent: float = 0.5,
    provider: Provider | None = None,
) -> Comparison:
    """Replay a written schedule and its rivals.

    Args:
        history: Samples that the job saw (UTC, ascending).
        unseen: The samples after them.
        sample_seconds: Length of a sample.
        fleet: Load per instance, floor, ceiling; its lead time is the boot time.
        slots: The schedule, ascending; before the first slot the fleet's floor is in force.
        goal_percent: Share of the load that may stay uncovered, for the choice of the reactive target.
        provider: How the group behaves; the defaults of AWS with the fleet's lead time where it is not given.
    """
    group = provider or Provider(boot_seconds=fleet.lead_time_seconds)
    boot = max(round(float(np.quantile(group.boots, 0.9)) / 60), 1)
    past, _ = _minutes(history, sample_seconds)
    load, start = _minutes(unseen, sample_seconds)
    target = _chosen_target(past, fleet, group, boot, goal_percent / 100)
    week = per_minute(
        pd.concat([history, unseen]), sample_seconds, start - pd.Timedelta(days=7), min(len(load), 7 * MINUTES_PER_DAY)
    )
    floors: dict[str, tuple[IntArray | int, float | None]] = {
        "static": (_instances(past, fleet).max().item(), None),
        "reactive": (fleet.floor, target),
        "seasonal_naive": (_led(_instances(week, fleet), len(load), boot, fleet), target),
        "predictive": (slot_path(slots, start, len(load), fleet.floor), target),
    }
    cases = [Case(name, group, floor, wanted, fleet.ceiling) for name, (floor, wanted) in floors.items()]
    cases += [Case(f"reactive/{other}", group, fleet.floor, other, fleet.ceiling) for other in REACTIVE_TARGETS]
    found = replay(load, fleet.load_per_instance, cases, keep=list(floors))
    best = clairvoyant_minutes(load, fleet.load_per_instance, boot)
    judged = {name: measures(found.days, found.index(name), float(best.sum())) for name in floors}
    judged["reactive_at_equal_hours"] = _nearest_hours(
        [measures(found.days, column, float(best.sum())) for column in range(len(floors), len(cases))],
        judged["predictive"],
    )
    need = _instances(load, fleet)
    judged["oracle"] = _oracle(load, need, best, fleet)
    return Comparison(start, load, need, target, judged, found.capacity, best.astype(np.int32))


def slot_path(slots: Sequence[Slot], start: pd.Timestamp, minutes: int, baseline: int) -> IntArray:
    """MinSize that a schedule asks for in each minute from `start` on, shape (minutes,); `baseline` before its first slot."""
    starts = np.array([int((pd.Timestamp(slot.start) - start) // pd.Timedelta(minutes=1)) for slot in slots], dtype=int)
    floors = np.array([baseline, *(slot.floor for slot in slots)], dtype=np.int32)
    return floors[np.searchsorted(starts, np.arange(minutes), side="right")]


def _minutes(load: pd.Series[float], sample_seconds: int) -> tuple[FloatArray, pd.Timestamp]:
    start = pd.Timestamp(load.index[0])
    length = load.index[-1] - start + pd.Timedelta(seconds=sample_seconds)
    return per_minute(load, sample_seconds, start, int(length // pd.Timedelta(minutes=1))), start


def _instances(load: FloatArray, fleet: Fleet) -> IntArray:
    return np.ceil(np.nan_to_num(load) / fleet.load_per_instance - 1e-9).astype(np.int32)


def _led(instances: IntArray, minutes: int, boot: int, fleet: Fleet) -> IntArray:
    """Asked for a boot (and the jitter) early, in steps of a quarter of an hour, as scheduled actions would."""
    floor = np.full(minutes, fleet.floor, dtype=np.int32)
    for first in range(0, min(len(instances), minutes), 15):
        ahead = instances[first : first + 15 + boot + 2]
        floor[first : first + 15] = min(max(int(ahead.max()), fleet.floor), fleet.ceiling)
    return floor


def _chosen_target(past: FloatArray, fleet: Fleet, group: Provider, boot: int, goal: float) -> float:
    cases = [Case(f"{target}", group, fleet.floor, target, fleet.ceiling) for target in REACTIVE_TARGETS]
    found = replay(past, fleet.load_per_instance, cases)
    best = clairvoyant_minutes(past, fleet.load_per_instance, boot)
    per_day = np.add.reduceat(best, np.arange(0, len(best), MINUTES_PER_DAY))
    return REACTIVE_TARGETS[choose(Days.of(found.days, range(len(cases)), per_day), goal)]


def _nearest_hours(candidates: Sequence[Measures], ours: Measures) -> Measures:
    return min(candidates, key=lambda candidate: abs(candidate.instance_hours - ours.instance_hours))


def _oracle(load: FloatArray, need: IntArray, paid: FloatArray, fleet: Fleet) -> Measures:
    carried = float(np.nansum(load)) / max(float(need.sum()) * fleet.load_per_instance, 1e-12)
    changes = float((np.diff(paid) != 0).sum()) * MINUTES_PER_DAY / len(paid)
    return Measures(float(paid.sum()) / 60, 1.0, 0.0, 0.0, 100 * carried, changes, 0.0)
