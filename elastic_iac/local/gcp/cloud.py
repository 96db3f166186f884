"""The stand-in of Google Cloud: Compute and what else speaks REST on one loopback port, Monitoring's gRPC on another.

with local_gcp(now=datetime(2026, 3, 1, tzinfo=UTC)) as gcp:
    autoscalers = gcp.compute_client("RegionAutoscalersClient")
    ...
    gcp.clock.advance(timedelta(hours=48))
    floor = gcp.floor_by_minute("project", "europe-west1", "web", start, end)
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp import faults, wire
from elastic_iac.local.gcp.autoscalers import Autoscaler, Signal
from elastic_iac.local.gcp.compute import Compute
from elastic_iac.local.gcp.delivery import RUN_PREFIX, Deliveries
from elastic_iac.local.gcp.groups import Group
from elastic_iac.local.gcp.identity import CERTS_PATH, Identity
from elastic_iac.local.gcp.monitoring import Monitoring
from elastic_iac.local.gcp.paths import PREFIX, place
from elastic_iac.local.gcp.rpc import RpcServer
from elastic_iac.local.gcp.services import Services
from elastic_iac.local.gcp.storage import PREFIXES, Storage
from elastic_iac.local.gcp.wire import GcpError, Request
from elastic_iac.local.proxy import Server
from elastic_iac.local.wire import ConnectionDropped, Response

Result = TypeVar("Result")


@dataclass(frozen=True)
class Asked:
    """What a call asks for, however it came: service, method in Google's reference, last name in its path, permissions that it needs."""

    service: str
    action: str
    resource: str
    permissions: tuple[str, ...]
    mutating: bool
    body: bytes = b""


@dataclass(frozen=True)
class Call:
    """One call as the stand-in saw it. `status` is None where the connection was dropped; `applied` says whether the call took effect."""

    asked: Asked
    principal: str
    status: int | None
    applied: bool
    at: datetime

    @property
    def action(self) -> str:
        """E.g. `regionAutoscalers.patch`."""
        return self.asked.action


class LocalGcp:
    """A running stand-in. Make one with `local_gcp`.

    Attributes:
        clock: The controlled clock, which a local AWS may share.
        compute: Compute Engine's state and settings: boot time, operations' polls and delay.
        monitoring: Cloud Monitoring's state; `publish` puts a whole history there.
        storage: Cloud Storage's state.
        services: IAM, Cloud Functions, Cloud Scheduler, Pub/Sub, alert policies and dashboards, as declared.
        deliveries: The calls that Cloud Scheduler and Pub/Sub have made, and where functions run.
        identity: Signs the tokens of those calls.
        faults: The faults in force.
        calls: Every call since the last reset.
    """

    def __init__(self, clock: Clock, project: str) -> None:
        self.project = project
        self.clock = clock
        self.faults = faults.Faults()
        self.calls: list[Call] = []
        self.compute = Compute(clock)
        self.monitoring = Monitoring(clock)
        self.storage = Storage(clock)
        self.services = Services(clock, self.storage)
        self.identity = Identity()
        self.deliveries = Deliveries(clock, self.services, self.storage, self.identity)
        self._granted: dict[str, tuple[str, frozenset[str]]] = {}
        self._quota: faults.CallQuota | None = None
        self._lock = threading.Lock()
        self._resets = 0
        self._start = clock.now()
        self._unbind = (
            clock.bind(self.compute.run_due),
            clock.wake(self.deliveries.next_due, self.deliveries.run_due),
        )
        self._server = Server(self.answer)
        self._rpc = RpcServer(self.monitoring, self._run_rpc)
        self.url = self._server.url
        self.compute_url = self.storage_url = self.url
        self.monitoring_target = self._rpc.target

    def close(self) -> None:
        """Stop serving."""
        for unbind in self._unbind:
            unbind()
        self._rpc.stop()
        self._server.stop()

    def environment(self) -> dict[str, str]:
        """The environment variables that point the official clients at the stand-in."""
        return {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": self.compute_url,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": self.url,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING": f"http://{self.monitoring_target}",
            "STORAGE_EMULATOR_HOST": self.storage_url,
            "GOOGLE_CLOUD_PROJECT": self.project,
        }

    def reset(self, now: datetime | None = None) -> None:
        """Wipe everything: state, calls, faults, grants; the clock returns to its start, or stands at `now`."""
        self._resets += 1
        self.clock.set(now or self._start)
        self.compute.reset()
        self.monitoring.reset()
        self.storage.reset()
        self.services.reset()
        self.deliveries.reset()
        self.faults.clear()
        self.calls.clear()
        self._granted.clear()
        self._quota = None

    def limit_calls(self, per_minute: int) -> None:
        """Grant so many calls of Compute in a minute of the clock, until the next reset; the others are answered 403 `rateLimitExceeded`."""
        self._quota = faults.CallQuota(per_minute, self.clock.now)

    def compute_client(self, name: str) -> Any:
        """An official Compute client, e.g. `RegionAutoscalersClient`, without credentials; it polls operations here as well."""
        compute: Any = importlib.import_module("google.cloud.compute_v1")
        options: Any = importlib.import_module("google.api_core.client_options")
        auth: Any = importlib.import_module("google.auth.credentials")
        made = {
            "client_options": options.ClientOptions(api_endpoint=self.compute_url),
            "credentials": auth.AnonymousCredentials(),
        }
        client = getattr(compute, name)(**made)
        for level in ("zone", "region", "global"):  # by itself it polls at the public endpoint
            if hasattr(client.transport, f"_{level}_operations_client"):
                poller = getattr(compute, f"{level.capitalize()}OperationsClient")(**made)
                client.transport._extended_operations_services[f"{level}_operations"] = poller
        return client

    def monitoring_client(self) -> Any:
        """An official MetricServiceClient, without credentials."""
        grpc: Any = importlib.import_module("grpc")
        monitoring: Any = importlib.import_module("google.cloud.monitoring_v3")
        transports: Any = importlib.import_module("google.cloud.monitoring_v3.services.metric_service.transports")
        channel = grpc.insecure_channel(self.monitoring_target)
        return monitoring.MetricServiceClient(transport=transports.MetricServiceGrpcTransport(channel=channel))

    def storage_client(self) -> Any:
        """An official Storage client, without credentials."""
        storage: Any = importlib.import_module("google.cloud.storage")
        auth: Any = importlib.import_module("google.auth.credentials")
        options = {"api_endpoint": self.storage_url}
        return storage.Client(project=self.project, credentials=auth.AnonymousCredentials(), client_options=options)

    def grant(self, permissions: Iterable[str], token: str = "", principal: str = "limited") -> None:
        """Let calls with this bearer token (empty: those without one) do no more than these permissions allow. Any other call may do everything."""
        self._granted[token] = (principal, frozenset(permissions))

    def permissions_used(self) -> set[str]:
        """The permissions that the calls so far have needed, those aside that were refused for want of one."""
        return {
            permission for call in self.calls if call.status not in {401, 403} for permission in call.asked.permissions
        }

    # What tests ask and set

    def autoscaler(self, location: str, name: str, *, project: str | None = None) -> Autoscaler:
        """The state of a regional or zonal autoscaler.

        Raises:
            GcpError: 404, there is none.
        """
        return self.compute.autoscaler(self._path(project, location, "autoscalers", name))

    def group(self, location: str, name: str, *, project: str | None = None) -> Group:
        """The state of a regional or zonal managed instance group.

        Raises:
            GcpError: 404, there is none.
        """
        return self.compute.group(self._path(project, location, "instanceGroupManagers", name))

    def set_signal(self, location: str, autoscaler: str, *, project: str | None = None, **signals: Signal) -> None:
        """Say what is measured: `cpu` and `load_balancing` as utilisation; `metrics={...}` is spelt `**{"custom.googleapis.com/x": 120.0}`."""
        self.autoscaler(location, autoscaler, project=project).signals |= signals

    def floor_by_minute(
        self, project: str, location: str, autoscaler: str, start: datetime, end: datetime
    ) -> list[int]:
        """The minimum in force at each minute, start <= minute < end (aware): minNumReplicas or the greatest open window, at most maxNumReplicas.

        Minutes ahead of the clock are answered as they will be if nothing is written until then.

        Raises:
            GcpError: 404, there is no such autoscaler.
            ValueError: it did not exist yet at `start`.
        """
        held = self.autoscaler(location, autoscaler, project=project)
        return held.floors(start, end, begun_windows=self.compute.begun_windows)

    def _path(self, project: str | None, location: str, collection: str, name: str) -> str:
        scope = "zones" if location.count("-") > 1 else "regions"
        return f"projects/{project or self.project}/{scope}/{location}/{collection}/{name}"

    # Serving

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer one REST call.

        Raises:
            ConnectionDropped: a fault resets the connection.
        """
        request = wire.read(method, path, headers, body, self.url)
        try:
            return self._routed(request)
        except GcpError as error:
            return wire.refusal(error)

    def _routed(self, request: Request) -> Response:
        if request.path.startswith(PREFIX):
            at = place(request)
            resource = at.name or (request.document.get("name", "") if at.mutating else "")
            asked = Asked("compute", at.action, resource, at.permissions, at.mutating, request.body)

            def handle(struck: tuple[faults.Fault, ...]) -> Response:
                code = next((fault.operation_code for fault in struck if fault.operation_code), None)
                return wire.ok(self.compute.handle(request, at, code))

            return self.run(asked, request.token, handle)
        if request.path.startswith(PREFIXES):
            target = self.storage.target(request)
            permissions = self.storage.permissions(request, target)
            resource = target.name or target.bucket
            asked = Asked("storage", target.action, resource, permissions, target.mutating, request.body)
            return self.run(asked, request.token, lambda _: self.storage.handle(request, target))
        if request.path == CERTS_PATH:
            return wire.ok(self.identity.certs())
        if request.path.startswith(RUN_PREFIX):
            return self.deliveries.front(request)
        if request.path == f"/v3/projects/{self.project}:testIamPermissions":
            asked = Asked("cloudresourcemanager", "projects.testIamPermissions", self.project, (), mutating=False)
            return self.run(asked, request.token, lambda _: wire.ok(self._held(request)))
        called = self.services.place(request)
        asked = Asked(called.service, called.action, called.id, called.permissions, called.mutating, request.body)
        return self.run(asked, request.token, lambda _: wire.ok(self.services.handle(request, called)))

    def _held(self, request: Request) -> wire.Document:
        """API, projects.testIamPermissions: those of the asked that the caller has; asking takes none."""
        _, granted = self._granted.get(request.token, ("anyone", None))
        asked: list[str] = request.document.get("permissions", [])
        return {"permissions": [each for each in asked if granted is None or each in granted]}

    def _run_rpc(
        self,
        action: str,
        permission: str,
        resource: str,
        body: bytes,
        token: str,
        handle: Callable[[tuple[faults.Fault, ...]], bytes],
    ) -> bytes:
        mutating = action.endswith(".create")
        return self.run(Asked("monitoring", action, resource, (permission,), mutating, body), token, handle)

    def run(self, asked: Asked, token: str, handle: Callable[[tuple[faults.Fault, ...]], Result]) -> Result:
        """Carry out one call, of whatever service, with its faults, its permissions and its record.

        Raises:
            GcpError: it is refused.
            ConnectionDropped: a fault resets the connection.
        """
        resets = self._resets
        struck = self.faults.strike(asked.service, asked.action, asked.resource, mutating=asked.mutating)
        time.sleep(sum(fault.delay_seconds for fault in struck))
        if resets != self._resets:
            raise ConnectionDropped  # a delayed call goes with the state that it was made in
        principal, granted = self._granted.get(token, ("anyone", None))
        status, applied = None, False
        try:
            _raise(struck, after=False)
            if self._quota and asked.service == "compute":
                self._quota.take()
            _authorise(asked, granted)
            result = handle(struck)
            status, applied = 200, True
            if any(fault.after for fault in struck):
                self.compute.operations.finish_all()  # who asked will never hear which operation to poll
                status = None
            _raise(struck, after=True)
            return result
        except GcpError as error:
            status = error.status
            raise
        finally:
            with self._lock:
                self.calls.append(Call(asked, principal, status, applied, self.clock.now()))


def _raise(struck: tuple[faults.Fault, ...], *, after: bool) -> None:
    """What the faults that strike at this point do instead."""
    for fault in struck:
        if fault.after == after:
            if fault.drop:
                raise ConnectionDropped
            if fault.error:
                raise fault.error


def _authorise(asked: Asked, granted: frozenset[str] | None) -> None:
    missing = [permission for permission in asked.permissions if granted is not None and permission not in granted]
    if missing:
        raise GcpError(403, f"Required '{missing[0]}' permission for '{asked.resource}'", "forbidden")


@contextmanager
def local_gcp(
    *, now: datetime | None = None, clock: Clock | None = None, project: str = "local-project"
) -> Generator[LocalGcp, None, None]:
    """Start the stand-in; it ends with the block, and leaves nothing behind.

    Args:
        now: Where its clock stands (aware); the present minute where it is not given.
        clock: The clock of another local cloud, to be driven by the same hand.
        project: The project that `environment` names.
    """
    stand_in = LocalGcp(clock or Clock(now or datetime.now(UTC).replace(second=0, microsecond=0)), project)
    try:
        yield stand_in
    finally:
        stand_in.close()
