"""One invocation of a job, the same on every cloud: its settings from where they are kept, its fleets in the order of need, within the time left."""

from forecasting.invocation.loading import (
    SETTINGS_VARIABLE,
    OutdatedPackageError,
    checked_kind,
    environment_settings,
    load_settings,
)
from forecasting.invocation.serving import RESERVE_SECONDS, invoke
from forecasting.invocation.summary import FleetLine, Summary

__all__ = [
    "RESERVE_SECONDS",
    "SETTINGS_VARIABLE",
    "FleetLine",
    "OutdatedPackageError",
    "Summary",
    "checked_kind",
    "environment_settings",
    "invoke",
    "load_settings",
]
