"""Where runs keep their records and agree on who writes: a folder or a bucket, and a ledger per target on top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from forecasting.settings import GcsStore as GcsSettings
from forecasting.settings import LocalStore as LocalSettings
from forecasting.settings import StoreSettings
from forecasting.store.base import Item, Store

if TYPE_CHECKING:
    import boto3

__all__ = ["Item", "Store", "open_store"]


def open_store(settings: StoreSettings, session: boto3.Session | None = None) -> Store:
    """The store that the settings name; nothing is read or made until it is used.

    Args:
        settings: A job's `store`.
        session: Credentials and region for S3; the environment's where it is not given.

    Raises:
        CredentialsError, StoreError: no client can be made from the session (a profile or region that does not exist).
    """
    if isinstance(settings, LocalSettings):
        from forecasting.store.local import LocalStore  # noqa: PLC0415 - one store is imported, not both

        return LocalStore(Path(settings.path))
    if isinstance(settings, GcsSettings):
        from forecasting.store.gcs import GcsStore  # noqa: PLC0415 - as above

        return GcsStore.open(settings)
    from forecasting.store.s3 import S3Store  # noqa: PLC0415 - boto3 takes a third of a second

    return S3Store.open(settings, session)
