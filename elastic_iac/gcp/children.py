"""The resources of a managed instance group: the same for a group and for a pool of accelerators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpInstancesArguments, GcpLoadBalancer
from elastic_iac.gcp import identity
from elastic_iac.gcp.autoscaler import Autoscaler, declare_autoscaler, policy_revision
from elastic_iac.gcp.fleet import Place
from elastic_iac.gcp.group import Group, Manager, declare_group
from elastic_iac.gcp.health import PROBE_RANGES, HealthCheck, declare_firewall
from elastic_iac.gcp.image import Image, warn_if_nothing_answers
from elastic_iac.gcp.instance_template import FLEET_LABEL, Launch, declare_template, group_label
from elastic_iac.gcp.load_balancer import Front, declare_front


@dataclass(frozen=True)
class Instances:
    """The configuration that groups and pools share."""

    name: str
    """Prefix of the resources' names."""
    args: GcpInstancesArguments
    image: Image
    launch: Launch
    group: Group
    health_check: HealthCheck | None
    """The check by which instances are replaced."""
    load_balancer: GcpLoadBalancer | None
    roles: Mapping[str, Value[str]]
    """Roles of the instances besides writing logs and metrics."""
    policy: dict[str, Any] | None
    """Policy of the autoscaler; None without one."""

    @property
    def unique_id(self) -> str:
        """Label of the instances, unique within the project."""
        return identity.unique_id(self.name)

    @property
    def labels(self) -> Value[dict[str, Value[str]]]:
        """Labels of the instances, their disks and the template."""
        return lift(self._labelled, self.args.labels)

    def _labelled(self, labels: Mapping[str, Value[str]]) -> dict[str, Value[str]]:
        return {**labels, FLEET_LABEL: self.unique_id}

    @property
    def probed_ports(self) -> list[Value[int]]:
        """Ports of the load balancer's and the health checks' requests."""
        balancer, check = self.load_balancer, self.health_check
        return [part for part in (balancer and balancer.instance_port, check and check.port) if part is not None]


@dataclass(frozen=True)
class Declared:
    """The resources of one group; its place is what the job scales."""

    template: gcp.compute.InstanceTemplate
    group: Manager
    front: Front | None
    autoscaler: Autoscaler | None
    place: Place | None


def declare_owner(config: Instances, parent: pulumi.Resource, *, nodes_talk: bool = False) -> identity.Identity:
    """Declare the service account of the instances and who may reach them: Google's probes, and with `nodes_talk` each other."""
    child, name, network = pulumi.ResourceOptions(parent=parent), config.name, config.args.network
    roles = {**identity.OBSERVABILITY_ROLES, **config.roles}
    owner = identity.declare_identity(f"{name}-instances", name, f"Instances of {name}", roles, child)
    if ports := config.probed_ports:
        declare_firewall(
            f"{name}-probes",
            network,
            owner.account,
            child,
            description=f"Health checks and the load balancer of {name}",
            source_ranges=PROBE_RANGES,
            allows=[
                {"protocol": "tcp", "ports": lift(lambda *known: [str(port) for port in sorted(set(known))], *ports)}
            ],
        )
    if nodes_talk:  # at any port: collectives choose theirs
        declare_firewall(
            f"{name}-nodes",
            network,
            owner.account,
            child,
            description=f"Traffic among the nodes of {name}",
            source_service_accounts=[owner.account.email],
            allows=[{"protocol": "tcp"}, {"protocol": "udp"}],
        )
    return owner


def declare_instances(config: Instances, owner: identity.Identity, parent: pulumi.Resource) -> Declared:
    """Declare the template, the group, its load balancer and its autoscaler."""
    name, place = config.name, config.group
    template = declare_template(
        name, config.launch, config.image, args=config.args, owner=owner, labels=config.labels, parent=parent
    )
    if config.probed_ports:
        warn_if_nothing_answers(config.image, config.launch.metadata, template)
    group = declare_group(name, place, template.self_link_unique, config.health_check, parent)
    child = pulumi.ResourceOptions(parent=parent)
    front = config.load_balancer and declare_front(name, config.load_balancer, group.instance_group, child)
    if config.policy is None:
        return Declared(template, group, front, None, None)
    autoscaler = declare_autoscaler(name, config.policy, place, group, front, parent)
    provider = client_config(parent)
    target = {
        "project": provider.project,
        "location": place.zone or place.region or provider.region,
        "autoscaler": autoscaler.name,
        "group": group.name,
        "kind": "regional" if place.zone is None else "zonal",
    }
    backend, revision = front.backend_service.name if front else "", policy_revision(config.policy, group.self_link)
    return Declared(
        template, group, front, autoscaler, Place(target, backend, group_label(template, config.unique_id), revision)
    )


def client_config(parent: pulumi.Resource) -> Any:
    """Project and region of the component's provider: known in a preview."""
    return gcp.organizations.get_client_config_output(opts=pulumi.InvokeOptions(parent=parent))
