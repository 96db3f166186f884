"""What the instances may do: be managed by Systems Manager, and what the user names besides."""

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.aws import InstancesArguments

_EC2_IN_CHINA = "ec2.amazonaws.com.cn"
"""EC2's principal in the partition `aws-cn`, as IAM's console writes it there; elsewhere it is `ec2.amazonaws.com`."""


def instance_trust(partition: str) -> str:
    """Return the trust policy that lets instances take a role in the partition."""
    service = _EC2_IN_CHINA if partition == "aws-cn" else "ec2.amazonaws.com"
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


SYSTEMS_MANAGER = "AmazonSSMManagedInstanceCore"
"""The managed policy that lets Systems Manager reach an instance (Session Manager instead of SSH)."""


def aws_policy_arn(policy: str, opts: pulumi.InvokeOptions) -> pulumi.Output[str]:
    """The ARN of a policy of AWS's own, in the partition at hand."""
    partition = aws.get_partition_output(opts=opts).partition
    return pulumi.Output.concat("arn:", partition, ":iam::aws:policy/", policy)


def role_args(
    name: str, partition: pulumi.Output[str], permissions_boundary_arn: pulumi.Input[str] | None = None
) -> aws.iam.RoleArgs:
    """The role that instances of the group `name` take."""
    return aws.iam.RoleArgs(
        assume_role_policy=partition.apply(instance_trust),
        description=f"Instances of {name}",
        permissions_boundary=permissions_boundary_arn,
    )


def lifecycle_policy(group_arns: list[pulumi.Output[str]]) -> pulumi.Output[str]:
    """What lets an instance of these groups find its group, and say that it is ready or needs more time.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html
    """
    return pulumi.Output.all(*group_arns).apply(
        lambda arns: json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"],
                        "Resource": arns,
                    },
                    # It has no resource to name.
                    {"Effect": "Allow", "Action": "autoscaling:DescribeAutoScalingInstances", "Resource": "*"},
                ],
            }
        )
    )


def declare_instance_profile(
    name: str,
    policy_arns: Mapping[str, pulumi.Input[str]],
    *,
    permissions_boundary_arn: pulumi.Input[str] | None = None,
    inline: Mapping[str, pulumi.Input[str]] | None = None,
    child: pulumi.ResourceOptions,
    invoke: pulumi.InvokeOptions,
) -> tuple[aws.iam.InstanceProfile, aws.iam.Role]:
    """Declare the profile and the role of the group `name`.

    Args:
        name: What the names begin with.
        policy_arns: Managed policies by a name of the user's, besides Systems Manager's.
        permissions_boundary_arn: Permissions boundary of the role.
        inline: Policies of the role's own, by name.
        child: Options of every child.
        invoke: Options of the functions that are called.
    """
    partition = aws.get_partition_output(opts=invoke).partition
    role = aws.iam.Role(f"{name}-instance-role", role_args(name, partition, permissions_boundary_arn), child)
    rights: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(
            f"{name}-instance-policy-{key}",
            aws.iam.RolePolicyAttachmentArgs(role=role.name, policy_arn=arn),
            child,
        )
        for key, arn in {"systems-manager": aws_policy_arn(SYSTEMS_MANAGER, invoke), **policy_arns}.items()
    ]
    rights += [
        aws.iam.RolePolicy(f"{name}-instance-{key}", aws.iam.RolePolicyArgs(role=role.name, policy=policy), child)
        for key, policy in (inline or {}).items()
    ]
    profile = aws.iam.InstanceProfile(
        f"{name}-instance-profile",
        aws.iam.InstanceProfileArgs(role=role.name),
        # An instance that boots before its policies are attached does not register with Systems Manager for half an hour.
        pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=rights)),
    )
    return profile, role


def declare_instances_role(
    args: InstancesArguments,
    name: str,
    *,
    policy_arns: Mapping[str, pulumi.Input[str]] | None = None,
    inline: Mapping[str, pulumi.Input[str]] | None = None,
    child: pulumi.ResourceOptions,
    invoke: pulumi.InvokeOptions,
) -> tuple[pulumi.Input[str], aws.iam.Role | None]:
    """The ARN of the instances' profile, and the role that is created unless the profile is the user's own."""
    if args.instance_profile_arn is not None:
        return args.instance_profile_arn, None
    profile, role = declare_instance_profile(
        name,
        {**(policy_arns or {}), **args.instance_policy_arns},
        permissions_boundary_arn=args.permissions_boundary_arn,
        inline=inline,
        child=child,
        invoke=invoke,
    )
    return profile.arn, role


def refuse_beside_own_profile(args: InstancesArguments, problems: Problems, *others: str) -> None:
    """Refuse rights for a role that is not created; `others` are arguments whose work needs that role."""
    if args.instance_profile_arn is None:
        return
    for field in ("instance_policy_arns", "permissions_boundary_arn", *others):
        if getattr(args, field):
            problems.refuse(field, "given", "nothing beside instance_profile_arn: no role is created for the instances")


def role_outputs(role: aws.iam.Role | None) -> tuple[pulumi.Output[str | None], pulumi.Output[str | None]]:
    """ARN and name of the role, absent without one."""
    if role is None:
        nothing: pulumi.Output[str | None] = pulumi.Output.from_input(None)
        return nothing, nothing
    return role.arn.apply(_optional), role.name.apply(_optional)


def _optional(value: str) -> str | None:
    return value
