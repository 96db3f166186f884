"""What the job is deployed with, as REST collections that check, keep and give back what was declared.

IAM, Cloud Functions, Cloud Scheduler, Pub/Sub, alert policies and dashboards.

Source: the REST reference of each API; INFERRED = not documented, the stricter reading is taken.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp.crons import CronError, cron
from elastic_iac.local.gcp.resources import merge_patch, values
from elastic_iac.local.gcp.storage import Storage
from elastic_iac.local.gcp.wire import Document, GcpError, Request, invalid, required, stamp

_PATH = re.compile(
    r"/v[123]/(?P<parent>projects/[^/:]+(?:/locations/[^/:]+)?)(?:/(?P<collection>\w+)(?:/(?P<id>[^/:]+))?)?(?::(?P<verb>\w+))?"
)
_METHODS = {"POST": "create", "PATCH": "patch", "PUT": "create", "DELETE": "delete"}
_POLICIES = frozenset({"getIamPolicy", "setIamPolicy"})


@dataclass(frozen=True)
class Collection:
    """One kind of resource.

    Attributes:
        service: Its API, e.g. `cloudscheduler`; permissions are `SERVICE.NAME.VERB`.
        required: Fields that must be given.
        key: Where its id comes from: a query parameter, a field of the body, `name` (whole, in the body), `path` (PUT), or empty: made here.
        inner: The field of the body that holds the resource; empty: the body is the resource.
        slow: Changes answer a long-running operation.
        form: What its id must look like.
        verbs: Custom methods, with their permissions' verbs.
    """

    service: str
    required: tuple[str, ...] = ()
    key: str = ""
    inner: str = ""
    slow: bool = False
    form: str = r"[A-Za-z0-9_.~+%-]{1,255}"
    verbs: Mapping[str, str] = field(default_factory=dict[str, str])


COLLECTIONS: Mapping[str, Collection] = {
    "serviceAccounts": Collection("iam", key="accountId", inner="serviceAccount", form="[a-z][-a-z0-9]{4,28}[a-z0-9]"),
    "roles": Collection("iam", ("includedPermissions",), "roleId", "role", form="[a-zA-Z0-9_.]{3,64}"),
    "functions": Collection(
        "cloudfunctions",
        ("buildConfig.runtime", "buildConfig.entryPoint", "buildConfig.source.storageSource.bucket"),
        "functionId",
        slow=True,
        form="[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
    ),
    "services": Collection("run", verbs={"invoke": "invoke"}),
    "jobs": Collection(
        "cloudscheduler",
        ("schedule",),
        "name",
        form="[A-Za-z0-9_-]{1,500}",
        verbs={"run": "run", "pause": "pause", "resume": "enable"},
    ),
    "topics": Collection("pubsub", key="path", form="[A-Za-z][A-Za-z0-9_.~+%-]{2,254}", verbs={"publish": "publish"}),
    "subscriptions": Collection("pubsub", ("topic",), "path", form="[A-Za-z][A-Za-z0-9_.~+%-]{2,254}"),
    "alertPolicies": Collection("monitoring", ("displayName", "combiner", "conditions")),
    "notificationChannels": Collection("monitoring", ("type",)),
    "dashboards": Collection("monitoring", ("displayName",)),
    "metrics": Collection("logging", ("filter", "metricDescriptor.metricKind"), "name"),
}


@dataclass(frozen=True)
class Place:
    """What a call is about."""

    parent: str
    collection: str
    id: str
    verb: str

    @property
    def name(self) -> str:
        """The resource's whole name."""
        return f"{self.parent}/{self.collection}/{self.id}" if self.collection else self.parent

    @property
    def service(self) -> str:
        """The API."""
        return COLLECTIONS[self.collection].service if self.collection in COLLECTIONS else "cloudresourcemanager"

    @property
    def action(self) -> str:
        """The method's name in Google's reference, e.g. `jobs.create`."""
        return f"{self.collection or 'projects'}.{self.verb}"

    @property
    def mutating(self) -> bool:
        """Whether it asks for a change."""
        return self.verb not in {"get", "list", "getIamPolicy"}

    @property
    def permissions(self) -> tuple[str, ...]:
        """What the caller must be granted."""
        if self.collection == "operations":
            return ("cloudfunctions.operations.get",)
        if not self.collection:
            return (f"resourcemanager.projects.{self.verb}",)
        verbs = {"patch": "update", **COLLECTIONS[self.collection].verbs}
        return (f"{self.service}.{self.collection}.{verbs.get(self.verb, self.verb)}",)


class Services:
    """All these collections, and the IAM policies set on them."""

    def __init__(self, clock: Clock, storage: Storage) -> None:
        self._clock = clock
        self._storage = storage
        self.lock = threading.RLock()
        self.changed: list[Callable[[str, Document | None], None]] = []
        self.custom: dict[str, Callable[[Document, Document], Document]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.resources: dict[str, Document] = {}
        self.policies: dict[str, Document] = {}
        self._operations: dict[str, Document] = {}
        self._made = 0

    def place(self, request: Request) -> Place:
        """What a call is about.

        Raises:
            GcpError: 404, no such method.
        """
        match = _PATH.fullmatch(request.path)
        collection = (match and match["collection"]) or ""
        if match is None or (collection and collection not in {*COLLECTIONS, "operations"}):
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        name, verb = match["id"] or "", match["verb"]
        known = set(COLLECTIONS[collection].verbs) if collection in COLLECTIONS else set[str]()
        if verb is None:
            verb = ("get" if name else "list") if request.method == "GET" else _METHODS.get(request.method, "")
        elif verb not in _POLICIES | known:
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        if not collection and verb not in _POLICIES:
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        return Place(match["parent"], collection, name, verb)

    def handle(self, request: Request, place: Place) -> Document:
        """Answer one call.

        Raises:
            GcpError: as the service refuses it.
        """
        with self.lock:
            if place.verb in _POLICIES:
                return self._policy(request, place)
            if place.collection == "operations":
                return _known(self._operations, place.name)
            if place.verb == "create":
                return self._create(request, place)
            if place.verb == "list":
                return self._listed(request, place)
            return self._about(request, place, _known(self.resources, place.name))

    def put(self, name: str, document: Document) -> Document:
        """Keep a resource, and tell those who act on it."""
        self.resources[name] = document
        for call in self.changed:
            call(name, document)
        return document

    def granted(self, member: str, name: str, permission: str, roles: frozenset[str]) -> bool:
        """Whether a policy of the resource or of its project gives the member one of these roles, or a custom role with the permission."""
        policies = [self.policies.get(name, {}), self.policies.get("/".join(name.split("/")[:2]), {})]
        held = [
            binding["role"]
            for policy in policies
            for binding in policy.get("bindings", [])
            if member in binding["members"]
        ]
        return any(
            role in roles or permission in self.resources.get(role, {}).get("includedPermissions", []) for role in held
        )

    def _about(self, request: Request, place: Place, document: Document) -> Document:
        if place.verb == "get":
            return document
        if place.verb == "delete":
            self._delete(place)
            return self._answer(place, {})
        if place.verb == "patch":
            return self._answer(place, self._patch(request, place, document))
        return self.custom[f"{place.collection}.{place.verb}"](document, request.document)

    def _create(self, request: Request, place: Place) -> Document:
        kind, body = COLLECTIONS[place.collection], request.document
        document: Document = merge_patch({}, body.get(kind.inner, {}) if kind.inner else body)  # null is not there
        name = Place(place.parent, place.collection, self._new_id(request, place, body), "create")
        if not re.fullmatch(kind.form, name.id):
            raise invalid(kind.key or "name", name.id, f"Must match {kind.form}")
        if place.collection == "serviceAccounts":
            project = place.parent.removeprefix("projects/")
            email = f"{name.id}@{project}.iam.gserviceaccount.com"
            name = Place(place.parent, place.collection, email, "create")
            document |= {"email": email, "projectId": project, "uniqueId": str(10**20 + self._made)}
        if name.name in self.resources:
            raise GcpError(409, f"Resource '{name.name}' already exists")
        self._check(place.collection, document)
        output: Document = {"name": name.name}
        if place.collection == "functions":
            output |= {"state": "ACTIVE", "environment": "GEN_2", "updateTime": stamp(self._clock.now())}
            uri = f"{request.url}/run/{name.name}"
            output["serviceConfig"] = {
                **document.get("serviceConfig", {}),
                "uri": uri,
                "service": f"{place.parent}/services/{name.id}",
            }
            self.resources[f"{place.parent}/services/{name.id}"] = {
                "name": f"{place.parent}/services/{name.id}",
                "uri": uri,
            }
        if place.collection == "jobs":
            output["state"] = "ENABLED"
        self._made += 1
        return self._answer(name, self.put(name.name, {**document, **output}))

    def _new_id(self, request: Request, place: Place, body: Document) -> str:
        key = COLLECTIONS[place.collection].key
        if key == "path":
            return place.id
        given = request.query.get(key) or body.get(key) or body.get("name") or str(10**6 + self._made)
        return str(given).rsplit("/", 1)[-1]

    def _patch(self, request: Request, place: Place, document: Document) -> Document:
        kind, body = COLLECTIONS[place.collection], request.document
        asked: Document = body.get(kind.inner, body) if kind.inner else body
        mask = request.query.get("updateMask") or body.get("updateMask", "")
        if mask:
            changed = document
            for path in str(mask).split(","):
                changed = _masked(changed, asked, path.split("."))
        else:
            changed = merge_patch(document, asked)
        changed = {**changed, "name": place.name}
        self._check(place.collection, changed)
        return self.put(place.name, changed)

    def _delete(self, place: Place) -> None:
        del self.resources[place.name]
        if place.collection == "functions":
            self.resources.pop(f"{place.parent}/services/{place.id}", None)
        for call in self.changed:
            call(place.name, None)

    def _answer(self, place: Place, document: Document) -> Document:
        """The resource, or an operation that is done."""
        if not COLLECTIONS[place.collection].slow:
            return document
        name = f"{place.parent}/operations/operation-{len(self._operations) + 1}"
        self._operations[name] = {"name": name, "done": True, "response": document}
        return self._operations[name]

    def _listed(self, request: Request, place: Place) -> Document:
        prefix = f"{place.parent}/{place.collection}/"
        found = [document for name, document in sorted(self.resources.items()) if name.startswith(prefix)]
        first, size = request.page(100, 1000, "pageSize")
        key = {"serviceAccounts": "accounts"}.get(place.collection, place.collection)
        page: Document = {key: found[first : first + size]}
        return page | ({"nextPageToken": str(first + size)} if first + size < len(found) else {})

    def _policy(self, request: Request, place: Place) -> Document:
        """Bindings on a resource or a project; an etag guards against what another wrote meanwhile."""
        if place.collection:
            _known(self.resources, place.name)
        held = self.policies.get(place.name, {"version": 1, "etag": "AAAA", "bindings": []})
        if place.verb == "getIamPolicy":
            return held
        policy: Document = request.document.get("policy", {})
        if policy.get("etag", held["etag"]) != held["etag"]:
            raise GcpError(
                409, "There were concurrent policy changes. Please retry the whole read-modify-write.", "aborted"
            )
        for binding in policy.get("bindings", []):
            self._check_binding(binding)
        self._made += 1
        self.policies[place.name] = {**policy, "etag": f"E{self._made:03d}"}
        return self.policies[place.name]

    # What one resource says of another

    def _check_binding(self, binding: Document) -> None:
        role: str = binding.get("role", "")
        if role.startswith("projects/") and role not in self.resources:
            raise GcpError(400, f"Role {role} does not exist in the resource's hierarchy.")
        for member in binding.get("members", []):
            if member.startswith("serviceAccount:"):
                self._check_account(member.removeprefix("serviceAccount:"))

    def _check_account(self, email: str) -> None:
        match = re.fullmatch(r"[^@]+@([^.]+)\.iam\.gserviceaccount\.com", email)
        googles = ("gcp-sa-", "gs-project-accounts", "serverless-robot")  # service agents live in projects of Google's
        if (
            match
            and not match[1].startswith(googles)
            and f"projects/{match[1]}/serviceAccounts/{email}" not in self.resources
        ):
            raise GcpError(400, f"Service account {email} does not exist.")

    def _check(self, collection: str, document: Document) -> None:
        for path in COLLECTIONS[collection].required:
            if not any(True for _ in values(document, path)):
                raise required(path)
        checks: Mapping[str, Callable[[Document], None]] = {
            "functions": self._check_function,
            "jobs": self._check_job,
            "subscriptions": self._check_subscription,
            "roles": _check_role,
            "alertPolicies": self._check_alert,
        }
        if collection in checks:
            checks[collection](document)

    def _check_function(self, document: Document) -> None:
        source: Document = document["buildConfig"]["source"]["storageSource"]
        if self._storage.read(source["bucket"], source.get("object", "")) is None:
            raise GcpError(400, f"Source object gs://{source['bucket']}/{source.get('object', '')} does not exist.")
        if account := document.get("serviceConfig", {}).get("serviceAccountEmail"):
            self._check_account(account)

    def _check_job(self, document: Document) -> None:
        if len(document["schedule"].split()) != 5:
            raise invalid("schedule", document["schedule"], "Expected five fields.")
        try:
            cron(document["schedule"], document.get("timeZone") or "UTC")
        except CronError as error:
            raise invalid("schedule", document["schedule"], str(error)) from error
        if not 0 <= int(document.get("retryConfig", {}).get("retryCount", 0)) <= 5:  # API, RetryConfig
            raise invalid("retryConfig.retryCount", document["retryConfig"]["retryCount"], "Must be 0 to 5.")
        if (
            not 15 <= float(document.get("attemptDeadline", "180s").rstrip("s")) <= 1800
        ):  # API, attemptDeadline for HTTP targets
            raise invalid("attemptDeadline", document["attemptDeadline"], "Must be 15 seconds to 30 minutes.")
        target: Document | None = document.get("httpTarget")
        if not target or not str(target.get("uri", "")).startswith(("http://", "https://")):
            raise required("httpTarget.uri")
        if account := target.get("oidcToken", {}).get("serviceAccountEmail"):
            self._check_account(account)

    def _check_subscription(self, document: Document) -> None:
        if document["topic"] not in self.resources:
            raise GcpError(404, f"Resource not found (resource={document['topic'].rsplit('/', 1)[-1]}).")
        if not 10 <= int(document.get("ackDeadlineSeconds", 10)) <= 600:
            raise invalid("ackDeadlineSeconds", document["ackDeadlineSeconds"], "Must be 10 to 600 seconds.")
        if account := document.get("pushConfig", {}).get("oidcToken", {}).get("serviceAccountEmail"):
            self._check_account(account)

    def _check_alert(self, document: Document) -> None:
        if not 1 <= len(document["conditions"]) <= 6:  # API, AlertPolicy.conditions
            raise invalid("conditions", len(document["conditions"]), "Must be 1 to 6.")
        for channel in document.get("notificationChannels", []):
            if channel not in self.resources:
                raise GcpError(400, f"Notification channel {channel} does not exist.")


def _check_role(document: Document) -> None:
    for permission in document["includedPermissions"]:
        if not re.fullmatch(r"[a-z]+(\.[A-Za-z]+){2,}", permission):
            raise GcpError(400, f"Permission {permission} is not valid.")


def _masked(document: Document, asked: Document, path: list[str]) -> Document:
    """The document with the value at one path of an update mask taken from what is asked; gone where that has none."""
    head, *rest = path
    if rest:
        return {**document, head: _masked(document.get(head, {}), asked.get(head, {}), rest)}
    kept = {name: value for name, value in document.items() if name != head}
    return {**kept, head: asked[head]} if head in asked else kept


def _known(held: Mapping[str, Any], name: str) -> Any:
    if name not in held:
        raise GcpError(404, f"Resource '{name}' was not found")
    return held[name]
