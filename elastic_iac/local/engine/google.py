"""Google Cloud's REST APIs as the engine speaks them: one address for all services, operations awaited, errors read."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from elastic_iac.local.engine.deployment import EngineError

_SECONDS = 60.0


class NotFoundError(EngineError):
    """The cloud does not know the resource."""


@dataclass(frozen=True)
class GoogleCloud:
    """The emulated Google Cloud: where all its services answer, the project and its default region."""

    url: str
    project: str
    region: str

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> dict[str, Any]:
        """One call; what it answers.

        Args:
            method: HTTP's.
            path: With its query, as the service's reference has it after the host's name.
            body: JSON, or bytes of that content type.
            content_type: Of bytes.

        Raises:
            NotFoundError: 404.
            EngineError: any other refusal, in the cloud's words.
        """
        payload = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_SECONDS)
        try:
            connection.request(method, path, body=payload, headers={"Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status == http.client.NOT_FOUND:
            raise NotFoundError(f"{method} {path}: {_message(text)}")
        if answer.status >= http.client.BAD_REQUEST:
            raise EngineError(f"{method} {path}: {answer.status} {_message(text)}")
        return json.loads(text) if text else {}

    def compute(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call of Compute Engine, `path` without the project; a change is awaited.

        Raises:
            EngineError: as `call`; or the operation ended with an error, which comes in an answer that is no refusal.
        """
        answer = self.call(method, f"/compute/v1/projects/{self.project}/{path}", body)
        while answer.get("kind") == "compute#operation" and answer["status"] != "DONE":
            operation = urlsplit(str(answer["selfLink"])).path
            answer = self.call("POST", f"{operation}/wait")
        if answer.get("kind") == "compute#operation" and "error" in answer:
            errors: list[dict[str, Any]] = answer["error"]["errors"]
            raise EngineError(f"{method} {path}: {errors[0]['code']} {errors[0].get('message', '')}")
        return answer


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace")[:300]
