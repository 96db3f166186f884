"""Settings from files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from forecasting.errors import SettingsError
from forecasting.settings.base import validated
from forecasting.settings.fleet import Fleet
from forecasting.settings.job import Job


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
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(field, str(path), f"a readable UTF-8 file ({error.__class__.__name__})") from error


def _parsed(text: str, name: str, field: str) -> object:
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
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"the field {key!r} is there twice")
    return dict(pairs)


def _parse_yaml(text: str) -> object:
    """Plain YAML. A field twice is an error, a time stays text (the contract reads it, with its offset) and 1e3 is a number."""
    import yaml  # noqa: PLC0415 - a component that only writes settings needs no YAML

    class Loader(yaml.SafeLoader):
        """A loader of its own: resolvers are kept per class."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            for key in keys:
                if keys.count(key) > 1:
                    raise ValueError(f"the field {key!r} is there twice{node.start_mark}")
            return super().construct_mapping(node, deep=deep)

    number = ("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"))
    Loader.yaml_implicit_resolvers = {
        first: [
            *((tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"),
            *([number] if first in "-+0123456789" else []),
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(text, Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
