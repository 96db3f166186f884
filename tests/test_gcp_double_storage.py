"""Cloud Storage of the stand-in: objects, generations and the conditions on them, through the official client."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed

from elastic_iac.local.gcp.cloud import LocalGcp
from tests.gcp_doubles import raises, rest

BUCKET = "elastic-iac-test"


@pytest.fixture
def bucket(gcp: LocalGcp) -> Any:
    return gcp.storage_client().create_bucket(BUCKET)


@pytest.mark.parametrize("body", [b"", b"x", b"\r\n--boundary--\r\n", bytes(range(256)), "gr\u00fc\u00df".encode()])
@pytest.mark.parametrize(
    "name", ["a", "store/jobs/web/progress.json", "with space+plus%20", "gr\u00fc\u00df/\u65e5\u672c"]
)
def test_an_object_comes_back_as_it_went(bucket: Any, name: str, body: bytes) -> None:
    blob = bucket.blob(name)
    blob.upload_from_string(body, content_type="application/json")
    read = bucket.get_blob(name)
    assert (read.download_as_bytes(), read.size, read.content_type) == (body, len(body), "application/json")
    assert [found.name for found in bucket.list_blobs()] == [name]


def test_a_new_object_is_written_once(bucket: Any) -> None:
    bucket.blob("a").upload_from_string("first", if_generation_match=0)
    raises(PreconditionFailed, bucket.blob("a").upload_from_string, "second", if_generation_match=0)
    assert bucket.get_blob("a").download_as_bytes() == b"first"


def test_a_write_with_the_generation_that_was_read_wins_once(bucket: Any) -> None:
    first, second = bucket.blob("a"), bucket.blob("a")
    first.upload_from_string("0")
    read = first.generation
    first.upload_from_string("1", if_generation_match=read)
    assert first.generation > read
    raises(PreconditionFailed, second.upload_from_string, "2", if_generation_match=read)
    raises(PreconditionFailed, second.delete, if_generation_match=read)
    raises(PreconditionFailed, second.download_as_bytes, if_generation_match=read)
    assert second.download_as_bytes(if_generation_match=first.generation) == b"1"
    raises(PreconditionFailed, bucket.blob("gone").upload_from_string, "x", if_generation_match=read)
    second.delete(if_generation_match=first.generation)
    raises(NotFound, bucket.blob("a").download_as_bytes)
    raises(NotFound, bucket.blob("a").delete)
    assert bucket.get_blob("a") is None


def test_generations_rise_whatever_the_clock_does(gcp: LocalGcp, bucket: Any) -> None:
    generations: list[int] = []
    for number in range(4):
        blob = bucket.blob("a")
        blob.upload_from_string(str(number))
        generations.append(blob.generation)
        if number == 1:
            gcp.clock.advance(timedelta(hours=1))
        if number == 2:
            gcp.clock.set(datetime(2020, 1, 1, tzinfo=UTC))
    assert generations == sorted(set(generations))


def test_a_list_has_prefixes_and_pages(gcp: LocalGcp, bucket: Any) -> None:
    for name in ["runs/1/a", "runs/1/b", "runs/2/a", "runs/top", "other"]:
        bucket.blob(name).upload_from_string(name)
    assert [found.name for found in bucket.list_blobs(prefix="runs/", page_size=2)] == [
        "runs/1/a",
        "runs/1/b",
        "runs/2/a",
        "runs/top",
    ]
    assert sum(call.action == "objects.list" for call in gcp.calls) == 2
    listed = bucket.list_blobs(prefix="runs/", delimiter="/")
    assert ([found.name for found in listed], sorted(listed.prefixes)) == (["runs/top"], ["runs/1/", "runs/2/"])
    assert [found.name for found in bucket.list_blobs(start_offset="runs/2", end_offset="runs/t")] == ["runs/2/a"]


def test_a_large_object_goes_up_in_chunks(bucket: Any) -> None:
    body = random.Random(1).randbytes(1024 * 1024 + 17)
    blob = bucket.blob("large", chunk_size=256 * 1024)
    blob.upload_from_file(io.BytesIO(body), if_generation_match=0)
    assert bucket.blob("large").download_as_bytes() == body
    assert bucket.blob("large").download_as_bytes(start=10, end=19) == body[10:20]
    again = bucket.blob("large", chunk_size=256 * 1024)
    raises(PreconditionFailed, again.upload_from_file, io.BytesIO(body), if_generation_match=0)


def test_a_damaged_upload_is_refused(bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    raises(BadRequest, blob.upload_from_string, "x", checksum=None)


def test_a_bucket_with_versioning_keeps_what_was_overwritten_and_deleted(gcp: LocalGcp) -> None:
    client = gcp.storage_client()
    bucket = client.bucket("versioned")
    bucket.versioning_enabled = True
    client.create_bucket(bucket)
    generations: list[int] = []
    for text in ("old", "new"):
        blob = bucket.blob("a")
        blob.upload_from_string(text)
        generations.append(blob.generation)
    bucket.delete_blob("a")
    assert bucket.get_blob("a") is None
    assert [found.generation for found in bucket.list_blobs(versions=True)] == generations
    assert bucket.blob("a", generation=generations[0]).download_as_bytes() == b"old"


def test_buckets(gcp: LocalGcp, bucket: Any) -> None:
    client = gcp.storage_client()
    raises(Conflict, client.create_bucket, BUCKET)
    raises(BadRequest, client.create_bucket, "no_CAPITALS")
    raises(NotFound, client.get_bucket, "absent")
    raises(NotFound, client.bucket("absent").blob("a").upload_from_string, "x")
    bucket.blob("a").upload_from_string("x")
    raises(Conflict, bucket.delete)
    bucket.add_lifecycle_delete_rule(age=7)
    bucket.patch()
    assert [rule["condition"] for rule in client.get_bucket(BUCKET).lifecycle_rules] == [{"age": 7}]
    bucket.delete_blob("a")
    bucket.delete()
    assert client.lookup_bucket(BUCKET) is None


@pytest.mark.parametrize("name", ["x" * 1025, "a\nb", ".."])
def test_object_names(gcp: LocalGcp, bucket: Any, name: str) -> None:
    raises(BadRequest, bucket.blob(name).upload_from_string, "x")


def test_an_unreadable_condition_is_refused(gcp: LocalGcp, bucket: Any) -> None:
    bucket.blob("a").upload_from_string("x")
    assert rest(gcp, "GET", f"/storage/v1/b/{BUCKET}/o/a?ifGenerationMatch=latest")[0] == 400
