"""What runs the job: the schedule, and new settings."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.forecast_job import Schedule, settle_short_runs
from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp_forecast_job import GcpForecastJobArgs
from elastic_iac.gcp.forecast_job.bucket import settings_key

_EVERY_SIX_HOURS, _EVERY_QUARTER = ("0 */6 * * *", 360), ("*/15 * * * *", 15)
_LONGEST_ATTEMPT_SECONDS = 1800
"""Cloud Scheduler's own limit of an attempt."""
_GRACE_SECONDS = 60
"""Beyond the function's own timeout: the scheduler hears how the run ended."""


def configure_schedule(args: GcpForecastJobArgs, problems: Problems) -> Schedule:
    """When the job runs, and how long apart."""
    given, interval, short = args.schedule, args.interval_minutes, args.short_run_minutes
    default, minutes = _EVERY_SIX_HOURS if short is None or short else _EVERY_QUARTER
    if given is None and interval is not None:
        problems.refuse("interval_minutes", interval, f"nothing beside the default schedule, {default!r}")
    if given is not None and interval is None:
        problems.refuse("interval_minutes", None, "the longest time between two runs of the schedule")
    between = minutes if interval is None else interval
    short_runs = 0
    with problems.collect():
        short_runs = settle_short_runs(short, between)
    return Schedule(given or default, args.time_zone, between, short_runs)


def job_args(
    job: str,
    schedule: Schedule,
    *,
    region: pulumi.Input[str],
    uri: pulumi.Input[str],
    invoker: pulumi.Input[str],
    timeout_seconds: Value[int],
) -> gcp.cloudscheduler.JobArgs:
    """The schedule of one function. It stays on with the kill switch: the job itself says that it is off.

    A run that fails is tried again; the job tells a repeated delivery by the planned time (`X-CloudScheduler-ScheduleTime`).
    """
    retries = gcp.cloudscheduler.JobRetryConfigArgs(
        retry_count=2, min_backoff_duration="30s", max_backoff_duration="120s", max_doublings=1
    )
    call = _call({"source": "schedule"}, uri=uri, invoker=invoker)
    return gcp.cloudscheduler.JobArgs(
        region=region,
        description=f"Runs the forecast job {job}",
        schedule=schedule.expression,
        time_zone=schedule.time_zone,
        attempt_deadline=lift(
            lambda seconds: f"{min(seconds + _GRACE_SECONDS, _LONGEST_ATTEMPT_SECONDS)}s", timeout_seconds
        ),
        retry_config=retries,
        http_target=call,
    )


def short_job_args(
    job: str, minutes: int, *, region: pulumi.Input[str], uri: pulumi.Input[str], invoker: pulumi.Input[str]
) -> gcp.cloudscheduler.JobArgs:
    """The schedule of the short runs. One that finds the function's one instance busy with a full run is not tried again: the next is near."""
    return gcp.cloudscheduler.JobArgs(
        region=region,
        description=f"Short runs of the forecast job {job}",
        schedule="0 * * * *" if minutes == 60 else f"*/{minutes} * * * *",
        time_zone="UTC",
        attempt_deadline=f"{60 * minutes}s",
        retry_config=gcp.cloudscheduler.JobRetryConfigArgs(retry_count=0),
        http_target=_call({"source": "schedule", "kind": "short"}, uri=uri, invoker=invoker),
    )


def _call(
    event: Mapping[str, str], *, uri: pulumi.Input[str], invoker: pulumi.Input[str]
) -> gcp.cloudscheduler.JobHttpTargetArgs:
    return gcp.cloudscheduler.JobHttpTargetArgs(
        uri=uri,
        http_method="POST",
        headers={"Content-Type": "application/json"},
        body=base64.b64encode(json.dumps(event).encode()).decode(),  # as the provider takes it
        oidc_token=gcp.cloudscheduler.JobHttpTargetOidcTokenArgs(service_account_email=invoker, audience=uri),
    )


def subscription_args(
    job: str, *, topic: pulumi.Input[str], uri: pulumi.Input[str], invoker: pulumi.Input[str], labels: Any
) -> gcp.pubsub.SubscriptionArgs:
    """New settings of the job `job` run it. A run may outlast the longest deadline: the job tells a repeated delivery by the object's generation."""
    return gcp.pubsub.SubscriptionArgs(
        topic=topic,
        filter=f'attributes.objectId = "{settings_key(job)}"',
        ack_deadline_seconds=600,
        message_retention_duration="3600s",
        expiration_policy=gcp.pubsub.SubscriptionExpirationPolicyArgs(ttl=""),  # settings may not change for months
        retry_policy=gcp.pubsub.SubscriptionRetryPolicyArgs(minimum_backoff="30s", maximum_backoff="600s"),
        push_config=gcp.pubsub.SubscriptionPushConfigArgs(
            push_endpoint=uri,
            oidc_token=gcp.pubsub.SubscriptionPushConfigOidcTokenArgs(service_account_email=invoker, audience=uri),
        ),
        labels=labels,
    )
