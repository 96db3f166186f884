"""Cloud Storage's JSON API: buckets and objects, with generations and the conditions on them.

Source: API = the JSON API reference of Cloud Storage; INFERRED = not documented, the stricter reading is taken.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp.media import check_name, check_number, hashes, media, multipart
from elastic_iac.local.gcp.resources import merge_patch
from elastic_iac.local.gcp.wire import Document, GcpError, Request, ok, stamp
from elastic_iac.local.wire import Response

PREFIXES = ("/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/resumable/")
_PATH = re.compile(
    r"/(?:(?:upload|download)/)?storage/v1/b(?:/(?P<bucket>[^/]+)(?:/(?P<part>o|iam|notificationConfigs)(?:/(?P<name>.+))?)?)?",
    re.DOTALL,
)
_BUCKET = re.compile(r"[a-z0-9][-_.a-z0-9]{1,61}[a-z0-9]")  # API, bucket names; dots would allow 222
_PAGE = 1000  # API, objects.list: "The recommended upper value for maxResults is 1000 objects"
_METHODS = {"POST": "insert", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
_COLLECTIONS = {None: "buckets", "iam": "buckets", "o": "objects", "notificationConfigs": "notifications"}
_PERMITTED = {"insert": "create", "patch": "update"}


@dataclass(frozen=True)
class Stored:
    """One generation of an object. `shown` is its metadata; `live` whether it is the one that a plain read gives."""

    shown: Document
    body: bytes
    live: bool = True

    @property
    def generation(self) -> int:
        """Its number."""
        return int(self.shown["generation"])


@dataclass(frozen=True)
class Target:
    """What a call is about: `part` is None (buckets), `o` (objects), `iam` or `notificationConfigs`."""

    bucket: str
    part: str | None
    name: str
    verb: str
    upload: str = ""

    @property
    def action(self) -> str:
        """The method's name in Google's reference, e.g. `objects.insert`."""
        return f"{_COLLECTIONS[self.part]}.{self.verb}"

    @property
    def mutating(self) -> bool:
        """Whether it asks for a change."""
        return self.verb not in {"get", "list", "getIamPolicy"}


class Storage:
    """The Cloud Storage service.

    Attributes:
        finalized: Called with the metadata of every object that was written, once it stands.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self.finalized: list[Callable[[Document], None]] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._buckets: dict[str, Document] = {}
        self._policies: dict[str, Document] = {}
        self._notifications: dict[str, dict[str, Document]] = {}
        self._objects: dict[tuple[str, str], list[Stored]] = {}
        self._uploads: dict[str, tuple[Target, Request, Document, bytes]] = {}
        self._generation = 0

    def target(self, request: Request) -> Target:
        """What a call is about.

        Raises:
            GcpError: 404, no such method.
        """
        if request.path.startswith("/resumable/") and (held := self._uploads.get(request.path)):
            return held[0]
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise GcpError(404, f"The requested URL {request.path} was not found on this server.")
        bucket, part, name = match["bucket"] or "", match["part"], match["name"] or ""
        verb = _METHODS.get(request.method, "get" if (name or (part is None and bucket)) else "list")
        upload = request.query.get("uploadType", "") if request.path.startswith("/upload/") else ""
        if part == "iam":
            verb = "setIamPolicy" if request.method == "PUT" else "getIamPolicy"
        if part == "o" and verb == "insert":
            name = request.query.get("name") or multipart(request)[0].get("name", "") if upload == "multipart" else name
            name = (
                name or request.query.get("name") or (request.document.get("name", "") if upload == "resumable" else "")
            )
        return Target(bucket, part, name, verb, upload)

    def permissions(self, request: Request, target: Target) -> tuple[str, ...]:
        """What the caller must be granted (API, "IAM permissions for JSON methods")."""
        family = "buckets" if target.part == "notificationConfigs" else _COLLECTIONS[target.part]
        if target.part == "notificationConfigs":
            return (f"storage.{family}.{'update' if target.mutating else 'get'}",)
        needed = [f"storage.{family}.{_PERMITTED.get(target.verb, target.verb)}"]
        replaces = request.query.get("ifGenerationMatch") != "0" and self._live(target.bucket, target.name) is not None
        if target.action == "objects.insert" and replaces:
            needed.append(
                "storage.objects.delete"
            )  # API: "required only if an object with the same name already exists"
        return tuple(needed)

    def handle(self, request: Request, target: Target) -> Response:
        """Answer one call.

        Raises:
            GcpError: as Cloud Storage refuses it.
        """
        with self._lock:
            if target.part is None:
                return self._bucket(request, target)
            if target.bucket not in self._buckets:
                raise GcpError(404, "The specified bucket does not exist.")
            if target.part == "iam":
                if target.mutating:
                    self._policies[target.bucket] = {"kind": "storage#policy", "etag": "CAE=", **request.document}
                return ok(self._policies.get(target.bucket, {"kind": "storage#policy", "bindings": [], "etag": "CAE="}))
            if target.part == "notificationConfigs":
                return self._notification(request, target)
            return self._object(request, target)

    def notifications(self, bucket: str) -> list[Document]:
        """The notifications that a bucket sends."""
        return list(self._notifications.get(bucket, {}).values())

    def read(self, bucket: str, name: str) -> bytes | None:
        """The object's bytes, for tests; None where there is none."""
        stored = self._live(bucket, name)
        return None if stored is None else stored.body

    # Buckets

    def _bucket(self, request: Request, target: Target) -> Response:
        now = stamp(self._clock.now())
        if target.verb == "list":
            return ok({"kind": "storage#buckets", "items": list(self._buckets.values())})
        if target.verb == "insert":
            name = request.document.get("name", "")
            if not _BUCKET.fullmatch(name):
                raise GcpError(400, f"Invalid bucket name: '{name}'")
            if name in self._buckets:
                raise GcpError(
                    409,
                    "Your previous request to create the named bucket succeeded and you already own it.",
                    "conflict",
                )
            output: Document = {
                "kind": "storage#bucket",
                "id": name,
                "selfLink": f"{request.url}/storage/v1/b/{name}",
                "timeCreated": now,
                "updated": now,
                "metageneration": "1",
            }
            self._buckets[name] = {"location": "US", "storageClass": "STANDARD", **request.document, **output}
            return ok(self._buckets[name])
        bucket = self._buckets.get(target.bucket)
        if bucket is None:
            raise GcpError(404, "The specified bucket does not exist.")
        if target.verb == "delete":
            if any(held == target.bucket and versions for (held, _), versions in self._objects.items()):
                raise GcpError(409, "The bucket you tried to delete is not empty.", "conflict")
            del self._buckets[target.bucket]
            return Response(204, {}, b"")
        if target.mutating:
            check_number(request, "ifMetagenerationMatch", int(bucket["metageneration"]))
            bucket = merge_patch(bucket, request.document) if target.verb == "patch" else {**bucket, **request.document}
            bucket |= {"metageneration": str(int(bucket["metageneration"]) + 1), "updated": now}
            self._buckets[target.bucket] = bucket
        return ok(bucket)

    def _notification(self, request: Request, target: Target) -> Response:
        held = self._notifications.setdefault(target.bucket, {})
        if target.verb == "list":
            return ok({"kind": "storage#notifications", "items": list(held.values())})
        if target.verb == "insert":
            if not request.document.get("topic") or not request.document.get("payload_format"):
                raise GcpError(400, "topic and payload_format are required", "required")
            name = str(len(held) + 1)
            held[name] = {**request.document, "kind": "storage#notification", "id": name}
            return ok(held[name])
        if target.name not in held:
            raise GcpError(404, f"Not Found: notification {target.name}")
        if target.verb == "delete":
            del held[target.name]
            return Response(204, {}, b"")
        return ok(held[target.name])

    # Objects

    def _object(self, request: Request, target: Target) -> Response:
        if target.verb == "list":
            return ok(self._listed(request, target.bucket))
        if target.verb == "insert" or request.path in self._uploads:
            return self._insert(request, target)
        stored = self._found(request, target)
        number = stored.generation if stored else 0
        check_number(request, "ifGenerationMatch", number)
        if stored is None:
            raise GcpError(404, f"No such object: {target.bucket}/{target.name}")
        check_number(request, "ifMetagenerationMatch", int(stored.shown["metageneration"]))
        if request.query.get("ifGenerationNotMatch") == str(number):
            return Response(304, {}, b"")
        if target.verb == "delete":
            self._delete(target, stored)
            return Response(204, {}, b"")
        if target.mutating:
            return ok(self._patched(request, target, stored))
        return media(request, stored.shown, stored.body) if request.query.get("alt") == "media" else ok(stored.shown)

    def _insert(self, request: Request, target: Target) -> Response:
        if request.path in self._uploads:
            return self._resumed(request)
        check_name(target.name)
        if target.upload == "resumable":
            path = f"/resumable/{len(self._uploads) + 1}"
            self._uploads[path] = (target, request, request.document, b"")
            return Response(200, {"Location": f"{request.url}{path}"}, b"")
        if target.upload == "multipart":
            metadata, body = multipart(request)
        else:
            metadata, body = {"contentType": request.headers.get("content-type")}, request.body
        return ok(self._write(request, target, metadata, body))

    def _resumed(self, request: Request) -> Response:
        """API, resumable uploads: chunks with Content-Range, 308 until the last byte."""
        target, opened, metadata, before = self._uploads[request.path]
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", request.headers.get("content-range", "bytes 0-0/*"))
        if match is None or (match[1] and int(match[1]) != len(before) and request.headers.get("content-range")):
            raise GcpError(400, "Invalid request. The Content-Range does not go on where the upload stands.")
        body = before + request.body
        total = match[2] if request.headers.get("content-range") else str(len(body))
        if total == "*" or len(body) < int(total):
            self._uploads[request.path] = (target, opened, metadata, body)
            return Response(308, {"Range": f"bytes=0-{len(body) - 1}"} if body else {}, b"")
        del self._uploads[request.path]
        return ok(self._write(opened, target, metadata, body))

    def _write(self, request: Request, target: Target, metadata: Document, body: bytes) -> Document:
        live = self._live(target.bucket, target.name)
        check_number(request, "ifGenerationMatch", live.generation if live else 0)
        found_hashes = hashes(body)
        for name, value in found_hashes.items():
            if metadata.get(name, value) != value:
                raise GcpError(400, f"Provided {name} '{metadata[name]}' doesn't match calculated '{value}'.")
        now = self._clock.now()
        self._generation = max(self._generation + 1, int(now.timestamp() * 1_000_000))
        link = f"{request.url}/storage/v1/b/{target.bucket}/o/{quote(target.name, safe='')}"
        shown: Document = {
            "contentType": "application/octet-stream",
            "storageClass": "STANDARD",
            **{name: value for name, value in metadata.items() if value is not None},
            **found_hashes,
            "kind": "storage#object",
            "id": f"{target.bucket}/{target.name}/{self._generation}",
            "name": target.name,
            "bucket": target.bucket,
            "generation": str(self._generation),
            "metageneration": "1",
            "size": str(len(body)),
            "etag": base64.b64encode(str(self._generation).encode()).decode(),
            "timeCreated": stamp(now),
            "updated": stamp(now),
            "selfLink": link,
            "mediaLink": f"{link.replace('/storage/v1/', '/download/storage/v1/')}?generation={self._generation}&alt=media",
        }
        if live is not None:
            self._delete(target, live)
        self._objects.setdefault((target.bucket, target.name), []).append(Stored(shown, body))
        for call in self.finalized:
            call(shown)
        return shown

    def _patched(self, request: Request, target: Target, stored: Stored) -> Document:
        changed = merge_patch(stored.shown, request.document)
        changed["metageneration"] = str(int(stored.shown["metageneration"]) + 1)
        versions = self._objects[target.bucket, target.name]
        versions[versions.index(stored)] = Stored(changed, stored.body, stored.live)
        return changed

    def _delete(self, target: Target, stored: Stored) -> None:
        """In a bucket with versioning a live generation stays as a noncurrent one (API, Object Versioning)."""
        versions = self._objects[target.bucket, target.name]
        position = versions.index(stored)
        if stored.live and self._buckets[target.bucket].get("versioning", {}).get("enabled"):
            gone = {**stored.shown, "timeDeleted": stamp(self._clock.now())}
            versions[position] = Stored(gone, stored.body, live=False)
        else:
            del versions[position]

    def _live(self, bucket: str, name: str) -> Stored | None:
        return next((stored for stored in self._objects.get((bucket, name), []) if stored.live), None)

    def _found(self, request: Request, target: Target) -> Stored | None:
        generation = request.query.get("generation")
        if generation is None:
            return self._live(target.bucket, target.name)
        versions = self._objects.get((target.bucket, target.name), [])
        return next((stored for stored in versions if stored.shown["generation"] == generation), None)

    def _listed(self, request: Request, bucket: str) -> Document:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        begin, end = request.query.get("startOffset", ""), request.query.get("endOffset")
        every = request.query.get("versions", "").lower() == "true"
        found: dict[str, list[Document]] = {}
        folders: set[str] = set()
        for (held, name), versions in sorted(self._objects.items()):
            if held != bucket or not name.startswith(prefix) or name < begin or (end is not None and name >= end):
                continue
            shown = [stored.shown for stored in versions if stored.live or every]
            head, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if cut and shown:
                folders.add(f"{prefix}{head}{delimiter}")
            elif shown:
                found[name] = shown
        entries = sorted([*found, *folders])
        first, size = request.page(_PAGE, _PAGE)
        page = entries[first : first + size]
        document: Document = {
            "kind": "storage#objects",
            "items": [shown for name in page for shown in found.get(name, [])],
        }
        if listed_folders := [name for name in page if name in folders]:
            document["prefixes"] = listed_folders
        if first + size < len(entries):
            document["nextPageToken"] = str(first + size)
        return document
