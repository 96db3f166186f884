"""Managed instance groups, their templates, autoscalers and health checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from elastic_iac.local.engine.deployment import Cloud, EngineError, Handler, Inputs, Made
from elastic_iac.local.engine.google import GoogleCloud
from elastic_iac.local.engine.shapes import given

Document = dict[str, Any]


def google_of(cloud: Cloud) -> GoogleCloud:
    """The Google half of the emulated clouds.

    Raises:
        EngineError: there is none.
    """
    if cloud.google is None:
        raise EngineError("the program declares resources of Google Cloud, and no emulated Google Cloud was given")
    return cloud.google


def _same(inputs: Inputs) -> Document:
    return dict(inputs)


@dataclass(frozen=True)
class Kind:
    """One kind of Compute resource, between Pulumi's properties and the API's.

    Attributes:
        collection: Its collection in the API.
        to_api: The API's document, without its name.
        from_api: The inputs that a document gives back.
        scope: 'global', 'region' or 'zone'.
        outputs: Outputs besides name, links and place.
    """

    collection: str
    to_api: Callable[[Inputs], Document]
    from_api: Callable[[Document], Document]
    scope: str = "global"
    outputs: Callable[[Document], Document] = lambda _: {}


def handler(kind: Kind) -> Handler:
    """How a kind is made, read and removed."""

    def place(google: GoogleCloud, inputs: Inputs) -> str:
        if kind.scope == "global":
            return "global"
        return f"{kind.scope}s/{inputs.get(kind.scope) or google.region}"

    def create(cloud: Cloud, name: str, inputs: Inputs) -> Made:
        google = google_of(cloud)
        where = place(google, inputs)
        own = {key: value for key, value in inputs.items() if key not in _PLACES}
        google.compute("POST", f"{where}/{kind.collection}", given(name=name, **kind.to_api(own)))
        path = f"{where}/{kind.collection}/{name}"
        document = google.compute("GET", path)
        outputs: Document = {**inputs, "name": name, "selfLink": document["selfLink"], "project": google.project}
        if kind.scope != "global":
            outputs[kind.scope] = where.split("/")[1]
        return Made(path, {**outputs, **kind.outputs(document)})

    def read(cloud: Cloud, made: Made) -> Inputs:
        document = google_of(cloud).compute("GET", made.id)
        declared = {key: made.outputs[key] for key in _PLACES if key in made.outputs}
        standing = {key: value for key, value in declared.items() if f"/{value}" in document["selfLink"]}
        return {**kind.from_api(document), **standing}

    def delete(cloud: Cloud, made: Made) -> None:
        google_of(cloud).compute("DELETE", made.id)

    return Handler(create, read, delete, untagged=True)


_PLACES = ("project", "region", "zone")


def renaming(names: Mapping[str, str]) -> tuple[Callable[[Inputs], Document], Callable[[Document], Document]]:
    """Both ways of properties that differ by their names at most."""

    def to_api(inputs: Inputs) -> Document:
        return {names.get(key, key): value for key, value in inputs.items()}

    def from_api(document: Document) -> Document:
        back = {api: name for name, api in names.items()}
        return {back.get(key, key): value for key, value in document.items()}

    return to_api, from_api


# Instance templates

_DISK_PARAMETERS = {
    "sourceImage": "sourceImage",
    "diskSizeGb": "diskSizeGb",
    "diskType": "diskType",
    "labels": "labels",
    "provisionedIops": "provisionedIops",
    "provisionedThroughput": "provisionedThroughput",
}


def _disk_to_api(disk: Inputs) -> Document:
    key = disk.get("diskEncryptionKey")
    return given(
        type=disk.get("type"),
        interface=disk.get("interface"),
        boot=disk.get("boot"),
        autoDelete=disk.get("autoDelete"),
        initializeParams={api: disk[name] for name, api in _DISK_PARAMETERS.items() if name in disk},
        diskEncryptionKey=key and {"kmsKeyName": key["kmsKeySelfLink"]},
    )


def _disk_from_api(disk: Document) -> Document:
    key = disk.get("diskEncryptionKey")
    parameters: Document = disk.get("initializeParams", {})
    return {
        "type": disk.get("type"),
        "interface": disk.get("interface"),
        "boot": disk.get("boot"),
        "autoDelete": disk.get("autoDelete"),
        **{name: parameters.get(api) for name, api in _DISK_PARAMETERS.items()},
        "diskEncryptionKey": key and {"kmsKeySelfLink": key["kmsKeyName"]},
    }


def _template_to_api(inputs: Inputs) -> Document:
    properties = {key: value for key, value in inputs.items() if key not in _OF_THE_TEMPLATE}
    metadata: Mapping[str, str] = inputs.get("metadata", {})
    return {
        "properties": given(
            **properties,
            disks=[_disk_to_api(disk) for disk in inputs["disks"]],
            serviceAccounts=[inputs["serviceAccount"]] if "serviceAccount" in inputs else None,
            metadata={"items": [{"key": key, "value": value} for key, value in sorted(metadata.items())]},
            tags={"items": inputs["tags"]} if inputs.get("tags") else None,
            guestAccelerators=[
                {"acceleratorType": gpus["type"], "acceleratorCount": gpus["count"]}
                for gpus in inputs.get("guestAccelerators", [])
            ]
            or None,
            reservationAffinity=_affinity_to_api(inputs.get("reservationAffinity")),
        )
    }


def _affinity_to_api(affinity: Inputs | None) -> Document | None:
    if affinity is None:
        return None
    return {"consumeReservationType": affinity["type"], **affinity.get("specificReservation", {})}


def _affinity_from_api(affinity: Document | None) -> Document | None:
    if affinity is None:
        return None
    named = {key: affinity[key] for key in ("key", "values") if key in affinity}
    return {"type": affinity["consumeReservationType"], "specificReservation": named or None}


_OF_THE_TEMPLATE = ("disks", "serviceAccount", "metadata", "tags", "guestAccelerators", "reservationAffinity")


def _template_from_api(document: Document) -> Document:
    properties = document["properties"]
    items: list[dict[str, str]] = properties.get("metadata", {}).get("items", [])
    return {
        **properties,
        "disks": [_disk_from_api(disk) for disk in properties["disks"]],
        "serviceAccount": next(iter(properties.get("serviceAccounts", [])), None),
        "metadata": {item["key"]: item["value"] for item in items},
        "tags": properties.get("tags", {}).get("items", []),
        "guestAccelerators": [
            {"type": gpus["acceleratorType"], "count": gpus["acceleratorCount"]}
            for gpus in properties.get("guestAccelerators", [])
        ],
        "reservationAffinity": _affinity_from_api(properties.get("reservationAffinity")),
    }


# Managed instance groups

_UPDATE = {"maxSurgeFixed": ("maxSurge", "fixed"), "maxUnavailableFixed": ("maxUnavailable", "fixed")}


def _group_to_api(inputs: Inputs) -> Document:
    document = {key: value for key, value in inputs.items() if key not in _OF_THE_GROUP}
    healing, zones = inputs.get("autoHealingPolicies"), inputs.get("distributionPolicyZones")
    shape = inputs.get("distributionPolicyTargetShape")
    policy = dict(inputs.get("updatePolicy", {}))
    for name, (outer, inner) in _UPDATE.items():
        if name in policy:
            policy[outer] = {inner: policy.pop(name)}
    if "instanceFlexibilityPolicy" in inputs:  # selections by their names
        listed = inputs["instanceFlexibilityPolicy"]["instanceSelections"]
        named = {each["name"]: {key: each[key] for key in each if key != "name"} for each in listed}
        document["instanceFlexibilityPolicy"] = {"instanceSelections": named}
    return given(
        **{**document, "autoHealingPolicies": healing and [healing], "updatePolicy": policy or None},
        targetSize=inputs.get(
            "targetSize", 0
        ),  # the API wants one, and the provider sends none; the autoscaler sets it
        distributionPolicy=given(targetShape=shape, zones=zones and [{"zone": f"zones/{zone}"} for zone in zones])
        or None,
    )


_OF_THE_GROUP = ("distributionPolicyZones", "distributionPolicyTargetShape", "targetSize")


def _group_from_api(document: Document) -> Document:
    policy = dict(document.get("updatePolicy", {}))
    for name, (outer, inner) in _UPDATE.items():
        policy[name] = policy.get(outer, {}).get(inner)
    distribution: Document = document.get("distributionPolicy", {})
    zones: list[dict[str, str]] = distribution.get("zones", [])
    flexibility: Document = document.get("instanceFlexibilityPolicy", {})
    selections: Document = flexibility.get("instanceSelections", {})
    listed = [{"name": name, **selection} for name, selection in selections.items()]
    return {
        **document,
        "instanceFlexibilityPolicy": {"instanceSelections": listed} if listed else None,
        "distributionPolicyTargetShape": distribution.get("targetShape"),
        "updatePolicy": policy,
        "autoHealingPolicies": next(iter(document.get("autoHealingPolicies", [])), None),
        "distributionPolicyZones": [zone["zone"].rsplit("/", 1)[-1] for zone in zones],
    }


def _instance_group(document: Document) -> Document:
    return {"instanceGroup": document["selfLink"].replace("/instanceGroupManagers/", "/instanceGroups/")}


# Autoscalers

_POLICY = {
    "minReplicas": "minNumReplicas",
    "maxReplicas": "maxNumReplicas",
    "cooldownPeriod": "coolDownPeriodSec",
    "stabilizationPeriod": "stabilizationPeriodSec",
}
_METRIC = {"name": "metric", "type": "utilizationTargetType", "target": "utilizationTarget"}
_SIGNALS = ("cpuUtilization", "loadBalancingUtilization")


def policy_to_api(policy: Inputs) -> Document:
    """An autoscaling policy as the API has it; its schedules, a list for Pulumi, by their names."""
    to_api, _ = renaming(_POLICY)
    document = to_api({key: value for key, value in policy.items() if key not in {"metrics", "scalingSchedules"}})
    for signal in _SIGNALS:
        if signal in document:
            document[signal] = {"utilizationTarget": document[signal]["target"]}
    metric_to_api, _ = renaming(_METRIC)
    schedules: list[Inputs] = policy.get("scalingSchedules", [])
    return given(
        **document,
        customMetricUtilizations=[metric_to_api(metric) for metric in policy.get("metrics", [])] or None,
        scalingSchedules={
            schedule["name"]: {key: value for key, value in schedule.items() if key != "name"} for schedule in schedules
        }
        or None,
    )


def policy_from_api(policy: Document) -> Document:
    """The other way round."""
    _, from_api = renaming(_POLICY)
    _, metric_from_api = renaming(_METRIC)
    found = from_api({key: value for key, value in policy.items() if key != "customMetricUtilizations"})
    for signal in _SIGNALS:
        if signal in found:
            found[signal] = {"target": found[signal]["utilizationTarget"]}
    schedules = cast("dict[str, Document]", policy.get("scalingSchedules", {}))
    return {
        **found,
        "metrics": [metric_from_api(metric) for metric in policy.get("customMetricUtilizations", [])],
        "scalingSchedules": [{"name": name, **schedule} for name, schedule in sorted(schedules.items())],
    }


def _autoscaler_to_api(inputs: Inputs) -> Document:
    return {"target": inputs["target"], "autoscalingPolicy": policy_to_api(inputs["autoscalingPolicy"])}


def _autoscaler_from_api(document: Document) -> Document:
    return {"target": document["target"], "autoscalingPolicy": policy_from_api(document["autoscalingPolicy"])}


# Health checks


def _health_check_to_api(inputs: Inputs) -> Document:
    return {"type": "HTTP", **inputs}


_GROUP = (_group_to_api, _group_from_api)
_AUTOSCALER = (_autoscaler_to_api, _autoscaler_from_api)

HANDLERS = {
    "gcp:compute/instanceTemplate:InstanceTemplate": handler(
        Kind(
            "instanceTemplates",
            _template_to_api,
            _template_from_api,
            outputs=lambda document: {"selfLinkUnique": document["selfLink"]},  # an emulator keeps one of a name
        )
    ),
    "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager": handler(
        Kind("instanceGroupManagers", *_GROUP, scope="region", outputs=_instance_group)
    ),
    "gcp:compute/instanceGroupManager:InstanceGroupManager": handler(
        Kind("instanceGroupManagers", *_GROUP, scope="zone", outputs=_instance_group)
    ),
    "gcp:compute/regionAutoscaler:RegionAutoscaler": handler(Kind("autoscalers", *_AUTOSCALER, scope="region")),
    "gcp:compute/autoscaler:Autoscaler": handler(Kind("autoscalers", *_AUTOSCALER, scope="zone")),
    "gcp:compute/healthCheck:HealthCheck": handler(Kind("healthChecks", _health_check_to_api, _same)),
}
