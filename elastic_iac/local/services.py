"""The services that the double knows rules of, in front of the emulator that carries out the rest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from elastic_iac.local import alarms, wire
from elastic_iac.local.alarms import Alarms
from elastic_iac.local.autoscaling import AutoScaling, no_jitter
from elastic_iac.local.clock import Clock
from elastic_iac.local.functions import Act, Functions
from elastic_iac.local.metrics import Metrics
from elastic_iac.local.permissions import Clients, Permissions, names_service
from elastic_iac.local.schedules import Invoke, Schedules
from elastic_iac.local.wire import AwsError, Request, Response

Send = Callable[[Request], Response]

_METRIC_DATA = frozenset({"GetMetricData", "PutMetricData"})
_NOTIFIED = re.compile(rb"<CloudFunction>([^<]+)</CloudFunction>")

_DEEP_LEARNING_IMAGE = re.compile(r"/aws/service/deeplearning/ami/[a-z0-9_]+/[a-z0-9.-]+/latest/ami-id")


class Services:
    """One of each, on one clock."""

    def __init__(self, clock: Clock, send: Send, clients: Clients, act: Act, invoke: Invoke, *, policies: bool) -> None:
        self._send = send
        self._clients = clients
        self.permissions = Permissions(send, clients, enforced=policies)
        self.autoscaling = AutoScaling(clock, send)
        self.metrics = Metrics(clock, send)
        self.alarms = Alarms(clock, self.metrics, clients)
        self.functions = Functions(clock, self.metrics, self.permissions, clients, act, unattended=policies)
        self.schedules = Schedules(clock, self.functions, self.permissions, invoke)
        self._handlers: dict[tuple[str, str], Send] = {  # by service and action; without one, all others of the service
            **{("monitoring", action): partial(self.alarms.handle, send=send) for action in alarms.HANDLED},
            ("lambda", ""): partial(self.functions.handle, send=send),
            ("scheduler", ""): partial(self.schedules.handle, send=send),
            ("logs", "PutLogEvents"): self._put_log_events,
            ("ssm", "GetParameter"): self._get_parameter,
            ("s3", "PUT notification"): self._put_notification,
        }
        clock.bind(self.autoscaling.run_due)
        if policies:
            # While a function runs, the clock stands.
            clock.bind(lambda _until: self.functions.settle())
            clock.wake(self.functions.next_retry, self.functions.retry)
            clock.wake(self.schedules.next_due, self.schedules.fire)
            clock.wake(self.alarms.next_evaluation, self.alarms.evaluate)

    def apply(self, request: Request) -> Response:
        """Carry out a call.

        Raises:
            AwsError: as AWS refuses it.
        """
        service, action = request.service, request.action
        if service == "autoscaling":
            return self.permissions.refusal(request) or self.autoscaling.handle(request)
        if action in _METRIC_DATA:
            return self.permissions.refusal(request) or self.metrics.handle(request)
        return self._handlers.get((service, action), self._handlers.get((service, ""), self._pass))(request)

    def _pass(self, request: Request) -> Response:
        return self._send(request)

    def reset(self) -> None:
        """Forget everything."""
        self.functions.reset()
        self.schedules.reset()
        self.alarms.reset()
        self.autoscaling.reset()
        self.autoscaling.jitter = no_jitter
        self.metrics.reset()

    def _get_parameter(self, request: Request) -> Response:
        """Public parameters of deep learning images, which AWS has and the emulator has not."""
        name = json.loads(request.body).get("Name", "")
        if not _DEEP_LEARNING_IMAGE.fullmatch(name):
            return self._send(request)
        image = f"ami-{hashlib.sha256(name.encode()).hexdigest()[:17]}"
        arn = f"arn:aws:ssm:{request.region}::parameter{name}"
        parameter = {"Name": name, "Type": "String", "Value": image, "Version": 1, "ARN": arn, "DataType": "text"}
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        return Response(200, headers, json.dumps({"Parameter": parameter}).encode())

    def _put_log_events(self, request: Request) -> Response:
        response = self._send(request)
        if response.status < 400:
            for event in json.loads(request.body)["logEvents"]:
                self.functions.embed(request.region, event["message"])
        return response

    def _put_notification(self, request: Request) -> Response:
        """S3 tries the destinations before it takes a notification (S3 user guide, "Granting permissions to publish event notification messages")."""
        bucket = f"arn:aws:s3:::{request.path.strip('/').partition('?')[0]}"
        for found in _NOTIFIED.findall(request.body) if self.permissions.enforced else []:
            arn = found.decode()
            if not self._lets_in(arn, bucket, request.region):
                message = f"Unable to validate the following destination configurations: {arn}"
                return wire.error_response(request, AwsError("InvalidArgument", message))
        return self._send(request)

    def _lets_in(self, function_arn: str, bucket_arn: str, region: str) -> bool:
        client: Any = self._clients("lambda", region)
        try:
            policy = client.get_policy(FunctionName=function_arn)["Policy"]
        except client.exceptions.ResourceNotFoundException:
            return False
        return names_service(policy, "s3.amazonaws.com", bucket_arn)
