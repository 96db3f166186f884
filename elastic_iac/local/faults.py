"""Faults to inject: which calls, and what happens to them.

aws.faults.add(throttle(action="PutScheduledUpdateGroupAction", nth=3))
aws.faults.add(reset(after=True, times=2))
aws.faults.add(kill(nth=5))
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, Unpack

from elastic_iac.local.striking import InForce
from elastic_iac.local.wire import AwsError, Request


@dataclass(frozen=True)
class Fault:
    """What happens to which calls.

    A call matches where `service`, `action`, `group` and `mutating` agree (None: any). Matching calls are counted from when the fault was
    added; it strikes the `nth` and the ones after it, `times` in all (None: until cleared).

    Attributes:
        code: Code of the error that is answered, with `status` and `message`.
        drop: The connection is reset instead of an answer.
        after: The call is applied first; otherwise nothing is applied.
        delay_seconds: How long the call waits before it is judged.
        metric_status: StatusCode of every result of a GetMetricData (`PartialData`, `InternalError`, `Forbidden`); its values are withheld,
            of `PartialData` the older half.
        item_code: Error code of the first item of a batch call, inside its 200.
        concurrent_puts: Of two writes of scheduled actions in flight to one group, the second is answered `AlreadyExists`.
    """

    service: str | None = "autoscaling"
    action: str | None = None
    group: str | None = None
    mutating: bool | None = None
    nth: int = 1
    times: int | None = 1
    code: str | None = None
    message: str = "injected fault"
    status: int = 400
    drop: bool = False
    after: bool = False
    delay_seconds: float = 0.0
    metric_status: str | None = None
    item_code: str | None = None
    concurrent_puts: bool = False

    def matches(self, request: Request) -> bool:
        """Whether the call is one of those meant."""
        return (
            self.service in {None, request.service}
            and self.action in {None, request.action}
            and self.group in {None, request.group}
            and self.mutating in {None, request.mutating}
        )

    @property
    def error(self) -> AwsError | None:
        """The error that is answered."""
        return AwsError(self.code, self.message, self.status) if self.code else None


class Match(TypedDict, total=False):
    """Which calls a fault strikes, and whether before or after they are applied; see `Fault`."""

    service: str | None
    action: str | None
    group: str | None
    mutating: bool | None
    nth: int
    times: int | None
    after: bool


def throttle(**match: Unpack[Match]) -> Fault:
    """400 `Throttling`, which every retry mode of botocore retries."""
    return Fault(code="Throttling", message="Rate exceeded", **match)


def request_limit_exceeded(**match: Unpack[Match]) -> Fault:
    """400 `RequestLimitExceeded`, which botocore retries in standard and adaptive mode only."""
    return Fault(code="RequestLimitExceeded", message="Request limit exceeded.", **match)


def slow_down(**match: Unpack[Match]) -> Fault:
    """503 `SlowDown` (S3) or `ServiceUnavailable`."""
    return Fault(code="SlowDown" if match.get("service") == "s3" else "ServiceUnavailable", status=503, **match)


def server_error(**match: Unpack[Match]) -> Fault:
    """500 `InternalFailure`, before the call is applied or, with `after=True`, although it was."""
    return Fault(code="InternalFailure", status=500, **match)


def reset(**match: Unpack[Match]) -> Fault:
    """The connection is reset, before the call is applied or, with `after=True`, once it was."""
    return Fault(drop=True, **match)


def delay(seconds: float, **match: Unpack[Match]) -> Fault:
    """The call waits."""
    return Fault(delay_seconds=seconds, **match)


def resource_contention(**match: Unpack[Match]) -> Fault:
    """500 `ResourceContention`: another change of the group is pending."""
    return Fault(code="ResourceContention", message="You already have a pending update", status=500, **match)


def access_denied(**match: Unpack[Match]) -> Fault:
    """403 `AccessDenied`."""
    return Fault(code="AccessDenied", message="User is not authorized to perform this action", status=403, **match)


def expired_token(**match: Unpack[Match]) -> Fault:
    """403 `ExpiredToken`."""
    return Fault(
        code="ExpiredToken", message="The security token included in the request is expired", status=403, **match
    )


def kill(nth: int) -> Fault:
    """The client dies at its nth change, to whatever service: from then on no change is applied and none is answered, until cleared."""
    return Fault(service=None, mutating=True, nth=nth, times=None, drop=True)


def metric_status(status: str, **match: Unpack[Match]) -> Fault:
    """GetMetricData answers 200 with this StatusCode."""
    meant: Match = {"service": "monitoring", "action": "GetMetricData", **match}
    return Fault(metric_status=status, **meant)


def failed_item(code: str = "ResourceContention", **match: Unpack[Match]) -> Fault:
    """The first item of a batch call fails inside a 200."""
    return Fault(item_code=code, **match)


def refuse_concurrent_puts() -> Fault:
    """Two writes in flight to one group: the second fails with `AlreadyExists`, until cleared."""
    return Fault(concurrent_puts=True, times=None)


class Faults(InForce[Fault]):
    """The faults in force."""

    def strike(self, request: Request) -> tuple[Fault, ...]:
        """Count the call and say which faults strike it."""
        return self.struck(lambda fault: fault.matches(request))

    def listed(self) -> list[dict[str, Any]]:
        """The faults in force, as JSON values."""
        return [asdict(fault) for fault in self.standing()]


class WriteLimit:
    """Grants so many mutating calls a second, and as many at once after a quiet time: a token bucket, as AWS describes its request limits.

    Args:
        per_second: Calls granted.
        seconds: The time, in seconds that only grow.
    """

    def __init__(self, per_second: float, seconds: Callable[[], float]) -> None:
        self._per_second = per_second
        self._seconds = seconds
        self._tokens, self._at = per_second, seconds()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take one call's token.

        Raises:
            AwsError: `Throttling`: there is none.
        """
        with self._lock:
            now = self._seconds()
            self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second)
            self._at = now
            if self._tokens < 1:
                raise AwsError("Throttling", "Rate exceeded")
            self._tokens -= 1
