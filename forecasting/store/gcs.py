"""A store in a Cloud Storage bucket, with its generation preconditions.

Every write names the generation that it replaces (0: none may be there), so it is safe to send again: the client does so after a 408, 429, 5xx or a
lost connection, for as long as `_RETRY_SECONDS`. A repeated write may then meet its own first attempt: on 412 the item is read again, and our own
bytes there are success. (Cloud Storage, "Request preconditions" and "Retry strategy".)
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Self

from forecasting import gcp_clients
from forecasting import settings as contract
from forecasting.deadline import call_seconds
from forecasting.errors import ConflictError, CredentialsError, SettingsError, StoreError
from forecasting.store.base import Item, checked_key, limited

_RETRY_SECONDS = 60.0
_TIMEOUT_SECONDS = (5.0, 20.0)
_URL = re.compile(r"gs://(?P<bucket>[^/]+)/(?P<name>.+)")
_PERMISSIONS = "storage.objects.get, storage.objects.create, storage.objects.delete and storage.objects.list"


class GcsStore:
    """Items as objects `gs://bucket/prefix/key`; the version is the object's generation."""

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._bucket: Any = client.bucket(bucket)
        self._name = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def _options(self) -> dict[str, Any]:
        return call_options()

    @classmethod
    def open(cls, settings: contract.GcsStore) -> Self:
        """The store that the settings name."""
        return cls(gcp_clients.storage_client(), settings.bucket, settings.prefix)

    @property
    def subject(self) -> str:
        """The bucket, for messages."""
        return f"Cloud Storage bucket {self._name!r}"

    @limited
    def get(self, key: str) -> Item | None:
        """See `Store.get`."""
        return _read(self._bucket.blob(self._key(key)), self._options)

    @limited
    def put(self, key: str, body: bytes, *, if_version: str | None) -> str:
        """See `Store.put`."""
        blob = self._bucket.blob(self._key(key))
        try:
            with translated(self._where(key)):
                blob.upload_from_string(
                    body,
                    content_type="application/octet-stream",
                    if_generation_match=int(if_version or 0),
                    checksum="crc32c",
                    **self._options,
                )
                return str(blob.generation)
        except (_AbsentError, _ChangedError) as error:
            current = self.get(key)
            if current is not None and current.body == body:
                return current.version
            raise ConflictError(f"{key}: somebody else wrote first (Cloud Storage bucket {self._name!r})") from error

    @limited
    def keys(self, prefix: str) -> list[str]:
        """See `Store.keys`."""
        start = f"{self._key(prefix)}/"
        with translated(self._where(prefix)):
            found = [str(blob.name) for blob in self._bucket.list_blobs(prefix=start, **self._options)]
        return sorted(name.removeprefix(self._prefix) for name in found)

    @limited
    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        try:
            with translated(self._where(key)):
                self._bucket.blob(self._key(key)).delete(**self._options)
        except _AbsentError:
            return

    def _key(self, key: str) -> str:
        return f"{self._prefix}{checked_key(key)}"

    def _where(self, key: str) -> str:
        return f"Cloud Storage bucket {self._name!r}, object {self._prefix + key!r}"


def read_object(url: str) -> bytes:
    """The object at `gs://BUCKET/NAME`.

    Raises:
        SettingsError: the URL is none.
        StoreError: the object does not exist, or could not be read.
        CredentialsError: there are no credentials, or they may not read it.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise SettingsError("url", url, "gs://BUCKET/NAME")
    item = _read(gcp_clients.storage_client().bucket(match["bucket"]).blob(match["name"]), call_options())
    if item is None:
        raise StoreError(f"{url} does not exist")
    return item.body


def _read(blob: Any, options: dict[str, Any]) -> Item | None:
    """Body and generation are of one answer: the client takes the generation from the download's headers."""
    try:
        with translated(f"Cloud Storage bucket {blob.bucket.name!r}, object {blob.name!r}"):
            body = blob.download_as_bytes(checksum="crc32c", **options)
            return Item(body, str(blob.generation))
    except _AbsentError:
        return None


def call_options() -> dict[str, Any]:
    """Timeout and retry policy of every call: the client's own list of errors that pass, whatever the method, since our writes are conditional."""
    retry: Any = importlib.import_module("google.cloud.storage.retry")
    seconds = call_seconds(_RETRY_SECONDS)
    connect, read = (min(each, seconds) for each in _TIMEOUT_SECONDS)
    return {"timeout": (connect, read), "retry": retry.DEFAULT_RETRY.with_timeout(seconds)}


class _AbsentError(StoreError):
    """The object does not exist."""


class _ChangedError(StoreError):
    """The object's generation is not the one that was asked for."""


@contextmanager
def translated(where: str) -> Generator[None]:
    """Turn what Google's client raises into the project's errors; texts that may quote a token are left out."""
    api: Any = importlib.import_module("google.api_core.exceptions")
    auth: Any = importlib.import_module("google.auth.exceptions")
    requests: Any = importlib.import_module("requests")
    try:
        yield
    except api.NotFound as error:
        # Of an absent object Google names the bucket too, and a bucket may well be called one.
        if "specified bucket" in str(error).lower():
            raise StoreError(f"{where}: the bucket does not exist, or the job may not see it") from error
        raise _AbsentError(where) from error
    except api.PreconditionFailed as error:
        raise _ChangedError(where) from error
    except (api.Forbidden, api.Unauthorized) as error:
        raise CredentialsError(f"{where}: HTTP {error.code}; the job needs {_PERMISSIONS}") from error
    except auth.GoogleAuthError as error:
        raise CredentialsError(f"{where}: no usable Google Cloud credentials ({type(error).__name__})") from None
    except (api.GoogleAPIError, requests.RequestException, OSError) as error:
        raise StoreError(f"{where}: {type(error).__name__}: {str(error)[:200]}") from error
