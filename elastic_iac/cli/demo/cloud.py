"""The demo's group and its metric in the local cloud."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from elastic_iac.cli.demo.trace import Trace
from elastic_iac.local.aws import LocalAws

GROUP = "demo-web"
NAMESPACE, METRIC = "ElasticIac/Demo", "Load"
CEILING, FLOOR = 60, 2
PEAK_INSTANCES = 20
POINTS_PER_CALL = 1000
"""PutMetricData's limit (API reference)."""


@dataclass(frozen=True)
class Deployment:
    """What serves the load.

    Attributes:
        engine: What made it.
        group_name: The Auto Scaling group.
        resources: What was made: type, name and id of each.
        unproven: Declared inputs that the local cloud does not give back, so that nothing here proves them.
    """

    engine: str
    group_name: str
    resources: tuple[dict[str, str], ...]
    unproven: tuple[str, ...]


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


def provision(aws: LocalAws) -> Deployment:
    """A launch template, a group and a target tracking policy: its way to scale in."""
    ec2: Any = aws.client("ec2")
    template = ec2.create_launch_template(
        LaunchTemplateName=GROUP, LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "m7i.large"}
    )["LaunchTemplate"]
    autoscaling: Any = aws.client("autoscaling")
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        MinSize=FLOOR,
        MaxSize=CEILING,
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
        AvailabilityZones=[f"{aws.region}a"],
    )
    policy = autoscaling.put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            "TargetValue": 60.0,
        },
    )
    resources = (
        {"type": "aws:ec2:LaunchTemplate", "name": GROUP, "id": template["LaunchTemplateId"]},
        {"type": "aws:autoscaling:Group", "name": GROUP, "id": GROUP},
        {"type": "aws:autoscaling:Policy", "name": "cpu", "id": policy["PolicyARN"]},
    )
    return Deployment("boto3", GROUP, resources, ())


def publish(aws: LocalAws, trace: Trace, group_name: str) -> int:
    """Publish the history as metric data of the group, missing samples left out. Returns how many points were sent."""
    points = [
        {
            "MetricName": METRIC,
            "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group_name}],
            "Timestamp": stamp.to_pydatetime(),
            "Value": float(value),
        }
        for stamp, value in zip(pd.DatetimeIndex(trace.history.index), trace.history, strict=True)
        if pd.notna(value)
    ]
    cloudwatch: Any = aws.client("cloudwatch")
    for first in range(0, len(points), POINTS_PER_CALL):
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=points[first : first + POINTS_PER_CALL])
    return len(points)


def settings(aws: LocalAws, trace: Trace, group_name: str, store: str) -> dict[str, Any]:
    """The job's settings, as a user would write them.

    `load_per_instance` is chosen so that the largest sample of the history needs `PEAK_INSTANCES`: the trace does not say what one instance serves.
    """
    return {
        "name": "demo",
        "owner": "demo",
        "store": {"kind": "local", "path": store},
        "fleets": [
            {
                "name": "web",
                "cloud": "aws",
                "target": {"region": aws.region, "group_name": group_name},
                "source": {
                    "kind": "cloudwatch",
                    "metric": {
                        "namespace": NAMESPACE,
                        "metric_name": METRIC,
                        "dimensions": {"AutoScalingGroupName": group_name},
                        "statistic": "Average",
                    },
                    "period_seconds": trace.sample_seconds,
                    "lookback_days": 13,
                },
                "load_per_instance": float(f"{trace.history.max() / PEAK_INSTANCES:.3g}"),
                "floor": FLOOR,
                "ceiling": CEILING,
                "lead_time_seconds": 300,
            }
        ],
    }
