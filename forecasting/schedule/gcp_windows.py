"""Our windows in Google's words: the scaling schedules of an autoscaler, written and recognised.

A window is a cron with a year, in UTC, and a duration (API reference, `AutoscalingPolicyScalingSchedule`). Its description says all that we wrote.
So a window that a person has moved, lengthened, raised or disabled is recognised as that person's, and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from forecasting.errors import Hold
from forecasting.schedule.actions import ScheduledAction
from forecasting.schedule.base import Slot
from forecasting.schedule.people import Timeline, cron_runs

_STAMP = re.compile(r".*-(\d{8}t\d{4})z")


def window_body(slot: Slot) -> dict[str, Any]:
    """The scaling schedule of a slot that ends by itself."""
    if slot.end is None or slot.start.tzinfo is None:
        raise ValueError(f"{slot.name}: a window has an end, and a start in a time zone")
    start, end = slot.start.astimezone(UTC), slot.end.astimezone(UTC)
    return {
        "schedule": f"{start.minute} {start.hour} {start.day} {start.month} * {start.year}",
        "timeZone": "UTC",
        "durationSec": int((end - start).total_seconds()),
        "minRequiredReplicas": slot.floor,
        "description": f"elastic-iac: at least {slot.floor} from {start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}",
    }


def read_window(name: str, raw: Mapping[str, Any]) -> ScheduledAction:
    """A scaling schedule as the API gives it. One that is exactly of our making has its start and end; every other keeps its cron."""
    slot = _slot_of(name, raw)
    if slot is not None and window_body(slot) == _stated(raw):
        return ScheduledAction(name=name, start=slot.start, min_size=slot.floor, end=slot.end)
    return ScheduledAction(
        name=name,
        start=None,
        min_size=int(raw.get("minRequiredReplicas", 0)),
        recurrence=str(raw.get("schedule", "")) or "?",
        time_zone=raw.get("timeZone") or "UTC",
        duration=None if raw.get("disabled") else _duration(raw.get("durationSec")),
    )


def _duration(seconds: object) -> timedelta | None:
    """None if it cannot be read."""
    try:
        return timedelta(seconds=int(str(seconds)))
    except (ValueError, OverflowError):
        return None


def _slot_of(name: str, raw: Mapping[str, Any]) -> Slot | None:
    """What our window of this name, length and floor would be."""
    match = _STAMP.fullmatch(name)
    try:
        start = datetime.strptime(match[1], "%Y%m%dt%H%M").replace(tzinfo=UTC) if match else None
        if start is None:
            return None
        end = start + timedelta(seconds=int(raw["durationSec"]))
        return Slot(start, int(raw["minRequiredReplicas"]), name, end)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _stated(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something: the API may fill in what is the default anyway, and gives integers as it likes."""
    stated = {key: value for key, value in raw.items() if not (key == "disabled" and value is False)}
    numbers = {key: int(stated[key]) for key in ("durationSec", "minRequiredReplicas")}
    return {"timeZone": "UTC", **stated, **numbers}


def windows_timeline(windows: Iterable[Slot], lowest: int) -> Timeline:
    """The greatest of the windows from each of their bounds on, as a step function; `lowest` where there is none."""
    spans = [(slot.start, slot.end, slot.floor) for slot in windows if slot.end]
    bounds = sorted({bound for start, end, _ in spans for bound in (start, end)})
    return tuple(
        (bound, max([lowest, *(floor for start, end, floor in spans if start <= bound < end)])) for bound in bounds
    )


def external_windows(actions: Iterable[ScheduledAction], now: datetime, end: datetime) -> list[Slot]:
    """Windows of others that are open at any time of now <= time < end.

    A recurrence may name years in a sixth field (API reference, `schedule`). One that cannot be read
    is left out: windows only add to the minimum.
    """
    found: list[Slot] = []
    for action in actions:
        if not action.recurrence or not action.duration or action.min_size is None:
            continue
        fields = action.recurrence.split()
        daily = replace(action, recurrence=" ".join(fields[:5]))
        try:
            years = _years(fields[5]) if len(fields) == 6 else None
            for start in cron_runs(daily, now - action.duration - timedelta(minutes=1)):
                if start >= end:
                    break
                if start + action.duration > now and (years is None or start.year in years):
                    found.append(Slot(start, action.min_size, action.name, start + action.duration))
        except (Hold, ValueError):
            continue
    return found


def _years(field: str) -> set[int] | None:
    """Years of a list such as "2026,2028-2030"; None for all."""
    if field == "*":
        return None
    spans = [part.split("-") for part in field.split(",")]
    return {year for span in spans for year in range(int(span[0]), int(span[-1]) + 1)}
