"""The resources of a group."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import group as groups
from elastic_iac.aws import launch_template as launch_templates
from elastic_iac.aws import scaling_policies, security_groups
from elastic_iac.aws.autoscaling_group.config import GroupConfig
from elastic_iac.aws.image import Image
from elastic_iac.aws.instance_profile import declare_instances_role
from elastic_iac.aws.load_balancer import Front, declare_front


@dataclass(frozen=True)
class Declared:
    """The declared resources that the component's outputs describe."""

    role: aws.iam.Role | None
    instances: aws.ec2.SecurityGroup
    front: Front | None
    template: aws.ec2.LaunchTemplate
    group: aws.autoscaling.Group


def declare(config: GroupConfig, parent: pulumi.Resource) -> Declared:
    """Declare the group and all that it needs, as children of `parent`."""
    child, invoke = pulumi.ResourceOptions(parent=parent), pulumi.InvokeOptions(parent=parent)
    name, args, tags = config.name, config.args, config.tags
    profile_arn, role = declare_instances_role(args, name, child=child, invoke=invoke)
    instances = security_groups.declare_security_group(
        f"{name}-instances", "Instances of an Auto Scaling group", vpc_id=args.vpc_id, tags=tags, child=child
    )
    outbound = security_groups.declare_outbound_rules(name, instances, child)
    front = args.load_balancer and declare_front(
        name,
        args.load_balancer,
        instances=instances,
        vpc_id=args.vpc_id,
        subnet_ids=config.group.subnet_ids,
        tags=tags,
        child=child,
    )

    def template_of(suffix: str, image: Image) -> aws.ec2.LaunchTemplate:
        return launch_templates.declare_launch_template(
            f"{name}{suffix}",
            config.launch,
            image,
            profile_arn=profile_arn,
            security_group_ids=[instances.id, *args.security_group_ids],
            tags=tags,
            probed=bool(front or args.target_group_arns),
            child=child,
            invoke=invoke,
        )

    template = template_of("", config.image)
    other = args.other_architecture_ami_id
    group = aws.autoscaling.Group(
        f"{name}-group",
        groups.group_args(
            config.group,
            launch_template_id=template.id,
            launch_template_version=template.latest_version,
            target_group_arns=[front.target_group.arn] if front else [],
            tags=tags,
            other_template=None if other is None else template_of("-other", Image(other, None, refresh=False)),
        ),
        # Its own option, since one on the component would not reach the group; and no launch before the instances can reach anything.
        pulumi.ResourceOptions(parent=parent, ignore_changes=groups.SIZES_OF_THE_JOB, depends_on=outbound),
    )
    scaling_policies.declare_target_tracking(
        name, config.target_tracking, group_name=group.name, front=front, child=child
    )
    return Declared(role=role, instances=instances, front=front, template=template, group=group)
