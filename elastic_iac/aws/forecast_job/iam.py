"""IAM policies of the forecast job, derived from its fleets. Pure functions of what is known; `designs/forecast-job-aws.md` says why they are so."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from forecasting.errors import SettingsError
from forecasting.settings import AwsTarget, Fleet

FLEETS_PER_POLICY = 15
"""Fixed, so that the number of policies follows from the number of fleets alone: ten policies hold the 150 fleets of a function."""

POLICY_CHARACTERS = 6144
"""Of a managed policy, white space not counted; ten can be attached to a role (quotas of IAM, the second one can be raised)."""

READS = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribePolicies",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeScheduledActions",
    "cloudwatch:GetMetricData",
)
"""They have no resource level (Service Authorization Reference)."""

LAUNCH_READS = ("autoscaling:DescribeLifecycleHooks",)
"""For fleets that plan by their launches (`Fleet.plans_by_launches`): whether a boot ends with its answer. No resource level either."""

VPC_ACCESS = "service-role/AWSLambdaVPCAccessExecutionRole"
"""AWS's managed policy for the network interfaces of a function in a VPC."""

PUT = "autoscaling:PutScheduledUpdateGroupAction"
DELETE = "autoscaling:DeleteScheduledAction"

Statement = Mapping[str, Any]


def reads(fleets: Sequence[Fleet]) -> list[str]:
    """What reading the load, the groups and, where it is asked for, the launches of these fleets takes."""
    return sorted([*READS, *(LAUNCH_READS if any(fleet.plans_by_launches for fleet in fleets) else ())])


def document(statements: Sequence[Statement]) -> str:
    """A policy document without white space."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, separators=(",", ":"))


def trust(service: str, *, account_id: str | None = None) -> str:
    """Who may take the role: the service; with `account_id` only on behalf of that account (no confused deputy)."""
    condition = {"Condition": {"StringEquals": {"aws:SourceAccount": account_id}}} if account_id else {}
    principal = {"Service": f"{service}.amazonaws.com"}
    return document([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **condition}])


def write_policy(fleets: Sequence[Fleet], *, partition: str, account_id: str) -> str:
    """Scheduled actions of these groups, the minimum within each fleet's floor and ceiling.

    A deletion has no size in its request, hence `IfExists`; that a put without a minimum is refused is said once for the role, in `function_policy`.

    Raises:
        SettingsError: the document would be too long; it names the fleet at which it is.
    """
    statements = [_writes_of(fleet, partition, account_id) for fleet in fleets]
    for count, fleet in enumerate(fleets, start=1):
        length = len(document(statements[:count]))
        if length > POLICY_CHARACTERS:
            expected = (
                f"shorter group names: the policy of {len(fleets)} fleets may have {POLICY_CHARACTERS} characters"
            )
            raise SettingsError("fleets", f"{fleet.name} (at it the policy has {length} characters)", expected)
    return document(statements)


def _writes_of(fleet: Fleet, partition: str, account_id: str) -> Statement:
    target = fleet.target
    if not isinstance(target, AwsTarget):
        raise SettingsError("fleets", fleet.name, "a group of AWS")
    group = f"autoScalingGroup:*:autoScalingGroupName/{target.group_name}"
    return {
        "Effect": "Allow",
        "Action": [PUT, DELETE],
        "Resource": f"arn:{partition}:autoscaling:{target.region}:{account_id}:{group}",
        "Condition": {
            "NumericGreaterThanEqualsIfExists": {"autoscaling:MinSize": str(fleet.floor)},
            "NumericLessThanEqualsIfExists": {"autoscaling:MinSize": str(fleet.ceiling)},
        },
    }


def function_policy(
    *,
    bucket_arn: str,
    settings_key: str,
    log_group_arn: str,
    queue_arn: str,
    kms_key_arn: str | None,
    fleets: Sequence[Fleet] = (),
) -> str:
    """All that a function may do besides: read, keep its records, log, report a failure.

    The two Denies bound what it writes: no put without a minimum, none of a maximum. IAM has no condition key for a desired
    size, nor for an action's name: within the fleets' groups the role could also set `DesiredCapacity` and overwrite or
    delete external actions. The group's own bounds and the job's code are what bounds that (`designs/forecast-job-aws.md`).
    """
    statements: list[Statement] = [
        {"Sid": "Read", "Effect": "Allow", "Action": reads(fleets), "Resource": "*"},
        _no_put_where("NoPutWithoutMinSize", {"autoscaling:MinSize": "true"}),
        _no_put_where("NoPutOfMaxSize", {"autoscaling:MaxSize": "false"}),
        {
            "Sid": "Settings",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"{bucket_arn}/{settings_key}",
        },
        {
            "Sid": "Records",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": f"{bucket_arn}/store/*",
        },
        {
            "Sid": "RecordNames",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket_arn,
            # S3 answers a read of an absent key with 404 only to who may list, and asks that without a prefix.
            "Condition": {"StringLikeIfExists": {"s3:prefix": "store/*"}},
        },
        {
            "Sid": "Log",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
        {"Sid": "ReportFailure", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue_arn},
    ]
    if kms_key_arn is not None:
        actions = ["kms:Decrypt", "kms:GenerateDataKey"]
        statements.append({"Sid": "Encrypt", "Effect": "Allow", "Action": actions, "Resource": kms_key_arn})
    return document(statements)


def _no_put_where(sid: str, absent: Mapping[str, str]) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": PUT, "Resource": "*", "Condition": {"Null": dict(absent)}}


def schedule_policy(*, function_arn: str, queue_arn: str) -> str:
    """What the schedule may do: invoke this function, and hand what it could not deliver to the queue."""
    return document(
        [
            {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function_arn},
            {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue_arn},
        ]
    )


def tls_only_policy(bucket_arn: str) -> str:
    """Nobody reaches the bucket without TLS."""
    return document(
        [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, f"{bucket_arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )
