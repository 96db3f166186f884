"""The demo's stack and its metric in the local cloud."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from elastic_iac.cli.demo.trace import Trace
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.engine import Deployment, provision_stack, read_project
from forecasting.settings import CloudWatchMetric, CloudWatchSource, Fleet, parse_fleet

Engine = Literal["embedded", "pulumi"]
"""The engine of this package, or the Pulumi CLI."""

STACK = "local"
CEILING = 60
PEAK_INSTANCES = 20
POINTS_PER_CALL = 1000
"""PutMetricData's limit (API reference)."""


@dataclass(frozen=True)
class Stack:
    """What serves the load.

    Attributes:
        deployment: What the stack made.
        fleet: Its first fleet, as the stack exports it for the job.
        engine: What ran the program.
    """

    deployment: Deployment
    fleet: Fleet
    engine: Engine

    @property
    def group_name(self) -> str:
        """The Auto Scaling group."""
        return self.fleet.target.group_name

    @property
    def metric(self) -> CloudWatchMetric:
        """Where the job reads the load."""
        if not isinstance(self.fleet.source, CloudWatchSource):
            raise TypeError(f"the stack's fleet has a source of kind {self.fleet.source.kind!r}; expected 'cloudwatch'")
        return self.fleet.source.metric


@contextmanager
def only_local(aws: LocalAws) -> Generator[None]:
    """Every AWS client made inside reaches the local cloud: nobody's profile, keys, region or proxy has a say."""
    before = dict(os.environ)
    try:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(aws.environment())
        os.environ.update(
            AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, NO_PROXY="*", no_proxy="*"
        )
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def provision(aws: LocalAws, trace: Trace, engine: Engine, folder: Path) -> Stack:
    """The stack `local` of this checkout, its first group sized for the trace.

    The Pulumi CLI keeps its copy of the project and its state in a folder of its own under `folder`.

    The trace does not say what one instance serves: it is chosen so that the largest sample of the history needs `PEAK_INSTANCES`.
    """
    load_per_instance = float(f"{trace.history.max() / PEAK_INSTANCES:.3g}")
    key = "elastic-iac:groups"
    group: dict[str, Any] = json.loads(read_project(STACK).config[key])[0]
    group |= {
        "maxSize": CEILING,
        "targetTracking": [{"metric": "alb-requests", "targetValue": 60 * load_per_instance}],
        "forecast": {
            **group["forecast"],
            "loadPerInstance": load_per_instance,
            "periodSeconds": trace.sample_seconds,
            "stepMinutes": trace.step_minutes,
        },
    }
    adjust = {key: json.dumps([group]), "elastic-iac:job": "{}"}  # the demo runs the job itself
    if engine == "pulumi":
        from elastic_iac.local.engine.pulumi_cli import provision_with_cli  # noqa: PLC0415 - only where it is asked for

        project = Path(tempfile.mkdtemp(prefix="stack-", dir=folder))
        deployment = provision_with_cli(aws.environment(), project, STACK, adjust=adjust)
    else:
        deployment = provision_stack(aws, STACK, adjust=adjust)
    return Stack(deployment, parse_fleet(json.loads(deployment.outputs["fleets"][0])), engine)


def publish(aws: LocalAws, trace: Trace, metric: CloudWatchMetric) -> int:
    """Publish the history as the metric that the job reads, in the load balancer's place.

    Missing samples are left out; returns how many there are.
    """
    total = trace.sample_seconds if metric.statistic == "Sum" else 1  # a sum over the sample, of a rate
    stamps: list[datetime] = pd.DatetimeIndex(trace.history.index).to_pydatetime().tolist()
    points = [
        {
            "MetricName": metric.metric_name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
            "Timestamp": stamp,
            "Value": value * total,
        }
        for stamp, value in zip(stamps, trace.history.tolist(), strict=True)
        if pd.notna(value)
    ]
    cloudwatch: Any = aws.client("cloudwatch")
    for first in range(0, len(points), POINTS_PER_CALL):
        cloudwatch.put_metric_data(Namespace=metric.namespace, MetricData=points[first : first + POINTS_PER_CALL])
    return len(points)
