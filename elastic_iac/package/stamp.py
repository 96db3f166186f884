"""Digests of what a package is built from: they tell a fresh one from a stale one, without building."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from elastic_iac.package.base import Target, locked_file

_BUILDER = Path(__file__).parent


def libraries_stamp(target: Target) -> str:
    """A digest, in hex, over the target, the lock and the builder's own sources."""
    digest = hashlib.sha256(str(target).encode())
    _add(digest.update, "lock", locked_file(target.kind).read_bytes())
    for path in sorted(_BUILDER.glob("*.py")):
        _add(digest.update, path.name, path.read_bytes())
    return digest.hexdigest()


def stamp_of(target: Target, job: Mapping[str, bytes]) -> str:
    """A digest, in hex, over the same and the job's files: a change of any of them is another package.

    Args:
        target: Where the package runs.
        job: Contents of the job's files by their path in the package.
    """
    digest = hashlib.sha256(libraries_stamp(target).encode())
    for name in sorted(job):
        _add(digest.update, name, job[name])
    return digest.hexdigest()


def _add(update: Callable[[bytes], None], name: str, content: bytes) -> None:
    """With its name and length, so that no two lists of files read alike."""
    update(f"\n{name} {len(content)}\n".encode() + content)
