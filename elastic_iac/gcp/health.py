"""Health checks: the load balancer's, and the patient one that replaces instances; and who may reach the instances."""

from dataclasses import dataclass
from typing import Any

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


def declare_health_check(
    name: str, check: HealthCheck, description: str, child: pulumi.ResourceOptions
) -> gcp.compute.HealthCheck:
    """Declare a check: two good answers make an instance healthy, three bad ones unhealthy."""
    return gcp.compute.HealthCheck(
        name,
        child,
        description=description,
        check_interval_sec=check.interval_seconds,
        timeout_sec=lift(lambda seconds: min(5, seconds), check.interval_seconds),
        healthy_threshold=2,
        unhealthy_threshold=3,
        http_health_check={"port": check.port, "request_path": check.path, "port_specification": "USE_FIXED_PORT"},
    )


def declare_firewall(
    name: str, network: Value[str], account: gcp.serviceaccount.Account, child: pulumi.ResourceOptions, **rule: Any
) -> gcp.compute.Firewall:
    """Declare a rule for the instances of a service account; what it allows is given as fields of the rule.

    Unlike a network tag, nobody who may only edit instances can put a service account on one.
    """
    return gcp.compute.Firewall(
        name,
        child,
        network=network,
        project=lift(_project, network),  # a shared network's rules are in its own project
        direction="INGRESS",
        target_service_accounts=[account.email],
        **rule,
    )


def _project(network: str) -> str:
    return network.split("projects/", 1)[1].split("/", 1)[0]
