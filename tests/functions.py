"""A function, its role and its metrics, for tests of what runs unattended in the double."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

from elastic_iac.local.aws import LocalAws

NAME, BUCKET = "worker", "data"

CODE = """
import datetime, json, botocore.session

session = botocore.session.get_session()

def handler(event, context):
    now = datetime.datetime.now(datetime.timezone.utc)
    print(json.dumps({
        "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [
            {"Namespace": "Work", "Dimensions": [["Job"], []], "Metrics": [{"Name": "Held", "Unit": "Count"}]}]},
        "Job": "job", "Held": event.get("held", 1)}))
    seen = {"event": event, "now": now.isoformat(), "name": context.function_name}
    if "fail" in event:
        raise RuntimeError(event["fail"])
    session.create_client("s3").put_object(Bucket="data", Key="store/seen", Body=json.dumps(seen).encode())
    return seen
"""


def allow(actions: list[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def make_role(aws: LocalAws, name: str, service: str, *statements: dict[str, Any]) -> str:
    """A role for a service; its ARN."""
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=document(*statements))
    return arn


LOGS = allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"arn:aws:logs:*:*:log-group:/aws/lambda/{NAME}:*")
STORE = allow(["s3:PutObject"], f"arn:aws:s3:::{BUCKET}/store/*")
FAILURES = allow(["sqs:SendMessage"], "arn:aws:sqs:*:*:failures")


def make_function(aws: LocalAws, *statements: dict[str, Any]) -> str:
    """The function, a bucket, and a queue for failures; its ARN."""
    aws.client("s3").create_bucket(Bucket=BUCKET)
    aws.client("sqs").create_queue(QueueName="failures")
    role = make_role(aws, NAME, "lambda", *(statements or (LOGS, STORE, FAILURES)))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as package:
        package.writestr("worker.py", CODE)
    return aws.client("lambda").create_function(
        FunctionName=NAME,
        Runtime="python3.13",
        Handler="worker.handler",
        Role=role,
        Code={"ZipFile": body.getvalue()},
        Timeout=60,
    )["FunctionArn"]


def seen(aws: LocalAws) -> dict[str, Any]:
    """What the function saw last."""
    return json.loads(aws.client("s3").get_object(Bucket=BUCKET, Key="store/seen")["Body"].read())


def total(aws: LocalAws, namespace: str, name: str, **dimensions: str) -> float | None:
    """A metric's sum over the last day and the next two hours; None without any sample."""
    metric = {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    now = aws.clock.now()
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=now - timedelta(days=1), EndTime=now + timedelta(hours=2)
    )
    values = answer["MetricDataResults"][0]["Values"]
    return sum(values) if values else None


def messages(aws: LocalAws, queue: str) -> list[dict[str, Any]]:
    """What waits in a queue, parsed; it stays there."""
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    ).get("Messages", [])
    return [
        {"body": json.loads(message["Body"]), "attributes": message.get("MessageAttributes", {})} for message in found
    ]
