"""Who the instances are: a service account of their own that may write logs and metrics, and what the user names besides."""

import hashlib

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


def account_args(name: str, account_id: str) -> gcp.serviceaccount.AccountArgs:
    """The service account of the instances of the group `name`."""
    return gcp.serviceaccount.AccountArgs(account_id=account_id, display_name=f"Instances of {name}")


def role_args(
    role: pulumi.Input[str], *, project: pulumi.Input[str], member: pulumi.Input[str]
) -> gcp.projects.IAMMemberArgs:
    """One role of one member in the project; other members of the role are left alone."""
    return gcp.projects.IAMMemberArgs(project=project, role=role, member=member)
