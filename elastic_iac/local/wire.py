"""The wire: requests and answers as bytes, and the AWS query protocol read and written by botocore's own service model.

The model gives every parameter's type, length and whether it is required, so those checks need no rule of ours.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from uuid import uuid4
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from elastic_iac.local.faults import Fault

ROOT_KEY = "test"
"""The key of the account's root, who may do everything and whose signature is not checked."""

_SCOPE = re.compile(r"Credential=([^/,]*)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_XMLNS = "http://autoscaling.amazonaws.com/doc/2011-01-01/"


class AwsError(Exception):
    """An error as AWS answers it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code = code
        self.message = message
        self.status = status
        super().__init__(f"{code}: {message}")


class ConnectionDropped(Exception):  # noqa: N818 - what happens to the client, not an answer
    """The client gets no answer: its connection is reset."""


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower case; `path` keeps its query string.

    `caller` is the access key that signed it, or the service that acts in a role's name, e.g. `scheduler.amazonaws.com`.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    region: str
    service: str
    action: str
    form: Mapping[str, str] = field(default_factory=dict[str, str])
    faults: tuple[Fault, ...] = ()
    caller: str = ROOT_KEY

    @property
    def mutating(self) -> bool:
        """Whether it asks for a change, told by its name (or, for a REST service, by its method)."""
        if self.service in _REST:
            return self.method not in {"GET", "HEAD"}
        return not self.action.startswith(_READING)

    @property
    def group(self) -> str | None:
        """The Auto Scaling group it is about."""
        return self.form.get("AutoScalingGroupName") if self.service == "autoscaling" else None

    @property
    def function(self) -> str | None:
        """Name or ARN of the Lambda function that it invokes."""
        invoked = _INVOKE.match(urlsplit(self.path).path) if self.service == "lambda" else None
        return unquote(invoked[1]) if invoked else None


@dataclass(frozen=True)
class Response:
    """One HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_REST = frozenset({"s3", "lambda", "scheduler"})
_READING = ("Describe", "Get", "List", "Head", "BatchGet", "AssumeRole")


def request(method: str, path: str, headers: Mapping[str, str], body: bytes, default_region: str) -> Request:
    """Read which service, region and action a request is for: from the signature's scope, then from what its protocol says."""
    lower = {name.lower(): value for name, value in headers.items()}
    scope = _SCOPE.search(lower.get("authorization", ""))
    caller, region, service = scope.groups() if scope else ("", default_region, "")
    form: Mapping[str, str] = {}
    target = lower.get("x-amz-target", "")
    parts = urlsplit(path)
    if lower.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        action = form.get("Action", "")
    elif parts.path.startswith("/service/") and "/operation/" in parts.path:  # Smithy RPC v2
        action = parts.path.rsplit("/", 1)[-1]
    elif target:
        action = target.rsplit(".", 1)[-1]
    elif service == "s3":
        action = _s3_action(method, parts.path, parts.query)
    elif service == "lambda" and _INVOKE.match(parts.path):
        action = "Invoke"
    else:
        action = f"{method} {parts.path}"
    return Request(method, path, lower, body, region, service, action, form, caller=caller)


def _s3_action(method: str, path: str, query: str) -> str:
    """The S3 operations that the job uses, by name; the others by method and sub-resource."""
    bucket, _, key = path.strip("/").partition("/")
    sub_resource = query.partition("=")[0] if query else ""
    if key and sub_resource in {"", "x-id"}:
        return {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(
            method, method
        )
    if bucket and not key:
        if sub_resource == "list-type":
            return "ListObjectsV2"
        if not sub_resource:
            return {"PUT": "CreateBucket", "GET": "ListObjects", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(
                method, method
            )
    return f"{method} {sub_resource}".strip()


@functools.cache
def service_model(service: str = "autoscaling") -> Any:
    """Botocore's model of a service."""
    import botocore.session  # noqa: PLC0415 - not needed until a cloud is started

    return botocore.session.get_session().get_service_model(service)


@functools.cache
def operation(action: str) -> Any:
    """The model of an Auto Scaling operation; None where there is none of that name."""
    model = service_model()
    return model.operation_model(action) if action in model.operation_names else None


def parse_form(form: Mapping[str, str], action: str) -> dict[str, Any]:
    """The arguments of a query-protocol call, typed by the service model.

    Raises:
        AwsError: `ValidationError` where a value has the wrong type or length, or a required one is missing.
    """
    tree: dict[str, Any] = {}
    for key, value in form.items():
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            inner: Any = node.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise AwsError("MalformedInput", f"{key} is given both as a value and as a structure")
            node = cast("dict[str, Any]", inner)
        node[leaf] = value
    shape = operation(action).input_shape
    return _value(tree, shape, shape.name)


def _value(node: Any, shape: Any, name: str) -> Any:
    if shape.type_name == "structure":
        return _structure(node, shape)
    if shape.type_name == "list":
        if node == "":
            return []
        members: dict[str, Any] = cast("dict[str, Any]", node).get("member", {}) if isinstance(node, dict) else {}
        return [_value(members[index], shape.member, name) for index in sorted(members, key=int)]
    if not isinstance(node, str):
        raise AwsError("MalformedInput", f"Unexpected structure for {name}")
    return _scalar(node, shape, name)


def _structure(node: Any, shape: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise AwsError("MalformedInput", f"Unexpected value for {shape.name}")
    for required in shape.required_members:
        if required not in node:
            raise _violation(required, None, "Member must not be null")
    return {name: _value(node[name], member, name) for name, member in shape.members.items() if name in node}


def _scalar(text: str, shape: Any, name: str) -> Any:
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "timestamp":
                moment = datetime.fromisoformat(text)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            case _:
                return _text(text, shape, name)
    except (ValueError, KeyError) as error:
        raise _violation(name, text, f"Member must be a valid {shape.type_name}") from error


def _text(text: str, shape: Any, name: str) -> str:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if len(text) < least:
        raise _violation(name, text, f"Member must have length greater than or equal to {least}")
    if most is not None and len(text) > most:
        raise _violation(name, text, f"Member must have length less than or equal to {most}")
    if not text.isprintable() and any(ord(letter) < 0x20 and letter not in "\r\n\t" for letter in text):
        raise _violation(name, text, "Member must satisfy regular expression pattern: [\\u0020-\\uD7FF...\\r\\n\\t]*")
    return text


def _violation(name: str, value: str | None, constraint: str) -> AwsError:
    shown = "null" if value is None else f"'{value[:300]}'"
    where = name[:1].lower() + name[1:]
    return AwsError(
        "ValidationError",
        f"1 validation error detected: Value {shown} at '{where}' failed to satisfy constraint: {constraint}",
    )


def xml_response(action: str, result: Mapping[str, Any]) -> Response:
    """A successful answer of the query protocol."""
    shape = operation(action).output_shape
    inner = f"<{action}Result>{_xml(result, shape)}</{action}Result>" if shape is not None else ""
    body = f'<{action}Response xmlns="{_XMLNS}">{inner}<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata></{action}Response>'
    return Response(200, {"Content-Type": "text/xml"}, body.encode())


def _xml(value: Any, shape: Any) -> str:
    match shape.type_name:
        case "structure":
            return "".join(
                f"<{name}>{_xml(value[name], member)}</{name}>"
                for name, member in shape.members.items()
                if value.get(name) is not None
            )
        case "list":
            return "".join(f"<member>{_xml(item, shape.member)}</member>" for item in value)
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return escape(str(value))


def error_response(asked: Request, error: AwsError) -> Response:
    """The error in the protocol that the client spoke."""
    identifier = str(uuid4())
    kind = "Sender" if error.status < 500 else "Receiver"
    if "json" in asked.headers.get("content-type", "") or asked.service in {"lambda", "scheduler"}:
        document = {"__type": error.code, "message": error.message}
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
        return Response(error.status, headers, json.dumps(document).encode())
    inner = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    if asked.service == "s3":
        body = f"<Error>{inner}<RequestId>{identifier}</RequestId></Error>"
    elif asked.service == "ec2":
        body = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{identifier}</RequestID></Response>"
    else:
        body = f'<ErrorResponse xmlns="{_XMLNS}"><Error><Type>{kind}</Type>{inner}</Error><RequestId>{identifier}</RequestId></ErrorResponse>'
    return Response(error.status, {"Content-Type": "text/xml"}, body.encode())


def root_scope(service: str, region: str) -> str:
    """The root's `Authorization` (the emulator reads only its scope: the root's signature is not checked)."""
    return f"AWS4-HMAC-SHA256 Credential={ROOT_KEY}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"


def form_request(service: str, region: str, form: Mapping[str, str]) -> Request:
    """A query-protocol call of our own, as the root."""
    headers = {
        "authorization": root_scope(service, region),
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    return Request("POST", "/", headers, urlencode(form).encode(), region, service, form["Action"], form)


def parse_xml(response: Response, action: str) -> dict[str, Any]:
    """The result of an Auto Scaling call, typed by the service model."""
    from botocore.parsers import QueryParser  # noqa: PLC0415 - not needed until a cloud is started

    parser: Any = QueryParser()
    answer = {"status_code": response.status, "headers": response.headers, "body": response.body}
    return parser.parse(answer, operation(action).output_shape)
