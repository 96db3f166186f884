"""Cloud Storage as a store: generations, lost answers, refusals, against the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from elastic_iac.local.gcp import faults
from elastic_iac.local.gcp.cloud import LocalGcp
from elastic_iac.local.gcp.faults import Fault
from forecasting import gcp_clients
from forecasting.errors import ConflictError, CredentialsError, Hold, SettingsError, StoreError
from forecasting.settings import GcsStore as GcsSettings
from forecasting.store import Store, open_store
from forecasting.store.gcs import read_object
from forecasting.store.ledger import Ledger
from tests.stores import BUCKET, count


def no_sleep(_seconds: float) -> None:
    """Waits for nothing."""


@pytest.fixture
def store(gcp: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in a bucket of the stand-in, as a job opens it."""
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("time.sleep", no_sleep)  # Google's client waits a second and more before it tries again
    gcp_clients.storage_client().create_bucket(BUCKET)
    gcp.calls.clear()
    return open_store(GcsSettings(kind="gcs", bucket=BUCKET))


def body_of(store: Store, key: str) -> bytes:
    item = store.get(key)
    assert item is not None
    return item.body


def test_an_item_is_made_read_replaced_listed_and_removed(store: Store) -> None:
    assert store.get("a/b") is None
    first = store.put("a/b", b"one", if_version=None)
    item = store.get("a/b")
    assert item is not None
    assert (item.body, item.version) == (b"one", first)
    second = store.put("a/b", b"two", if_version=first)
    assert second != first
    store.put("a/c", b"", if_version=None)
    store.put("ab", b"three", if_version=None)
    assert store.keys("a") == ["a/b", "a/c"]
    store.delete("a/b")
    store.delete("a/b")
    assert store.keys("a") == ["a/c"]


def test_a_write_is_refused_where_somebody_else_wrote_first(store: Store) -> None:
    version = store.put("a", b"one", if_version=None)
    with pytest.raises(ConflictError, match=BUCKET):
        store.put("a", b"two", if_version=None)
    store.put("a", b"theirs", if_version=version)
    with pytest.raises(ConflictError, match=BUCKET):
        store.put("a", b"ours", if_version=version)
    store.delete("a")
    with pytest.raises(ConflictError):
        store.put("a", b"ours", if_version=version)
    assert store.get("a") is None


@pytest.mark.parametrize("lost", [faults.reset, faults.server_error])
def test_a_write_whose_answer_was_lost_is_found_to_be_ours(gcp: LocalGcp, store: Store, lost: Any) -> None:
    gcp.faults.add(lost(action="objects.insert", after=True))
    version = store.put("a", b"one", if_version=None)
    gcp.faults.add(lost(action="objects.insert", after=True))
    store.put("a", b"two", if_version=version)
    assert body_of(store, "a") == b"two"
    assert [call.status for call in gcp.calls if call.action == "objects.insert"].count(412) == 2


@pytest.mark.parametrize("fault", [faults.unavailable, faults.too_many_requests, faults.reset])
def test_what_passes_by_itself_is_tried_again(gcp: LocalGcp, store: Store, fault: Any) -> None:
    gcp.faults.add(fault(service="storage"))
    store.put("a", b"one", if_version=None)
    gcp.faults.add(fault(service="storage"))
    assert body_of(store, "a") == b"one"


def test_a_refusal_is_a_credentials_error_and_not_tried_again(gcp: LocalGcp, store: Store) -> None:
    def refused(act: Callable[[], object]) -> None:
        gcp.calls.clear()
        with pytest.raises(CredentialsError, match=BUCKET):
            act()
        assert len(gcp.calls) == 1

    writes: list[Callable[[], object]] = [lambda: store.put("a", b"", if_version=None), lambda: store.keys("a")]
    gcp.faults.add(faults.forbidden(service="storage", times=None))
    for act in (lambda: store.get("a"), *writes):
        refused(act)
    gcp.faults.clear()
    gcp.faults.add(faults.expired_token(service="storage", times=None))
    for act in writes:  # (for a read Google's library leaves the socket open on a 401)
        refused(act)


def test_an_error_that_is_none_of_these_is_a_store_error(gcp: LocalGcp, store: Store) -> None:
    gcp.faults.add(Fault(service="storage", status=400, reason="invalid"))
    with pytest.raises(StoreError, match=BUCKET):
        store.get("a")


def test_an_absent_bucket_is_named(store: Store) -> None:
    absent = open_store(GcsSettings(kind="gcs", bucket="no-such-bucket"))
    for act in (lambda: absent.get("a"), lambda: absent.put("a", b"", if_version=None), lambda: absent.keys("a")):
        with pytest.raises(StoreError, match=r"no-such-bucket.*does not exist"):
            act()


def test_the_prefix_keeps_stores_of_one_bucket_apart(store: Store) -> None:
    other = open_store(GcsSettings(kind="gcs", bucket=BUCKET, prefix=""))
    store.put("a/b", b"one", if_version=None)
    assert other.keys("a") == []
    assert other.keys("elastic-iac") == ["elastic-iac/a/b"]


def test_an_object_is_read_by_its_url(store: Store) -> None:
    store.put("a/settings.json", b"{}", if_version=None)
    assert read_object(f"gs://{BUCKET}/elastic-iac/a/settings.json") == b"{}"
    with pytest.raises(StoreError, match="does not exist"):
        read_object(f"gs://{BUCKET}/elsewhere")
    for wrong in (f"gs://{BUCKET}", "s3://a/b", "gs:///b", "https://example.com/a"):
        with pytest.raises(SettingsError, match="gs://BUCKET/NAME"):
            read_object(wrong)


def test_operations_used_are_those_that_messages_name(gcp: LocalGcp, store: Store) -> None:
    granted = {"storage.objects.get", "storage.objects.create", "storage.objects.delete", "storage.objects.list"}
    gcp.grant(granted)
    count(store, 2)
    store.keys("a")
    store.delete("counter")
    assert gcp.permissions_used() == granted


def test_twins_and_rivals_that_claim_at_once_get_one_generation_each(store: Store) -> None:
    runs = ["a", "a", "b", "b", "c"]

    def claim(run_id: str) -> int | None:
        with suppress(Hold):
            return Ledger(store, "gcp/p/europe-west1/web").claim(run_id).generation
        return None

    with ThreadPoolExecutor(len(runs)) as pool:
        generations = list(pool.map(claim, runs))
    assert sorted(each for each in generations if each) == [1, 2, 3]


def test_absent_credentials_are_a_credentials_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(CredentialsError, match="application-default login"):
        open_store(GcsSettings(kind="gcs", bucket=BUCKET))
