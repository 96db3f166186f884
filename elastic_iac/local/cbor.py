"""CBOR (RFC 8949), the little of it that CloudWatch's Smithy RPC v2 protocol needs."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast


def encode(value: object) -> bytes:  # noqa: PLR0911 - one case a type
    """The value as CBOR; a datetime as epoch seconds (tag 1)."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return _head(3, len(text)) + text
        case bytes():
            return _head(2, len(value)) + value
        case datetime():
            return b"\xc1" + encode(value.timestamp())
        case Mapping():
            pairs = cast("Mapping[str, object]", value)
            return _head(5, len(pairs)) + b"".join(encode(key) + encode(item) for key, item in pairs.items())
        case Sequence():
            items = cast("Sequence[object]", value)
            return _head(4, len(items)) + b"".join(map(encode, items))
        case _:
            raise TypeError(f"CBOR: no rule for {type(value).__name__}")


def _head(major: int, number: int) -> bytes:
    """The initial byte of a major type and its argument, in the fewest bytes."""
    if number < 24:
        return bytes([major << 5 | number])
    size = next(size for size in (1, 2, 4, 8) if number < 1 << 8 * size)
    return bytes([major << 5 | 23 + size.bit_length()]) + number.to_bytes(size, "big")


def decode(body: bytes) -> Any:
    """The value of a CBOR document; times are aware datetimes."""
    from botocore.parsers import RpcV2CBORParser  # noqa: PLC0415 - not needed until CloudWatch is called

    parser = cast("Any", RpcV2CBORParser())
    return parser.parse_data_item(io.BufferedReader(cast("Any", io.BytesIO(body)))) if body else {}
