"""A zip whose bytes depend on what is in it, not on when or where it was made."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can state."""

_UNIX, _READABLE_FILE = 3, 0o100644 << 16
_LEVEL = 6


def write_zip(path: Path, files: Mapping[str, bytes], *, start: Path | None = None) -> None:
    """Write a zip: entries in order of names, one time, one mode. It stands whole or not at all.

    Args:
        path: Where to.
        files: Contents by path in the zip.
        start: A zip whose entries come first, as they are.
    """
    scratch = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if start:
            shutil.copyfile(start, scratch)
        with zipfile.ZipFile(scratch, "a" if start else "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system, entry.external_attr = _UNIX, _READABLE_FILE
                archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED, _LEVEL)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
