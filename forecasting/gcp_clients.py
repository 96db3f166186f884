"""Google's clients, from the environment alone.

Environment:
    GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_PROJECT and the rest of application default credentials.
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: base URL of Compute's REST API, with or without `/compute/v1`.
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER: base URL of Resource Manager's REST API, which only the command line asks.
    CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING: `host:port` (or URL) of Cloud Monitoring's gRPC API.
    STORAGE_EMULATOR_HOST: base URL of Cloud Storage.

An endpoint on loopback is spoken to without encryption and without credentials, so that an emulator needs none and never sees any; every other
one needs both. Clients are kept for the life of the process, one for each endpoint: a warm function reuses them, and any number of threads may.
Google's libraries are imported where they are needed: this module imports without them.
"""

from __future__ import annotations

import functools
import importlib
import ipaddress
import os
from typing import Any
from urllib.parse import urlsplit

from forecasting.errors import CredentialsError, SettingsError

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_COMPUTE = "https://compute.googleapis.com"
_COMPUTE_PATH = "/compute/v1"
_COMPUTE_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
_PROJECTS = "https://cloudresourcemanager.googleapis.com"
_PROJECTS_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"
_MONITORING_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING"
_CHANNEL = [("grpc.max_receive_message_length", -1)]  # as Google's own channels are made: a page may be large
_STORAGE_VARIABLE = "STORAGE_EMULATOR_HOST"


def compute_session() -> tuple[Any, str]:
    """An authorised HTTP session for Compute's REST API, and the URL that its paths are relative to.

    The official client cannot send the null that deletes one scaling schedule, and polls operations at the public endpoint whatever it is told.

    Raises:
        CredentialsError: there are no credentials.
        SettingsError: the endpoint is none.
    """
    endpoint = _url(_COMPUTE_VARIABLE, os.environ.get(_COMPUTE_VARIABLE) or _COMPUTE)
    return _session(_is_loopback(endpoint)), endpoint.removesuffix(_COMPUTE_PATH) + _COMPUTE_PATH


def projects_session() -> tuple[Any, str]:
    """An authorised HTTP session for Resource Manager, and its URL.

    Raises:
        CredentialsError, SettingsError: as above.
    """
    endpoint = _url(_PROJECTS_VARIABLE, os.environ.get(_PROJECTS_VARIABLE) or _PROJECTS)
    return _session(_is_loopback(endpoint)), endpoint


@functools.cache
def _session(anonymous: bool) -> Any:
    requests: Any = importlib.import_module("google.auth.transport.requests")
    return requests.AuthorizedSession(_credentials(anonymous))


def monitoring_client() -> Any:
    """A client of Cloud Monitoring's metrics.

    Raises:
        CredentialsError, SettingsError: as above.
    """
    return _monitoring_client(os.environ.get(_MONITORING_VARIABLE, ""))


@functools.cache
def _monitoring_client(endpoint: str) -> Any:
    monitoring: Any = importlib.import_module("google.cloud.monitoring_v3")
    if not endpoint:
        return monitoring.MetricServiceClient(credentials=_credentials(False))
    address = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").netloc
    if not address:
        raise SettingsError(_MONITORING_VARIABLE, endpoint, "host:port of Cloud Monitoring's gRPC API")
    if not _is_loopback(f"http://{address}"):
        return monitoring.MetricServiceClient(credentials=_credentials(False), client_options={"api_endpoint": address})
    grpc: Any = importlib.import_module("grpc")
    transports: Any = importlib.import_module("google.cloud.monitoring_v3.services.metric_service.transports")
    transport = transports.MetricServiceGrpcTransport(channel=grpc.insecure_channel(address, _CHANNEL))
    return monitoring.MetricServiceClient(transport=transport)


def storage_client() -> Any:
    """A client of Cloud Storage.

    Raises:
        CredentialsError, SettingsError: as above.
    """
    # The project is only asked for where buckets are made or listed, which the job never does.
    return _storage_client(os.environ.get(_STORAGE_VARIABLE, ""), os.environ.get("GOOGLE_CLOUD_PROJECT") or "none")


@functools.cache
def _storage_client(endpoint: str, project: str) -> Any:
    storage: Any = importlib.import_module("google.cloud.storage")
    loopback = bool(endpoint) and _is_loopback(_url(_STORAGE_VARIABLE, endpoint))
    client = storage.Client(project=project, credentials=_credentials(loopback))
    # For its traces the client would ask for every bucket's metadata, on a thread of its own and with a permission that the job has not.
    client._bucket_metadata_cache = None
    return client


def _url(variable: str, value: str) -> str:
    url = urlsplit(value)
    if not url.hostname or not (url.scheme == "https" or (url.scheme == "http" and _is_loopback(value))):
        raise SettingsError(variable, value, "an https:// URL, or an http:// one of this machine")
    return value.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@functools.cache
def _credentials(anonymous: bool) -> Any:
    """Application default credentials, found once a process: looking for them asks the metadata server."""
    if anonymous:
        credentials: Any = importlib.import_module("google.auth.credentials")
        return credentials.AnonymousCredentials()
    auth: Any = importlib.import_module("google.auth")
    exceptions: Any = importlib.import_module("google.auth.exceptions")
    try:
        return auth.default(scopes=_SCOPES)[0]
    except exceptions.GoogleAuthError as error:  # its text names files; a file's content is in none
        raise CredentialsError(
            f"no Google Cloud credentials ({type(error).__name__}): run `gcloud auth application-default login`, or give the job a service account"
        ) from error
