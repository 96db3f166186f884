"""The managed instance group: its place, its repairs, and its way to a new template."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import (
    PORT_NAME,
    GcpForecastFields,
    GcpInstancesArguments,
    GcpStandbyPool,
    GcpUpdatePolicy,
)
from elastic_iac.gcp.health import HealthCheck, declare_health_check
from forecasting.errors import SettingsError

Manager = gcp.compute.RegionInstanceGroupManager | gcp.compute.InstanceGroupManager

SIZE_OF_THE_AUTOSCALER = ["targetSize"]
"""The autoscaler owns it; a group with one refuses another size (412)."""

NAMED_ONCE = ["baseInstanceName"]
"""It begins the instances' names; a group with another one is another group."""

GRACE_AT_MOST_SECONDS = 3600
"""API, InstanceGroupManagerAutoHealingPolicy.initialDelaySec."""
GRACE_MARGIN_SECONDS = 300
"""Beyond twice the lead time: for short ones, where an image's first pull is most of the startup time."""
DEFAULT_LEAD_TIME_SECONDS = 300

_ZONES_OF_A_REGION = 3  # the cloud's choice if no zones are given
NO_REDISTRIBUTION = {"instance_redistribution_type": "NONE"}
_ROLLING = GcpUpdatePolicy(proactive=True)


@dataclass(frozen=True)
class Group:
    """The managed instance group, zonal with a `zone`; policies are in the shape of the provider's arguments."""

    region: Value[str] | None
    zones: Sequence[Value[str]]
    zone: Value[str] | None
    health_check_grace_seconds: Value[int]
    named_ports: Mapping[str, Value[int]]
    update_policy: dict[str, Any]
    standby: dict[str, Any]
    target_shape: str | None = None
    """Distribution over the zones, if it is another than 'EVEN'."""
    repairs: bool = True
    """Replace failed instances; false without an autoscaler."""
    selections: Sequence[dict[str, Any]] = ()

    def over_scarce_zones(self, selections: Sequence[dict[str, Any]] = ()) -> Self:
        """The same over the zones that have instances left; such a group is not redistributed."""
        policy = {**self.update_policy, **NO_REDISTRIBUTION}
        return replace(self, target_shape="BALANCED", selections=selections, update_policy=policy)


def configure_group(
    args: GcpInstancesArguments, problems: Problems, *, lead_time_seconds: Value[int], planned: bool
) -> Group:
    """The group's own arguments; the lead time is `planned` if it is the user's, which nobody declares for a trainer's nodes."""
    _check_place(args, problems)
    zones = 1 if args.zone is not None else len(args.zones) or _ZONES_OF_A_REGION
    return Group(
        region=args.region,
        zones=args.zones,
        zone=args.zone,
        health_check_grace_seconds=_grace_seconds(args, problems, lead_time_seconds, planned=planned),
        named_ports=_named_ports(args, problems),
        update_policy=_update_policy(args.update_policy or _ROLLING, zones, problems),
        standby={} if args.standby_pool is None else _standby(args.standby_pool, lead_time_seconds),
    )


def _check_place(args: GcpInstancesArguments, problems: Problems) -> None:
    if args.zone is not None and (args.zones or args.region is not None):
        field, value = ("zones", args.zones) if args.zones else ("region", args.region)
        problems.refuse(field, value, "nothing beside zone: the group is either regional or zonal")
    known = [given for given in args.zones if isinstance(given, str)]
    if len(set(known)) < len(known):
        problems.refuse("zones", known, "different zones")
    regions = {given.rsplit("-", 1)[0] for given in known}
    if isinstance(args.region, str) and known:
        regions.add(args.region)
    if len(regions) > 1:
        problems.refuse("zones", known, f"zones of one region; got {', '.join(sorted(regions))}")


def lead_time_of(forecast: GcpForecastFields | None, default: int = DEFAULT_LEAD_TIME_SECONDS) -> Value[int]:
    """Launch to first healthy answer, rounded up: the default of whatever waits for an instance."""
    given: Value[float] | None = None if forecast is None else forecast.lead_time_seconds
    return default if given is None else lift(math.ceil, given)


def _grace_seconds(
    args: GcpInstancesArguments, problems: Problems, lead_time_seconds: Value[int], *, planned: bool
) -> Value[int]:
    """How long an instance is not judged: far longer than a slow boot, since one that is judged too early is replaced forever.

    The lead time is a p90: at that age one boot in ten has not answered yet. One that answers earlier is judged from then on, whatever is left.
    """
    given = args.health_check_grace_seconds
    if given is None:
        return lift(lambda lead: min(2 * lead + GRACE_MARGIN_SECONDS, GRACE_AT_MOST_SECONDS), lead_time_seconds)
    if planned:
        with problems.collect():
            return lift(_checked_grace, given, lead_time_seconds)
    return given


def _checked_grace(grace: int, lead_time_seconds: int) -> int:
    least = min(lead_time_seconds, GRACE_AT_MOST_SECONDS)
    if grace < least:
        expected = f"at least forecast.lead_time_seconds, {least}: slower boots would be repeated forever"
        raise SettingsError("health_check_grace_seconds", grace, expected)
    return grace


def _named_ports(args: GcpInstancesArguments, problems: Problems) -> dict[str, Value[int]]:
    ports = dict(args.named_ports)
    for name in ports:
        problems.verified(f"named_ports.{name}", name, PORT_NAME)
    if args.load_balancer is not None:
        if "http" in ports:
            expected = "another name: 'http' is the load balancer's port"
            problems.refuse("named_ports.http", ports["http"], expected)
        ports["http"] = args.load_balancer.instance_port
    return dict(sorted(ports.items()))


def _update_policy(policy: GcpUpdatePolicy, zones: int, problems: Problems) -> dict[str, Any]:
    surge, unavailable = zones if policy.max_surge is None else policy.max_surge, policy.max_unavailable
    for field, value in (("max_surge", surge), ("max_unavailable", unavailable)):
        if isinstance(value, int) and not (value == 0 or zones <= value <= 1000):
            expected = f"0, or at least one for each of {zones} zones and at most 1000"
            problems.refuse(f"update_policy.{field}", value, expected)
    if surge == 0 and unavailable == 0:
        expected = "more than 0, or max_unavailable more than 0: otherwise no instance can be replaced"
        problems.refuse("update_policy.max_surge", 0, expected)
    return {
        "type": "PROACTIVE" if policy.proactive else "OPPORTUNISTIC",
        "minimal_action": "REPLACE",
        "most_disruptive_allowed_action": "REPLACE",
        "replacement_method": "SUBSTITUTE",
        "max_surge_fixed": surge,
        "max_unavailable_fixed": unavailable,
    }


def _standby(pool: GcpStandbyPool, lead_time_seconds: Value[int]) -> dict[str, Any]:
    """https://cloud.google.com/compute/docs/instance-groups/suspended-and-stopped-vms-in-mig: an instance waits once its boot is over."""
    delay = pool.initial_delay_seconds
    wait = lift(lambda lead: min(lead, 3600), lead_time_seconds) if delay is None else delay
    return {
        "standby_policy": {"mode": pool.mode, "initial_delay_sec": wait},
        "target_stopped_size": pool.stopped_size,
        "target_suspended_size": pool.suspended_size,
    }


def declare_group(
    name: str, group: Group, template: pulumi.Output[str], check: HealthCheck | None, parent: pulumi.Resource
) -> Manager:
    """Declare the managed instance group `name`, with the check that replaces its instances.

    The template is named with its unique id: one that is made again under the same name is another one.
    """
    healing = None
    if check is not None:
        child = pulumi.ResourceOptions(parent=parent)
        link = declare_health_check(f"{name}-healing", check, f"Replaces instances of {name}", child).self_link
        healing = {"health_check": link, "initial_delay_sec": group.health_check_grace_seconds}
    given: Any = {
        "base_instance_name": name,
        "versions": [{"name": "primary", "instance_template": template}],
        "named_ports": [{"name": port, "port": number} for port, number in group.named_ports.items()],
        "auto_healing_policies": healing,
        "update_policy": group.update_policy,
        **group.standby,
        "instance_lifecycle_policy": None if group.repairs else {"default_action_on_failure": "DO_NOTHING"},
    }
    opts = pulumi.ResourceOptions(parent=parent, ignore_changes=[*SIZE_OF_THE_AUTOSCALER, *NAMED_ONCE])
    if group.zone is not None:
        return gcp.compute.InstanceGroupManager(f"{name}-group", opts, **given, zone=group.zone)
    return gcp.compute.RegionInstanceGroupManager(
        f"{name}-group",
        opts,
        **given,
        region=group.region,
        distribution_policy_zones=list(group.zones) or None,
        distribution_policy_target_shape=group.target_shape,
        instance_flexibility_policy={"instance_selections": list[Any](group.selections)} if group.selections else None,
    )
