"""Managed instance groups: their instances follow the target size, and take the boot time to run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from elastic_iac.local.gcp.wire import Document


@dataclass(frozen=True)
class Instance:
    """One instance of a group; one that a resize request made ends by itself."""

    name: str
    zone: str
    created: datetime
    ends: datetime | None = None


@dataclass(frozen=True)
class Resize:
    """A change of a group's target size, and what caused it."""

    at: datetime
    size: int
    cause: str


@dataclass
class Group:
    """One managed instance group. `path` is `projects/P/zones/Z/instanceGroupManagers/NAME`, or with `regions/R`."""

    path: str
    document: Document
    instances: list[Instance] = field(default_factory=list[Instance])
    history: list[Resize] = field(default_factory=list[Resize])
    awaited: int = 0
    """Instances of resize requests that wait for capacity: the target size counts them."""
    _made: int = 0

    @property
    def size(self) -> int:
        """The target size."""
        return len(self.instances)

    @property
    def zones(self) -> list[str]:
        """Where its instances are put, in turn."""
        _, project_kind, place = self.path.split("/")[1:4]
        if project_kind == "zones":
            return [place]
        listed: list[Document] = self.document.get("distributionPolicy", {}).get("zones", [])
        return [entry["zone"].rsplit("/", 1)[-1] for entry in listed] or [f"{place}-{letter}" for letter in "abc"]

    def resize(self, size: int, at: datetime, cause: str) -> None:
        """Create what is missing, in the zone that has least; remove the newest where there are too many, from the zone that has most."""
        if size == self.size and self.history:
            return
        while self.size < size:
            self._create(min(self.zones, key=self._in_zone), at)
        while self.size > size:
            crowded = max(self.zones, key=self._in_zone)
            newest = next((held for held in reversed(self.instances) if held.zone == crowded), self.instances[-1])
            self.instances.remove(newest)
        self.history.append(Resize(at, size, cause))

    def grant(self, count: int, at: datetime, ends: datetime | None) -> None:
        """Create the instances of a resize request all at once, in one zone (GUIDE, ANY_SINGLE_ZONE)."""
        zone = max(self.zones, key=self._in_zone)
        for _ in range(count):
            self._create(zone, at, ends)
        self.history.append(Resize(at, self.size, "resize request"))

    def expire(self, until: datetime) -> None:
        """Delete the instances whose time is over by then."""
        over = sorted({held.ends for held in self.instances if held.ends is not None and held.ends <= until})
        for at in over:
            self.instances = [held for held in self.instances if held.ends != at]
            self.history.append(Resize(at, self.size, "run duration"))

    def _create(self, zone: str, at: datetime, ends: datetime | None = None) -> None:
        self._made += 1
        suffix = hashlib.sha256(f"{self.path}/{self._made}".encode()).hexdigest()[:4]
        self.instances.append(Instance(f"{self.document['baseInstanceName']}-{suffix}", zone, at, ends))

    def running(self, moment: datetime, boot: timedelta) -> list[Instance]:
        """The instances that run: created longer ago than they take to boot."""
        return [instance for instance in self.instances if instance.created + boot <= moment]

    def describe(self, moment: datetime, boot: timedelta, url: str, autoscaler: str | None) -> Document:
        """The group as Compute shows it (API, InstanceGroupManager)."""
        none = len(self.running(moment, boot))
        creating = self.size - none + self.awaited
        idle = dict.fromkeys(("abandoning", "creatingWithoutRetries", "deleting", "recreating", "refreshing"), 0)
        status: Document = {"isStable": not creating}
        if autoscaler:
            status["autoscaler"] = f"{url}/compute/v1/{autoscaler}"
        return {
            **self.document,
            "targetSize": self.size + self.awaited,
            "currentActions": {**idle, "restarting": 0, "verifying": 0, "creating": creating, "none": none},
            "instanceGroup": f"{url}/compute/v1/{self.path.replace('/instanceGroupManagers/', '/instanceGroups/')}",
            "status": status,
        }

    def managed_instances(self, moment: datetime, boot: timedelta, url: str) -> list[Document]:
        """Its instances as listManagedInstances shows them (API, ManagedInstance)."""
        project = "/".join(self.path.split("/")[:2])
        running = {instance.name for instance in self.running(moment, boot)}
        return [
            {
                "instance": f"{url}/compute/v1/{project}/zones/{held.zone}/instances/{held.name}",
                "name": held.name,
                "instanceStatus": "RUNNING" if held.name in running else "STAGING",
                "currentAction": "NONE" if held.name in running else "CREATING",
            }
            for held in self.instances
        ]

    def _in_zone(self, zone: str) -> int:
        return sum(instance.zone == zone for instance in self.instances)
