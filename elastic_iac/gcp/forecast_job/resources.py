"""The resources of a forecast job: one bucket, and a function with its schedules for each shard."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.forecast_job import (
    DAYS_OF_FORMER,
    SETTINGS_PREFIX,
    STORE_PREFIX,
    Shard,
    settings_key,
    watched_minutes,
)
from elastic_iac.common.parsing import lift
from elastic_iac.common.publish import every
from elastic_iac.gcp.forecast_job import iam, metrics
from elastic_iac.gcp.forecast_job.alarms import declare_alerts
from elastic_iac.gcp.forecast_job.config import JobConfig
from elastic_iac.gcp.forecast_job.dashboard import dashboard_body
from elastic_iac.gcp.identity import Identity, declare_identity
from forecasting.errors import SettingsError
from forecasting.settings import Fleet
from forecasting.settings.gcp import GcpTarget

RUNTIME = "python313"
ENTRY_POINT = "handle"
_ONE_CPU_MIB = 4096
"""Of one CPU, at most: https://cloud.google.com/run/docs/configuring/services/memory-limits"""
_LONGEST_ATTEMPT_SECONDS = 1800
"""Cloud Scheduler's own limit of an attempt."""
_GRACE_SECONDS = 60
"""Beyond the function's own timeout: the scheduler hears how the run ended."""


class JobResources:
    """Resources that all functions of the job share, as children of its component."""

    def __init__(self, config: JobConfig, parent: pulumi.Resource) -> None:
        name, args, self.config, self.parent = config.name, config.args, config, parent
        self.args, self.child = args, pulumi.ResourceOptions(parent=parent)
        client = gcp.organizations.get_client_config_output(opts=pulumi.InvokeOptions(parent=parent))
        self.project = client.project
        self.region = client.region if args.region is None else pulumi.Output.from_input(args.region)
        self.bucket = gcp.storage.Bucket(
            f"{name}-bucket",
            self.child,
            location=self.region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning={"enabled": True},
            lifecycle_rules=_lifecycle(config),
            encryption=None if args.kms_key is None else {"default_kms_key_name": args.kms_key},
            force_destroy=args.force_destroy,
            labels=args.labels,
        )
        self.code = gcp.storage.BucketObject(
            f"{name}-code",
            self.child,
            bucket=self.bucket.name,
            name=config.code.key(name),
            source=pulumi.FileAsset(str(config.code.path)),
            content_type="application/zip",
        )
        self.topic, self.notification = self._settings_changed()
        # By default the account that builds would be one that can do far more.
        self.builder = self.account(f"{name}-build", f"Builds the forecast job {name}", iam.BUILD_ROLES)
        self.roles = self._roles()
        self.channels = [*args.alarm_channels, *self._email_channels()]

    def account(self, name: str, display_name: str, roles: Mapping[str, str] | None = None) -> Identity:
        """Declare a service account of the job."""
        return declare_identity(name, name, display_name, roles or {}, self.child)

    def after(self, *resources: pulumi.Resource, replaced_first: bool | None = None) -> pulumi.ResourceOptions:
        """Options of a child that is declared after these resources."""
        return pulumi.ResourceOptions(
            parent=self.parent, depends_on=list(resources), delete_before_replace=replaced_first
        )

    def declare(self) -> dict[str, pulumi.Output[Any]]:
        """Declare the functions with their schedules; the component's outputs by name."""
        functions = [_Function(self, shard) for shard in self.config.shards]
        services = [each.service for each in functions]
        measures = {
            measured: metrics.declare_metric(self.config.name, measured, services, self.child).name
            for measured in (*metrics.JOB_METRICS, *metrics.FLEET_METRICS)
        }
        started = [each.start() for each in functions]
        return {
            "bucket_name": self.bucket.name,
            "function_names": every(each.function.name for each in functions),
            "function_urls": every(each.uri for each in functions),
            "schedule_names": every(full.name for full, _ in started),
            "short_schedule_names": every(short.name for _, short in started if short is not None),
            "settings_urls": every(each.settings_url for each in functions),
            "runtime_account_emails": every(each.account_email for each in functions),
            "dashboard_ids": every(each.watch(measures).id for each in functions),
        }

    def _settings_changed(self) -> tuple[gcp.pubsub.Topic, gcp.storage.Notification]:
        """The topic that is told of new settings, those of all shards."""
        name, invoke = self.config.name, pulumi.InvokeOptions(parent=self.parent)
        topic = gcp.pubsub.Topic(f"{name}-settings-changed", self.child, labels=self.args.labels)
        # Asked for, the agent is made where the project has none yet; its address follows from the project's number.
        agent = gcp.storage.get_project_service_account_output(opts=invoke)
        project = gcp.organizations.get_project_output(opts=invoke)
        member = pulumi.Output.all(project.number, agent.id).apply(
            lambda known: f"serviceAccount:service-{known[0]}@gs-project-accounts.iam.gserviceaccount.com"
        )
        may_tell = gcp.pubsub.TopicIAMMember(
            f"{name}-bucket-may-publish", self.child, topic=topic.id, role="roles/pubsub.publisher", member=member
        )
        return topic, gcp.storage.Notification(
            f"{name}-settings-notification",
            self.after(may_tell),  # Cloud Storage publishes when it is told of the topic
            bucket=self.bucket.name,
            topic=topic.id,
            payload_format="JSON_API_V1",
            event_types=["OBJECT_FINALIZE"],
            object_name_prefix=SETTINGS_PREFIX,
        )

    def _roles(self) -> dict[str, gcp.projects.IAMCustomRole]:
        """Custom roles by their work.

        A deleted role keeps its id for up to 37 days, so a stack that is destroyed and deployed again needs another id. The
        automatic name of the job's bucket is new each time it is made, unique everywhere, and survives a rename by an alias.
        """
        name = self.config.name
        fleets = pulumi.Output.all(*(shard.settled for shard in self.config.shards))
        scaling = fleets.apply(lambda shards: iam.scaling_permissions([fleet for each in shards for fleet in each]))
        wanted: dict[str, tuple[str, Any]] = {"scale": ("reads load and writes scaling schedules", scaling)}
        wanted |= {key: (f"{key}s objects", granted) for key, granted in iam.BUCKET_PERMISSIONS.items()}
        return {
            key: gcp.projects.IAMCustomRole(
                f"{name}-may-{key}",
                self.child,
                role_id=self.bucket.name.apply(
                    lambda bucket, key=key: f"{re.sub('[^a-zA-Z0-9]', '_', bucket)}_may_{key}"
                ),
                title=f"Forecast job {name}: {work}",
                permissions=granted,
                stage="GA",
            )
            for key, (work, granted) in wanted.items()
        }

    def _email_channels(self) -> list[pulumi.Output[str]]:
        return [
            gcp.monitoring.NotificationChannel(
                f"{self.config.name}-alerts-to-{email}",
                self.child,
                type="email",
                display_name=f"Forecast job {self.config.name}",
                labels={"email_address": email},
                user_labels=self.args.labels,
            ).name
            for email in self.args.alarm_emails
        ]


def _lifecycle(config: JobConfig) -> list[Any]:
    """Expiration by prefix; former versions can be had back.

    Records expire by their last write. A target's state is written by every run, so it stays as long as the target is served; what lies beside
    `targets/` (the job's own notes, a pause) never expires.
    """
    records = {
        "age": config.args.store_retention_days,
        "with_state": "LIVE",
        "matches_prefixes": [f"{STORE_PREFIX}/targets/"],
    }
    former = [
        {"days_since_noncurrent_time": days, "matches_prefixes": [prefix]} for prefix, days in DAYS_OF_FORMER.items()
    ]
    return [{"action": {"type": "Delete"}, "condition": condition} for condition in (records, *former)]


class _Function:
    """One function: its accounts, its settings, its schedules, and what watches it."""

    def __init__(self, common: JobResources, shard: Shard) -> None:
        self.common, self.shard, self.job = common, shard, shard.name
        job, args, one = shard.name, common.args, _ONE_CPU_MIB
        runtime = common.account(f"{job}-run", f"Runs the forecast job {job}").account
        invoker = common.account(f"{job}-invoke", f"Calls the forecast job {job}").account
        self.settings_url = pulumi.Output.concat("gs://", common.bucket.name, "/", settings_key(job))
        self.function = gcp.cloudfunctionsv2.Function(
            f"{job}-function",
            common.after(*common.builder.roles),
            location=common.region,
            description=f"Forecast job {job}: raises the floors of its groups ahead of the load",
            build_config={
                "runtime": RUNTIME,
                "entry_point": ENTRY_POINT,
                "service_account": common.builder.account.name,
                "source": {"storage_source": {"bucket": common.bucket.name, "object": common.code.name}},
            },
            # One instance with one request, so two runs never meet; from within the project only.
            service_config={
                "available_memory": lift(lambda mib: f"{mib}Mi", args.memory_mib),
                "available_cpu": lift(
                    lambda mib: "1" if mib <= one else "2" if mib <= 2 * one else "4", args.memory_mib
                ),
                "timeout_seconds": args.timeout_seconds,
                "min_instance_count": 0,
                "max_instance_count": 1,
                "max_instance_request_concurrency": 1,
                "ingress_settings": "ALLOW_INTERNAL_ONLY",
                "vpc_connector": args.vpc_connector,
                "all_traffic_on_latest_revision": True,
                "service_account_email": runtime.email,
                "environment_variables": {"ELASTIC_IAC_SETTINGS": self.settings_url},
            },
            labels=args.labels,
        )
        service: pulumi.Output[Any] = self.function.service_config
        self.uri = service.apply(lambda config: (config and config.uri) or "")
        self.service = service.apply(lambda config: ((config and config.service) or "").rsplit("/", 1)[-1])
        self.account_email = service.apply(lambda config: (config and config.service_account_email) or "")
        self.invoker = invoker.email
        self.may = self._grants(runtime, invoker)

    def _grants(
        self, runtime: gcp.serviceaccount.Account, invoker: gcp.serviceaccount.Account
    ) -> list[pulumi.Resource]:
        """The invoker calls the function; it scales, reads its settings and keeps its records."""
        job, common = self.job, self.common

        def under(title: str, prefix: str) -> Any:
            within = 'resource.name.startsWith("projects/_/buckets/', common.bucket.name, f'/objects/{prefix}")'
            return {"title": title, "expression": pulumi.Output.concat(*within)}

        conditions = {
            "read": under("its settings", settings_key(job)),
            "write": under("the records", f"{STORE_PREFIX}/"),
            "list": None,
        }
        return [
            gcp.cloudrunv2.ServiceIamMember(
                f"{job}-may-invoke",
                common.child,
                project=self.function.project,
                location=self.function.location,
                name=self.service,
                role="roles/run.invoker",
                member=invoker.member,
            ),
            gcp.projects.IAMMember(
                f"{job}-may-scale",
                common.child,
                project=runtime.project,
                role=common.roles["scale"].name,
                member=runtime.member,
            ),
            *(
                gcp.storage.BucketIAMMember(
                    f"{job}-may-{key}",
                    common.child,
                    bucket=common.bucket.name,
                    role=common.roles[key].name,
                    member=runtime.member,
                    condition=condition,
                )
                for key, condition in conditions.items()
            ),
        ]

    def start(self) -> tuple[gcp.cloudscheduler.Job, gcp.cloudscheduler.Job | None]:
        """Run the function once it may do its work: first by its settings, then by its schedules."""
        job, common, schedule = self.job, self.common, self.common.config.schedule
        subscription = gcp.pubsub.Subscription(
            f"{job}-settings-pushed",
            common.after(*self.may),
            topic=common.topic.id,
            filter=f'attributes.objectId = "{settings_key(job)}"',
            # A run may outlast the longest deadline: the job tells a repeated delivery by the object's generation.
            ack_deadline_seconds=600,
            message_retention_duration="3600s",
            expiration_policy={"ttl": ""},  # settings may not change for months
            retry_policy={"minimum_backoff": "30s", "maximum_backoff": "600s"},
            push_config={
                "push_endpoint": self.uri,
                "oidc_token": {"service_account_email": self.invoker, "audience": self.uri},
            },
            labels=common.args.labels,
        )
        store = {"kind": "gcs", "bucket": common.bucket.name, "prefix": STORE_PREFIX}
        fleets = pulumi.Output.all(self.shard.settled, common.project).apply(lambda known: _of_project(*known))
        settings = gcp.storage.BucketObject(
            f"{job}-settings",
            # Under the same name a replacement that comes first would be deleted with the former one.
            common.after(common.notification, subscription, *self.may, replaced_first=True),
            bucket=common.bucket.name,
            name=settings_key(job),
            content=common.config.shard_settings(self.shard, store, fleets),
            content_type="application/json",
        )
        after, timeout = common.after(*self.may, settings), common.args.timeout_seconds
        # It stays on with the kill switch: the job itself says that it is off. A run that fails is tried again; the job tells a repeated delivery
        # by the planned time (`X-CloudScheduler-ScheduleTime`).
        full = gcp.cloudscheduler.Job(
            f"{job}-schedule",
            after,
            region=common.region,
            description=f"Runs the forecast job {job}",
            schedule=schedule.expression,
            time_zone=schedule.time_zone,
            attempt_deadline=lift(lambda run: f"{min(run + _GRACE_SECONDS, _LONGEST_ATTEMPT_SECONDS)}s", timeout),
            retry_config={
                "retry_count": 2,
                "min_backoff_duration": "30s",
                "max_backoff_duration": "120s",
                "max_doublings": 1,
            },
            http_target=self._call({"source": "schedule"}),
        )
        minutes = schedule.short_run_minutes
        if not minutes:
            return full, None
        return full, gcp.cloudscheduler.Job(
            f"{job}-short-schedule",
            after,
            region=common.region,
            description=f"Short runs of the forecast job {job}",
            schedule="0 * * * *" if minutes == 60 else f"*/{minutes} * * * *",
            time_zone="UTC",
            attempt_deadline=f"{60 * minutes}s",
            # One that finds the function's one instance busy with a full run is not tried again: the next is near.
            retry_config={"retry_count": 0},
            http_target=self._call({"source": "schedule", "kind": "short"}),
        )

    def _call(self, event: Mapping[str, str]) -> Any:
        return {
            "uri": self.uri,
            "http_method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": base64.b64encode(json.dumps(event).encode()).decode(),  # as the provider takes it
            "oidc_token": {"service_account_email": self.invoker, "audience": self.uri},
        }

    def watch(self, measures: Mapping[str, pulumi.Output[str]]) -> gcp.monitoring.Dashboard:
        """Declare the alerts and the dashboard."""
        job, common, schedule = self.job, self.common, self.common.config.schedule
        declare_alerts(job, self.service, common.bucket.name, common.config, measures, common.channels, common.child)
        body = pulumi.Output.all(
            metrics=dict(measures),
            interval_minutes=lift(
                lambda minutes: watched_minutes(minutes, schedule.short_run_minutes), schedule.interval_minutes
            ),
        ).apply(lambda known: dashboard_body(job, **known))
        return gcp.monitoring.Dashboard(f"{job}-dashboard", common.child, dashboard_json=body)


def _of_project(fleets: list[Fleet], project: str) -> list[Fleet]:
    """Custom roles are a project's: groups of another one need a job there."""
    for index, fleet in enumerate(fleets):
        if isinstance(fleet.target, GcpTarget) and fleet.target.project != project:
            expected = f"{project!r}, the job's own: another project has its own job"
            raise SettingsError(f"fleets[{index}].target.project", fleet.target.project, expected)
    return fleets
