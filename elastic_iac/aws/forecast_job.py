"""The forecast job as functions on a schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import job_alarms as alarms
from elastic_iac.aws import job_bucket as buckets
from elastic_iac.aws import job_function as functions
from elastic_iac.aws import job_policies as policies
from elastic_iac.aws import job_schedule as schedules
from elastic_iac.aws.job_args import AwsForecastJobArgs
from elastic_iac.aws.job_dashboard import dashboard_body
from elastic_iac.aws.job_settled import Settled, settle
from elastic_iac.common.forecast_job import Shard, job_json
from elastic_iac.common.validation import without_none
from forecasting.settings import Fleet

__all__ = ["AwsForecastJob", "AwsForecastJobArgs"]

_FOURTEEN_DAYS = 14 * 86_400


@dataclass(frozen=True)
class _Common:
    """What all functions of the job share."""

    bucket: aws.s3.Bucket
    readied: Sequence[pulumi.Resource]
    code: aws.s3.BucketObjectv2
    queue: aws.sqs.Queue
    topic_arn: pulumi.Output[str]
    region: pulumi.Output[str]
    partition: pulumi.Output[str]
    account_id: pulumi.Output[str]


@dataclass(frozen=True)
class _Running:
    """One function, before its settings and its schedule."""

    function: aws.lambda_.Function
    log_group: aws.cloudwatch.LogGroup
    may: Sequence[pulumi.Resource]
    permission: aws.lambda_.Permission


class AwsForecastJob(pulumi.ComponentResource):
    """A scheduled function that forecasts each group's load and writes the floor it will need as scheduled actions.

    One function serves up to 150 groups, more get further functions. Settings, records and code stand in one private bucket; new settings run the
    job at once. A role may change nothing but the minimum of these groups, between each one's floor and ceiling. Alarms go to a topic.
    """

    bucket_name: pulumi.Output[str]
    """The bucket with code, settings and records."""
    function_names: pulumi.Output[list[str]]
    """The functions, one for every 150 fleets."""
    function_arns: pulumi.Output[list[str]]
    """Their ARNs."""
    log_group_names: pulumi.Output[list[str]]
    """Their log groups."""
    schedule_names: pulumi.Output[list[str]]
    """Their schedules of full runs, in the default schedule group."""
    short_schedule_names: pulumi.Output[list[str]]
    """Those of short runs."""
    settings_urls: pulumi.Output[list[str]]
    """Their settings, 's3://...': what `elastic-iac --config` takes."""
    dashboard_names: pulumi.Output[list[str]]
    """Their dashboards."""
    alarm_topic_arn: pulumi.Output[str]
    """The topic that alarms go to."""
    failure_queue_url: pulumi.Output[str]
    """The queue of what could not be delivered or has failed."""

    def __init__(self, name: str, args: AwsForecastJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the job and all that it needs.

        Args:
            name: 1 to 37 lower-case letters, digits and inner hyphens, unique in the account and region: metrics bear it.
            args: What to declare; `docs/components.md` has every field.
            opts: The usual options; a provider reaches all children.

        Raises:
            SettingsError: a literal argument is wrong; nothing has been registered then.
        """
        args = without_none(args)
        settled = settle(name, args)
        super().__init__("elastic-iac:index:AwsForecastJob", name, {}, opts)
        self._prefix = name
        self._child = pulumi.ResourceOptions(parent=self)
        common = self._common(settled)
        running = {shard.name: self._function(shard, settled, common) for shard in settled.shards}
        notification = aws.s3.BucketNotification(
            f"{name}-settings-changed",
            buckets.notification_args(common.bucket.id, {job: each.function.arn for job, each in running.items()}),
            # S3 tries the invocation when it is told of it.
            pulumi.ResourceOptions(parent=self, depends_on=[each.permission for each in running.values()]),
        )
        schedule, short, dashboard = zip(
            *(self._start(shard, settled, common, running[shard.name], notification) for shard in settled.shards),
            strict=True,
        )
        self.bucket_name = common.bucket.id
        self.function_names = _all(each.function.name for each in running.values())
        self.function_arns = _all(each.function.arn for each in running.values())
        self.log_group_names = _all(each.log_group.name for each in running.values())
        self.schedule_names = _all(each.name for each in schedule)
        self.short_schedule_names = _all(each.name for each in short if each is not None)
        self.settings_urls = _all(_settings_url(common.bucket, shard.name) for shard in settled.shards)
        self.dashboard_names = _all(each.dashboard_name for each in dashboard)
        self.alarm_topic_arn = common.topic_arn
        self.failure_queue_url = common.queue.url
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _common(self, settled: Settled) -> _Common:
        name = self._prefix
        bucket, readied = self._bucket(settled)
        code = aws.s3.BucketObjectv2(
            f"{name}-code",
            functions.code_args(name, bucket.id, settled.code, settled.function.architecture),
            pulumi.ResourceOptions(parent=self, depends_on=readied),
        )
        queue = aws.sqs.Queue(
            f"{name}-failures",
            aws.sqs.QueueArgs(
                message_retention_seconds=_FOURTEEN_DAYS, sqs_managed_sse_enabled=True, tags=settled.tags
            ),
            self._child,
        )
        invoke = pulumi.InvokeOptions(parent=self)
        return _Common(
            bucket=bucket,
            readied=readied,
            code=code,
            queue=queue,
            topic_arn=self._topic(settled),
            region=aws.get_region_output(opts=invoke).region,
            partition=aws.get_partition_output(opts=invoke).partition,
            account_id=aws.get_caller_identity_output(opts=invoke).account_id,
        )

    def _bucket(self, settled: Settled) -> tuple[aws.s3.Bucket, list[pulumi.Resource]]:
        name = self._prefix
        bucket = aws.s3.Bucket(
            f"{name}-bucket", aws.s3.BucketArgs(force_destroy=settled.force_destroy, tags=settled.tags), self._child
        )
        private = aws.s3.BucketPublicAccessBlock(
            f"{name}-bucket-private", buckets.public_access_args(bucket.id), self._child
        )
        readied: list[pulumi.Resource] = [
            aws.s3.BucketVersioning(f"{name}-bucket-versioning", buckets.versioning_args(bucket.id), self._child),
            aws.s3.BucketServerSideEncryptionConfiguration(
                f"{name}-bucket-encryption", buckets.encryption_args(bucket.id, settled.kms_key_arn), self._child
            ),
            aws.s3.BucketOwnershipControls(f"{name}-bucket-ownership", buckets.ownership_args(bucket.id), self._child),
            aws.s3.BucketPolicy(
                f"{name}-bucket-policy",
                aws.s3.BucketPolicyArgs(bucket=bucket.id, policy=bucket.arn.apply(policies.tls_only_policy)),
                # S3 refuses two changes of who may reach a bucket at once.
                pulumi.ResourceOptions(parent=self, depends_on=[private]),
            ),
        ]
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-bucket-lifecycle",
            buckets.lifecycle_args(bucket.id, settled.store_retention_days),
            # Rules for former versions mean nothing before there are any.
            pulumi.ResourceOptions(parent=self, depends_on=readied[:1]),
        )
        return bucket, readied

    def _topic(self, settled: Settled) -> pulumi.Output[str]:
        if settled.alarm_topic_arn is not None:
            return settled.alarm_topic_arn
        topic = aws.sns.Topic(f"{self._prefix}-alarms", aws.sns.TopicArgs(tags=settled.tags), self._child)
        for email in settled.alarm_emails:
            aws.sns.TopicSubscription(
                f"{self._prefix}-alarms-to-{email}",
                aws.sns.TopicSubscriptionArgs(topic=topic.arn, protocol="email", endpoint=email),
                self._child,
            )
        return topic.arn

    def _function(self, shard: Shard, settled: Settled, common: _Common) -> _Running:
        job = shard.name
        log_group = aws.cloudwatch.LogGroup(
            f"{job}-log",
            aws.cloudwatch.LogGroupArgs(retention_in_days=settled.function.log_retention_days, tags=settled.tags),
            self._child,
        )
        role = self._role(f"{job}-function-role", policies.trust("lambda"), f"Forecast job {job}", settled)
        may = self._permissions(shard, role, log_group, settled, common)
        function = aws.lambda_.Function(
            f"{job}-function",
            functions.function_args(
                job,
                settled.function,
                code=settled.code,
                bucket=common.bucket.id,
                code_key=common.code.key,
                settings_url=_settings_url(common.bucket, job),
                role_arn=role.arn,
                log_group_name=log_group.name,
                tags=settled.tags,
            ),
            self._child,
        )
        on_failure = aws.lambda_.FunctionEventInvokeConfig(
            f"{job}-invocation",
            functions.invoke_config_args(function.name, settled.schedule.interval_minutes, common.queue.arn),
            # Lambda refuses a destination that the role may not write to.
            pulumi.ResourceOptions(parent=self, depends_on=may),
        )
        permission = aws.lambda_.Permission(
            f"{job}-settings-may-invoke",
            aws.lambda_.PermissionArgs(
                action="lambda:InvokeFunction",
                function=function.name,
                principal="s3.amazonaws.com",
                source_arn=common.bucket.arn,
                source_account=common.account_id,
            ),
            self._child,
        )
        return _Running(function=function, log_group=log_group, may=[*may, on_failure], permission=permission)

    def _role(self, resource_name: str, trust: pulumi.Input[str], description: str, settled: Settled) -> aws.iam.Role:
        return aws.iam.Role(
            resource_name,
            aws.iam.RoleArgs(assume_role_policy=trust, description=description, tags=settled.tags),
            self._child,
        )

    def _permissions(
        self,
        shard: Shard,
        role: aws.iam.Role,
        log_group: aws.cloudwatch.LogGroup,
        settled: Settled,
        common: _Common,
    ) -> list[pulumi.Resource]:
        """The role's inline policy and, for every fifteen fleets, a managed one."""
        job = shard.name
        inline = pulumi.Output.all(
            bucket_arn=common.bucket.arn,
            settings_key=buckets.settings_key(job),
            log_group_arn=log_group.arn,
            queue_arn=common.queue.arn,
            kms_key_arn=settled.kms_key_arn,
            fleets=pulumi.Output.all(*shard.fleets),
        ).apply(lambda known: policies.function_policy(**known))
        may: list[pulumi.Resource] = [
            aws.iam.RolePolicy(
                f"{job}-function-policy", aws.iam.RolePolicyArgs(role=role.name, policy=inline), self._child
            )
        ]
        for number, start in enumerate(range(0, len(shard.fleets), policies.FLEETS_PER_POLICY), start=1):
            writes = aws.iam.Policy(
                f"{job}-writes-{number}",
                aws.iam.PolicyArgs(
                    description=f"Floors of the groups of {job}, part {number}",
                    policy=_write_policy(shard.fleets[start : start + policies.FLEETS_PER_POLICY], common),
                    tags=settled.tags,
                ),
                self._child,
            )
            may.append(
                aws.iam.RolePolicyAttachment(
                    f"{job}-may-write-{number}",
                    aws.iam.RolePolicyAttachmentArgs(role=role.name, policy_arn=writes.arn),
                    self._child,
                )
            )
        return may

    def _start(
        self,
        shard: Shard,
        settled: Settled,
        common: _Common,
        running: _Running,
        notification: aws.s3.BucketNotification,
    ) -> tuple[aws.scheduler.Schedule, aws.scheduler.Schedule | None, aws.cloudwatch.Dashboard]:
        """What runs the function, once it may do its work: first its settings, then its schedule; and what watches it."""
        job, function = shard.name, running.function
        settings = aws.s3.BucketObjectv2(
            f"{job}-settings",
            buckets.settings_args(common.bucket.id, job, _settings(shard, settled, common)),
            pulumi.ResourceOptions(parent=self, depends_on=[notification, *common.readied, *running.may]),
        )
        schedule, short = self._schedule(shard, settled, common, function, settings)
        alarms_of_job = alarms.alarm_args(
            job,
            function_name=function.name,
            interval_minutes=settled.schedule.interval_minutes,
            short_run_minutes=settled.schedule.short_run_minutes,
            topic_arn=common.topic_arn,
            enabled=settled.enabled,
            tags=settled.tags,
        )
        for key, alarm in alarms_of_job.items():
            aws.cloudwatch.MetricAlarm(f"{job}-alarm-{key}", alarm, self._child)
        body = pulumi.Output.all(
            fleets=shard.settled.apply(lambda fleets: [fleet.name for fleet in fleets]),
            region=common.region,
            function_name=function.name,
            queue_name=common.queue.name,
            interval_minutes=settled.schedule.interval_minutes,
            short_run_minutes=settled.schedule.short_run_minutes,
        ).apply(lambda known: dashboard_body(job, **known))
        dashboard = aws.cloudwatch.Dashboard(
            f"{job}-dashboard",
            # It has no automatic name; the function's is unique.
            aws.cloudwatch.DashboardArgs(dashboard_name=function.name, dashboard_body=body),
            self._child,
        )
        return schedule, short, dashboard

    def _schedule(
        self,
        shard: Shard,
        settled: Settled,
        common: _Common,
        function: aws.lambda_.Function,
        settings: aws.s3.BucketObjectv2,
    ) -> tuple[aws.scheduler.Schedule, aws.scheduler.Schedule | None]:
        job = shard.name
        trust = common.account_id.apply(lambda account: policies.trust("scheduler", account_id=account))
        role = self._role(f"{job}-schedule-role", trust, f"Schedule of the forecast job {job}", settled)
        invoke = aws.iam.RolePolicy(
            f"{job}-schedule-policy",
            aws.iam.RolePolicyArgs(
                role=role.name,
                policy=pulumi.Output.all(function_arn=function.arn, queue_arn=common.queue.arn).apply(
                    lambda known: policies.schedule_policy(**known)
                ),
            ),
            self._child,
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[invoke, settings])
        to: dict[str, Any] = {"function_arn": function.arn, "role_arn": role.arn, "queue_arn": common.queue.arn}
        full = aws.scheduler.Schedule(f"{job}-schedule", schedules.schedule_args(job, settled.schedule, **to), after)
        minutes = settled.schedule.short_run_minutes
        if not minutes:
            return full, None
        args = schedules.short_schedule_args(job, minutes, **to)
        return full, aws.scheduler.Schedule(f"{job}-short-schedule", args, after)


def _settings(shard: Shard, settled: Settled, common: _Common) -> pulumi.Output[str]:
    store = {
        "kind": "s3",
        "bucket": common.bucket.id,
        "prefix": buckets.STORE_PREFIX,
        "region": common.region,
    }
    return pulumi.Output.all(
        settings={**shard.settings, "store": store, **settled.settings}, fleets=shard.settled
    ).apply(lambda known: job_json(known["settings"], known["fleets"]))


def _write_policy(fleets: Sequence[pulumi.Output[Fleet]], common: _Common) -> pulumi.Output[str]:
    return pulumi.Output.all(
        fleets=pulumi.Output.all(*fleets), partition=common.partition, account_id=common.account_id
    ).apply(lambda known: policies.write_policy(**known))


def _settings_url(bucket: aws.s3.Bucket, job: str) -> pulumi.Output[str]:
    return pulumi.Output.concat("s3://", bucket.id, "/", buckets.settings_key(job))


def _all(values: Any) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*values)


_OUTPUTS = tuple(AwsForecastJob.__annotations__)
