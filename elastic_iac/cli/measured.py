"""Load, instances in service and utilisation of a fleet, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pandas as pd

from elastic_iac.cli.choose import one_fleet
from forecasting.errors import UsageError
from forecasting.invocation import load_settings
from forecasting.run import utc_now
from forecasting.settings import AwsTarget, CloudWatchMetric, CloudWatchSource, Fleet
from forecasting.sources import open_source
from forecasting.sources.files import read_csv


@dataclass(frozen=True)
class Measured:
    """Samples of a fleet's past, each by UTC stamp.

    Attributes:
        load: Load of the fleet.
        in_service: Instances in service.
        signal: Their utilisation or latency.
    """

    load: pd.Series[float]
    in_service: pd.Series[float]
    signal: pd.Series[float]


def of_file(path: Path, signal: Literal["utilisation", "latency"]) -> Measured:
    """The columns `load`, `in_service` and the signal's of a CSV or Parquet file.

    Raises:
        InputError: a column is absent, or not a series of numbers with stamps.
    """
    load, in_service, values = (
        _unique(read_csv(path, value_column=name).load) for name in ("load", "in_service", signal)
    )
    return Measured(load, in_service, values)


def of_fleet(config: str, name: str | None) -> Measured:
    """The same from CloudWatch: the fleet's load, its in-service count, and its utilisation metric, or the group's CPU without one.

    Raises:
        UsageError: the fleet's load is not a load in CloudWatch.
        ElasticIacError: CloudWatch could not be read.
    """
    fleet = one_fleet(load_settings(config), name)
    source = fleet.source
    if not isinstance(source, CloudWatchSource) or not isinstance(fleet.target, AwsTarget):
        raise UsageError(
            f"fleet {fleet.name!r}: its source is a {source.kind!r}, not CloudWatch; give a file with --csv, with all columns in it"
        )
    if source.per_instance:
        raise UsageError(
            f"fleet {fleet.name!r}: its load is itself an average over instances: nothing can be told from it"
        )
    group = {"AutoScalingGroupName": fleet.target.group_name}
    in_service = CloudWatchMetric(namespace="AWS/AutoScaling", metric_name="GroupInServiceInstances", dimensions=group)
    cpu = CloudWatchMetric(namespace="AWS/EC2", metric_name="CPUUtilization", dimensions=group)
    return Measured(
        load=_series(fleet, source, source.metric),
        in_service=_series(fleet, source, in_service),
        signal=_series(fleet, source, source.utilisation or cpu),
    )


def _series(fleet: Fleet, source: CloudWatchSource, metric: CloudWatchMetric) -> pd.Series[float]:
    alone = CloudWatchSource(
        kind="cloudwatch", metric=metric, period_seconds=source.period_seconds, lookback_days=source.lookback_days
    )
    now = utc_now()
    return _unique(open_source(alone, target=fleet.target).read(now - timedelta(days=source.lookback_days), now).load)


def _unique(samples: pd.Series[float]) -> pd.Series[float]:
    return samples[~samples.index.duplicated(keep="last")]
