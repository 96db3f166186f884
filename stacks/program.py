"""Settings to components to exports."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from elastic_iac import AwsAutoscalingGroup, AwsForecastJob
from stacks.settings import Stack, read_stack


def declare() -> None:
    """Declare the stack that is being deployed.

    Exports `fleets` (a list of the JSON that a forecast job reads), and by the group's name `groups` and `urls`; of a job that is deployed its
    `jobSettings`, `jobFunctions` and `jobAlarmTopic`.
    """
    settings = read_stack(pulumi.Config(), pulumi.Config("aws"))
    vpc_id, subnet_ids = _network(settings)
    tags = settings.default_tags.tags  # a provider's default tags do not reach an Auto Scaling group or its instances
    groups = {
        group.name: AwsAutoscalingGroup(
            f"{pulumi.get_stack()}-{group.name}", group.args(vpc_id=vpc_id, subnet_ids=subnet_ids, tags=tags)
        )
        for group in settings.groups
    }
    fleets = [group.fleet for group in groups.values()]
    pulumi.export("fleets", fleets)
    pulumi.export("groups", {name: group.group_name for name, group in groups.items()})
    pulumi.export("urls", {name: group.load_balancer_url for name, group in groups.items()})
    if settings.job is not None:
        job = AwsForecastJob(f"{pulumi.get_stack()}-job", settings.job.args(fleets=[*fleets], tags=tags))
        pulumi.export("jobSettings", job.settings_urls)
        pulumi.export("jobFunctions", job.function_names)
        pulumi.export("jobAlarmTopic", job.alarm_topic_arn)


def _network(settings: Stack) -> tuple[pulumi.Input[str], pulumi.Input[list[pulumi.Input[str]]]]:
    """The given network, or the account's default VPC with its default subnets, one for each zone."""
    if settings.vpc_id:
        return settings.vpc_id, list[pulumi.Input[str]](settings.subnet_ids)
    vpc = aws.ec2.get_vpc_output(default=True)
    subnets = aws.ec2.get_subnets_output(filters=vpc.id.apply(_default_subnets))
    return vpc.id, subnets.ids.apply(lambda ids: list[pulumi.Input[str]](sorted(ids)))


def _default_subnets(vpc_id: str) -> list[aws.ec2.GetSubnetsFilterArgs]:
    kind = aws.ec2.GetSubnetsFilterArgs
    return [kind(name="vpc-id", values=[vpc_id]), kind(name="default-for-az", values=["true"])]
