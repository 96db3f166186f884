"""What differs between the clouds of the demo: how a group is sized, where its load is published, what its minimum was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import pandas as pd

from elastic_iac.cli.demo.trace import Trace
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting.settings import AwsTarget, CloudMonitoringSource, CloudWatchSource, Fleet
from forecasting.settings.gcp import GcpTarget

CloudName = Literal["aws", "gcp"]

CEILING = 60
PEAK_INSTANCES = 20
"""What the largest sample of the history needs."""
_POINTS_PER_CALL = 1000
"""PutMetricData's limit (API reference)."""


class Side(Protocol):
    """One cloud of the demo.

    Attributes:
        name: Which.
        title: The same for people.
        metrics: What its metrics service is called.
        groups_key: The stack's configuration of its groups; likewise `job_key`.
        fleets_key: The stack's output with its fleets.
    """

    name: CloudName
    title: str
    metrics: str
    groups_key: str
    job_key: str
    fleets_key: str

    def sized(self, group: Mapping[str, Any], load_per_instance: float) -> dict[str, Any]:
        """What of a group's configuration is particular to this cloud."""
        ...

    def reading(self, trace: Trace, fleet: Fleet) -> Fleet:
        """The fleet as it reads this trace."""
        ...

    def publish(self, trace: Trace, fleet: Fleet) -> int:
        """Publish the history as the metric that the job reads, in the load balancer's place.

        Missing samples are left out; returns how many there are.
        """
        ...

    def floors(self, fleet: Fleet, start: datetime, end: datetime) -> list[int]:
        """The minimum that was in force at each minute, start <= minute < end (aware)."""
        ...


class AwsSide:
    """An Auto Scaling group, and its load in CloudWatch."""

    name: CloudName = "aws"
    title = "AWS"
    metrics = "CloudWatch"
    groups_key = "elastic-iac:groups"
    job_key = "elastic-iac:job"
    fleets_key = "fleets"

    def __init__(self, local: LocalAws) -> None:
        self._local = local

    def sized(self, group: Mapping[str, Any], load_per_instance: float) -> dict[str, Any]:
        """Target tracking counts requests per minute."""
        return {"targetTracking": [{"metric": "alb-requests", "targetValue": 60 * load_per_instance}]}

    def reading(self, trace: Trace, fleet: Fleet) -> Fleet:
        """As the stack has it: what is missing in CloudWatch is missing."""
        return fleet

    def publish(self, trace: Trace, fleet: Fleet) -> int:
        """See `Side.publish`."""
        if not isinstance(fleet.source, CloudWatchSource):
            raise _other_source(fleet, "cloudwatch")
        metric = fleet.source.metric
        total = trace.sample_seconds if metric.statistic == "Sum" else 1  # a sum over the sample, of a rate
        points = [
            {
                "MetricName": metric.metric_name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
                "Timestamp": stamp,
                "Value": value * total,
            }
            for stamp, value in _samples(trace)
        ]
        cloudwatch: Any = self._local.client("cloudwatch")
        for first in range(0, len(points), _POINTS_PER_CALL):
            cloudwatch.put_metric_data(Namespace=metric.namespace, MetricData=points[first : first + _POINTS_PER_CALL])
        return len(points)

    def floors(self, fleet: Fleet, start: datetime, end: datetime) -> list[int]:
        """MinSize, which scheduled actions have set."""
        if not isinstance(fleet.target, AwsTarget):
            raise TypeError(f"fleet {fleet.name!r}: got a target on {fleet.cloud}; expected one on aws")
        return self._local.min_size_by_minute(fleet.target.group_name, start, end)


class GcpSide:
    """A managed instance group, and its load in Cloud Monitoring."""

    name: CloudName = "gcp"
    title = "Google Cloud"
    metrics = "Cloud Monitoring"
    groups_key = "elastic-iac:gcpGroups"
    job_key = "elastic-iac:gcpJob"
    fleets_key = "gcpFleets"

    def __init__(self, local: LocalGcp) -> None:
        self._local = local

    def sized(self, group: Mapping[str, Any], load_per_instance: float) -> dict[str, Any]:
        """Utilisation of the load balancer is a share of the rate that an instance serves. The name keeps the fleets of one job apart."""
        front = {**group["loadBalancer"], "maxRatePerInstance": load_per_instance}
        return {"name": f"{group['name']}-gcp", "loadBalancer": front}

    def reading(self, trace: Trace, fleet: Fleet) -> Fleet:
        """A load balancer's counter writes nothing where nothing is asked for; what a trace lacks is not known, and no zero."""
        if not trace.missing or not isinstance(fleet.source, CloudMonitoringSource):
            return fleet
        metric = fleet.source.metric.model_copy(update={"absent_is_zero": False})
        return fleet.model_copy(update={"source": fleet.source.model_copy(update={"metric": metric})})

    def publish(self, trace: Trace, fleet: Fleet) -> int:
        """See `Side.publish`."""
        if not isinstance(fleet.source, CloudMonitoringSource) or not isinstance(fleet.target, GcpTarget):
            raise _other_source(fleet, "cloud-monitoring")
        metric = fleet.source.metric
        counted = metric.statistic == "rate"
        sample = timedelta(seconds=trace.sample_seconds)
        points = [
            (stamp + sample, value * trace.sample_seconds if counted else value) for stamp, value in _samples(trace)
        ]
        self._local.monitoring.publish(
            fleet.target.project,
            metric.type,
            points,
            kind="DELTA" if counted else "GAUGE",
            resource=metric.resource_type or "global",
            metric_labels=metric.metric_labels,
            resource_labels=metric.resource_labels,
            period=sample,
        )
        return len(points)

    def floors(self, fleet: Fleet, start: datetime, end: datetime) -> list[int]:
        """The autoscaler's minimum, or that of its open scaling schedules."""
        target = fleet.target
        if not isinstance(target, GcpTarget):
            raise TypeError(f"fleet {fleet.name!r}: got a target on {fleet.cloud}; expected one on gcp")
        return self._local.floor_by_minute(target.project, target.location, target.autoscaler, start, end)


def _samples(trace: Trace) -> list[tuple[datetime, float]]:
    """The history's samples that are not missing: start and value."""
    stamps: list[datetime] = pd.DatetimeIndex(trace.history.index).to_pydatetime().tolist()
    return [(stamp, value) for stamp, value in zip(stamps, trace.history.tolist(), strict=True) if pd.notna(value)]


def _other_source(fleet: Fleet, kind: str) -> TypeError:
    return TypeError(f"the stack's fleet {fleet.name!r} has a source of kind {fleet.source.kind!r}; expected {kind!r}")
