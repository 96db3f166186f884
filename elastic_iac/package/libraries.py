"""The libraries of a Lambda function: unpacked, pruned, compiled, checked, and kept, for they change seldom and take most of a build's time."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elastic_iac.package.archive import write_zip
from elastic_iac.package.base import PackageError, Target
from elastic_iac.package.compiled import compile_sources
from elastic_iac.package.elf import check_shared_object
from elastic_iac.package.lock import locked_requirements
from elastic_iac.package.prune import is_shipped
from elastic_iac.package.record import drop_old
from elastic_iac.package.sbom import component
from elastic_iac.package.stamp import libraries_stamp
from elastic_iac.package.wheels import fetch_wheels

_KEPT = 2
"""Those of the lock before stay, for another checkout."""


@dataclass(frozen=True)
class Libraries:
    """The libraries of a target.

    Attributes:
        path: A zip of them.
        components: As the software bill lists them.
    """

    path: Path
    components: list[dict[str, Any]]


def libraries(target: Target, interpreter: str | None, folder: Path) -> Libraries:
    """The libraries that the lock names for a target; built only where the folder does not have them whole.

    Args:
        target: Where they run.
        interpreter: What compiles them; None ships their sources.
        folder: Where they and their wheels are kept.

    Raises:
        PackageError: a wheel cannot be had, or a file in it is for another machine.
    """
    stem = f"libraries-{target}-{libraries_stamp(target)[:12]}{'' if interpreter else '-sources'}"
    path, record = folder / f"{stem}.zip", folder / f"{stem}.json"
    try:
        known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if hashlib.sha256(path.read_bytes()).hexdigest() == known["sha256"]:
            return Libraries(path, known["components"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    files, components = _collect(target, folder / "wheels")
    if interpreter is not None:
        _compile(files, interpreter)
    write_zip(path, files)
    known = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "components": components}
    record.write_text(json.dumps(known) + "\n", encoding="utf-8")
    drop_old(folder, f"libraries-{target}", keep=_KEPT)
    return Libraries(path, components)


def _collect(target: Target, wheels: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    files: dict[str, bytes] = {}
    components: list[dict[str, Any]] = []
    for requirement, wheel in fetch_wheels(locked_requirements(target), target, wheels).items():
        content = _unpack(wheel, target)
        clash = next((name for name in content if name in files), None)
        if clash:
            raise PackageError(f"{clash}: two distributions have it, {requirement} is one; expected one owner")
        files |= content
        metadata = next((each for name, each in content.items() if name.endswith(".dist-info/METADATA")), b"")
        components.append(component(requirement, hashlib.sha256(wheel.read_bytes()).hexdigest(), metadata))
    return files, components


def _unpack(wheel: Path, target: Target) -> dict[str, bytes]:
    """What of a wheel is shipped, by the path that it is installed to."""
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = _installed_name(entry.filename)
            if not entry.is_dir() and name and is_shipped(name):
                files[name] = archive.read(entry)
                check_shared_object(name, files[name], target)
    return files


def _installed_name(name: str) -> str | None:
    """Where a wheel's file is installed (https://packaging.python.org/specifications/binary-distribution-format/); None for programs and headers."""
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    scheme, _, path = rest.partition("/")
    return path if scheme in {"purelib", "platlib"} else None


def _compile(files: dict[str, bytes], interpreter: str) -> None:
    """What is compiled takes the place of its source: both would not fit. Python imports `name.pyc` beside no `name.py`."""
    sources = {name: content for name, content in files.items() if name.endswith(".py")}
    for name, compiled in compile_sources(sources, interpreter).items():
        del files[name]
        files[f"{name}c"] = compiled
