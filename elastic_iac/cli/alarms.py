"""The alarms of a job that is deployed on AWS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from elastic_iac.cli import result as results
from forecasting.aws_session import limited
from forecasting.deadline import NoAnswerError, within
from forecasting.settings import Job, S3Store
from forecasting.targets.aws_errors import code_of

_SECONDS = 60.0
"""Longest wait for the alarms."""


@dataclass(frozen=True)
class Alarm:
    """One alarm.

    Attributes:
        name: Its name in CloudWatch.
        state: `OK`, `ALARM` or `INSUFFICIENT_DATA`.
        since: When it took that state (aware).
        says: What it means, and its page in the runbook.
    """

    name: str
    state: str
    since: datetime
    says: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "state": self.state, "since": results.stamp(self.since), "says": self.says}


def read_alarms(job: Job) -> tuple[list[Alarm], str | None]:
    """The alarms that `AwsForecastJob` made for the job, and why they could not be read, if so. None where the job is not on AWS."""
    if not isinstance(job.store, S3Store):
        return [], None
    region, bucket = job.store.region, job.store.bucket

    def read() -> list[dict[str, Any]]:
        session: Any = boto3.session.Session()
        client = limited(session.client("cloudwatch", region_name=region))
        pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{job.name}-alarm-")
        return [raw for page in pages for raw in page["MetricAlarms"]]

    try:
        found = within(_SECONDS, read)
    except NoAnswerError as error:
        return [], f"the alarms could not be read ({error})"
    except (ClientError, BotoCoreError) as error:
        return [], f"the alarms could not be read ({code_of(error)})"
    return [_alarm(raw) for raw in found if _is_own(raw, job.name, bucket)], None


def lines(alarms: list[Alarm]) -> list[Text]:
    """For a person: those that are not quiet, one a line, and how many are."""
    loud = [alarm for alarm in alarms if alarm.state == "ALARM"]
    waiting = sum(alarm.state == "INSUFFICIENT_DATA" for alarm in alarms)
    told = [Text(f"ALARM since {results.moment(alarm.since, 'UTC')}: {alarm.says}", style="bold red") for alarm in loud]
    if len(alarms) > len(loud):
        rest = f"{len(alarms) - len(loud)} of {len(alarms)} alarms are quiet"
        told.append(Text(f"{rest}, {waiting} of them without data yet" if waiting else rest, style="dim"))
    return told


def _is_own(raw: dict[str, Any], job: str, bucket: str) -> bool:
    """Whether an alarm is this job's: another stack's job of the same name names another bucket (`elastic_iac.common.alarms`)."""
    described: str = raw.get("AlarmDescription") or ""
    return not described.startswith(f"{job} (") or described.startswith(f"{job} ({bucket}): ")


def _alarm(raw: dict[str, Any]) -> Alarm:
    return Alarm(
        raw["AlarmName"],
        raw["StateValue"],
        raw["StateUpdatedTimestamp"],
        raw.get("AlarmDescription") or raw["AlarmName"],
    )
