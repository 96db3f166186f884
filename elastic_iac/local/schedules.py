"""EventBridge Scheduler on the double's clock: the emulator behind keeps the schedules, and the double fires them.

Sources: API = the EventBridge Scheduler API reference; GUIDE = its user guide; INFERRED = not documented.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import uuid4

from elastic_iac.local.clock import Clock
from elastic_iac.local.functions import Functions
from elastic_iac.local.permissions import Permissions
from elastic_iac.local.rules import ACCOUNT, stamp
from elastic_iac.local.schedule_times import occurrences
from elastic_iac.local.wire import AwsError, Request, Response, root_scope

PRINCIPAL = "scheduler.amazonaws.com"
DEFAULT_RETRIES, DEFAULT_AGE_SECONDS = 185, 86_400  # API, RetryPolicy: the defaults, which are also the most
_PATH = re.compile(r"/schedules/([^/]+)")

Invoke = Callable[[Request], Response]
"""Makes a call of the service's own, in sight of faults and the record."""


@dataclass(frozen=True)
class Schedule:
    """A schedule as it was put, and its next moment (UTC); None once there is none."""

    name: str
    group: str
    region: str
    settings: Mapping[str, Any]
    created: datetime
    next: datetime | None = None

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:scheduler:{self.region}:{ACCOUNT}:schedule/{self.group}/{self.name}"

    @property
    def due(self) -> datetime | None:
        """When it fires next: at its moment, or at some repeatable point of its flexible window."""
        if self.next is None or self.settings.get("State", "ENABLED") != "ENABLED":
            return None
        window = timedelta(minutes=self.settings["FlexibleTimeWindow"].get("MaximumWindowInMinutes", 0))
        share = random.Random(f"{self.arn}/{self.next.isoformat()}").random()  # noqa: S311 - a test's chance
        return self.next + window * share

    def moved(self, after: datetime) -> Schedule:
        """The schedule at its first moment after `after`. API: none before its start date, none past its end date."""
        start, end = (_moment(self.settings.get(name)) for name in ("StartDate", "EndDate"))
        later = occurrences(
            self.settings["ScheduleExpression"],
            self.settings.get("ScheduleExpressionTimezone", "UTC"),
            start or self.created,
            max(after, start - timedelta(microseconds=1)) if start else after,
        )
        found = next(later, None)
        return replace(self, next=None if found is not None and end is not None and found > end else found)


@dataclass(frozen=True)
class _Delivery:
    """One firing that is still to reach its target."""

    schedule: Schedule
    scheduled: datetime
    due: datetime
    first: datetime
    execution_id: str
    attempt: int = 1


class Schedules:
    """The schedules of all regions."""

    def __init__(self, clock: Clock, functions: Functions, permissions: Permissions, invoke: Invoke) -> None:
        self._clock = clock
        self._functions = functions
        self._permissions = permissions
        self._invoke = invoke
        self._schedules: dict[tuple[str, str, str], Schedule] = {}
        self._retries: list[_Delivery] = []

    def handle(self, request: Request, send: Callable[[Request], Response]) -> Response:
        """Carry out a call, and remember what it schedules.

        Raises:
            AwsError: as EventBridge Scheduler refuses it.
        """
        parts = urlsplit(request.path)
        named = _PATH.fullmatch(parts.path)
        if not request.mutating or not parts.path.startswith("/schedule"):
            return send(request)
        asked: dict[str, Any] = json.loads(request.body or b"{}")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        group = asked.get("GroupName") or query.get("groupName", "default")
        schedule: Schedule | None = None
        if named and request.method != "DELETE":
            now = self._clock.now()
            # A microsecond early: what falls on this very moment still is to fire.
            schedule = Schedule(unquote(named[1]), group, request.region, asked, now).moved(
                now - timedelta(microseconds=1)
            )
            self._check(schedule)
        response = send(request)
        if response.status >= 400:
            return response
        if schedule is not None:
            self._schedules[request.region, group, schedule.name] = schedule
        elif named:
            self._schedules.pop((request.region, group, unquote(named[1])), None)
        elif request.method == "DELETE":  # API, DeleteScheduleGroup: its schedules go with it
            gone = unquote(parts.path.rsplit("/", 1)[-1])
            self._schedules = {key: held for key, held in self._schedules.items() if key[:2] != (request.region, gone)}
        return response

    def next_due(self) -> datetime | None:
        """When something fires next."""
        moments = [schedule.due for schedule in self._schedules.values()] + [retry.due for retry in self._retries]
        return min((moment for moment in moments if moment is not None), default=None)

    def fire(self) -> None:
        """Fire what is due now, and wait until the functions have ended: the clock stands still meanwhile."""
        now = self._clock.now()
        due = [delivery for delivery in self._retries if delivery.due <= now]
        self._retries = [delivery for delivery in self._retries if delivery.due > now]
        for key, schedule in list(self._schedules.items()):
            if schedule.next is not None and schedule.due is not None and schedule.due <= now:
                due.append(_Delivery(schedule, schedule.next, now, now, str(uuid4())))
                self._schedules[key] = schedule.moved(schedule.next)
        for delivery in sorted(due, key=lambda item: (item.due, item.schedule.arn)):
            self._deliver(delivery)
        self._functions.settle()

    def reset(self) -> None:
        """Forget all schedules."""
        self._schedules.clear()
        self._retries.clear()

    def _deliver(self, delivery: _Delivery) -> None:
        schedule = delivery.schedule
        target = schedule.settings["Target"]
        payload = _payload(delivery)
        if not self._permissions.allowed(target["RoleArn"], "lambda:InvokeFunction", target["Arn"], schedule.region):
            # INFERRED, after the event bus of the same service: without permission or target there is no retry.
            self._give_up(delivery, payload, "AccessDeniedException", retriable=False)
            return
        response = self._invoke(_invocation(target["Arn"], payload, schedule.region))
        if response.status < 400:
            return
        retriable = response.status == 429 or response.status >= 500
        code = json.loads(response.body).get("__type", "UnknownError")
        policy = target.get("RetryPolicy", {})
        later = self._clock.now() + timedelta(
            minutes=2 ** (delivery.attempt - 1)
        )  # INFERRED: backing off from a minute
        age = timedelta(seconds=policy.get("MaximumEventAgeInSeconds", DEFAULT_AGE_SECONDS))
        tried_enough = delivery.attempt > policy.get("MaximumRetryAttempts", DEFAULT_RETRIES)
        if not retriable or tried_enough or later - delivery.first > age:
            self._give_up(delivery, payload, code, retriable=retriable)
        else:
            self._retries.append(replace(delivery, due=later, attempt=delivery.attempt + 1))

    def _give_up(self, delivery: _Delivery, payload: str, code: str, *, retriable: bool) -> None:
        """GUIDE, dead-letter queue: the target's input, with what went wrong as attributes, in the name of the schedule's role."""
        target = delivery.schedule.settings["Target"]
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if queue is None:
            return
        attributes = {
            "ERROR_CODE": code,
            "RETRY_ATTEMPTS": str(delivery.attempt - 1),
            "SCHEDULE_ARN": delivery.schedule.arn,
            "TARGET_ARN": target["Arn"],
            "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts" if retriable else "",
        }
        self._functions.deliver(PRINCIPAL, target["RoleArn"], queue, payload, delivery.schedule.region, attributes)

    def _check(self, schedule: Schedule) -> None:
        settings = schedule.settings
        window = settings.get("FlexibleTimeWindow", {})
        minutes = window.get("MaximumWindowInMinutes")
        if (window.get("Mode") == "FLEXIBLE") != (minutes is not None):  # API, FlexibleTimeWindow
            raise _invalid("MaximumWindowInMinutes is given with the mode FLEXIBLE, and only with it.")
        if minutes is not None and not 1 <= minutes <= 1440:
            raise _invalid(f"MaximumWindowInMinutes: {minutes} is not 1 to 1440.")
        start, end = (_moment(settings.get(name)) for name in ("StartDate", "EndDate"))
        if start and end and start >= end:  # API, EndDate
            raise _invalid("EndDate must come after StartDate.")
        target = settings["Target"]
        if target["Arn"].split(":")[2] != "lambda":
            raise _invalid(f"the double invokes functions only, not {target['Arn']}")
        if "Input" in target:
            _parsed(target["Input"])
        policy = target.get("RetryPolicy", {})
        for name, least, most in (
            ("MaximumRetryAttempts", 0, DEFAULT_RETRIES),  # API, RetryPolicy
            ("MaximumEventAgeInSeconds", 60, DEFAULT_AGE_SECONDS),
        ):
            if not least <= policy.get(name, most) <= most:
                raise _invalid(f"{name}: {policy[name]} is not {least} to {most}.")
        if not self._permissions.trusts(target["RoleArn"], PRINCIPAL, schedule.region):  # API, Target.RoleArn
            raise _invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")


def _payload(delivery: _Delivery) -> str:
    schedule = delivery.schedule
    text = schedule.settings["Target"].get("Input")
    if text is None:  # GUIDE, templated targets: what a function gets where no input is given
        event = {
            "version": "0",
            "id": delivery.execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT,
            "time": stamp(delivery.scheduled),
            "region": schedule.region,
            "resources": [schedule.arn],
            "detail": "{}",
        }
        return json.dumps(event)
    values = {  # GUIDE, context attributes
        "schedule-arn": schedule.arn,
        "scheduled-time": stamp(delivery.scheduled),
        "execution-id": delivery.execution_id,
        "attempt-number": str(delivery.attempt),
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _invalid(f"Target.Input is not JSON, which a function needs: {error}") from error  # INFERRED


def _invocation(function_arn: str, payload: str, region: str) -> Request:
    path = f"/2015-03-31/functions/{quote(function_arn, safe='')}/invocations"
    headers = {
        "authorization": root_scope("lambda", region),
        "x-amz-invocation-type": "Event",
        "content-type": "application/json",
    }
    return Request("POST", path, headers, payload.encode(), region, "lambda", "Invoke", caller=PRINCIPAL)


def _moment(given: Any) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, int | float):
        return datetime.fromtimestamp(given, UTC)
    return datetime.fromisoformat(given)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
