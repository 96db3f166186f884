"""Cause of a denied call to AWS, in words that do not quote a key or a signature.

AWS's own message of a refused signature may quote the request with its token, so it is not shown. Parts of it that hold no
secret are: the two times of an expired signature, and the sentence that names who denied an action (IAM user guide,
"Troubleshoot access denied error messages").
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
"""Codes that no retry helps."""

_REGION = (
    "the key is not known there: the region is not enabled for the account (an opt-in region), or the key was deleted"
)
_CLOCK = "the clock of this machine and AWS's differ by minutes: set it right (NTP)"
_EXPIRED = "the credentials have expired: renew them (`aws sso login`, or a new session)"
_SECRET = "the secret key is not the key's, or the clock of this machine is wrong"  # noqa: S105 - no password
_CAUSES: Mapping[str, str] = {
    "AuthFailure": _REGION,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidAccessKeyId": _REGION,
    "InvalidClientTokenId": _REGION,
    "InvalidSignatureException": _SECRET,
    "OptInRequired": "the region or the service is not enabled for the account: enable it in the account's settings",
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "SignatureDoesNotMatch": _SECRET,
    "UnrecognizedClientException": _REGION,
}
_TIMES = re.compile(
    r"Signature (?:expired|not yet current): [0-9TZ]{10,20} is (?:now |still )?(?:earlier|later) than"
    r" [0-9TZ]{10,20}(?: \([^()]{1,40}\))?"
)
_ACTION = re.compile(r"not authorized to perform: [\w:*-]{1,80}(?: on resource: \S{1,200})?")
_WHY = re.compile(r"(?:with an explicit deny in|because no) [^\n]{1,300}?(?=\. |\.?$)", re.MULTILINE)


def cause_of(code: str, message: str) -> str:
    """Explain why AWS denied a call, and what to do.

    Args:
        code: AWS's error code, one of `DENIED`.
        message: AWS's message; no more of it is shown than what is known to hold no secret.
    """
    if times := _TIMES.search(message):
        return f"{_CLOCK}; AWS: {times[0]}"
    if why := _WHY.search(message):
        action = _ACTION.search(message)
        return f"{action[0] if action else 'denied'} {why[0]}{_policy_advice(why[0])}"
    return _CAUSES.get(code, "the credentials may not do this: allow it in their IAM policy")


def _policy_advice(why: str) -> str:
    if "service control policy" in why:
        return " (a service control policy of the organization: its administrators allow it, no IAM policy does)"
    return ""
