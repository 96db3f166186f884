"""What the instances may do: be managed by Systems Manager, and what the user names besides."""

import json

import pulumi
import pulumi_aws as aws

INSTANCE_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def systems_manager_policy_arn(opts: pulumi.InvokeOptions) -> pulumi.Output[str]:
    """The managed policy that lets Systems Manager reach an instance (Session Manager instead of SSH), in the partition at hand."""
    partition = aws.get_partition_output(opts=opts).partition
    return pulumi.Output.concat("arn:", partition, ":iam::aws:policy/AmazonSSMManagedInstanceCore")


def role_args(name: str) -> aws.iam.RoleArgs:
    """The role that instances of the group `name` take."""
    return aws.iam.RoleArgs(assume_role_policy=INSTANCE_TRUST, description=f"Instances of {name}")
