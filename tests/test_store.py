"""Every store keeps the same contract; the local one keeps it between threads and processes too."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import ConflictError, StoreError
from forecasting.settings import LocalStore as LocalSettings
from forecasting.store import Store, open_store
from forecasting.store.base import checked_key
from forecasting.store.local import LocalStore
from tests.stores import MemoryStore, count


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return request.getfixturevalue("s3_store")
    return LocalStore(tmp_path / "store") if request.param == "local" else MemoryStore()


def test_an_item_comes_back_as_it_was_put(store: Store) -> None:
    version = store.put("a/b.json", b"\x00one", if_version=None)
    item = store.get("a/b.json")
    assert item is not None
    assert item.body == b"\x00one"
    assert item.version == version


def test_an_absent_key_is_none_and_its_deletion_no_error(store: Store) -> None:
    assert store.get("a") is None
    store.delete("a")
    assert store.keys("a") == []


def test_a_second_creation_conflicts_and_writes_nothing(store: Store) -> None:
    store.put("a", b"one", if_version=None)
    with pytest.raises(ConflictError, match="a"):
        store.put("a", b"two", if_version=None)
    assert (item := store.get("a")) is not None
    assert item.body == b"one"


def test_only_the_holder_of_the_newest_version_writes(store: Store) -> None:
    first = store.put("a", b"one", if_version=None)
    second = store.put("a", b"two", if_version=first)
    assert second != first
    with pytest.raises(ConflictError):
        store.put("a", b"three", if_version=first)
    store.put("a", b"three", if_version=second)


def test_an_update_of_a_deleted_key_conflicts(store: Store) -> None:
    version = store.put("a", b"one", if_version=None)
    store.delete("a")
    with pytest.raises(ConflictError):
        store.put("a", b"two", if_version=version)
    assert store.get("a") is None


def test_keys_are_those_below_the_prefix_sorted(store: Store) -> None:
    for key in ("runs/2", "runs/1", "runs/deep/0", "runs-old/1", "state"):
        store.put(key, b"x", if_version=None)
    assert store.keys("runs") == ["runs/1", "runs/2", "runs/deep/0"]


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "..", "a/../b", ".", ".lock", "a/.hidden", "a.", "C:\\a", "a\\b", "a b", "é", "a\n", "x" * 513],
)  # fmt: skip
def test_keys_that_leave_the_store_or_are_not_portable_are_refused(tmp_path: Path, key: str) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(StoreError, match="key"):
        store.get(key)
    with pytest.raises(StoreError, match="key"):
        store.put(key, b"", if_version=None)


@given(st.text(alphabet="a.:/\\C~\0", max_size=6) | st.text(max_size=30))
def test_no_key_escapes_its_folder(key: str) -> None:
    with suppress(StoreError):
        checked_key(key)
        for path in (PurePosixPath(key), PureWindowsPath(key)):
            assert not path.is_absolute()
            assert not path.drive
            assert ".." not in path.parts


def test_reading_an_absent_folder_makes_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    assert store.get("a") is None
    assert store.keys("a") == []
    assert list(tmp_path.iterdir()) == []


def test_settings_open_a_local_store_without_touching_the_disk(tmp_path: Path) -> None:
    store = open_store(LocalSettings(kind="local", path=str(tmp_path / "s")))
    assert list(tmp_path.iterdir()) == []
    store.put("a", b"", if_version=None)
    assert (tmp_path / "s" / "a").read_bytes() == b""


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        LocalStore(tmp_path / "file").put("a", b"", if_version=None)


def test_threads_lose_no_update(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(count, LocalStore(tmp_path), 25) for _ in range(4)]:
            future.result()
    assert (item := LocalStore(tmp_path).get("counter")) is not None
    assert item.body == b"100"


_COUNT = """
import sys; from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from forecasting.store.local import LocalStore
from tests.stores import count
count(LocalStore(Path(sys.argv[1])), 25)
"""

_WRITE_FOR_EVER = """
import sys; from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from forecasting.store.local import LocalStore
store, version, n = LocalStore(Path(sys.argv[1])), None, 0
while True:
    version = store.put("a", bytes([97 + n % 2]) * 2_000_000, if_version=version)
    n += 1
    print(n, flush=True)
"""


def _python(code: str, folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[1]
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=root, stdout=subprocess.PIPE, text=True)


def test_processes_lose_no_update(tmp_path: Path) -> None:
    processes = [_python(_COUNT, tmp_path) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert (item := LocalStore(tmp_path).get("counter")) is not None
    assert item.body == b"75"


def test_a_killed_writer_leaves_a_whole_body_and_a_free_lock(tmp_path: Path) -> None:
    process = _python(_WRITE_FOR_EVER, tmp_path)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    store = LocalStore(tmp_path)
    item = store.get("a")
    assert item is not None
    assert len(item.body) == 2_000_000
    assert len(set(item.body)) == 1
    store.put("b", b"", if_version=None)
    assert set(tmp_path.iterdir()) >= {tmp_path / "a", tmp_path / "b"}
