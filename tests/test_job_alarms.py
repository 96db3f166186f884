"""Alarms of a deployed job as its component declares them, fed with what its function logs."""

from __future__ import annotations

import importlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

import pytest
from pulumi.runtime import mocks

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.embedded_metrics import embedded
from forecasting.invocation.metrics import job_metrics
from forecasting.invocation.summary import FleetLine, Summary
from tests import gcp_job_args, job_args
from tests.fleets import NOW
from tests.recording import Mocks, Recorder

MINUTE = timedelta(minutes=1)
STACKS = ("dev", "prod")


class OneOf(Mocks):
    """A cloud that gives each stack's resources names of their own, as Pulumi's automatic names are."""

    def __init__(self, stack: str) -> None:
        super().__init__()
        self.stack = stack

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        name, outputs = super().new_resource(args)
        renamed = json.loads(json.dumps(outputs, default=str).replace(f'{args.name}-0"', f'{args.name}-{self.stack}"'))
        return (f"{name}-{self.stack}" if name else name), renamed


def summary(now: datetime, *, failing: bool = False) -> Summary:
    line = FleetLine("web", "written", now, launches_failing=failing)
    return Summary("job", "full", "run", now, 2.0, (line,), 5.0)


# AWS: CloudWatch's own rules, in the emulator


@dataclass
class Aws:
    """The alarms of one stack in CloudWatch, and the function that feeds them."""

    aws: LocalAws
    stack: str
    module: Any
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def declare(self, *keys: str) -> None:
        recorder, _ = job_args.declare(job_args.MINIMAL, cloud=OneOf(self.stack))
        for key in keys:
            found = recorder.one(":MetricAlarm", f"job-alarm-{key}").inputs
            asked = {name[0].upper() + name[1:]: value for name, value in found.items() if name != "tags"}
            asked |= {"AlarmActions": [], "OKActions": [], "AlarmName": f"{self.stack}-{key}"}
            asked.pop("OkActions")
            asked["Dimensions"] = [{"Name": name, "Value": value} for name, value in found["dimensions"].items()]
            self.aws.client("cloudwatch").put_metric_alarm(**asked)

    def log(self, made: Summary) -> None:
        """Log a run as the function of this stack does; Lambda makes metrics of it."""
        self.monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", f"job-function-{self.stack}")
        self.capsys.readouterr()
        self.module._report_all(made)
        for line in self.capsys.readouterr().out.splitlines():
            for namespace, datum in embedded(line):
                datum["Timestamp"] = self.aws.clock.now()  # powertools takes the machine's
                self.aws.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])

    def state(self, key: str) -> str:
        found = self.aws.client("cloudwatch").describe_alarms(AlarmNames=[f"{self.stack}-{key}"])
        return found["MetricAlarms"][0]["StateValue"]


@pytest.fixture
def stacks(
    policed: LocalAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Aws]]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "elastic-iac")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "ElasticIac")
    policed.reset(now=NOW)
    module = importlib.import_module("forecasting.entrypoints.aws_lambda")
    yield {stack: Aws(policed, stack, module, capsys, monkeypatch) for stack in STACKS}
    logging.getLogger("forecasting").handlers = []
    logging.getLogger("forecasting").propagate = True


def test_on_aws_launches_that_fail_raise_their_alarm_and_clear_it(stacks: dict[str, Aws]) -> None:
    stack, key = stacks["prod"], "launches-failing"
    stack.declare(key)
    for failing, state in ((False, "OK"), (True, "ALARM"), (False, "OK")):
        stack.log(summary(stack.aws.clock.now(), failing=failing))
        stack.aws.clock.advance(16 * MINUTE)
        assert stack.state(key) == state


def test_on_aws_a_stacks_silent_job_is_not_masked_by_anothers_of_its_name(stacks: dict[str, Aws]) -> None:
    dev, prod = stacks.values()
    for stack in (dev, prod):
        stack.declare("plan-old")
        stack.log(summary(stack.aws.clock.now()))
    dev.aws.clock.advance(MINUTE)
    for _ in range(4):  # prod's schedule is off, for longer than CloudWatch looks back for missing data
        dev.log(summary(dev.aws.clock.now()))
        dev.aws.clock.advance(30 * MINUTE)
    assert (dev.state("plan-old"), prod.state("plan-old")) == ("OK", "ALARM")
    prod.log(summary(prod.aws.clock.now()))
    prod.aws.clock.advance(16 * MINUTE)
    assert prod.state("plan-old") == "OK"


def test_on_aws_a_message_in_the_failure_queue_raises_its_alarm_until_it_is_gone(stacks: dict[str, Aws]) -> None:
    stack, key = stacks["prod"], "failure-queue"
    stack.declare(key)
    of_queue = {
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": "job-failures-prod"}],
    }
    for messages, state in ((0, "OK"), (2, "ALARM"), (0, "OK")):
        datum = {**of_queue, "Value": messages, "Timestamp": stack.aws.clock.now()}
        stack.aws.client("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[datum])
        stack.aws.clock.advance(6 * MINUTE)
        assert stack.state(key) == state


# Google Cloud: the emulator keeps alert policies and evaluates none; here what the declared filters and thresholds say


@dataclass
class Google:
    """The log-based metrics and alert policies of one stack."""

    stack: str
    recorder: Recorder

    @property
    def service(self) -> str:
        return f"job-function-{self.stack}"

    def points(self, metric: str, labels: Mapping[str, str], lines: list[tuple[str, dict[str, Any]]]) -> list[float]:
        """The values that the metric takes from lines of services."""
        (found,) = (each for each in self.recorder.of("metric:Metric") if self._name(each.name) == metric)
        measured = found.inputs["valueExtractor"].removeprefix("EXTRACT(jsonPayload.metrics.").rstrip(")")
        return [
            line["metrics"][measured]
            for service, line in lines
            if all(_holds(term, service, line) for term in found.inputs["filter"].split(" AND "))
            and all(line[label] == value for label, value in labels.items())
        ]

    def _name(self, resource: str) -> str:
        return f"logging.googleapis.com/user/{resource}-{self.stack}"

    def fires(self, key: str, lines: list[tuple[str, dict[str, Any]]]) -> bool:
        """Whether the policy fires on what was logged in the time that its conditions look back."""
        policy = self.recorder.one(":AlertPolicy", f"alert-{key}").inputs
        return any(self._met(each["conditionThreshold"], lines) for each in policy["conditions"])

    def _met(self, condition: Mapping[str, Any], lines: list[tuple[str, dict[str, Any]]]) -> bool:
        terms = dict(term.split("=", 1) for term in condition["filter"].split(" AND "))
        labels = {
            name.rsplit(".", 1)[1]: value.strip('"')
            for name, value in terms.items()
            if name.startswith("metric.labels")
        }
        values = self.points(terms["metric.type"].strip('"'), labels, lines)
        if not values:
            return condition.get("evaluationMissingData") == "EVALUATION_MISSING_DATA_ACTIVE"
        reducer = condition["aggregations"][0]["crossSeriesReducer"]
        value = {"REDUCE_COUNT": len, "REDUCE_MEAN": fmean}[reducer](values)
        threshold = condition["thresholdValue"]
        return value > threshold if condition["comparison"] == "COMPARISON_GT" else value < threshold


def _holds(term: str, service: str, line: Mapping[str, Any]) -> bool:
    if match := re.fullmatch(r'resource\.labels\.service_name=~"(.*)"', term):
        return bool(re.search(match[1], service))
    if match := re.fullmatch(r"jsonPayload\.metrics\.(\w+)>=0", term):
        return line["metrics"].get(match[1], -1) >= 0
    assert term == 'resource.type="cloud_run_revision"'
    return True


def google(stack: str, args: Any = gcp_job_args.MINIMAL) -> Google:
    return Google(stack, gcp_job_args.declare(args, cloud=OneOf(stack))[0])


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a function logs of a run."""
    module: Any = importlib.import_module("forecasting.entrypoints.gcp_function")

    def log(made: Summary, service: str) -> tuple[str, dict[str, Any]]:
        capsys.readouterr()
        module._measure("done", {"job": made.job}, job_metrics(made), {})
        (line,) = capsys.readouterr().out.splitlines()
        return service, json.loads(line)

    return log


def test_on_google_cloud_launches_that_fail_raise_their_alert_and_clear_it(logged: Any) -> None:
    prod = google("prod")
    for failing in (False, True, False):
        lines = [logged(summary(NOW, failing=failing), prod.service)]
        assert prod.fires("launches-failing", lines) is failing


def test_on_google_cloud_a_stacks_silent_job_is_not_masked_by_anothers_of_its_name(logged: Any) -> None:
    dev, prod = google("dev"), google("prod")
    lines = [logged(summary(NOW), dev.service)]
    assert (dev.fires("plan-old", lines), prod.fires("plan-old", lines)) == (False, True)
    lines.append(logged(summary(NOW), prod.service))
    assert not prod.fires("plan-old", lines)
    failing = [logged(summary(NOW, failing=True), dev.service), lines[1]]
    assert (dev.fires("launches-failing", failing), prod.fires("launches-failing", failing)) == (True, False)


def test_an_alarm_names_the_job_and_its_bucket() -> None:
    """Two stacks' jobs have one name; their buckets have not."""
    for stack in STACKS:
        on_aws, _ = job_args.declare(job_args.MINIMAL, cloud=OneOf(stack))
        for alarm in on_aws.of(":MetricAlarm"):
            assert alarm.inputs["alarmDescription"].startswith(f"job (job-bucket-id-{stack}): ")
        for alert in google(stack).recorder.of(":AlertPolicy"):
            assert alert.inputs["documentation"]["content"].startswith(f"job (job-bucket-{stack}): ")
