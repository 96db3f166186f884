"""A global external application load balancer in front of a group: HTTPS where there is a certificate."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.schema.gcp import GcpLoadBalancer
from elastic_iac.gcp.health import HealthCheck, declare_health_check

_SCHEME = "EXTERNAL_MANAGED"
_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Front:
    """A load balancer: its address and its backend service. Utilisation is measured once it has its `rules`."""

    scheme: str
    address: gcp.compute.GlobalAddress
    backend_service: gcp.compute.BackendService
    rules: list[gcp.compute.GlobalForwardingRule]

    @property
    def url(self) -> pulumi.Output[str]:
        """Where it answers, without a path."""
        return self.address.address.apply(lambda address: f"{self.scheme}://{address}")


def declare_front(
    name: str, balancer: GcpLoadBalancer, instance_group: pulumi.Output[str], child: pulumi.ResourceOptions
) -> Front:
    """Declare the load balancer of the group `name`, with one address for both ports, for a DNS record that stays."""
    serving = HealthCheck(balancer.instance_port, balancer.health_check_path, balancer.health_check_interval_seconds)
    rate = balancer.max_rate_per_instance
    backend: Any = {"group": instance_group, "balancing_mode": "RATE", "max_rate_per_instance": rate}
    if rate is None:
        backend = {"group": instance_group, "balancing_mode": "UTILIZATION", "max_utilization": 0.8}
    service = gcp.compute.BackendService(
        f"{name}-backend",
        child,
        description=f"Instances of {name}",
        load_balancing_scheme=_SCHEME,
        protocol="HTTP",
        port_name="http",
        backends=[backend],
        health_checks=declare_health_check(f"{name}-serving", serving, f"Who gets requests of {name}", child).self_link,
        connection_draining_timeout_sec=balancer.deregistration_delay_seconds,
        timeout_sec=balancer.response_timeout_seconds,
        security_policy=balancer.security_policy,
    )
    routes = gcp.compute.URLMap(f"{name}-routes", child, default_service=service.self_link)
    address = gcp.compute.GlobalAddress(
        f"{name}-address",
        child,
        description="Load balancer of a managed instance group",
        address_type="EXTERNAL",
        ip_version="IPV4",
    )
    proxies = _proxies(name, balancer, routes, child)
    rules = [
        gcp.compute.GlobalForwardingRule(
            f"{name}-{scheme}",
            child,
            target=proxy,
            port_range=_PORTS[scheme],
            ip_address=address.address,
            ip_protocol="TCP",
            load_balancing_scheme=_SCHEME,
        )
        for scheme, proxy in proxies.items()
    ]
    return Front("http" if balancer.certificate is None else "https", address, service, rules)


def _proxies(
    name: str, balancer: GcpLoadBalancer, routes: gcp.compute.URLMap, child: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    """Proxies by scheme: what forwards, and with a certificate what sends HTTP there."""
    if balancer.certificate is None:
        return {"http": gcp.compute.TargetHttpProxy(f"{name}-http-proxy", child, url_map=routes.self_link).self_link}
    # TLS 1.2 and 1.3 with the ciphers of today: https://cloud.google.com/load-balancing/docs/ssl-policies-concepts
    policy = gcp.compute.SSLPolicy(f"{name}-tls", child, profile="MODERN", min_tls_version="TLS_1_2")
    secure = gcp.compute.TargetHttpsProxy(
        f"{name}-https-proxy",
        child,
        url_map=routes.self_link,
        ssl_certificates=[balancer.certificate],
        ssl_policy=policy.self_link,
    )
    redirect = gcp.compute.URLMap(
        f"{name}-redirect",
        child,
        default_url_redirect={
            "https_redirect": True,
            "strip_query": False,
            "redirect_response_code": "MOVED_PERMANENTLY_DEFAULT",
        },
    )
    plain = gcp.compute.TargetHttpProxy(f"{name}-http-proxy", child, url_map=redirect.self_link)
    return {"https": secure.self_link, "http": plain.self_link}
