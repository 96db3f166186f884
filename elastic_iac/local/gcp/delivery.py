"""What calls the job: Cloud Scheduler on the clock, Pub/Sub's pushes, and Cloud Run's front, which lets in only whom IAM allows.

Source: the REST references and "Authenticate service-to-service" of Cloud Run; INFERRED = not documented.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp.crons import cron
from elastic_iac.local.gcp.identity import Identity
from elastic_iac.local.gcp.services import Services
from elastic_iac.local.gcp.storage import Storage
from elastic_iac.local.gcp.wire import Document, GcpError, Request, stamp
from elastic_iac.local.wire import Response

RUN_PREFIX = "/run/"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_INVOKERS = frozenset({"roles/run.invoker", "roles/run.admin", "roles/owner"})
_SHORTEST_BACKOFF, _LONGEST_BACKOFF = timedelta(seconds=10), timedelta(seconds=600)  # API, Pub/Sub RetryPolicy


@dataclass(frozen=True)
class Delivery:
    """One attempt to call somebody. `status` is None where nobody answered, or the address is not on loopback."""

    at: datetime
    source: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None


@dataclass(frozen=True)
class _Message:
    due: datetime
    subscription: str
    message: Document
    attempt: int


class Deliveries:
    """Calls that the cloud makes by itself.

    Attributes:
        made: Every attempt so far.
        functions: By a function's name, the loopback address where it runs (e.g. under functions-framework).
    """

    def __init__(self, clock: Clock, services: Services, storage: Storage, identity: Identity) -> None:
        self._clock = clock
        self._services = services
        self._storage = storage
        self._identity = identity
        self.reset()
        services.changed.append(self._changed)
        services.custom |= {
            "jobs.run": lambda job, _: self._fire(job, self._clock.now()),
            "jobs.pause": lambda job, _: services.put(job["name"], {**job, "state": "PAUSED"}),
            "jobs.resume": lambda job, _: services.put(job["name"], {**job, "state": "ENABLED"}),
            "topics.publish": lambda topic, body: {
                "messageIds": [
                    self.publish(topic["name"], m.get("data", ""), m.get("attributes", {})) for m in body["messages"]
                ]
            },
        }
        storage.finalized.append(self._finalized)

    def reset(self) -> None:
        """Forget everything."""
        self.made: list[Delivery] = []
        self.functions: dict[str, str] = {}
        self._next_run: dict[str, datetime] = {}
        self._waiting: list[_Message] = []
        self._published = 0

    def next_due(self) -> datetime | None:
        """When the next call is to be made."""
        return min([*self._next_run.values(), *(message.due for message in self._waiting)], default=None)

    def run_due(self) -> None:
        """Make the calls that are due now."""
        now = self._clock.now()
        for name in [name for name, at in self._next_run.items() if at <= now]:
            job, at = self._services.resources[name], self._next_run[name]
            self._schedule(name, job)
            self._fire(job, at)
        due = [message for message in self._waiting if message.due <= now]
        self._waiting = [message for message in self._waiting if message.due > now]
        for message in due:
            self._push(message)

    def publish(self, topic: str, data: str, attributes: Mapping[str, str]) -> str:
        """Queue a message for every push subscription of a topic; it is pushed when the clock moves. `data` is base64."""
        self._published += 1
        message: Document = {
            "data": data,
            "attributes": dict(attributes),
            "messageId": str(self._published),
            "publishTime": stamp(self._clock.now()),
        }
        for name, document in self._services.resources.items():
            if document.get("topic") == topic and document.get("pushConfig", {}).get("pushEndpoint"):
                self._waiting.append(_Message(self._clock.now(), name, message, 0))
        return message["messageId"]

    def front(self, request: Request) -> Response:
        """Cloud Run's front: checks the caller's token, then passes the call on to where the function runs.

        Raises:
            GcpError: 401 or 403, the caller may not; 404, nothing runs there.
        """
        name = request.path.removeprefix(RUN_PREFIX)
        function = self._services.resources.get(name)
        if function is None:
            raise GcpError(404, "Page not found")
        claims = self._identity.claims(request.token, self._clock.now()) if request.token else None
        if claims is None:
            raise GcpError(401, "The request was not authenticated: a valid identity token is needed")
        if claims["aud"] not in {
            function["serviceConfig"]["uri"],
            *function["serviceConfig"].get("customAudiences", []),
        }:
            raise GcpError(401, "The token's audience is not this service")
        member, service = f"serviceAccount:{claims['email']}", function["serviceConfig"]["service"]
        if not self._services.granted(member, service, "run.routes.invoke", _INVOKERS):
            raise GcpError(403, f"{member} lacks run.routes.invoke on {service}")
        if name not in self.functions:
            raise GcpError(503, "The service has no instance")
        kept = {key: value for key, value in request.headers.items() if key not in {"host", "connection"}}
        # As Cloud Run does: what the function behind is given can be read, but no longer be used.
        kept["authorization"] = f"Bearer {request.token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"
        status = _call(self.functions[name], request.method, kept, request.body, seconds=3600)
        return Response(status or 503, {"Content-Type": "text/plain"}, b"")

    def _changed(self, name: str, document: Document | None) -> None:
        if "/jobs/" in name:
            self._next_run.pop(name, None)
            if document is not None:
                self._schedule(name, document)

    def _schedule(self, name: str, job: Document) -> None:
        coming = cron(job["schedule"], job.get("timeZone") or "UTC").next_after(self._clock.now())
        self._next_run.pop(name, None)
        if coming is not None and job.get("state") == "ENABLED":
            self._next_run[name] = coming

    def _fire(self, job: Document, at: datetime) -> Document:
        """API, HttpTarget. Attempts follow one another at once: the clock stands (a real retry waits by its backoff)."""
        target: Document = job["httpTarget"]
        headers = {
            "User-Agent": "Google-Cloud-Scheduler",
            **target.get("headers", {}),
            "X-CloudScheduler": "true",
            "X-CloudScheduler-JobName": job["name"].rsplit("/", 1)[-1],
            "X-CloudScheduler-ScheduleTime": at.isoformat().replace("+00:00", "Z"),
            **self._authorization(target.get("oidcToken"), target["uri"]),
        }
        seconds = float(job.get("attemptDeadline", "180s").rstrip("s"))
        for _ in range(1 + int(job.get("retryConfig", {}).get("retryCount", 0))):
            body = base64.b64decode(target.get("body", ""))
            if self._deliver(job["name"], target["uri"], target.get("httpMethod", "POST"), headers, body, seconds):
                break
        return job

    def _push(self, message: _Message) -> None:
        """API, PubsubMessage as a push wraps it; what is not acknowledged comes again."""
        subscription = self._services.resources.get(message.subscription)
        if subscription is None:
            return
        push: Document = subscription["pushConfig"]
        document = {"message": message.message, "subscription": message.subscription}
        headers = {
            "Content-Type": "application/json",
            **self._authorization(push.get("oidcToken"), push["pushEndpoint"]),
        }
        seconds = float(subscription.get("ackDeadlineSeconds", 10))
        if not self._deliver(
            message.subscription, push["pushEndpoint"], "POST", headers, json.dumps(document).encode(), seconds
        ):
            backoff = min(_SHORTEST_BACKOFF * 2 ** min(message.attempt, 10), _LONGEST_BACKOFF)
            again = _Message(self._clock.now() + backoff, message.subscription, message.message, message.attempt + 1)
            self._waiting.append(again)

    def _authorization(self, oidc: Document | None, url: str) -> dict[str, str]:
        if not oidc:
            return {}
        token = self._identity.token(oidc["serviceAccountEmail"], oidc.get("audience") or url, self._clock.now())
        return {"Authorization": f"Bearer {token}"}

    def _deliver(
        self, source: str, url: str, method: str, headers: dict[str, str], body: bytes, seconds: float
    ) -> bool:
        status = _call(url, method, headers, body, seconds)
        self.made.append(Delivery(self._clock.now(), source, url, headers, body, status))
        return status is not None and 200 <= status < 300

    def _finalized(self, shown: Document) -> None:
        for notification in self._storage.notifications(shown["bucket"]):
            if shown["name"].startswith(notification.get("object_name_prefix", "")):
                topic = notification["topic"].removeprefix("//pubsub.googleapis.com/")
                attributes = {
                    "eventType": "OBJECT_FINALIZE",
                    "bucketId": shown["bucket"],
                    "objectId": shown["name"],
                    "objectGeneration": shown["generation"],
                    "payloadFormat": notification["payload_format"],
                    "notificationConfig": f"projects/_/buckets/{shown['bucket']}/notificationConfigs/{notification['id']}",
                }
                payload = json.dumps(shown) if notification["payload_format"] == "JSON_API_V1" else ""
                events = notification.get("event_types") or ["OBJECT_FINALIZE"]
                if "OBJECT_FINALIZE" in events:
                    self.publish(topic, base64.b64encode(payload.encode()).decode(), attributes)


def _call(url: str, method: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int | None:
    """Call an address on loopback; nothing else is ever called."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=seconds)
    try:
        connection.request(method, parts.path or "/", body=body, headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
