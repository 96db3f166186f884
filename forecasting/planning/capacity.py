"""From quantiles of load to instances."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd

from forecasting.errors import SettingsError
from forecasting.models.base import Forecast
from forecasting.planning.base import Plan
from forecasting.planning.limits import limit_changes
from forecasting.settings import Event, Fleet

JITTER_SECONDS = 120
"""A scheduled action may run this late (Amazon EC2 Auto Scaling user guide, scheduled scaling), so it is part of every lead time."""


def plan_capacity(forecast: Forecast, fleet: Fleet, *, headroom: float = 1.0, current_floor: int | None = None) -> Plan:
    """The floor to ask for in each step of the forecast, so that the instances are up when their load comes.

    Args:
        forecast: Quantiles of the fleet's load; must hold `fleet.plan_quantile`.
        fleet: Load per instance, lead time, floor, ceiling, limits of change, events.
        headroom: Factor >= 1 for peaks inside a step (`learn_headroom`).
        current_floor: The floor in force now, from which the limits of change start; None where nothing is known.

    Raises:
        SettingsError: the forecast has not the quantile that the fleet provisions for.
    """
    if fleet.plan_quantile not in forecast.quantiles.columns:
        raise SettingsError(
            "quantile", fleet.plan_quantile, f"one of the forecast's: {list(forecast.quantiles.columns)}"
        )
    index = pd.DatetimeIndex(forecast.quantiles.index)
    load = forecast.quantiles[fleet.plan_quantile].to_numpy(dtype=float) * headroom
    event_floor = np.zeros(len(index), dtype=int)
    for event in fleet.events:
        inside = _inside(index, forecast.step, event, fleet.time_zone)
        load[inside] *= event.load_factor
        event_floor[inside] = np.maximum(event_floor[inside], event.floor)

    # An epsilon, so that a load of exactly n instances does not ask for n + 1; a cap, so that 1e308 stays an integer.
    instances = np.minimum(np.ceil(load / fleet.load_per_instance - 1e-9), fleet.ceiling + 1)
    need = np.maximum(instances.astype(int), event_floor)
    early = _lead(need, fleet.lead_time_seconds + JITTER_SECONDS, forecast.step)
    floors = limit_changes(
        [int(value) for value in early],
        start=current_floor,
        lower=fleet.floor,
        upper=fleet.ceiling,
        max_increase=fleet.max_increase_per_slot,
        max_decrease=fleet.max_decrease_per_slot,
    )
    return Plan(
        floor=pd.Series(floors, index=index, dtype=int),
        need=pd.Series([int(value) for value in need], index=index, dtype=int),
        load=pd.Series(load, index=index),
        baseline=fleet.floor,
        notes=_notes(fleet, need, early, floors, index),
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
    floors: list[int],
    index: pd.DatetimeIndex,
) -> tuple[str, ...]:
    notes: list[str] = []
    over = np.flatnonzero(need > fleet.ceiling)
    if len(over):
        notes.append(
            f"the ceiling of {fleet.ceiling} is below the need in {len(over)} of {len(need)} steps, first at {index[over[0]]:%Y-%m-%d %H:%M}Z"
        )
    cut = [i for i, (wanted, floor) in enumerate(zip(early, floors, strict=True)) if floor < min(wanted, fleet.ceiling)]
    if cut:
        notes.append(
            f"max_increase_per_slot keeps the floor below the need in {len(cut)} steps, first at {index[cut[0]]:%Y-%m-%d %H:%M}Z"
        )
    notes.extend(
        f"event {event.name!r} is in the plan"
        for event in fleet.events
        if _inside(index, pd.Timedelta(index[1] - index[0]), event, fleet.time_zone).any()
    )
    return tuple(notes)
