"""CloudWatch's alarms on the double's clock, by its documented rules."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from elastic_iac.local.alarms import evaluate
from elastic_iac.local.aws import LocalAws
from tests.doubles import refused

MINUTE = timedelta(minutes=1)
ALARM: dict[str, Any] = {
    "AlarmName": "load",
    "Namespace": "Work",
    "MetricName": "Load",
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 10.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


# The tables of the user guide ("Configuring how CloudWatch alarms treat missing data"): X breaches, 0 does not, - is missing; then the state where
# missing data are treated as missing, ignored, breaching, not breaching. K keeps the state, I is INSUFFICIENT_DATA.
@pytest.mark.parametrize(
    ("needed", "points", "states"),
    [
        (3, "0-X-X", "OOOO"),
        (3, "----0", "OOOO"),
        (3, "-----", "IKAO"),
        (3, "0XX-X", "AAAA"),
        (3, "--X--", "AKAO"),
        (2, "0-X-X", "AAAA"),
        (2, "00X0X", "AAAA"),
        (2, "0-X--", "OOAO"),
        (2, "----0", "OOAO"),
        (2, "---X-", "AKAO"),
    ],
)
def test_missing_data_are_treated_as_the_guide_says(needed: int, points: str, states: str) -> None:
    read = [{"X": True, "0": False, "-": None}[point] for point in points]
    treatments = ("missing", "ignore", "breaching", "notBreaching")
    found = [evaluate(read, needed, 3, missing) for missing in treatments]
    names = {"O": "OK", "A": "ALARM", "I": "INSUFFICIENT_DATA", "K": None}
    assert found == [names[state] for state in states]


def put(aws: LocalAws, value: float, **changes: Any) -> None:
    aws.client("cloudwatch").put_metric_data(
        Namespace="Work",
        MetricData=[{"MetricName": "Load", "Value": value, "Timestamp": aws.clock.now(), **changes}],
    )


def state(aws: LocalAws) -> str:
    return aws.client("cloudwatch").describe_alarms(AlarmNames=["load"])["MetricAlarms"][0]["StateValue"]


def test_an_alarm_follows_the_metric_on_the_clock(policed: LocalAws) -> None:
    policed.client("cloudwatch").put_metric_alarm(**ALARM)
    put(policed, 11)
    assert state(policed) == "INSUFFICIENT_DATA", "nothing is evaluated while the clock stands"
    policed.clock.advance(MINUTE)
    assert state(policed) == "ALARM"
    put(policed, 10)
    policed.clock.advance(MINUTE)
    assert state(policed) == "OK"
    policed.clock.advance(10 * MINUTE)
    assert state(policed) == "INSUFFICIENT_DATA"
    history = policed.client("cloudwatch").describe_alarm_history(AlarmName="load", HistoryItemType="StateUpdate")
    assert len(history["AlarmHistoryItems"]) >= 3


def test_only_the_metric_of_these_dimensions_and_this_unit_counts(policed: LocalAws) -> None:
    """The bare emulator mixes all metrics of a name."""
    dimensions = [{"Name": "Job", "Value": "a"}]
    policed.client("cloudwatch").put_metric_alarm(**ALARM, Dimensions=dimensions, Unit="Count")
    put(policed, 99)
    put(policed, 99, Dimensions=[{"Name": "Job", "Value": "b"}], Unit="Count")
    put(policed, 99, Dimensions=dimensions, Unit="Seconds")
    put(policed, 1, Dimensions=dimensions, Unit="Count")
    policed.clock.advance(MINUTE)
    assert state(policed) == "OK"


def test_two_of_three_periods(policed: LocalAws) -> None:
    policed.client("cloudwatch").put_metric_alarm(
        **{**ALARM, "Period": 300, "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "TreatMissingData": "notBreaching"}
    )
    states: list[str] = []
    for value in (11, 1, 1, 11, 1, 11):
        put(policed, value)
        policed.clock.advance(5 * MINUTE)
        states.append(state(policed))
    assert states == ["OK", "OK", "OK", "OK", "OK", "ALARM"]


def test_a_state_that_is_set_lasts_until_the_next_evaluation(policed: LocalAws) -> None:
    cloudwatch = policed.client("cloudwatch")
    cloudwatch.put_metric_alarm(**{**ALARM, "TreatMissingData": "notBreaching"})
    policed.clock.advance(MINUTE)
    cloudwatch.set_alarm_state(AlarmName="load", StateValue="ALARM", StateReason="a test of the notification")
    assert state(policed) == "ALARM"
    policed.clock.advance(MINUTE)
    assert state(policed) == "OK"
    cloudwatch.delete_alarms(AlarmNames=["load"])
    put(policed, 99)
    policed.clock.advance(MINUTE)
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_a_change_of_state_is_notified(policed: LocalAws) -> None:
    sqs, sns = policed.client("sqs"), policed.client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:mail"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    policed.client("cloudwatch").put_metric_alarm(**ALARM, AlarmActions=[topic])
    put(policed, 11)
    policed.clock.advance(3 * MINUTE)
    (message,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    told = json.loads(json.loads(message["Body"])["Message"])
    assert (told["AlarmName"], told["NewStateValue"]) == ("load", "ALARM")


@pytest.mark.parametrize(
    "changes",
    [
        {"Period": 90},
        {"DatapointsToAlarm": 2},
        {"Period": 3600, "EvaluationPeriods": 169},
        {"Period": 60, "EvaluationPeriods": 1441},
        {"TreatMissingData": "sometimes"},
        {"Statistic": ""},
    ],
)
def test_an_alarm_that_cloudwatch_refuses_is_refused(aws: LocalAws, changes: dict[str, Any]) -> None:
    asked = {name: value for name, value in {**ALARM, **changes}.items() if value}
    refused("ValidationError", aws.client("cloudwatch").put_metric_alarm, **asked)
    aws.bare_client("cloudwatch").put_metric_alarm(**asked)  # the bare emulator takes it
