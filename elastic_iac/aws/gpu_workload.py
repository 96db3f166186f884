"""What runs on a pool: its boot script, the rights that it needs, and the load by which it is scaled."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pulumi

from elastic_iac.aws.gpu_args import AwsGpuPoolArgs
from elastic_iac.aws.gpu_capacity import DEFAULT_LEAD_TIME_SECONDS
from elastic_iac.aws.gpu_families import GpuType
from elastic_iac.aws.scaling_policies import DEFAULT_TARGET_TRACKING
from elastic_iac.validation import is_literal
from elastic_iac.workload import AwsPlatform, Training, Workload, boot_output, boot_script, load_of
from elastic_iac.workload import settle_training as settled_training
from elastic_iac.workload import settle_workload as settled_workload
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
    def load(self) -> dict[str, Any] | None:
        """The load that it publishes, as `AwsLoad`."""
        load = load_of(self.runs) if isinstance(self.runs, Workload) else None
        return None if load is None else load.aws()

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


def settle_work(args: AwsGpuPoolArgs) -> Work | None:
    """Check what runs on the pool; None where `user_data` or the image says it.

    Raises:
        SettingsError: the first wrong literal.
    """
    # An instance that waits in a warm pool has stopped, and lost what was on its local disks.
    local_disks = "warm_pool" not in args or args["warm_pool"].get("pool_state") == "Running"
    if "workload" in args:
        server = settled_workload("workload", args["workload"], cloud="aws")
        work = Work(replace(server, boot_limit_seconds=_boot_limit(args, server)), local_disks)
    elif "training" in args:
        work = Work(settled_training("training", args["training"], cloud="aws"), local_disks)
    else:
        return None
    work.check()
    _check_load_balancer(args, work)
    return work


def _boot_limit(args: AwsGpuPoolArgs, server: Workload) -> pulumi.Input[int]:
    """How long a server is waited for: as the user says, no less than the lead time; else well above it."""
    lead_time = args.get("forecast", {}).get("lead_time_seconds")
    stated = "boot_limit_seconds" in args.get("workload", {})

    def limit(lead: float) -> int:
        if not stated:
            return max(BOOT_LIMIT_SECONDS, math.ceil(2 * lead))
        given = int(cast("float", server.boot_limit_seconds))
        if given < lead:
            expected = f"at least forecast.lead_time_seconds, {lead:g}: boots that take as long would be given up"
            raise SettingsError("workload.boot_limit_seconds", given, expected)
        return given

    if lead_time is None or isinstance(lead_time, str | bool):  # what is no number is refused with the forecast
        return limit(DEFAULT_LEAD_TIME_SECONDS)
    return limit(lead_time) if isinstance(lead_time, int | float) else pulumi.Output.from_input(lead_time).apply(limit)


def check_nodes(args: AwsGpuPoolArgs, work: Work | None, types: Sequence[GpuType]) -> None:
    """Refuse a pool in which a trainer never has the nodes that it starts with.

    Raises:
        SettingsError: a size is a literal, and too small.
    """
    if work is None or not isinstance(work.runs, Training):
        return
    least, moved = work.runs.min_nodes, "forecast" in args or "target_tracking" in args
    for index, block in enumerate(args.get("capacity_blocks", [])):
        at = f"capacity_blocks[{index}]"
        _check_size(f"{at}.instances", block["instances"], least, 1)
        if not moved and "min_instances" in block:
            _check_size(f"{at}.min_instances", block["min_instances"], least, 1)
    weights = [item.get("weight", known.gpus) for item, known in zip(args["instance_types"], types, strict=True)]
    if "warm_pool" in args:
        weights = [1]
    if "capacity_blocks" in args or not all(isinstance(weight, int | float) for weight in weights):
        return
    units = min(int(cast("float", weight)) for weight in weights)
    sizes = [(f"shards[{index}].", shard) for index, shard in enumerate(args.get("shards", []))] or [("", args)]
    for at, own in sizes:
        _check_size(f"{at}max_size", own.get("max_size"), least, units)
        if not moved:
            start = "desired_capacity" if "desired_capacity" in own else "min_size"
            _check_size(f"{at}{start}", own.get(start), least, units)


def _check_size(field: str, size: object, nodes: int, units: int) -> None:
    if isinstance(size, int | float) and 0 < size < nodes * units:
        each = f" that count for {units} each" if units > 1 else ""
        raise SettingsError(field, size, f"at least {nodes * units}: training.min_nodes, {nodes}, nodes{each}")


def _check_load_balancer(args: AwsGpuPoolArgs, work: Work) -> None:
    if "load_balancer" not in args:
        return
    if isinstance(work.runs, Training):
        raise SettingsError("load_balancer", "given", "nothing beside training, which answers no requests")
    port = args["load_balancer"].get("instance_port")
    if isinstance(port, int | float) and port != work.runs.port:
        raise SettingsError("load_balancer.instance_port", port, f"the workload's port, {work.runs.port}")


def with_health_path(args: AwsGpuPoolArgs, work: Work | None) -> dict[str, Any]:
    """The load balancer's arguments, which ask the workload's own path where none is given."""
    balancer: dict[str, Any] = {**args.get("load_balancer", {})}
    if work is not None and isinstance(work.runs, Workload):
        balancer.setdefault("health_check_path", work.runs.health_path)
    return balancer


def default_target_tracking(args: AwsGpuPoolArgs, work: Work | None) -> Any:
    """What adds instances above the floor where the user says nothing: the load of a replica, else CPU; nothing (None) where it trains.

    Each replica publishes its own minute, so that the average is a replica's load per minute. A GPU's utilisation is no such measure: it says how
    often any kernel ran, and is near 100 per cent at little load.
    """
    if work is not None and isinstance(work.runs, Training):  # its CPU says nothing of how many nodes it should have
        if "forecast" in args:
            expected = "a policy that may scale in, beside training with a forecast: the job holds a pool that nothing scales in"
            raise SettingsError("target_tracking", None, expected)
        return None
    load = work.load if work is not None else None
    if load is None or "forecast" not in args or "load" in args["forecast"]:
        return DEFAULT_TARGET_TRACKING
    per_minute = pulumi.Output.from_input(args["forecast"]["load_per_replica"]).apply(lambda rate: rate * 60)
    metric = {"namespace": load["namespace"], "metric_name": load["metric_name"], "statistic": "Average"}
    return [{"metric": "custom", "target_value": per_minute, "custom_metric": metric}]
