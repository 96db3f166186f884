"""The embedded engine creates the forecast job: bucket, functions, schedules, alarms."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
import pulumi_aws
import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.engine import Cloud, EngineError, up
from elastic_iac.local.engine.run import HANDLERS
from tests.deployed import deploy, idle_package


def test_the_job_is_created_as_declared_and_removed(aws: LocalAws, tmp_path: Path) -> None:
    job = deploy(aws, idle_package(tmp_path), alarm_emails=["oncall@example.com"], log_retention_days=14)
    assert {(item.resource, item.input) for item in job.deployment.unproven} == {
        ("job-bucket", "forceDestroy"),  # what the provider does when it removes the bucket
        ("web-group", "instanceRefresh"),
        ("web-group", "waitForCapacityTimeout"),
    }
    bucket = job.deployment.outputs["bucket"]
    s3 = aws.client("s3")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    settings = json.loads(s3.get_object(Bucket=bucket, Key="settings/job.json")["Body"].read())
    assert [fleet["target"]["group_name"] for fleet in settings["fleets"]] == [job.group]
    function = aws.client("lambda").get_function_configuration(FunctionName=job.function)
    variables = function["Environment"]["Variables"]
    assert variables["ELASTIC_IAC_SETTINGS"] == job.settings_url
    assert function["LoggingConfig"]["LogGroup"] == job.deployment.outputs["logs"][0]
    assert set(job.states().values()) == {"INSUFFICIENT_DATA"}

    job.deployment.destroy()
    iam, logs = aws.client("iam"), aws.client("logs")
    left = {
        "buckets": s3.list_buckets()["Buckets"],
        "functions": aws.client("lambda").list_functions()["Functions"],
        "schedules": aws.client("scheduler").list_schedules()["Schedules"],
        "roles": iam.list_roles()["Roles"],
        "policies": iam.list_policies(Scope="Local")["Policies"],
        "logs": logs.describe_log_groups()["logGroups"],
        "topics": aws.client("sns").list_topics()["Topics"],
        "dashboards": aws.client("cloudwatch").list_dashboards()["DashboardEntries"],
        "alarms": aws.client("cloudwatch").describe_alarms()["MetricAlarms"],
    }
    assert {what for what, those in left.items() if those} == set()


def test_what_the_emulator_drops_is_listed(aws: LocalAws) -> None:
    def program() -> None:
        pulumi_aws.sns.Topic("topic", display_name="Alarms")
        pulumi_aws.sqs.Queue("queue", message_retention_seconds=120, fifo_throughput_limit="perQueue")

    deployment = up(program, cloud=Cloud(aws.client, aws.region), project="p", stack="s")
    assert {(item.resource, item.input) for item in deployment.unproven} == {
        ("topic", "displayName"),
        ("queue", "fifoThroughputLimit"),
    }


@pytest.mark.parametrize(
    ("source", "content"),
    [({"content": "text"}, b"text"), ({"content_base64": "AAE="}, b"\x00\x01"), ({"source": None}, b"from a file")],
)
def test_an_object_arrives_in_each_form(
    aws: LocalAws, tmp_path: Path, source: dict[str, str | None], content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"from a file")

    def program() -> None:
        bucket = pulumi_aws.s3.Bucket("bucket", force_destroy=True)
        form = {key: value or pulumi.FileAsset(str(path)) for key, value in source.items()}
        pulumi_aws.s3.BucketObjectv2("object", bucket=bucket.id, key="a/b", **form)  # pyright: ignore[reportArgumentType] - one of three forms
        pulumi.export("bucket", bucket.id)

    deployment = up(program, cloud=Cloud(aws.client, aws.region), project="p", stack="s")
    held = aws.client("s3").get_object(Bucket=deployment.outputs["bucket"], Key="a/b")
    assert held["Body"].read() == content
    assert [item.resource for item in deployment.unproven] == ["bucket"]
    deployment.destroy()


def test_code_that_is_not_in_a_bucket_is_refused(aws: LocalAws) -> None:
    create = HANDLERS["aws:lambda/function:Function"].create
    with pytest.raises(EngineError, match="s3Bucket and s3Key"):
        create(Cloud(aws.client, aws.region), "f", {"role": "arn:aws:iam::000000000000:role/r", "tags": {}})
