"""Faults to inject: which calls, and what happens to them.

gcp.faults.add(rate_limited(action="regionAutoscalers.patch"))
gcp.faults.add(operation_error("QUOTA_EXCEEDED", action="regionAutoscalers.patch"))
gcp.faults.add(reset(service="storage", after=True))
gcp.faults.add(partial_series())
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, Unpack

from elastic_iac.local.gcp.wire import GcpError
from elastic_iac.local.striking import InForce


@dataclass(frozen=True)
class Fault:
    """What happens to which calls.

    A call matches where `service` (compute, monitoring, storage, ...), `action` (e.g. `regionAutoscalers.patch`), `resource` (the last name in
    its path) and `mutating` agree (None: any). Matching calls are counted from when the fault was added; it strikes the `nth` and the ones
    after it, `times` in all (None: until cleared).

    Attributes:
        status: HTTP status of the error that is answered (None: no error), with `reason` and `message`; over gRPC the code that goes with it.
        drop: The connection is reset instead of an answer (gRPC: UNAVAILABLE).
        after: The call is applied first; otherwise nothing is applied.
        delay_seconds: How long the call waits before it is judged.
        operation_code: The call is accepted, but its operation ends DONE with this code in `error.errors`, and nothing is applied.
        partial: ListTimeSeries leaves out the older half of every series and says so in `execution_errors`.
    """

    service: str | None = None
    action: str | None = None
    resource: str | None = None
    mutating: bool | None = None
    nth: int = 1
    times: int | None = 1
    status: int | None = None
    reason: str | None = None
    message: str = "injected fault"
    drop: bool = False
    after: bool = False
    delay_seconds: float = 0.0
    operation_code: str | None = None
    partial: bool = False

    def matches(self, service: str, action: str, resource: str, *, mutating: bool) -> bool:
        """Whether the call is one of those meant."""
        return (
            self.service in {None, service}
            and self.action in {None, action}
            and self.resource in {None, resource}
            and self.mutating in {None, mutating}
        )

    @property
    def error(self) -> GcpError | None:
        """The error that is answered."""
        return GcpError(self.status, self.message, self.reason) if self.status else None


class Match(TypedDict, total=False):
    """Which calls a fault strikes, and whether before or after they are applied; see `Fault`."""

    service: str | None
    action: str | None
    resource: str | None
    mutating: bool | None
    nth: int
    times: int | None
    after: bool


def rate_limited(**match: Unpack[Match]) -> Fault:
    """403 `rateLimitExceeded`, as Compute answers too many calls (over gRPC RESOURCE_EXHAUSTED is `too_many_requests`)."""
    return Fault(status=403, reason="rateLimitExceeded", message="Rate Limit Exceeded", **match)


def quota_exceeded(**match: Unpack[Match]) -> Fault:
    """403 `quotaExceeded`: the call itself is refused."""
    return Fault(status=403, reason="quotaExceeded", message="Quota 'CPUS' exceeded. Limit: 24.0", **match)


def too_many_requests(**match: Unpack[Match]) -> Fault:
    """429, over gRPC RESOURCE_EXHAUSTED."""
    return Fault(status=429, reason="rateLimitExceeded", message="Quota exceeded for quota metric", **match)


def unavailable(**match: Unpack[Match]) -> Fault:
    """503, over gRPC UNAVAILABLE."""
    return Fault(status=503, reason="backendError", message="Service Unavailable", **match)


def server_error(**match: Unpack[Match]) -> Fault:
    """500, before the call is applied or, with `after=True`, although it was."""
    return Fault(status=500, reason="backendError", message="Internal Error", **match)


def forbidden(**match: Unpack[Match]) -> Fault:
    """403 `forbidden`: a permission is missing."""
    return Fault(status=403, reason="forbidden", message="The caller does not have permission", **match)


def expired_token(**match: Unpack[Match]) -> Fault:
    """401: the token is expired or revoked."""
    return Fault(status=401, reason="authError", message="Request had invalid authentication credentials.", **match)


def reset(**match: Unpack[Match]) -> Fault:
    """The connection is reset, before the call is applied or, with `after=True`, once it was."""
    return Fault(drop=True, **match)


def delay(seconds: float, **match: Unpack[Match]) -> Fault:
    """The call waits."""
    return Fault(delay_seconds=seconds, **match)


def kill(nth: int) -> Fault:
    """The client dies at its nth change, to whatever service: from then on no change is applied and none is answered, until cleared."""
    return Fault(mutating=True, nth=nth, times=None, drop=True)


def operation_error(code: str, **match: Unpack[Match]) -> Fault:
    """The operation ends DONE with an error inside, e.g. `QUOTA_EXCEEDED`; the change is not made."""
    return Fault(operation_code=code, message=f"{code}: injected fault", **match)


def partial_series(**match: Unpack[Match]) -> Fault:
    """ListTimeSeries answers OK with `execution_errors` and without the older half of the points."""
    meant: Match = {"service": "monitoring", "action": "timeSeries.list", **match}
    return Fault(partial=True, **meant)


class Faults(InForce[Fault]):
    """The faults in force."""

    def strike(self, service: str, action: str, resource: str, *, mutating: bool) -> tuple[Fault, ...]:
        """Count the call and say which faults strike it."""
        return self.struck(lambda fault: fault.matches(service, action, resource, mutating=mutating))


class CallQuota:
    """Grants so many calls in each minute of the clock, as Google counts rate quotas (Compute Engine, rate quotas).

    Args:
        per_minute: Calls granted.
        now: The time (aware).
    """

    def __init__(self, per_minute: int, now: Callable[[], datetime]) -> None:
        self._per_minute = per_minute
        self._now = now
        self._minute: datetime | None = None
        self._made = 0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take one call.

        Raises:
            GcpError: 403 `rateLimitExceeded`: the minute has none left.
        """
        with self._lock:
            minute = self._now().replace(second=0, microsecond=0)
            if minute != self._minute:
                self._minute, self._made = minute, 0
            if self._made >= self._per_minute:
                raise GcpError(403, "Rate Limit Exceeded", "rateLimitExceeded")
            self._made += 1
