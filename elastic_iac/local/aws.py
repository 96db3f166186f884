"""The strict double of AWS: ministack behind a proxy that knows AWS's rules.

with local_aws(now=datetime(2026, 3, 1, tzinfo=UTC)) as aws:
    autoscaling = aws.client("autoscaling")
    ...
    aws.clock.advance(timedelta(hours=48))
    floor = aws.min_size_by_minute("web", start, end)
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from uuid import uuid4

from elastic_iac.local import control, wire
from elastic_iac.local.autoscaling import Jitter
from elastic_iac.local.clock import Clock
from elastic_iac.local.environment import LocalCloudError
from elastic_iac.local.faults import Faults, WriteLimit
from elastic_iac.local.launches import Launching
from elastic_iac.local.ministack import HOST, Ministack
from elastic_iac.local.proxy import Server, Upstream
from elastic_iac.local.rules import Change, Group
from elastic_iac.local.services import Services
from elastic_iac.local.wire import AwsError, ConnectionDropped, Request, Response

_ACTION_WRITES = frozenset({"PutScheduledUpdateGroupAction", "BatchPutScheduledUpdateGroupAction"})


@dataclass(frozen=True)
class Call:
    """One call as the double saw it.

    `status` is None where the connection was dropped; `applied` says whether the call took effect. `caller` is the access key that signed it, or the
    service that made it in a role's name (`lambda.amazonaws.com`, `scheduler.amazonaws.com`).
    """

    service: str
    action: str
    region: str
    params: Mapping[str, str]
    mutating: bool
    status: int | None
    applied: bool
    at: datetime
    caller: str


class LocalAws:
    """A running double. Make one with `local_aws`."""

    def __init__(self, now: datetime, region: str, *, policies: bool = False) -> None:
        self.id = uuid4().hex
        self.region = region
        self.clock = Clock(now)
        self.faults = Faults()
        self._write_limit: WriteLimit | None = None
        self.calls: list[Call] = []
        self.stop_requested = threading.Event()
        self._sessions: dict[bool, Any] = {}
        self._clients: dict[tuple[str, str, bool, str], Any] = {}
        self._start = now
        self._resets = 0
        self._flights: Counter[tuple[str, str | None]] = Counter()
        self._flight_lock = threading.Lock()
        self._server = Server(self.answer)  # before the emulator, which is told where
        self.endpoint_url = self._server.url
        try:
            self._ministack = Ministack(region, self.endpoint_url, policies=policies)
        except BaseException:
            self._server.stop()
            raise
        self.upstream_url = self._ministack.url
        self._upstream = Upstream(self._ministack.port)
        self._services = Services(
            self.clock, self._upstream.send, self._root_client, self._act, self._answer, policies=policies
        )
        self.clock.bind(self._shift)
        self._set_clock(now)

    def close(self) -> None:
        """Stop serving, and end the emulator."""
        self._server.stop()
        self._upstream.close()
        self._ministack.stop()

    def environment(self) -> dict[str, str]:
        """The environment variables that point any AWS client at the double."""
        return environment(self.endpoint_url, self.region)

    def session(self) -> Any:
        """A new boto3 session with the double's region and keys; its clients need `endpoint_url`, which `client` gives."""
        import boto3  # noqa: PLC0415 - not needed by another process that only manages the double

        return boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=self.region)  # noqa: S106

    def client(self, service: str, *, in_process: bool = False, region: str | None = None, config: Any = None) -> Any:
        """A boto3 client of the double.

        Args:
            service: e.g. `autoscaling`.
            in_process: Answer without a socket: about twice as fast, for tests that make thousands of calls.
            region: Another region than the double's.
            config: A botocore `Config`. Without one, the same client is given each time.
        """
        return self._client(service, self.endpoint_url, in_process, region or self.region, config)

    def bare_client(self, service: str) -> Any:
        """A boto3 client of the emulator behind the double, for tests that show what it wrongly accepts."""
        return self._client(service, self.upstream_url, False, self.region, None)

    def _root_client(self, service: str, region: str) -> Any:
        """A client of the emulator for what AWS's services do by themselves; an invocation is never made twice."""
        from botocore.config import Config  # noqa: PLC0415 - not needed by another process that only manages the double

        key = (service, "root", False, region)
        if key not in self._clients:
            patient = Config(read_timeout=960, retries={"total_max_attempts": 1})
            self._clients[key] = self._client(service, self.upstream_url, False, region, patient)
        return self._clients[key]

    def _client(self, service: str, url: str, in_process: bool, region: str, config: Any) -> Any:
        key = (service, url, in_process, region)
        if config is None and key in self._clients:
            return self._clients[key]
        from elastic_iac.local.transport import answer_in_process, read_times_fast  # noqa: PLC0415 - imports botocore

        if in_process not in self._sessions:
            self._sessions[in_process] = self.session()
            if in_process:
                read_times_fast(self._sessions[in_process])
        made = self._sessions[in_process].client(service, endpoint_url=url, region_name=region, config=config)
        if in_process:
            answer_in_process(made, self.answer)
        if config is None:
            self._clients[key] = made
        return made

    def reset(self, now: datetime | None = None) -> None:
        """Wipe everything: state here and in the emulator, calls, faults, jitter; the clock returns to its start, or stands at `now`."""
        self._resets += 1
        self._services.reset()
        connection = HTTPConnection(HOST, self._ministack.port, timeout=60)
        try:
            connection.request("POST", "/_ministack/reset")
            status = connection.getresponse().status
        finally:
            connection.close()
        if status != 200:
            raise LocalCloudError(f"ministack refused to reset itself: status {status}")
        self.faults.clear()
        self._write_limit = None
        self.calls.clear()
        self._set_clock(now or self._start)

    def limit_writes(self, per_second: float, seconds: Callable[[], float] | None = None) -> None:
        """Grant so many mutating calls of Auto Scaling a second, until the next reset; the others are answered `Throttling`.

        Args:
            per_second: Calls granted.
            seconds: The time, in seconds that only grow; the double's clock where it is not given.
        """
        self._write_limit = WriteLimit(per_second, seconds or (lambda: self.clock.now().timestamp()))

    def jitter(self, late: Jitter) -> None:
        """Let each action run late by what `late` says; see `seeded_jitter`."""
        self._services.autoscaling.jitter = late

    def settle(self) -> None:
        """Wait until no function that was invoked asynchronously is running."""
        self._services.functions.settle()

    def accept_invocation(self, arn: str, event: Any) -> None:
        """Take an asynchronous invocation into Lambda's queue: the emulator hands over what callers, S3 and others asked of it."""
        self._services.functions.accept(arn, event)

    def group(self, name: str, *, region: str | None = None) -> Group:
        """A copy of the double's own state of a group: sizes, actions, suspended processes, history.

        Raises:
            AwsError: there is no such group.
        """
        autoscaling = self._services.autoscaling
        with autoscaling.lock:
            return copy.deepcopy(autoscaling.group(name, region or self.region))

    def hold(self, group: str, instance_id: str, state: str, *, region: str | None = None) -> None:
        """Let an instance of the group wait in `Pending:Wait` or `Warmed:Pending:Wait`, as it does on its way through a warm pool.

        Raises:
            AwsError: there is no such group.
            ValueError: another state, or no launch hook to wait for.
        """
        autoscaling = self._services.autoscaling
        with autoscaling.lock:
            lifecycle = autoscaling.lifecycle(autoscaling.group(group, region or self.region))
            lifecycle.hold(instance_id, state, self.clock.now())

    def launch(self, group: str, boot: timedelta | Callable[[datetime], timedelta], **how: Any) -> Launching:
        """From now on let the group's instances take `boot` to come into service, with a scaling activity each.

        Args:
            group: Its name.
            boot: How long a launch takes, or does that begins at a time.
            how: Fields of `Launching`.

        Returns:
            What can be changed on the way: its outages above all.
        """
        autoscaling = self._services.autoscaling

        def takes(at: datetime) -> timedelta:
            return boot(at) if callable(boot) else boot

        with autoscaling.lock:
            held = autoscaling.group(group, self.region)
            held.launching = Launching(self.clock.now(), takes, **how)
            held.launching.begin(held)
            return held.launching

    def history(self, group: str, *, region: str | None = None) -> list[Change]:
        """The group's sizes since it was made: each change, when and by what."""
        return self.group(group, region=region).history

    def min_size_by_minute(self, group: str, start: datetime, end: datetime, *, region: str | None = None) -> list[int]:
        """MinSize in force at each minute, start <= minute < end (aware); what changes at a minute is in force at it.

        Raises:
            ValueError: the group did not exist yet at `start`, or `end` is ahead of the clock.
        """
        if end > self.clock.now() + timedelta(minutes=1):
            raise ValueError(f"end: got {end.isoformat()}; the clock stands at {self.clock.now().isoformat()}")
        return self.group(group, region=region).min_size_by_minute(start, end)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer one HTTP request.

        Raises:
            ConnectionDropped: a fault resets the connection.
        """
        if path.startswith(control.PREFIX):
            return control.answer(self, method, path, body)
        return self._answer(wire.request(method, path, headers, body, self.region))

    def _answer(self, request: Request) -> Response:
        resets = self._resets
        request = replace(request, faults=self.faults.strike(request))
        response: Response | None = None
        applied = False
        with self._in_flight(request) as alone:
            time.sleep(sum(fault.delay_seconds for fault in request.faults))
            if resets != self._resets:
                raise ConnectionDropped  # a delayed call goes with the state that it was made in
            try:
                response = _struck(request, alone=alone) or self._apply(request)
                applied = response.status < 400
                response = _struck(request, after=True) or response
                return response
            except ConnectionDropped:
                response = None
                raise
            finally:
                self._record(request, response, applied)

    def writes_in_flight(self, group: str, *, region: str | None = None) -> int:
        """How many writes of scheduled actions to the group wait for their answer."""
        return self._flights[region or self.region, group]

    @contextmanager
    def _in_flight(self, request: Request) -> Generator[bool, None, None]:
        """Whether no other write of scheduled actions to the group is under way meanwhile."""
        key = (request.region, request.group) if request.action in _ACTION_WRITES else None
        if key is None:
            yield True
            return
        with self._flight_lock:
            self._flights[key] += 1
            alone = self._flights[key] == 1
        try:
            yield alone
        finally:
            with self._flight_lock:
                self._flights[key] -= 1

    def _apply(self, request: Request) -> Response:
        try:
            if self._write_limit and request.mutating and request.service == "autoscaling":
                self._write_limit.take()
            return self._services.apply(request)
        except AwsError as error:
            return wire.error_response(request, error)

    def _record(self, request: Request, response: Response | None, applied: bool) -> None:
        self.calls.append(
            Call(
                request.service,
                request.action,
                request.region,
                request.form,
                request.mutating,
                response.status if response else None,
                applied,
                self.clock.now(),
                request.caller,
            )
        )

    def _act(self, principal: str, service: str, action: str, region: str) -> None:
        """Record what a service did in a role's name."""
        self.calls.append(Call(service, action, region, {}, True, None, True, self.clock.now(), principal))

    def _set_clock(self, moment: datetime) -> None:
        self.clock.set(moment)
        self._ahead = -math.inf
        self._shift(moment)

    def _shift(self, moment: datetime) -> None:
        """Let the emulator's time be the clock's. It runs on while the clock stands, and does not go back when that moves by less."""
        ahead = (moment - datetime.now(UTC)).total_seconds()
        self._ahead = max(self._ahead, ahead)
        self._ministack.shift(self._ahead)


def _struck(request: Request, *, after: bool = False, alone: bool = True) -> Response | None:
    """What the faults that strike at this point answer instead."""
    for fault in request.faults:
        if fault.concurrent_puts and not alone:
            return wire.error_response(request, AwsError("AlreadyExists", "Another scheduled action is being written"))
        if fault.after == after:
            if fault.drop:
                raise ConnectionDropped
            if fault.error:
                return wire.error_response(request, fault.error)
    return None


def environment(endpoint_url: str, region: str) -> dict[str, str]:
    """The environment variables that point any AWS client at a double."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # no signature is checked
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def local_aws(
    *, now: datetime | None = None, region: str = "us-east-1", policies: bool = False
) -> Generator[LocalAws, None, None]:
    """Start the double; it ends with the block, and leaves nothing behind.

    Args:
        now: Where its clock stands (aware); the present minute where it is not given.
        region: The default region of its clients.
        policies: Enforce IAM policies (the double's own clients are the root's), and let what runs unattended run: schedules and alarms on the clock,
            functions when they are invoked asynchronously. Functions then see the double's time.

    Raises:
        LocalCloudError: the emulator could not be installed or started.
    """
    double = LocalAws(now or datetime.now(UTC).replace(second=0, microsecond=0), region, policies=policies)
    try:
        yield double
    finally:
        double.close()
