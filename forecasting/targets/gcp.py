"""The autoscaler of a managed instance group, through Compute Engine's REST API."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from forecasting import gcp_clients
from forecasting.deadline import LAST_CALL_SECONDS, NoAnswerError, call_seconds, within
from forecasting.errors import CredentialsError, Hold, SettingsError, TargetNotFoundError
from forecasting.leadtime.launches import Launches, Watch
from forecasting.schedule.actions import GroupState
from forecasting.schedule.base import Slot
from forecasting.schedule.gcp_limits import MIN_AHEAD_AT_CALL, URGENT_AHEAD_AT_CALL
from forecasting.schedule.gcp_windows import read_window, window_body
from forecasting.settings import Fleet, GcpTarget
from forecasting.targets.base import CallBudget, Diff, Rules
from forecasting.targets.gcp_errors import Call, RefusalError, failure_of, refusal_of, translate
from forecasting.targets.gcp_launches import capacity_alone, read_launches, unknown
from forecasting.targets.gcp_owners import find_owners
from forecasting.targets.gcp_rules import GcpRules

_T = TypeVar("_T")

CONNECT_AND_READ_SECONDS = (5, 20)
MOST_ASKED = 25
"""Instances that are asked for in one look."""
MOST_PAGES = 10
"""Of a list; a page holds up to 500."""
_SIGNALS = ("cpuUtilization", "loadBalancingUtilization", "customMetricUtilizations")
_WRITE_PERMISSIONS = "compute.autoscalers.get, compute.autoscalers.update and compute.instanceGroupManagers.use"


class AutoscalerTarget:
    """One regional or zonal autoscaler.

    A change is one JSON merge patch that names our windows alone: new ones in full, obsolete ones as null. What it does not name stays as it is,
    and Google applies all of it or nothing. (The official client is not used: it cannot send a null, and it polls operations at the public
    endpoint even where another one is set; both measured.)

    Args:
        fleet: Whose group it is; what is written stays within its floor and ceiling.
        budget: How long a call is tried.
    """

    rules: Rules = GcpRules()

    def __init__(self, fleet: Fleet, budget: CallBudget | None = None) -> None:
        if not isinstance(fleet.target, GcpTarget):
            raise SettingsError("cloud", fleet.cloud, "'gcp'")
        self._target = fleet.target
        self._fleet = fleet
        self._budget = budget or CallBudget()
        self._session: Any = None
        self._base = ""
        level = "regions" if self._target.kind == "regional" else "zones"
        self._scope = f"projects/{self._target.project}/{level}/{self._target.location}"

    @property
    def subject(self) -> str:
        """The autoscaler, for messages."""
        return f"autoscaler {self._target.autoscaler!r} of managed instance group {str(self._target)!r}"

    def read(self) -> GroupState:
        """The autoscaler and all its scaling schedules; see `Target.read`."""
        autoscaler = self._get()
        self._refuse_unsafe(autoscaler)
        return _state(autoscaler, self._target.group)

    def inspect(self) -> GroupState:
        """The same, whether or not it may be written to."""
        return _state(self._get(), self._target.group)

    def launches(self, watch: Watch | None, now: datetime) -> Launches:
        """See `Target.launches`. Instances that are new are asked for one by one, so many in a look; the others follow in the next."""
        group = f"instanceGroupManagers/{self._target.group}"
        members = self._pages("POST", f"{group}/listManagedInstances", "managedInstances", "listManagedInstances")
        errors = self._pages("GET", f"{group}/listErrors", "items", "listErrors")
        instances = {
            str(member["name"]): self._instance(str(member["instance"]))
            for member in (unknown(members, watch)[:MOST_ASKED] if watch else ())
        }
        return read_launches(members, errors, self._get(), instances, watch=watch or Watch(), now=now)

    def _pages(self, method: str, path: str, key: str, name: str) -> list[Mapping[str, Any]]:
        call = Call(f"instanceGroupManagers.{name}", self.subject, "compute.instanceGroupManagers.get")
        items: list[Mapping[str, Any]] = []
        query: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = self._retried(functools.partial(self._send, method, path, query), call)
            items += page.get(key, [])
            if "nextPageToken" not in page:
                break
            query = {"pageToken": str(page["nextPageToken"])}
        return items

    def _instance(self, url: str) -> Mapping[str, Any]:
        path = url[url.index("zones/") :]
        call = Call("instances.get", self.subject, "compute.instances.get")
        return self._retried(lambda: self._send("GET", path, scope=f"projects/{self._target.project}"), call)

    def apply(self, diff: Diff, fence: Callable[[], None], clock: Callable[[], datetime]) -> int:
        """All writes in one patch; see `Target.apply`."""
        for change in diff.puts:
            if not self._fleet.floor <= change.slot.floor <= self._fleet.ceiling:
                raise Hold(
                    "out-of-bounds",
                    f"{change.slot.name}: {change.slot.floor} is outside {self._fleet.floor}..{self._fleet.ceiling}",
                )
        fence()
        now = clock()
        for change in diff.puts:
            ahead = URGENT_AHEAD_AT_CALL if change.slot.start in diff.urgent else MIN_AHEAD_AT_CALL
            if change.slot.start <= now + ahead:
                raise Hold(
                    "too-late",
                    f"planning took too long: {change.slot.name} starts at {change.slot.start:%H:%M:%S} UTC; the next run goes on",
                )
        windows = {change.slot.name: window_body(change.slot) for change in diff.puts}
        self._patch({**windows, **{slot.name: None for slot in diff.deletes}})
        return 1

    def give_back(self, ours: Sequence[Slot], min_size: int, fence: Callable[[], None]) -> None:
        """Delete our windows, open ones too."""
        if ours:
            fence()
            self._patch({slot.name: None for slot in ours})

    def _get(self) -> Mapping[str, Any]:
        call = Call("autoscalers.get", self.subject, "compute.autoscalers.get")
        return self._retried(lambda: self._send("GET", f"autoscalers/{self._target.autoscaler}"), call)

    def _patch(self, schedules: Mapping[str, object]) -> None:
        """Write schedules, and wait until they are in force.

        An answer may be lost although the patch was applied: a repeated one carries the same request id, and would change nothing anyway.
        """
        request_id = str(uuid.uuid4())
        body = {"autoscalingPolicy": {"scalingSchedules": schedules}}

        def attempt() -> None:
            nonlocal request_id
            query = {"autoscaler": self._target.autoscaler, "requestId": request_id}
            operation = self._send("PATCH", "autoscalers", query, body)
            try:
                self._wait(str(operation["name"]))
            except RefusalError as refusal:
                if refusal.in_operation:  # the id now stands for an operation that has failed for good
                    request_id = str(uuid.uuid4())
                raise

        self._retried(attempt, Call("autoscalers.patch", self.subject, _WRITE_PERMISSIONS))

    def _wait(self, name: str) -> None:
        """Poll an operation where the patch was sent to, until it is done.

        Raises:
            RefusalError: it ended in an error.
            Hold: it takes too long.
        """
        kind = "regionOperations" if self._target.kind == "regional" else "zoneOperations"
        call = Call(f"{kind}.get", self.subject, f"compute.{kind}.get")

        def poll() -> Mapping[str, Any]:
            operation = self._retried(lambda: self._send("GET", f"operations/{name}"), call)
            if operation.get("status") != "DONE":
                raise _PendingError
            return operation

        waiting = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, _PendingError)),
            stop=stop_before_delay(call_seconds(self._budget.seconds)),
            wait=wait_random_exponential(multiplier=0.5, max=min(2.0, self._budget.longest_wait_seconds)),
            reraise=True,
        )
        try:
            refusal = failure_of(waiting(poll))
        except _PendingError:
            raise Hold(
                "operation-pending",
                f"{self.subject}: the operation is not done after {self._budget.seconds:g} s; the next run looks at what stands",
            ) from None
        if refusal is not None:
            raise refusal

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        scope: str = "",
    ) -> Mapping[str, Any]:
        """One call.

        Raises:
            RefusalError: it was refused, or not answered.
            CredentialsError: there are no credentials.
        """
        url, bounds = f"{scope or self._scope}/{path}", {"params": query, "json": body}
        try:
            status, document = within(
                max(self._budget.seconds, LAST_CALL_SECONDS), lambda: self._answer(method, url, bounds)
            )
        except NoAnswerError as error:
            raise RefusalError(0, [], str(error)) from None
        if status != 200:
            raise refusal_of(status, document)
        return document

    def _answer(self, method: str, path: str, what: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        import requests  # noqa: PLC0415 - a fleet on AWS needs neither
        from google.auth import exceptions as auth_errors  # noqa: PLC0415

        if self._session is None:
            self._session, self._base = gcp_clients.compute_session()
        try:
            answer: Any = self._session.request(
                method,
                f"{self._base}/{path}",
                **what,
                timeout=CONNECT_AND_READ_SECONDS,
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout, auth_errors.TransportError) as error:
            raise RefusalError(0, [], type(error).__name__) from error
        except auth_errors.GoogleAuthError as error:  # its text may quote what the token endpoint answered
            text = f"{self.subject}: no usable Google Cloud credentials ({type(error).__name__})"
            raise CredentialsError(text) from None
        return answer.status_code, _document(answer)

    def _retried(self, call: Callable[[], _T], what: Call) -> _T:
        """Try again what passes by itself; raise our own error for what does not."""
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, RefusalError) and error.passes),
            stop=stop_before_delay(call_seconds(self._budget.seconds)),
            wait=wait_random_exponential(multiplier=0.5, max=self._budget.longest_wait_seconds),
            reraise=True,
        )
        try:
            return retrying(call)
        except RefusalError as refusal:
            raise translate(refusal, what) from refusal

    def _refuse_unsafe(self, autoscaler: Mapping[str, Any]) -> None:
        policy = autoscaler.get("autoscalingPolicy", {})
        group = str(autoscaler.get("target", "")).rsplit("/", maxsplit=1)[-1]
        if group != self._target.group:
            raise TargetNotFoundError(f"{self.subject} scales another group: {group!r}")
        if holding := next((owner for owner in find_owners(group, autoscaler) if owner.holds), None):
            raise Hold(holding.kind, f"{self.subject}: {holding}")
        status = autoscaler.get("status")
        if status == "DELETING":
            raise Hold("group-deleting", f"{self.subject} is being deleted")
        if status == "ERROR" and not (self._fleet.plans_by_launches and capacity_alone(autoscaler)):
            details = "; ".join(
                str(each.get("message", each.get("type"))) for each in autoscaler.get("statusDetails", [])
            )
            raise Hold("autoscaler-error", f"{self.subject} does not work: {details or 'no details are given'}")
        if (mode := policy.get("mode", "ON")) != "ON":
            raise Hold(
                "no-scale-in-path",
                f"{self.subject}: its mode is {mode}, so nothing removes instances again; set it to ON",
            )
        if not any(policy.get(signal) for signal in _SIGNALS):
            raise Hold(
                "no-scaling-signal",
                f"{self.subject}: it has schedules alone; declare CPU, load balancing or a metric beside them, so that load above the plan is served",
            )


class _PendingError(Exception):
    """The operation is not done yet."""


def _document(answer: Any) -> Mapping[str, Any]:
    """The answer's JSON object; empty where there is none, as behind a proxy that answers in HTML."""
    try:
        document: object = answer.json()
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", document) if isinstance(document, dict) else {}


def _state(autoscaler: Mapping[str, Any], group: str) -> GroupState:
    policy = autoscaler.get("autoscalingPolicy", {})
    minimum = int(policy.get("minNumReplicas", 0))
    return GroupState(
        min_size=minimum,
        max_size=int(policy.get("maxNumReplicas", 0)),
        desired_capacity=int(autoscaler.get("recommendedSize", minimum)),
        actions=tuple(read_window(name, raw) for name, raw in policy.get("scalingSchedules", {}).items()),
        other_owners=find_owners(group, autoscaler),
    )
