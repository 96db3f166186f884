"""Managed instance groups: their instances follow the target size, and take the boot time to run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from elastic_iac.local.gcp.wire import Document, GcpError, stamp


@dataclass(frozen=True)
class Refusal:
    """Why an instance could not be created."""

    code: str
    message: str

    @property
    def shown(self) -> Document:
        """As Compute shows it."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True)
class Instance:
    """One instance of a group; one that a resize request made ends by itself. What could not be created yet has a `refusal` that says why."""

    name: str
    zone: str
    created: datetime | None
    ends: datetime | None = None
    refusal: Refusal | None = None

    @property
    def id(self) -> str:
        """The server's, another one for each creation (API, Instance.id: an unsigned 64-bit number)."""
        digest = hashlib.sha256(f"{self.name}/{self.created}".encode()).digest()
        return str(int.from_bytes(digest[:8], "big"))


@dataclass(frozen=True)
class Outage:
    """From `start` on, and until `end` where there is one, no instance beyond `size` can be created: its creation fails with this error."""

    start: datetime
    code: str
    message: str
    end: datetime | None = None
    size: int = 0

    def refuses(self, at: datetime, created: int) -> bool:
        """Whether the creation of one more is refused."""
        return self.start <= at and (self.end is None or at < self.end) and created >= self.size


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
    outages: list[Outage] = field(default_factory=list[Outage])
    errors: list[Document] = field(default_factory=list[Document])
    answers: Callable[[datetime], timedelta] | None = None
    """How long an instance that was created then takes until its health check finds it healthy; the boot time where it is None."""
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
            self._create(min(self.zones, key=self._in_zone), None)
        while self.size > size:
            crowded = max(self.zones, key=self._in_zone)
            newest = next((held for held in reversed(self.instances) if held.zone == crowded), self.instances[-1])
            self.instances.remove(newest)
        self.history.append(Resize(at, size, cause))
        self.create(at)

    def create(self, at: datetime) -> None:
        """Create what is not there yet, or fail to. API, ManagedInstance.currentAction: the group "will try again until it is successful"."""
        for number, instance in enumerate(self.instances):
            if instance.created is not None:
                continue
            created = sum(each.created is not None for each in self.instances)
            refusing = next((each for each in self.outages if each.refuses(at, created)), None)
            if refusing is None:
                self.instances[number] = replace(instance, created=at, refusal=None)
                continue
            refusal = Refusal(refusing.code, refusing.message)
            self.instances[number] = replace(instance, refusal=refusal)
            self.errors.append({"error": refusal.shown, "timestamp": stamp(at), "instance": instance})

    def recreate(self, name: str, at: datetime) -> None:
        """Delete an instance and create it anew under its name, as for one that is unhealthy or was preempted (API, currentAction RECREATING)."""
        place = next(number for number, each in enumerate(self.instances) if each.name == name)
        self.instances[place] = replace(self.instances[place], created=None)
        self.create(at)

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

    def _create(self, zone: str, at: datetime | None, ends: datetime | None = None) -> None:
        self._made += 1
        suffix = hashlib.sha256(f"{self.path}/{self._made}".encode()).hexdigest()[:4]
        self.instances.append(Instance(f"{self.document['baseInstanceName']}-{suffix}", zone, at, ends))

    def running(self, moment: datetime, boot: timedelta) -> list[Instance]:
        """The instances that run: created longer ago than they take to boot."""
        return [each for each in self.instances if each.created is not None and each.created + boot <= moment]

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
        running = {instance.name for instance in self.running(moment, boot)}
        shown: list[Document] = []
        for held in self.instances:
            up = held.name in running
            document: Document = {
                "instance": self._url(held, url),
                "name": held.name,
                "currentAction": "NONE" if up else "CREATING",
            }
            if held.created is not None:  # API: empty where the instance does not exist
                document |= {"id": held.id, "instanceStatus": "RUNNING" if up else "STAGING"}
            if held.refusal is not None:
                document["lastAttempt"] = {"errors": {"errors": [held.refusal.shown]}}
            if up and (check := self._health_check):
                state = "HEALTHY" if self._is_healthy(held, moment, boot) else "TIMEOUT"
                document["instanceHealth"] = [{"healthCheck": check, "detailedHealthState": state}]
            shown.append(document)
        return shown

    def listed_errors(self, url: str) -> list[Document]:
        """What failed, as listErrors shows it (API, InstanceManagedByIgmError), the newest first (INFERRED)."""
        return [
            {
                "error": each["error"],
                "timestamp": each["timestamp"],
                "instanceActionDetails": {"action": "CREATING", "instance": self._url(each["instance"], url)},
            }
            for each in reversed(self.errors)
        ]

    def described_instance(self, name: str, moment: datetime, boot: timedelta, machine_type: str, url: str) -> Document:
        """One of its instances, as instances.get shows it (API, Instance).

        Raises:
            GcpError: 404, it does not exist, or not yet.
        """
        held = next((each for each in self.instances if each.name == name), None)
        if held is None or held.created is None:
            raise GcpError(404, f"The resource '{name}' was not found")
        document: Document = {
            "id": held.id,
            "name": name,
            "status": "RUNNING" if held.created + boot <= moment else "STAGING",
            "machineType": f"{url}/compute/v1/{self._project}/zones/{held.zone}/machineTypes/{machine_type}",
            "creationTimestamp": stamp(held.created),
            "selfLink": self._url(held, url),
        }
        if held.created + boot <= moment:
            document["lastStartTimestamp"] = stamp(held.created + boot)
        return document

    @property
    def _project(self) -> str:
        return "/".join(self.path.split("/")[:2])

    @property
    def _health_check(self) -> str:
        policies: list[Document] = self.document.get("autoHealingPolicies", [])
        return next((str(policy["healthCheck"]) for policy in policies if policy.get("healthCheck")), "")

    def _is_healthy(self, held: Instance, moment: datetime, boot: timedelta) -> bool:
        if held.created is None:
            return False
        return held.created + (self.answers(held.created) if self.answers else boot) <= moment

    def _url(self, held: Instance, url: str) -> str:
        return f"{url}/compute/v1/{self._project}/zones/{held.zone}/instances/{held.name}"

    def _in_zone(self, zone: str) -> int:
        return sum(instance.zone == zone for instance in self.instances)
