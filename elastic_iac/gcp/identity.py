"""Service account of the instances: it may write logs and metrics, and has the roles that the user names besides."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

OBSERVABILITY_ROLES = {"logs": "roles/logging.logWriter", "metrics": "roles/monitoring.metricWriter"}
"""What the operations agent needs: https://cloud.google.com/monitoring/agent/ops-agent/authorization"""

CLOUD_PLATFORM_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The one scope that is recommended: roles decide what an account may do, not the legacy scopes."""


NAMED_ONCE = pulumi.ResourceOptions(ignore_changes=["accountId"])
"""A renamed component keeps its accounts: one of another id is another account, without the rights of the first."""


def unique_id(name: str) -> str:
    """A name for `name` that no other stack of the project shares, of 30 characters at most.

    Service accounts have no automatic names that fit a longer component's, and a label must be known before the group is made.
    """
    digest = hashlib.sha256(f"{pulumi.get_project()}/{pulumi.get_stack()}/{name}".encode()).hexdigest()
    return f"{name[:21].rstrip('-')}-{digest[:8]}"


@dataclass(frozen=True)
class Identity:
    """A service account with its roles."""

    account: gcp.serviceaccount.Account
    roles: list[pulumi.Resource]


def declare_identity(
    name: str, owner: str, display_name: str, roles: Mapping[str, pulumi.Input[str]], child: pulumi.ResourceOptions
) -> Identity:
    """Declare the account `name` of a group or a job and its roles in the project; other members of a role are left alone."""
    account = gcp.serviceaccount.Account(
        name, pulumi.ResourceOptions.merge(child, NAMED_ONCE), account_id=unique_id(owner), display_name=display_name
    )
    return Identity(
        account,
        [
            gcp.projects.IAMMember(f"{name}-{key}", child, project=account.project, role=role, member=account.member)
            for key, role in roles.items()
        ],
    )
