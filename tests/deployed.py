"""The forecast job as it stands in a production account: declared by its component, on the local cloud with policies enforced."""

from __future__ import annotations

import json
import platform
import sys
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pulumi
import pulumi_aws

from elastic_iac.aws.autoscaling_group.args import AwsForecast
from elastic_iac.aws.autoscaling_group.component import AwsAutoscalingGroup
from elastic_iac.aws.forecast_job.component import AwsForecastJob
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.engine import Cloud, Deployment, up
from elastic_iac.package import ensure_package

NAMESPACE, METRIC, SERVICE = "Shop", "Requests", "web"
INTERVAL = timedelta(minutes=15)
LOAD_PER_INSTANCE, FLOOR, CEILING = 10, 2, 40


def host_package() -> Path:
    """The function's zip for the Python and the machine that run here; built where it is missing."""
    arch = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(ensure_package("aws-lambda", arch=arch, python=version).path)


def idle_package(folder: Path) -> Path:
    """A zip whose handler does nothing, for tests of all around it."""
    path = folder / "idle.zip"
    with zipfile.ZipFile(path, "w") as package:
        for module in ("forecasting/__init__.py", "forecasting/entrypoints/__init__.py"):
            package.writestr(module, "")
        package.writestr("forecasting/entrypoints/aws_lambda.py", "def handler(event, context):\n    return event\n")
    return path


class LoadFeed:
    """Publishes the fleet's load in samples of 5 min, daily and weekly; it needs some 4 to 20 instances."""

    def __init__(self, aws: LocalAws, days: float = 12) -> None:
        self._aws = aws
        self._published = pd.Timestamp(aws.clock.now()).floor("5min") - timedelta(days=days)
        self.publish()

    def publish(self, scale: float = 1.0) -> None:
        """What came since the last time, up to now."""
        end = pd.Timestamp(self._aws.clock.now()).floor("5min")
        index = pd.date_range(self._published, end, freq="5min", inclusive="left")
        self._published = end
        hours = np.asarray(index.hour + index.minute / 60)
        weekend = np.where(np.asarray(index.day_of_week) >= 5, 0.7, 1.0)
        noise = np.random.default_rng(7).normal(0, 2, len(index))
        load = scale * ((110 - 70 * np.cos((hours - 3) / 24 * 2 * np.pi)) * weekend + noise)
        of_service = {"MetricName": METRIC, "Dimensions": [{"Name": "Service", "Value": SERVICE}]}
        points = [
            {**of_service, "Timestamp": stamp, "Value": value * 300}
            for stamp, value in zip(index.to_pydatetime(), load.tolist(), strict=True)
        ]
        for first in range(0, len(points), 1000):
            self._aws.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=points[first : first + 1000])


@dataclass(frozen=True)
class Deployed:
    """The job, its group, and a queue that hears the alarms."""

    aws: LocalAws
    deployment: Deployment
    mailbox: str

    @property
    def group(self) -> str:
        return self.deployment.outputs["group"]

    @property
    def function(self) -> str:
        return self.deployment.outputs["functions"][0]

    @property
    def settings_url(self) -> str:
        return self.deployment.outputs["settings"][0]

    @property
    def role(self) -> str:
        """Name of the function's role."""
        found = self.aws.client("lambda").get_function_configuration(FunctionName=self.function)
        return found["Role"].rsplit("/", 1)[1]

    def schedule(self, *, enabled: bool) -> None:
        """Switch the schedule on or off, as an operator does."""
        scheduler = self.aws.client("scheduler")
        held = scheduler.get_schedule(Name=self.deployment.outputs["schedules"][0])
        kept = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
        state = "ENABLED" if enabled else "DISABLED"
        scheduler.update_schedule(**{key: held[key] for key in kept}, State=state)

    def states(self) -> dict[str, str]:
        """State of each alarm, by what it is of."""
        alarms = self.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return {
            alarm["AlarmName"].removeprefix("job-alarm-").rsplit("-", 1)[0]: alarm["StateValue"]
            for alarm in alarms
            if alarm["AlarmName"].startswith("job-")
        }

    def mail(self) -> list[tuple[str, str]]:
        """The notifications since the last look: alarm and new state, in order."""
        sqs = self.aws.client("sqs")
        found: list[tuple[str, str]] = []
        while messages := sqs.receive_message(QueueUrl=self.mailbox, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                told = json.loads(json.loads(message["Body"])["Message"])
                name = told["AlarmName"].removeprefix("job-alarm-").rsplit("-", 1)[0]
                found.append((name, told["NewStateValue"]))
                sqs.delete_message(QueueUrl=self.mailbox, ReceiptHandle=message["ReceiptHandle"])
        return found

    def log(self) -> list[dict[str, Any]]:
        """What the function has logged as JSON, oldest first."""
        logs = self.aws.client("logs")
        group = self.deployment.outputs["logs"][0]
        events = [
            event["message"]
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            for event in page["events"]
        ]
        return [json.loads(message) for message in events if message.startswith("{")]

    def actions(self) -> list[dict[str, Any]]:
        """The group's scheduled actions."""
        pages = self.aws.client("autoscaling").get_paginator("describe_scheduled_actions")
        return [
            action
            for page in pages.paginate(AutoScalingGroupName=self.group)
            for action in page["ScheduledUpdateGroupActions"]
        ]

    def session(self) -> Any:
        """A session with the credentials that Lambda gives the function."""
        role = self.aws.client("iam").get_role(RoleName=self.role)["Role"]["Arn"]
        given = self.aws.client("sts").assume_role(RoleArn=role, RoleSessionName="function")["Credentials"]
        return boto3.session.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=self.aws.region,
        )


def granted(job: Deployed) -> dict[str, list[str]]:
    """The actions that the function's role is granted, by the policy that grants them."""
    return {name: sorted(_allowed(document)) for name, document in _documents(job).items()}


@contextmanager
def without(job: Deployed, action: str) -> Generator[None, None, None]:
    """One action taken out of the role's policies, and given back."""
    before = _documents(job)
    for name, document in before.items():
        if action in _allowed(document):
            _put(job, name, _lacking(document, action))
    try:
        yield
    finally:
        for name, document in before.items():
            if action in _allowed(document):
                _put(job, name, document)


def _documents(job: Deployed) -> dict[str, Any]:
    """The role's policies: inline ones by name, managed ones by ARN."""
    iam = job.aws.client("iam")
    inline = {
        name: iam.get_role_policy(RoleName=job.role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=job.role)["PolicyNames"]
    }
    managed: dict[str, Any] = {}
    for attached in iam.list_attached_role_policies(RoleName=job.role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        managed[arn] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return inline | managed


def _put(job: Deployed, name: str, document: Any) -> None:
    iam, text = job.aws.client("iam"), json.dumps(document)
    if not name.startswith("arn:"):
        iam.put_role_policy(RoleName=job.role, PolicyName=name, PolicyDocument=text)
        return
    for version in iam.list_policy_versions(PolicyArn=name)["Versions"]:
        if not version["IsDefaultVersion"]:  # a policy has five versions at most
            iam.delete_policy_version(PolicyArn=name, VersionId=version["VersionId"])
    iam.create_policy_version(PolicyArn=name, PolicyDocument=text, SetAsDefault=True)


def _allowed(document: Any) -> set[str]:
    return {
        action
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in _actions(statement)
    }


def _actions(statement: Any) -> list[str]:
    actions: Any = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def _lacking(document: Any, action: str) -> Any:
    statements = [
        {**statement, "Action": [held for held in _actions(statement) if held != action]}
        if statement["Effect"] == "Allow"
        else statement
        for statement in document["Statement"]
    ]
    return {**document, "Statement": [statement for statement in statements if statement["Action"]]}


def deploy(aws: LocalAws, package: Path, *, lead_time_seconds: int | None = None, **changes: Any) -> Deployed:
    """Deploy a group and its job, and settle: the new settings have run the job."""

    def program() -> None:
        vpc = pulumi_aws.ec2.get_vpc_output(default=True)
        zones = pulumi_aws.ec2.get_subnets_output(
            filters=vpc.id.apply(lambda known: [pulumi_aws.ec2.GetSubnetsFilterArgs(name="vpc-id", values=[known])])
        )
        forecast: AwsForecast = {
            "load_per_instance": LOAD_PER_INSTANCE,
            "load": {"namespace": NAMESPACE, "metric_name": METRIC, "dimensions": {"Service": SERVICE}},
        }
        if lead_time_seconds:
            forecast["lead_time_seconds"] = lead_time_seconds
        group = AwsAutoscalingGroup(
            "web",
            {
                "vpc_id": vpc.id,
                "subnet_ids": zones.ids,
                "instance_type": "m7i.large",
                "ami_id": "ami-0a",
                "min_size": FLOOR,
                "max_size": CEILING,
                "forecast": forecast,
            },
        )
        asked: Any = {
            "fleets": [group.fleet],
            "package_path": str(package),
            "force_destroy": True,
            "short_run_minutes": 0,
            **changes,
        }
        job = AwsForecastJob("job", asked)
        pulumi.export("group", group.group_name)
        pulumi.export("fleet", group.fleet)
        pulumi.export("functions", job.function_names)
        pulumi.export("schedules", job.schedule_names)
        pulumi.export("settings", job.settings_urls)
        pulumi.export("logs", job.log_group_names)
        pulumi.export("bucket", job.bucket_name)
        pulumi.export("topic", job.alarm_topic_arn)
        pulumi.export("failures", job.failure_queue_url)

    deployment = up(program, cloud=Cloud(aws.client, aws.region), project="shop", stack="test")
    aws.settle()
    return Deployed(aws, deployment, _mailbox(aws, deployment.outputs["topic"]))


def _mailbox(aws: LocalAws, topic: str) -> str:
    sqs = aws.client("sqs")
    url: str = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement: Mapping[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url
