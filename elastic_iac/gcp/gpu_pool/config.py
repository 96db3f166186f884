"""The arguments of a pool as one frozen configuration: one group, or one for each shard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi

from elastic_iac.common.fleet_output import check_literals
from elastic_iac.common.parsing import Problems, lift, parse_component
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GCP_NAME, GcpBootDisk, GcpLoad, GcpLoadBalancer, GcpTargetTracking
from elastic_iac.common.schema.gcp_gpu_pool import GcpGpuPoolArgs, GcpGpuShard
from elastic_iac.gcp import autoscaler as autoscalers
from elastic_iac.gcp import instance_template as templates
from elastic_iac.gcp.children import Instances
from elastic_iac.gcp.fleet import UNKNOWN_TARGET, fleet_settings
from elastic_iac.gcp.gpu_pool.purchasing import Hardware, configure_hardware, configure_machine
from elastic_iac.gcp.gpu_pool.workload import Running, check_nodes, configure_running
from elastic_iac.gcp.group import NO_REDISTRIBUTION, Group, configure_group, lead_time_of
from elastic_iac.gcp.identity import unique_id
from elastic_iac.gcp.image import configure_image

SHARDS_AT_MOST = 20

_WITH_AN_AUTOSCALER = (
    *("min_size", "max_size", "forecast", "shards", "health_check", "health_check_grace_seconds"),
    *("initialization_seconds", "stabilization_seconds", "scale_in_control", "mode", "target_tracking"),
    *("update_policy", "distribution", "standby_pool"),
)
"""Excluded by flex start: https://cloud.google.com/compute/docs/instance-groups/about-resize-requests-mig#limitations"""

_BOOT_DISK_GIB = 100
_NAME_LENGTH = 40
_REQUESTS_PER_INSTANCE = (GcpTargetTracking(metric="lb-utilization", target_value=80),)


@dataclass(frozen=True)
class Part:
    """One group of a pool, the only one or a shard's.

    Attributes:
        name: Name of its fleet, prefix of its resources' names.
        instances: Its instances; the script of a workload is added once the project is known.
        autoscaler: None with flex start.
        sizes: Minimum and maximum.
        load: Its load; the load balancer's requests without one.
    """

    name: str
    instances: Instances
    autoscaler: autoscalers.Autoscaler | None
    sizes: tuple[Value[int], Value[int]]
    load: GcpLoad | None


@dataclass(frozen=True)
class PoolConfig:
    """All arguments of a pool, checked, and its groups."""

    name: str
    args: GcpGpuPoolArgs
    hardware: Hardware
    running: Running
    load_balancer: GcpLoadBalancer | None
    parts: Sequence[Part] = ()

    def fleet(
        self,
        part: Part,
        *,
        target: dict[str, pulumi.Input[str]],
        backend_service: pulumi.Input[str],
        revision: pulumi.Input[str],
        group_label: pulumi.Input[str] | None = None,
    ) -> dict[str, Any] | None:
        """Settings of a part's fleet, for that target; None without a forecast.

        On Google Cloud an autoscaler counts instances, so one is a unit.
        """
        forecast = self.args.forecast
        if forecast is None:
            return None
        settings = fleet_settings(
            part.name,
            forecast,
            load=part.load,
            load_per_instance=lift(lambda load: load * self.running.replicas, forecast.load_per_replica),
            minimum=part.sizes[0],
            maximum=part.sizes[1],
            target=target,
            group_label=part.instances.unique_id if group_label is None else group_label,
            backend_service=backend_service,
            revision=revision,
        )
        own = {
            "lead_time_seconds": forecast.lead_time_seconds,
            "learn_lead_time": forecast.learn_lead_time,
            "pool": {"units_per_instance": 1, **forecast.given("warm_headroom", "on_demand_quantile")},
        }
        return {**settings, **own}


def configure(name: str, raw: object) -> PoolConfig:
    """Check all arguments.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args, problems = parse_component(GcpGpuPoolArgs, name, raw, GCP_NAME), Problems()
    machine = configure_machine(args)
    running = configure_running(args, machine, problems)
    args = _check_ways(args, running, problems)
    check_nodes(args, running, problems)
    pool = PoolConfig(
        name=name,
        args=args,
        hardware=configure_hardware(args, machine, problems),
        running=running,
        load_balancer=running.load_balancer(args, problems),
    )
    pool = replace(pool, parts=[_part(pool, part, problems) for part in _shards(name, args, problems)])
    problems.report()
    for part in pool.parts:
        settings = pool.fleet(part, target={**UNKNOWN_TARGET}, backend_service="unknown", revision="0")
        with problems.collect():
            if settings is not None:
                check_literals(settings)
    problems.report()
    return pool


def _check_ways(args: GcpGpuPoolArgs, running: Running, problems: Problems) -> GcpGpuPoolArgs:
    """Refuse arguments that flex start and training exclude; the nodes of a trainer are as many as are asked for."""
    if args.flex_start is not None:
        for field in _WITH_AN_AUTOSCALER:
            if field in args.model_fields_set:
                expected = "nothing beside flex_start: instances by request have no autoscaler, no plan and no repairs"
                problems.refuse(field, "given", expected)
        return args
    if not running.trains:
        if args.forecast is None:
            problems.refuse("forecast", None, "a value: only flex_start and training do without")
        return args
    for field in ("forecast", "shards", "target_tracking"):
        if field in args.model_fields_set:
            problems.refuse(field, "given", "nothing beside training: its nodes are those of min_size")
    size = args.min_size
    most = size if args.max_size is None else args.max_size
    if size is not None and most != size:
        problems.refuse("max_size", most, f"min_size, {size}, or nothing: no load adds a node or removes one")
    return args.model_copy(update={"max_size": most})


def _shards(name: str, args: GcpGpuPoolArgs, problems: Problems) -> list[tuple[str, str, GcpGpuShard | None]]:
    """Name, path and shard of each group: one of the pool's own name without shards."""
    if not args.shards:
        return [(name, "", None)]
    if len(args.shards) > SHARDS_AT_MOST:
        expected = f"at most {SHARDS_AT_MOST}: make a second pool"
        problems.refuse("shards", f"{len(args.shards)} shards", expected)
    load = args.forecast and args.forecast.load
    for field, given in (("min_size", args.min_size), ("max_size", args.max_size), ("forecast.load", load)):
        if given is not None:
            problems.refuse(field, "given", "nothing beside shards: each has its own")
    found: dict[str, tuple[str, str, GcpGpuShard | None]] = {}
    for index, shard in enumerate(args.shards):
        part, at = f"{name}-{shard.name}", f"shards[{index}]."
        if len(part) > _NAME_LENGTH or part in found:
            expected = f"a name that no other shard has, with {name + '-'!r} at most {_NAME_LENGTH} characters"
            problems.refuse(f"{at}name", shard.name, expected)
        found[part] = (part, at, shard)
    return list(found.values())


def _part(pool: PoolConfig, of: tuple[str, str, GcpGpuShard | None], problems: Problems) -> Part:
    (name, at, shard), args, running = of, pool.args, pool.running
    lead_time, flex = lead_time_of(args.forecast), args.flex_start is not None
    group = configure_group(args, problems, lead_time_seconds=lead_time, planned=args.forecast is not None)
    instances = Instances(
        name=name,
        args=args,
        image=configure_image(args, problems),
        launch=_launch(pool, shard, problems),
        group=_spread(group, args, problems),
        health_check=None if flex else running.health_check(args, pool.load_balancer),
        load_balancer=pool.load_balancer,
        roles={**running.roles, **args.instance_roles},
    )
    if flex:
        return Part(name, instances, None, (0, 0), None)
    sizes, load = _sizes(args, shard, at, problems), _load(name, pool, shard)
    if args.forecast is not None and load is None and args.load_balancer is None:
        expected = (
            "a metric of the fleet's load, a workload that publishes one, or a load_balancer that counts requests"
        )
        problems.refuse(f"{at}load" if at else "forecast.load", None, expected)
    autoscaler = autoscalers.configure_autoscaler(
        args, problems, sizes=sizes, lead_time_seconds=lead_time, target_tracking=_target_tracking(args)
    )
    return Part(name, instances, autoscaler, sizes, load)


def _sizes(
    args: GcpGpuPoolArgs, shard: GcpGpuShard | None, at: str, problems: Problems
) -> tuple[Value[int], Value[int]]:
    if shard is not None:
        return autoscalers.ordered_sizes(shard.min_size, shard.max_size, problems, at)
    for field, given in (("min_size", args.min_size), ("max_size", args.max_size)):
        if given is None:
            problems.refuse(field, None, "a value: only flex_start does without")
    if args.min_size is None or args.max_size is None:
        return 0, 0
    return autoscalers.ordered_sizes(args.min_size, args.max_size, problems)


def _load(name: str, pool: PoolConfig, shard: GcpGpuShard | None) -> GcpLoad | None:
    """The load of a part: its shard's, the pool's, or the server's own."""
    given = pool.args.forecast and pool.args.forecast.load
    return (shard and shard.load) or given or pool.running.load(unique_id(name))


def _target_tracking(args: GcpGpuPoolArgs) -> Sequence[GcpTargetTracking]:
    if args.target_tracking is not None:
        return args.target_tracking
    balancer = args.load_balancer
    if balancer is not None and balancer.max_rate_per_instance is not None:
        return _REQUESTS_PER_INSTANCE
    return autoscalers.DEFAULT_TARGET_TRACKING


def _launch(pool: PoolConfig, shard: GcpGpuShard | None, problems: Problems) -> templates.Launch:
    args, machine = pool.args, pool.hardware.machine
    driver: Mapping[str, Any] = {"install-nvidia-driver": "True"} if pool.running.install_driver else {}
    layers: list[Value[Mapping[str, Any]]] = [driver, args.metadata]
    if shard is not None:
        layers += [shard.metadata, {"elastic-iac-shard": shard.name}]
    disk = args.boot_disk or GcpBootDisk(size_gib=_BOOT_DISK_GIB)
    launch = templates.Launch(
        machine_type=args.machine_type,
        metadata=templates.metadata_of(args, *layers),
        boot_disk=templates.boot_disk_args(
            disk, problems, machine_type=args.machine_type, boot_disks=lambda _machine: machine.boot_disks
        ),
        scheduling=pool.hardware.scheduling,
        secure_boot=False if args.secure_boot is None else args.secure_boot,
        public_address=args.public_address,
        network_tags=args.network_tags,
    )
    return pool.hardware.applied_to(launch)


def _spread(group: Group, args: GcpGpuPoolArgs, problems: Problems) -> Group:
    """How the group spreads and changes. Scarce GPUs are not in every zone: 'BALANCED' passes over those that have none left.

    https://cloud.google.com/compute/docs/instance-groups/regional-mig-distribution-shape: only 'EVEN' is redistributed by itself.
    """
    if args.flex_start is not None:
        shape = None if group.zone is not None else "ANY_SINGLE_ZONE"
        return replace(group, target_shape=shape, repairs=False, update_policy=_untouched(group))
    if group.zone is not None:
        if args.distribution is not None:
            problems.refuse("distribution", args.distribution, "nothing beside zone: a zonal pool is in one")
        return group
    return group if args.distribution == "EVEN" else group.over_scarce_zones()


def _untouched(group: Group) -> dict[str, Any]:
    """Nothing replaces an instance before its time is over, and none is added that was not asked for."""
    policy, stay = group.update_policy, {} if group.zone is not None else NO_REDISTRIBUTION
    sizes = {"max_surge_fixed": policy["max_unavailable_fixed"], "max_unavailable_fixed": policy["max_surge_fixed"]}
    return {**policy, **sizes, **stay, "type": "OPPORTUNISTIC"}
