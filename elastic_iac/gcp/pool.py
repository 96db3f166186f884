"""A pool of accelerators, settled: one group, or one for each shard, with the arguments that such a group has."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import pulumi

from elastic_iac.common.validation import is_literal, one_of, plain_list, refuse_unknown, text_map
from elastic_iac.gcp.accelerators import Hardware, check_boot_disk, settle_hardware
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs, GcpForecast
from elastic_iac.gcp.autoscaler import Autoscaler, settle_autoscaler
from elastic_iac.gcp.children import NAME, Settled, settle
from elastic_iac.gcp.fleet import check_fleet
from elastic_iac.gcp.group import Group
from elastic_iac.gcp.identity import unique_id
from elastic_iac.gcp.pool_args import GcpGpuForecast, GcpGpuPoolArgs, GcpGpuShard
from elastic_iac.gcp.pool_workload import Running, check_front, check_nodes, settle_running
from forecasting.errors import SettingsError

SHARDS_AT_MOST = 20
LEAD_TIME_SECONDS = 600
"""Until boots are measured: model servers take 2 to 8 minutes and more."""

_WITH_AN_AUTOSCALER = (
    *("min_size", "max_size", "forecast", "shards", "health_check", "health_check_grace_seconds"),
    *("initialization_seconds", "stabilization_seconds", "scale_in_control", "mode", "target_tracking"),
    *("update_policy", "distribution"),
)
"""What flex start excludes: https://cloud.google.com/compute/docs/instance-groups/about-resize-requests-mig#limitations"""

_OF_A_SHARD = ("min_size", "max_size", "forecast.load")
_OF_THE_FORECAST = ("warm_headroom", "on_demand_quantile")
_BOOT_DISK_GIB = 100
_NAME_LENGTH = 40


@dataclass(frozen=True)
class Place:
    """Where among the pool's arguments a group's own stand: `field` is '', or 'shards[0].' with its shard."""

    field: str = ""
    shard: GcpGpuShard | None = None

    @contextmanager
    def arguments(self) -> Generator[None]:
        """Let errors name what the user wrote, not what a group makes of it."""
        try:
            yield
        except SettingsError as error:
            raise SettingsError(self._written(error.field), error.value, error.expected) from error

    def _written(self, at: str) -> str:
        if self.shard is not None:
            if at in {"min_size", "max_size"}:
                return self.field + at
            if at == "forecast.load" or at.startswith("forecast.load."):
                return self.field + at.removeprefix("forecast.")
        if at == "forecast.load_per_instance":
            return "forecast.load_per_replica"
        return at.replace("forecast.pool.", "forecast.")


@dataclass(frozen=True)
class Part:
    """One group of a pool, the only one or a shard's.

    Attributes:
        name: Of its resources and its fleet.
        place: Whose it is.
        args: As `GcpAutoscalingGroup` has them.
        settled: Those, checked; the script of a workload comes to it once the project is known.
        autoscaler: None with flex start.
        planned: Whether there is a fleet for the job.
    """

    name: str
    place: Place
    args: GcpAutoscalingGroupArgs
    settled: Settled
    autoscaler: Autoscaler | None
    planned: bool


@dataclass(frozen=True)
class Pool:
    """All arguments of a pool, checked; made before anything is registered."""

    hardware: Hardware
    running: Running
    parts: list[Part]


def settle_pool(name: str, args: GcpGpuPoolArgs) -> Pool:
    """Check all arguments of the pool `name`.

    Raises:
        SettingsError: the first wrong literal, or the first combination that the cloud would refuse.
    """
    NAME("name", name)
    refuse_unknown("", args, GcpGpuPoolArgs)
    hardware = settle_hardware(args)
    check_boot_disk(args, hardware.machine)
    running = settle_running(args, hardware.machine, hardware.local_ssds)
    check_front(args, running)
    check_nodes(args, running)
    if hardware.flex_start is not None:
        _check_flex_start(args)
    elif running.trains:
        args = _check_training(args)
    elif "forecast" not in args:
        raise SettingsError("forecast", None, "a value: only flex_start and training do without")
    else:
        refuse_unknown("forecast", args["forecast"], GcpGpuForecast)
    parts = [_settle_part(part, place, args, hardware, running) for part, place in _places(name, args).items()]
    return Pool(hardware, running, parts)


def _check_flex_start(args: GcpGpuPoolArgs) -> None:
    for field, given in args.items():
        if field in _WITH_AN_AUTOSCALER:
            expected = "nothing beside flex_start: instances by request have no autoscaler, no plan and no repairs"
            raise SettingsError(field, given, expected)


def _check_training(args: GcpGpuPoolArgs) -> GcpGpuPoolArgs:
    """The arguments of a pool of as many nodes as are asked for: no load says how many a trainer needs."""
    for field, given in args.items():
        if field in {"forecast", "shards", "target_tracking"}:
            raise SettingsError(field, given, "nothing beside training: its nodes are those of min_size")
    size = args.get("min_size")
    most = args.get("max_size", size)
    if size is not None and most != size:
        raise SettingsError("max_size", most, f"min_size, {size}, or nothing: no load adds a node or removes one")
    return cast("GcpGpuPoolArgs", {**args, "max_size": most}) if most is not None else args


def _places(name: str, args: GcpGpuPoolArgs) -> dict[str, Place]:
    """The pool's groups by their names: one of the pool's own name where there are no shards."""
    shards = plain_list("shards", args.get("shards", []))
    if not shards:
        return {name: Place()}
    if len(shards) > SHARDS_AT_MOST:
        raise SettingsError("shards", f"{len(shards)} shards", f"at most {SHARDS_AT_MOST}: make a second pool")
    for field, given in (*args.items(), ("forecast.load", args.get("forecast", {}).get("load"))):
        if field in _OF_A_SHARD and given is not None:
            raise SettingsError(field, given, "nothing beside shards: each has its own")
    found: dict[str, Place] = {}
    for index, shard in enumerate(shards):
        at = f"shards[{index}]"
        refuse_unknown(at, shard, GcpGpuShard)
        NAME(f"{at}.name", shard["name"])
        part = f"{name}-{shard['name']}"
        if len(part) > _NAME_LENGTH or part in found:
            expected = f"a name that no other shard has, with {name + '-'!r} at most {_NAME_LENGTH} characters"
            raise SettingsError(f"{at}.name", shard["name"], expected)
        found[part] = Place(f"{at}.", cast("GcpGpuShard", shard))
    return found


def _settle_part(name: str, place: Place, args: GcpGpuPoolArgs, hardware: Hardware, running: Running) -> Part:
    flex, planned = hardware.flex_start is not None, "forecast" in args
    with place.arguments():
        given = _group_args(name, args, hardware, running, place)
        settled = settle(name, given)
        settled = replace(
            settled, launch=hardware.applied_to(settled.launch), group=_group(args, settled.group, flex=flex)
        )
        if flex:
            return Part(name, place, given, replace(settled, health_check=None), None, planned=False)
        autoscaler = settle_autoscaler(given)
        if planned:
            check_fleet(name, given, pool_settings(args))
    return Part(name, place, given, settled, autoscaler, planned)


def _group_args(
    name: str, args: GcpGpuPoolArgs, hardware: Hardware, running: Running, place: Place
) -> GcpAutoscalingGroupArgs:
    """The arguments that a group has too, with a pool's own defaults."""
    flex, shard = hardware.flex_start is not None, place.shard
    own: Mapping[str, Any] = {} if shard is None else {key: shard[key] for key in ("min_size", "max_size")}
    items = {**args, **own}.items()
    given: dict[str, Any] = {key: value for key, value in items if key in GcpAutoscalingGroupArgs.__annotations__}
    for required in () if flex else ("min_size", "max_size"):
        if required not in given:
            raise SettingsError(required, None, "a value: only flex_start does without")
    if not flex and "max_rate_per_instance" in args.get("load_balancer", {}):
        given.setdefault("target_tracking", [{"metric": "lb-utilization", "target_value": 80}])
    server = running.server
    if server is not None:
        given.setdefault("health_check", {"port": server.port, "path": server.health_path})
        if "load_balancer" in args:
            given["load_balancer"] = {"health_check_path": server.health_path, **args["load_balancer"]}
    disk = {"size_gib": _BOOT_DISK_GIB, "type": hardware.machine.boot_disks[0], **args.get("boot_disk", {})}
    own_defaults = {
        "secure_boot": args.get("secure_boot", False),
        "boot_disk": disk,
        "metadata": _metadata(args, running, place),
        "instance_roles": {**running.roles, **args.get("instance_roles", {})},
        "forecast": _forecast(name, args, running, shard) if "forecast" in args else {},
    }
    return cast("GcpAutoscalingGroupArgs", {**given, **own_defaults})


def _metadata(args: GcpGpuPoolArgs, running: Running, place: Place) -> pulumi.Input[Mapping[str, str]]:
    """The driver's, the pool's, the shard's: the later ones win."""
    shard = place.shard
    driver = {"install-nvidia-driver": "True"} if running.install_driver else {}
    layers: list[object] = [driver, args.get("metadata", {})]
    if shard is not None:
        layers += [shard.get("metadata", {}), {"elastic-iac-shard": shard["name"]}]
    for name, layer in zip(("", "metadata", f"{place.field}metadata", ""), layers, strict=False):
        if is_literal(layer):
            text_map(name, layer)
    if all(map(is_literal, layers)):
        return _merged(layers)
    return pulumi.Output.all(*layers).apply(_merged)


def _merged(layers: list[Any]) -> Mapping[str, str]:
    return {key: value for layer in layers for key, value in layer.items()}


def _forecast(name: str, args: GcpGpuPoolArgs, running: Running, shard: GcpGpuShard | None) -> GcpForecast:
    """A group's forecast: the load of an instance is that of its replicas; the server's own is the default."""
    forecast: Mapping[str, Any] = args.get("forecast", {})
    own = {key: value for key, value in forecast.items() if key in GcpForecast.__annotations__}
    published = running.load(unique_id(name))
    if shard is not None and "load" in shard:
        own["load"] = shard["load"]
    elif "load" not in own and published is not None:
        own["load"] = published
    replica, replicas = forecast["load_per_replica"], running.replicas
    load = replica * replicas if isinstance(replica, int | float) and not isinstance(replica, bool) else replica
    if not is_literal(load):
        load = pulumi.Output.from_input(load).apply(lambda known: known * replicas)
    return cast("GcpForecast", {"lead_time_seconds": LEAD_TIME_SECONDS, **own, "load_per_instance": load})


def pool_settings(args: GcpGpuPoolArgs) -> dict[str, Any]:
    """What a pool's fleet has beyond a group's. On Google Cloud an autoscaler counts instances, so one is a unit."""
    forecast = cast("Mapping[str, Any]", args.get("forecast", {}))
    pool = {key: value for key, value in forecast.items() if key in _OF_THE_FORECAST}
    return {"pool": {"units_per_instance": 1, **pool}, "learn_lead_time": forecast.get("learn_lead_time", True)}


def _group(args: GcpGpuPoolArgs, group: Group, *, flex: bool) -> Group:
    """How the group spreads and changes. Scarce GPUs are not in every zone: 'BALANCED' passes over those that have none left.

    https://cloud.google.com/compute/docs/instance-groups/regional-mig-distribution-shape: only 'EVEN' is redistributed by itself.
    """
    if flex:
        return replace(
            group,
            target_shape=None if group.zone is not None else "ANY_SINGLE_ZONE",
            repairs=False,
            update_policy=_untouched(group),
        )
    shape = one_of("BALANCED", "EVEN")("distribution", args.get("distribution", "BALANCED"))
    if group.zone is not None:
        if "distribution" in args:
            raise SettingsError("distribution", shape, "nothing beside zone: a zonal pool is in one")
        return group
    if shape == "EVEN":
        return group
    return replace(group, target_shape=shape, update_policy={**group.update_policy, **_STAY})


_STAY = {"instance_redistribution_type": "NONE"}


def _untouched(group: Group) -> dict[str, Any]:
    """Nothing replaces an instance before its time is over, and none is added that was not asked for."""
    policy, stay = group.update_policy, {} if group.zone is not None else _STAY
    sizes = {"max_surge_fixed": policy["max_unavailable_fixed"], "max_unavailable_fixed": policy["max_surge_fixed"]}
    return {**policy, **sizes, **stay, "type": "OPPORTUNISTIC"}
