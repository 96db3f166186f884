"""Buckets, their objects, notifications and members."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pulumi

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.gcp_compute import google_of
from elastic_iac.local.engine.gcp_identity import member_handler
from elastic_iac.local.engine.shapes import given

Document = dict[str, Any]

_CONDITION = {
    "age": "age",
    "daysSinceNoncurrentTime": "daysSinceNoncurrentTime",
    "matchesPrefixes": "matchesPrefix",
}
_STATES = {"LIVE": True, "ARCHIVED": False}


def _rule_to_api(rule: Inputs) -> Document:
    condition: Document = {
        api: rule["condition"][name] for name, api in _CONDITION.items() if name in rule["condition"]
    }
    state = rule["condition"].get("withState")
    return {"action": rule["action"], "condition": {**condition, **given(isLive=_STATES.get(state))}}


def _rule_from_api(rule: Document) -> Document:
    condition = {name: rule["condition"].get(api) for name, api in _CONDITION.items()}
    live = {known: name for name, known in _STATES.items()}.get(rule["condition"].get("isLive"))
    return {"action": rule["action"], "condition": {**condition, "withState": live}}


def _create_bucket(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    google = google_of(cloud)
    body = given(
        name=name,
        location=inputs["location"],
        iamConfiguration={
            "uniformBucketLevelAccess": {"enabled": inputs.get("uniformBucketLevelAccess", False)},
            "publicAccessPrevention": inputs.get("publicAccessPrevention", "inherited"),
        },
        versioning=inputs.get("versioning"),
        lifecycle={"rule": [_rule_to_api(rule) for rule in inputs.get("lifecycleRules", [])]},
        encryption=inputs.get("encryption"),
        labels=inputs.get("labels"),
    )
    google.call("POST", f"/storage/v1/b?project={google.project}", body)
    return Made(name, {**inputs, "name": name, "url": f"gs://{name}", "project": google.project})


def _read_bucket(cloud: Cloud, made: Made) -> Inputs:
    bucket = google_of(cloud).call("GET", f"/storage/v1/b/{made.id}")
    access = bucket["iamConfiguration"]
    return {
        **bucket,
        "uniformBucketLevelAccess": access["uniformBucketLevelAccess"]["enabled"],
        "publicAccessPrevention": access["publicAccessPrevention"],
        "lifecycleRules": [_rule_from_api(rule) for rule in bucket.get("lifecycle", {}).get("rule", [])],
    }


def _delete_bucket(cloud: Cloud, made: Made) -> None:
    """A bucket goes only when it is empty, former versions included: the provider empties it where it is told to."""
    google = google_of(cloud)
    if made.outputs.get("forceDestroy"):
        held: list[Document] = google.call("GET", f"/storage/v1/b/{made.id}/o?versions=true").get("items", [])
        for item in held:
            google.call("DELETE", f"{_object_path(made.id, item['name'])}?generation={item['generation']}")
    google.call("DELETE", f"/storage/v1/b/{made.id}")


def _object_path(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


def _plain(content: Any) -> str:
    """The SDK marks an object's content as secret, which the monitor hands on as an object around it."""
    return content if isinstance(content, str) else str(content["value"])


def _body(inputs: Inputs) -> bytes:
    source = inputs.get("source")
    if isinstance(source, pulumi.FileAsset):
        return Path(source.path).read_bytes()
    return _plain(inputs["content"]).encode()


def _create_object(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    google, bucket, name = google_of(cloud), inputs["bucket"], inputs["name"]
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
    stored = google.call("POST", path, _body(inputs), inputs.get("contentType", "application/octet-stream"))
    outputs = {"generation": int(stored["generation"]), "md5hash": stored["md5Hash"]}
    return Made(f"{bucket}/{name}", {**inputs, **outputs})


def _read_object(cloud: Cloud, made: Made) -> Inputs:
    google, path = google_of(cloud), _object_path(made.outputs["bucket"], made.outputs["name"])
    stored = google.call("GET", path)
    if stored["md5Hash"] != made.outputs["md5hash"]:
        return stored
    return {**stored, "content": made.outputs.get("content"), "source": made.outputs.get("source")}


def _delete_object(cloud: Cloud, made: Made) -> None:
    google_of(cloud).call("DELETE", _object_path(made.outputs["bucket"], made.outputs["name"]))


_NOTIFICATION = {
    "payloadFormat": "payload_format",
    "eventTypes": "event_types",
    "objectNamePrefix": "object_name_prefix",
}


def _create_notification(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    path = f"/storage/v1/b/{inputs['bucket']}/notificationConfigs"
    body = {api: inputs[name] for name, api in _NOTIFICATION.items() if name in inputs}
    made = google_of(cloud).call("POST", path, {**body, "topic": f"//pubsub.googleapis.com/{inputs['topic']}"})
    return Made(f"{path}/{made['id']}", dict(inputs))


def _read_notification(cloud: Cloud, made: Made) -> Inputs:
    found = google_of(cloud).call("GET", made.id)
    names = {name: found.get(api) for name, api in _NOTIFICATION.items()}
    topic = found["topic"].removeprefix("//pubsub.googleapis.com/")
    return {**names, "topic": topic, "bucket": made.id.split("/")[4]}


def _delete_notification(cloud: Cloud, made: Made) -> None:
    google_of(cloud).call("DELETE", made.id)


HANDLERS = {
    "gcp:storage/bucket:Bucket": Handler(_create_bucket, _read_bucket, _delete_bucket, untagged=True),
    "gcp:storage/bucketObject:BucketObject": Handler(_create_object, _read_object, _delete_object, untagged=True),
    "gcp:storage/notification:Notification": Handler(
        _create_notification, _read_notification, _delete_notification, untagged=True
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": member_handler(
        lambda google, inputs: google.call(
            "GET", f"/storage/v1/b/{inputs['bucket']}/iam?optionsRequestedPolicyVersion=3"
        ),
        lambda google, inputs, policy: google.call("PUT", f"/storage/v1/b/{inputs['bucket']}/iam", policy),
    ),
}
