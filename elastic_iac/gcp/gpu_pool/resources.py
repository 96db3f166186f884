"""The resources of a pool."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.gcp.autoscaler import policy_revision
from elastic_iac.gcp.children import Autoscaler, Children, Front, Identity, Manager
from elastic_iac.gcp.gpu_pool.config import Part, PoolConfig
from elastic_iac.gcp.gpu_pool.purchasing import FlexStart
from elastic_iac.gcp.instance_template import group_label


@dataclass(frozen=True)
class DeclaredPart:
    """Resources of one part of the pool."""

    part: Part
    template: gcp.compute.InstanceTemplate
    group: Manager
    front: Front | None
    autoscaler: Autoscaler | None
    fleet: pulumi.Output[str] | None


@dataclass(frozen=True)
class Declared:
    """The declared resources that the component's outputs describe."""

    owner: Identity
    parts: Sequence[DeclaredPart]
    resize_requests: dict[str, pulumi.Output[str]]


def declare(config: PoolConfig, parent: pulumi.Resource) -> Declared:
    """Declare the pool and all that it needs, as children of `parent`."""
    children, first = Children(config.name, parent), config.parts[0].instances
    owner = children.identity(first)
    owner = replace(owner, roles=[*owner.roles, *_bucket_roles(config, owner, parent)])
    children.firewall(first, owner)
    if config.running.trains:
        children.node_firewall(first, owner)
    parts = [_declare_part(config, part, owner, parent) for part in config.parts]
    flex = config.hardware.flex_start
    requests = {} if flex is None else _declare_requests(config.name, flex, parts[0], parent)
    return Declared(owner, parts, requests)


def _bucket_roles(config: PoolConfig, owner: Identity, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """Roles on the buckets of the model and the checkpoints: the project's others hold settings and records of the job."""
    return [
        gcp.storage.BucketIAMMember(
            f"{config.name}-instances-{key}",
            gcp.storage.BucketIAMMemberArgs(
                bucket=pulumi.Output.from_input(folder).apply(lambda url: url.removeprefix("gs://").split("/", 1)[0]),
                role=role,
                member=owner.account.member,
            ),
            pulumi.ResourceOptions(parent=parent),
        )
        for key, (folder, role) in config.running.folders.items()
    ]


def _declare_part(config: PoolConfig, part: Part, owner: Identity, parent: pulumi.Resource) -> DeclaredPart:
    children, instances, policy = Children(part.name, parent), part.instances, part.autoscaler
    launch = config.running.applied_to(
        instances.launch, project=children.provider.project, group_label=instances.unique_id
    )
    instances = replace(instances, launch=launch)
    template = children.template(instances, owner)
    group = children.group(instances, template)
    front = None if instances.load_balancer is None else children.front(instances.load_balancer, group)
    if policy is None:
        return DeclaredPart(part, template, group, front, None, None)
    autoscaler = children.autoscaler(policy, instances.group, group, front)
    settings = config.fleet(
        part,
        target=children.target(instances.group, group, autoscaler),
        backend_service=front.backend_service.name if front else "",
        revision=policy_revision(policy.policy, group.self_link),
        group_label=group_label(template, instances.unique_id),
    )
    fleet = None if settings is None else pulumi.Output.from_input(settings).apply(fleet_json)
    return DeclaredPart(part, template, group, front, autoscaler, fleet)


def _declare_requests(
    name: str, flex: FlexStart, declared: DeclaredPart, parent: pulumi.Resource
) -> dict[str, pulumi.Output[str]]:
    """The resize requests, for the time that is in the template too."""
    place, opts = declared.part.instances.group, pulumi.ResourceOptions(parent=parent)
    seconds = pulumi.Output.from_input(flex.run_duration_seconds).apply(str)
    found: dict[str, pulumi.Output[str]] = {}
    for key, count in flex.requests.items():
        manager = declared.group.name
        if place.zone is not None:
            request = gcp.compute.ResizeRequest(
                f"{name}-{key}",
                opts,
                instance_group_manager=manager,
                resize_by=count,
                requested_run_duration={"seconds": seconds},
                zone=place.zone,
            )
        else:
            request = gcp.compute.RegionResizeRequest(
                f"{name}-{key}",
                opts,
                instance_group_manager=manager,
                resize_by=count,
                requested_run_duration={"seconds": seconds},
                region=place.region,
            )
        found[key] = request.name
    return found
