"""A store in a folder of this machine."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from forecasting.errors import ConflictError, StoreError
from forecasting.store.base import Item, checked_key

_LOCK_SECONDS = 30.0


class LocalStore:
    """Items as files, safe between threads and processes of one machine (Linux, macOS, Windows).

    A write goes to a temporary file, reaches the disk and replaces the item at once, so a crash leaves the old or the new body. One lock guards the
    folder, for reads too: Windows refuses to replace a file that somebody reads. The version is the digest of the body.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser()

    def get(self, key: str) -> Item | None:
        """See `Store.get`."""
        path = self._path(key)
        if not self._root.is_dir():
            return None
        with self._locked():
            return _read(path)

    def put(self, key: str, body: bytes, *, if_version: str | None) -> str:
        """See `Store.put`."""
        path = self._path(key)
        with self._locked():
            current = _read(path)
            if (current.version if current else None) != if_version:
                raise ConflictError(f"{key}: somebody else wrote first (folder {self._root})")
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, body)
        return _version(body)

    def keys(self, prefix: str) -> list[str]:
        """See `Store.keys`."""
        folder = self._path(prefix)
        if not folder.is_dir():
            return []
        with self._locked():
            files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return sorted(path.relative_to(self._root).as_posix() for path in files)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        path = self._path(key)
        if not self._root.is_dir():
            return
        with self._locked():
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*checked_key(key).split("/"))

    @contextmanager
    def _locked(self) -> Generator[None]:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with FileLock(self._root / ".lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise StoreError(
                f"store folder {self._root}: another process has held its lock for {_LOCK_SECONDS:g} s"
            ) from error
        except OSError as error:
            raise StoreError(f"store folder {self._root}: {error.strerror or error.__class__.__name__}") from error


def _read(path: Path) -> Item | None:
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return None
    return Item(body, _version(body))


def _replace(path: Path, body: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")  # a dot: never a key
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _version(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
