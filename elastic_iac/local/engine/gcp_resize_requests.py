"""Resize requests, which are part of their group."""

from __future__ import annotations

from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.gcp_compute import google_of
from elastic_iac.local.engine.shapes import given


def _handler(scope: str) -> Handler:
    def create(cloud: Cloud, name: str, inputs: Inputs) -> Made:
        google = google_of(cloud)
        where = f"{scope}s/{inputs.get(scope) or google.region}"
        group = f"{where}/instanceGroupManagers/{inputs['instanceGroupManager']}"
        body = given(name=name, resizeBy=inputs["resizeBy"], requestedRunDuration=inputs.get("requestedRunDuration"))
        google.compute("POST", f"{group}/resizeRequests", body)
        path = f"{group}/resizeRequests/{name}"
        state = google.compute("GET", path)["state"]
        return Made(path, {**inputs, "name": name, "state": state, scope: where.split("/")[1]})

    def read(cloud: Cloud, made: Made) -> Inputs:
        document = google_of(cloud).compute("GET", made.id)
        place, _, rest = made.id.partition("/instanceGroupManagers/")
        found: dict[str, Any] = {key: document.get(key) for key in ("resizeBy", "requestedRunDuration")}
        return {**found, "instanceGroupManager": rest.split("/")[0], scope: place.split("/")[1]}

    def delete(cloud: Cloud, made: Made) -> None:
        """As the provider does it: one that waits is cancelled first."""
        google = google_of(cloud)
        if google.compute("GET", made.id)["state"] in {"CREATING", "ACCEPTED"}:
            google.compute("POST", f"{made.id}/cancel")
        google.compute("DELETE", made.id)

    return Handler(create, read, delete, untagged=True)


HANDLERS = {
    "gcp:compute/resizeRequest:ResizeRequest": _handler("zone"),
    "gcp:compute/regionResizeRequest:RegionResizeRequest": _handler("region"),
}
