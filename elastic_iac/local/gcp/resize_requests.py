"""Resize requests: instances that the Dynamic Workload Scheduler gives all at once, on the stand-in's clock.

Sources: API = the Compute Engine API reference (also in google-cloud-compute); GUIDE = "About resize requests in a MIG"; INFERRED = not documented,
the stricter reading is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp.groups import Group
from elastic_iac.local.gcp.paths import PREFIX, Place
from elastic_iac.local.gcp.resources import merge_patch
from elastic_iac.local.gcp.schedules import RFC1035
from elastic_iac.local.gcp.types import check_types
from elastic_iac.local.gcp.wire import Document, GcpError, Request, invalid, paged, required, stamp

KIND = "compute#instanceGroupManagerResizeRequest"
_WAITING = frozenset({"CREATING", "ACCEPTED"})
_LEAST_SECONDS, _MOST_SECONDS = 600, 604_800  # GUIDE: 10 minutes to 7 days
_MODELS = frozenset({"FLEX_START", "RESERVATION_BOUND"})


@dataclass
class ResizeRequest:
    """One request: what was asked for, with its state (API, State), and when there is capacity for it."""

    group: str
    document: Document
    granted_at: datetime

    @property
    def waiting(self) -> bool:
        """Whether its instances are still to come."""
        return self.document["state"] in _WAITING

    @property
    def count(self) -> int:
        """The instances that it asks for."""
        return int(self.document.get("resizeBy", 0)) or len(self.document["instances"])


class ResizeRequests:
    """The resize requests of all groups, by path.

    Attributes:
        wait: How long the scheduler lets an accepted request wait for capacity.
    """

    def __init__(
        self,
        clock: Clock,
        groups: Mapping[str, Group],
        template_of: Callable[[Group], Document],
        autoscaled: Callable[[str], bool],
    ) -> None:
        """With the groups by path, and what tells a group's template and whether a group has an autoscaler."""
        self._clock = clock
        self._groups = groups
        self._template_of = template_of
        self._autoscaled = autoscaled
        self._known: dict[str, ResizeRequest] = {}
        self._made = 0
        self.wait = timedelta(0)

    def read(self, request: Request, place: Place) -> Document:
        """Answer `get` and `list`.

        Raises:
            GcpError: 404.
        """
        if place.verb == "get":
            return self._get(place.path).document
        return paged(request, f"{KIND}List", [held.document for held in self._of(self._group(place).path)])

    def change(self, request: Request, place: Place) -> tuple[Callable[[], None], str]:
        """Judge a change; what makes it, and the path of what it changes.

        Raises:
            GcpError: as Compute refuses it.
        """
        group = self._group(place)
        if place.verb == "cancel":
            self._check_waits(place.path, waits=True)
            return lambda: self._cancel(place.path), place.path
        if place.verb == "delete":  # API: instances that it made stay
            self._check_waits(place.path, waits=False)
            return lambda: self._forget_one(place.path), place.path
        if place.verb != "insert":
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        document = merge_patch({}, request.document)
        path = f"{group.path}/{place.collection}/{document.get('name', '')}"
        self._check_insert(path, document, group)
        self._made += 1
        output: Document = {
            "kind": KIND,
            "id": str(3 * 10**15 + self._made),
            "creationTimestamp": stamp(self._clock.now()),
            "selfLink": f"{request.url}{PREFIX}{path}",
            place.scope.partition("/")[0].rstrip("s"): f"{request.url}{PREFIX}{place.parent}",
        }
        return lambda: self._accept(path, group, {**document, **output, "state": "ACCEPTED"}), path

    def check_none_waits(self, group: str) -> None:
        """Judge another change of the group's size.

        Raises:
            GcpError: 412, a request waits (GUIDE; the code is INFERRED).
        """
        for held in self._of(group):
            if held.waiting:
                raise GcpError(412, f"The size of '{group}' cannot be changed: '{held.document['name']}' waits.")

    def forget(self, group: str) -> None:
        """Its group is gone."""
        for path in [path for path, held in self._known.items() if held.group == group]:
            self._forget_one(path)

    def run_due(self, until: datetime) -> None:
        """Create the instances of requests whose wait is over, and delete those whose time is."""
        for held in sorted(self._known.values(), key=lambda held: held.granted_at):
            if held.waiting and held.granted_at <= until:
                group = self._groups[held.group]
                seconds = run_seconds(held.document, self._template_of(group))
                ends = None if seconds is None else held.granted_at + timedelta(seconds=seconds)
                group.awaited -= held.count
                group.grant(held.count, held.granted_at, ends)
                held.document["state"] = "SUCCEEDED"
        for group in self._groups.values():
            group.expire(until)

    def _get(self, path: str) -> ResizeRequest:
        if path not in self._known:
            raise GcpError(404, f"The resource '{path}' was not found")
        return self._known[path]

    def _of(self, group: str) -> list[ResizeRequest]:
        found = [held for held in self._known.values() if held.group == group]
        return sorted(found, key=lambda held: held.document["name"])

    def _group(self, place: Place) -> Group:
        path = f"{place.parent}/instanceGroupManagers/{place.group}"
        if path not in self._groups:
            raise GcpError(404, f"The resource '{path}' was not found")
        return self._groups[path]

    def _accept(self, path: str, group: Group, document: Document) -> None:
        now = self._clock.now()
        held = ResizeRequest(group.path, document, now + self.wait)
        self._known[path] = held
        group.awaited += held.count
        self.run_due(now)

    def _cancel(self, path: str) -> None:
        held = self._get(path)
        held.document["state"] = "CANCELLED"
        self._groups[held.group].awaited -= held.count

    def _forget_one(self, path: str) -> None:
        self._known.pop(path, None)

    def _check_waits(self, path: str, *, waits: bool) -> None:
        """Judge a cancellation (of one that waits) or a deletion (of one that does not: API)."""
        held = self._get(path)
        if held.waiting != waits:
            expected = (
                "Only a request that waits can be cancelled." if waits else "An active request cannot be deleted."
            )
            raise invalid("resizeRequest.state", held.document["state"], expected)

    def _check_insert(self, path: str, document: Document, group: Group) -> None:
        """Judge a new request by itself, by its group and by its group's template."""
        check_types("InstanceGroupManagerResizeRequest", document)
        name = document.get("name")
        if not name:
            raise required("resource.name")
        if not RFC1035.fullmatch(name):
            raise invalid("resource.name", name, f"Must be a match of regex '{RFC1035.pattern}'")
        if path in self._known:
            raise GcpError(409, f"The resource '{path}' already exists")
        count = document.get("resizeBy")
        if (count is not None) == ("instances" in document):  # API: one cannot be used with the other
            raise invalid("resource.resizeBy", count, "Exactly one of resizeBy and instances must be specified.")
        if count is not None and int(count) < 1:
            raise invalid("resource.resizeBy", count, "Must be at least 1.")
        seconds = _seconds(document.get("requestedRunDuration"))
        if seconds is not None and not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
            expected = f"Must be from {_LEAST_SECONDS} to {_MOST_SECONDS} seconds."
            raise invalid("resource.requestedRunDuration", seconds, expected)
        if self._autoscaled(group.path):  # GUIDE: the autoscaler must be removed first; the code is INFERRED
            raise GcpError(412, f"The group '{group.path}' has an autoscaler: it takes no resize requests.")
        _check_group(group)
        _check_template(self._template_of(group), seconds)


def run_seconds(request: Document, template: Document) -> int | None:
    """How long an instance runs: what the request says, else its template."""
    own = _seconds(request.get("requestedRunDuration"))
    return _seconds(_scheduling(template).get("maxRunDuration")) if own is None else own


def _seconds(duration: Any) -> int | None:
    return None if duration is None else int(duration.get("seconds", 0))


def _scheduling(template: Document) -> Document:
    return template["properties"].get("scheduling", {})


def _check_group(group: Group) -> None:
    """GUIDE, limitations for the MIG; the codes are INFERRED."""
    document = group.document
    action = document.get("instanceLifecyclePolicy", {}).get("defaultActionOnFailure", "REPAIR")
    if action != "DO_NOTHING":
        raise invalid("instanceLifecyclePolicy.defaultActionOnFailure", action, "Repairs must be turned off.")
    update = document.get("updatePolicy", {}).get("type", "OPPORTUNISTIC")
    if update != "OPPORTUNISTIC":
        raise invalid("updatePolicy.type", update, "Must be OPPORTUNISTIC.")
    shape = document.get("distributionPolicy", {}).get("targetShape", "EVEN")
    if "/regions/" in group.path and shape != "ANY_SINGLE_ZONE":
        raise invalid("distributionPolicy.targetShape", shape, "Must be ANY_SINGLE_ZONE.")


def _check_template(template: Document, seconds: int | None) -> None:
    """GUIDE, limitations for the instance template; the codes are INFERRED."""
    scheduling = _scheduling(template)
    model = scheduling.get("provisioningModel", "STANDARD")
    if model not in _MODELS:
        raise invalid("properties.scheduling.provisioningModel", model, f"Must be one of {', '.join(sorted(_MODELS))}.")
    affinity = template["properties"].get("reservationAffinity", {}).get("consumeReservationType", "ANY_RESERVATION")
    if model == "FLEX_START" and affinity != "NO_RESERVATION":
        raise invalid("properties.reservationAffinity", affinity, "Must be NO_RESERVATION.")
    if seconds is None and model == "FLEX_START" and "maxRunDuration" not in scheduling:
        raise required("resource.requestedRunDuration")
