"""What the forecast job is deployed with: functions, schedules, messages, metrics of the log, alert policies and dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.gcp_compute import google_of
from elastic_iac.local.engine.gcp_identity import policy_calls
from elastic_iac.local.engine.google import GoogleCloud

Document = dict[str, Any]


def _without(inputs: Inputs, *names: str) -> Document:
    return {key: value for key, value in inputs.items() if key not in {*names, "project"}}


def _handler(
    version: str,
    create: Callable[[GoogleCloud, str, Inputs], Document],
    *,
    given_back: Callable[[Document], Document] = dict,
    outputs: Callable[[str, Document], Document] = lambda _, document: {"name": document["name"]},
) -> Handler:
    """A kind whose resources are read and removed by their whole names.

    Args:
        version: Of the API, the start of its paths.
        create: Makes one of a given name; the answer has its whole name.
        given_back: The inputs that a document gives back.
        outputs: What the program gets besides its inputs.
    """

    def make(cloud: Cloud, name: str, inputs: Inputs) -> Made:
        google = google_of(cloud)
        document = create(google, name, inputs)
        return Made(document["name"], {**inputs, "project": google.project, **outputs(name, document)})

    def read(cloud: Cloud, made: Made) -> Inputs:
        found = google_of(cloud).call("GET", f"/{version}/{made.id}")
        place = {key: made.outputs[key] for key in ("location", "region", "project") if key in made.outputs}
        return {**place, **given_back(found)}

    def delete(cloud: Cloud, made: Made) -> None:
        google_of(cloud).call("DELETE", f"/{version}/{made.id}")

    return Handler(make, read, delete, untagged=True)


# Functions: a change is an operation, whose answer is the function.


def _create_function(google: GoogleCloud, name: str, inputs: Inputs) -> Document:
    path = f"/v2/projects/{google.project}/locations/{inputs['location']}/functions?functionId={name}"
    operation = google.call("POST", path, _without(inputs, "location"))
    while not operation.get("done"):
        operation = google.call("GET", f"/v2/{operation['name']}")
    return dict(operation["response"])


def _function_outputs(name: str, document: Document) -> Document:
    config = document["serviceConfig"]
    return {"name": name, "serviceConfig": config, "url": config["uri"]}


# Schedules, topics and subscriptions


def _create_schedule(google: GoogleCloud, name: str, inputs: Inputs) -> Document:
    parent = f"projects/{google.project}/locations/{inputs['region']}"
    return google.call("POST", f"/v1/{parent}/jobs", {**_without(inputs, "region"), "name": f"{parent}/jobs/{name}"})


def _create_topic(google: GoogleCloud, name: str, inputs: Inputs) -> Document:
    return google.call("PUT", f"/v1/projects/{google.project}/topics/{name}", dict(inputs))


def _create_subscription(google: GoogleCloud, name: str, inputs: Inputs) -> Document:
    document: Document = dict(inputs)
    if inputs.get("expirationPolicy") == {"ttl": ""}:
        document["expirationPolicy"] = {}  # never
    return google.call("PUT", f"/v1/projects/{google.project}/subscriptions/{name}", document)


def _subscription_given_back(document: Document) -> Document:
    return {**document, "expirationPolicy": document.get("expirationPolicy") or {"ttl": ""}}


def _short_name(name: str, _document: Document) -> Document:
    return {"name": name}


# Metrics, alert policies, dashboards


def _create_metric(google: GoogleCloud, name: str, inputs: Inputs) -> Document:
    google.call("POST", f"/v2/projects/{google.project}/metrics", {**inputs, "name": name})
    return {"name": f"projects/{google.project}/metrics/{name}"}


def _posts(version: str, collection: str) -> Callable[[GoogleCloud, str, Inputs], Document]:
    def create(google: GoogleCloud, _name: str, inputs: Inputs) -> Document:
        return google.call("POST", f"/{version}/projects/{google.project}/{collection}", dict(inputs))

    return create


def _create_dashboard(google: GoogleCloud, _name: str, inputs: Inputs) -> Document:
    return google.call("POST", f"/v1/projects/{google.project}/dashboards", json.loads(inputs["dashboardJson"]))


def _dashboard_given_back(document: Document) -> Document:
    return {"dashboardJson": json.dumps({key: document[key] for key in document if key not in {"name", "etag"}})}


HANDLERS = {
    "gcp:cloudfunctionsv2/function:Function": _handler("v2", _create_function, outputs=_function_outputs),
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": policy_calls(
        lambda inputs: f"v2/projects/{inputs['project']}/locations/{inputs['location']}/services/{inputs['name']}",
        read="GET",
    ),
    "gcp:cloudscheduler/job:Job": _handler("v1", _create_schedule, outputs=_short_name),
    "gcp:pubsub/topic:Topic": _handler("v1", _create_topic, outputs=_short_name),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": policy_calls(lambda inputs: f"v1/{inputs['topic']}", read="GET"),
    "gcp:pubsub/subscription:Subscription": _handler(
        "v1", _create_subscription, given_back=_subscription_given_back, outputs=_short_name
    ),
    "gcp:logging/metric:Metric": _handler("v2", _create_metric, outputs=_short_name),
    "gcp:monitoring/alertPolicy:AlertPolicy": _handler("v3", _posts("v3", "alertPolicies")),
    "gcp:monitoring/notificationChannel:NotificationChannel": _handler("v3", _posts("v3", "notificationChannels")),
    "gcp:monitoring/dashboard:Dashboard": _handler("v1", _create_dashboard, given_back=_dashboard_given_back),
}
