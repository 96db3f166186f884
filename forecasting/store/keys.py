"""Keys of the store: readable, and in the order of time."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

_STAMP = "%Y%m%dT%H%M%SZ"


def slug(text: str) -> str:
    """A key part for any text: readable, at most 93 characters, distinct also where file names ignore case."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:80]
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:12]}".lstrip("-")


def stamp(moment: datetime) -> str:
    """An aware time as a key has it, to the second."""
    if moment.tzinfo is None:
        raise ValueError(f"a naive time: {moment.isoformat()}; expected an aware one")
    return moment.astimezone(UTC).strftime(_STAMP)


def key_time(key: str) -> datetime:
    """The time (UTC) that a key's last part begins with."""
    return datetime.strptime(key.rsplit("/", 1)[-1][:16], _STAMP).replace(tzinfo=UTC)


def floor_second(moment: datetime) -> datetime:
    """As precise as a key."""
    return moment.replace(microsecond=0)
