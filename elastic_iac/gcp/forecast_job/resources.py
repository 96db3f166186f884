"""The resources of a forecast job: one bucket, and a function with its schedules for each shard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.forecast_job import Shard, job_json, watched_minutes
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Value
from elastic_iac.gcp import identity
from elastic_iac.gcp.forecast_job import alarms as alerts
from elastic_iac.gcp.forecast_job import bucket as buckets
from elastic_iac.gcp.forecast_job import function as functions
from elastic_iac.gcp.forecast_job import iam as permissions
from elastic_iac.gcp.forecast_job import metrics as measures
from elastic_iac.gcp.forecast_job import schedule as schedules
from elastic_iac.gcp.forecast_job.config import JobConfig
from elastic_iac.gcp.forecast_job.dashboard import dashboard_body
from forecasting.errors import SettingsError
from forecasting.settings import Fleet
from forecasting.settings.gcp import GcpTarget


@dataclass(frozen=True)
class _Common:
    """What all functions of the job share."""

    project: pulumi.Output[str]
    region: pulumi.Output[str]
    bucket: gcp.storage.Bucket
    code: gcp.storage.BucketObject
    roles: Mapping[str, gcp.projects.IAMCustomRole]
    build_account: pulumi.Output[str]
    may_build: Sequence[pulumi.Resource]
    topic: gcp.pubsub.Topic
    notification: gcp.storage.Notification
    channels: Sequence[Value[str]]


@dataclass(frozen=True)
class _Running:
    """One function: how it is called, by whom, and what it may do."""

    function: gcp.cloudfunctionsv2.Function
    uri: pulumi.Output[str]
    service: pulumi.Output[str]
    invoker: pulumi.Output[str]
    may: Sequence[pulumi.Resource]


class JobResources:
    """Declares the resources of a job as children of its component."""

    def __init__(self, config: JobConfig, component: pulumi.Resource) -> None:
        self._config = config
        self._component = component
        self._child = pulumi.ResourceOptions(parent=component)

    def declare(self) -> dict[str, pulumi.Output[Any]]:
        """Declare all resources; the component's outputs."""
        shards, common = self._config.shards, self._common()
        running = {shard.name: self._function(shard, common) for shard in shards}
        metrics = self._metrics([each.service for each in running.values()])
        started = [self._start(shard, common, running[shard.name], metrics) for shard in shards]
        return {
            "bucket_name": common.bucket.name,
            "function_names": _all(each.function.name for each in running.values()),
            "function_urls": _all(each.uri for each in running.values()),
            "schedule_names": _all(schedule.name for schedule, _, _ in started),
            "short_schedule_names": _all(short.name for _, short, _ in started if short is not None),
            "settings_urls": _all(_settings_url(common.bucket, shard.name) for shard in shards),
            "runtime_account_emails": _all(_account_of(each.function) for each in running.values()),
            "dashboard_ids": _all(dashboard.id for _, _, dashboard in started),
        }

    def _common(self) -> _Common:
        name, args = self._config.name, self._config.args
        client = gcp.organizations.get_client_config_output(opts=pulumi.InvokeOptions(parent=self._component))
        region = client.region if args.region is None else pulumi.Output.from_input(args.region)
        bucket = gcp.storage.Bucket(
            f"{name}-bucket",
            buckets.bucket_args(args, location=region),
            self._child,
        )
        topic, notification = self._settings_changed(bucket)
        build_account, may_build = self._builder()
        return _Common(
            project=client.project,
            region=region,
            bucket=bucket,
            code=gcp.storage.BucketObject(
                f"{name}-code", functions.code_args(name, bucket.name, self._config.code), self._child
            ),
            roles=self._roles(bucket),
            build_account=build_account.name,
            may_build=may_build,
            topic=topic,
            notification=notification,
            channels=[*args.alarm_channels, *self._email_channels()],
        )

    def _settings_changed(self, bucket: gcp.storage.Bucket) -> tuple[gcp.pubsub.Topic, gcp.storage.Notification]:
        name = self._config.name
        topic = gcp.pubsub.Topic(
            f"{name}-settings-changed", gcp.pubsub.TopicArgs(labels=self._config.args.labels), self._child
        )
        invoke = pulumi.InvokeOptions(parent=self._component)
        # Asked for, the agent is made where the project has none yet; its address follows from the project's number.
        agent = gcp.storage.get_project_service_account_output(opts=invoke)
        project = gcp.organizations.get_project_output(opts=invoke)
        member = pulumi.Output.all(project.number, agent.id).apply(
            lambda known: f"serviceAccount:service-{known[0]}@gs-project-accounts.iam.gserviceaccount.com"
        )
        may_tell = gcp.pubsub.TopicIAMMember(
            f"{name}-bucket-may-publish",
            gcp.pubsub.TopicIAMMemberArgs(topic=topic.id, role="roles/pubsub.publisher", member=member),
            self._child,
        )
        notification = gcp.storage.Notification(
            f"{name}-settings-notification",
            buckets.notification_args(bucket.name, topic.id),
            # Cloud Storage publishes when it is told of the topic.
            pulumi.ResourceOptions(parent=self._component, depends_on=[may_tell]),
        )
        return topic, notification

    def _builder(self) -> tuple[gcp.serviceaccount.Account, list[pulumi.Resource]]:
        """The account that builds the function: by default it would be one that can do far more."""
        account = self._account(f"{self._config.name}-build", f"Builds the forecast job {self._config.name}")
        return account, [
            gcp.projects.IAMMember(
                f"{self._config.name}-build-{key}",
                identity.role_args(role, project=account.project, member=account.member),
                self._child,
            )
            for key, role in permissions.BUILD_ROLES.items()
        ]

    def _account(self, name: str, says: str) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            name,
            gcp.serviceaccount.AccountArgs(account_id=identity.unique_id(name), display_name=says),
            pulumi.ResourceOptions.merge(self._child, identity.NAMED_ONCE),
        )

    def _roles(self, bucket: gcp.storage.Bucket) -> dict[str, gcp.projects.IAMCustomRole]:
        """Custom roles by what they let one do."""
        name = self._config.name
        fleets = pulumi.Output.all(*(shard.settled for shard in self._config.shards))
        scaling = fleets.apply(
            lambda shards: permissions.scaling_permissions([fleet for each in shards for fleet in each])
        )
        wanted: dict[str, tuple[str, pulumi.Input[Sequence[pulumi.Input[str]]]]] = {
            "scale": ("reads load and writes scaling schedules", scaling),
            "read": ("reads objects", permissions.READ_PERMISSIONS),
            "write": ("writes objects", permissions.WRITE_PERMISSIONS),
            "list": ("lists objects", permissions.LIST_PERMISSIONS),
        }
        return {
            key: gcp.projects.IAMCustomRole(
                f"{name}-may-{key}",
                permissions.custom_role_args(bucket.name, key, f"Forecast job {name}: {says}", granted),
                self._child,
            )
            for key, (says, granted) in wanted.items()
        }

    def _metrics(self, services: Sequence[pulumi.Output[str]]) -> dict[str, pulumi.Output[str]]:
        return {
            measured: gcp.logging.Metric(
                f"{self._config.name}-{measured.lower()}",
                measures.metric_args(self._config.name, measured, services),
                self._child,
            ).name
            for measured in (*measures.JOB_METRICS, *measures.FLEET_METRICS)
        }

    def _email_channels(self) -> list[pulumi.Output[str]]:
        return [
            gcp.monitoring.NotificationChannel(
                f"{self._config.name}-alerts-to-{email}",
                gcp.monitoring.NotificationChannelArgs(
                    type="email",
                    display_name=f"Forecast job {self._config.name}",
                    labels={"email_address": email},
                    user_labels=self._config.args.labels,
                ),
                self._child,
            ).name
            for email in self._config.args.alarm_emails
        ]

    def _function(self, shard: Shard, common: _Common) -> _Running:
        job = shard.name
        runtime = self._account(f"{job}-run", f"Runs the forecast job {job}")
        invoker = self._account(f"{job}-invoke", f"Calls the forecast job {job}")
        function = gcp.cloudfunctionsv2.Function(
            f"{job}-function",
            functions.function_args(
                job,
                self._config.args,
                location=common.region,
                bucket=common.bucket.name,
                code_object=common.code.name,
                settings_url=_settings_url(common.bucket, job),
                runtime_account=runtime.email,
                build_account=common.build_account,
            ),
            pulumi.ResourceOptions(parent=self._component, depends_on=list(common.may_build)),
        )
        service = function.service_config.apply(lambda config: _last_name(config.service if config else None))
        may_invoke = gcp.cloudrunv2.ServiceIamMember(
            f"{job}-may-invoke",
            gcp.cloudrunv2.ServiceIamMemberArgs(
                project=function.project,
                location=function.location,
                name=service,
                role="roles/run.invoker",
                member=invoker.member,
            ),
            self._child,
        )
        return _Running(
            function=function,
            uri=function.service_config.apply(lambda config: (config.uri if config else None) or ""),
            service=service,
            invoker=invoker.email,
            may=[may_invoke, *self._grants(job, runtime, common)],
        )

    def _grants(self, job: str, runtime: gcp.serviceaccount.Account, common: _Common) -> list[pulumi.Resource]:
        conditions = permissions.bucket_conditions(common.bucket.name, job)
        return [
            gcp.projects.IAMMember(
                f"{job}-may-scale",
                identity.role_args(common.roles["scale"].name, project=runtime.project, member=runtime.member),
                self._child,
            ),
            *(
                gcp.storage.BucketIAMMember(
                    f"{job}-may-{key}",
                    gcp.storage.BucketIAMMemberArgs(
                        bucket=common.bucket.name,
                        role=common.roles[key].name,
                        member=runtime.member,
                        condition=conditions.get(key),
                    ),
                    self._child,
                )
                for key in ("read", "write", "list")
            ),
        ]

    def _start(
        self, shard: Shard, common: _Common, running: _Running, metrics: Mapping[str, pulumi.Output[str]]
    ) -> tuple[gcp.cloudscheduler.Job, gcp.cloudscheduler.Job | None, gcp.monitoring.Dashboard]:
        """What runs the function, once it may do its work: first its settings, then its schedule; and what watches it."""
        job = shard.name
        subscription = gcp.pubsub.Subscription(
            f"{job}-settings-pushed",
            schedules.subscription_args(
                job, topic=common.topic.id, uri=running.uri, invoker=running.invoker, labels=self._config.args.labels
            ),
            pulumi.ResourceOptions(parent=self._component, depends_on=list(running.may)),
        )
        settings = gcp.storage.BucketObject(
            f"{job}-settings",
            buckets.settings_args(common.bucket.name, job, _settings(shard, self._config, common)),
            # Under the same name a replacement that comes first would be deleted with the former one.
            pulumi.ResourceOptions(
                parent=self._component,
                depends_on=[common.notification, subscription, *running.may],
                delete_before_replace=True,
            ),
        )
        after = pulumi.ResourceOptions(parent=self._component, depends_on=[*running.may, settings])
        to: dict[str, Any] = {"region": common.region, "uri": running.uri, "invoker": running.invoker}
        args = schedules.job_args(job, self._config.schedule, timeout_seconds=self._config.args.timeout_seconds, **to)
        full = gcp.cloudscheduler.Job(f"{job}-schedule", args, after)
        short = None
        if minutes := self._config.schedule.short_run_minutes:
            short_args = schedules.short_job_args(job, minutes, **to)
            short = gcp.cloudscheduler.Job(f"{job}-short-schedule", short_args, after)
        return full, short, self._watch(job, common, running, metrics)

    def _watch(
        self, job: str, common: _Common, running: _Running, metrics: Mapping[str, pulumi.Output[str]]
    ) -> gcp.monitoring.Dashboard:
        policies = alerts.alert_args(
            job,
            service=running.service,
            bucket=common.bucket.name,
            metrics=metrics,
            interval_minutes=self._config.schedule.interval_minutes,
            short_run_minutes=self._config.schedule.short_run_minutes,
            channels=common.channels,
            enabled=self._config.args.enabled,
            labels=self._config.args.labels,
        )
        for key, policy in policies.items():
            gcp.monitoring.AlertPolicy(f"{job}-alert-{key}", policy, self._child)
        body = pulumi.Output.all(
            metrics=dict(metrics),
            interval_minutes=lift(
                lambda minutes: watched_minutes(minutes, self._config.schedule.short_run_minutes),
                self._config.schedule.interval_minutes,
            ),
        ).apply(lambda known: dashboard_body(job, **known))
        return gcp.monitoring.Dashboard(
            f"{job}-dashboard", gcp.monitoring.DashboardArgs(dashboard_json=body), self._child
        )


def _settings(shard: Shard, config: JobConfig, common: _Common) -> pulumi.Output[str]:
    store = {"kind": "gcs", "bucket": common.bucket.name, "prefix": buckets.STORE_PREFIX}
    return pulumi.Output.all(
        settings={**shard.settings, "store": store, **config.settings},
        fleets=shard.settled,
        project=common.project,
    ).apply(lambda known: job_json(known["settings"], _of_project(known["fleets"], known["project"])))


def _of_project(fleets: list[Fleet], project: str) -> list[Fleet]:
    """Custom roles are a project's: groups of another one need a job there."""
    for index, fleet in enumerate(fleets):
        if isinstance(fleet.target, GcpTarget) and fleet.target.project != project:
            field = f"fleets[{index}].target.project"
            raise SettingsError(
                field, fleet.target.project, f"{project!r}, the job's own: another project has its own job"
            )
    return fleets


def _settings_url(bucket: gcp.storage.Bucket, job: str) -> pulumi.Output[str]:
    return pulumi.Output.concat("gs://", bucket.name, "/", buckets.settings_key(job))


def _account_of(function: gcp.cloudfunctionsv2.Function) -> pulumi.Output[str]:
    return function.service_config.apply(lambda config: (config.service_account_email if config else None) or "")


def _last_name(path: str | None) -> str:
    return (path or "").rsplit("/", 1)[-1]


def _all(values: Any) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*values)
