"""Where packages are kept, and what is known of one without opening it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elastic_iac.package.base import Package, Target


@dataclass(frozen=True)
class PackagePaths:
    """The files of one package."""

    zip: Path
    sbom: Path
    record: Path


def cache_folder() -> Path:
    """Where packages and wheels are kept: in `ELASTIC_IAC_CACHE`, or in the user's folder for such things."""
    given = os.environ.get("ELASTIC_IAC_CACHE")
    if given:
        return Path(given) / "packages"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "elastic-iac" / "packages"


def package_paths(folder: Path, target: Target, stamp: str) -> PackagePaths:
    """Named by what they were built from, so that two versions of the sources can share a folder."""
    stem = f"{target}-{stamp[:12]}"
    return PackagePaths(folder / f"{stem}.zip", folder / f"{stem}.cdx.json", folder / f"{stem}.json")


def write_record(paths: PackagePaths, package: Package) -> None:
    """Keep what is known of a package; written last, so that a build that was interrupted has none."""
    known = {
        "sha256": package.sha256,
        "size_bytes": package.size_bytes,
        "unzipped_bytes": package.unzipped_bytes,
        "stamp": package.stamp,
        "compiled": package.compiled,
        "modified_ns": paths.zip.stat().st_mtime_ns,
    }
    scratch = paths.record.with_name(f"{paths.record.name}.{os.getpid()}.part")
    scratch.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    scratch.replace(paths.record)


def read_record(paths: PackagePaths, stamp: str) -> Package | None:
    """The package that stands there, if it is whole.

    Its bytes are read again only where its size or time is not the recorded one, as git does with the files of a work tree.
    """
    try:
        known: dict[str, Any] = json.loads(paths.record.read_text(encoding="utf-8"))
        package = Package(
            path=paths.zip,
            sha256=known["sha256"],
            size_bytes=known["size_bytes"],
            unzipped_bytes=known["unzipped_bytes"],
            sbom=paths.sbom,
            stamp=known["stamp"],
            compiled=known["compiled"],
        )
        found = paths.zip.stat()
        paths.sbom.stat()
        if package.stamp != stamp or found.st_size != package.size_bytes:
            return None
        if found.st_mtime_ns != known["modified_ns"]:
            if hashlib.sha256(paths.zip.read_bytes()).hexdigest() != package.sha256:
                return None
            write_record(paths, package)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return package


def drop_old(folder: Path, prefix: str, *, keep: int) -> None:
    """Remove all but the newest zips whose names start so, and what stands beside each.

    Args:
        folder: Where they are kept.
        prefix: Of their names, without the dash before the stamp.
        keep: How many stay.
    """
    dated: list[tuple[float, str]] = []
    for path in folder.glob(f"{prefix}-*.zip"):
        with suppress(FileNotFoundError):  # another process was quicker
            dated.append((path.stat().st_mtime, path.stem))
    for _, stem in sorted(dated)[:-keep]:
        for path in folder.glob(f"{stem}.*"):
            path.unlink(missing_ok=True)
