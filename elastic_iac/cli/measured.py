"""Load, instances in service and utilisation of a fleet, side by side."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd

from elastic_iac.cli.choose import one_fleet
from forecasting.errors import InputError, UsageError
from forecasting.run import utc_now
from forecasting.settings import CloudWatchMetric, CloudWatchSource, Fleet, load_job
from forecasting.sources import open_source
from forecasting.sources.files import read_csv


def file_table(path: Path) -> pd.DataFrame:
    """The columns `load`, `in_service` and `utilisation` or `latency` of a CSV or Parquet file, by UTC stamp.

    Raises:
        InputError: `load` or `in_service` is absent, both others are, or a column is not a series of numbers with stamps.
    """
    columns = {name: read_csv(path, value_column=name).load for name in ("load", "in_service")}
    for name in ("utilisation", "latency"):
        try:
            columns[name] = read_csv(path, value_column=name).load
            break
        except InputError as error:
            if "is absent" not in str(error) or name == "latency":
                raise
    return _side_by_side(columns)


def fleet_table(config: Path, name: str | None) -> pd.DataFrame:
    """The same from CloudWatch: the fleet's load, its in-service count, and its utilisation metric, or the group's CPU without one.

    Raises:
        UsageError: the fleet's load is not a load in CloudWatch.
        ElasticIacError: CloudWatch could not be read.
    """
    fleet = one_fleet(load_job(config), name)
    source = fleet.source
    if not isinstance(source, CloudWatchSource):
        raise UsageError(
            f"fleet {fleet.name!r}: its source is a file; give that file with --csv, with all columns in it"
        )
    if source.per_instance:
        raise UsageError(
            f"fleet {fleet.name!r}: its load is itself an average over instances: nothing can be told from it"
        )
    group = {"AutoScalingGroupName": fleet.target.group_name}
    in_service = CloudWatchMetric(namespace="AWS/AutoScaling", metric_name="GroupInServiceInstances", dimensions=group)
    cpu = CloudWatchMetric(namespace="AWS/EC2", metric_name="CPUUtilization", dimensions=group)
    return _side_by_side(
        {
            "load": _series(fleet, source, source.metric),
            "in_service": _series(fleet, source, in_service),
            "utilisation": _series(fleet, source, source.utilisation or cpu),
        }
    )


def _series(fleet: Fleet, source: CloudWatchSource, metric: CloudWatchMetric) -> pd.Series[float]:
    alone = CloudWatchSource(
        kind="cloudwatch", metric=metric, period_seconds=source.period_seconds, lookback_days=source.lookback_days
    )
    now = utc_now()
    return open_source(alone, target=fleet.target).read(now - timedelta(days=source.lookback_days), now).load


def _side_by_side(columns: dict[str, pd.Series[float]]) -> pd.DataFrame:
    return pd.DataFrame({name: series[~series.index.duplicated(keep="last")] for name, series in columns.items()})
