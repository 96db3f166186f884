"""Scaling schedules as Compute judges and runs them: pure, so that any moment can be asked about.

Sources: API = the Compute Engine API reference (also in google-cloud-compute); GUIDE = "Scaling based on schedules"; INFERRED = not documented,
the stricter reading is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from elastic_iac.local.gcp.crons import Cron, CronError, cron
from elastic_iac.local.gcp.wire import Document, invalid, required, stamp

MAX_SCHEDULES = 128  # GUIDE and API; obsolete and disabled ones count
MIN_DURATION_SECONDS = 300  # GUIDE and API
MAX_DESCRIPTION = 2048  # INFERRED from other resources' descriptions
RFC1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""The name of a resource (API); of a schedule INFERRED."""

Schedule = Mapping[str, Any]


def check_schedules(schedules: Mapping[str, Schedule], field: str) -> None:
    """Judge the schedules of a policy.

    Raises:
        GcpError: 400, naming the field.
    """
    if len(schedules) > MAX_SCHEDULES:
        raise invalid(field, len(schedules), f"At most {MAX_SCHEDULES} scaling schedules are allowed.")
    for name, schedule in schedules.items():
        _check(name, schedule, f"{field}[{name}]")


def _check(name: str, schedule: Schedule, field: str) -> None:
    if not RFC1035.fullmatch(name):
        raise invalid(field, name, f"Must be a match of regex '{RFC1035.pattern}'")
    for key in ("schedule", "durationSec", "minRequiredReplicas"):  # API: "This field is required."
        if schedule.get(key) in {None, ""}:
            raise required(f"{field}.{key}")
    if int(schedule["durationSec"]) < MIN_DURATION_SECONDS:
        raise invalid(
            f"{field}.durationSec", schedule["durationSec"], f"Must be at least {MIN_DURATION_SECONDS} seconds."
        )
    if int(schedule["minRequiredReplicas"]) < 0:
        raise invalid(f"{field}.minRequiredReplicas", schedule["minRequiredReplicas"], "Must not be negative.")
    if len(schedule.get("description", "")) > MAX_DESCRIPTION:
        raise invalid(f"{field}.description", "...", f"Must be at most {MAX_DESCRIPTION} characters.")
    try:
        cron_of(schedule)
    except CronError as error:
        wrong = "timeZone" if "time zone" in str(error) else "schedule"
        raise invalid(f"{field}.{wrong}", schedule.get(wrong), str(error)) from error


def cron_of(schedule: Schedule) -> Cron:
    """When it starts. API: a time zone that is left empty is UTC."""
    return cron(schedule["schedule"], schedule.get("timeZone") or "UTC")


def active(schedule: Schedule, moment: datetime, not_before: datetime | None = None) -> datetime | None:
    """The start of the window that is open at the moment, None where none is.

    Args:
        schedule: What is asked about.
        moment: Aware; a window is open from its start until before its end.
        not_before: Windows that began earlier do not count.
    """
    if schedule.get("disabled"):
        return None
    start = cron_of(schedule).last_until(moment)
    if start is None or moment >= start + duration(schedule) or (not_before is not None and start < not_before):
        return None
    return start


def duration(schedule: Schedule) -> timedelta:
    """How long each of its windows is open."""
    return timedelta(seconds=int(schedule["durationSec"]))


def status(schedule: Schedule, moment: datetime, written_at: datetime, not_before: datetime | None) -> Document:
    """What `scalingScheduleStatus` says of it (API, ScalingScheduleStatus).

    Args:
        schedule: What is asked about.
        moment: Now.
        written_at: Since when it stands as it is: a start before its first possible effect never happened.
        not_before: Windows that began earlier do not count.
    """
    now_open = active(schedule, moment, not_before)
    coming = cron_of(schedule).next_after(moment)
    last = cron_of(schedule).last_until(moment)
    document: Document = {"state": _state(schedule, now_open, coming)}
    if coming is not None and not schedule.get("disabled"):
        document["nextStartTime"] = stamp(coming)
    if last is not None and not schedule.get("disabled") and last + duration(schedule) > written_at:
        document["lastStartTime"] = stamp(
            max(last, written_at)
        )  # API: when it became active, not when it was planned to
    return document


def _state(schedule: Schedule, now_open: datetime | None, coming: datetime | None) -> str:
    if schedule.get("disabled"):
        return "DISABLED"
    if now_open is not None:
        return "ACTIVE"
    return "READY" if coming is not None else "OBSOLETE"
