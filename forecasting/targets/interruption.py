"""Count the writes to a group, so that an interruption reports how far it got."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from forecasting.errors import InterruptedWriteError


@contextmanager
def counted_writes(fleet: str, command: str, planned: int, fence: Callable[[], None]) -> Generator[Callable[[], None]]:
    """Yield a fence that counts: each call of it precedes one write.

    Args:
        fleet: Name of the fleet.
        command: The command to run again.
        planned: Number of writes.
        fence: Called before each write.

    Raises:
        InterruptedWriteError: Ctrl-C came among the writes.
    """
    begun = done = 0

    def counted() -> None:
        nonlocal begun, done
        done = begun  # the write before this one has returned
        fence()
        begun += 1

    try:
        yield counted
    except KeyboardInterrupt as error:
        raise InterruptedWriteError(fleet, command, done, planned) from error
