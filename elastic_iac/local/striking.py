"""Which faults strike a call: counting that the doubles of both clouds share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Countable(Protocol):
    """A fault that strikes the `nth` matching call and the ones after it, `times` in all (None: until cleared)."""

    @property
    def nth(self) -> int:
        """The first matching call that it strikes, from 1."""
        ...

    @property
    def times(self) -> int | None:
        """How many it strikes."""
        ...


FaultT = TypeVar("FaultT", bound=Countable)


class InForce(Generic[FaultT]):
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: list[tuple[FaultT, int]] = []

    def add(self, fault: FaultT) -> None:
        """Put a fault in force; its count starts at the next call."""
        with self._lock:
            self._counted.append((fault, 0))

    def clear(self) -> None:
        """Lift all faults."""
        with self._lock:
            self._counted.clear()

    def standing(self) -> list[FaultT]:
        """Those in force, oldest first."""
        with self._lock:
            return [fault for fault, _ in self._counted]

    def struck(self, matches: Callable[[FaultT], bool]) -> tuple[FaultT, ...]:
        """Count the call for the faults that match it, and say which strike it."""
        if not self._counted:
            return ()
        struck: list[FaultT] = []
        with self._lock:
            for position, (fault, count) in enumerate(self._counted):
                if not matches(fault):
                    continue
                self._counted[position] = (fault, count + 1)
                past_first = count + 1 - fault.nth
                if past_first >= 0 and (fault.times is None or past_first < fault.times):
                    struck.append(fault)
        return tuple(struck)
