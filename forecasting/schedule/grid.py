"""The nested UTC grid that slots start on.

Near slots are fine and far ones coarse, and every coarse start is also a fine one: a run six hours later shares its names with this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Grid:
    """Where slots may start.

    Attributes:
        tiers: (hours ahead, minutes between starts), near to far; each interval divides the next.
        together_minutes: Other people's changes of MinSize closer than this are taken for one, with no slot of ours between them.
    """

    tiers: tuple[tuple[int, int], ...]
    together_minutes: int = 6

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
        return ", ".join(f"{minutes} min to {hours} h" for hours, minutes in self.tiers)


GRIDS = (
    Grid(((12, 15), (24, 30), (48, 60))),
    Grid(((6, 15), (24, 30), (48, 60))),
    Grid(((3, 15), (12, 30), (48, 60))),
    Grid(((12, 30), (24, 60), (48, 120))),
    Grid(((24, 60), (48, 120))),
    Grid(((12, 60), (48, 240))),
    Grid(((48, 240),)),
    Grid(((48, 720),)),
    Grid(((48, 720),), together_minutes=60),
    Grid(((48, 720),), together_minutes=720),
)
"""From the finest (96 slots over 48 h) to the coarsest (4); the finest that leaves room for other people's actions is taken.

Each change of theirs costs up to two slots, so where they change MinSize every few minutes the last ones do not answer each of them.
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
