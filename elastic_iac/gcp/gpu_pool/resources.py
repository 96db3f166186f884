"""The resources of a pool."""

from dataclasses import replace
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.common.publish import every, only
from elastic_iac.gcp.children import Declared, client_config, declare_instances, declare_owner
from elastic_iac.gcp.gpu_pool.config import Part, PoolConfig
from elastic_iac.gcp.identity import Identity


def declare(config: PoolConfig, parent: pulumi.Resource) -> dict[str, pulumi.Output[Any]]:
    """Declare the pool and all that it needs, as children of `parent`; the component's outputs by name."""
    first = replace(config.parts[0].instances, name=config.name)
    owner = declare_owner(first, parent, nodes_talk=config.running.trains)
    owner = replace(owner, roles=[*owner.roles, *_bucket_roles(config, owner, parent)])
    parts = [_declare_part(config, part, owner, parent) for part in config.parts]
    fronts = [declared.front for declared, _ in parts if declared.front]
    fleets = every(fleet for _, fleet in parts if fleet is not None)
    names, urls = every(declared.group.name for declared, _ in parts), every(front.url for front in fronts)
    alone = config.args.shards is None
    return {
        "group_name": only(names, alone=alone),
        "group_names": names,
        "instance_groups": every(declared.group.instance_group for declared, _ in parts),
        "autoscaler_names": every(declared.autoscaler.name for declared, _ in parts if declared.autoscaler),
        "instance_templates": every(declared.template.self_link_unique for declared, _ in parts),
        "image": parts[0][0].template.disks.apply(lambda disks: disks[0].source_image or ""),
        "service_account_email": owner.account.email,
        "load_balancer_url": only(urls, alone=alone),
        "load_balancer_urls": urls,
        "load_balancer_addresses": every(front.address.address for front in fronts),
        "resize_requests": _declare_requests(config, parts[0][0], parent),
        "fleet": only(fleets, alone=alone),
        "fleets": fleets,
    }


def _bucket_roles(config: PoolConfig, owner: Identity, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """Roles on the buckets of the model and the checkpoints: the project's others hold settings and records of the job."""
    return [
        gcp.storage.BucketIAMMember(
            f"{config.name}-instances-{key}",
            pulumi.ResourceOptions(parent=parent),
            bucket=pulumi.Output.from_input(folder).apply(lambda url: url.removeprefix("gs://").split("/", 1)[0]),
            role=role,
            member=owner.account.member,
        )
        for key, (folder, role) in config.running.folders.items()
    ]


def _declare_part(
    config: PoolConfig, part: Part, owner: Identity, parent: pulumi.Resource
) -> tuple[Declared, pulumi.Output[str] | None]:
    instances, project = part.instances, client_config(parent).project
    launch = config.running.applied_to(instances.launch, project=project, group_label=instances.unique_id)
    declared = declare_instances(replace(instances, launch=launch), owner, parent)
    settings = declared.place and config.fleet(part, declared.place)
    return declared, None if settings is None else pulumi.Output.from_input(settings).apply(fleet_json)


def _declare_requests(config: PoolConfig, declared: Declared, parent: pulumi.Resource) -> pulumi.Output[dict[str, str]]:
    """The resize requests of flex start, for the time that is in the template too."""
    place, opts, flex = (
        config.parts[0].instances.group,
        pulumi.ResourceOptions(parent=parent),
        config.hardware.flex_start,
    )
    found: dict[str, pulumi.Output[str]] = {}
    for key, count in flex.requests.items() if flex else ():
        given: Any = {
            "instance_group_manager": declared.group.name,
            "resize_by": count,
            "requested_run_duration": {
                "seconds": pulumi.Output.from_input(flex and flex.run_duration_seconds).apply(str)
            },
        }
        if place.zone is not None:
            request = gcp.compute.ResizeRequest(f"{config.name}-{key}", opts, **given, zone=place.zone)
        else:
            request = gcp.compute.RegionResizeRequest(f"{config.name}-{key}", opts, **given, region=place.region)
        found[key] = request.name
    return pulumi.Output.all(**found).apply(dict)
