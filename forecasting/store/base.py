"""What a store of small items must do."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from forecasting.deadline import NoAnswerError, within
from forecasting.errors import StoreError

_PART = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_MAX_KEY_LENGTH = 512


@dataclass(frozen=True)
class Item:
    """One stored item.

    Attributes:
        body: The bytes that were put.
        version: Changes whenever the body does; hand it to `Store.put` to write only if nobody else wrote since.
    """

    body: bytes
    version: str


class _Named(Protocol):
    @property
    def subject(self) -> str: ...


_StoreT = TypeVar("_StoreT", bound=_Named)
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Store(Protocol):
    """Items under slash-separated keys, written conditionally.

    A key's parts hold letters, digits, `.`, `_` and `-`, and neither start nor end with a dot: they are the same file names on every system.
    Every method raises `StoreError` (a bad key, an unreachable or absent store) and, on a cloud, `CredentialsError`.
    """

    def get(self, key: str) -> Item | None:
        """The item, or None where the key does not exist."""
        ...

    def put(self, key: str, body: bytes, *, if_version: str | None) -> str:
        """Write the item if its version is still `if_version` (None: the key must not exist) and return the new version.

        Raises:
            ConflictError: somebody else wrote first; nothing was written.
        """
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys that start with `prefix` followed by a slash, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove the item; an absent key is no error."""
        ...


def checked_key(key: str) -> str:
    """The key itself, if it is one.

    Raises:
        StoreError: the key is empty, absolute, too long, or one of its parts is empty, `..` or not portable.
    """
    if len(key) > _MAX_KEY_LENGTH or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise StoreError(
            f"key {key[:80]!r}: expected 1 to {_MAX_KEY_LENGTH} characters, parts of letters, digits, '.', '_' and '-' "
            "joined by single slashes, no part starting or ending with a dot"
        )
    return key


CALL_SECONDS = 60.0
"""Longest call of a store on a cloud, retries included; less if the run has less time left."""


def limited(method: Callable[Concatenate[_StoreT, _P], _R]) -> Callable[Concatenate[_StoreT, _P], _R]:
    """End a store's call within `CALL_SECONDS`, whatever its server does."""

    @functools.wraps(method)
    def call(self: _StoreT, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return within(CALL_SECONDS, lambda: method(self, *args, **kwargs))
        except NoAnswerError as error:
            raise StoreError(f"{self.subject}: {error}") from None

    return call
