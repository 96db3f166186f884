"""Settings from files."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

from forecasting.errors import SettingsError
from forecasting.settings.base import validated
from forecasting.settings.fleet import Fleet
from forecasting.settings.job import Job

LARGEST_BYTES = 2 * 1024 * 1024
"""Of a file of settings: a job's 150 fleets take a quarter of a megabyte, with ten events each."""

MOST_NODES = 200_000
"""Of a YAML document, each alias counted as what it stands for: a few hundred bytes of nested aliases may stand for millions."""


def parse_job(data: object) -> Job:
    """Validate `data` (as parsed from YAML or JSON) as a job.

    Raises:
        SettingsError: the first thing wrong, by field, value and what would be right.
    """
    return validated(Job, data)


def parse_fleet(data: object) -> Fleet:
    """Validate `data` as a fleet; raises as `parse_job` does."""
    return validated(Fleet, data)


def load_job(path: Path) -> Job:
    """Read a job from a .yaml, .yml or .json file.

    Raises:
        SettingsError: the file is absent, unreadable, of another kind, names a field twice, or is wrong; nothing is taken from a file that is wrong
            anywhere.
    """
    _check_suffix(str(path))
    return job_of_text(_text_of(path, "config"), str(path))


def load_events(path: Path) -> list[object]:
    """Read a list of events from a .yaml, .yml or .json file, as a fleet's `events`, which checks them.

    Raises:
        SettingsError: the file is absent, unreadable, of another kind, or holds something else than a list.
    """
    _check_suffix(str(path), "events")
    data = _parsed(_text_of(path, "events"), str(path), "events")
    if not isinstance(data, list):
        raise SettingsError("events", str(path), "a file with a list of events, each with name, start and end")
    return cast("list[object]", data)


def job_of_text(text: str, name: str) -> Job:
    """A job from a document; `name`, a path or an address, says by its ending whether it is JSON or YAML.

    Raises:
        SettingsError: as `load_job` does.
    """
    _check_suffix(name)
    return parse_job(_parsed(text, name, "config"))


def _text_of(path: Path, field: str) -> str:
    try:
        if path.is_file() and (size := path.stat().st_size) > LARGEST_BYTES:
            raise _too_large(field, path, size)
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(field, str(path), f"a readable UTF-8 file ({error.__class__.__name__})") from error


def _too_large(field: str, name: object, size: int) -> SettingsError:
    most = (
        f"at most {LARGEST_BYTES // 1024**2} MiB (it has {size / 1024**2:.1f}): part the fleets into jobs, a file each"
    )
    return SettingsError(field, str(name), most)


def _parsed(text: str, name: str, field: str) -> object:
    if len(text) > LARGEST_BYTES:
        raise _too_large(field, name, len(text))
    is_json = name.endswith(".json")
    try:
        return _parse_json(text) if is_json else _parse_yaml(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(field, name, f"{'JSON' if is_json else 'YAML'} ({error})") from error


def _check_suffix(name: str, field: str = "config") -> None:
    if not name.endswith((".yaml", ".yml", ".json")):
        raise SettingsError(field, name, "a .yaml, .yml or .json file")


def _parse_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_repeats([key for key, _ in pairs])
    return dict(pairs)


def _refuse_repeats(keys: list[Any], where: object = "") -> None:
    if len(set(keys)) < len(keys):
        first = next(key for key, count in Counter(keys).items() if count > 1)
        raise ValueError(f"the field {first!r} is there twice{where}")


def _parse_yaml(text: str) -> object:
    """Plain YAML. A field twice is an error, a time stays text (the contract reads it, with its offset) and 1e3 is a number."""
    import yaml  # noqa: PLC0415 - a component that only writes settings needs no YAML

    class Loader(yaml.SafeLoader):
        """A loader of its own: resolvers are kept per class."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [str(key.value) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            _refuse_repeats(keys, node.start_mark)
            return super().construct_mapping(node, deep=deep)

    number = ("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"))
    Loader.yaml_implicit_resolvers = {
        first: [
            *((tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"),
            *([number] if first in "-+0123456789" else []),
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader: Any = Loader(text)  # its stub leaves the type of a node open
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _count(root, {}) > MOST_NODES:
            raise ValueError(f"its aliases stand for more than {MOST_NODES:,} values: write out what is meant")
        return loader.construct_document(root)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    finally:
        loader.dispose()


def _count(node: Any, known: dict[int, int]) -> int:
    """Values that a YAML node stands for, aliases written out.

    Raises:
        ValueError: an alias stands within itself.
    """
    if (seen := known.get(id(node))) is not None:
        if not seen:
            raise ValueError(f"an alias that stands within itself{node.start_mark}")
        return seen
    known[id(node)] = 0
    children: list[Any] = []
    if node.id == "mapping":
        children = [each for pair in node.value for each in pair]
    elif node.id == "sequence":
        children = node.value
    known[id(node)] = 1 + sum(_count(each, known) for each in children)
    return known[id(node)]
