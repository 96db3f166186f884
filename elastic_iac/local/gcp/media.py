"""Bodies of Cloud Storage's calls: uploads in two parts, downloads with ranges, checksums, conditions."""

from __future__ import annotations

import base64
import email.parser
import email.policy
import hashlib
import importlib
import json
import re
from typing import Any

from elastic_iac.local.gcp.wire import Document, GcpError, Request
from elastic_iac.local.wire import Response


def check_number(request: Request, condition: str, actual: int) -> None:
    """Hold a condition such as `ifGenerationMatch` against the number that is there.

    Raises:
        GcpError: 412, it does not hold; 400, it is no number.
    """
    asked = request.query.get(condition)
    if asked is None:
        return
    if not asked.isdigit():
        raise GcpError(400, f"Invalid value for {condition}: '{asked}'")
    if int(asked) != actual:
        raise GcpError(412, "At least one of the pre-conditions you specified did not hold.")


def check_name(name: str) -> None:
    """API, object names.

    Raises:
        GcpError: 400.
    """
    if not name:
        raise GcpError(400, "Required object name is missing", "required")
    if len(name.encode()) > 1024 or "\n" in name or "\r" in name or name in {".", ".."}:
        raise GcpError(400, f"Invalid object name: '{name[:80]}'")


def multipart(request: Request) -> tuple[Document, bytes]:
    """The metadata and the bytes of a multipart/related body (API, "Multipart uploads").

    Raises:
        GcpError: 400, it is none.
    """
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    parts: list[Any] = list(parsed.iter_parts()) if parsed.is_multipart() else []
    if len(parts) != 2:
        raise GcpError(400, "Multipart body must have two parts: metadata and data", "badRequest")
    metadata: Document = json.loads(parts[0].get_payload(decode=True))
    boundary = str(parsed.get_boundary()).encode()
    # The email package reads lines; the bytes are to be those sent.
    _, _, rest = request.body.partition(b"--" + boundary)[2].partition(b"--" + boundary)
    body = rest.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--" + boundary)[0]
    return {"contentType": parts[1].get_content_type(), **metadata}, body


def media(request: Request, shown: Document, body: bytes) -> Response:
    """An object's bytes, or the range of them that is asked for.

    Raises:
        GcpError: 416, the range lies behind the end.
    """
    headers = {
        "Content-Type": shown["contentType"],
        "X-Goog-Generation": shown["generation"],
        "X-Goog-Metageneration": shown["metageneration"],
        "X-Goog-Hash": f"crc32c={shown['crc32c']},md5={shown['md5Hash']}",
        "X-Goog-Stored-Content-Length": shown["size"],
    }
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if match is None:
        return Response(200, headers, body)
    first, last = int(match[1]), min(int(match[2] or len(body) - 1), len(body) - 1)
    if first > last:
        raise GcpError(416, "Request range not satisfiable", "requestedRangeNotSatisfiable")
    headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return Response(206, headers, body[first : last + 1])


def hashes(body: bytes) -> Document:
    """An object's checksums."""
    crc32c: Any = importlib.import_module("google_crc32c")
    return {
        "md5Hash": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
        "crc32c": base64.b64encode(crc32c.value(body).to_bytes(4, "big")).decode(),
    }
