"""The kinds of Compute resources that are kept and given back: what each must say, and what it may refer to.

Source: API = the Compute Engine API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from elastic_iac.local.gcp.schedules import RFC1035
from elastic_iac.local.gcp.types import check_types
from elastic_iac.local.gcp.wire import Document, invalid, required

_HEALTH_CHECKS = frozenset({"healthChecks", "httpHealthChecks", "httpsHealthChecks"})
_NETWORK = {"network": frozenset({"networks"}), "subnetwork": frozenset({"subnetworks"})}


@dataclass(frozen=True)
class Kind:
    """One kind of resource.

    Attributes:
        message: Its message in google-cloud-compute.
        required: Fields that must be given, as paths.
        references: Paths of fields that name another resource, and the collections that it may be in.
        changes: The methods that change it in place.
    """

    message: str
    required: tuple[str, ...] = ()
    references: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    changes: frozenset[str] = frozenset({"PATCH", "PUT"})


_FIXED = frozenset[str]()
_PATCH = frozenset({"PATCH"})

KINDS: Mapping[str, Kind] = {
    "instanceTemplates": Kind(
        "InstanceTemplate",
        ("properties.machineType", "properties.disks", "properties.networkInterfaces"),
        {f"properties.networkInterfaces[].{name}": kinds for name, kinds in _NETWORK.items()},
        _FIXED,
    ),
    "instanceGroupManagers": Kind(
        "InstanceGroupManager",
        ("baseInstanceName",),
        {
            "instanceTemplate": frozenset({"instanceTemplates"}),
            "versions[].instanceTemplate": frozenset({"instanceTemplates"}),
            "autoHealingPolicies[].healthCheck": _HEALTH_CHECKS,
        },
        _PATCH,
    ),
    "autoscalers": Kind("Autoscaler", ("target",), {"target": frozenset({"instanceGroupManagers"})}),
    "healthChecks": Kind("HealthCheck", ("type",)),
    "backendServices": Kind(
        "BackendService", (), {"healthChecks[]": _HEALTH_CHECKS, "backends[].group": frozenset({"instanceGroups"})}
    ),
    "urlMaps": Kind(
        "UrlMap",
        (),
        {
            "defaultService": frozenset({"backendServices"}),
            "pathMatchers[].defaultService": frozenset({"backendServices"}),
        },
    ),
    "targetHttpProxies": Kind("TargetHttpProxy", ("urlMap",), {"urlMap": frozenset({"urlMaps"})}, _PATCH),
    "targetHttpsProxies": Kind(
        "TargetHttpsProxy",
        ("urlMap",),
        {"urlMap": frozenset({"urlMaps"}), "sslCertificates[]": frozenset({"sslCertificates"})},
        _PATCH,
    ),
    "sslCertificates": Kind("SslCertificate", changes=_FIXED),
    "forwardingRules": Kind(
        "ForwardingRule",
        (),
        {
            "target": frozenset({"targetHttpProxies", "targetHttpsProxies"}),
            "backendService": frozenset({"backendServices"}),
            **_NETWORK,
        },
        _PATCH,
    ),
    "addresses": Kind("Address", references=_NETWORK, changes=_FIXED),
    "firewalls": Kind("Firewall", references={"network": frozenset({"networks"})}),
    "networks": Kind("Network", changes=_PATCH),
    "subnetworks": Kind("Subnetwork", ("ipCidrRange", "network"), {"network": frozenset({"networks"})}, _PATCH),
    "routers": Kind("Router", ("network",), {"network": frozenset({"networks"})}),
}


def check(collection: str, document: Document) -> None:
    """Judge a resource by itself: its name, its types, what it must say.

    Raises:
        GcpError: 400, naming the field.
    """
    kind = KINDS[collection]
    check_types(kind.message, document)
    name = document.get("name")
    if not name:
        raise required("resource.name")
    if not RFC1035.fullmatch(name):
        raise invalid("resource.name", name, f"Must be a match of regex '{RFC1035.pattern}'")
    for path in kind.required:
        if not any(True for _ in values(document, path)):
            raise required(f"resource.{path}")
    checks = _CHECKS.get(collection)
    if checks is not None:
        checks(document)


def values(document: Document, path: str) -> Iterator[Any]:
    """What stands at a path such as `backends[].group`; empty values are not there."""
    head, _, rest = path.partition(".")
    held = document.get(head.removesuffix("[]"))
    for value in held if head.endswith("[]") and held else [held]:
        if value not in (None, "", [], {}):
            yield from values(value, rest) if rest else (value,)


def references(collection: str, document: Document) -> Iterator[tuple[str, str, frozenset[str]]]:
    """The field, the text and the allowed collections of each reference to another resource."""
    for path, collections in KINDS[collection].references.items():
        for value in values(document, path):
            yield f"resource.{path}", value, collections


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged: Document = dict(cast("Document", target)) if isinstance(target, dict) else {}
    for name, value in cast("Document", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _check_health_check(document: Document) -> None:
    block = {"HTTP": "httpHealthCheck", "HTTPS": "httpsHealthCheck", "TCP": "tcpHealthCheck"}.get(document["type"])
    if block is None:
        raise invalid("resource.type", document["type"], "Must be one of HTTP, HTTPS, TCP.")
    if document.get("timeoutSec", 5) > document.get("checkIntervalSec", 5):
        # API, HealthCheck.timeoutSec: "It is invalid for timeoutSec to have greater value than checkIntervalSec."
        raise invalid("resource.timeoutSec", document.get("timeoutSec"), "Must not be greater than checkIntervalSec.")


_WITH_GPUS = re.compile(r"(.*/)?(a2|a3|a4|a4x|g2|g4)-[a-z0-9-]+")
"""Machine types that bring GPUs: https://cloud.google.com/compute/docs/accelerator-optimized-machines"""


def _check_template(document: Document) -> None:
    """What Compute says of GPUs, and of ways of having instances, once an instance is made; here at once (INFERRED)."""
    properties = document["properties"]
    scheduling: Document = properties.get("scheduling", {})
    attached: list[Document] = properties.get("guestAccelerators", [])
    brings = _WITH_GPUS.fullmatch(properties["machineType"]) is not None
    at = "resource.properties"
    if attached and not brings and not properties["machineType"].rsplit("/", 1)[-1].startswith("n1-"):
        raise invalid(f"{at}.guestAccelerators", attached, "GPUs are attached to N1 machine types only.")
    maintenance = scheduling.get("onHostMaintenance", "MIGRATE")
    if (attached or brings) and maintenance != "TERMINATE":
        # https://cloud.google.com/compute/docs/gpus/gpu-host-maintenance
        raise invalid(
            f"{at}.scheduling.onHostMaintenance",
            maintenance,
            "Instances with guest accelerators do not support live migration.",
        )
    model = scheduling.get("provisioningModel", "STANDARD")
    if model in {"SPOT", "FLEX_START"} and scheduling.get("automaticRestart", True):
        raise invalid(f"{at}.scheduling.automaticRestart", True, f"Must be false with provisioning model {model}.")
    if model == "FLEX_START":
        action = scheduling.get("instanceTerminationAction")
        if action != "DELETE":
            raise invalid(f"{at}.scheduling.instanceTerminationAction", action, "Must be DELETE with FLEX_START.")
        if "maxRunDuration" not in scheduling:
            raise required(f"{at}.scheduling.maxRunDuration")
    affinity: Document = properties.get("reservationAffinity", {})
    kind = affinity.get("consumeReservationType")
    if (kind == "SPECIFIC_RESERVATION") != bool(affinity.get("values")):
        raise invalid(f"{at}.reservationAffinity.values", affinity.get("values"), "Goes with SPECIFIC_RESERVATION.")
    if kind == "SPECIFIC_RESERVATION" and (model == "SPOT" or scheduling.get("nodeAffinities")):
        # https://cloud.google.com/compute/docs/instances/reservations-consume#limitations
        raise invalid(f"{at}.reservationAffinity", kind, "Neither Spot VMs nor sole-tenant nodes consume reservations.")


def _check_group(document: Document) -> None:
    if not document.get("instanceTemplate") and not document.get("versions"):
        raise required("resource.instanceTemplate")
    if int(document.get("targetSize", 0)) < 0:
        raise invalid("resource.targetSize", document["targetSize"], "Must not be negative.")


def _check_firewall(document: Document) -> None:
    if bool(document.get("allowed")) == bool(document.get("denied")):
        raise invalid("resource.allowed", document.get("allowed"), "Either allowed or denied must be specified.")


def _check_rule(document: Document) -> None:
    if not document.get("target") and not document.get("backendService"):
        raise required("resource.target")


def _check_map(document: Document) -> None:
    if not any(document.get(name) for name in ("defaultService", "defaultUrlRedirect", "defaultRouteAction")):
        raise required("resource.defaultService")


_CHECKS = {
    "instanceTemplates": _check_template,
    "healthChecks": _check_health_check,
    "instanceGroupManagers": _check_group,
    "firewalls": _check_firewall,
    "forwardingRules": _check_rule,
    "urlMaps": _check_map,
}
