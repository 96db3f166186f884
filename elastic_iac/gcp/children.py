"""Resources of a group, declared under its component: the same for a group and for a pool of accelerators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpInstancesArguments, GcpLoadBalancer
from elastic_iac.gcp import autoscaler as autoscalers
from elastic_iac.gcp import group as groups
from elastic_iac.gcp import health, identity
from elastic_iac.gcp import image as images
from elastic_iac.gcp import instance_template as templates
from elastic_iac.gcp import load_balancer as load_balancers

Manager = gcp.compute.RegionInstanceGroupManager | gcp.compute.InstanceGroupManager
Autoscaler = gcp.compute.RegionAutoscaler | gcp.compute.Autoscaler


@dataclass(frozen=True)
class Instances:
    """The configuration that groups and pools share.

    Attributes:
        name: Prefix of the resources' names.
        args: The arguments of the group or the pool.
        image: Source of the image.
        launch: Parts of the instance template.
        group: The managed instance group.
        health_check: The check by which instances are replaced.
        load_balancer: The load balancer's arguments.
        roles: Roles of the instances besides writing logs and metrics.
    """

    name: str
    args: GcpInstancesArguments
    image: images.Image
    launch: templates.Launch
    group: groups.Group
    health_check: health.HealthCheck | None
    load_balancer: GcpLoadBalancer | None
    roles: Mapping[str, Value[str]]

    @property
    def unique_id(self) -> str:
        """Label of the instances, unique within the project."""
        return identity.unique_id(self.name)

    @property
    def labels(self) -> Value[dict[str, Value[str]]]:
        """Labels of the instances, their disks and the template."""
        return lift(self._labelled, self.args.labels)

    def _labelled(self, labels: Mapping[str, Value[str]]) -> dict[str, Value[str]]:
        return {**labels, templates.FLEET_LABEL: self.unique_id}

    @property
    def probed_ports(self) -> list[Value[int]]:
        """Ports of the load balancer's and the health checks' requests."""
        balancer, check = self.load_balancer, self.health_check
        return [part for part in (balancer and balancer.instance_port, check and check.port) if part is not None]


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


@dataclass(frozen=True)
class Identity:
    """Who the instances are, and what lets them be that."""

    account: gcp.serviceaccount.Account
    roles: Sequence[pulumi.Resource]


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

    def identity(self, config: Instances) -> Identity:
        """A service account of the instances' own with its roles."""
        account = gcp.serviceaccount.Account(
            f"{self.prefix}-instances",
            identity.account_args(self.prefix, identity.unique_id(self.prefix)),
            pulumi.ResourceOptions.merge(self._child, identity.NAMED_ONCE),
        )
        wanted = {**identity.OBSERVABILITY_ROLES, **config.roles}
        roles: list[pulumi.Resource] = [
            gcp.projects.IAMMember(
                f"{self.prefix}-instances-{key}",
                identity.role_args(role, project=account.project, member=account.member),
                self._child,
            )
            for key, role in wanted.items()
        ]
        return Identity(account, roles)

    def firewall(self, config: Instances, owner: Identity) -> None:
        """What lets Google's probes in, where there are any."""
        ports = config.probed_ports
        if ports:
            gcp.compute.Firewall(
                f"{self.prefix}-probes",
                health.firewall_args(
                    ports,
                    network=config.args.network,
                    service_account=owner.account.email,
                    description=f"Health checks and the load balancer of {self.prefix}",
                ),
                self._child,
            )

    def node_firewall(self, config: Instances, owner: Identity) -> None:
        """What lets the group's own instances reach each other."""
        gcp.compute.Firewall(
            f"{self.prefix}-nodes",
            health.node_firewall_args(
                network=config.args.network,
                service_account=owner.account.email,
                description=f"Traffic among the nodes of {self.prefix}",
            ),
            self._child,
        )

    def template(self, config: Instances, owner: Identity) -> gcp.compute.InstanceTemplate:
        """The instance template; where its image is held and has moved on, the log says so."""
        newest = images.resolve_image(config.image, pulumi.InvokeOptions(parent=self.component))
        template = gcp.compute.InstanceTemplate(
            f"{self.prefix}-template",
            templates.template_args(
                config.launch,
                source_image=newest,
                network=config.args.network,
                subnetwork=config.args.subnetwork,
                service_account=owner.account.email,
                labels=config.labels,
            ),
            # An instance that boots before its roles are granted loses its first logs.
            pulumi.ResourceOptions(
                parent=self.component,
                depends_on=owner.roles,
                ignore_changes=[*config.image.ignored_changes, *templates.LABELS_OF_THE_GROUP],
            ),
        )
        if config.probed_ports:
            images.warn_if_nothing_answers(config.image, config.launch.metadata, template)
        if config.image.family is not None:
            images.report_held_image(template, newest, config.image.family)
        return template

    def group(self, config: Instances, template: gcp.compute.InstanceTemplate) -> Manager:
        """The managed instance group, with the check that replaces its instances."""
        name, group, check = self.prefix, config.group, config.health_check
        healing = None
        if check is not None:
            healing = gcp.compute.HealthCheck(
                f"{name}-healing", health.health_check_args(check, f"Replaces instances of {name}"), self._child
            )
        shared: Any = groups.group_args(
            name, group, template=template.self_link_unique, health_check=healing.self_link if healing else None
        )
        opts = pulumi.ResourceOptions(
            parent=self.component, ignore_changes=[*groups.SIZE_OF_THE_AUTOSCALER, *groups.NAMED_ONCE]
        )
        if group.zone is not None:
            return gcp.compute.InstanceGroupManager(f"{name}-group", opts, **shared, zone=group.zone)
        return gcp.compute.RegionInstanceGroupManager(
            f"{name}-group", opts, **shared, **groups.regional_args(group), region=group.region
        )

    def front(self, balancer: GcpLoadBalancer, group: Manager) -> Front:
        """The load balancer before the group."""
        name = self.prefix
        check = gcp.compute.HealthCheck(
            f"{name}-serving",
            health.health_check_args(health.serving_check(balancer), f"Who gets requests of {name}"),
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
            f"{name}-address", load_balancers.address_args("Load balancer of a managed instance group"), self._child
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
        return Front(scheme=load_balancers.scheme_of(balancer), address=address, backend_service=service, rules=rules)

    def _proxies(self, balancer: GcpLoadBalancer, routes: gcp.compute.URLMap) -> dict[str, pulumi.Output[str]]:
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
