"""All that the engine knows of Google Cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from elastic_iac.local.engine import gcp_compute, gcp_identity, gcp_job, gcp_network, gcp_resize_requests, gcp_storage
from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs
from elastic_iac.local.engine.gcp_compute import google_of


def _image(cloud: Cloud, args: Inputs) -> Inputs:
    """The newest image of a family."""
    google = google_of(cloud)
    project = args.get("project") or google.project
    found = google.call("GET", f"/compute/v1/projects/{project}/global/images/family/{args['family']}")
    return {"id": found["name"], "name": found["name"], "selfLink": found["selfLink"], "family": args["family"]}


def _client_config(cloud: Cloud, _args: Inputs) -> Inputs:
    google = google_of(cloud)
    return {"id": google.project, "project": google.project, "region": google.region, "zone": "", "accessToken": ""}


_NUMBER = "123456789012"
"""Of the one project that the stand-in has."""


def _project(cloud: Cloud, _args: Inputs) -> Inputs:
    project = google_of(cloud).project
    return {"id": f"projects/{project}", "projectId": project, "name": project, "number": _NUMBER}


def _storage_account(cloud: Cloud, args: Inputs) -> Inputs:
    """The account as which Cloud Storage publishes notifications."""
    google = google_of(cloud)
    project = args.get("project") or google.project
    email = (
        f"service-{_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"  # an agent of Google's, in no project of ours
    )
    return {"id": email, "emailAddress": email, "member": f"serviceAccount:{email}", "project": project}


_ROOMS = (gcp_compute, gcp_resize_requests, gcp_network, gcp_identity, gcp_storage, gcp_job)
HANDLERS: Mapping[str, Handler] = {kind: handler for room in _ROOMS for kind, handler in room.HANDLERS.items()}
INVOKES: Mapping[str, Callable[[Cloud, Inputs], Inputs]] = {
    "gcp:compute/getImage:getImage": _image,
    "gcp:organizations/getClientConfig:getClientConfig": _client_config,
    "gcp:organizations/getProject:getProject": _project,
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": _storage_account,
}
