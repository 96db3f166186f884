"""The forecast job as functions on a schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.forecast_job import Shard, job_json, watched_minutes
from elastic_iac.common.validation import without_none
from elastic_iac.gcp import identity
from elastic_iac.gcp import job_alerts as alerts
from elastic_iac.gcp import job_bucket as buckets
from elastic_iac.gcp import job_function as functions
from elastic_iac.gcp import job_metrics as measures
from elastic_iac.gcp import job_permissions as permissions
from elastic_iac.gcp import job_schedule as schedules
from elastic_iac.gcp.job_args import GcpForecastJobArgs
from elastic_iac.gcp.job_dashboard import dashboard_body
from elastic_iac.gcp.job_settled import Settled, settle
from forecasting.errors import SettingsError
from forecasting.settings import Fleet
from forecasting.settings.gcp import GcpTarget

__all__ = ["GcpForecastJob", "GcpForecastJobArgs"]


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
    metrics: Mapping[str, pulumi.Output[str]]
    channels: Sequence[pulumi.Output[str]]


@dataclass(frozen=True)
class _Running:
    """One function: how it is called, by whom, and what it may do."""

    function: gcp.cloudfunctionsv2.Function
    uri: pulumi.Output[str]
    service: pulumi.Output[str]
    invoker: pulumi.Output[str]
    may: Sequence[pulumi.Resource]


class GcpForecastJob(pulumi.ComponentResource):
    """A scheduled function that forecasts each group's load and writes the floor it will need as scaling schedules.

    One function serves up to 150 groups, more get further functions. Settings, records and source stand in one private bucket; new settings run the
    job at once. Its account may do what the job does, in custom roles, and nothing else. Alerts go to the channels that are named.
    """

    bucket_name: pulumi.Output[str]
    """The bucket with source, settings and records."""
    function_names: pulumi.Output[list[str]]
    """The functions, one for every 150 fleets."""
    function_urls: pulumi.Output[list[str]]
    """Where they answer, within the project and to the invokers' accounts alone."""
    schedule_names: pulumi.Output[list[str]]
    """Their schedules of full runs."""
    short_schedule_names: pulumi.Output[list[str]]
    """Those of short runs."""
    settings_urls: pulumi.Output[list[str]]
    """Their settings, 'gs://...': what `elastic-iac --config` takes."""
    runtime_account_emails: pulumi.Output[list[str]]
    """The accounts that they run as."""
    dashboard_ids: pulumi.Output[list[str]]
    """Their dashboards."""

    def __init__(self, name: str, args: GcpForecastJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the job and all that it needs.

        Args:
            name: 1 to 28 lower-case letters, digits and inner hyphens, a letter first, unique in the project: metrics bear it.
            args: What to declare; `docs/components.md` has every field.
            opts: The usual options; a provider reaches all children.

        Raises:
            SettingsError: a literal argument is wrong; nothing has been registered then.
        """
        args = without_none(args)
        settled = settle(name, args)
        super().__init__("elastic-iac:index:GcpForecastJob", name, {}, opts)
        self._prefix = name
        self._child = pulumi.ResourceOptions(parent=self)
        common = self._common(settled)
        running = {shard.name: self._function(shard, settled, common) for shard in settled.shards}
        started = [self._start(shard, settled, common, running[shard.name]) for shard in settled.shards]
        self.bucket_name = common.bucket.name
        self.function_names = _all(each.function.name for each in running.values())
        self.function_urls = _all(each.uri for each in running.values())
        self.schedule_names = _all(schedule.name for schedule, _, _ in started)
        self.short_schedule_names = _all(short.name for _, short, _ in started if short is not None)
        self.settings_urls = _all(_settings_url(common.bucket, shard.name) for shard in settled.shards)
        self.runtime_account_emails = _all(_account_of(each.function) for each in running.values())
        self.dashboard_ids = _all(dashboard.id for _, _, dashboard in started)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _common(self, settled: Settled) -> _Common:
        name = self._prefix
        client = gcp.organizations.get_client_config_output(opts=pulumi.InvokeOptions(parent=self))
        region = client.region if settled.region is None else settled.region
        bucket = gcp.storage.Bucket(
            f"{name}-bucket",
            buckets.bucket_args(
                location=region,
                store_retention_days=settled.store_retention_days,
                kms_key=settled.kms_key,
                force_destroy=settled.force_destroy,
                labels=settled.labels,
            ),
            self._child,
        )
        topic, notification = self._settings_changed(bucket, settled)
        build_account, may_build = self._builder()
        return _Common(
            project=client.project,
            region=region,
            bucket=bucket,
            code=gcp.storage.BucketObject(
                f"{name}-code", functions.code_args(name, bucket.name, settled.code), self._child
            ),
            roles=self._roles(settled),
            build_account=build_account.name,
            may_build=may_build,
            topic=topic,
            notification=notification,
            metrics=self._metrics(),
            channels=[*settled.alarm_channels, *self._email_channels(settled)],
        )

    def _settings_changed(
        self, bucket: gcp.storage.Bucket, settled: Settled
    ) -> tuple[gcp.pubsub.Topic, gcp.storage.Notification]:
        name = self._prefix
        topic = gcp.pubsub.Topic(f"{name}-settings-changed", gcp.pubsub.TopicArgs(labels=settled.labels), self._child)
        invoke = pulumi.InvokeOptions(parent=self)
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
            pulumi.ResourceOptions(parent=self, depends_on=[may_tell]),
        )
        return topic, notification

    def _builder(self) -> tuple[gcp.serviceaccount.Account, list[pulumi.Resource]]:
        """The account that builds the function: by default it would be one that can do far more."""
        account = self._account(f"{self._prefix}-build", f"Builds the forecast job {self._prefix}")
        return account, [
            gcp.projects.IAMMember(
                f"{self._prefix}-build-{key}",
                identity.role_args(role, project=account.project, member=account.member),
                self._child,
            )
            for key, role in permissions.BUILD_ROLES.items()
        ]

    def _account(self, name: str, says: str) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            name,
            gcp.serviceaccount.AccountArgs(account_id=identity.unique_id(name), display_name=says),
            self._child,
        )

    def _roles(self, settled: Settled) -> dict[str, gcp.projects.IAMCustomRole]:
        """Custom roles by what they let one do."""
        name = self._prefix
        fleets = pulumi.Output.all(*(shard.settled for shard in settled.shards))
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
                permissions.custom_role_args(f"{name}-may-{key}", f"Forecast job {name}: {says}", granted),
                self._child,
            )
            for key, (says, granted) in wanted.items()
        }

    def _metrics(self) -> dict[str, pulumi.Output[str]]:
        return {
            measured: gcp.logging.Metric(
                f"{self._prefix}-{measured.lower()}", measures.metric_args(self._prefix, measured), self._child
            ).name
            for measured in (*measures.JOB_METRICS, *measures.FLEET_METRICS)
        }

    def _email_channels(self, settled: Settled) -> list[pulumi.Output[str]]:
        return [
            gcp.monitoring.NotificationChannel(
                f"{self._prefix}-alerts-to-{email}",
                gcp.monitoring.NotificationChannelArgs(
                    type="email",
                    display_name=f"Forecast job {self._prefix}",
                    labels={"email_address": email},
                    user_labels=settled.labels,
                ),
                self._child,
            ).name
            for email in settled.alarm_emails
        ]

    def _function(self, shard: Shard, settled: Settled, common: _Common) -> _Running:
        job = shard.name
        runtime = self._account(f"{job}-run", f"Runs the forecast job {job}")
        invoker = self._account(f"{job}-invoke", f"Calls the forecast job {job}")
        function = gcp.cloudfunctionsv2.Function(
            f"{job}-function",
            functions.function_args(
                job,
                settled.function,
                location=common.region,
                bucket=common.bucket.name,
                code_object=common.code.name,
                settings_url=_settings_url(common.bucket, job),
                runtime_account=runtime.email,
                build_account=common.build_account,
                labels=settled.labels,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=list(common.may_build)),
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
        self, shard: Shard, settled: Settled, common: _Common, running: _Running
    ) -> tuple[gcp.cloudscheduler.Job, gcp.cloudscheduler.Job | None, gcp.monitoring.Dashboard]:
        """What runs the function, once it may do its work: first its settings, then its schedule; and what watches it."""
        job = shard.name
        subscription = gcp.pubsub.Subscription(
            f"{job}-settings-pushed",
            schedules.subscription_args(
                job, topic=common.topic.id, uri=running.uri, invoker=running.invoker, labels=settled.labels
            ),
            pulumi.ResourceOptions(parent=self, depends_on=list(running.may)),
        )
        settings = gcp.storage.BucketObject(
            f"{job}-settings",
            buckets.settings_args(common.bucket.name, job, _settings(shard, settled, common)),
            # Under the same name a replacement that comes first would be deleted with the former one.
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[common.notification, subscription, *running.may],
                delete_before_replace=True,
            ),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[*running.may, settings])
        to: dict[str, Any] = {"region": common.region, "uri": running.uri, "invoker": running.invoker}
        args = schedules.job_args(job, settled.schedule, timeout_seconds=settled.function.timeout_seconds, **to)
        full = gcp.cloudscheduler.Job(f"{job}-schedule", args, after)
        short = None
        if minutes := settled.schedule.short_run_minutes:
            short_args = schedules.short_job_args(job, minutes, **to)
            short = gcp.cloudscheduler.Job(f"{job}-short-schedule", short_args, after)
        return full, short, self._watch(job, settled, common, running)

    def _watch(self, job: str, settled: Settled, common: _Common, running: _Running) -> gcp.monitoring.Dashboard:
        policies = alerts.alert_args(
            job,
            service=running.service,
            metrics=common.metrics,
            interval_minutes=settled.schedule.interval_minutes,
            short_run_minutes=settled.schedule.short_run_minutes,
            channels=common.channels,
            enabled=settled.enabled,
            labels=settled.labels,
        )
        for key, policy in policies.items():
            gcp.monitoring.AlertPolicy(f"{job}-alert-{key}", policy, self._child)
        body = pulumi.Output.all(
            metrics=dict(common.metrics),
            interval_minutes=settled.schedule.interval_minutes.apply(
                lambda minutes: watched_minutes(minutes, settled.schedule.short_run_minutes)
            ),
        ).apply(lambda known: dashboard_body(job, **known))
        return gcp.monitoring.Dashboard(
            f"{job}-dashboard", gcp.monitoring.DashboardArgs(dashboard_json=body), self._child
        )


def _settings(shard: Shard, settled: Settled, common: _Common) -> pulumi.Output[str]:
    store = {"kind": "gcs", "bucket": common.bucket.name, "prefix": buckets.STORE_PREFIX}
    return pulumi.Output.all(
        settings={**shard.settings, "store": store, **settled.settings},
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


_OUTPUTS = tuple(GcpForecastJob.__annotations__)
