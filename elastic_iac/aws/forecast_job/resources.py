"""The resources of a forecast job: one bucket, and a function with its schedules for each shard."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.forecast_job import iam as policies
from elastic_iac.aws.forecast_job.alarms import Alarms
from elastic_iac.aws.forecast_job.bucket import declare_bucket
from elastic_iac.aws.forecast_job.config import RUNTIME, JobConfig
from elastic_iac.aws.forecast_job.dashboard import dashboard_body
from elastic_iac.aws.group import named_tags
from elastic_iac.common.forecast_job import STORE_PREFIX, Shard, settings_key
from elastic_iac.common.parsing import lift
from elastic_iac.common.publish import every

HANDLER = "forecasting.entrypoints.aws_lambda.handler"
_FOURTEEN_DAYS = 14 * 86_400
_LONGEST_EVENT_AGE_SECONDS = 21_600
EVENT: dict[str, str] = {"source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>"}
"""The job tells a repeated delivery by the planned time."""


class JobResources:
    """Resources that all functions of the job share, as children of its component."""

    def __init__(self, config: JobConfig, parent: pulumi.Resource) -> None:
        name, args, self.config, self.parent = config.name, config.args, config, parent
        self.args, self.tags = args, named_tags(name, args.tags)
        self.child, invoke = pulumi.ResourceOptions(parent=parent), pulumi.InvokeOptions(parent=parent)
        self.region = aws.get_region_output(opts=invoke).region
        self.partition = aws.get_partition_output(opts=invoke).partition
        self.account_id = aws.get_caller_identity_output(opts=invoke).account_id
        self.bucket, self.readied = declare_bucket(name, args, self.tags, parent)
        self.code = aws.s3.BucketObjectv2(
            f"{name}-code",
            self.after(*self.readied),
            bucket=self.bucket.id,
            key=config.code.key(f"{name}-{args.architecture}"),
            source=pulumi.FileAsset(str(config.code.path)),
            content_type="application/zip",
        )
        self.queue = aws.sqs.Queue(
            f"{name}-failures",
            self.child,
            message_retention_seconds=_FOURTEEN_DAYS,
            sqs_managed_sse_enabled=True,
            tags=self.tags,
        )
        self.topic_arn = self._topic()
        self.alarms = Alarms(config, self.bucket.id, self.topic_arn, self.tags, self.child)

    def after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of a child that is declared after these resources."""
        return pulumi.ResourceOptions(parent=self.parent, depends_on=list(resources))

    def declare(self) -> Mapping[str, pulumi.Output[Any]]:
        """Declare the functions with their schedules; the component's outputs by name."""
        functions = [_Function(self, shard) for shard in self.config.shards]
        notification = aws.s3.BucketNotification(
            f"{self.config.name}-settings-changed",
            # S3 tries the invocation when it is told of it.
            self.after(*(each.permission for each in functions)),
            bucket=self.bucket.id,
            # New settings run the job that they are of; a bucket has one such configuration, those of all shards.
            lambda_functions=[
                {
                    "id": each.job,
                    "lambda_function_arn": each.function.arn,
                    "events": ["s3:ObjectCreated:*"],
                    "filter_prefix": settings_key(each.job),
                }
                for each in functions
            ],
        )
        started = [each.start(notification) for each in functions]
        self.alarms.declare_of_queue(self.queue.name)
        return {
            "bucket_name": self.bucket.id,
            "function_names": every(each.function.name for each in functions),
            "function_arns": every(each.function.arn for each in functions),
            "log_group_names": every(each.log_group.name for each in functions),
            "schedule_names": every(full.name for full, _ in started),
            "short_schedule_names": every(short.name for _, short in started if short is not None),
            "settings_urls": every(each.settings_url for each in functions),
            "dashboard_names": every(each.watch().dashboard_name for each in functions),
            "alarm_topic_arn": self.topic_arn,
            "failure_queue_url": self.queue.url,
        }

    def role(self, name: str, trust: pulumi.Input[str], description: str) -> aws.iam.Role:
        """Declare a role of the job."""
        return aws.iam.Role(
            name,
            self.child,
            assume_role_policy=trust,
            description=description,
            tags=self.tags,
            permissions_boundary=self.args.permissions_boundary_arn,
        )

    def _topic(self) -> pulumi.Output[str]:
        name = f"{self.config.name}-alarms"
        if self.args.alarm_topic_arn is not None:
            return pulumi.Output.from_input(self.args.alarm_topic_arn)
        topic = aws.sns.Topic(name, self.child, tags=self.tags)
        for email in self.args.alarm_emails:
            aws.sns.TopicSubscription(
                f"{name}-to-{email}", self.child, topic=topic.arn, protocol="email", endpoint=email
            )
        return topic.arn


class _Function:
    """One function: its role, its settings, its schedules, and what watches it."""

    def __init__(self, common: JobResources, shard: Shard) -> None:
        self.common, self.shard, self.job = common, shard, shard.name
        job, args, child = shard.name, common.args, common.child
        self.settings_url = pulumi.Output.concat("s3://", common.bucket.id, "/", settings_key(job))
        self.log_group = aws.cloudwatch.LogGroup(
            f"{job}-log", child, retention_in_days=args.log_retention_days, tags=common.tags
        )
        role = common.role(f"{job}-function-role", policies.trust("lambda"), f"Forecast job {job}")
        self.may = self._permissions(role)
        self.function = aws.lambda_.Function(
            f"{job}-function",
            # Lambda refuses a VPC that the role may not join.
            common.after(*self.may) if args.vpc_subnet_ids else child,
            description=f"Forecast job {job}: raises the floors of its groups ahead of the load",
            runtime=RUNTIME,
            handler=HANDLER,
            architectures=[args.architecture],
            s3_bucket=common.bucket.id,
            s3_key=common.code.key,
            source_code_hash=base64.b64encode(bytes.fromhex(common.config.code.sha256)).decode(),
            role=role.arn,
            memory_size=args.memory_mib,
            timeout=args.timeout_seconds,
            reserved_concurrent_executions=args.reserved_concurrency,
            environment={
                "variables": {
                    "ELASTIC_IAC_SETTINGS": self.settings_url,
                    "POWERTOOLS_SERVICE_NAME": "elastic-iac",
                    "POWERTOOLS_METRICS_NAMESPACE": "ElasticIac",
                    "POWERTOOLS_LOG_LEVEL": "INFO",
                }
            },
            vpc_config=None
            if args.vpc_subnet_ids is None
            else {"subnet_ids": args.vpc_subnet_ids, "security_group_ids": args.vpc_security_group_ids},
            logging_config={"log_format": "JSON", "log_group": self.log_group.name},
            tags=common.tags,
        )
        self.permission = aws.lambda_.Permission(
            f"{job}-settings-may-invoke",
            child,
            action="lambda:InvokeFunction",
            function=self.function.name,
            principal="s3.amazonaws.com",
            source_arn=common.bucket.arn,
            source_account=common.account_id,
        )
        self._report_failures()

    def _report_failures(self) -> None:
        """An invocation that waits longer than the interval is dropped, one that fails is not repeated: the next run goes on."""
        common, interval = self.common, self.common.config.schedule.interval_minutes
        on_failure = aws.lambda_.FunctionEventInvokeConfig(
            f"{self.job}-invocation",
            common.after(*self.may),  # Lambda refuses a destination that the role may not write to
            function_name=self.function.name,
            maximum_event_age_in_seconds=lift(lambda minutes: min(minutes * 60, _LONGEST_EVENT_AGE_SECONDS), interval),
            maximum_retry_attempts=0,
            destination_config={"on_failure": {"destination": common.queue.arn}},
        )
        self.may.append(on_failure)

    def _permissions(self, role: aws.iam.Role) -> list[pulumi.Resource]:
        """The role's inline policy and, for every fifteen fleets, a managed one."""
        job, common, fleets = self.job, self.common, self.shard.fleets
        inline = pulumi.Output.all(
            bucket_arn=common.bucket.arn,
            settings_key=settings_key(job),
            log_group_arn=self.log_group.arn,
            queue_arn=common.queue.arn,
            kms_key_arn=common.args.kms_key_arn,
            fleets=pulumi.Output.all(*fleets),
        ).apply(lambda known: policies.function_policy(**known))
        may: list[pulumi.Resource] = [
            aws.iam.RolePolicy(f"{job}-function-policy", common.child, role=role.name, policy=inline)
        ]
        attached: dict[str, pulumi.Output[str]] = {}
        if common.args.vpc_subnet_ids is not None:
            attached["join-vpc"] = pulumi.Output.concat(
                "arn:", common.partition, ":iam::aws:policy/", policies.VPC_ACCESS
            )
        for number, start in enumerate(range(0, len(fleets), policies.FLEETS_PER_POLICY), start=1):
            writes = pulumi.Output.all(
                fleets=pulumi.Output.all(*fleets[start : start + policies.FLEETS_PER_POLICY]),
                partition=common.partition,
                account_id=common.account_id,
            ).apply(lambda known: policies.write_policy(**known))
            attached[f"write-{number}"] = aws.iam.Policy(
                f"{job}-writes-{number}",
                common.child,
                description=f"Minimum capacities of the groups of a forecast job, part {number}",
                policy=writes,
                tags=common.tags,
            ).arn
        may += [
            aws.iam.RolePolicyAttachment(f"{job}-may-{key}", common.child, role=role.name, policy_arn=arn)
            for key, arn in attached.items()
        ]
        return may

    def start(
        self, notification: aws.s3.BucketNotification
    ) -> tuple[aws.scheduler.Schedule, aws.scheduler.Schedule | None]:
        """Run the function once it may do its work: first by its settings, then by its schedules."""
        job, common, schedule = self.job, self.common, self.common.config.schedule
        store = {"kind": "s3", "bucket": common.bucket.id, "prefix": STORE_PREFIX, "region": common.region}
        settings = aws.s3.BucketObjectv2(
            f"{job}-settings",
            common.after(notification, *common.readied, *self.may),
            bucket=common.bucket.id,
            key=settings_key(job),
            content=common.config.shard_settings(self.shard, store),
            content_type="application/json",
        )
        trust = common.account_id.apply(lambda account: policies.trust("scheduler", account_id=account))
        role = common.role(f"{job}-schedule-role", trust, f"Schedule of the forecast job {job}")
        policy = pulumi.Output.all(function_arn=self.function.arn, queue_arn=common.queue.arn)
        invoke = aws.iam.RolePolicy(
            f"{job}-schedule-policy",
            common.child,
            role=role.name,
            policy=policy.apply(lambda known: policies.schedule_policy(**known)),
        )
        after, window = common.after(invoke, settings), schedule.flexible_window_minutes
        # It stays on with the kill switch: the job itself says that it is off.
        full = aws.scheduler.Schedule(
            f"{job}-schedule",
            after,
            description=f"Runs the forecast job {job}",
            schedule_expression=schedule.expression,
            schedule_expression_timezone=schedule.time_zone,
            flexible_time_window={
                "mode": lift(lambda minutes: "FLEXIBLE" if minutes else "OFF", window),
                "maximum_window_in_minutes": lift(lambda minutes: minutes or None, window),
            },
            target=self._invocation(role, EVENT, lift(lambda minutes: minutes * 60, schedule.interval_minutes), 3),
        )
        minutes = schedule.short_run_minutes
        if not minutes:
            return full, None
        return full, aws.scheduler.Schedule(
            f"{job}-short-schedule",
            after,
            description=f"Short runs of the forecast job {job}",
            schedule_expression=f"rate({minutes} minute{'s' * (minutes > 1)})",
            flexible_time_window={"mode": "OFF"},
            # What cannot be delivered before the next one is due goes to the queue.
            target=self._invocation(role, {**EVENT, "kind": "short"}, 60 * minutes, 1),
        )

    def _invocation(self, role: aws.iam.Role, event: Mapping[str, str], age_seconds: Any, attempts: int) -> Any:
        return {
            "arn": self.function.arn,
            "role_arn": role.arn,
            "input": json.dumps(event),
            "dead_letter_config": {"arn": self.common.queue.arn},
            "retry_policy": {"maximum_event_age_in_seconds": age_seconds, "maximum_retry_attempts": attempts},
        }

    def watch(self) -> aws.cloudwatch.Dashboard:
        """Declare the alarms and the dashboard."""
        common, schedule, name = self.common, self.common.config.schedule, self.function.name
        common.alarms.declare(self.job, name)
        body = pulumi.Output.all(
            fleets=self.shard.settled.apply(lambda fleets: [fleet.name for fleet in fleets]),
            region=common.region,
            function_name=name,
            queue_name=common.queue.name,
            interval_minutes=schedule.interval_minutes,
            short_run_minutes=schedule.short_run_minutes,
        ).apply(lambda known: dashboard_body(self.job, **known))
        # It has no automatic name; the function's is unique.
        return aws.cloudwatch.Dashboard(f"{self.job}-dashboard", common.child, dashboard_name=name, dashboard_body=body)
