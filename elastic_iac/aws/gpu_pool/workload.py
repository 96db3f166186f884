"""What runs on a pool: its boot script, the rights that it needs, and the load by which it is scaled."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi

from elastic_iac.aws.gpu_pool.instance_types import GpuType
from elastic_iac.aws.gpu_pool.purchasing import lead_time_of
from elastic_iac.aws.scaling_policies import DEFAULT_TARGET_TRACKING
from elastic_iac.common.parsing import Problems, lift, parse
from elastic_iac.common.schema.aws import AwsLoad, AwsLoadBalancer, AwsTargetTracking
from elastic_iac.common.schema.aws_gpu_pool import AwsGpuPoolArgs
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.workload import GpuWorkload
from elastic_iac.common.validation import is_literal
from elastic_iac.workload import (
    AwsPlatform,
    Training,
    Workload,
    boot_output,
    boot_script,
    load_of,
    resolve_training,
    resolve_workload,
)
from forecasting.errors import SettingsError

SHARD_VARIABLE = "ELASTIC_IAC_SHARD"
MANAGED_POLICIES: Mapping[str, str] = {
    "cloudwatch-agent": "CloudWatchAgentServerPolicy",
    "registry": "AmazonEC2ContainerRegistryReadOnly",
}
"""To publish the load and the GPUs' metrics, and to pull images from ECR: names of AWS's own policies, by their place in ours."""

BOOT_LIMIT_SECONDS = 1800
"""At least that long a server is waited for, and twice the lead time: one boot in ten takes longer than that."""
_WHOLE_SECRET = re.compile(r"-[A-Za-z0-9]{6}$")


@dataclass(frozen=True)
class Work:
    """A model server or a trainer, checked, and whether local disks outlive what the pool does with an instance."""

    runs: Workload | Training
    local_disks: bool

    @property
    def gpus_per_replica(self) -> int:
        """Of a replica; a trainer takes all, and is counted by GPU."""
        return self.runs.gpus_per_replica if isinstance(self.runs, Workload) else 1

    @property
    def load(self) -> AwsLoad | None:
        """The load that it publishes."""
        load = load_of(self.runs) if isinstance(self.runs, Workload) else None
        return None if load is None else parse(AwsLoad, load.aws())

    @property
    def several_nodes(self) -> bool:
        """Whether its instances must reach each other."""
        return isinstance(self.runs, Training) and self.runs.max_nodes > 1

    @property
    def _publishes(self) -> bool:
        return isinstance(self.runs, Workload) and self.runs.metrics_path is not None

    def of_shard(self, name: str, environment: Mapping[str, pulumi.Input[str]]) -> "Work":
        """The same, told which shard it is."""
        variables = {**self.runs.environment, **environment, SHARD_VARIABLE: name}
        return replace(self, runs=replace(self.runs, environment=variables))

    def user_data(
        self, region: pulumi.Input[str], hook: str | None, heartbeat_seconds: pulumi.Input[int]
    ) -> pulumi.Output[str]:
        """The boot script, once all is known."""
        platform = pulumi.Output.all(region, heartbeat_seconds).apply(
            lambda known: self._platform(known[0], hook, int(known[1]))
        )
        return boot_output(self.runs, platform)

    def check(self) -> None:
        """Render what is known already, so that what is wrong or too long is named before anything is registered.

        Raises:
            SettingsError: as `boot_script`.
        """
        single = [getattr(self.runs, name, None) for name in ("image", "model", "checkpoint", "rendezvous")]
        single.append(getattr(self.runs, "boot_limit_seconds", None))
        if all(map(is_literal, [*single, *self.runs.environment.values(), *self.runs.secrets.values()])):
            boot_script(self.runs, self._platform("ap-southeast-1", "elastic-iac-ready", 7200))

    def policy(self, partition: pulumi.Input[str]) -> pulumi.Output[str]:
        """What its instances may do besides: read the model, keep checkpoints, read its secrets, find their group and each other."""
        read, write = getattr(self.runs, "model", None), getattr(self.runs, "checkpoint", None)
        given = {"partition": partition, "read": read, "write": write, "secrets": list(self.runs.secrets.values())}
        finding = ["autoscaling:DescribeAutoScalingInstances"] if self._publishes else []
        if isinstance(self.runs, Training):
            finding = ["autoscaling:DescribeAutoScalingInstances", "ec2:DescribeInstances"]
        return pulumi.Output.from_input(given).apply(lambda known: json.dumps(_policy(known, finding)))

    @property
    def needs_rights(self) -> bool:
        """Whether `policy` would grant anything."""
        folders = [getattr(self.runs, name, None) for name in ("model", "checkpoint")]
        return isinstance(self.runs, Training) or self._publishes or any(folders) or bool(self.runs.secrets)

    def _platform(self, region: str, hook: str | None, heartbeat_seconds: int) -> AwsPlatform:
        return AwsPlatform(
            region=region,
            local_disks=self.local_disks,
            lifecycle_hook=hook,
            heartbeat_seconds=heartbeat_seconds,
        )


def _policy(known: Mapping[str, Any], finding: list[str]) -> dict[str, Any]:
    statements: list[dict[str, Any]] = []
    for folder, actions in (("read", ["s3:GetObject"]), ("write", ["s3:GetObject", "s3:PutObject"])):
        if known[folder] is not None:
            bucket, _, prefix = str(known[folder]).removeprefix("s3://").rstrip("/").partition("/")
            arn = f"arn:{known['partition']}:s3:::{bucket}"
            inside = f"{prefix}/*" if prefix else "*"
            statements += [
                {"Effect": "Allow", "Action": actions, "Resource": f"{arn}/{inside}"},
                {
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": arn,
                    "Condition": {"StringLike": {"s3:prefix": [prefix, inside] if prefix else ["*"]}},
                },
            ]
    if known["secrets"]:
        # IAM compares whole ARNs, which end in a hyphen and six characters of AWS's own; the API takes an ARN without them.
        secrets = [arn if _WHOLE_SECRET.search(arn) else f"{arn}-??????" for arn in known["secrets"]]
        statements.append({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets})
    if finding:  # neither has a resource to name
        statements.append({"Effect": "Allow", "Action": finding, "Resource": "*"})
    return {"Version": "2012-10-17", "Statement": statements}


def configure_work(args: AwsGpuPoolArgs, problems: Problems) -> Work | None:
    """What runs on the pool; None if `user_data` or the image starts it."""
    # An instance that waits in a warm pool has stopped, and lost what was on its local disks.
    local_disks = args.warm_pool is None or args.warm_pool.pool_state == "Running"
    with problems.collect():
        if args.workload is not None:
            server = resolve_workload("workload", args.workload, cloud="aws")
            work = Work(replace(server, boot_limit_seconds=_boot_limit(args, args.workload)), local_disks)
        elif args.training is not None:
            work = Work(resolve_training("training", args.training, cloud="aws"), local_disks)
        else:
            return None
        work.check()
        _check_load_balancer(args, work, problems)
        return work
    return None


def _boot_limit(args: AwsGpuPoolArgs, workload: GpuWorkload) -> Value[int]:
    """How long a server is waited for: as given, no less than the lead time; else well above it."""
    given = workload.boot_limit_seconds

    def limit(lead: float) -> int:
        if given is None:
            return max(BOOT_LIMIT_SECONDS, math.ceil(2 * lead))
        if given < lead:
            expected = f"at least forecast.lead_time_seconds, {lead:g}: launches that take as long would be given up"
            raise SettingsError("workload.boot_limit_seconds", given, expected)
        return given

    return lift(limit, lead_time_of(args))


def check_nodes(args: AwsGpuPoolArgs, work: Work | None, types: Sequence[GpuType], problems: Problems) -> None:
    """Refuse a pool in which a trainer never has the nodes that it starts with."""
    if work is None or not isinstance(work.runs, Training):
        return
    least, moved = work.runs.min_nodes, args.forecast is not None or args.target_tracking is not None
    for index, block in enumerate(args.capacity_blocks or ()):
        at = f"capacity_blocks[{index}]"
        _check_size(f"{at}.instances", block.instances, least, 1, problems)
        if not moved:
            _check_size(f"{at}.min_instances", block.min_instances, least, 1, problems)
    if args.capacity_blocks is not None:
        return
    weights = [
        known.gpus if item.weight is None else item.weight
        for item, known in zip(args.instance_types, types, strict=True)
    ]
    counts = [1] if args.warm_pool is not None else [weight for weight in weights if isinstance(weight, int)]
    if len(counts) < len(weights) and args.warm_pool is None:  # not all are known
        return
    units = min(counts)
    for index, shard in enumerate(args.shards or ()):
        _check_size(f"shards[{index}].max_size", shard.max_size, least, units, problems)
        if not moved:
            _check_size(f"shards[{index}].min_size", shard.min_size, least, units, problems)
    if args.shards is None:
        _check_size("max_size", args.max_size, least, units, problems)
        if not moved:
            start = "min_size" if args.desired_capacity is None else "desired_capacity"
            _check_size(start, getattr(args, start), least, units, problems)


def _check_size(field: str, size: Value[int] | None, nodes: int, units: int, problems: Problems) -> None:
    if isinstance(size, int) and 0 < size < nodes * units:
        each = f" that count for {units} each" if units > 1 else ""
        problems.refuse(field, size, f"at least {nodes * units}: training.min_nodes, {nodes}, nodes{each}")


def _check_load_balancer(args: AwsGpuPoolArgs, work: Work, problems: Problems) -> None:
    if args.load_balancer is None:
        return
    if isinstance(work.runs, Training):
        problems.refuse("load_balancer", "given", "nothing beside training, which answers no requests")
        return
    port = args.load_balancer.instance_port
    if isinstance(port, int) and port != work.runs.port:
        problems.refuse("load_balancer.instance_port", port, f"the workload's port, {work.runs.port}")


def with_health_path(balancer: AwsLoadBalancer, work: Work | None) -> AwsLoadBalancer:
    """The load balancer with the workload's own health path, if none is given."""
    if work is None or not isinstance(work.runs, Workload) or "health_check_path" in balancer.model_fields_set:
        return balancer
    return balancer.model_copy(update={"health_check_path": work.runs.health_path})


def default_target_tracking(args: AwsGpuPoolArgs, work: Work | None, problems: Problems) -> Sequence[AwsTargetTracking]:
    """The default policies above the minimum: the load of a replica, else CPU; none if it trains.

    Each replica publishes its own minute, so that the average is a replica's load per minute. A GPU's utilisation is no such measure: it is the share
    of time in which any kernel ran, and is near 100 per cent at little load.
    """
    if work is not None and isinstance(work.runs, Training):  # its CPU does not show how many nodes it should have
        if args.forecast is not None:
            expected = "a policy that may scale in, beside training with a forecast: the job holds a pool that nothing scales in"
            problems.refuse("target_tracking", None, expected)
        return ()
    load = work.load if work is not None else None
    if load is None or args.forecast is None or args.forecast.load is not None:
        return DEFAULT_TARGET_TRACKING
    per_minute = lift(lambda rate: rate * 60, args.forecast.load_per_replica)
    metric = {"namespace": load.namespace, "metric_name": load.metric_name, "statistic": "Average"}
    return (parse(AwsTargetTracking, {"metric": "custom", "target_value": per_minute, "custom_metric": metric}),)
