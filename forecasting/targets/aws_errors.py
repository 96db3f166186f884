"""What AWS answers, in the words of `forecasting.errors`: what may be retried, what holds a fleet, what a person must mend."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from forecasting.aws_denials import DENIED, cause_of
from forecasting.errors import CredentialsError, ElasticIacError, Hold, TargetError, TargetNotFoundError

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
    UnauthorizedSSOTokenError,
)

_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequestsException",
        "SlowDown",
    }
)

_CONTENTION = frozenset(
    {
        "ResourceContention",
        "ResourceContentionFault",
        "ScalingActivityInProgress",
        "ScalingActivityInProgressFault",
        "AlreadyExists",
        "AlreadyExistsFault",
    }
)
"""Two writers at one group. `AlreadyExists` also answers concurrent puts of distinct names, so it is tried again before it counts."""


def code_of(error: Exception) -> str:
    """AWS's error code, or the exception's name where there is none."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def message_of(error: Exception) -> str:
    """AWS's message, or the exception's text if AWS did not answer."""
    return str(error.response.get("Error", {}).get("Message", "")) if isinstance(error, ClientError) else str(error)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a little later: throttling, contention, 5xx, a broken connection."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = code_of(error)
        return code in _THROTTLED | _CONTENTION or status >= 500
    return isinstance(error, BotoCoreError) and not isinstance(error, (*_NO_CREDENTIALS, NoRegionError))


def translate(error: Exception, operation: str, subject: str) -> ElasticIacError:
    """Our error for one of botocore's. Of a credentials error it carries the cause alone: AWS's own text may quote keys.

    Args:
        error: A `ClientError` or `BotoCoreError`.
        operation: What was called, e.g. `PutScheduledUpdateGroupAction`.
        subject: What it was called on, e.g. `Auto Scaling group 'web' in eu-central-1`.
    """
    code = code_of(error)
    where = f"{operation} on {subject}"
    if isinstance(error, _NO_CREDENTIALS):
        return CredentialsError(f"{where}: no usable AWS credentials ({code}); set AWS_PROFILE or the AWS_* variables")
    if code in DENIED:
        return CredentialsError(f"{where}: AWS answered {code}: {cause_of(code, message_of(error))}")
    if (held := _held(error, code, where)) is not None:
        return held
    message = message_of(error)
    if code == "ValidationError" and "not found" in message.lower():
        return TargetNotFoundError(f"{subject} does not exist (deleted, renamed, or another account's); AWS: {message}")
    return TargetError(f"{where}: AWS refused ({code}: {message})")


def _held(error: Exception, code: str, where: str) -> Hold | None:
    """What passes by itself or needs a decision, but is not broken: nothing is written and the next run tries again."""
    if code in _THROTTLED:
        return Hold("throttled", f"{where}: AWS throttled every attempt ({code})")
    if code in _CONTENTION:
        return Hold("contention", f"{where}: somebody else is changing the group ({code})")
    if code in {"LimitExceeded", "LimitExceededFault"}:
        return Hold("limit-exceeded", f"{where}: the group has no room for another scheduled action")
    if is_transient(error):
        return Hold("unreachable", f"{where}: AWS could not be reached or failed ({code})")
    return None
