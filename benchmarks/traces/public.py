"""Fetching of the public files: GitHub repositories at a commit, and packages by pip."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from forecasting.errors import InputError

TIMEOUT_SECONDS = 600


def public_files(source: dict[str, Any], patterns: Sequence[str], folder: Path) -> list[Path]:
    """Local paths of the files that match the patterns, fetched if none is there.

    Args:
        source: An entry of `[sources]`: `repository` and `commit`, or `package` and `version`.
        patterns: Paths in the repository or package; `*` matches any characters.
        folder: Where the source's files are kept.

    Raises:
        InputError: a pattern matches no file.
    """
    found = _matching(folder, patterns)
    if any(not paths for paths in found.values()):
        if "package" in source:
            _fetch_package(source, patterns, folder)
        else:
            _fetch_repository(source, patterns, folder)
        found = _matching(folder, patterns)
    absent = [pattern for pattern, paths in found.items() if not paths]
    if absent:
        raise InputError(f"{folder}: no file matches {absent[0]!r}")
    return [path for paths in found.values() for path in paths]


def _matching(folder: Path, patterns: Sequence[str]) -> dict[str, list[Path]]:
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        pattern: [path for path in every if fnmatch(path.relative_to(folder).as_posix(), pattern)]
        for pattern in patterns
    }


def _fetch_repository(source: dict[str, Any], patterns: Sequence[str], folder: Path) -> None:
    """Single files by their address; the archive of the commit if a pattern has a `*`."""
    repository, commit = source["repository"], source["commit"]
    if any("*" in pattern for pattern in patterns):
        archive = _get(f"https://codeload.github.com/{repository}/tar.gz/{commit}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            for member in members:
                path = member.name.partition("/")[2]
                if member.isfile() and any(fnmatch(path, pattern) for pattern in patterns):
                    content = members.extractfile(member)
                    _write(folder, path, content.read() if content else b"")
        return
    for path in patterns:
        address = f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"
        _write(folder, path, _get(address))


def _fetch_package(source: dict[str, Any], patterns: Sequence[str], folder: Path) -> None:
    with tempfile.TemporaryDirectory() as download:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", download]
        subprocess.run([*command, f"{source['package']}=={source['version']}"], check=True)
        wheel = next(Path(download).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for path in archive.namelist():
                if any(fnmatch(path, pattern) for pattern in patterns):
                    _write(folder, path, archive.read(path))


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - https only
        content: bytes = answer.read()
    return content


def _write(folder: Path, path: str, content: bytes) -> None:
    target = folder / path
    if not target.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: a path outside the folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
