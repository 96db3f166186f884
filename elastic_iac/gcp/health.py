"""Health checks: the load balancer's, and the patient one that replaces instances."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.validation import PORT, checked, matching, refuse_unknown, whole
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs, GcpHealthCheck

PROBE_RANGES = ["130.211.0.0/22", "35.191.0.0/16"]
"""Where health checks, and the load balancer's own requests, come from: https://cloud.google.com/load-balancing/docs/health-checks#fw-rule"""

PATH = matching(r"/[\x21-\x7e]{0,1023}", "a path that begins with '/'")
INTERVAL_SECONDS = whole(5, 300)

_PATIENT_SECONDS = 30


@dataclass(frozen=True)
class HealthCheck:
    """A checked health check over HTTP."""

    port: pulumi.Output[int]
    path: pulumi.Output[str]
    interval_seconds: pulumi.Output[int]


def settle_health_check(args: GcpAutoscalingGroupArgs) -> HealthCheck | None:
    """The check by which instances are replaced: the one given, or the load balancer's port and path.

    Raises:
        SettingsError: the first wrong literal.
    """
    given, balancer = args.get("health_check"), args.get("load_balancer")
    if given is not None:
        refuse_unknown("health_check", given, GcpHealthCheck)
        return HealthCheck(
            port=checked("health_check.port", given["port"], PORT),
            path=checked("health_check.path", given.get("path", "/"), PATH),
            interval_seconds=checked(
                "health_check.interval_seconds", given.get("interval_seconds", _PATIENT_SECONDS), INTERVAL_SECONDS
            ),
        )
    if balancer is None:
        return None
    return HealthCheck(
        port=checked("load_balancer.instance_port", balancer["instance_port"], PORT),
        path=checked("load_balancer.health_check_path", balancer.get("health_check_path", "/"), PATH),
        interval_seconds=pulumi.Output.from_input(_PATIENT_SECONDS),
    )


def health_check_args(check: HealthCheck, description: str) -> gcp.compute.HealthCheckArgs:
    """Two good answers make an instance healthy, three bad ones unhealthy."""
    return gcp.compute.HealthCheckArgs(
        description=description,
        check_interval_sec=check.interval_seconds,
        timeout_sec=check.interval_seconds.apply(lambda seconds: min(5, seconds)),
        healthy_threshold=2,
        unhealthy_threshold=3,
        http_health_check=gcp.compute.HealthCheckHttpHealthCheckArgs(
            port=check.port, request_path=check.path, port_specification="USE_FIXED_PORT"
        ),
    )


def _project(network: str) -> str:
    return network.split("projects/", 1)[1].split("/", 1)[0]


def firewall_args(
    ports: list[pulumi.Output[int]],
    *,
    network: pulumi.Output[str],
    service_account: pulumi.Input[str],
    description: str,
) -> gcp.compute.FirewallArgs:
    """Google's probes and load balancers reach these ports of the group's instances; this rule lets nobody else in.

    The target is the instances' service account: unlike a network tag, nobody who may only edit instances can put one on.
    """
    numbers = pulumi.Output.all(*ports).apply(lambda known: [str(port) for port in sorted(set(known))])
    return gcp.compute.FirewallArgs(
        network=network,
        project=network.apply(_project),  # a shared network's rules stand in its own project
        description=description,
        direction="INGRESS",
        source_ranges=PROBE_RANGES,
        target_service_accounts=[service_account],
        allows=[gcp.compute.FirewallAllowArgs(protocol="tcp", ports=numbers)],
    )


def node_firewall_args(
    *, network: pulumi.Output[str], service_account: pulumi.Input[str], description: str
) -> gcp.compute.FirewallArgs:
    """Nodes of one trainer reach each other at any port: collectives choose theirs."""
    return gcp.compute.FirewallArgs(
        network=network,
        project=network.apply(_project),
        description=description,
        direction="INGRESS",
        source_service_accounts=[service_account],
        target_service_accounts=[service_account],
        allows=[gcp.compute.FirewallAllowArgs(protocol="tcp"), gcp.compute.FirewallAllowArgs(protocol="udp")],
    )
