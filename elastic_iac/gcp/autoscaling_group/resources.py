"""The resources of a group."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from elastic_iac.gcp.autoscaling_group.config import GroupConfig
from elastic_iac.gcp.children import Autoscaler, Children, Front, Identity, Manager


@dataclass(frozen=True)
class Declared:
    """The declared resources that the component's outputs describe."""

    owner: Identity
    template: gcp.compute.InstanceTemplate
    group: Manager
    front: Front | None
    autoscaler: Autoscaler
    target: dict[str, pulumi.Input[str]]


def declare(config: GroupConfig, parent: pulumi.Resource) -> Declared:
    """Declare the group and all that it needs, as children of `parent`."""
    children, instances = Children(config.name, parent), config.instances
    owner = children.identity(instances)
    children.firewall(instances, owner)
    template = children.template(instances, owner)
    group = children.group(instances, template)
    balancer = instances.load_balancer
    front = None if balancer is None else children.front(balancer, group)
    autoscaler = children.autoscaler(config.autoscaler, instances.group, group, front)
    target = children.target(instances.group, group, autoscaler)
    return Declared(owner, template, group, front, autoscaler, target)
