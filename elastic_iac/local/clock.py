"""The controlled clock: it stands still until it is moved, and what falls due meanwhile happens in order of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self, now: datetime) -> None:
        self._now = _utc(now)
        self._run_due: list[Callable[[datetime], None]] = []
        self._wakes: list[tuple[Wake, Callable[[], None]]] = []

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
        while (woken := self._next_wake(moment)) is not None:
            at, act = woken
            self._move(max(at, self._now))
            act()
        self._move(moment)

    def advance(self, by: timedelta) -> None:
        """Move on by a duration; see `advance_to`."""
        self.advance_to(self._now + by)

    def bind(self, run_due: Callable[[datetime], None]) -> Callable[[], None]:
        """Name what executes the actions due until a moment, beside those named before; the answer takes it back."""
        self._run_due.append(run_due)
        return lambda: self._run_due.remove(run_due)

    def wake(self, next_due: Wake, act: Callable[[], None]) -> Callable[[], None]:
        """Name what happens with the clock standing at its own time, because it calls somebody who reads the clock.

        Args:
            next_due: When it is due next; None: not at all. Asked again after each act.
            act: What to do then; the clock stands there, and everything bound has been executed until then.

        Returns:
            What takes it back.
        """
        entry = (next_due, act)
        self._wakes.append(entry)
        return lambda: self._wakes.remove(entry)

    def set(self, moment: datetime) -> None:
        """Jump, executing nothing: for a reset."""
        self._now = _utc(moment)

    def _next_wake(self, until: datetime) -> tuple[datetime, Callable[[], None]] | None:
        due = [(at, act) for next_due, act in self._wakes if (at := next_due()) is not None and at <= until]
        return min(due, key=lambda entry: entry[0], default=None)

    def _move(self, moment: datetime) -> None:
        for run_due in self._run_due:
            run_due(moment)
        self._now = moment


Wake = Callable[[], "datetime | None"]


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"moment: got the naive {moment.isoformat()}; give it a time zone, e.g. datetime.now(UTC)")
    return moment.astimezone(UTC)
