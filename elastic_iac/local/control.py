"""The double's control plane: what `LocalAws` offers in its own process, as JSON under `/_double/` for another one.

GET  clock                       {"now": ...}
POST clock  {"advance_to": ...}  or {"advance_seconds": ...}: executes what falls due
GET, DELETE calls                the calls recorded so far; forget them
GET, POST, DELETE faults         those in force; add one ({"action": ..., "code": ...}, the fields of `Fault`); lift all
GET  groups/NAME                 sizes and their history
POST reset  {"now": ...}         wipe everything
GET  identity                    which double this is
POST invocations                 {"arn": ..., "event": ...}: take an asynchronous invocation, from the emulator
POST stop                        end it, where it runs as a process of its own
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from elastic_iac.local.environment import LocalCloudError
from elastic_iac.local.faults import Fault
from elastic_iac.local.wire import AwsError, Response

if TYPE_CHECKING:
    from elastic_iac.local.aws import LocalAws

PREFIX = "/_double/"
_CALL_SECONDS = 120.0


def answer(double: LocalAws, method: str, path: str, body: bytes) -> Response:
    """Answer a call of the control plane."""
    name, _, argument = path.removeprefix(PREFIX).partition("/")
    handler = _HANDLERS.get((method, name))
    if handler is None:
        return _json(404, {"error": f"no {method} {path} in the control plane"})
    try:
        document = json.loads(body or b"{}")
        return _json(200, handler(double, document, unquote(argument)))
    except (AwsError, ValueError, TypeError, KeyError) as error:
        return _json(400, {"error": str(error)})


def call(endpoint_url: str, method: str, name: str, document: object = None) -> Any:
    """Call the control plane of a double that runs in another process.

    Raises:
        LocalCloudError: it does not answer, or refuses.
    """
    host = urlsplit(endpoint_url)
    connection = HTTPConnection(host.hostname or "", host.port, timeout=_CALL_SECONDS)
    try:
        connection.request(method, PREFIX + quote(name), body=None if document is None else json.dumps(document))
        response = connection.getresponse()
        answered = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise LocalCloudError(
            f"{endpoint_url}: the local cloud does not answer ({error.__class__.__name__})"
        ) from error
    finally:
        connection.close()
    if response.status != 200:
        raise LocalCloudError(f"{method} {name}: {answered.get('error')}")
    return answered


def _clock(double: LocalAws, *_: object) -> dict[str, str]:
    return {"now": double.clock.now().isoformat()}


def _advance(double: LocalAws, document: dict[str, Any], _argument: str) -> dict[str, str]:
    if "advance_to" in document:
        double.clock.advance_to(datetime.fromisoformat(document["advance_to"]))
    else:
        double.clock.advance(timedelta(seconds=document["advance_seconds"]))
    return _clock(double)


def _calls(double: LocalAws, *_: object) -> list[dict[str, Any]]:
    return [asdict(made) | {"params": dict(made.params), "at": made.at.isoformat()} for made in double.calls]


def _forget_calls(double: LocalAws, *_: object) -> dict[str, Any]:
    double.calls.clear()
    return {}


def _faults(double: LocalAws, *_: object) -> list[dict[str, Any]]:
    return double.faults.listed()


def _add_fault(double: LocalAws, document: dict[str, Any], _argument: str) -> list[dict[str, Any]]:
    double.faults.add(Fault(**document))
    return double.faults.listed()


def _clear_faults(double: LocalAws, *_: object) -> list[dict[str, Any]]:
    double.faults.clear()
    return double.faults.listed()


def _group(double: LocalAws, _document: object, name: str) -> dict[str, Any]:
    group = double.group(name)
    history = [{"at": change.at.isoformat(), "cause": change.cause, **asdict(change.sizes)} for change in group.history]
    return {"name": group.name, **asdict(group.sizes), "suspended": list(group.suspended), "history": history}


def _reset(double: LocalAws, document: dict[str, Any], _argument: str) -> dict[str, str]:
    double.reset(datetime.fromisoformat(document["now"]) if "now" in document else None)
    return _clock(double)


def _identity(double: LocalAws, *_: object) -> dict[str, Any]:
    return {"id": double.id, "region": double.region, "endpoint_url": double.endpoint_url}


def _invocations(double: LocalAws, document: dict[str, Any], _argument: str) -> dict[str, Any]:
    double.accept_invocation(document["arn"], document["event"])
    return {}


def _stop(double: LocalAws, *_: object) -> dict[str, Any]:
    double.stop_requested.set()
    return {}


_HANDLERS: dict[tuple[str, str], Callable[[LocalAws, dict[str, Any], str], Any]] = {
    ("GET", "clock"): _clock,
    ("POST", "clock"): _advance,
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _forget_calls,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "groups"): _group,
    ("POST", "reset"): _reset,
    ("GET", "identity"): _identity,
    ("POST", "invocations"): _invocations,
    ("POST", "stop"): _stop,
}


def _json(status: int, document: object) -> Response:
    return Response(status, {"Content-Type": "application/json"}, json.dumps(document).encode())
