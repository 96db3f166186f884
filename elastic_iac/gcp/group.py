"""The managed instance group: where it stands, how it heals and how it takes a new template."""

import math
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.common.validation import (
    PORT,
    checked,
    checked_list,
    is_literal,
    matching,
    plain_map,
    refuse_unknown,
    whole,
)
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs, GcpUpdatePolicy
from forecasting.errors import SettingsError

SIZE_OF_THE_AUTOSCALER = ["targetSize"]
"""The autoscaler owns it; a group with one refuses to be told a size (412)."""

GRACE_AT_MOST_SECONDS = 3600
"""API, InstanceGroupManagerAutoHealingPolicy.initialDelaySec."""
GRACE_MARGIN_SECONDS = 300
"""Beyond twice the lead time: for short ones, where an image's first pull is most of a boot."""
DEFAULT_LEAD_TIME_SECONDS = 300

_REGION = matching(r"[a-z]+-[a-z]+\d+", "a region such as 'europe-west1'")
_ZONE = matching(r"[a-z]+-[a-z]+\d+-[a-z]", "a zone such as 'europe-west1-b'")
_PORT_NAME = matching(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "a port's name: lower-case letters, digits and hyphens")
_ZONES_OF_A_REGION = 3  # what the cloud picks where no zones are given


@dataclass(frozen=True)
class Group:
    """The checked arguments that the group is made of; `zone` makes it a zonal one.

    A pool may have another `target_shape` than 'EVEN', and without an autoscaler no `repairs`.
    """

    region: pulumi.Output[str] | None
    zones: list[pulumi.Output[str]]
    zone: pulumi.Output[str] | None
    health_check_grace_seconds: pulumi.Output[int]
    named_ports: dict[str, pulumi.Output[int]]
    update_policy: dict[str, Any]
    target_shape: str | None = None
    repairs: bool = True


def settle_group(args: GcpAutoscalingGroupArgs) -> Group:
    """Check the group's own arguments.

    Raises:
        SettingsError: the first wrong literal.
    """
    region, zone = args.get("region"), args.get("zone")
    zones = checked_list("zones", args.get("zones", []), _ZONE)
    _check_place(args)
    return Group(
        region=None if region is None else checked("region", region, _REGION),
        zones=zones,
        zone=None if zone is None else checked("zone", zone, _ZONE),
        health_check_grace_seconds=_grace_seconds(args),
        named_ports=_named_ports(args),
        update_policy=_update_policy(
            args.get("update_policy", {"proactive": True}), 1 if zone is not None else len(zones) or _ZONES_OF_A_REGION
        ),
    )


def _check_place(args: GcpAutoscalingGroupArgs) -> None:
    zone, zones, region = args.get("zone"), args.get("zones", []), args.get("region")
    if zone is not None and (zones or region is not None):
        field = "zones" if zones else "region"
        raise SettingsError(field, zones or region, "nothing beside zone: the group is either regional or zonal")
    known = [str(given) for given in zones if is_literal(given)]
    if len(set(known)) < len(known):
        raise SettingsError("zones", zones, "different zones")
    regions = {given.rsplit("-", 1)[0] for given in known}
    if isinstance(region, str) and known:
        regions.add(region)
    if len(regions) > 1:
        raise SettingsError("zones", zones, f"zones of one region; got {', '.join(sorted(regions))}")


def lead_time_seconds(args: GcpAutoscalingGroupArgs) -> pulumi.Output[int]:
    """Launch to first healthy answer, rounded up: the default of whatever waits for an instance."""
    return checked(
        "forecast.lead_time_seconds",
        args["forecast"].get("lead_time_seconds", DEFAULT_LEAD_TIME_SECONDS),
        _whole_seconds,
    )


def _grace_seconds(args: GcpAutoscalingGroupArgs) -> pulumi.Output[int]:
    """How long an instance is not judged: far longer than a boot that is slow, since one that is judged too early is made anew for ever.

    The lead time is a p90: at that age one boot in ten has not answered yet. One that answers earlier is judged from then on, whatever is left.
    """
    field, given = "health_check_grace_seconds", args.get("health_check_grace_seconds")
    if given is None:
        return lead_time_seconds(args).apply(lambda lead: min(2 * lead + GRACE_MARGIN_SECONDS, GRACE_AT_MOST_SECONDS))
    grace = checked(field, given, whole(0, GRACE_AT_MOST_SECONDS))
    if not args["forecast"]:  # a trainer: nobody says how long its nodes take
        return grace
    known = [given, args["forecast"].get("lead_time_seconds", DEFAULT_LEAD_TIME_SECONDS)]
    if all(map(is_literal, known)):
        _check_grace(known)
    return pulumi.Output.all(grace, lead_time_seconds(args)).apply(_check_grace)


def _check_grace(known: list[Any]) -> int:
    grace, least = int(known[0]), min(known[1], GRACE_AT_MOST_SECONDS)
    if grace < least:
        expected = f"at least forecast.lead_time_seconds, {least:g}: slow boots would be made anew for ever"
        raise SettingsError("health_check_grace_seconds", grace, expected)
    return grace


def _whole_seconds(field: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 21_600:
        raise SettingsError(field, value, "seconds from 0 to 21600")
    return math.ceil(value)


def _named_ports(args: GcpAutoscalingGroupArgs) -> dict[str, pulumi.Output[int]]:
    given = plain_map("named_ports", args.get("named_ports", {}))
    balancer = args.get("load_balancer")
    ports = {_PORT_NAME(f"named_ports.{name}", name): port for name, port in given.items()}
    if balancer is not None:
        if "http" in ports:
            raise SettingsError("named_ports.http", ports["http"], "another name: 'http' is the load balancer's port")
        ports["http"] = balancer["instance_port"]
    return {name: checked(f"named_ports.{name}", port, PORT) for name, port in sorted(ports.items())}


def _update_policy(policy: GcpUpdatePolicy, zones: int) -> dict[str, Any]:
    refuse_unknown("update_policy", policy, GcpUpdatePolicy)
    surge, unavailable = policy.get("max_surge", zones), policy.get("max_unavailable", 0)
    for field, value in (("max_surge", surge), ("max_unavailable", unavailable)):
        if isinstance(value, int | float) and 0 < value < zones:
            raise SettingsError(f"update_policy.{field}", value, f"0, or at least one for each of {zones} zones")
    if surge == 0 and unavailable == 0:
        raise SettingsError(
            "update_policy.max_surge", 0, "more than 0, or max_unavailable more than 0: else nothing can move"
        )
    if not isinstance(policy["proactive"], bool):  # pyright: ignore[reportUnnecessaryIsInstance] - other languages are not held to the type
        raise SettingsError("update_policy.proactive", policy["proactive"], "true or false")
    return {
        "type": "PROACTIVE" if policy["proactive"] else "OPPORTUNISTIC",
        "minimal_action": "REPLACE",
        "most_disruptive_allowed_action": "REPLACE",
        "replacement_method": "SUBSTITUTE",
        "max_surge_fixed": checked("update_policy.max_surge", surge, whole(0, 1000)),
        "max_unavailable_fixed": checked("update_policy.max_unavailable", unavailable, whole(0, 1000)),
    }


def group_args(
    name: str, group: Group, *, template: pulumi.Input[str], health_check: pulumi.Input[str] | None
) -> dict[str, Any]:
    """The arguments that a regional and a zonal group share; the resource's class adds the place.

    The template is named with its unique id: one that is made again under the same name is another one.
    """
    return {
        "base_instance_name": name,
        "versions": [{"name": "primary", "instance_template": template}],
        "named_ports": [{"name": port, "port": number} for port, number in group.named_ports.items()],
        "auto_healing_policies": None
        if health_check is None
        else {"health_check": health_check, "initial_delay_sec": group.health_check_grace_seconds},
        "update_policy": group.update_policy,
        "instance_lifecycle_policy": None if group.repairs else {"default_action_on_failure": "DO_NOTHING"},
    }


def regional_args(group: Group) -> dict[str, Any]:
    """What a regional group has besides: its zones, and how it spreads over them."""
    return {
        "distribution_policy_zones": group.zones or None,
        "distribution_policy_target_shape": group.target_shape,
    }
