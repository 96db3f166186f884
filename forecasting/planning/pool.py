"""What a pool may ask for, and when: its capacity windows, and what the cloud has no more of. See `designs/pool-planning.md`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.models.base import Forecast
from forecasting.planning.base import Limits, Plan, Shortage
from forecasting.settings import CapacityWindow, Fleet

_GRID = timedelta(minutes=15)
"""Of slots in the near future: a limit that begins on it needs no slot of its own."""


def pool_limits(fleet: Fleet, shortage: Shortage | None, begin: datetime, end: datetime) -> Limits:
    """The most that may be asked for from `begin` to `end` (aware), where that is less than the ceiling.

    Outside of a pool's windows that is nothing. A shortage never takes what the fleet's floor asks for.
    """
    windows = windows_of(fleet)
    until = shortage.until if shortage else begin
    moments = {begin, until, *(moment for window in windows for moment in (window.start, window.end))}

    def most(moment: datetime) -> int:
        units = fleet.ceiling
        if windows:
            units = next((window.units for window in windows if window.start <= moment < window.end), 0)
        if shortage and moment < until:
            units = min(units, max(shortage.units, fleet.floor))
        return min(units, fleet.ceiling)

    found: list[tuple[datetime, int]] = []
    for moment in sorted(moments):
        if begin <= moment < end and most(moment) != (found[-1][1] if found else fleet.ceiling):
            found.append((moment.astimezone(UTC), most(moment)))
    return tuple(found)


def recorded_plan(floors: Mapping[str, int], fleet: Fleet) -> Plan:
    """A plan as a run's record has it: start of the step (ISO 8601, UTC) to instances, at least two steps."""
    index = pd.DatetimeIndex([pd.Timestamp(start) for start in floors])
    floor = pd.Series(list(floors.values()), index=index, dtype=int)
    limits = pool_limits(fleet, None, index[0].to_pydatetime(), index[-1].to_pydatetime())
    return Plan(floor=floor, need=floor, load=floor.astype(float), baseline=fleet.floor, limits=limits)


def windows_of(fleet: Fleet) -> tuple[CapacityWindow, ...]:
    """The capacity windows, ascending."""
    return tuple(sorted(fleet.pool.windows if fleet.pool else (), key=lambda window: window.start))


def lowest(limits: Limits, start: datetime, end: datetime | None, before: int) -> int:
    """The smallest limit of start <= time < end; `before` holds where none has begun."""
    in_force = before
    within: list[int] = []
    for moment, most in limits:
        if moment <= start:
            in_force = most
        elif end is None or moment < end:
            within.append(most)
    return min([in_force, *within])


def highest_within(limits: Limits, start: datetime, end: datetime, before: int) -> int:
    """The largest limit of start <= time < end."""
    in_force = before
    within: list[int] = []
    for moment, most in limits:
        if moment <= start:
            in_force = most
        elif moment < end:
            within.append(most)
    return max([in_force, *within])


def pool_need(
    units: np.ndarray[tuple[int], np.dtype[np.int_]], fleet: Fleet, index: pd.DatetimeIndex, step: pd.Timedelta
) -> np.ndarray[tuple[int], np.dtype[np.int_]]:
    """What a pool needs in each step: units kept warm above the load's, in whole instances; in a window at least its floor, else nothing."""
    pool = fleet.pool
    if pool is None:
        return units
    need = units + pool.warm_headroom
    windows = windows_of(fleet)
    if windows:
        least = np.full(len(index), -1)
        for window in windows:
            inside = np.asarray((index < pd.Timestamp(window.end)) & (index + step > pd.Timestamp(window.start)))
            least[inside] = np.maximum(least[inside], window.floor)
        need = np.where(least >= 0, np.maximum(need, least), 0)
    elif fleet.cloud == "aws":
        need = np.maximum(need, 1)  # no scale to zero by the job: target tracking by CPU would not come back from there
    whole = -(-need // pool.units_per_instance) * pool.units_per_instance
    return np.asarray(np.minimum(whole, fleet.ceiling + 1), dtype=int)


def close_in_time(
    floors: Sequence[int],
    fleet: Fleet,
    limits: Limits,
    starts: Sequence[datetime],
    lead_seconds: float,
    current_floor: int | None,
) -> tuple[list[int], Limits]:
    """The floors without what could not serve before its window ends, and the limits with what that leaves.

    An instance that is asked for within the lead time before the end boots for nothing: from then on no more is asked for than until then.

    Args:
        floors: One a step.
        fleet: The fleet.
        limits: `pool_limits`.
        starts: The steps' starts (UTC).
        lead_seconds: From asking to serving.
        current_floor: The floor in force before the first step; None where nothing is known.
    """
    kept, limited = list(floors), list(limits)
    windows = windows_of(fleet)
    for window in windows:
        last = _floor_to_grid(window.end - timedelta(seconds=lead_seconds))
        steps = [number for number, start in enumerate(starts) if last <= start < window.end]
        if not steps:
            continue
        first = steps[0]
        most = kept[first - 1] if first else current_floor
        if last <= window.start:  # nothing that is asked for in it would serve: its own opening gives its floor
            most = window.floor
        if most is None:
            continue
        most = max(most, window.floor)
        for number in steps:
            kept[number] = most = min(kept[number], most)
        begins = max(last, window.start, starts[0]).astimezone(UTC)
        limited = [entry for entry in limited if not begins <= entry[0] < window.end]
        limited.append(
            (begins, min(max(kept[first], window.floor), highest_within(limits, begins, window.end, fleet.ceiling)))
        )
        ends = window.end.astimezone(UTC)
        # Of windows back to back and of one size, `pool_limits` has no entry where the next one opens.
        if any(each.start == ends for each in windows) and all(moment != ends for moment, _ in limited):
            limited.append((ends, lowest(limits, ends, ends, fleet.ceiling)))
    return kept, tuple(sorted(limited))


def _floor_to_grid(moment: datetime) -> datetime:
    seconds = moment.timestamp() // _GRID.total_seconds() * _GRID.total_seconds()
    return datetime.fromtimestamp(seconds, UTC)


def planned_quantiles(fleet: Fleet) -> set[float]:
    """The quantiles of the load that a plan of the fleet needs."""
    low = fleet.pool.on_demand_quantile if fleet.pool else None
    return {fleet.plan_quantile} | ({low} if low is not None else set())


def advised_base(load: Forecast, fleet: Fleet) -> int | None:
    """The on-demand base that is advised, in units: what the load needs at `pool.on_demand_quantile` of all hours of the forecast.

    Each hour's own uncertainty counts: a quantile of the forecast's distributions taken together. Whole instances, at most the ceiling; None where no
    quantile is set.
    """
    if fleet.pool is None or fleet.pool.on_demand_quantile is None:
        return None
    levels = np.asarray(load.quantiles.columns, dtype=float)
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    values = load.quantiles.to_numpy(dtype=float).ravel()
    weights = np.tile(np.diff(edges), len(load.quantiles))
    order = np.argsort(values, kind="stable")
    wanted = fleet.pool.on_demand_quantile * weights.sum() - 1e-9
    reached = int((np.cumsum(weights[order]) < wanted).sum())
    load_needed = float(values[order][min(reached, len(order) - 1)])
    units = math.ceil(min(load_needed / fleet.load_per_instance, 1e6) - 1e-9)
    whole = -(-units // fleet.pool.units_per_instance) * fleet.pool.units_per_instance
    return min(max(whole, 0), fleet.ceiling)
