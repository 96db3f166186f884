"""Where the load comes from: one class per source, opened from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecasting import settings as _settings
from forecasting.sources.base import Reading as Reading
from forecasting.sources.base import Source as Source

if TYPE_CHECKING:
    import boto3.session


def open_source(
    settings: _settings.Source, *, target: _settings.AwsTarget, session: boto3.session.Session | None = None
) -> Source:
    """Open the source that a fleet's settings name. Nothing is read yet.

    Args:
        settings: The fleet's `source`.
        target: The fleet's group: CloudWatch is read in its region, and its in-service count turns an average over instances into a load.
        session: Credentials for CloudWatch; boto3's standard chain where it is not given.
    """
    if isinstance(settings, _settings.FileSource):
        from forecasting.sources.files import FileSource  # noqa: PLC0415 - a fleet in CloudWatch reads no file

        return FileSource(settings)
    from forecasting.sources.cloudwatch import CloudWatchSource  # noqa: PLC0415 - a file needs no boto3

    return CloudWatchSource(settings, target=target, session=session)
