"""The digest of all that a package is built from: what tells a fresh one from a stale one, without building."""

from __future__ import annotations

import hashlib
from pathlib import Path

from elastic_iac.package.base import Target, job_files, locked_file

_BUILDER = Path(__file__).parent


def stamp_of(target: Target) -> str:
    """A digest, in hex, over the target, the lock, the job's sources and the builder's own: a change of any of them is another package."""
    digest = hashlib.sha256(str(target).encode())
    builder = ((f"builder/{path.name}", path) for path in sorted(_BUILDER.glob("*.py")))
    for name, path in [("lock", locked_file(target.kind)), *builder, *job_files()]:
        content = path.read_bytes()
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
