"""Compute Engine over REST: resources, managed instance groups, autoscalers and operations, on the stand-in's clock."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp import resources
from elastic_iac.local.gcp.autoscalers import FIELD, MINUTE, Autoscaler, checked_policy, status_details
from elastic_iac.local.gcp.groups import Group
from elastic_iac.local.gcp.operations import Operations
from elastic_iac.local.gcp.paths import PREFIX, Place, path_of
from elastic_iac.local.gcp.resize_requests import ResizeRequests
from elastic_iac.local.gcp.schedules import status
from elastic_iac.local.gcp.wire import Document, GcpError, Request, invalid, paged, required, stamp

_FINGERPRINTED = frozenset(
    {"backendServices", "urlMaps", "targetHttpProxies", "targetHttpsProxies", "instanceGroupManagers"}
)
_OUTPUT = ("id", "kind", "creationTimestamp", "selfLink", "region", "zone")


class Compute:
    """The Compute Engine service.

    Attributes:
        operations: What every change answers.
        boot: How long an instance takes from its creation until it runs.
        begun_windows: Whether a scaling schedule that is written within its own window takes effect at once. Google does not say: a job must be
            right either way.
        resize_requests: The resize requests of all groups; `wait` is how long they wait for capacity.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lock = threading.RLock()
        self.operations = Operations(clock)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.operations.reset()
        self.boot = timedelta(seconds=60)
        self.begun_windows = True
        self._resources: dict[str, Document] = {}
        self._groups: dict[str, Group] = {}
        self._autoscalers: dict[str, Autoscaler] = {}
        self.resize_requests = ResizeRequests(self._clock, self._groups, self._template_of, self._autoscaled)
        self._made = 0
        self._decided = self._clock.now()

    def handle(self, request: Request, place: Place, error_code: str | None = None) -> Document:
        """Answer one call.

        Raises:
            GcpError: as Compute refuses it.
        """
        with self.lock:
            if place.collection == "operations":
                return self._operation(request, place)
            if place.group and not place.mutating:
                return self.resize_requests.read(request, place)
            if not place.mutating:
                return self._read(request, place)
            repeated = self.operations.repeated(place.project, request)
            if repeated is not None:
                return repeated
            self.operations.finish_all()
            apply, target = self._change(request, place)
            return self.operations.start(request, place.parent, target, place.verb, apply, error_code)

    def autoscaler(self, path: str) -> Autoscaler:
        """The autoscaler's own state.

        Raises:
            GcpError: 404, there is none.
        """
        return _known(self._autoscalers, path)

    def group(self, path: str) -> Group:
        """The group's own state.

        Raises:
            GcpError: 404, there is none.
        """
        return _known(self._groups, path)

    def run_due(self, until: datetime) -> None:
        """Finish operations, and let every autoscaler decide at each full minute until then."""
        with self.lock:
            self.operations.run_due(until)
            self.resize_requests.run_due(until)
            first = self._decided.replace(second=0, microsecond=0) + MINUTE
            for autoscaler in self._autoscalers.values():
                group = self._groups[path_of(autoscaler.document["target"])]
                floors = autoscaler.floors(first, until + timedelta(microseconds=1), begun_windows=self.begun_windows)
                for number, floor in enumerate(floors):
                    group.create(first + number * MINUTE)  # what failed before is tried again
                    autoscaler.decide(group, first + number * MINUTE, floor, self.boot)
            for group in self._groups.values():
                group.create(until)
            self._decided = until

    # Reading

    def _operation(self, request: Request, place: Place) -> Document:
        if place.verb in {"get", "wait"}:
            return self.operations.poll(place.path, wait=place.verb == "wait")
        return paged(request, "compute#operationList", self.operations.listed(place.parent))

    def _read(self, request: Request, place: Place) -> Document:
        if not place.scope:
            return _geography(request, place)
        if place.collection == "instanceGroups":
            return self._instance_group(request, place)
        if place.collection == "instances" and place.verb == "get":
            return self._instance(request, place)
        if place.collection not in resources.KINDS:
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        if place.verb in {"listManagedInstances", "listErrors"}:
            return self._group_list(request, place)
        return self._shown(request, place.path) if place.verb == "get" else self._list(request, place)

    def _group_list(self, request: Request, place: Place) -> Document:
        group = self.group(place.path)
        if place.verb == "listManagedInstances":
            if request.method != "POST":  # a POST that changes nothing, by its reference
                raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
            listed = group.managed_instances(self._clock.now(), self.boot, request.url)
            return paged(request, "", listed, "managedInstances")
        if {"filter", "orderBy"} & set(request.query):  # neither is supported, by its reference
            raise invalid("filter", request.query, "Not supported.")
        return paged(request, "", group.listed_errors(request.url))

    def _list(self, request: Request, place: Place) -> Document:
        within = f"projects/{place.project}/" if place.scope == "aggregated" else f"{place.parent}/"
        paths = [
            path
            for path in sorted(self._resources)
            if path.startswith(within) and path.split("/")[-2] == place.collection
        ]
        shown = [self._shown(request, path) for path in paths]
        if place.verb != "aggregatedList":
            return paged(request, f"compute#{place.collection}List", shown)
        scopes: Document = {}
        for path, document in zip(paths, shown, strict=True):
            scope = "/".join(path.split("/")[2:-2])
            scopes.setdefault(scope, {place.collection: []})[place.collection].append(document)
        return {"kind": f"compute#{place.collection}AggregatedList", "items": scopes}

    def _instance(self, request: Request, place: Place) -> Document:
        """An instance of a managed group, by its own name and zone."""
        for group in self._groups.values():
            if any(held.name == place.name and held.zone == place.scope.partition("/")[2] for held in group.instances):
                versions: list[Document] = group.document.get("versions", [])
                link = group.document.get("instanceTemplate") or versions[0]["instanceTemplate"]
                template = _known(self._resources, path_of(link, place.project))
                machine = str(template["properties"]["machineType"]).rsplit("/", 1)[-1]
                return group.described_instance(place.name, self._clock.now(), self.boot, machine, request.url)
        raise GcpError(404, f"The resource '{place.path}' was not found")

    def _instance_group(self, request: Request, place: Place) -> Document:
        """The unmanaged face of a managed group."""
        group = self.group(place.path.replace("/instanceGroups/", "/instanceGroupManagers/"))
        if place.verb == "listInstances":
            listed = group.managed_instances(self._clock.now(), self.boot, request.url)
            members = [{"instance": held["instance"], "status": held["instanceStatus"]} for held in listed]
            return paged(request, "compute#instanceGroupsListInstances", members)
        named: list[Document] = group.document.get("namedPorts", [])
        link = f"{request.url}{PREFIX}{place.path}"
        return {
            "kind": "compute#instanceGroup",
            "name": place.name,
            "size": group.size,
            "namedPorts": named,
            "selfLink": link,
        }

    def _shown(self, request: Request, path: str) -> Document:
        document = _known(self._resources, path)
        if path in self._groups:
            attached = next(
                (held.path for held in self._autoscalers.values() if path_of(held.document["target"]) == path), None
            )
            return self._groups[path].describe(self._clock.now(), self.boot, request.url, attached)
        if path in self._autoscalers:
            return self._shown_autoscaler(self._autoscalers[path])
        return document

    def _shown_autoscaler(self, autoscaler: Autoscaler) -> Document:
        policy, now, written = autoscaler.policy, self._clock.now(), autoscaler.history[-1]
        document = {
            **autoscaler.document,
            "status": "ACTIVE",
            "statusDetails": [*status_details(policy), *self._shortages(autoscaler)],
        }
        if autoscaler.recommended is not None:
            document["recommendedSize"] = autoscaler.recommended
        held: Document = policy.get("scalingSchedules", {})
        if held:
            document["scalingScheduleStatus"] = {
                name: status(schedule, now, since, None if self.begun_windows else since)
                for name, schedule in held.items()
                for since in [written.schedules_at[name]]
            }
        return document

    def _shortages(self, autoscaler: Autoscaler) -> list[Document]:
        """API, AutoscalerStatusDetails: what its group cannot get now."""
        group = self._groups[path_of(autoscaler.document["target"])]
        codes = {held.refusal.code for held in group.instances if held.refusal is not None}
        quota = [{"type": "NOT_ENOUGH_QUOTA_AVAILABLE", "message": "quota"}] if "QUOTA_EXCEEDED" in codes else []
        stockout = [{"type": "ZONE_RESOURCE_STOCKOUT", "message": "stockout"}] if codes - {"QUOTA_EXCEEDED"} else []
        return [*quota, *stockout]

    # Changing

    def _change(self, request: Request, place: Place) -> tuple[Callable[[], None], str]:
        """Judge a change; what makes it, and the path of what it changes."""
        if place.group:
            return self.resize_requests.change(request, place)
        kind = resources.KINDS.get(place.collection)
        if kind is None:
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        if place.verb == "insert":
            return self._insert(request, place)
        document = _known(self._resources, place.path)
        if place.verb == "delete":
            self._check_unused(place)
            return lambda: self._remove(place.path), place.path
        if place.verb == "resize" and place.collection == "instanceGroupManagers":
            size = request.query.get("size", "")
            if not size.isdigit():
                raise invalid("size", size, "Must be a number of instances.")
            self._check_not_autoscaled(place.path)
            self.resize_requests.check_none_waits(place.path)
            return lambda: self._groups[place.path].resize(int(size), self._clock.now(), "resize"), place.path
        changed = self._changed(request, place, document, kind)
        return lambda: self._write(place, changed), place.path

    def _insert(self, request: Request, place: Place) -> tuple[Callable[[], None], str]:
        document = resources.merge_patch({}, request.document)  # null is not there
        resources.check(place.collection, document)
        named = Place(place.project, place.scope, place.collection, document["name"], "insert")
        if named.path in self._resources:
            raise GcpError(409, f"The resource '{named.path}' already exists")
        self._check_references(place, document)
        if place.collection == "autoscalers":
            document = self._checked_autoscaler(request, named, document)
        self._made += 1
        output: Document = {
            "kind": f"compute#{resources.KINDS[place.collection].message[0].lower()}{resources.KINDS[place.collection].message[1:]}",
            "id": str(2 * 10**15 + self._made),
            "creationTimestamp": stamp(self._clock.now()),
            "selfLink": f"{request.url}{PREFIX}{named.path}",
        }
        if place.scope != "global":
            output[place.scope.partition("/")[0].rstrip("s")] = f"{request.url}{PREFIX}{place.parent}"
        if place.collection in {"addresses", "forwardingRules"}:
            field = "address" if place.collection == "addresses" else "IPAddress"
            document = {field: f"203.0.113.{self._made % 254 + 1}", **document}  # RFC 5737: for documentation
        made = {**document, **output}
        return lambda: self._write(named, made), named.path

    def _changed(self, request: Request, place: Place, document: Document, kind: resources.Kind) -> Document:
        asked = request.document
        output = {name: document[name] for name in _OUTPUT if name in document}
        if place.verb == "patch" and "PATCH" in kind.changes:
            changed = resources.merge_patch(document, asked)
        elif place.verb == "update" and "PUT" in kind.changes:
            changed = {"name": place.name, **asked}  # what the body leaves out is gone
        elif place.verb in _SETTERS:
            changed = {**document, **asked}
        else:
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        if asked.get("fingerprint", document.get("fingerprint")) != document.get("fingerprint"):
            raise GcpError(412, "Supplied fingerprint does not match current metadata fingerprint.")
        changed |= {**output, "name": place.name}
        resources.check(place.collection, changed)
        self._check_references(place, changed)
        if place.collection == "instanceGroupManagers" and "targetSize" in asked:
            self._check_not_autoscaled(place.path)
        if place.collection == "autoscalers":
            if path_of(changed["target"], place.project) != path_of(document["target"]):
                raise invalid("resource.target", changed["target"], "The target of an autoscaler cannot be changed.")
            changed = self._checked_autoscaler(request, place, changed)
        return changed

    def _checked_autoscaler(self, request: Request, place: Place, document: Document) -> Document:
        target = path_of(document["target"], place.project)
        if target.split("/")[:4] != place.path.split("/")[:4]:
            raise invalid("resource.target", document["target"], f"The group must be in {place.scope}.")
        holder = next((held for held in self._autoscalers.values() if path_of(held.document["target"]) == target), None)
        if holder is not None and holder.path != place.path:  # one autoscaler a group (GUIDE); the code is INFERRED
            raise GcpError(
                400, f"The target '{target}' is already used by '{holder.path}'", "resourceInUseByAnotherResource"
            )
        if document.get("autoscalingPolicy") is None:
            raise required(FIELD)
        self.resize_requests.check_none_waits(target)
        link = f"{request.url}{PREFIX}{target}"  # a partial URL comes back whole
        return {**document, "target": link, "autoscalingPolicy": checked_policy(document["autoscalingPolicy"])}

    def _write(self, place: Place, document: Document) -> None:
        if place.collection in _FINGERPRINTED:
            plain = json.dumps({**document, "fingerprint": None}, sort_keys=True)
            document = {**document, "fingerprint": hashlib.sha256(plain.encode()).hexdigest()[:11] + "="}
        self._resources[place.path] = document
        now = self._clock.now()
        if place.collection == "instanceGroupManagers":
            group = self._groups.setdefault(place.path, Group(place.path, document))
            group.document = document
            if place.verb == "insert" or "targetSize" in document:
                group.resize(int(document.get("targetSize", 0)), now, place.verb)
            document.pop("targetSize", None)  # the group tells it
        if place.collection == "autoscalers":
            autoscaler = self._autoscalers.setdefault(place.path, Autoscaler(place.path, document))
            autoscaler.write(document, now)
            # INFERRED: it decides at once. (GUIDE: within a minute or so.)
            floor = autoscaler.floors(now, now + timedelta(microseconds=1), begun_windows=self.begun_windows)[0]
            autoscaler.decide(self._groups[path_of(document["target"], place.project)], now, floor, self.boot)

    def _template_of(self, group: Group) -> Document:
        versions: list[Document] = group.document.get("versions") or [group.document]
        return _known(self._resources, path_of(versions[0]["instanceTemplate"], group.path.split("/")[1]))

    def _autoscaled(self, group: str) -> bool:
        return any(path_of(held.document["target"]) == group for held in self._autoscalers.values())

    def _remove(self, path: str) -> None:
        self.resize_requests.forget(path)
        for held in (self._resources, self._groups, self._autoscalers):
            held.pop(path, None)

    def _check_references(self, place: Place, document: Document) -> None:
        for field, text, collections in resources.references(place.collection, document):
            path = path_of(text, place.project)
            collection, name = path.split("/")[-2:] if path.count("/") > 2 else ("", path)
            if collection not in collections:
                raise invalid(field, text, f"The URL must name one of {', '.join(sorted(collections))}.")
            managed = path.replace("/instanceGroups/", "/instanceGroupManagers/")
            if managed not in self._resources and (collection, name) not in _GIVEN:
                raise GcpError(404, f"The resource '{path}' was not found")

    def _check_unused(self, place: Place) -> None:
        faces = {place.path, place.path.replace("/instanceGroupManagers/", "/instanceGroups/")}
        for path, document in self._resources.items():
            collection = path.split("/")[-2]
            if any(path_of(text, place.project) in faces for _, text, _ in resources.references(collection, document)):
                raise GcpError(
                    400,
                    f"The resource '{place.path}' is already being used by '{path}'",
                    "resourceInUseByAnotherResource",
                )

    def _check_not_autoscaled(self, group: str) -> None:
        for autoscaler in self._autoscalers.values():
            if path_of(autoscaler.document["target"]) == group and autoscaler.policy["mode"] != "OFF":
                raise GcpError(412, f"The target size of '{group}' is set by '{autoscaler.path}'")


_GIVEN = frozenset({("networks", "default"), ("subnetworks", "default")})
"""What every project has."""
_SETTERS = frozenset({"setUrlMap", "setTarget", "setLabels", "setInstanceTemplate", "setNamedPorts"})


def _known(held: dict[str, Any], path: str) -> Any:
    if path not in held:
        raise GcpError(404, f"The resource '{path}' was not found")
    return held[path]


def _geography(request: Request, place: Place) -> Document:
    """Regions and zones: any name of the right form is one, with three zones each."""
    if place.collection == "projects":
        return {"kind": "compute#project", "name": place.project}
    singular = place.collection.rstrip("s")
    names = [place.name] if place.name else ["us-central1", "europe-west1"]
    if place.collection == "zones" and not place.name:
        names = [f"{name}-{letter}" for name in names for letter in "abc"]
    items = [{"kind": f"compute#{singular}", "name": name, "status": "UP"} for name in names]
    return items[0] if place.name else paged(request, f"compute#{singular}List", items)
