"""S3: lost answers, conflicts and refusals, against the double."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.faults import Fault, access_denied, expired_token, reset, server_error, slow_down
from forecasting.errors import ConflictError, CredentialsError, Hold, StoreError
from forecasting.settings import S3Store as S3Settings
from forecasting.store import Store, open_store
from forecasting.store.ledger import Ledger
from tests.stores import BUCKET


def body_of(store: Store, key: str) -> bytes:
    item = store.get(key)
    assert item is not None
    return item.body


@pytest.mark.parametrize("lost", [reset, server_error])
def test_a_write_whose_answer_was_lost_is_found_to_be_ours(
    aws: LocalAws, s3_store: Store, lost: Callable[..., Fault]
) -> None:
    aws.faults.add(lost(service="s3", action="PutObject", after=True))
    version = s3_store.put("a", b"one", if_version=None)
    aws.faults.add(lost(service="s3", action="PutObject", after=True))
    s3_store.put("a", b"two", if_version=version)
    assert body_of(s3_store, "a") == b"two"
    assert [call.status for call in aws.calls if call.action == "PutObject"].count(412) == 2


def test_another_writer_is_a_conflict_also_after_a_retry(aws: LocalAws, s3_store: Store) -> None:
    s3_store.put("a", b"theirs", if_version=None)
    aws.faults.add(reset(service="s3", action="PutObject"))
    with pytest.raises(ConflictError, match=BUCKET):
        s3_store.put("a", b"ours", if_version=None)
    assert body_of(s3_store, "a") == b"theirs"


def conflict(times: int | None) -> Fault:
    return Fault(service="s3", action="PutObject", code="ConditionalRequestConflict", status=409, times=times)


def test_a_conditional_write_under_way_is_tried_again(aws: LocalAws, s3_store: Store) -> None:
    aws.faults.add(conflict(times=3))
    s3_store.put("a", b"one", if_version=None)
    assert body_of(s3_store, "a") == b"one"


def test_a_conditional_write_under_way_is_not_tried_for_ever(aws: LocalAws, s3_store: Store) -> None:
    aws.faults.add(conflict(times=None))
    with pytest.raises(StoreError, match="ConditionalRequestConflict"):
        s3_store.put("a", b"one", if_version=None)


def test_throttling_is_tried_again(aws: LocalAws, s3_store: Store) -> None:
    aws.faults.add(slow_down(service="s3", times=1))
    s3_store.put("a", b"one", if_version=None)
    aws.faults.add(slow_down(service="s3", times=1))
    assert body_of(s3_store, "a") == b"one"


@pytest.mark.parametrize("refusal", [expired_token, access_denied])
def test_a_refusal_is_a_credentials_error_and_not_tried_again(
    aws: LocalAws, s3_store: Store, refusal: Callable[..., Fault]
) -> None:
    aws.faults.add(refusal(service="s3", times=None))
    before = len(aws.calls)
    with pytest.raises(CredentialsError, match=r"s3:ListBucket"):
        s3_store.get("a")
    with pytest.raises(CredentialsError, match=BUCKET):
        s3_store.keys("a")
    assert len(aws.calls) == before + 2


def test_an_absent_bucket_is_named(aws: LocalAws, s3_environment: None) -> None:
    store = open_store(S3Settings(kind="s3", bucket="no-such-bucket"))
    for act in (lambda: store.get("a"), lambda: store.put("a", b"", if_version=None), lambda: store.keys("a")):
        with pytest.raises(StoreError, match=r"no-such-bucket.*does not exist"):
            act()


def test_absent_credentials_are_a_credentials_error(
    s3_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    with pytest.raises(CredentialsError, match=BUCKET):
        open_store(S3Settings(kind="s3", bucket=BUCKET)).get("a")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(CredentialsError, match="no-such-profile"):
        open_store(S3Settings(kind="s3", bucket=BUCKET))


def test_the_prefix_keeps_stores_of_one_bucket_apart(s3_store: Store) -> None:
    other = open_store(S3Settings(kind="s3", bucket=BUCKET, prefix=""))
    s3_store.put("a/b", b"one", if_version=None)
    assert other.keys("a") == []
    assert other.keys("elastic-iac") == ["elastic-iac/a/b"]


def test_twins_and_rivals_that_claim_at_once_get_one_generation_each(s3_store: Store) -> None:
    runs = ["a", "a", "b", "b", "c"]

    def claim(run_id: str) -> int | None:
        with suppress(Hold):
            return Ledger(s3_store, "aws/us-east-1/web").claim(run_id).generation
        return None

    with ThreadPoolExecutor(len(runs)) as pool:
        generations = list(pool.map(claim, runs))
    assert sorted(each for each in generations if each) == [1, 2, 3]
