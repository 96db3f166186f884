"""From quantiles of load to instances."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd

from forecasting.errors import SettingsError
from forecasting.models.base import Forecast
from forecasting.planning.base import Plan, Shortage
from forecasting.planning.headroom import Headroom
from forecasting.planning.limits import limit_changes
from forecasting.planning.pool import advised_base, close_in_time, highest_within, pool_limits, pool_need
from forecasting.settings import Event, Fleet

JITTER_SECONDS = 120
"""A scheduled action may run this late (Amazon EC2 Auto Scaling user guide, scheduled scaling), so it is part of every lead time."""


def plan_capacity(
    forecast: Forecast,
    fleet: Fleet,
    *,
    headroom: float | Headroom = 1.0,
    current_floor: int | None = None,
    lead_time_seconds: float | None = None,
    shortage: Shortage | None = None,
) -> Plan:
    """The floor to ask for in each step of the forecast, so that the instances are up when their load comes.

    Args:
        forecast: Quantiles of the fleet's load; must hold `fleet.plan_quantile`.
        fleet: Load per instance, lead time, floor, ceiling, limits of change, events.
        headroom: Factor >= 1 for peaks inside a step, or factors by the time of the week.
        current_floor: The floor in force now, from which the limits of change start; None where nothing is known.
        lead_time_seconds: The lead time as it was measured; None for the settings'.
        shortage: What the cloud does not give for now.

    Raises:
        SettingsError: the forecast has not the quantile that the fleet provisions for.
    """
    if fleet.plan_quantile not in forecast.quantiles.columns:
        raise SettingsError(
            "quantile", fleet.plan_quantile, f"one of the forecast's: {list(forecast.quantiles.columns)}"
        )
    index = pd.DatetimeIndex(forecast.quantiles.index)
    load = forecast.quantiles[fleet.plan_quantile].to_numpy(dtype=float)
    load = load * (headroom.over(index) if isinstance(headroom, Headroom) else headroom)
    event_floor = np.zeros(len(index), dtype=int)
    for event in fleet.events:
        inside = _inside(index, forecast.step, event, fleet.time_zone)
        load[inside] *= event.load_factor
        event_floor[inside] = np.maximum(event_floor[inside], event.floor)

    # An epsilon, so that a load of exactly n instances does not ask for n + 1; a cap, so that 1e308 stays an integer.
    instances = np.minimum(np.ceil(load / fleet.load_per_instance - 1e-9), fleet.ceiling + 1)
    need = pool_need(np.maximum(instances.astype(int), event_floor), fleet, index, forecast.step)
    lead = (fleet.lead_time_seconds if lead_time_seconds is None else lead_time_seconds) + JITTER_SECONDS
    early = _lead(need, lead, forecast.step)
    starts, step = [stamp.to_pydatetime() for stamp in index], forecast.step.to_pytimedelta()
    limits = pool_limits(fleet, shortage, starts[0], starts[-1] + timedelta(hours=1) + step)
    tops = [highest_within(limits, start, start + step, fleet.ceiling) for start in starts]
    floors = limit_changes(
        early,
        start=current_floor,
        lower=fleet.floor,
        upper=tops,
        max_increase=fleet.max_increase_per_slot,
        max_decrease=fleet.max_decrease_per_slot,
    )
    floors, limits = close_in_time(floors, fleet, limits, starts, lead, current_floor)
    return Plan(
        floor=pd.Series(floors, index=index, dtype=int),
        need=pd.Series([int(value) for value in need], index=index, dtype=int),
        load=pd.Series(load, index=index),
        baseline=fleet.floor,
        notes=(*_notes(fleet, need, early, tops, floors, index), *([shortage.text] if shortage else [])),
        limits=limits,
        on_demand_base=advised_base(forecast, fleet),
    )


def _inside(
    index: pd.DatetimeIndex, step: pd.Timedelta, event: Event, time_zone: str
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """The steps that an event touches, also by a part."""
    inside = np.zeros(len(index), bool)
    for start, end in event.spans(index[0].to_pydatetime(), (index[-1] + step).to_pydatetime(), time_zone):
        inside |= np.asarray((index < pd.Timestamp(end)) & (index + step > pd.Timestamp(start)))
    return inside


def _lead(need: np.ndarray[tuple[int], np.dtype[np.int_]], lead_seconds: float, step: pd.Timedelta) -> list[int]:
    """The most that is needed from each step until what is asked for in it has come up.

    A rise is shifted earlier by the lead time; a fall stays where it is.
    """
    ahead = math.ceil(timedelta(seconds=lead_seconds) / step.to_pytimedelta())
    padded = np.concatenate([need, np.repeat(need[-1:], ahead)])
    return [int(value) for value in np.lib.stride_tricks.sliding_window_view(padded, ahead + 1).max(axis=1)]


def _notes(
    fleet: Fleet,
    need: np.ndarray[tuple[int], np.dtype[np.int_]],
    early: list[int],
    tops: list[int],
    floors: list[int],
    index: pd.DatetimeIndex,
) -> tuple[str, ...]:
    notes: list[str] = []
    over = np.flatnonzero(need > fleet.ceiling)
    if len(over):
        notes.append(
            f"the ceiling of {fleet.ceiling} is below the need in {len(over)} of {len(need)} steps, first at {index[over[0]]:%Y-%m-%d %H:%M}Z"
        )
    reached = enumerate(zip(early, tops, floors, strict=True))
    cut = [i for i, (wanted, top, floor) in reached if floor < min(wanted, top)]
    if cut and fleet.max_increase_per_slot:
        notes.append(
            f"max_increase_per_slot keeps the floor below the need in {len(cut)} steps, first at {index[cut[0]]:%Y-%m-%d %H:%M}Z"
        )
    notes.extend(
        f"event {event.name!r} is in the plan"
        for event in fleet.events
        if _inside(index, pd.Timedelta(index[1] - index[0]), event, fleet.time_zone).any()
    )
    return tuple(notes)
