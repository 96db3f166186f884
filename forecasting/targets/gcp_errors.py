"""What Compute Engine answers, in the words of `forecasting.errors`: what may be retried, what holds a fleet, what a person must mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forecasting.errors import CredentialsError, ElasticIacError, Hold, TargetError, TargetNotFoundError

_RATE_LIMITS = frozenset(
    {
        "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
        "RATE_LIMIT_EXCEEDED",
        "concurrentLimitExceeded",
        "concurrentOperationsQuotaExceeded",
        "rateLimitExceeded",
        "userRateLimitExceeded",
    }
)
"""Reasons of a 403 (and codes inside an operation) that pass by themselves. (Compute Engine, "Best practices: rate quotas".)"""

_CONTENTION = frozenset({"RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "RESOURCE_NOT_READY", "RESOURCE_OPERATION_CONFLICT"})


class RefusalError(Exception):
    """Compute refused a call, or an operation ended in an error, or nothing came back.

    Attributes:
        status: HTTP status; 0 where there was no answer.
        codes: Reasons of the answer, or codes of the operation's errors.
        message: What Google said.
        in_operation: The call was accepted, and its operation failed.
    """

    def __init__(self, status: int, codes: Sequence[str], message: str, *, in_operation: bool = False) -> None:
        self.status = status
        self.codes = tuple(codes)
        self.message = message[:300]
        self.in_operation = in_operation
        super().__init__(f"{status} {', '.join(self.codes)}: {self.message}")

    @property
    def passes(self) -> bool:
        """Whether it may be tried again: rate limits, contention, failures of Google's and of the network."""
        return bool((_RATE_LIMITS | _CONTENTION) & {*self.codes}) or self.status in {0, 429} or self.status >= 500


@dataclass(frozen=True)
class Call:
    """What was called on what, and which permission that takes, for messages."""

    name: str
    subject: str
    permissions: str


def refusal_of(status: int, document: Mapping[str, Any]) -> RefusalError:
    """The refusal in an answer's body, `{"error": {"message", "errors": [{"reason"}], "details": [{"reason"}]}}`."""
    error: Any = document.get("error", {})
    if not isinstance(error, dict):  # what is between us and Google may answer anything
        return RefusalError(status, [], "")
    said: dict[str, Any] = error  # pyright: ignore[reportUnknownVariableType]
    items: list[dict[str, Any]] = [*said.get("errors", []), *said.get("details", [])]
    return RefusalError(status, [item["reason"] for item in items if "reason" in item], str(said.get("message", "")))


def failure_of(operation: Mapping[str, Any]) -> RefusalError | None:
    """The errors of an operation that is DONE. They may stand there although its HTTP status says nothing (measured), so they are always read."""
    errors: list[dict[str, Any]] = operation.get("error", {}).get("errors", [])
    status = int(operation.get("httpErrorStatusCode", 0))
    if not errors and status < 400:
        return None
    codes = [str(error.get("code", "")) for error in errors]
    message = "; ".join(str(error.get("message", "")) for error in errors) or str(operation.get("httpErrorMessage", ""))
    return RefusalError(status or 400, codes, message, in_operation=True)


def translate(refusal: RefusalError, call: Call) -> ElasticIacError:
    """Our error for a refusal."""
    where = f"{call.name} on {call.subject}"
    code = ", ".join(refusal.codes) or (f"HTTP {refusal.status}" if refusal.status else "no answer")
    if (held := _held(refusal, where, code)) is not None:
        return held
    if refusal.status == 401:
        return CredentialsError(f"{where}: the credentials are expired or not accepted ({code})")
    if refusal.status == 403:
        said = f"{code}: {refusal.message}" if refusal.message else code
        return CredentialsError(f"{where}: Google Cloud answered 403 ({said}); the job needs {call.permissions}")
    if refusal.status == 404:
        text = f"{call.subject} does not exist (deleted, renamed, or in another project or location)"
        return TargetNotFoundError(text)
    return TargetError(f"{where}: Google Cloud refused ({code}: {refusal.message})")


def _held(refusal: RefusalError, where: str, code: str) -> Hold | None:
    """What passes by itself or needs a decision, but is not broken: nothing is written and the next run tries again."""
    said = f"{code}: {refusal.message}"
    if _RATE_LIMITS & {*refusal.codes} or refusal.status == 429:
        return Hold("throttled", f"{where}: Google Cloud throttled every attempt ({code})")
    if _CONTENTION & {*refusal.codes} or refusal.status == 412:
        return Hold("contention", f"{where}: somebody else is changing the autoscaler ({said})")
    if refusal.passes:
        return Hold("unreachable", f"{where}: Google Cloud could not be reached or failed ({code})")
    if any("quota" in each.lower() for each in refusal.codes):
        return Hold("limit-exceeded", f"{where}: a quota is used up ({said})")
    if refusal.in_operation:
        return Hold("operation-failed", f"{where}: the call was accepted, and its operation failed ({said})")
    return None
