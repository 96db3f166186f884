"""The job as a Cloud Run function (HTTP).

Environment: `ELASTIC_IAC_SETTINGS`, where the job's settings are (`gs://BUCKET/KEY.json`).

Requests: Cloud Scheduler's, told by its `X-CloudScheduler-ScheduleTime`, whose body may name the `kind` of run (`full` or `short`; full where it does
not); Pub/Sub's push of Cloud Storage's notification of new settings; any other is a run by hand. Who may send one is Cloud Run's to check (IAM),
before it comes here.

The log is one JSON object a line, as Cloud Logging reads it. A line with `metrics` is what log-based metrics are made of: writing them takes no call
and no permission.
"""

from __future__ import annotations

import json
import logging
import sys
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

from forecasting.errors import ElasticIacError
from forecasting.invocation import FleetLine, OutdatedPackageError, checked_kind, environment_settings, invoke
from forecasting.invocation.metrics import Metric, fleet_metrics, job_metrics
from forecasting.run import Kind, utc_now
from forecasting.safe_text import redacted, redacted_document
from forecasting.settings import Job

SCHEDULE_TIME = "X-CloudScheduler-ScheduleTime"
"""When the run was planned, the same in every repeated delivery (Cloud Scheduler reference, HTTP target)."""


class Request(Protocol):
    """What is used of a Flask request."""

    headers: Mapping[str, str]

    def get_json(self, *, silent: bool) -> Any:
        """The body as JSON; None where it is none."""
        ...


Response = tuple[dict[str, Any], int]
"""Body and status, as Flask takes them."""


class CloudLogging(logging.Formatter):
    """One JSON object a line (Cloud Logging, structured logging): `severity`, `message` and what was given as `extra={"fields": ...}`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {"severity": record.levelname, "message": record.getMessage(), **getattr(record, "fields", {})}
        if record.exc_info:
            line["message"] += f"\n{self.formatException(record.exc_info)}"
        return json.dumps(redacted_document(line), default=lambda value: redacted(str(value)))


class _Stdout(logging.StreamHandler[Any]):
    """Whatever stdout is when a line is written: the run time may change it after the import."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


def _structured(name: str) -> logging.Logger:
    log, handler = logging.getLogger(name), _Stdout()
    handler.setFormatter(CloudLogging())
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    return log


_structured("forecasting")  # what the job's modules log goes the same way
log = _structured(__name__)


def handle(request: Request) -> Response:
    """Serve the job's fleets within its time budget.

    Returns:
        `Summary.document()` with 200; an error with 500, so that Cloud Scheduler or Pub/Sub tries again: the settings or the store cannot be read, a
        fleet failed by a defect, or all were refused. Held and deferred fleets are metrics, not errors.
    """
    run_id = run_id_of(request)
    now = utc_now()  # before the settings are read: a run that starts later has none that are older
    try:
        job = environment_settings()
        kind = kind_of(request)
        summary = invoke(job, run_id=run_id, now=now, on_result=lambda line: _report(job, run_id, line), kind=kind)
    except OutdatedPackageError as error:
        summary = error.summary(run_id, now, "full")
        log.error("every fleet is held: %s", error, extra={"fields": {"run_id": run_id}})  # noqa: TRY400 - what to do is in it
    except ElasticIacError as error:
        return _failed(run_id, f"{type(error).__name__}: {error}")
    except Exception as error:
        log.exception("unexpected", extra={"fields": {"run_id": run_id}})
        return _failed(run_id, f"unexpected {type(error).__name__}")
    _measure("done", {"job": summary.job}, job_metrics(summary), {"run_id": run_id})
    return _failed(run_id, summary.failure) if summary.failure else (summary.document(), 200)


def kind_of(request: Request) -> Kind:
    """Which run the request asks for.

    Raises:
        SettingsError: one that there is not.
    """
    return checked_kind(_body(request).get("kind"))


def run_id_of(request: Request) -> str:
    """The run's id: the same for the same occasion, so that a repeated delivery writes nothing; else one of its own."""
    body = _body(request)
    if planned := request.headers.get(SCHEDULE_TIME):
        return f"{'short' if body.get('kind') == 'short' else 'schedule'}-{planned}"
    message = body.get("message")
    attributes = message.get("attributes") if isinstance(message, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - JSON
    generation: object = attributes.get("objectGeneration") if isinstance(attributes, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return f"settings-{generation}" if generation else f"manual-{uuid.uuid4()}"


def _body(request: Request) -> Mapping[str, Any]:
    body = request.get_json(silent=True)
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}


def _report(job: Job, run_id: str, line: FleetLine) -> None:
    said: dict[str, object] = {
        "run_id": run_id,
        "status": line.status,
        "code": line.code,
        "reason": line.reason,
        "written": line.written,
    }
    if line.needed is not None:
        said["needed"] = line.needed
    if line.desired_before is not None:
        said |= {"desired": line.capacity, "desired_before": line.desired_before}
    metrics = () if line.duplicate else fleet_metrics(line)
    _measure(f"fleet {line.fleet}: {line.status}", {"job": job.name, "fleet": line.fleet}, metrics, said)


def _measure(message: str, labels: Mapping[str, str], metrics: Iterable[Metric], said: Mapping[str, object]) -> None:
    values = {name: value for name, _unit, value in metrics}
    log.info(message, extra={"fields": {**labels, **said, **({"metrics": values} if values else {})}})


def _failed(run_id: str, reason: str) -> Response:
    log.error("the job failed: %s", reason, extra={"fields": {"run_id": run_id}})
    return {"run_id": run_id, "error": reason}, 500
