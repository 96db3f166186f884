"""The wire: one REST request as the stand-in reads it, and errors as Google's JSON APIs answer them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from elastic_iac.local.wire import Response

Document = dict[str, Any]

_REASONS = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "alreadyExists",
    412: "conditionNotMet",
}


class GcpError(Exception):
    """An error as Google answers it: HTTP status, reason (`errors[].reason`) and message."""

    def __init__(self, status: int, message: str, reason: str | None = None) -> None:
        self.status = status
        self.message = message
        self.reason = reason or _REASONS.get(status, "backendError")
        super().__init__(f"{status} {self.reason}: {message}")


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower case; `path` is unquoted and without its query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    url: str
    """Where the stand-in listens: links in answers lead there, so that a client that follows one stays on loopback."""

    @property
    def document(self) -> Document:
        """The body as a JSON object.

        Raises:
            GcpError: 400 `parseError`, it is none.
        """
        try:
            document = json.loads(self.body or b"{}")
        except ValueError as error:
            raise GcpError(400, f"Parse Error: {error}", "parseError") from error
        if not isinstance(document, dict):
            raise GcpError(400, "Invalid JSON payload received: an object is expected", "parseError")
        return cast("Document", document)

    @property
    def token(self) -> str:
        """The bearer token, empty where there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    def page(self, default: int, most: int, size_name: str = "maxResults") -> tuple[int, int]:
        """The first item and the number of items of the page that is asked for.

        Raises:
            GcpError: 400, the size or the token is wrong.
        """
        size, token = self.query.get(size_name, str(default)), self.query.get("pageToken") or "0"
        if not size.isdigit() or not token.isdigit():
            name, value = (size_name, size) if not size.isdigit() else ("pageToken", token)
            raise invalid(name, value, "The value is not valid.")
        return int(token), min(int(size) or default, most)


def read(method: str, target: str, headers: Mapping[str, str], body: bytes, url: str) -> Request:
    """Read a request from its line, headers and body."""
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    lower = {name.lower(): value for name, value in headers.items()}
    return Request(method, unquote(parts.path), query, lower, body, url)


_PAGE = 500  # API of Compute: maxResults is 500 by default and at most


def paged(request: Request, kind: str, items: list[Document], key: str = "items") -> Document:
    """The page of a list that is asked for, as Compute answers it.

    Raises:
        GcpError: 400, the size or the token is wrong.
    """
    first, size = request.page(_PAGE, _PAGE)
    document: Document = {key: items[first : first + size]}
    if kind:
        document = {"kind": kind, **document}
    if first + size < len(items):
        document["nextPageToken"] = str(first + size)
    return document


def invalid(field: str, value: object, expected: str) -> GcpError:
    """400 `invalid`, in Compute's words: which field, which value, what is right."""
    return GcpError(400, f"Invalid value for field '{field}': '{value}'. {expected}")


def required(field: str) -> GcpError:
    """400 `required`: a field is missing."""
    return GcpError(400, f"Invalid value for field '{field}': ''. Required field '{field}' not specified", "required")


def ok(document: Mapping[str, Any]) -> Response:
    """200 and a JSON document."""
    return Response(200, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(document).encode())


def refusal(error: GcpError) -> Response:
    """The error as a JSON API answers it."""
    item = {"message": error.message, "domain": "global", "reason": error.reason}
    document = {"error": {"code": error.status, "message": error.message, "errors": [item]}}
    return Response(error.status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(document).encode())


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
