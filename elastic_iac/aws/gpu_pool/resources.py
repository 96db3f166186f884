"""The resources of a pool."""

from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import group as groups
from elastic_iac.aws.fleet import Place
from elastic_iac.aws.gpu_pool.capacity_block import declare_schedules
from elastic_iac.aws.gpu_pool.config import Partition, PoolConfig
from elastic_iac.aws.gpu_pool.workload import MANAGED_POLICIES
from elastic_iac.aws.instance_profile import declare_instances_role, lifecycle_policy, role_outputs
from elastic_iac.aws.launch_template import Launch, declare_launch_template
from elastic_iac.aws.load_balancer import Front, declare_front
from elastic_iac.aws.scaling_policies import declare_target_tracking
from elastic_iac.aws.security_groups import declare_instances
from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.common.publish import every, only


@dataclass(frozen=True)
class _Declared:
    """One group of the pool with its launch template, load balancer and fleet."""

    group: aws.autoscaling.Group
    template: aws.ec2.LaunchTemplate
    front: Front | None
    fleet: pulumi.Output[str] | None


@dataclass(frozen=True)
class _Shared:
    """Resources that all groups of the pool share."""

    parent: pulumi.Resource
    profile_arn: pulumi.Input[str]
    instances: aws.ec2.SecurityGroup
    outbound: list[pulumi.Resource]
    region: pulumi.Output[str]


def declare(pool: PoolConfig, parent: pulumi.Resource) -> dict[str, pulumi.Output[Any]]:
    """Declare the pool and all that it needs, as children of `parent`; the component's outputs by name."""
    child, invoke, name = pulumi.ResourceOptions(parent=parent), pulumi.InvokeOptions(parent=parent), pool.name
    work = pool.partitions[0].work
    partition = aws.get_partition_output(opts=invoke).partition
    profile_arn, role = declare_instances_role(
        pool.args,
        name,
        parent,
        policies=MANAGED_POLICIES if work else None,
        inline={"work": work.policy(partition)} if work and work.needs_rights else None,
    )
    instances, outbound = declare_instances(
        name, "Instances of a pool", pool.args.vpc_id, pool.tags(name), child, nodes_talk=pool.nodes_talk
    )
    shared = _Shared(parent, profile_arn, instances, outbound, aws.get_region_output(opts=invoke).region)
    declared = [_partition(pool, each, shared) for each in pool.partitions]
    if role is not None and any(each.group.hook for each in pool.partitions):
        rights = lifecycle_policy([each.group.arn for each in declared])
        aws.iam.RolePolicy(f"{name}-instance-lifecycle", child, role=role.name, policy=rights)
    _report_blocks_over(pool, parent)
    fronts = [each.front for each in declared if each.front is not None]
    fleets = every(each.fleet for each in declared if each.fleet is not None)
    names, urls, alone = (
        every(each.group.name for each in declared),
        every(front.url for front in fronts),
        not pool.args.shards,
    )
    return {
        "fleet": only(fleets, alone=alone),
        "fleets": fleets,
        "group_name": only(names, alone=alone),
        "group_names": names,
        "launch_template_ids": every(each.template.id for each in declared),
        "ami_id": declared[0].template.image_id.apply(lambda image: image or ""),
        **role_outputs(role),
        "security_group_id": instances.id,
        "load_balancer_url": only(urls, alone=alone),
        "load_balancer_urls": urls,
        "load_balancer_arns": every(front.load_balancer.arn for front in fronts),
        "target_group_arns": every(front.target_group.arn for front in fronts),
    }


def _report_blocks_over(pool: PoolConfig, parent: pulumi.Resource) -> None:
    for block in pool.blocks:
        if block.is_over(pool.deployed):
            last = block is pool.blocks[-1]
            advice = "the pool stays at 0 until another is added beside it" if last else "take it out"
            pulumi.log.info(f"the Capacity Block of {block.start:%Y-%m-%d %H:%M} UTC is over: {advice}", parent)


def _launch(pool: PoolConfig, partition: Partition, region: pulumi.Output[str]) -> Launch:
    if partition.work is None:
        return pool.launch
    hook = partition.group.hook
    script = partition.work.user_data(region, hook and hook.name, hook.timeout_seconds if hook else 0)
    return replace(pool.launch, user_data=script)


def _partition(pool: PoolConfig, partition: Partition, shared: _Shared) -> _Declared:
    name, tags, args, parent = partition.name, pool.tags(partition.name), pool.args, shared.parent
    child = pulumi.ResourceOptions(parent=parent)
    front = pool.load_balancer and declare_front(
        name,
        pool.load_balancer,
        instances=shared.instances,
        vpc_id=args.vpc_id,
        subnet_ids=partition.group.subnet_ids,
        tags=tags,
        child=child,
    )
    template = declare_launch_template(
        name,
        _launch(pool, partition, shared.region),
        pool.image,
        profile_arn=shared.profile_arn,
        security_group_ids=[shared.instances.id, *args.security_group_ids],
        tags=tags,
        probed=bool(front or args.target_group_arns),
        parent=parent,
    )
    placement = None
    if args.cluster_placement:
        placement = aws.ec2.PlacementGroup(f"{name}-placement", child, strategy="cluster", tags=tags)
    kept = [*groups.SIZES_OF_THE_JOB, "initialLifecycleHooks"]
    group = groups.declare_group(
        name,
        partition.group,
        pulumi.ResourceOptions(
            parent=parent,
            # The scheduled actions of Capacity Blocks own the maximum too.
            ignore_changes=[*kept, "maxSize"] if pool.blocks else kept,
            depends_on=shared.outbound,
        ),
        template=template,
        front=front,
        tags=tags,
        placement_group=placement and placement.name,
    )
    for block in pool.blocks:
        if not block.is_over(pool.deployed):
            declare_schedules(name, block, group.name, pool.deployed, parent)
    declare_target_tracking(name, pool.target_tracking, group_name=group.name, front=front, parent=parent)
    settings = pool.fleet(partition, Place(shared.region, group.name, front.load_balancer.arn_suffix if front else ""))
    fleet = None if settings is None else pulumi.Output.from_input(settings).apply(fleet_json)
    return _Declared(group, template, front, fleet)
