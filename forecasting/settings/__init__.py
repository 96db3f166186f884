"""The contract between the components, which write it, and the job, which reads it.

A `Job` names its fleets, the store and the schedule; a `Fleet` names one group, its load and its limits. Both come from YAML or JSON (`load_job`) or
from a component's `fleet` output (`parse_fleet`). Unknown and blank fields are errors: a policy with a blank field is refused whole.

Units are in the names; load is whatever unit `load_per_instance` is given in, summed over the fleet. Numbers are strict: `"3"` and `true` are none.
"""

from __future__ import annotations

from typing import Any

from forecasting.settings.aws import AwsTarget, CloudWatchMetric, CloudWatchSource
from forecasting.settings.base import READABLE_VERSIONS, SETTINGS_VERSION, Settings, problems_of, validated
from forecasting.settings.files import job_of_text, load_events, load_job, parse_fleet, parse_job
from forecasting.settings.fleet import Event, Exclusion, Fleet, Model, Prices, Source, Target
from forecasting.settings.gcp import CloudMonitoringSource, GcpTarget, MonitoringMetric
from forecasting.settings.job import GcsStore, Job, LocalStore, S3Store, StoreSettings
from forecasting.settings.pool import CapacityWindow, Pool
from forecasting.settings.source import FileSource

__all__ = [
    "READABLE_VERSIONS",
    "SETTINGS_VERSION",
    "AwsTarget",
    "CapacityWindow",
    "CloudMonitoringSource",
    "CloudWatchMetric",
    "CloudWatchSource",
    "Event",
    "Exclusion",
    "FileSource",
    "Fleet",
    "GcpTarget",
    "GcsStore",
    "Job",
    "LocalStore",
    "Model",
    "MonitoringMetric",
    "Pool",
    "Prices",
    "S3Store",
    "Settings",
    "Source",
    "StoreSettings",
    "Target",
    "job_of_text",
    "job_schema",
    "load_events",
    "load_job",
    "parse_fleet",
    "parse_job",
    "problems_of",
    "validated",
]


def job_schema() -> dict[str, Any]:
    """The JSON schema of a job's settings, which holds the fleet's."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Job.model_json_schema()}
