"""What a group consists of, settled and declared under its component: the same for a group and for a pool of accelerators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.validation import checked, matching, number, plain_map, text_map
from elastic_iac.gcp import autoscaler as autoscalers
from elastic_iac.gcp import group as groups
from elastic_iac.gcp import health, identity
from elastic_iac.gcp import image as images
from elastic_iac.gcp import instance_template as templates
from elastic_iac.gcp import load_balancer as load_balancers
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs

NAME = matching(
    r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?",
    "1 to 40 lower-case letters, digits and inner hyphens, a letter first: it becomes part of names in the cloud",
)
_HOST = r"(https://www\.googleapis\.com/compute/v1/)?"
_NETWORK = matching(
    _HOST + r"projects/[^/\s]+/global/networks/[a-z0-9-]+", "a network, 'projects/PROJECT/global/networks/NAME'"
)
_SUBNETWORK = matching(
    _HOST + r"projects/[^/\s]+/regions/[a-z0-9-]+/subnetworks/[a-z0-9-]+",
    "a subnetwork, 'projects/PROJECT/regions/REGION/subnetworks/NAME'",
)
_ROLE = matching(r"(roles|(projects|organizations)/[^/\s]+/roles)/[\w.]+", "a role, 'roles/...'")

Manager = gcp.compute.RegionInstanceGroupManager | gcp.compute.InstanceGroupManager
Autoscaler = gcp.compute.RegionAutoscaler | gcp.compute.Autoscaler


@dataclass(frozen=True)
class Settled:
    """The arguments that groups and pools share, checked; made before anything is registered."""

    network: pulumi.Output[str]
    subnetwork: pulumi.Output[str]
    image: images.Image
    launch: templates.Launch
    group: groups.Group
    health_check: health.HealthCheck | None
    load_balancer: load_balancers.LoadBalancer | None
    roles: dict[str, pulumi.Output[str]]
    labels: pulumi.Output[Mapping[str, str]]
    unique_id: str

    @property
    def probed_ports(self) -> list[pulumi.Output[int]]:
        """The ports that the load balancer and the health checks ask at."""
        balancer, check = self.load_balancer, self.health_check
        return [part for part in (balancer and balancer.instance_port, check and check.port) if part is not None]


def settle(name: str, args: GcpAutoscalingGroupArgs) -> Settled:
    """Check the arguments of the group `name`, all but those of its autoscaler and its forecast.

    Raises:
        SettingsError: the first wrong literal.
    """
    balancer = args.get("load_balancer")
    unique_id = identity.unique_id(name)
    settled = Settled(
        network=checked("network", args["network"], _NETWORK),
        subnetwork=checked("subnetwork", args["subnetwork"], _SUBNETWORK),
        image=images.settle_image(args),
        launch=templates.settle_launch(args),
        load_balancer=None if balancer is None else load_balancers.settle_load_balancer(balancer),
        group=groups.settle_group(args),
        health_check=health.settle_health_check(args),
        roles={
            key: checked(f"instance_roles.{key}", role, _ROLE)
            for key, role in plain_map("instance_roles", args.get("instance_roles", {})).items()
        },
        labels=checked("labels", args.get("labels", {}), text_map).apply(
            lambda labels: {**labels, templates.FLEET_LABEL: unique_id}
        ),
        unique_id=unique_id,
    )
    if "saturated_cpu_percent" in args["forecast"]:
        checked("forecast.saturated_cpu_percent", args["forecast"]["saturated_cpu_percent"], number(0, 100))
    return settled


@dataclass(frozen=True)
class Front:
    """A load balancer: its address and its backend service; utilisation is measured once `rules` stand."""

    scheme: str
    address: gcp.compute.GlobalAddress
    backend_service: gcp.compute.BackendService
    rules: list[gcp.compute.GlobalForwardingRule]

    @property
    def url(self) -> pulumi.Output[str]:
        """Where it answers, without a path."""
        return self.address.address.apply(lambda address: f"{self.scheme}://{address}")


@dataclass(frozen=True)
class Identity:
    """Who the instances are, and what lets them be that."""

    account: gcp.serviceaccount.Account
    roles: list[gcp.projects.IAMMember]


@dataclass(frozen=True)
class Children:
    """Declares the resources of one group: `prefix` begins their names, the component is their parent."""

    prefix: str
    component: pulumi.Resource

    @property
    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self.component)

    @property
    def provider(self) -> pulumi.Output[gcp.organizations.GetClientConfigResult]:
        """Project and region of the component's provider: known in a preview."""
        return gcp.organizations.get_client_config_output(opts=pulumi.InvokeOptions(parent=self.component))

    def identity(self, settled: Settled) -> Identity:
        """A service account of the instances' own with its roles."""
        account = gcp.serviceaccount.Account(
            f"{self.prefix}-instances", identity.account_args(self.prefix, identity.unique_id(self.prefix)), self._child
        )
        wanted = {**identity.OBSERVABILITY_ROLES, **settled.roles}
        roles = [
            gcp.projects.IAMMember(
                f"{self.prefix}-instances-{key}",
                identity.role_args(role, project=account.project, member=account.member),
                self._child,
            )
            for key, role in wanted.items()
        ]
        return Identity(account, roles)

    def firewall(self, settled: Settled, owner: Identity) -> None:
        """What lets Google's probes in, where there are any."""
        ports = settled.probed_ports
        if ports:
            gcp.compute.Firewall(
                f"{self.prefix}-probes",
                health.firewall_args(
                    ports,
                    network=settled.network,
                    service_account=owner.account.email,
                    description=f"Health checks and the load balancer of {self.prefix}",
                ),
                self._child,
            )

    def node_firewall(self, settled: Settled, owner: Identity) -> None:
        """What lets the group's own instances reach each other."""
        gcp.compute.Firewall(
            f"{self.prefix}-nodes",
            health.node_firewall_args(
                network=settled.network,
                service_account=owner.account.email,
                description=f"Traffic among the nodes of {self.prefix}",
            ),
            self._child,
        )

    def template(self, settled: Settled, owner: Identity) -> gcp.compute.InstanceTemplate:
        """The instance template; where its image is held and has moved on, the log says so."""
        newest = images.resolve_image(settled.image, pulumi.InvokeOptions(parent=self.component))
        template = gcp.compute.InstanceTemplate(
            f"{self.prefix}-template",
            templates.template_args(
                settled.launch,
                source_image=newest,
                network=settled.network,
                subnetwork=settled.subnetwork,
                service_account=owner.account.email,
                labels=settled.labels,
            ),
            # An instance that boots before its roles are granted loses its first logs.
            pulumi.ResourceOptions(
                parent=self.component, depends_on=owner.roles, ignore_changes=settled.image.ignored_changes
            ),
        )
        if settled.image.family is not None:
            images.report_held_image(template, newest, settled.image.family)
        return template

    def group(self, settled: Settled, template: gcp.compute.InstanceTemplate) -> Manager:
        """The managed instance group, with the check that replaces its instances."""
        name, group, check = self.prefix, settled.group, settled.health_check
        healing = None
        if check is not None:
            healing = gcp.compute.HealthCheck(
                f"{name}-healing", health.health_check_args(check, f"Replaces instances of {name}"), self._child
            )
        shared: Any = groups.group_args(
            name, group, template=template.self_link_unique, health_check=healing.self_link if healing else None
        )
        opts = pulumi.ResourceOptions(parent=self.component, ignore_changes=groups.SIZE_OF_THE_AUTOSCALER)
        if group.zone is not None:
            return gcp.compute.InstanceGroupManager(f"{name}-group", opts, **shared, zone=group.zone)
        return gcp.compute.RegionInstanceGroupManager(
            f"{name}-group", opts, **shared, **groups.regional_args(group), region=group.region
        )

    def front(self, balancer: load_balancers.LoadBalancer, group: Manager) -> Front:
        """The load balancer before the group."""
        name = self.prefix
        check = gcp.compute.HealthCheck(
            f"{name}-serving",
            health.health_check_args(balancer.health_check, f"Who gets requests of {name}"),
            self._child,
        )
        service = gcp.compute.BackendService(
            f"{name}-backend",
            load_balancers.backend_service_args(
                balancer,
                group=group.instance_group,
                health_check=check.self_link,
                description=f"Instances of {name}",
            ),
            self._child,
        )
        routes = gcp.compute.URLMap(
            f"{name}-routes", gcp.compute.URLMapArgs(default_service=service.self_link), self._child
        )
        address = gcp.compute.GlobalAddress(
            f"{name}-address", load_balancers.address_args(f"Load balancer of {name}"), self._child
        )
        proxies = self._proxies(balancer, routes)
        ports = {"http": 80, "https": 443}
        rules = [
            gcp.compute.GlobalForwardingRule(
                f"{name}-{scheme}",
                load_balancers.forwarding_rule_args(proxy, ports[scheme], address.address),
                self._child,
            )
            for scheme, proxy in proxies.items()
        ]
        return Front(scheme=balancer.scheme, address=address, backend_service=service, rules=rules)

    def _proxies(
        self, balancer: load_balancers.LoadBalancer, routes: gcp.compute.URLMap
    ) -> dict[str, pulumi.Output[str]]:
        """Proxies by scheme: what forwards, and with a certificate what sends HTTP there."""
        name, certificate = self.prefix, balancer.certificate
        if certificate is None:
            proxy = gcp.compute.TargetHttpProxy(
                f"{name}-http-proxy", gcp.compute.TargetHttpProxyArgs(url_map=routes.self_link), self._child
            )
            return {"http": proxy.self_link}
        policy = gcp.compute.SSLPolicy(f"{name}-tls", load_balancers.tls_policy_args(), self._child)
        secure = gcp.compute.TargetHttpsProxy(
            f"{name}-https-proxy",
            gcp.compute.TargetHttpsProxyArgs(
                url_map=routes.self_link, ssl_certificates=[certificate], ssl_policy=policy.self_link
            ),
            self._child,
        )
        redirect = gcp.compute.URLMap(f"{name}-redirect", load_balancers.redirect_args(), self._child)
        plain = gcp.compute.TargetHttpProxy(
            f"{name}-http-proxy", gcp.compute.TargetHttpProxyArgs(url_map=redirect.self_link), self._child
        )
        return {"https": secure.self_link, "http": plain.self_link}

    def autoscaler(
        self, policy: autoscalers.Autoscaler, place: groups.Group, group: Manager, front: Front | None
    ) -> Autoscaler:
        """The autoscaler of the group."""
        name = f"{self.prefix}-autoscaler"
        given: Any = {"target": group.self_link, "autoscaling_policy": policy.policy}
        opts = pulumi.ResourceOptions(
            parent=self.component,
            # Its own option, since one on the component would not reach it.
            ignore_changes=autoscalers.SCHEDULES_OF_THE_JOB,
            # Load-balancing utilisation is refused until the group stands behind a load balancer.
            depends_on=front.rules if front else None,
        )
        if place.zone is not None:
            return gcp.compute.Autoscaler(name, opts, **given, zone=place.zone)
        return gcp.compute.RegionAutoscaler(name, opts, **given, region=place.region)

    def target(self, place: groups.Group, group: Manager, autoscaler: Autoscaler) -> dict[str, pulumi.Input[str]]:
        """What the job scales: the fields of `forecasting.settings.GcpTarget`."""
        provider = self.provider
        return {
            "project": provider.project,
            "location": place.zone or place.region or provider.region,
            "autoscaler": autoscaler.name,
            "group": group.name,
            "kind": "regional" if place.zone is None else "zonal",
        }
