"""A Capacity Block's life: the real component, deployed by the embedded engine, and the real job on one controlled clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pulumi
import pytest

from elastic_iac.aws.gpu_pool import capacity_block
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.engine import Cloud, up
from forecasting.job import run_job
from forecasting.run import Run
from forecasting.settings import Job, parse_job
from forecasting.shortrun import run_short
from tests.fleets import InProcess
from tests.pool_args import BLOCKS, NOW, changed, component, declare, forecast

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs  # isort: skip - after the import that quiets the SDK

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
REPLICAS = 8  # of a p4d.24xlarge, by its GPUs
PER_REPLICA = 100
SECOND, FIRST = BLOCKS["capacity_blocks"]  # pyright: ignore[reportTypedDictNotRequiredAccess] - they are there
"""Of 25 November 11:30 to the 27th, 8 instances; of the 23rd to the 24th, 4."""


def when(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


WINDOWS = [(when(block["start"]) + MINUTE, when(block["end"]) - 40 * MINUTE, block) for block in (FIRST, SECOND)]


class Life:
    """A pool of Blocks whose load needs one to three instances, its job, and the clock."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        self.folder = folder
        self.session: Any = InProcess(aws)
        self.published = pd.Timestamp(aws.clock.now()).floor("5min") - timedelta(days=12)
        ec2 = aws.client("ec2")
        (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        self.network = {"vpc_id": vpc["VpcId"], "subnet_ids": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]]}
        self.given = self.args(FIRST)
        deployment = up(self.program, cloud=Cloud(aws.client, aws.region), project="p", stack="test")
        (self.group,) = deployment.outputs["groups"]
        self.job = self.job_of(deployment.outputs["fleets"])

    def program(self) -> None:
        pool = component.AwsGpuPool("llm", self.given)
        pulumi.export("fleets", pool.fleets)
        pulumi.export("groups", pool.group_names)

    def args(self, *blocks: Any) -> AwsGpuPoolArgs:
        plan = forecast(BLOCKS, load_per_replica=PER_REPLICA, model="seasonal-naive-day", quantile=0.9)
        return changed(BLOCKS, **self.network, ami_id="ami-0a", capacity_blocks=[*blocks], forecast=plan)

    def job_of(self, fleets: list[str]) -> Job:
        store = {"kind": "local", "path": str(self.folder / "store")}
        return parse_job(
            {"name": "job", "owner": "prod", "store": store, "fleets": [json.loads(text) for text in fleets]}
        )

    def add(self, *blocks: Any) -> None:
        """A second `up` with further Blocks: what the provider would do for the actions that are new."""
        before = {item.name for item in declare(self.given)[0].of(":Schedule")}
        recorder, outputs = declare(self.args(*blocks))
        self.given = self.args(*blocks)
        for item in recorder.of(":Schedule"):
            if item.name not in before:
                sizes = {
                    key: item.inputs[name]
                    for key, name in (
                        ("MinSize", "minSize"),
                        ("MaxSize", "maxSize"),
                        ("DesiredCapacity", "desiredCapacity"),
                    )
                }
                self.aws.client("autoscaling").put_scheduled_update_group_action(
                    AutoScalingGroupName=self.group,
                    ScheduledActionName=item.inputs["scheduledActionName"],
                    StartTime=item.inputs["startTime"],
                    **{key: size for key, size in sizes.items() if size >= 0},
                )
        known = self.job.fleets[0].model_dump(mode="json", include={"target", "source"}, exclude_unset=True)
        self.job = self.job_of([json.dumps({**json.loads(text), **known}) for text in outputs["fleets"]])

    def publish(self) -> None:
        """Load that needs 1 to 3 instances, more by day."""
        end = pd.Timestamp(self.aws.clock.now()).floor("5min")
        index = pd.date_range(self.published, end, freq="5min", inclusive="left")
        self.published = end
        hours = np.asarray(index.hour + index.minute / 60)
        rate = 1300 - 900 * np.cos((hours - 3) / 24 * 2 * np.pi) + np.random.default_rng(7).normal(0, 20, len(index))
        points = [
            {
                "MetricName": "Tokens",
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": self.group}],
                "Timestamp": stamp,
                "Value": value * 300,
            }
            for stamp, value in zip(index.to_pydatetime(), rate.tolist(), strict=True)
        ]
        for first in range(0, len(points), 1000):
            self.aws.client("cloudwatch").put_metric_data(Namespace="Serving", MetricData=points[first : first + 1000])

    def run(self, run: Any) -> Any:
        self.publish()
        made = Run(self.job, self.aws.clock.now(), session=self.session, clock=self.aws.clock.now)
        (result,) = run(made)
        return result


@pytest.fixture
def life(aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    aws.reset(now=NOW)
    monkeypatch.setattr(capacity_block, "now", aws.clock.now)
    return Life(aws, tmp_path)


def test_the_job_plans_within_a_block_and_the_next_one_is_picked_up(life: Life) -> None:
    """Nothing is asked for before a start, and the pool is empty forty minutes before the end.

    The next Block is deployed when a slot of the job stands at the very minute at which it begins.
    """
    aws, clock = life.aws, life.aws.clock
    while clock.now() < when("2026-11-27T12:30:00Z"):
        full = life.run(run_job)
        assert full.ok, (full.code, full.reason)
        clock.advance(3 * HOUR)
        short = life.run(run_short)
        assert short.ok, (short.code, short.reason)
        if clock.now() > when("2026-11-25T00:00:00Z") and SECOND not in life.given.get("capacity_blocks", []):
            assert when(SECOND["start"]) in {action.start for action in aws.group(life.group).actions.values()}
            life.add(FIRST, SECOND)
        clock.advance(3 * HOUR)

    lived: dict[str, set[int]] = {"": set()}
    for count, floor in enumerate(aws.min_size_by_minute(life.group, NOW, clock.now())):
        minute = NOW + count * MINUTE
        block = next((block for start, end, block in WINDOWS if start + MINUTE <= minute < end), None)
        opening = any(start <= minute < start + MINUTE for start, _, _ in WINDOWS)
        lived.setdefault("" if block is None else block["start"], set()).update(set() if opening else {floor})
    assert lived[""] == {0}
    # The load needs 0.5 to 2.75 instances of 8 replicas.
    assert {1, 3} <= lived[FIRST["start"]] <= {1, 2, 3, 4}
    assert {2, 3} <= lived[SECOND["start"]] <= {2, 3, 4}  # at least two in the second
    for change in aws.history(life.group)[1:]:
        within = any(start <= change.at < end for start, end, _ in WINDOWS)
        assert within or (change.sizes.maximum, change.sizes.desired) == (0, 0), change
