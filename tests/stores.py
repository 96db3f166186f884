"""Stores for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest

from forecasting.errors import ConflictError
from forecasting.store.base import Item, Store, checked_key
from forecasting.store.ledger import Claim, Ledger

BUCKET = "elastic-iac-test"


class MemoryStore:
    """Items in memory, with S3's semantics. `before_put` runs between a caller's read and its write: others write there."""

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.before_put: Callable[[], None] = lambda: None

    def get(self, key: str) -> Item | None:
        body = self.items.get(checked_key(key))
        return None if body is None else Item(body, hashlib.md5(body, usedforsecurity=False).hexdigest())

    def put(self, key: str, body: bytes, *, if_version: str | None) -> str:
        self.before_put()
        current = self.get(key)
        if (current.version if current else None) != if_version:
            raise ConflictError(key)
        self.items[key] = body
        return hashlib.md5(body, usedforsecurity=False).hexdigest()

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.items if key.startswith(f"{checked_key(prefix)}/"))

    def delete(self, key: str) -> None:
        self.items.pop(checked_key(key), None)


def count(store: Store, times: int) -> None:
    """Increment a counter `times` times, each time until nobody else came first."""
    done = 0
    while done < times:
        item = store.get("counter")
        value = int(item.body) if item else 0
        with suppress(ConflictError):
            store.put("counter", str(value + 1).encode(), if_version=item.version if item else None)
            done += 1


def let_every_run_prune(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the day's first one only."""
    claim = Ledger.claim

    def first_of_day(
        self: Ledger, run_id: str, started: datetime | None = None, until: datetime | None = None
    ) -> Claim:
        return replace(claim(self, run_id, started, until), first_of_day=True)

    monkeypatch.setattr(Ledger, "claim", first_of_day)
