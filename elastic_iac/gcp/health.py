"""Health checks: the load balancer's, and the patient one that replaces instances."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpHealthCheck, GcpLoadBalancer

PROBE_RANGES = ["130.211.0.0/22", "35.191.0.0/16"]
"""Sources of health checks and of the load balancer's own requests: https://cloud.google.com/load-balancing/docs/health-checks#fw-rule"""

_PATIENT_SECONDS = 30


@dataclass(frozen=True)
class HealthCheck:
    """A health check over HTTP."""

    port: Value[int]
    path: Value[str]
    interval_seconds: Value[int] = _PATIENT_SECONDS


def healing_check(given: GcpHealthCheck | None, balancer: GcpLoadBalancer | None) -> HealthCheck | None:
    """The check by which instances are replaced: the one given, or the load balancer's port and path."""
    if given is not None:
        return HealthCheck(given.port, given.path, given.interval_seconds)
    return None if balancer is None else HealthCheck(balancer.instance_port, balancer.health_check_path)


def serving_check(balancer: GcpLoadBalancer) -> HealthCheck:
    """The load balancer's own check."""
    return HealthCheck(balancer.instance_port, balancer.health_check_path, balancer.health_check_interval_seconds)


def health_check_args(check: HealthCheck, description: str) -> gcp.compute.HealthCheckArgs:
    """Two good answers make an instance healthy, three bad ones unhealthy."""
    return gcp.compute.HealthCheckArgs(
        description=description,
        check_interval_sec=check.interval_seconds,
        timeout_sec=lift(lambda seconds: min(5, seconds), check.interval_seconds),
        healthy_threshold=2,
        unhealthy_threshold=3,
        http_health_check=gcp.compute.HealthCheckHttpHealthCheckArgs(
            port=check.port, request_path=check.path, port_specification="USE_FIXED_PORT"
        ),
    )


def _project(network: str) -> str:
    return network.split("projects/", 1)[1].split("/", 1)[0]


def _sorted(*ports: int) -> list[str]:
    return [str(port) for port in sorted(set(ports))]


def firewall_args(
    ports: list[Value[int]], *, network: Value[str], service_account: pulumi.Input[str], description: str
) -> gcp.compute.FirewallArgs:
    """Google's probes and load balancers reach these ports of the group's instances; this rule lets nobody else in.

    The target is the instances' service account: unlike a network tag, nobody who may only edit instances can put one on.
    """
    return gcp.compute.FirewallArgs(
        network=network,
        project=lift(_project, network),  # a shared network's rules are in its own project
        description=description,
        direction="INGRESS",
        source_ranges=PROBE_RANGES,
        target_service_accounts=[service_account],
        allows=[gcp.compute.FirewallAllowArgs(protocol="tcp", ports=lift(_sorted, *ports))],
    )


def node_firewall_args(
    *, network: Value[str], service_account: pulumi.Input[str], description: str
) -> gcp.compute.FirewallArgs:
    """Nodes of one trainer reach each other at any port: collectives choose theirs."""
    return gcp.compute.FirewallArgs(
        network=network,
        project=lift(_project, network),
        description=description,
        direction="INGRESS",
        source_service_accounts=[service_account],
        target_service_accounts=[service_account],
        allows=[gcp.compute.FirewallAllowArgs(protocol="tcp"), gcp.compute.FirewallAllowArgs(protocol="udp")],
    )
