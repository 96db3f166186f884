"""Which fleet goes first, and what is remembered of each for the next time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from forecasting.invocation.summary import SKIPPED, FleetLine
from forecasting.settings import Fleet
from forecasting.store.progress import FleetProgress

RETRY_AFTER = timedelta(minutes=15)
"""A fleet that a full run held is tried again so often: the next full run may be hours away, and most holds are over sooner."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def by_need(fleets: Iterable[Fleet], progress: Mapping[str, FleetProgress]) -> list[Fleet]:
    """The fleets in the order in which they are served: those put off first, then who needs a plan soonest, then who was served longest ago.

    One that never had a plan needs one at once.
    """

    def key(fleet: Fleet) -> tuple[bool, datetime, datetime]:
        known = progress.get(fleet.name)
        if known is None:
            return True, _NEVER, _NEVER
        return known.deferred_since is None, known.needed_by or _NEVER, known.served_at or _NEVER

    return sorted(fleets, key=key)


def advanced(
    before: Mapping[str, FleetProgress], fleets: Iterable[Fleet], lines: Mapping[str, FleetLine], now: datetime
) -> dict[str, FleetProgress]:
    """The progress of all fleets after these lines; what is no fleet of the job any more is forgotten.

    Args:
        before: As it stood.
        fleets: The job's fleets.
        lines: What was done, by fleet.
        now: When fleets that are new are first seen (aware).
    """
    return {
        fleet.name: _advanced(before.get(fleet.name) or FleetProgress(since=now), lines.get(fleet.name))
        for fleet in fleets
    }


def _advanced(before: FleetProgress, line: FleetLine | None) -> FleetProgress:
    if line is None or line.duplicate or (before.served_at is not None and before.served_at > line.at):
        return before
    if line.served:
        until = line.plan_until
        return FleetProgress(since=before.since, served_at=line.at, plan_until=until, needed_by=until)
    if line.status == "deferred":
        needed_by = line.needed_by or before.needed_by
        return before.model_copy(update={"needed_by": needed_by, "deferred_since": before.deferred_since or line.at})
    # It had its turn: what holds it is not the time.
    held_at = None if line.code in SKIPPED else line.at
    return before.model_copy(update={"deferred_since": None, "held_at": held_at})


def is_overdue(known: FleetProgress | None, now: datetime) -> bool:
    """Whether a fleet's next turn is a full one even in a short run: the last full run put it off, or held it a while ago."""
    if known is None:
        return False
    return known.deferred_since is not None or (known.held_at is not None and now - known.held_at >= RETRY_AFTER)


def oldest_plan_age_minutes(
    progress: Mapping[str, FleetProgress], lines: Mapping[str, FleetLine], now: datetime
) -> float | None:
    """Age of the oldest last confirmed plan, of the fleets that nobody has stopped; None where all are."""
    stopped = {name for name, line in lines.items() if line.code in SKIPPED}
    ages = [now - (each.served_at or each.since) for name, each in progress.items() if name not in stopped]
    return round(max(ages).total_seconds() / 60, 1) if ages else None
