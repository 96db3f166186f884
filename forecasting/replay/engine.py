"""The replay: load against capacity, minute by minute, all cases side by side as columns of one array.

What a minute does, in this order:

1. instances whose boot is over begin to serve; spot losses leave;
2. the floor in force (a scheduled action sets MinSize for good, up to two minutes late) lifts the desired size, never lowers it;
3. target tracking looks at the minutes before: a metric of minute t is first seen in minute t + 1. It adds instances after three minutes above its
   target, and removes some after fifteen below 90 % of it, unless any instance is still warming up. It asks for ceil(load / (target x load per
   instance)), which is its proportional rule ceil(n x metric / target). The metric is not capped, as a request count per target is not: a CPU metric,
   capped at 100 %, would react in several rounds, so the reactive policy is shown at its best;
4. instances are launched and paid for from now on, or terminated at once.

Only the minutes are a Python loop: its cost is shared by all cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.errors import InputError, SettingsError
from forecasting.replay.base import MINUTES_PER_DAY, Capacity, Case, DayTotals, FloatArray, IntArray


@dataclass(frozen=True)
class Replay:
    """What came of each case.

    Attributes:
        cases: As given.
        days: Sums per day and case.
        capacity: Minute by minute, for the cases that were to be kept, by name.
    """

    cases: tuple[Case, ...]
    days: DayTotals
    capacity: dict[str, Capacity]

    def index(self, name: str) -> int:
        """Column of the case `name`."""
        return [case.name for case in self.cases].index(name)


def replay(
    load: FloatArray, load_per_instance: float, cases: Sequence[Case], *, keep: Sequence[str] = (), seed: int = 0
) -> Replay:
    """Replay `load` against the capacity that each case's policy would have had.

    Args:
        load: Load of each minute (1-D, NaN where it is not known: there the last known load drives the policies, and nothing is counted).
        load_per_instance: Load that one instance in service carries.
        cases: What to replay, side by side.
        keep: Names of the cases whose capacity is returned minute by minute.
        seed: Of the jitter, the drawn boot times and the spot losses; the same in every case, so that cases differ by their policy only.

    Raises:
        InputError: no minute has a known load.
        SettingsError: a floor has another length than the load, or two cases share a name.
    """
    known = np.isfinite(load)
    if not known.any():
        raise InputError("replay: no minute of the load is known")
    names = [case.name for case in cases]
    if len(set(names)) != len(names):
        raise SettingsError("cases", sorted({name for name in names if names.count(name) > 1}), "unique names")
    group = _Group(_filled(load) / load_per_instance, cases, seed)
    kept = [names.index(name) for name in keep]
    traces = np.zeros((4, len(load), len(kept)), dtype=np.int32)
    parts: list[DayTotals] = []
    for start in range(0, len(load), MINUTES_PER_DAY):
        day = slice(start, min(start + MINUTES_PER_DAY, len(load)))
        before = group.desired.copy()
        floor, desired, in_service, paid, boots = group.run(day)
        parts.append(
            _day_totals(
                np.where(known[day], load[day], np.nan), load_per_instance, before, floor, desired, in_service, paid
            )
        )
        for row, values in enumerate((floor, desired, in_service, boots)):
            traces[row, day] = values[:, kept]
    capacity = {name: Capacity(*(traces[row, :, column] for row in range(4))) for column, name in enumerate(keep)}
    return Replay(tuple(cases), _stacked(parts), capacity)


class _Group:
    """The state of all cases: one element of each array a case, one call of `_minute` a minute."""

    def __init__(self, need: FloatArray, cases: Sequence[Case], seed: int) -> None:
        count, minutes = len(cases), len(need)
        rng = np.random.default_rng(seed)
        providers = [case.provider for case in cases]
        self.need = need
        self.floors, self.floor_column = _executed_floors(cases, minutes, seed)
        self.per_target = np.array([1.0 / case.target if case.target else 0.0 for case in cases])
        self.ceiling = np.array([float(case.ceiling) for case in cases])
        self.out_after = np.array([float(provider.scale_out_datapoints) for provider in providers])
        self.in_after = np.array([float(provider.scale_in_datapoints) for provider in providers])
        self.in_below = np.array([provider.scale_in_below for provider in providers])
        self.warmup = np.array([math.ceil(provider.warmup_seconds / 60) for provider in providers])
        # One uniform draw a minute, shared by the cases: each reads its own boot times at that rank.
        self.boots = _boot_minutes(cases, rng.random(minutes))
        self.losses = _spot_losses(cases, rng.random(minutes))
        pools = [provider.warm_pool for provider in providers]
        self.pooled = any(pools)
        self.pool = np.array([float(pool.size) if pool else 0.0 for pool in pools])
        self.pool_start = np.array([_whole_minutes(pool.start_seconds) if pool else 1 for pool in pools])
        self.preparing = np.zeros(count)
        length = int(max(self.boots.max(), self.pool_start.max())) + 1
        self.arrivals, self.prepared = np.zeros((length, count)), np.zeros((length, count))
        self.columns = np.arange(count)
        first = np.maximum(np.ceil(need[0] * self.per_target), self.floors[0, self.floor_column])
        self.desired: FloatArray = np.minimum(first, self.ceiling)
        self.in_service: FloatArray = self.desired.copy()
        self.above: FloatArray = np.zeros(count)
        self.below: FloatArray = np.zeros(count)
        self.settled: FloatArray = np.zeros(count)
        self.booting: FloatArray = np.zeros(count)

    def run(self, day: slice) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Floor, desired, in service, paid for, and boot time of what was launched, each (minutes of `day`, cases)."""
        count = len(self.columns)
        record = np.zeros((5, day.stop - day.start, count))
        record[0] = self.floors[day][:, self.floor_column]
        for row, minute in enumerate(range(day.start, day.stop)):
            self._minute(minute, record[0, row])
            record[1, row] = self.desired
            record[2, row] = self.in_service
            record[3, row] = self.preparing
            record[4, row] = self.booting
        record[3] += record[1]
        return record[0], record[1], record[2], record[3], record[4]

    def _minute(self, minute: int, floor: FloatArray) -> None:
        ratio = self.need[max(minute - 1, 0)] * self.per_target
        # The counters see the metric of the minute before: its load over the instances that served then.
        self.above = (self.above + 1.0) * (ratio > self.in_service)
        self.below = (self.below + 1.0) * (ratio < self.in_below * self.in_service)
        slot = minute % len(self.arrivals)
        self.in_service += self.arrivals[slot]
        self.arrivals[slot] = 0.0
        lost: FloatArray | float = 0.0
        if self.losses is not None:
            lost = np.rint(self.in_service * self.losses[minute])
        wanted = np.ceil(ratio)
        desired = np.maximum(np.maximum(self.desired, floor), wanted * (self.above >= self.out_after))
        scale_in = (self.below >= self.in_after) & (self.settled <= minute)
        desired = np.where(scale_in, np.minimum(desired, np.maximum(wanted, floor)), desired)
        np.minimum(desired, self.ceiling, out=desired)
        change = desired - (self.desired - lost)
        self.desired = desired
        self.in_service += np.minimum(change, 0.0) - lost
        launched = np.maximum(change, 0.0)
        self.booting = np.zeros(len(self.columns))
        if launched.any():
            self._launch(minute, launched)
        if self.pooled:
            ready = self.prepared[slot]
            self.pool += ready
            self.preparing -= ready
            self.prepared[slot] = 0.0

    def _launch(self, minute: int, launched: FloatArray) -> None:
        boots, length = self.boots[minute], len(self.arrivals)
        cold = launched
        if self.pooled:
            warm = np.minimum(launched, self.pool)
            cold = launched - warm
            self.pool -= warm
            self.preparing += warm
            self.arrivals[(minute + self.pool_start) % length, self.columns] += warm
            self.prepared[(minute + boots) % length, self.columns] += warm
        self.arrivals[(minute + boots) % length, self.columns] += cold
        self.booting = np.where(cold > 0, boots, 0)
        slowest = np.where(cold > 0, boots, self.pool_start) + self.warmup
        self.settled = np.where(launched > 0, np.maximum(self.settled, minute + slowest), self.settled)


def _whole_minutes(seconds: float) -> int:
    return max(math.ceil(seconds / 60), 1)


def _filled(load: FloatArray) -> FloatArray:
    """Gaps hold the last known load; leading ones the first."""
    known = np.flatnonzero(np.isfinite(load))
    last = np.searchsorted(known, np.arange(len(load)), side="right") - 1
    return load[known[np.maximum(last, 0)]]


def _boot_minutes(cases: Sequence[Case], ranks: FloatArray) -> IntArray:
    """Boot time of what is launched in each minute, shape (minutes, cases)."""
    fixed = np.array([_whole_minutes(case.provider.boots[0]) for case in cases], dtype=np.int32)
    boots = np.broadcast_to(fixed, (len(ranks), len(cases)))
    drawn = [column for column, case in enumerate(cases) if len(case.provider.boots) > 1]
    if drawn:
        boots = boots.copy()
        for column in drawn:
            measured = np.array(sorted(_whole_minutes(boot) for boot in cases[column].provider.boots), dtype=np.int32)
            boots[:, column] = measured[(ranks * len(measured)).astype(np.int64)]
    return boots


def _spot_losses(cases: Sequence[Case], ranks: FloatArray) -> FloatArray | None:
    """Share of the instances in service that is lost in each minute, shape (minutes, cases); None where none is."""
    chance = np.array([case.provider.spot_losses_per_day / MINUTES_PER_DAY for case in cases])
    if not chance.any():
        return None
    shares = np.array([case.provider.spot_share for case in cases])
    return np.where(ranks[:, None] < chance, shares, 0.0)


def _executed_floors(cases: Sequence[Case], minutes: int, seed: int) -> tuple[FloatArray, IntArray]:
    """MinSize in force in each minute, one column per distinct floor, and the column of each case."""
    columns: dict[tuple[int, int], int] = {}
    executed: list[FloatArray] = []
    where = np.zeros(len(cases), dtype=np.int32)
    for number, case in enumerate(cases):
        jitter = case.provider.action_jitter_minutes
        key = (case.floor, -1) if isinstance(case.floor, int) else (id(case.floor), jitter)
        if key not in columns:
            columns[key] = len(executed)
            executed.append(_executed(case, minutes, jitter, seed))
        where[number] = columns[key]
    return np.stack(executed, axis=1), where


def _executed(case: Case, minutes: int, jitter: int, seed: int) -> FloatArray:
    """The floor of `case` as its actions run: each up to `jitter` minutes late, the same minutes late whenever the action's minute is the same."""
    if isinstance(case.floor, int):
        return np.full(minutes, float(case.floor))
    if len(case.floor) != minutes:
        raise SettingsError(f"floor of {case.name}", len(case.floor), f"one value per minute: {minutes}")
    floor = case.floor.astype(np.float64)
    delays = np.random.default_rng(seed + 1).integers(0, jitter + 1, size=minutes)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(floor)) + 1))
    runs = np.minimum(starts + delays[starts], minutes)
    runs[0] = 0
    # In order of the minute they run: of two in one minute the later start wins, as the last writer does.
    order = np.argsort(runs, kind="stable")
    in_force = np.searchsorted(runs[order], np.arange(minutes), side="right") - 1
    return floor[starts[order][in_force]]


def _day_totals(
    load: FloatArray,
    load_per_instance: float,
    before: FloatArray,
    floor: FloatArray,
    desired: FloatArray,
    in_service: FloatArray,
    paid: FloatArray,
) -> DayTotals:
    known = np.isfinite(load)
    load = np.where(known, load, 0.0)
    capacity = in_service * load_per_instance
    # Loads come from sums and quotients: a rounding error is not uncovered load.
    uncovered = np.maximum(load[:, None] - capacity, 0.0)
    uncovered[uncovered <= 1e-9 * load[:, None]] = 0.0
    short = uncovered > 0
    weight = known.astype(np.float64)
    changed = np.diff(np.vstack((before[None], desired)), axis=0) != 0
    return DayTotals(
        minutes=np.array([weight.sum()]),
        load=np.array([load.sum()]),
        instance_minutes=(weight @ paid)[None],
        capacity=(weight @ capacity)[None],
        uncovered=uncovered.sum(axis=0)[None],
        uncovered_minutes=short.sum(axis=0, dtype=np.float64)[None],
        late_minutes=(short & (in_service < floor)).sum(axis=0, dtype=np.float64)[None],
        changes=(weight @ changed)[None],
    )


def _stacked(parts: Sequence[DayTotals]) -> DayTotals:
    return DayTotals(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in DayTotals.__dataclass_fields__)
    )
