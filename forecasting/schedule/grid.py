"""The nested UTC grid that slots start on.

Near slots are fine and far ones coarse, and every coarse start is also a fine one: a run six hours later shares its names with this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ALL_HOURS = 24 * 366
"""More hours than any plan has."""


Tiers = tuple[tuple[int, int], ...]
"""(hours ahead, minutes between starts), near to far."""


@dataclass(frozen=True)
class Grid:
    """Where slots may start.

    Attributes:
        tiers: Where slots may start; each interval divides the next.
        answer_hours: External changes of the minimum within so many hours are answered by slots of
            their own. Of later ones the slots of the tiers only keep clear.
    """

    tiers: Tiers
    answer_hours: int = ALL_HOURS

    def starts(self, first: datetime, now: datetime, end: datetime) -> list[datetime]:
        """Starts with first <= start < end, ascending, on whole multiples of the tier's interval since midnight UTC."""
        starts: list[datetime] = []
        current = first.replace(second=0, microsecond=0)
        while current < end:
            interval = self._interval(current - now)
            current = round_up(current, interval)
            # Rounding may have carried the start into a coarser tier.
            coarser = self._interval(current - now)
            current = round_up(current, coarser)
            if first <= current < end:
                starts.append(current)
            current += timedelta(minutes=1)
        return starts

    def _interval(self, ahead: timedelta) -> int:
        return next((minutes for hours, minutes in self.tiers if ahead <= timedelta(hours=hours)), self.tiers[-1][1])

    def __str__(self) -> str:
        tiers = ", ".join(f"{minutes} min to {hours} h" for hours, minutes in self.tiers)
        answered = "" if self.answer_hours == ALL_HOURS else f"; external changes answered for {self.answer_hours} h"
        return f"{tiers}{answered}"


GRIDS = tuple(
    Grid(tiers)
    for tiers in (
        ((12, 15), (24, 30), (48, 60)),
        ((6, 15), (24, 30), (48, 60)),
        ((3, 15), (12, 30), (48, 60)),
        ((12, 30), (24, 60), (48, 120)),
        ((24, 60), (48, 120)),
        ((12, 60), (48, 240)),
        ((48, 240),),
        ((48, 720),),
    )
)
"""From the finest (96 slots over 48 h) to the coarsest (4)."""

CROWDED_GRIDS = tuple(Grid(grid.tiers, hours) for hours in (ALL_HOURS, *range(36, -1, -3)) for grid in GRIDS)
"""Grids to choose from where external changes of the minimum leave no room for the finest one.

Each change costs up to two slots to answer, so some grids answer the next ones only.
"""


NEAR_MINUTES = 5
"""Between the starts of the next slots where the plan is fresh: the cadence of the runs that make it so. It divides every grid's intervals."""


def near_starts(first: datetime, end: datetime) -> list[datetime]:
    """Starts with first <= start < end, ascending, every `NEAR_MINUTES` since midnight UTC."""
    starts = [round_up(first, NEAR_MINUTES)]
    while starts[-1] < end:
        starts.append(starts[-1] + timedelta(minutes=NEAR_MINUTES))
    return starts[:-1]


def round_up(value: datetime, minutes: int) -> datetime:
    """The next whole multiple of `minutes` since midnight UTC at or after `value`; `minutes` divides a day."""
    value = value.astimezone(UTC)
    midnight = value.replace(hour=0, minute=0, second=0, microsecond=0)
    interval = timedelta(minutes=minutes)
    return midnight + -((midnight - value) // interval) * interval
