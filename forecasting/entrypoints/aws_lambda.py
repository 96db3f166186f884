"""The job as an AWS Lambda function.

Environment: `ELASTIC_IAC_SETTINGS`, where the job's settings are (`s3://BUCKET/KEY.json`); `POWERTOOLS_SERVICE_NAME`,
`POWERTOOLS_METRICS_NAMESPACE` and `POWERTOOLS_LOG_LEVEL`, as powertools reads them; `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets.

Events: `{"source": "schedule", "scheduled_time": ..., "kind": "full" | "short"}` from EventBridge Scheduler (a full run where no kind is given), S3's
notification of new settings, `{"source": "manual"}`, with a kind or without.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from forecasting.aws_session import sharing_clients
from forecasting.errors import ElasticIacError
from forecasting.invocation import (
    RESERVE_SECONDS,
    FleetLine,
    OutdatedPackageError,
    Summary,
    checked_kind,
    environment_settings,
    invoke,
)
from forecasting.invocation.metrics import Metric, fleet_metrics, job_metrics
from forecasting.run import Kind, utc_now
from forecasting.safe_text import redacted, redacted_document
from forecasting.settings import Job
from forecasting.settings.job import SHORT_RUN_MINUTES


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(redacted_document(entry), default=lambda value: redacted(str(value)))


logger = Logger(json_serializer=_line)
# What the job's modules log goes the same way: structured, with the run's id.
logging.getLogger("forecasting").handlers = logger.handlers
logging.getLogger("forecasting").propagate = False

_session = sharing_clients()
"""Lives as long as the process: warm starts have their clients, connections and credentials already."""


class Context(Protocol):
    """What is used of Lambda's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is ended."""
        ...


class JobFailedError(ElasticIacError):
    """The invocation failed as a whole, so that Lambda counts an error and tells the on-failure destination."""


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Serve the job's fleets within the function's time.

    Returns:
        `Summary.document()`.

    Raises:
        SettingsError, StoreError, CredentialsError: the settings or the store cannot be read; nothing was written.
        JobFailedError: a fleet failed by a defect, or all were refused. Held and deferred fleets are metrics, not errors.
    """
    run_id = run_id_of(event, context.aws_request_id)
    logger.append_keys(run_id=run_id)
    now = utc_now()  # before the settings are read: a run that starts later has none that are older
    try:
        job = environment_settings(_session)
        logger.append_keys(job=job.name)
        if is_outdated(event, job, now):
            return {"job": job.name, "run_id": run_id, "outdated": True}
        summary = invoke(
            job,
            run_id=run_id,
            now=now,
            session=_session,
            remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS,
            on_result=lambda line: _report(job, line),
            kind=kind_of(event),
        )
    except OutdatedPackageError as error:
        summary = error.summary(run_id, now, kind_of(event))
        logger.error("every fleet is held: %s", error)  # noqa: TRY400 - what to do is in it; a traceback is of no use
        _report_all(summary)
        return summary.document()
    except ElasticIacError as error:
        # Lambda prints the trace of what is raised.
        logger.error("the job could not run", extra={"error": type(error).__name__, "reason": str(error)})  # noqa: TRY400
        raise
    except Exception as error:
        # Its text may quote an endpoint with its password, and Lambda prints what is raised as it is.
        logger.exception("unexpected")
        raise JobFailedError(f"unexpected {type(error).__name__}: {error}") from None
    _report_all(summary)
    if summary.failure:
        raise JobFailedError(summary.failure)
    return summary.document()


def kind_of(event: Mapping[str, Any]) -> Kind:
    """Which run the event asks for.

    Raises:
        SettingsError: one that there is not.
    """
    return checked_kind(event.get("kind"))


def is_outdated(event: Mapping[str, Any], job: Job, now: datetime) -> bool:
    """Whether a short run's event has waited for longer than the next one takes to come: Lambda keeps what it has throttled for hours."""
    if event.get("source") != "schedule" or kind_of(event) != "short":
        return False
    try:
        planned = datetime.fromisoformat(str(event.get("scheduled_time")))
        return now - planned > timedelta(minutes=job.short_run_minutes or SHORT_RUN_MINUTES)
    except (TypeError, ValueError):  # an emulator that does not fill it in, or without its offset
        return False


def run_id_of(event: Mapping[str, Any], request_id: str) -> str:
    """The run's id: the same for the same occasion, so that a repeated delivery writes nothing; else the request's."""
    if event.get("source") == "schedule":
        try:
            time = datetime.fromisoformat(str(event.get("scheduled_time")))
        except ValueError:  # an emulator that does not fill it in
            return request_id
        return f"{'short' if event.get('kind') == 'short' else 'schedule'}-{time.isoformat()}"
    for record in event.get("Records", []):
        changed: Mapping[str, Any] = record.get("s3", {}).get("object", {})
        if version := changed.get("versionId") or changed.get("eTag"):
            return f"settings-{version}"
    return request_id


def _report(job: Job, line: FleetLine) -> None:
    logger.info(
        "fleet %s: %s",
        line.fleet,
        line.status,
        extra={
            "fleet": line.fleet,
            "code": line.code,
            "reason": line.reason,
            "written": line.written,
            "needed": line.needed,
            **(
                {} if line.desired_before is None else {"desired": line.capacity, "desired_before": line.desired_before}
            ),
        },
    )
    if not line.duplicate:
        _publish({"Job": _metrics_job(job.name), "Fleet": line.fleet}, fleet_metrics(line))


def _report_all(summary: Summary) -> None:
    _publish({"Job": _metrics_job(summary.job)}, job_metrics(summary))
    logger.info("done", extra={"seconds": summary.seconds, **summary.counts})


def _metrics_job(job: str) -> str:
    """The dimension `Job` of metrics: the function's name, unique in account and region, while jobs of two stacks may have one name."""
    return os.environ.get("AWS_LAMBDA_FUNCTION_NAME", job)


def _publish(dimensions: Mapping[str, str], metrics: Iterable[Metric]) -> None:
    """Print the metrics in CloudWatch's embedded format; Lambda hands them on, without a call."""
    # Without a service: it would become one more dimension, and alarms name a metric by all of its dimensions.
    provider = AmazonCloudWatchEMFProvider(service="", default_dimensions=dict(dimensions))
    for name, unit, value in metrics:
        provider.add_metric(name, unit, value)
    if provider.metric_set:
        provider.flush_metrics()
