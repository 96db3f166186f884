"""A store in an S3 bucket, with S3's own conditional writes.

An answer can be lost after the write was applied, and the client's retry then meets its own write: on 412 the item is read again, and our own bytes
there are success. 409 says that another conditional write is under way: the write is tried again and then succeeds or meets 412.
(Amazon S3 user guide, "How to prevent object overwrites with conditional writes".)
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from forecasting import settings as contract
from forecasting.aws_denials import DENIED, cause_of
from forecasting.aws_session import limited as guarded
from forecasting.errors import ConflictError, CredentialsError, StoreError
from forecasting.store.base import Item, checked_key, limited

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=20, tcp_keepalive=True
)
_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, SSOError, TokenRetrievalError)
_PERMISSIONS = "s3:GetObject, s3:PutObject, s3:DeleteObject on the prefix and s3:ListBucket on the bucket"
_REFUSED = DENIED | {"AllAccessDisabled", "AuthorizationHeaderMalformed", "Forbidden", "TokenRefreshRequired", "403"}


class S3Store:
    """Items as objects `s3://bucket/prefix/key`; the version is the object's ETag."""

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @classmethod
    def open(cls, settings: contract.S3Store, session: boto3.Session | None = None) -> Self:
        """The store that the settings name, with the retry mode and the timeouts that a job needs."""
        try:
            make: Any = (
                session or boto3.Session()
            )  # its type is unknown for every service whose stubs are not installed
            client: S3Client = make.client("s3", region_name=settings.region, config=_CONFIG)
        except _CREDENTIALS as error:
            raise CredentialsError(f"S3 bucket {settings.bucket!r}: {error}") from error
        except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is none
            raise StoreError(f"S3 bucket {settings.bucket!r}: {error}") from error
        return cls(guarded(client), settings.bucket, settings.prefix)

    @property
    def subject(self) -> str:
        """The bucket, for messages."""
        return f"S3 bucket {self._bucket!r}"

    @limited
    def get(self, key: str) -> Item | None:
        """See `Store.get`."""
        try:
            with self._translated(key):
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(key))
                return Item(answer["Body"].read(), answer["ETag"])
        except _AbsentError:
            return None

    @limited
    def put(self, key: str, body: bytes, *, if_version: str | None) -> str:
        """See `Store.put`."""
        try:
            with self._translated(key):
                return self._put_again_on_409(key, body, if_version)
        except (_AbsentError, _ChangedError) as error:
            current = self.get(key)
            if current is not None and current.body == body:
                return current.version
            raise ConflictError(f"{key}: somebody else wrote first (S3 bucket {self._bucket!r})") from error

    @limited
    def keys(self, prefix: str) -> list[str]:
        """See `Store.keys`."""
        start = f"{self._key(prefix)}/"
        with self._translated(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start)
            found = [entry.get("Key", "") for page in pages for entry in page.get("Contents", [])]
        return sorted(key.removeprefix(self._prefix) for key in found)

    @limited
    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._translated(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(key))

    def _key(self, key: str) -> str:
        return f"{self._prefix}{checked_key(key)}"

    def _put_again_on_409(self, key: str, body: bytes, if_version: str | None) -> str:
        for attempt in Retrying(
            retry=retry_if_exception(_is_409),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            stop=stop_after_attempt(6),
            reraise=True,
        ):
            with attempt:
                if if_version is None:
                    answer = self._client.put_object(
                        Bucket=self._bucket, Key=self._key(key), Body=body, IfNoneMatch="*"
                    )
                else:
                    answer = self._client.put_object(
                        Bucket=self._bucket, Key=self._key(key), Body=body, IfMatch=if_version
                    )
                return answer["ETag"]
        raise AssertionError("tenacity reraises")

    @contextmanager
    def _translated(self, key: str) -> Generator[None]:
        where = f"S3 bucket {self._bucket!r}, key {self._prefix + key!r}"
        try:
            yield
        except ClientError as error:
            raise _translation(error, where) from error
        except _CREDENTIALS as error:
            raise CredentialsError(f"{where}: {error}") from error
        except BotoCoreError as error:
            raise StoreError(f"{where}: {error}") from error


class _AbsentError(StoreError):
    """The key does not exist."""


class _ChangedError(StoreError):
    """The key's version is not the one that was asked for."""


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _is_409(error: BaseException) -> bool:
    return isinstance(error, ClientError) and _status(error) == 409


def _translation(error: ClientError, where: str) -> Exception:
    code, status = _code(error), _status(error)
    if code == "NoSuchBucket":
        return StoreError(f"{where}: the bucket does not exist in this account and region")
    if code in {"NoSuchKey", "404"}:
        return _AbsentError(where)
    if code == "PreconditionFailed" or status == 412:
        return _ChangedError(where)
    if code in _REFUSED or status in {401, 403}:
        message = str(error.response.get("Error", {}).get("Message", ""))
        return CredentialsError(
            f"{where}: AWS answered {code}: {cause_of(code, message)}; the job needs {_PERMISSIONS}"
        )
    return StoreError(f"{where}: {code or 'no error code'} (HTTP {status})")
