"""Functions, policies and embedded metrics: what the bare emulator does not do around an invocation."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.embedded_metrics import embedded
from tests.doubles import GROUP, action_names, create_group, put_action, refused
from tests.functions import (
    BUCKET,
    FAILURES,
    LOGS,
    NAME,
    STORE,
    allow,
    make_function,
    make_role,
    messages,
    seen,
    total,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PUT = "autoscaling:PutScheduledUpdateGroupAction"
OF_GROUP = f"arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/{GROUP}"


def client_as(aws: LocalAws, role: str, service: str, **keys: str) -> Any:
    """A client with a role's credentials, some of them replaced."""
    given = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session: Any = boto3.session.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=keys.get("secret", given["SecretAccessKey"]),
        aws_session_token=given["SessionToken"],
        region_name=aws.region,
    )
    return session.client(service, endpoint_url=aws.endpoint_url)


def test_what_the_double_answers_itself_needs_permission_too(policed: LocalAws) -> None:
    create_group(policed.client("autoscaling"))
    role = make_role(policed, "reader", "lambda", allow(["autoscaling:DescribeScheduledActions"], "*"))
    client = client_as(policed, role, "autoscaling")
    assert client.describe_scheduled_actions(AutoScalingGroupName=GROUP)["ScheduledUpdateGroupActions"] == []
    now = policed.clock.now()
    assert PUT in refused("AccessDenied", put_action, client, "a", now + HOUR)
    refused("AccessDenied", client.describe_auto_scaling_groups)
    refused("AccessDenied", client.suspend_processes, AutoScalingGroupName=GROUP)
    refused("AccessDenied", client.set_desired_capacity, AutoScalingGroupName=GROUP, DesiredCapacity=9)
    metrics = client_as(policed, role, "cloudwatch")
    refused("AccessDeniedException", metrics.get_metric_data, MetricDataQueries=[], StartTime=now - HOUR, EndTime=now)
    data = [{"MetricName": "m", "Value": 1.0}]
    refused("AccessDeniedException", metrics.put_metric_data, Namespace="Work", MetricData=data)
    assert (action_names(policed.client("autoscaling")), total(policed, "Work", "m")) == ([], None)


def test_a_signature_by_a_wrong_secret_is_refused(policed: LocalAws) -> None:
    create_group(policed.client("autoscaling"))
    role = make_role(policed, "writer", "lambda", allow(["autoscaling:*"], "*"))
    client = client_as(policed, role, "autoscaling", secret="wrong")
    refused("SignatureDoesNotMatch", client.describe_scheduled_actions, AutoScalingGroupName=GROUP)


@pytest.mark.parametrize(
    ("sizes", "allowed"),
    [
        ({"MinSize": 2}, True),
        ({"MinSize": 9}, True),
        ({"MinSize": 1}, False),
        ({"MinSize": 10}, False),
        ({"MaxSize": 30}, False),
        ({"MinSize": 3, "MaxSize": 30}, False),
        ({"DesiredCapacity": 4}, False),
    ],
)
def test_conditions_on_sizes_hold(policed: LocalAws, sizes: dict[str, int], allowed: bool) -> None:
    """The bare emulator knows no such condition key: it would let nothing through, or everything."""
    create_group(policed.client("autoscaling"))
    bounds = {
        "NumericGreaterThanEqualsIfExists": {"autoscaling:MinSize": "2"},
        "NumericLessThanEqualsIfExists": {"autoscaling:MinSize": "9"},
    }
    deny = {"Effect": "Deny", "Action": PUT, "Resource": "*"}
    role = make_role(
        policed,
        "writer",
        "lambda",
        {**allow([PUT], OF_GROUP), "Condition": bounds},
        {**deny, "Condition": {"Null": {"autoscaling:MinSize": "true"}}},
        {**deny, "Condition": {"Null": {"autoscaling:MaxSize": "false"}}},
    )
    client, start = client_as(policed, role, "autoscaling"), policed.clock.now() + HOUR
    if allowed:
        put_action(client, "a", start, GROUP, **sizes)
    else:
        refused("AccessDenied", put_action, client, "a", start, GROUP, **sizes)
    assert (action_names(policed.client("autoscaling")) == ["a"]) is allowed


def test_a_function_runs_on_the_doubles_clock_under_its_role_and_through_the_double(policed: LocalAws) -> None:
    make_function(policed, LOGS, STORE)
    policed.clock.advance(timedelta(days=3))
    answer = policed.client("lambda").invoke(FunctionName=NAME, Payload=b'{"held": 2}')
    shown = json.loads(answer["Payload"].read())
    assert (shown["event"], shown["name"]) == ({"held": 2}, NAME)
    ran = datetime.fromisoformat(shown["now"])
    assert timedelta(0) <= ran - policed.clock.now() < HOUR
    (put,) = [
        call for call in policed.calls if call.service == "s3" and call.caller != "test" and call.action == "PutObject"
    ]
    assert put.status == 200
    policed.client("iam").put_role_policy(
        RoleName=NAME, PolicyName="may", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [LOGS]})
    )
    refusal = policed.client("lambda").invoke(FunctionName=NAME, Payload=b"{}")
    assert refusal["FunctionError"]
    assert b"AccessDenied" in refusal["Payload"].read()


def test_an_invocation_leaves_metrics_and_a_log(policed: LocalAws) -> None:
    make_function(policed)
    client = policed.client("lambda")
    client.invoke(FunctionName=NAME, Payload=b'{"held": 3}')
    client.invoke(FunctionName=NAME, Payload=b'{"fail": "asked"}')
    counts = [total(policed, "AWS/Lambda", name, FunctionName=NAME) for name in ("Invocations", "Errors", "Throttles")]
    assert counts == [2, 1, 0]
    assert (total(policed, "AWS/Lambda", "Duration", FunctionName=NAME) or 0) > 0
    # A metric of its own for each set of dimensions, and one without any.
    assert (total(policed, "Work", "Held", Job="job"), total(policed, "Work", "Held")) == (4, 4)
    events = policed.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{NAME}")["events"]
    assert any("RuntimeError: asked" in event["message"] for event in events)


def test_without_the_right_to_log_there_is_neither_a_log_nor_a_metric(policed: LocalAws) -> None:
    make_function(policed, STORE)
    policed.client("lambda").invoke(FunctionName=NAME, Payload=b"{}")
    assert seen(policed)["event"] == {}
    assert policed.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{NAME}")["events"] == []
    assert total(policed, "Work", "Held", Job="job") is None
    assert total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME) == 1


def test_an_asynchronous_invocation_is_repeated_on_the_clock_and_then_reported(policed: LocalAws) -> None:
    make_function(policed)
    failures = "arn:aws:sqs:us-east-1:000000000000:failures"
    client = policed.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=NAME, DestinationConfig={"OnFailure": {"Destination": failures}}
    )
    client.invoke(FunctionName=NAME, InvocationType="Event", Payload=b'{"fail": "asked"}')
    policed.settle()
    tries = [total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME)]
    for minutes in (1, 2):
        policed.clock.advance(minutes * MINUTE)
        tries.append(total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME))
    assert tries == [1, 2, 3]
    (record,) = [message["body"] for message in messages(policed, "failures")]
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert (record["requestPayload"], record["responsePayload"]["errorMessage"]) == ({"fail": "asked"}, "asked")
    policed.clock.advance(HOUR)
    assert total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME) == 3


def test_an_event_past_its_age_is_given_up(policed: LocalAws) -> None:
    make_function(policed, LOGS)  # it may not report either
    client = policed.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=NAME,
        MaximumEventAgeInSeconds=60,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:failures"}},
    )
    client.invoke(FunctionName=NAME, InvocationType="Event", Payload=b'{"fail": "asked"}')
    policed.settle()
    policed.clock.advance(10 * MINUTE)
    assert total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME) == 2
    assert messages(policed, "failures") == []
    assert total(policed, "AWS/Lambda", "DestinationDeliveryFailures", FunctionName=NAME) == 1


def test_without_policies_nothing_runs_by_itself(aws: LocalAws) -> None:
    """The demo deploys the job, and runs it itself."""
    make_function(aws, LOGS, STORE, FAILURES)
    aws.client("lambda").invoke(FunctionName=NAME, InvocationType="Event", Payload=b"{}")
    aws.settle()
    aws.clock.advance(HOUR)
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=BUCKET)


def notify(aws: LocalAws, function: str) -> None:
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {
                    "LambdaFunctionArn": function,
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "settings/"}]}},
                }
            ]
        },
    )


def test_a_new_object_invokes_the_function_that_lets_the_bucket_in(policed: LocalAws) -> None:
    function = make_function(policed)
    s3, rule = policed.client("s3"), "Unable to validate"
    assert rule in refused("InvalidArgument", notify, policed, function)
    permit = {"FunctionName": NAME, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    policed.client("lambda").add_permission(StatementId="other", SourceArn="arn:aws:s3:::other", **permit)
    refused("InvalidArgument", notify, policed, function)
    policed.bare_client("s3").put_bucket_notification_configuration(  # the bare emulator takes it
        Bucket=BUCKET,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    policed.client("lambda").add_permission(StatementId="this", SourceArn=f"arn:aws:s3:::{BUCKET}", **permit)
    notify(policed, function)
    s3.put_object(Bucket=BUCKET, Key="else/job.json", Body=b"{}")
    s3.put_object(Bucket=BUCKET, Key="settings/job.json", Body=b"{}")
    policed.settle()
    (record,) = seen(policed)["event"]["Records"]
    assert record["s3"]["object"]["key"] == "settings/job.json"
    assert total(policed, "AWS/Lambda", "Invocations", FunctionName=NAME) == 1


@pytest.mark.parametrize(
    ("changes", "metrics"),
    [
        ({}, [("Work", "Held", [1.0])]),
        ({"Held": [1, 2.5]}, [("Work", "Held", [1.0, 2.5])]),
        ({"Held": "many"}, []),
        ({"Held": True}, []),
        ({"Held": []}, []),
        ({"Held": [1] * 101}, []),
        ({"Job": 7}, []),
        ({"_aws": {"CloudWatchMetrics": []}}, []),
        ({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "Work"}]}}, []),
    ],
)
def test_an_event_that_breaks_the_format_yields_no_metric(changes: dict[str, Any], metrics: list[Any]) -> None:
    directive = {"Namespace": "Work", "Dimensions": [["Job"]], "Metrics": [{"Name": "Held"}]}
    event = {"_aws": {"Timestamp": 1_770_000_000_000, "CloudWatchMetrics": [directive]}, "Job": "job", "Held": 1}
    found = embedded(json.dumps({**event, **changes}))
    assert [(namespace, datum["MetricName"], datum["Values"]) for namespace, datum in found] == metrics


@pytest.mark.parametrize("message", ["plain text", '{"_aws": ', '{"_aws": 3}', '["_aws"]', '"_aws"'])
def test_what_is_no_embedded_metric_is_passed_over(message: str) -> None:
    assert embedded(message) == []
