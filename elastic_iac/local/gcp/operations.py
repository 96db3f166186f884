"""Compute's operations: every change answers one, and takes effect when it is done.

An operation is done at its last poll, at a `wait`, once the clock has moved by its delay, before the next change of the same project, or where
its client will never hear of it. Source: API, Operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp.wire import Document, GcpError, Request, invalid, stamp


@dataclass
class _Pending:
    document: Document
    apply: Callable[[], None]
    due: datetime
    polls_left: int
    error: Document | None


class Operations:
    """The operations of all projects.

    Attributes:
        polls: At which poll an operation is done.
        delay: After which time on the clock an operation is done, polled or not.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.polls = 1
        self.delay = timedelta(seconds=30)
        self._pending: dict[str, _Pending] = {}
        self._known: dict[str, Document] = {}
        self._by_request_id: dict[tuple[str, str], str] = {}
        self._count = 0

    def start(
        self,
        request: Request,
        scope: str,
        target: str,
        kind: str,
        apply: Callable[[], None],
        error_code: str | None = None,
    ) -> Document:
        """Accept a change.

        Args:
            request: The call that asks for it.
            scope: `projects/P/global`, `projects/P/regions/R` or `projects/P/zones/Z`.
            target: Path of the resource that changes.
            kind: `insert`, `patch`, `update`, `delete`, ...
            apply: Makes the change.
            error_code: The operation fails with it instead.

        Returns:
            The operation as the call answers it.
        """
        self._count += 1
        name = f"operation-{self._count:012d}"
        now = stamp(self._clock.now())
        document: Document = {
            "kind": "compute#operation",
            "id": str(10**15 + self._count),
            "name": name,
            "operationType": kind,
            "targetLink": _link(request, target),
            "status": "RUNNING",
            "progress": 0,
            "insertTime": now,
            "startTime": now,
            "selfLink": _link(request, f"{scope}/operations/{name}"),
        }
        project, _, place = scope.removeprefix("projects/").partition("/")
        if place != "global":
            document[place.partition("/")[0].rstrip("s")] = _link(request, scope)
        if request_id := request.query.get("requestId"):
            document["clientOperationId"] = request_id
            self._by_request_id[project, request_id] = f"{scope}/operations/{name}"
        error = {"code": error_code, "message": f"{error_code}: injected fault"} if error_code else None
        path = f"{scope}/operations/{name}"
        self._known[path] = document
        self._pending[path] = _Pending(document, apply, self._clock.now() + self.delay, self.polls, error)
        if self.polls == 0:
            self._finish(path)
        return dict(document)

    def repeated(self, project: str, request: Request) -> Document | None:
        """The operation that a call with the same `requestId` started before.

        Raises:
            GcpError: 400, it is no UUID, or the zero one.
        """
        request_id = request.query.get("requestId")
        if request_id is None:
            return None
        try:
            number = UUID(request_id).int
        except ValueError:
            number = 0
        if not number:
            raise invalid("requestId", request_id, "It must be a UUID, and not the zero UUID.")
        path = self._by_request_id.get((project, request_id))
        return dict(self._known[path]) if path else None

    def poll(self, path: str, *, wait: bool) -> Document:
        """The operation as a `get` or a `wait` answers it.

        Raises:
            GcpError: 404, there is none.
        """
        if path not in self._known:
            raise GcpError(404, f"The resource '{path}' was not found")
        pending = self._pending.get(path)
        if pending is not None:
            pending.polls_left -= 1
            if wait or pending.polls_left <= 0:
                self._finish(path)
        return dict(self._known[path])

    def listed(self, scope: str) -> list[Document]:
        """The operations of a scope."""
        return [dict(document) for path, document in self._known.items() if path.startswith(f"{scope}/operations/")]

    def finish_all(self) -> None:
        """Let everything accepted take effect."""
        for path in list(self._pending):
            self._finish(path)

    def run_due(self, until: datetime) -> None:
        """Finish what takes no longer than until then."""
        for path, pending in list(self._pending.items()):
            if pending.due <= until:
                self._finish(path)

    def _finish(self, path: str) -> None:
        pending = self._pending.pop(path)
        if pending.error is None:
            pending.apply()
        else:
            # An error inside leaves httpErrorStatusCode unset (measured): a client that asks only for an exception hears of none.
            pending.document["error"] = {"errors": [pending.error]}
        pending.document |= {"status": "DONE", "progress": 100, "endTime": stamp(self._clock.now())}


def _link(request: Request, path: str) -> str:
    return f"{request.url}/compute/v1/{path}"
