"""Between Pulumi's property names and the AWS API's, and what was lost on the way there and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast


def physical_name(project: str, stack: str, kind: str, name: str) -> str:
    """The name in the cloud, as Pulumi's automatic naming would make it but repeatable: no two stacks share one."""
    return f"{name}-{hashlib.sha256(f'{project}/{stack}/{kind}/{name}'.encode()).hexdigest()[:7]}"


def walk(value: Any, leaf: Callable[[str, Any], Any], rename: Callable[[str], str] = str, key: str = "") -> Any:
    """`value` with its keys renamed and each leaf, under its key, replaced."""
    if isinstance(value, Mapping):
        return {rename(name): walk(item, leaf, rename, name) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [walk(item, leaf, rename, key) for item in cast("list[Any]", value)]
    return leaf(key, value)


def _same(_key: str, value: Any) -> Any:
    return value


def native(value: Any) -> Any:
    """The wire sends every number as a float; AWS tells 5 from 5.0."""
    return walk(value, lambda _, leaf: int(leaf) if isinstance(leaf, float) and leaf.is_integer() else leaf)


def pascal(value: Any) -> Any:
    """Keys as the AWS API spells them: `volumeSize` -> `VolumeSize`."""
    return walk(value, _same, lambda key: key[:1].upper() + key[1:])


def camel(value: Any) -> Any:
    """Keys as Pulumi spells them: `VolumeSize` -> `volumeSize`."""
    return walk(value, _same, lambda key: key[:1].lower() + key[1:])


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping of tags as the AWS API lists them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def tag_map(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The AWS API's list of tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def given(**values: Any) -> dict[str, Any]:
    """The values that are given at all: an SDK call refuses None."""
    return {key: value for key, value in values.items() if value is not None}


def lost(declared: Mapping[str, Any], read: Mapping[str, Any], path: str = "") -> list[str]:
    """Paths of declared inputs that reading did not give back as declared; the shortest path that says it."""
    return [
        missing
        for key, value in sorted(declared.items())
        if value is not None
        for missing in _lost_value(value, read.get(key), f"{path}{key}")
    ]


def _lost_value(declared: Any, read: Any, path: str) -> list[str]:
    if isinstance(declared, Mapping) and isinstance(read, Mapping):
        return lost(cast("Mapping[str, Any]", declared), cast("Mapping[str, Any]", read), f"{path}.")
    if isinstance(declared, list) and isinstance(read, list):
        wanted, found = cast("list[Any]", declared), cast("list[Any]", read)
        if len(wanted) != len(found):
            return [path]
        pairs = zip(wanted, found, strict=True)
        return [part for index, pair in enumerate(pairs) for part in _lost_value(*pair, f"{path}[{index}]")]
    return [] if _comparable(declared) == _comparable(read) else [path]


def _comparable(value: Any) -> Any:
    """Documents are compared by what they say."""
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except json.JSONDecodeError:
        return value
