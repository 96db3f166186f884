"""Text that is safe to print: no secret of a URL, no control character of somebody else's name.

Every outlet of text uses these functions: exceptions, logs, the command line's pages and its JSON. An endpoint such as
`AWS_ENDPOINT_URL` or `STORAGE_EMULATOR_HOST` may carry a password or a token, and libraries quote endpoints in their
messages. A name in a cloud may carry line breaks, terminal escapes and characters that reverse the direction of text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote

MASK = "***"

_USER_INFO = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*:/{2,3})(?P<secret>[^\s/\"'<>]*@)")
_QUERY = re.compile(r"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s?#\"'<>]*)\?(?P<query>[^\s\"'<>]*)")
_PARAMETER = re.compile(r"(?P<name>[^&=#]*)=[^&#]*")
_ADDRESS_VARIABLE = re.compile(r"ENDPOINT|HOST|PROXY|URL", re.IGNORECASE)
"""An environment variable whose value is an address even without a scheme."""

_SHORTEST_SECRET = 4
"""A shorter password is masked in its URL alone: elsewhere it would match ordinary words."""


def redacted(text: str) -> str:
    """Mask what URLs in a text carry before their host and in their query, and these secrets wherever they occur.

    The secrets of the environment's own URLs are masked without their URL as well: libraries quote parts of it.
    """
    for secret in _secrets_of_environment():
        text = text.replace(secret, MASK)
    text = _USER_INFO.sub(rf"\g<scheme>{MASK}@", text)
    return _QUERY.sub(lambda found: found["url"] + "?" + _PARAMETER.sub(rf"\g<name>={MASK}", found["query"]), text)


def printable(text: str) -> str:
    """Escape each character that is not printable (control, C1, bidirectional, line break), as `repr` does."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def safe_text(text: str) -> str:
    """Several lines of text, redacted and printable; line breaks stay."""
    return "\n".join(printable(line) for line in redacted(text).split("\n"))


def redacted_document(value: Any) -> Any:
    """A JSON document with every text in it redacted. Names stay as they are: JSON escapes what is not ASCII."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        return {redacted(str(name)): redacted_document(each) for name, each in pairs}
    if isinstance(value, Sequence):
        return [redacted_document(each) for each in cast("Sequence[Any]", value)]
    return value


def _escaped(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def _secrets_of_environment() -> list[str]:
    """What the environment's URLs carry as a secret, the longest first; as they are written, and decoded."""
    found: set[str] = set()
    for name, value in os.environ.items():
        _scheme, separator, rest = value.partition("://")
        if not separator and not _ADDRESS_VARIABLE.search(name):
            continue
        address, mark, query = (rest or value).partition("?")
        user, at, _host = (rest or value if "@" in query else address).rpartition("@")
        if at:
            found |= {user, user.partition(":")[2]}
        if mark:
            found |= {each.partition("=")[2] for each in query.split("#")[0].split("&")}
    found |= {unquote(each) for each in found}
    return sorted((each for each in found if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)
