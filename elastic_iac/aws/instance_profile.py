"""The role of the instances: managed by Systems Manager, with the rights that the user names besides."""

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from elastic_iac.common.parsing import Problems
from elastic_iac.common.publish import absent
from elastic_iac.common.schema.aws import InstancesArguments

_EC2_IN_CHINA = "ec2.amazonaws.com.cn"
"""EC2's principal in the partition `aws-cn`, as IAM's console writes it there; elsewhere it is `ec2.amazonaws.com`."""


def instance_trust(partition: str) -> str:
    """Return the trust policy that lets instances take a role in the partition."""
    service = _EC2_IN_CHINA if partition == "aws-cn" else "ec2.amazonaws.com"
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


SYSTEMS_MANAGER = {"systems-manager": "AmazonSSMManagedInstanceCore"}
"""The managed policy that lets Systems Manager reach an instance (Session Manager instead of SSH)."""


def lifecycle_policy(group_arns: list[pulumi.Output[str]]) -> pulumi.Output[str]:
    """The rights by which an instance of these groups finds its group, and reports that it is ready or needs more time.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html
    """
    completing = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"]
    finding = {"Effect": "Allow", "Action": "autoscaling:DescribeAutoScalingInstances", "Resource": "*"}
    # The latter has no resource to name.
    return pulumi.Output.all(*group_arns).apply(
        lambda arns: json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": completing, "Resource": arns}, finding],
        })
    )  # fmt: skip


def declare_instances_role(
    args: InstancesArguments,
    name: str,
    parent: pulumi.Resource,
    *,
    policies: Mapping[str, str] | None = None,
    inline: Mapping[str, pulumi.Input[str]] | None = None,
) -> tuple[pulumi.Input[str], aws.iam.Role | None]:
    """The ARN of the instances' profile, and the role that is created unless the profile is the user's own.

    Besides the policies of the arguments it has policies of AWS's own by name and inline ones, by the end of the resource's name.
    """
    if args.instance_profile_arn is not None:
        return args.instance_profile_arn, None
    child, invoke = pulumi.ResourceOptions(parent=parent), pulumi.InvokeOptions(parent=parent)
    partition = aws.get_partition_output(opts=invoke).partition
    role = aws.iam.Role(
        f"{name}-instance-role",
        child,
        assume_role_policy=partition.apply(instance_trust),
        description=f"Instances of {name}",
        permissions_boundary=args.permissions_boundary_arn,
    )
    managed: dict[str, pulumi.Input[str]] = {
        key: pulumi.Output.concat("arn:", partition, ":iam::aws:policy/", policy)
        for key, policy in {**SYSTEMS_MANAGER, **(policies or {})}.items()
    }
    rights: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(f"{name}-instance-policy-{key}", child, role=role.name, policy_arn=arn)
        for key, arn in {**managed, **args.instance_policy_arns}.items()
    ]
    rights += [
        aws.iam.RolePolicy(f"{name}-instance-{key}", child, role=role.name, policy=policy)
        for key, policy in (inline or {}).items()
    ]
    # An instance that boots before its policies are attached does not register with Systems Manager for half an hour.
    after = pulumi.ResourceOptions(parent=parent, depends_on=rights)
    return aws.iam.InstanceProfile(f"{name}-instance-profile", after, role=role.name).arn, role


def refuse_beside_own_profile(args: InstancesArguments, problems: Problems, *others: str) -> None:
    """Refuse rights for a role that is not created; `others` are arguments whose work needs that role."""
    if args.instance_profile_arn is None:
        return
    for field in ("instance_policy_arns", "permissions_boundary_arn", *others):
        if getattr(args, field):
            problems.refuse(field, "given", "nothing beside instance_profile_arn: no role is created for the instances")


def role_outputs(role: aws.iam.Role | None) -> dict[str, pulumi.Output[str | None]]:
    """ARN and name of the role as outputs of a component, absent without one."""
    return {
        "instance_role_arn": role.arn if role else absent(),
        "instance_role_name": role.name if role else absent(),
    }
