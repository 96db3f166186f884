"""Compute's paths: what a call is about, what its method is called, and which permissions it needs.

Permissions: API, "IAM Permissions" of each method; autoscalers and managed instance groups have the same permissions in a zone and in a region.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from elastic_iac.local.gcp.wire import GcpError, Request, invalid

PREFIX = "/compute/v1/"
_PATH = re.compile(
    r"projects/(?P<project>[^/]+)/(?P<scope>global|aggregated|regions/[^/]+|zones/[^/]+)"
    r"/(?P<collection>\w+)(?:/(?P<name>[^/]+))?(?:/(?P<verb>\w+))?"
)
_RESIZE_REQUEST = re.compile(
    r"projects/(?P<project>[^/]+)/(?P<scope>regions/[^/]+|zones/[^/]+)/instanceGroupManagers/(?P<group>[^/]+)"
    r"/resizeRequests(?:/(?P<name>[^/]+)(?:/(?P<verb>cancel))?)?"
)
_PLACES = re.compile(r"projects/(?P<project>[^/]+)(?:/(?P<collection>regions|zones)(?:/(?P<name>[^/]+))?)?")
_SET_URL_MAP = re.compile(r"projects/([^/]+)/(targetHttps?Proxies)/([^/]+)/setUrlMap")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_ZONE = re.compile(r"[a-z]+-[a-z]+\d+-[a-z]")
_PREFIXED = frozenset({"addresses", "forwardingRules", "operations"})  # a method of its own for global ones, too
_SHARED = frozenset(
    {"autoscalers", "instanceGroupManagers", "instanceGroups", "instanceTemplates", "subnetworks", "routers"}
)
_VERBS = {
    "insert": "create",
    "aggregatedList": "list",
    "wait": "get",
    "listInstances": "list",
    "listManagedInstances": "get",
    "listErrors": "get",  # INFERRED: as listManagedInstances, whose permission the reference names
}
_READS = frozenset({"get", "list", "aggregatedList", "wait", "listInstances", "listManagedInstances", "listErrors"})
_CHANGES = {"POST": "insert", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Place:
    """What a call is about. `verb` is the method: insert, get, list, patch, update, delete, or a custom one such as `resize`.

    `group` is the managed instance group of a resize request, which is part of it.
    """

    project: str
    scope: str  # global, aggregated, regions/R, zones/Z
    collection: str
    name: str
    verb: str
    group: str = ""

    @property
    def parent(self) -> str:
        """E.g. `projects/P/regions/R`."""
        return f"projects/{self.project}/{self.scope}" if self.scope else f"projects/{self.project}"

    @property
    def path(self) -> str:
        """The resource's path."""
        if self.group:
            return f"{self.parent}/instanceGroupManagers/{self.group}/{self.collection}/{self.name}"
        return f"{self.parent}/{self.collection}/{self.name}"

    @property
    def action(self) -> str:
        """The method's name in Google's reference, e.g. `regionAutoscalers.patch`."""
        return f"{self._methods}.{self.verb}"

    @property
    def mutating(self) -> bool:
        """Whether it asks for a change."""
        return self.verb not in _READS

    @property
    def permissions(self) -> tuple[str, ...]:
        """What the caller must be granted."""
        if not self.scope:
            return (f"compute.{self.collection}.{self.verb}",)
        if self.group:  # API, instanceGroupManagerResizeRequests.insert
            return ("compute.instanceGroupManagers.update" if self.mutating else "compute.instanceGroupManagers.get",)
        family = self.collection if self.collection in _SHARED else self._methods
        verb = _VERBS.get(self.verb, self.verb if self.verb in {"get", "list", "delete"} else "update")
        needed = [f"compute.{family}.{verb}"]
        if self.collection == "autoscalers" and self.mutating:
            if verb == "update":  # API, autoscalers.patch: get and update
                needed.append("compute.autoscalers.get")
            needed.append("compute.instanceGroupManagers.use")
        return tuple(needed)

    @property
    def _methods(self) -> str:
        level = {"regions": "region", "zones": "zone", "global": "global"}.get(self.scope.partition("/")[0], "")
        if self.group:
            methods = "instanceGroupManagerResizeRequests"
            return f"region{methods[0].upper()}{methods[1:]}" if level == "region" else methods
        if self.collection == "operations" or (self.collection in _PREFIXED and level == "global"):
            return f"{level}{self.collection[0].upper()}{self.collection[1:]}"
        if level == "region" and self.collection not in _PREFIXED | {"subnetworks", "routers"}:
            return f"region{self.collection[0].upper()}{self.collection[1:]}"
        return self.collection


def place(request: Request) -> Place:
    """What a call of Compute is about.

    Raises:
        GcpError: 404, no such method; 400, no such region or zone.
    """
    path = request.path.removeprefix(PREFIX)
    if match := _RESIZE_REQUEST.fullmatch(path):
        found = match.groupdict()
        listed = {"GET": "get" if found["name"] else "list"}
        verb = found["verb"] or listed.get(request.method) or _CHANGES.get(request.method, "")
        return Place(found["project"], found["scope"], "resizeRequests", found["name"] or "", verb, found["group"])
    if match := _PATH.fullmatch(path):
        return _scoped(request, **match.groupdict())
    if match := _SET_URL_MAP.fullmatch(path):
        project, collection, name = match.groups()
        return Place(project, "global", collection, name, "setUrlMap")
    if (match := _PLACES.fullmatch(path)) and request.method == "GET":
        project, collection, name = match.groups()
        return Place(project, "", collection or "projects", name or "", "get" if name or not collection else "list")
    raise GcpError(404, f"The requested URL {request.path} was not found on this server.")


def _scoped(request: Request, project: str, scope: str, collection: str, name: str | None, verb: str | None) -> Place:
    level, _, where = scope.partition("/")
    pattern = {"regions": _REGION, "zones": _ZONE}.get(level)
    if pattern is not None and not pattern.fullmatch(where):
        raise invalid(level.rstrip("s"), where, "Unknown region or zone.")
    if collection == "autoscalers" and request.method in {"PATCH", "PUT"} and name is None:
        name = request.query.get("autoscaler") or request.document.get("name")  # the query's is optional (API)
        if not name:
            raise invalid("autoscaler", "", "The name of the autoscaler is required.")
    if verb is None:
        listing = "aggregatedList" if scope == "aggregated" else "list"
        verb = ("get" if name else listing) if request.method == "GET" else _CHANGES.get(request.method, "")
    return Place(project, scope, collection, name or "", verb)


def path_of(link: str, project: str = "") -> str:
    """The path of a resource from its URL, whole or partial."""
    _, whole, rest = link.rpartition("projects/")
    return f"projects/{rest}" if whole else f"projects/{project}/{link.lstrip('/')}"
