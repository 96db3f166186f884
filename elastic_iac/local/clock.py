"""The controlled clock: it stands still until it is moved, and what falls due meanwhile happens in order of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self, now: datetime) -> None:
        self._now = _utc(now)
        self._run_due: Callable[[datetime], None] = lambda _until: None

    def now(self) -> datetime:
        """The double's time, UTC."""
        return self._now

    def advance_to(self, moment: datetime) -> None:
        """Move to `moment` (aware); every scheduled action due until then, itself included, is executed at its own time.

        Raises:
            ValueError: the moment is naive, or before now.
        """
        moment = _utc(moment)
        if moment < self._now:
            raise ValueError(
                f"moment: got {moment.isoformat()}; the clock stands at {self._now.isoformat()} and cannot go back"
            )
        self._run_due(moment)
        self._now = moment

    def advance(self, by: timedelta) -> None:
        """Move on by a duration; see `advance_to`."""
        self.advance_to(self._now + by)

    def bind(self, run_due: Callable[[datetime], None]) -> None:
        """Name what executes the actions due until a moment."""
        self._run_due = run_due

    def set(self, moment: datetime) -> None:
        """Jump, executing nothing: for a reset."""
        self._now = _utc(moment)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"moment: got the naive {moment.isoformat()}; give it a time zone, e.g. datetime.now(UTC)")
    return moment.astimezone(UTC)
