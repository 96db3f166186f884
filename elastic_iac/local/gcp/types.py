"""Types of Compute's JSON, as google-cloud-compute declares them; from a table, since importing that library takes seconds.

python -m elastic_iac.local.gcp.types writes the table anew (a test tells when it is stale).
"""

from __future__ import annotations

import functools
import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from elastic_iac.local.gcp.wire import Document, GcpError

TABLE = Path(__file__).with_name("compute-types.json")
MESSAGES = (
    "Address",
    "Autoscaler",
    "BackendService",
    "Firewall",
    "ForwardingRule",
    "HealthCheck",
    "InstanceGroupManager",
    "InstanceGroupManagerResizeRequest",
    "InstanceTemplate",
    "Network",
    "Router",
    "SslCertificate",
    "Subnetwork",
    "TargetHttpProxy",
    "TargetHttpsProxy",
    "UrlMap",
)


def check_types(message: str, document: Document) -> None:
    """Judge every field of a document by its declared type.

    Raises:
        GcpError: 400, a field is unknown or of another type.
    """
    for name, value in document.items():
        declared = _table()[message].get(name)
        if declared is None:
            raise _refused(f'Unknown name "{name}" at {message}: Cannot find field.')
        if declared.endswith("[]"):
            if not isinstance(value, list):
                raise _refused(f"{message}.{name}: got {value!r}; expected a list")
            for item in cast("list[Any]", value):
                _check(declared[:-2], item, f"{message}.{name}")
        elif declared.startswith("map:"):
            if not isinstance(value, dict):
                raise _refused(f"{message}.{name}: got {value!r}; expected an object")
            for key, item in cast("Document", value).items():
                _check(declared[4:], item, f"{message}.{name}[{key}]")
        else:
            _check(declared, value, f"{message}.{name}")


def _check(declared: str, value: Any, field: str) -> None:
    if declared in _table():
        if not isinstance(value, dict):
            raise _refused(f"{field}: got {value!r}; expected an object ({declared})")
        check_types(declared, cast("Document", value))
    elif not _SCALARS[declared](value):
        raise _refused(f'Invalid value at "{field}" (TYPE_{declared.upper()}), {value!r}')


def _number(value: Any, *, whole: bool) -> bool:
    """JSON lets a number be a string (proto3's JSON mapping)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        number = float(value)
    except ValueError:
        return False
    return math.isfinite(number) and (not whole or number.is_integer())


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


_SCALARS: dict[str, Callable[[Any], bool]] = {
    "string": _is(str),
    "bool": _is(bool),
    "integer": functools.partial(_number, whole=True),
    "number": functools.partial(_number, whole=False),
}


def _refused(message: str) -> GcpError:
    return GcpError(400, f"Invalid JSON payload received. {message}", "badRequest")


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def declared_types() -> dict[str, dict[str, str]]:
    """The table as google-cloud-compute's own descriptors give it."""
    types: Any = importlib.import_module("google.cloud.compute_v1.types")
    found: dict[str, dict[str, str]] = {}
    waiting: list[Any] = [getattr(types, name).pb(getattr(types, name)()).DESCRIPTOR for name in MESSAGES]
    while waiting:
        descriptor = waiting.pop()
        if descriptor.name in found:
            continue
        found[descriptor.name] = {}
        for field in descriptor.fields:
            value = field
            message: Any = field.message_type
            is_map = False
            if message is not None and message.GetOptions().map_entry:
                is_map, value = True, message.fields_by_name["value"]
            if value.message_type is not None:
                waiting.append(value.message_type)
            scalar = _SCALAR_OF.get(value.cpp_type, "string")
            plain = value.message_type.name if value.message_type is not None else scalar
            repeated = not is_map and field.is_repeated
            found[descriptor.name][field.json_name] = f"map:{plain}" if is_map else f"{plain}[]" if repeated else plain
    return found


# google.protobuf.descriptor.FieldDescriptor.CPPTYPE_*: integers 1 to 4, floats 5 and 6, bool 7.
_SCALAR_OF = {**dict.fromkeys((1, 2, 3, 4), "integer"), 5: "number", 6: "number", 7: "bool"}


def table_text() -> str:
    """The table as it is to stand in its file."""
    return json.dumps(declared_types(), indent=0, sort_keys=True) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table_text(), encoding="utf-8")
