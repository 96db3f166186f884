"""The resources of a forecast job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.forecast_job import alarms
from elastic_iac.aws.forecast_job import bucket as buckets
from elastic_iac.aws.forecast_job import function as functions
from elastic_iac.aws.forecast_job import iam as policies
from elastic_iac.aws.forecast_job import schedule as schedules
from elastic_iac.aws.forecast_job.config import JobConfig
from elastic_iac.aws.forecast_job.dashboard import dashboard_body
from elastic_iac.common.forecast_job import Shard, job_json
from forecasting.settings import Fleet

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


@dataclass(frozen=True)
class _Started:
    """The schedules and the dashboard of one function."""

    schedule: aws.scheduler.Schedule
    short: aws.scheduler.Schedule | None
    dashboard: aws.cloudwatch.Dashboard


class JobResources:
    """Declares what a job needs, as children of its component."""

    def __init__(self, config: JobConfig, parent: pulumi.Resource) -> None:
        self._config, self._args, self._prefix = config, config.args, config.name
        self._parent = parent
        self._child = pulumi.ResourceOptions(parent=parent)

    def declare(self) -> Mapping[str, pulumi.Output[Any]]:
        """Declare all; the component's outputs by name."""
        name, shards = self._prefix, self._config.shards
        common = self._common()
        running = {shard.name: self._function(shard, common) for shard in shards}
        notification = aws.s3.BucketNotification(
            f"{name}-settings-changed",
            buckets.notification_args(common.bucket.id, {job: each.function.arn for job, each in running.items()}),
            # S3 tries the invocation when it is told of it.
            pulumi.ResourceOptions(parent=self._parent, depends_on=[each.permission for each in running.values()]),
        )
        started = [self._start(shard, common, running[shard.name], notification) for shard in shards]
        aws.cloudwatch.MetricAlarm(
            f"{name}-alarm-failure-queue",
            alarms.queue_alarm_args(
                name,
                queue_name=common.queue.name,
                bucket=common.bucket.id,
                topic_arn=common.topic_arn,
                enabled=self._args.enabled,
                tags=self._config.tags,
            ),
            self._child,
        )
        return {
            "bucket_name": common.bucket.id,
            "function_names": _all(each.function.name for each in running.values()),
            "function_arns": _all(each.function.arn for each in running.values()),
            "log_group_names": _all(each.log_group.name for each in running.values()),
            "schedule_names": _all(each.schedule.name for each in started),
            "short_schedule_names": _all(each.short.name for each in started if each.short is not None),
            "settings_urls": _all(_settings_url(common.bucket, shard.name) for shard in shards),
            "dashboard_names": _all(each.dashboard.dashboard_name for each in started),
            "alarm_topic_arn": common.topic_arn,
            "failure_queue_url": common.queue.url,
        }

    def _common(self) -> _Common:
        name = self._prefix
        bucket, readied = self._bucket()
        code = aws.s3.BucketObjectv2(
            f"{name}-code",
            functions.code_args(name, bucket.id, self._config.code, self._args.architecture),
            pulumi.ResourceOptions(parent=self._parent, depends_on=readied),
        )
        queue = aws.sqs.Queue(
            f"{name}-failures",
            aws.sqs.QueueArgs(
                message_retention_seconds=_FOURTEEN_DAYS, sqs_managed_sse_enabled=True, tags=self._config.tags
            ),
            self._child,
        )
        invoke = pulumi.InvokeOptions(parent=self._parent)
        return _Common(
            bucket=bucket,
            readied=readied,
            code=code,
            queue=queue,
            topic_arn=self._topic(),
            region=aws.get_region_output(opts=invoke).region,
            partition=aws.get_partition_output(opts=invoke).partition,
            account_id=aws.get_caller_identity_output(opts=invoke).account_id,
        )

    def _bucket(self) -> tuple[aws.s3.Bucket, list[pulumi.Resource]]:
        name = self._prefix
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            aws.s3.BucketArgs(force_destroy=self._args.force_destroy, tags=self._config.tags),
            self._child,
        )
        private = aws.s3.BucketPublicAccessBlock(
            f"{name}-bucket-private", buckets.public_access_args(bucket.id), self._child
        )
        readied: list[pulumi.Resource] = [
            aws.s3.BucketVersioning(f"{name}-bucket-versioning", buckets.versioning_args(bucket.id), self._child),
            aws.s3.BucketServerSideEncryptionConfiguration(
                f"{name}-bucket-encryption", buckets.encryption_args(bucket.id, self._args.kms_key_arn), self._child
            ),
            aws.s3.BucketOwnershipControls(f"{name}-bucket-ownership", buckets.ownership_args(bucket.id), self._child),
            aws.s3.BucketPolicy(
                f"{name}-bucket-policy",
                aws.s3.BucketPolicyArgs(bucket=bucket.id, policy=bucket.arn.apply(policies.tls_only_policy)),
                # S3 refuses two changes of who may reach a bucket at once.
                pulumi.ResourceOptions(parent=self._parent, depends_on=[private]),
            ),
        ]
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-bucket-lifecycle",
            buckets.lifecycle_args(bucket.id, self._args.store_retention_days),
            # Rules for former versions mean nothing before there are any.
            pulumi.ResourceOptions(parent=self._parent, depends_on=readied[:1]),
        )
        return bucket, readied

    def _topic(self) -> pulumi.Output[str]:
        if self._args.alarm_topic_arn is not None:
            return pulumi.Output.from_input(self._args.alarm_topic_arn)
        topic = aws.sns.Topic(f"{self._prefix}-alarms", aws.sns.TopicArgs(tags=self._config.tags), self._child)
        for email in self._args.alarm_emails:
            aws.sns.TopicSubscription(
                f"{self._prefix}-alarms-to-{email}",
                aws.sns.TopicSubscriptionArgs(topic=topic.arn, protocol="email", endpoint=email),
                self._child,
            )
        return topic.arn

    def _function(self, shard: Shard, common: _Common) -> _Running:
        job = shard.name
        log_group = aws.cloudwatch.LogGroup(
            f"{job}-log",
            aws.cloudwatch.LogGroupArgs(retention_in_days=self._args.log_retention_days, tags=self._config.tags),
            self._child,
        )
        role = self._role(f"{job}-function-role", policies.trust("lambda"), f"Forecast job {job}")
        may = self._permissions(shard, role, log_group, common)
        function = aws.lambda_.Function(
            f"{job}-function",
            functions.function_args(
                job,
                self._args,
                code=self._config.code,
                bucket=common.bucket.id,
                code_key=common.code.key,
                settings_url=_settings_url(common.bucket, job),
                role_arn=role.arn,
                log_group_name=log_group.name,
                tags=self._config.tags,
            ),
            # Lambda refuses a VPC that the role may not join.
            pulumi.ResourceOptions(parent=self._parent, depends_on=may) if self._args.vpc_subnet_ids else self._child,
        )
        on_failure = aws.lambda_.FunctionEventInvokeConfig(
            f"{job}-invocation",
            functions.invoke_config_args(function.name, self._config.schedule.interval_minutes, common.queue.arn),
            # Lambda refuses a destination that the role may not write to.
            pulumi.ResourceOptions(parent=self._parent, depends_on=may),
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

    def _role(self, resource_name: str, trust: pulumi.Input[str], description: str) -> aws.iam.Role:
        return aws.iam.Role(
            resource_name,
            functions.role_args(
                trust, description, tags=self._config.tags, permissions_boundary_arn=self._args.permissions_boundary_arn
            ),
            self._child,
        )

    def _permissions(
        self,
        shard: Shard,
        role: aws.iam.Role,
        log_group: aws.cloudwatch.LogGroup,
        common: _Common,
    ) -> list[pulumi.Resource]:
        """The role's inline policy and, for every fifteen fleets, a managed one."""
        job = shard.name
        inline = pulumi.Output.all(
            bucket_arn=common.bucket.arn,
            settings_key=buckets.settings_key(job),
            log_group_arn=log_group.arn,
            queue_arn=common.queue.arn,
            kms_key_arn=self._args.kms_key_arn,
            fleets=pulumi.Output.all(*shard.fleets),
        ).apply(lambda known: policies.function_policy(**known))
        may: list[pulumi.Resource] = [
            aws.iam.RolePolicy(
                f"{job}-function-policy", aws.iam.RolePolicyArgs(role=role.name, policy=inline), self._child
            )
        ]
        if self._args.vpc_subnet_ids is not None:
            policy_arn = common.partition.apply(
                lambda partition: f"arn:{partition}:iam::aws:policy/{policies.VPC_ACCESS}"
            )
            attachment = aws.iam.RolePolicyAttachmentArgs(role=role.name, policy_arn=policy_arn)
            may.append(aws.iam.RolePolicyAttachment(f"{job}-may-join-vpc", attachment, self._child))
        for number, start in enumerate(range(0, len(shard.fleets), policies.FLEETS_PER_POLICY), start=1):
            writes = aws.iam.Policy(
                f"{job}-writes-{number}",
                aws.iam.PolicyArgs(
                    description=f"Minimum capacities of the groups of a forecast job, part {number}",
                    policy=_write_policy(shard.fleets[start : start + policies.FLEETS_PER_POLICY], common),
                    tags=self._config.tags,
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
        common: _Common,
        running: _Running,
        notification: aws.s3.BucketNotification,
    ) -> _Started:
        """What runs the function, once it may do its work: first its settings, then its schedule; and what watches it."""
        job, function = shard.name, running.function
        settings = aws.s3.BucketObjectv2(
            f"{job}-settings",
            buckets.settings_args(common.bucket.id, job, _settings(shard, self._config, common)),
            pulumi.ResourceOptions(parent=self._parent, depends_on=[notification, *common.readied, *running.may]),
        )
        schedule, short = self._schedule(shard, common, function, settings)
        alarms_of_job = alarms.alarm_args(
            job,
            function_name=function.name,
            bucket=common.bucket.id,
            interval_minutes=self._config.schedule.interval_minutes,
            short_run_minutes=self._config.schedule.short_run_minutes,
            topic_arn=common.topic_arn,
            enabled=self._args.enabled,
            tags=self._config.tags,
        )
        for key, alarm in alarms_of_job.items():
            aws.cloudwatch.MetricAlarm(f"{job}-alarm-{key}", alarm, self._child)
        body = pulumi.Output.all(
            fleets=shard.settled.apply(lambda fleets: [fleet.name for fleet in fleets]),
            region=common.region,
            function_name=function.name,
            queue_name=common.queue.name,
            interval_minutes=self._config.schedule.interval_minutes,
            short_run_minutes=self._config.schedule.short_run_minutes,
        ).apply(lambda known: dashboard_body(job, **known))
        dashboard = aws.cloudwatch.Dashboard(
            f"{job}-dashboard",
            # It has no automatic name; the function's is unique.
            aws.cloudwatch.DashboardArgs(dashboard_name=function.name, dashboard_body=body),
            self._child,
        )
        return _Started(schedule, short, dashboard)

    def _schedule(
        self,
        shard: Shard,
        common: _Common,
        function: aws.lambda_.Function,
        settings: aws.s3.BucketObjectv2,
    ) -> tuple[aws.scheduler.Schedule, aws.scheduler.Schedule | None]:
        job = shard.name
        trust = common.account_id.apply(lambda account: policies.trust("scheduler", account_id=account))
        role = self._role(f"{job}-schedule-role", trust, f"Schedule of the forecast job {job}")
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
        after = pulumi.ResourceOptions(parent=self._parent, depends_on=[invoke, settings])
        to: dict[str, Any] = {"function_arn": function.arn, "role_arn": role.arn, "queue_arn": common.queue.arn}
        full = aws.scheduler.Schedule(
            f"{job}-schedule", schedules.schedule_args(job, self._config.schedule, **to), after
        )
        minutes = self._config.schedule.short_run_minutes
        if not minutes:
            return full, None
        args = schedules.short_schedule_args(job, minutes, **to)
        return full, aws.scheduler.Schedule(f"{job}-short-schedule", args, after)


def _settings(shard: Shard, config: JobConfig, common: _Common) -> pulumi.Output[str]:
    store = {
        "kind": "s3",
        "bucket": common.bucket.id,
        "prefix": buckets.STORE_PREFIX,
        "region": common.region,
    }
    return pulumi.Output.all(
        settings={**shard.settings, "store": store, **config.settings}, fleets=shard.settled
    ).apply(lambda known: job_json(known["settings"], known["fleets"]))


def _write_policy(fleets: Sequence[pulumi.Output[Fleet]], common: _Common) -> pulumi.Output[str]:
    return pulumi.Output.all(
        fleets=pulumi.Output.all(*fleets), partition=common.partition, account_id=common.account_id
    ).apply(lambda known: policies.write_policy(**known))


def _settings_url(bucket: aws.s3.Bucket, job: str) -> pulumi.Output[str]:
    return pulumi.Output.concat("s3://", bucket.id, "/", buckets.settings_key(job))


def _all(values: Any) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*values)
