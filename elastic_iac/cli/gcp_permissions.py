"""What the doctor asks Google Cloud about rights: of a project, those that the caller has. Nothing is tried, nothing is written.

Compute's stable API cannot be asked (only its beta has `testIamPermissions` of an autoscaler), so the project is, on which the job's custom role is
granted. A bucket's answer would mislead: the job's roles there are bound to prefixes, and a bucket has none. Reading the records shows the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from elastic_iac.cli.check import Check
from elastic_iac.gcp.forecast_job.iam import scaling_permissions
from forecasting import gcp_clients
from forecasting.errors import ElasticIacError
from forecasting.settings import Fleet, GcpTarget

_SECONDS = (5, 20)


def check_project_permissions(fleets: Sequence[Fleet]) -> Iterator[Check]:
    """Whether the caller may do in each project all that the job does there. To ask for the function, sign in as its account (impersonation).

    Args:
        fleets: Those on Google Cloud are checked.
    """
    projects: dict[str, list[Fleet]] = {}
    for fleet in fleets:
        if isinstance(fleet.target, GcpTarget):
            projects.setdefault(fleet.target.project, []).append(fleet)
    for project, served in projects.items():
        wanted = scaling_permissions(served)
        try:
            held = _held(project, wanted)
        except _UnansweredError as error:
            yield Check(
                "job",
                "permissions",
                "warn",
                f"project {project}: could not be checked ({error})",
                "enable the Cloud Resource Manager API, or look at the roles of the job's service account",
            )
            continue
        missing = [permission for permission in wanted if permission not in held]
        if missing:
            found = f"project {project}: you lack {', '.join(missing)}"
            yield Check("job", "permissions", "fail", found, "deploy the job again, or grant its custom role")
        else:
            yield Check("job", "permissions", "ok", f"project {project}: you may read load and write schedules")


class _UnansweredError(Exception):
    """Google Cloud did not say."""


def _held(project: str, wanted: Sequence[str]) -> set[str]:
    """Those of the wanted that the caller has (Resource Manager v3, `projects.testIamPermissions`; asking takes no permission)."""
    import requests  # noqa: PLC0415 - a job on AWS alone needs neither
    from google.auth import exceptions as auth_errors  # noqa: PLC0415

    try:
        session, base = gcp_clients.projects_session()
        answer: Any = session.post(
            f"{base}/v3/projects/{project}:testIamPermissions",
            json={"permissions": list(wanted)},
            timeout=_SECONDS,
            allow_redirects=False,
        )
        if answer.status_code != 200:
            raise _UnansweredError(f"HTTP {answer.status_code}")
        return set(answer.json().get("permissions", []))
    except (requests.RequestException, auth_errors.GoogleAuthError, ElasticIacError, ValueError) as error:
        raise _UnansweredError(type(error).__name__) from error
