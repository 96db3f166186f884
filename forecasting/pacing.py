"""How fast a run writes, and whether what is ahead still fits into its time. Shared by all fleets that a run serves at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager

from forecasting.errors import Deferred

WRITES_PER_SECOND = 8.0
"""Mutating calls that a job makes in one region at most. AWS grants an account some ten a second in all and does not say how many exactly: what is
left is for people and for deployments."""

BURST_WRITES = 8
"""So many may follow each other at once after a quiet time."""

WRITERS = 2
"""Fleets that write in one region at once. One alone waits for answers half of its time; many at once would each take so long that their nearest
slots come too close to be written, while others can read and forecast meanwhile."""

FIRST_WRITE_SECONDS = 0.2
"""What a write takes (the question to the store whether it may still be made, and the call), before any was measured."""

FIRST_PREPARATION_SECONDS = 5.0
"""What reading, forecasting and planning for a fleet take, before any was measured: the first one imports the model libraries."""

READ_BACK_SECONDS = 3.0
"""For reading back what was written, and for the records."""

_WEIGHT = 0.2
"""Of the newest measurement in the running mean."""


class Pacing:
    """The pace of a run.

    Args:
        writes_per_second: Mutating calls a second in one region; None sets no limit.
        monotonic: Seconds that only grow; replaced in simulations, as is `sleep`.
        sleep: Waits.

    Attributes:
        fitting: One fleet's models are fitted at a time: they hold the interpreter anyway, each is judged by the time that it takes, and warnings
            are collected for the whole process meanwhile.
        preparation_seconds: What a fleet takes before its writes: a running mean.
        write_seconds: What a write takes, waiting for its turn apart: a running mean.
    """

    def __init__(
        self,
        writes_per_second: float | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.fitting = threading.Lock()
        self.preparation_seconds = FIRST_PREPARATION_SECONDS
        self.write_seconds = FIRST_WRITE_SECONDS
        self.monotonic = monotonic
        self._rate = writes_per_second
        self._sleep = sleep
        self._lock = threading.Lock()
        self._granted: dict[str, float] = {}
        self._ahead: Counter[str] = Counter()
        self._writers: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(WRITERS))
        self._own = threading.local()

    def check_start(self, remaining_seconds: float) -> None:
        """Whether a fleet may be begun.

        Raises:
            Deferred: reading and planning alone would take longer than what is left.
        """
        self._own.began = self.monotonic()
        if remaining_seconds < self.preparation_seconds:
            raise Deferred(
                "out-of-time",
                f"{max(remaining_seconds, 0):.0f} s are left, and a fleet takes {self.preparation_seconds:.1f} s before its writes",
            )

    @contextmanager
    def writer(self, place: str) -> Generator[None]:
        """Wait for a fleet's turn to look at its group again and write, at a place where calls are counted together, such as an account's region."""
        began: float | None = getattr(self._own, "began", None)
        with self._lock:
            if began is not None:
                self.preparation_seconds += _WEIGHT * (self.monotonic() - began - self.preparation_seconds)
            writers = self._writers[place]
        with writers:
            yield

    @contextmanager
    def writing(self, place: str, writes: int, remaining_seconds: float) -> Generator[Writing]:
        """Make room for a fleet's writes, all of them or none.

        Args:
            place: As for `writer`.
            writes: Calls to come.
            remaining_seconds: Time left.

        Raises:
            Deferred: they do not fit, given what the other fleets at this place have yet to write.
        """
        with self._lock:
            needed = self._needed_seconds(place, writes)
            if writes and needed > remaining_seconds:
                raise Deferred(
                    "out-of-time",
                    f"{writes} writes take {needed:.0f} s, and {max(remaining_seconds, 0):.0f} s are left",
                )
            self._ahead[place] += writes
        turn = Writing(self, place, writes)
        try:
            yield turn
        finally:
            with self._lock:
                self._ahead[place] -= turn.left

    def _needed_seconds(self, place: str, writes: int) -> float:
        queue = (self._ahead[place] + writes) / self._rate if self._rate else 0.0
        return max(queue, writes * self.write_seconds) + READ_BACK_SECONDS

    def wait(self, place: str) -> None:
        """Wait for a write's turn at a place: evenly spread, after a burst. Jittered, since other jobs write there too."""
        if self._rate is None:
            return
        with self._lock:
            now = self.monotonic()
            turn = max(self._granted.get(place, 0.0), now - BURST_WRITES / self._rate)
            self._granted[place] = turn + 1 / self._rate
        if turn > now:
            self._sleep(turn - now + random.uniform(0, 0.1 / self._rate))  # noqa: S311 - jitter

    def note_write(self, place: str, seconds: float | None) -> None:
        """Tell that a write is made, and what the one before it took."""
        with self._lock:
            self._ahead[place] -= 1
            if seconds is not None:
                self.write_seconds += _WEIGHT * (seconds - self.write_seconds)


class Writing:
    """A fleet's writes, as the pacing sees them. Call `wait` before each.

    Attributes:
        left: Writes that room was made for and that are not made yet.
    """

    def __init__(self, pacing: Pacing, place: str, writes: int) -> None:
        self.left = writes
        self._pacing = pacing
        self._place = place
        self._began: float | None = None

    def wait(self) -> None:
        """Wait for the next write's turn."""
        now = self._pacing.monotonic()
        took = None if self._began is None else now - self._began
        self._pacing.wait(self._place)
        if self.left:
            self.left -= 1
            self._pacing.note_write(self._place, took)
        self._began = self._pacing.monotonic()
