"""Lambda on the double's clock: what its service does around an invocation that the emulator behind carries out.

Sources: GUIDE = the Lambda developer guide ("Asynchronous invocation", "Types of metrics for Lambda functions", "Sending logs to CloudWatch
Logs"); INFERRED = not documented.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from elastic_iac.local.clock import Clock
from elastic_iac.local.embedded_metrics import embedded
from elastic_iac.local.metrics import Metrics
from elastic_iac.local.permissions import Clients, Permissions
from elastic_iac.local.rules import stamp
from elastic_iac.local.wire import AwsError, Request, Response

PRINCIPAL = "lambda.amazonaws.com"
# GUIDE, error handling of asynchronous invocation: a minute before the first retry, two before the second. INFERRED: after a throttle, a minute.
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=2))
DEFAULT_RETRIES, DEFAULT_AGE_SECONDS = 2, 21_600  # API, PutFunctionEventInvokeConfig
_SETTLE_SECONDS = 960.0

Act = Callable[[str, str, str, str], None]
"""Notes down what a service did in a role's name: principal, service, action, region."""


@dataclass(frozen=True)
class Event:
    """An asynchronous invocation that waits in Lambda's queue until `due`."""

    name: str
    region: str
    payload: Any
    received: datetime
    due: datetime
    attempt: int = 1
    request_id: str = ""


@dataclass(frozen=True)
class _Outcome:
    throttled: bool
    error: str | None
    payload: Any


class Functions:
    """Invocations: their metrics and logs, and the queue of the asynchronous ones."""

    def __init__(
        self, clock: Clock, metrics: Metrics, permissions: Permissions, clients: Clients, act: Act, *, unattended: bool
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._permissions = permissions
        self._clients = clients
        self._act = act
        self._unattended = unattended
        self._waiting: list[Event] = []
        self._running = 0
        self._state = threading.Condition()
        self._read_streams: set[tuple[str, str, str]] = set()

    def handle(self, request: Request, send: Callable[[Request], Response]) -> Response:
        """Pass a call on, and publish what an invocation of a caller who waits for it leaves behind."""
        function = request.function
        if function is None or request.headers.get("x-amz-invocation-type", "RequestResponse") != "RequestResponse":
            return send(request)
        began = time.monotonic()
        response = send(request)
        if response.status in {200, 429}:
            error = next((value for name, value in response.headers.items() if name.lower() == _ERROR_HEADER), None)
            outcome = _Outcome(response.status == 429, error, None)
            self._publish(_name(function), request.region, outcome, time.monotonic() - began)
        return response

    def accept(self, arn: str, payload: Any) -> None:
        """Take an asynchronous invocation into the queue; where nothing is to run unattended, it stays undone."""
        if not self._unattended:
            return
        now = self._clock.now()
        event = Event(_name(arn), arn.split(":")[3], payload, now, now, request_id=str(uuid4()))
        self._metrics.publish(event.region, "AWS/Lambda", _count("AsyncEventsReceived", event.name, received=1, at=now))
        with self._state:
            self._running += 1
        threading.Thread(target=self._attempt, args=(event,), daemon=True).start()

    def next_retry(self) -> datetime | None:
        """When an event in the queue is tried again."""
        with self._state:
            return min((event.due for event in self._waiting), default=None)

    def retry(self) -> None:
        """Try again what is due now, and wait for its end."""
        now = self._clock.now()
        with self._state:
            due = [event for event in self._waiting if event.due <= now]
            self._waiting = [event for event in self._waiting if event.due > now]
            self._running += len(due)
        for event in due:
            self._attempt(event)

    def settle(self) -> None:
        """Wait until no asynchronous invocation is under way; those that wait for a retry stay in the queue.

        Raises:
            TimeoutError: one takes longer than any function may.
        """
        with self._state:
            if not self._state.wait_for(lambda: self._running == 0, timeout=_SETTLE_SECONDS):
                raise TimeoutError(f"{self._running} asynchronous invocations are still under way")

    def reset(self) -> None:
        """Forget all events, once those under way have ended."""
        self.settle()
        with self._state:
            self._waiting.clear()
            self._read_streams.clear()

    def _attempt(self, event: Event) -> None:
        try:
            self._try(event)
        finally:
            with self._state:
                self._running -= 1
                self._state.notify_all()

    def _try(self, event: Event) -> None:
        client = self._clients("lambda", event.region)
        settings: dict[str, Any] = {}
        with suppress(client.exceptions.ResourceNotFoundException):  # the defaults hold
            settings = client.get_function_event_invoke_config(FunctionName=event.name)
        now = self._clock.now()
        age = timedelta(seconds=settings.get("MaximumEventAgeInSeconds", DEFAULT_AGE_SECONDS))
        if now - event.received > age:
            self._drop(event, settings, "EventAgeExceeded", None)
            return
        try:
            outcome = self._invoke(event)
        except client.exceptions.ResourceNotFoundException:
            return  # INFERRED: the events of a function that was deleted go with it
        if outcome.throttled:
            self._wait(replace(event, due=now + RETRY_AFTER[0]))
        elif outcome.error is not None:
            if event.attempt > settings.get("MaximumRetryAttempts", DEFAULT_RETRIES):
                self._drop(event, settings, "RetriesExhausted", outcome)
            else:
                self._wait(replace(event, due=now + RETRY_AFTER[event.attempt - 1], attempt=event.attempt + 1))

    def _wait(self, event: Event) -> None:
        with self._state:
            self._waiting.append(event)

    def _invoke(self, event: Event) -> _Outcome:
        client = self._clients("lambda", event.region)
        began = time.monotonic()
        try:
            answer = client.invoke(FunctionName=event.name, Payload=json.dumps(event.payload).encode())
            outcome = _Outcome(False, answer.get("FunctionError"), json.loads(answer["Payload"].read() or b"null"))
        except client.exceptions.TooManyRequestsException:
            outcome = _Outcome(True, None, None)
        self._publish(event.name, event.region, outcome, time.monotonic() - began)
        return outcome

    def _publish(self, name: str, region: str, outcome: _Outcome, seconds: float) -> None:
        """GUIDE: a throttled request is no invocation; Errors are published as 0 or 1 with each, so that their average is the error rate."""
        now = self._clock.now()
        if outcome.throttled:
            self._metrics.publish(region, "AWS/Lambda", _count("Throttles", name, received=1, at=now))
            return
        for metric, value in (("Invocations", 1), ("Errors", int(outcome.error is not None)), ("Throttles", 0)):
            self._metrics.publish(region, "AWS/Lambda", _count(metric, name, received=value, at=now))
        duration = {**_count("Duration", name, received=seconds * 1000, at=now), "Unit": "Milliseconds"}
        self._metrics.publish(region, "AWS/Lambda", duration)
        self._read_logs(name, region)

    def _read_logs(self, name: str, region: str) -> None:
        """Take the metrics out of the new log streams; a function whose role may not write logs has neither logs nor metrics."""
        function = self._clients("lambda", region).get_function_configuration(FunctionName=name)
        group = function.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
        logs = self._clients("logs", region)
        account = function["FunctionArn"].split(":")[4]
        for stream in self._new_streams(logs, region, group):
            arn = f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}"
            if not all(self._may(function["Role"], "logs", action, arn, region) for action in _LOG_ACTIONS):
                logs.delete_log_stream(logGroupName=group, logStreamName=stream)
                continue
            for message in _messages(logs, group, stream):
                self.embed(region, message)

    def embed(self, region: str, message: str) -> None:
        """Publish the metrics of a log event."""
        for namespace, datum in embedded(message):
            self._metrics.publish(region, namespace, datum)

    def _new_streams(self, logs: Any, region: str, group: str) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
        with self._state:
            found = {(region, group, stream["logStreamName"]) for page in pages for stream in page["logStreams"]}
            new = found - self._read_streams
            self._read_streams |= new
        return [stream for _, _, stream in sorted(new)]

    def _drop(self, event: Event, settings: dict[str, Any], condition: str, outcome: _Outcome | None) -> None:
        """GUIDE: the record of an event that is given up goes to the on-failure destination, in the name of the function's role."""
        destination = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination is None:
            return
        function = self._clients("lambda", event.region).get_function_configuration(FunctionName=event.name)
        record = {
            "version": "1.0",
            "timestamp": stamp(self._clock.now()),
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": f"{function['FunctionArn']}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": event.attempt if outcome else event.attempt - 1,
            },
            "requestPayload": event.payload,
        }
        if outcome is not None:
            record["responseContext"] = {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": outcome.error,
            }
            record["responsePayload"] = outcome.payload
        if not self.deliver(PRINCIPAL, function["Role"], destination, json.dumps(record), event.region):
            failed = _count("DestinationDeliveryFailures", event.name, received=1, at=self._clock.now())
            self._metrics.publish(event.region, "AWS/Lambda", failed)

    def deliver(
        self, principal: str, role: str, arn: str, body: str, region: str, attributes: dict[str, str] | None = None
    ) -> bool:
        """Send a message to a queue or a topic in a role's name; False where that is not allowed, or it is not there."""
        service, name = arn.split(":")[2], arn.rsplit(":", 1)[1]
        action = {"sqs": "SendMessage", "sns": "Publish"}.get(service)
        if action is None:
            raise AwsError("ValidationException", f"the double delivers to queues and topics only, not to {arn}")
        if not self._may(role, service, action, arn, region, principal):
            return False
        client = self._clients(service, region)
        texts = {
            key: {"DataType": "String", "StringValue": value} for key, value in (attributes or {}).items() if value
        }
        try:
            if service == "sqs":
                url = client.get_queue_url(QueueName=name)["QueueUrl"]
                client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=texts)
            else:
                client.publish(TopicArn=arn, Message=body, MessageAttributes=texts)
        except client.exceptions.ClientError:
            return False
        return True

    def _may(self, role: str, service: str, action: str, arn: str, region: str, principal: str = PRINCIPAL) -> bool:
        self._act(principal, service, action, region)
        return self._permissions.allowed(role, f"{service}:{action}", arn, region)


_ERROR_HEADER = "x-amz-function-error"
_LOG_ACTIONS = ("CreateLogStream", "PutLogEvents")  # GUIDE, execution role


def _name(function: str) -> str:
    """The name in a name, an ARN or a part of one."""
    return function.rsplit(":function:", maxsplit=1)[-1].partition(":")[0]


def _count(metric: str, function: str, *, received: float, at: datetime) -> dict[str, Any]:
    dimensions = [{"Name": "FunctionName", "Value": function}]
    return {"MetricName": metric, "Dimensions": dimensions, "Timestamp": at, "Unit": "Count", "Value": received}


def _messages(logs: Any, group: str, stream: str) -> list[str]:
    messages: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        messages += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token.get("nextToken"):  # API: the same token again at the end
            return messages
        token = {"nextToken": page["nextForwardToken"]}
