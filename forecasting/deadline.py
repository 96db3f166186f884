"""Time limit of a whole call to a server, and of a run.

The clients' own timeouts are per read: a server that sends a byte now and then passes all of them, and a silent one is
tried again. A name server, a credentials process and a proxy have no timeout at all. So each call runs on a thread of
its own and is given up at its end, whatever it waits for. A call that was given up sends no further request (see
`refuse_abandoned`): what it had sent may still be applied, as with any lost answer.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from forecasting.errors import ElasticIacError

_T = TypeVar("_T")

LAST_CALL_SECONDS = 5.0
"""What is kept of the run's time, and what a call gets once it is spent: the lease is given back and the run is recorded then."""

_remaining: contextvars.ContextVar[Callable[[], float] | None] = contextvars.ContextVar("remaining", default=None)
_abandoned: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("abandoned", default=None)


class AbandonedError(ElasticIacError):
    """The call's time is over: it may send no further request."""


class NoAnswerError(Exception):
    """A call was given up; `seconds` is how long it was waited for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no complete answer within {seconds:.0f} s")


@contextmanager
def time_limit(remaining_seconds: Callable[[], float]) -> Generator[None]:
    """Limit the calls within to the time that is left of a run."""
    token = _remaining.set(remaining_seconds)
    try:
        yield
    finally:
        _remaining.reset(token)


def call_seconds(seconds: float) -> float:
    """Time that a call may take, which takes `seconds` at most: no longer than the run has left, less what is kept."""
    remaining = _remaining.get()
    return seconds if remaining is None else min(seconds, max(remaining() - LAST_CALL_SECONDS, LAST_CALL_SECONDS))


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """Make a call and wait for its end, at most `seconds` and no longer than the run has left.

    Raises:
        NoAnswerError: it did not end.
    """
    if _abandoned.get() is not None:  # a call within a call, whose time counts
        return call()
    limit, over = call_seconds(seconds), threading.Event()
    outcome: list[tuple[bool, Any]] = []
    context = contextvars.copy_context()
    context.run(_abandoned.set, over)

    def work() -> None:
        try:
            outcome.append((True, context.run(call)))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.append((False, error))

    thread = threading.Thread(target=work, name="call", daemon=True)
    thread.start()
    try:
        thread.join(limit)
    finally:  # Ctrl-C too: what is still under way sends nothing more
        over.set()
    if not outcome:
        raise NoAnswerError(limit)
    succeeded, value = outcome[0]
    if succeeded:
        return value
    raise value


def refuse_abandoned(**_: object) -> None:
    """Before a request is sent: stop a call that was given up. A handler of botocore's `before-send` event.

    Raises:
        AbandonedError: the call's time is over.
    """
    over = _abandoned.get()
    if over is not None and over.is_set():
        raise AbandonedError("the call's time is over: nothing more is sent")
