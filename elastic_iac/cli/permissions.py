"""What the doctor asks AWS about rights and limits. IAM's own simulator answers; nothing is tried, nothing is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from elastic_iac.aws.forecast_job.iam import DELETE, PUT, reads, write_policy
from elastic_iac.cli.check import Check
from forecasting.errors import SettingsError
from forecasting.settings import AwsTarget, Fleet, Job, S3Store
from forecasting.targets.aws_errors import code_of

KEPT_UNRESERVED = 100
"""Concurrent executions that AWS keeps unreserved in every account (Lambda developer guide, reserved concurrency)."""

_STORE_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


_ROLE = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")


@dataclass(frozen=True)
class Principal:
    """Whose rights are asked for: `arn` is a role or user of `account` in `partition`."""

    arn: str
    partition: str
    account: str


def principal_of(session: Any, role_arn: str | None) -> Principal:
    """The role, or who is calling: of an assumed role, the role (one without a path: the session's name does not tell it).

    Raises:
        SettingsError: the role is no ARN.
        ClientError, BotoCoreError: AWS does not answer.
    """
    if role_arn is not None and not _ROLE.fullmatch(role_arn):
        raise SettingsError("--role", role_arn, "an IAM role's ARN, such as arn:aws:iam::111122223333:role/NAME")
    caller: str = session.client("sts").get_caller_identity()["Arn"]
    arn = role_arn or caller
    _, partition, service, _, account, name = arn.split(":", 5)
    if service == "sts" and name.startswith("assumed-role/"):
        arn = f"arn:{partition}:iam::{account}:role/{name.split('/')[1]}"
    return Principal(arn, partition, account)


def check_permissions(job: Job, fleets: Sequence[Fleet], role_arn: str | None) -> Iterator[Check]:
    """Whether the role (else: who is calling) may do for these fleets all that the job does.

    Args:
        job: Whose store is asked for too.
        fleets: Those on AWS are checked.
        role_arn: The function's role; None for the caller.
    """
    ours = [fleet for fleet in fleets if isinstance(fleet.target, AwsTarget)]
    if not ours:
        return
    try:
        session: Any = boto3.session.Session()
        principal = principal_of(session, role_arn)
        if principal.arn.endswith(":root"):
            yield Check(
                "job",
                "permissions",
                "ok",
                "the account's root may do everything; give --role to check the function's role",
            )
            return
        iam = session.client("iam")
        yield from _reads(iam, principal, ours)
        for fleet in ours:
            yield _writes(iam, principal, fleet)
        if isinstance(job.store, S3Store):
            yield _records(iam, principal, job.store)
    except (ClientError, BotoCoreError) as error:
        yield Check(
            "job",
            "permissions",
            "warn",
            f"could not be checked ({code_of(error)})",
            "allow yourself iam:SimulatePrincipalPolicy, or look at the role's policies",
        )


def _reads(iam: Any, principal: Principal, fleets: Sequence[Fleet]) -> Iterator[Check]:
    yield _verdict("job", "may read", principal, _refused(iam, principal, reads(fleets), "*"))


def _writes(iam: Any, principal: Principal, fleet: Fleet) -> Check:
    policy = json.loads(write_policy([fleet], partition=principal.partition, account_id=principal.account))
    arn: str = policy["Statement"][0]["Resource"]
    refused = [
        f"{action} at MinSize {size}"
        for size in dict.fromkeys((fleet.floor, fleet.ceiling))
        for action in _refused(iam, principal, (PUT,), arn, min_size=size)
    ]
    return _verdict(fleet.name, "may write", principal, [*refused, *_refused(iam, principal, (DELETE,), arn)])


def _records(iam: Any, principal: Principal, store: S3Store) -> Check:
    bucket = f"arn:{principal.partition}:s3:::{store.bucket}"
    prefix = f"{store.prefix}/" if store.prefix else ""
    refused = _refused(iam, principal, _STORE_ACTIONS, f"{bucket}/{prefix}targets/any")
    return _verdict(
        "job", "may keep records", principal, [*refused, *_refused(iam, principal, ("s3:ListBucket",), bucket)]
    )


def _refused(
    iam: Any, principal: Principal, actions: Sequence[str], resource: str, *, min_size: int | None = None
) -> list[str]:
    """The actions that IAM's simulator does not allow."""
    size = [{"ContextKeyName": "autoscaling:MinSize", "ContextKeyValues": [str(min_size)], "ContextKeyType": "numeric"}]
    answer = iam.simulate_principal_policy(
        PolicySourceArn=principal.arn,
        ActionNames=list(actions),
        ResourceArns=[resource],
        ContextEntries=[] if min_size is None else size,
    )
    results = answer["EvaluationResults"]
    return [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]


def _verdict(subject: str, name: str, principal: Principal, refused: Sequence[str]) -> Check:
    if refused:
        return Check(
            subject,
            name,
            "fail",
            f"{principal.arn}: not allowed: {', '.join(refused)}",
            "deploy the job again, or allow it",
        )
    return Check(subject, name, "ok", principal.arn)


def check_concurrency() -> Check:
    """Whether `reserved_concurrency` can be set in this account and region at all."""
    try:
        session: Any = boto3.session.Session()
        limits = session.client("lambda").get_account_settings()["AccountLimit"]
    except (ClientError, BotoCoreError) as error:
        return Check(
            "job", "concurrency", "warn", f"could not be read ({code_of(error)})", "allow lambda:GetAccountSettings"
        )
    free = int(limits["UnreservedConcurrentExecutions"]) - KEPT_UNRESERVED
    found = f"{limits['ConcurrentExecutions']} executions at once; {max(free, 0)} can still be reserved"
    if free < 1:
        return Check("job", "concurrency", "ok", f"{found}: leave reserved_concurrency out")
    return Check("job", "concurrency", "ok", found)
