"""The resources of a pool."""

from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import group as groups
from elastic_iac.aws import launch_template as launch_templates
from elastic_iac.aws import scaling_policies, security_groups
from elastic_iac.aws.gpu_pool import capacity_block as blocks
from elastic_iac.aws.gpu_pool.config import Partition, PoolConfig
from elastic_iac.aws.gpu_pool.workload import MANAGED_POLICIES
from elastic_iac.aws.instance_profile import aws_policy_arn, declare_instances_role, lifecycle_policy
from elastic_iac.aws.load_balancer import Front, declare_front
from elastic_iac.common.fleet_output import fleet_json


@dataclass(frozen=True)
class DeclaredPartition:
    """One group of the pool with its launch template, load balancer and fleet."""

    group: aws.autoscaling.Group
    template: aws.ec2.LaunchTemplate
    front: Front | None
    fleet: pulumi.Output[str] | None


@dataclass(frozen=True)
class Declared:
    """The declared resources that the component's outputs describe."""

    role: aws.iam.Role | None
    instances: aws.ec2.SecurityGroup
    partitions: list[DeclaredPartition]


@dataclass(frozen=True)
class _Shared:
    """Resources that all groups of the pool share, and the options of their children."""

    parent: pulumi.Resource
    profile_arn: pulumi.Input[str]
    instances: aws.ec2.SecurityGroup
    outbound: list[pulumi.Resource]

    @property
    def child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self.parent)

    @property
    def invoke(self) -> pulumi.InvokeOptions:
        return pulumi.InvokeOptions(parent=self.parent)


def declare(pool: PoolConfig, parent: pulumi.Resource) -> Declared:
    """Declare the pool and all that it needs, as children of `parent`."""
    child, name = pulumi.ResourceOptions(parent=parent), pool.name
    profile_arn, role = _instances_role(pool, child, pulumi.InvokeOptions(parent=parent))
    instances = security_groups.declare_security_group(
        f"{name}-instances", "Instances of a pool", vpc_id=pool.args.vpc_id, tags=pool.tags(name), child=child
    )
    outbound = security_groups.declare_outbound_rules(name, instances, child)
    if pool.nodes_talk:
        outbound += _among_nodes(name, instances, child)
    shared = _Shared(parent, profile_arn, instances, outbound)
    declared = [_partition(pool, partition, shared) for partition in pool.partitions]
    if role is not None and any(partition.group.hook for partition in pool.partitions):
        rights = lifecycle_policy([item.group.arn for item in declared])
        rights_args = aws.iam.RolePolicyArgs(role=role.name, policy=rights)
        aws.iam.RolePolicy(f"{name}-instance-lifecycle", rights_args, child)
    return Declared(role, instances, declared)


def _instances_role(
    pool: PoolConfig, child: pulumi.ResourceOptions, invoke: pulumi.InvokeOptions
) -> tuple[pulumi.Input[str], aws.iam.Role | None]:
    work = pool.partitions[0].work
    if work is None:
        return declare_instances_role(pool.args, pool.name, child=child, invoke=invoke)
    partition = aws.get_partition_output(opts=invoke).partition
    return declare_instances_role(
        pool.args,
        pool.name,
        policy_arns={key: aws_policy_arn(policy, invoke) for key, policy in MANAGED_POLICIES.items()},
        inline={"work": work.policy(partition)} if work.needs_rights else {},
        child=child,
        invoke=invoke,
    )


def _launch(pool: PoolConfig, partition: Partition, invoke: pulumi.InvokeOptions) -> launch_templates.Launch:
    if partition.work is None:
        return pool.launch
    hook = partition.group.hook
    region = aws.get_region_output(opts=invoke).region
    script = partition.work.user_data(region, hook and hook.name, hook.timeout_seconds if hook else 0)
    return replace(pool.launch, user_data=script)


def _among_nodes(name: str, instances: aws.ec2.SecurityGroup, child: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """Trainers' nodes reach each other; Elastic Fabric Adapters talk only within a security group that lets all of itself in and out."""
    itself = instances.id
    ingress = aws.vpc.SecurityGroupIngressRuleArgs(
        security_group_id=itself, ip_protocol="-1", referenced_security_group_id=itself
    )
    egress = aws.vpc.SecurityGroupEgressRuleArgs(
        security_group_id=itself, ip_protocol="-1", referenced_security_group_id=itself
    )
    return [
        aws.vpc.SecurityGroupIngressRule(f"{name}-instances-in-fabric", ingress, child),
        aws.vpc.SecurityGroupEgressRule(f"{name}-instances-out-fabric", egress, child),
    ]


def _partition(pool: PoolConfig, partition: Partition, shared: _Shared) -> DeclaredPartition:
    name, tags, args = partition.name, pool.tags(partition.name), pool.args
    front = pool.load_balancer and declare_front(
        name,
        pool.load_balancer,
        instances=shared.instances,
        vpc_id=args.vpc_id,
        subnet_ids=partition.group.subnet_ids,
        tags=tags,
        child=shared.child,
    )
    template = launch_templates.declare_launch_template(
        name,
        _launch(pool, partition, shared.invoke),
        pool.image,
        profile_arn=shared.profile_arn,
        security_group_ids=[shared.instances.id, *args.security_group_ids],
        tags=tags,
        probed=bool(front or args.target_group_arns),
        child=shared.child,
        invoke=shared.invoke,
    )
    group = _group(pool, partition, template, front, shared)
    if partition.group.hook is not None:
        hook = groups.hook_args(partition.group.hook, group.name)
        aws.autoscaling.LifecycleHook(f"{name}-ready", hook, shared.child)
    _schedules(pool, name, group, shared)
    scaling_policies.declare_target_tracking(
        name, pool.target_tracking, group_name=group.name, front=front, child=shared.child
    )
    settings = pool.fleet(
        partition,
        region=aws.get_region_output(opts=shared.invoke).region,
        group_name=group.name,
        load_balancer=front.load_balancer.arn_suffix if front else "",
    )
    fleet = None if settings is None else pulumi.Output.from_input(settings).apply(fleet_json)
    return DeclaredPartition(group, template, front, fleet)


def _group(
    pool: PoolConfig,
    partition: Partition,
    template: aws.ec2.LaunchTemplate,
    front: Front | None,
    shared: _Shared,
) -> aws.autoscaling.Group:
    name, tags = partition.name, pool.tags(partition.name)
    placement = None
    if pool.args.cluster_placement:
        placement_args = aws.ec2.PlacementGroupArgs(strategy="cluster", tags=tags)
        placement = aws.ec2.PlacementGroup(f"{name}-placement", placement_args, shared.child)
    kept = [*groups.SIZES_OF_THE_JOB, "initialLifecycleHooks"]
    return aws.autoscaling.Group(
        f"{name}-group",
        groups.group_args(
            partition.group,
            launch_template_id=template.id,
            launch_template_version=template.latest_version,
            target_group_arns=[front.target_group.arn] if front else [],
            tags=tags,
            placement_group=placement and placement.name,
        ),
        pulumi.ResourceOptions(
            parent=shared.parent,
            # The scheduled actions of Capacity Blocks own the maximum too.
            ignore_changes=[*kept, "maxSize"] if pool.blocks else kept,
            depends_on=shared.outbound,
        ),
    )


def _schedules(pool: PoolConfig, name: str, group: aws.autoscaling.Group, shared: _Shared) -> None:
    """Open and close the pool around its Capacity Blocks.

    What has been executed is gone from the cloud and stays in the state: the declaration is the same until the Block is over.
    """
    for block in pool.blocks:
        if block.is_over(pool.deployed):
            last = block is pool.blocks[-1]
            advice = "the pool stays at 0 until another is added beside it" if last else "take it out"
            pulumi.log.info(f"the Capacity Block of {block.start:%Y-%m-%d %H:%M} UTC is over: {advice}", shared.parent)
            continue
        opens = blocks.opening_of(block, pool.deployed)
        if opens is not None:
            aws.autoscaling.Schedule(
                f"{name}-block-{block.key}-opens",
                blocks.opening_args(block, group.name, opens),
                # If the Block has begun the start is that of the deployment, which is another one at the next; and the action has run, so that
                # nothing of it can be changed any more: its start would be refused as past.
                pulumi.ResourceOptions(
                    parent=shared.parent,
                    ignore_changes=["startTime", *(["minSize", "maxSize"] if block.opens <= pool.deployed else [])],
                ),
            )
        closing = blocks.closing_args(block, group.name)
        aws.autoscaling.Schedule(f"{name}-block-{block.key}-closes", closing, shared.child)
