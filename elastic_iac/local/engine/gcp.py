"""All that the engine knows of Google Cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from elastic_iac.local.engine import gcp_compute, gcp_identity, gcp_network
from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs
from elastic_iac.local.engine.gcp_compute import google_of


def _image(cloud: Cloud, args: Inputs) -> Inputs:
    """The newest image of a family."""
    google = google_of(cloud)
    project = args.get("project") or google.project
    found = google.call("GET", f"/compute/v1/projects/{project}/global/images/family/{args['family']}")
    return {"id": found["name"], "name": found["name"], "selfLink": found["selfLink"], "family": args["family"]}


HANDLERS: Mapping[str, Handler] = {**gcp_compute.HANDLERS, **gcp_network.HANDLERS, **gcp_identity.HANDLERS}
INVOKES: Mapping[str, Callable[[Cloud, Inputs], Inputs]] = {"gcp:compute/getImage:getImage": _image}
