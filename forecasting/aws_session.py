"""One client per service and region for all fleets of a process.

Making one costs tens of milliseconds. Clients may be used by several threads, sessions may not (boto3 guide, "Multithreading or multiprocessing").
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from forecasting.deadline import refuse_abandoned

if TYPE_CHECKING:
    import boto3.session


def sharing_clients(session: boto3.session.Session | None = None) -> boto3.session.Session:
    """The session, safe between threads, giving the same client for the same service and region.

    Args:
        session: Credentials and endpoint; boto3's standard chain where it is not given.
    """
    if isinstance(session, _SharedClients):
        return session
    return cast("boto3.session.Session", _SharedClients(session))


def limited(client: Any) -> Any:
    """The client, which sends no request for a call that was given up (`forecasting.deadline`)."""
    client.meta.events.register_first("before-send", refuse_abandoned, unique_id="elastic-iac-deadline")
    return client


class _SharedClients:
    """What the job uses of a session. Each service is called with one configuration throughout, so that a first one serves all."""

    def __init__(self, session: boto3.session.Session | None) -> None:
        self._session: Any = session
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str | None], Any] = {}

    def client(self, service_name: str, region_name: str | None = None, config: Any = None) -> Any:
        """A client, made at most once."""
        key = (service_name, region_name)
        with self._lock:
            if key not in self._clients:
                if self._session is None:
                    import boto3.session  # noqa: PLC0415 - a job on another cloud has no boto3

                    self._session = boto3.session.Session()
                self._clients[key] = limited(self._session.client(service_name, region_name=region_name, config=config))
            return self._clients[key]
