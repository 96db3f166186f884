"""The resources of a group."""

from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import group as groups
from elastic_iac.aws.autoscaling_group.config import GroupConfig
from elastic_iac.aws.fleet import Place
from elastic_iac.aws.image import Image
from elastic_iac.aws.instance_profile import declare_instances_role, role_outputs
from elastic_iac.aws.launch_template import declare_launch_template
from elastic_iac.aws.load_balancer import Front, declare_front
from elastic_iac.aws.scaling_policies import declare_target_tracking
from elastic_iac.aws.security_groups import declare_instances
from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.common.publish import absent


def declare(config: GroupConfig, parent: pulumi.Resource) -> dict[str, pulumi.Output[Any]]:
    """Declare the group and all that it needs, as children of `parent`; the component's outputs by name."""
    child, name, args, tags = pulumi.ResourceOptions(parent=parent), config.name, config.args, config.tags
    profile_arn, role = declare_instances_role(args, name, parent)
    described = "Instances of an Auto Scaling group"
    instances, outbound = declare_instances(name, described, args.vpc_id, tags, child)
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
        return declare_launch_template(
            f"{name}{suffix}",
            config.launch,
            image,
            profile_arn=profile_arn,
            security_group_ids=[instances.id, *args.security_group_ids],
            tags=tags,
            probed=bool(front or args.target_group_arns),
            parent=parent,
        )

    template, other = template_of("", config.image), args.other_architecture_ami_id
    group = groups.declare_group(
        name,
        config.group,
        # Its own option, since one on the component would not reach the group; and no launch before the instances can reach anything.
        pulumi.ResourceOptions(parent=parent, ignore_changes=groups.SIZES_OF_THE_JOB, depends_on=outbound),
        template=template,
        front=front,
        tags=tags,
        other_template=None if other is None else template_of("-other", Image(other, None, refresh=False)),
    )
    declare_target_tracking(name, config.target_tracking, group_name=group.name, front=front, parent=parent)
    region = aws.get_region_output(opts=pulumi.InvokeOptions(parent=parent)).region
    fleet = config.fleet(Place(region, group.name, front.load_balancer.arn_suffix if front else ""))
    return {
        "group_name": group.name,
        "group_arn": group.arn,
        "launch_template_id": template.id,
        "launch_template_version": template.latest_version,
        "ami_id": template.image_id.apply(lambda image: image or ""),
        **role_outputs(role),
        "security_group_id": instances.id,
        **_front_outputs(front),
        "fleet": pulumi.Output.from_input(fleet).apply(fleet_json),
    }


def _front_outputs(front: Front | None) -> dict[str, pulumi.Output[str | None]]:
    return {
        "load_balancer_url": front.url if front else absent(),
        "load_balancer_arn": front.load_balancer.arn if front else absent(),
        "load_balancer_zone_id": front.load_balancer.zone_id if front else absent(),
        "load_balancer_dns_name": front.load_balancer.dns_name if front else absent(),
        "target_group_arn": front.target_group.arn if front else absent(),
    }
