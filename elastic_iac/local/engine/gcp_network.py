"""Load balancers of Google Cloud and firewall rules."""

from __future__ import annotations

from typing import Any

from elastic_iac.local.engine.deployment import Inputs
from elastic_iac.local.engine.gcp_compute import Kind, handler, renaming
from elastic_iac.local.engine.shapes import given

Document = dict[str, Any]


def _backend_to_api(inputs: Inputs) -> Document:
    """The security policy is set by a call of its own, which an emulator without Cloud Armor does not have."""
    document = {
        key: value for key, value in inputs.items() if key not in {"connectionDrainingTimeoutSec", "securityPolicy"}
    }
    draining = inputs.get("connectionDrainingTimeoutSec")
    return given(
        **{**document, "healthChecks": [inputs["healthChecks"]]},
        connectionDraining=None if draining is None else {"drainingTimeoutSec": draining},
    )


def _backend_from_api(document: Document) -> Document:
    draining = document.get("connectionDraining", {}).get("drainingTimeoutSec")
    checks = document.get("healthChecks", [None])
    return {**document, "healthChecks": checks[0], "connectionDrainingTimeoutSec": draining}


def _rule_from_api(document: Document) -> Document:
    """A single port comes back as a range."""
    found = _RULE[1](document)
    first, _, last = str(found.get("portRange", "")).partition("-")
    return {**found, "portRange": first if last in {"", first} else found["portRange"]}


def _firewall_to_api(inputs: Inputs) -> Document:
    document = {key: value for key, value in inputs.items() if key != "allows"}
    return {**document, "allowed": [_ALLOWED[0](rule) for rule in inputs["allows"]]}


def _firewall_from_api(document: Document) -> Document:
    return {**document, "allows": [_ALLOWED[1](rule) for rule in document.get("allowed", [])]}


_PLAIN = renaming({})
_RULE = renaming({"ipAddress": "IPAddress", "ipProtocol": "IPProtocol"})
_ALLOWED = renaming({"protocol": "IPProtocol"})


def _address(document: Document) -> Document:
    return {"address": document["address"]}


HANDLERS = {
    "gcp:compute/backendService:BackendService": handler(Kind("backendServices", _backend_to_api, _backend_from_api)),
    "gcp:compute/uRLMap:URLMap": handler(Kind("urlMaps", *_PLAIN)),
    "gcp:compute/targetHttpProxy:TargetHttpProxy": handler(Kind("targetHttpProxies", *_PLAIN)),
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy": handler(Kind("targetHttpsProxies", *_PLAIN)),
    "gcp:compute/sSLPolicy:SSLPolicy": handler(Kind("sslPolicies", *_PLAIN)),
    "gcp:compute/globalAddress:GlobalAddress": handler(Kind("addresses", *_PLAIN, outputs=_address)),
    "gcp:compute/globalForwardingRule:GlobalForwardingRule": handler(Kind("forwardingRules", _RULE[0], _rule_from_api)),
    "gcp:compute/firewall:Firewall": handler(Kind("firewalls", _firewall_to_api, _firewall_from_api)),
}
