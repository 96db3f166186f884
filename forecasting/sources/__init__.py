"""Where the load comes from: one class per source, opened from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecasting import settings as _settings
from forecasting.errors import SettingsError
from forecasting.sources.base import Reading as Reading
from forecasting.sources.base import Source as Source

if TYPE_CHECKING:
    import boto3.session


def open_source(
    settings: _settings.Source, *, target: _settings.Target, session: boto3.session.Session | None = None
) -> Source:
    """Open the source that a fleet's settings name. Nothing is read yet.

    Args:
        settings: The fleet's `source`.
        target: The fleet's group: its metrics are read in its region or project, and its instance count turns an average over instances into a load.
        session: Credentials for CloudWatch; boto3's standard chain where it is not given.

    Raises:
        SettingsError: the source is not of the target's cloud.
    """
    if isinstance(settings, _settings.FileSource):
        from forecasting.sources.files import FileSource  # noqa: PLC0415 - a fleet in CloudWatch reads no file

        return FileSource(settings)
    if isinstance(settings, _settings.CloudMonitoringSource) and isinstance(target, _settings.GcpTarget):
        from forecasting.sources.monitoring import CloudMonitoringSource  # noqa: PLC0415 - as above

        return CloudMonitoringSource(settings, target=target)
    if isinstance(settings, _settings.CloudWatchSource) and isinstance(target, _settings.AwsTarget):
        from forecasting.sources.cloudwatch import CloudWatchSource  # noqa: PLC0415 - a file needs no boto3

        return CloudWatchSource(settings, target=target, session=session)
    raise SettingsError("source.kind", settings.kind, "a file, or the metrics of the target's cloud")
