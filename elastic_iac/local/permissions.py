"""IAM, where the double answers by itself and where a service acts in a role's name: the emulator behind judges, by the policies that it holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, cast

from elastic_iac.local.wire import ROOT_KEY, AwsError, Request, Response

Clients = Callable[[str, str], Any]
"""A boto3 client of the emulator, as its root, of a service and a region."""

# What the emulator answers where credentials or policies do not do; whatever else it answers is not about permission.
_REFUSALS = re.compile(
    rb"AccessDenied|AuthorizationError|UnauthorizedOperation|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken"
    rb"|InvalidClientTokenId|UnrecognizedClient|InvalidAccessKeyId|InvalidToken|ExpiredToken|NotAuthorized"
)

# Changes that the emulator must not carry out twice, and that the double does not pass on as they were signed.
_ROOT_ALONE = frozenset(
    {"CreateAutoScalingGroup", "UpdateAutoScalingGroup", "SetDesiredCapacity", "DeleteAutoScalingGroup"}
)


class Permissions:
    """Who may do what. Without policies (`enforced` False) everybody may do everything."""

    def __init__(self, send: Callable[[Request], Response], clients: Clients, *, enforced: bool) -> None:
        self.enforced = enforced
        self._send = send
        self._clients = clients

    def refusal(self, request: Request) -> Response | None:
        """What the emulator answers to a call that the double carries out itself, where it refuses it; None: the caller may.

        The call is sent on as it was signed. That it leaves the emulator with scheduled actions of its own does not matter: nobody sees or runs them.

        Raises:
            AwsError: the call would be carried out twice, and the caller is not the root.
        """
        if not self.enforced or request.caller == ROOT_KEY:
            return None
        if request.action in _ROOT_ALONE:
            raise AwsError("AccessDenied", f"the double lets only the root call {request.action}", 403)
        answer = self._send(request)
        return answer if answer.status >= 400 and _REFUSALS.search(answer.body) else None

    def allowed(self, role_arn: str, action: str, resource_arn: str, region: str) -> bool:
        """Whether a role's policies let a service do this in its name."""
        if not self.enforced:
            return True
        asked = self._clients("iam", region).simulate_principal_policy(
            PolicySourceArn=role_arn, ActionNames=[action], ResourceArns=[resource_arn]
        )
        return asked["EvaluationResults"][0]["EvalDecision"] == "allowed"

    def trusts(self, role_arn: str, service: str, region: str) -> bool:
        """Whether a role exists that this service may assume."""
        if not self.enforced:
            return True
        iam = self._clients("iam", region)
        try:
            document = iam.get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]["AssumeRolePolicyDocument"]
        except iam.exceptions.NoSuchEntityException:
            return False
        return names_service(document, service)


def names_service(document: Any, service: str, source_arn: str | None = None) -> bool:
    """Whether a statement of a policy lets a service principal in, for this source where one is given.

    Conditions on anything but the source are taken to hold.
    """
    policy = json.loads(document) if isinstance(document, str) else document
    return any(
        statement["Effect"] == "Allow"
        and service in _listed(statement.get("Principal", {}).get("Service", []))
        and all(
            any(fnmatchcase(source_arn, pattern) for pattern in _listed(wanted))
            for tests in statement.get("Condition", {}).values()
            for key, wanted in tests.items()
            if source_arn is not None and key.lower() == "aws:sourcearn"
        )
        for statement in policy.get("Statement", [])
    )


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]
