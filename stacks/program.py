"""Settings to components to exports."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from elastic_iac import AwsAutoscalingGroup, AwsForecastJob, AwsGpuPool, GcpAutoscalingGroup, GcpForecastJob, GcpGpuPool
from stacks.settings import Stack, read_stack


def declare() -> None:
    """Declare the stack that is being deployed.

    Exports `fleets` (a list of the JSON that a forecast job reads), by name `groups` and `urls`, and `pools`, the groups of each pool;
    of a job that is deployed its `jobSettings`, `jobFunctions` and `jobAlarmTopic`. Of Google Cloud the same as `gcpFleets`, `gcpGroups`, `gcpUrls`,
    `gcpPools`, `gcpJobSettings` and `gcpJobFunctions`.
    """
    settings = read_stack(pulumi.Config(), pulumi.Config("aws"), pulumi.Config("gcp"))
    if "aws" in settings.clouds:
        _declare_aws(settings)
    if "gcp" in settings.clouds:
        _declare_gcp(settings)


def _declare_aws(settings: Stack) -> None:
    vpc_id, subnet_ids = _network(settings)
    tags = settings.default_tags.tags  # a provider's default tags do not reach an Auto Scaling group or its instances
    groups = {
        group.name: AwsAutoscalingGroup(
            f"{pulumi.get_stack()}-{group.name}", group.args(vpc_id=vpc_id, subnet_ids=subnet_ids, tags=tags)
        )
        for group in settings.groups
    }
    pools = {
        pool.name: AwsGpuPool(
            f"{pulumi.get_stack()}-{pool.name}", pool.args(vpc_id=vpc_id, subnet_ids=subnet_ids, tags=tags)
        )
        for pool in settings.gpu_pools
    }
    fleets = [group.fleet for group in groups.values()]
    fleets += [pools[pool.name].fleets[at] for pool in settings.gpu_pools for at in range(pool.fleet_count)]
    pulumi.export("fleets", fleets)
    pulumi.export("groups", {name: group.group_name for name, group in groups.items()})
    pulumi.export("pools", {name: pool.group_names for name, pool in pools.items()})
    pulumi.export("urls", {name: group.load_balancer_url for name, group in groups.items()})
    if settings.job is not None:
        job = AwsForecastJob(f"{pulumi.get_stack()}-job", settings.job.args(fleets=[*fleets], tags=tags))
        pulumi.export("jobSettings", job.settings_urls)
        pulumi.export("jobFunctions", job.function_names)
        pulumi.export("jobAlarmTopic", job.alarm_topic_arn)


def _declare_gcp(settings: Stack) -> None:
    labels, at = settings.default_tags.tags, settings.gcp_provider
    network = settings.gcp_network or f"projects/{at.project}/global/networks/default"
    subnetwork = settings.gcp_subnetwork or f"projects/{at.project}/regions/{at.region}/subnetworks/default"
    groups = {
        group.name: GcpAutoscalingGroup(
            f"{pulumi.get_stack()}-{group.name}", group.args(network=network, subnetwork=subnetwork, labels=labels)
        )
        for group in settings.gcp_groups
    }
    pools = {
        pool.name: GcpGpuPool(
            f"{pulumi.get_stack()}-{pool.name}", pool.args(network=network, subnetwork=subnetwork, labels=labels)
        )
        for pool in settings.gcp_gpu_pools
    }
    fleets = [group.fleet for group in groups.values()]
    fleets += [pools[pool.name].fleets[at] for pool in settings.gcp_gpu_pools for at in range(pool.fleet_count)]
    pulumi.export("gcpFleets", fleets)
    pulumi.export("gcpPools", {name: pool.group_names for name, pool in pools.items()})
    pulumi.export("gcpGroups", {name: group.group_name for name, group in groups.items()})
    pulumi.export("gcpUrls", {name: made.load_balancer_url for name, made in {**groups, **pools}.items()})
    if settings.gcp_job is not None:
        job = GcpForecastJob(f"{pulumi.get_stack()}-gcp-job", settings.gcp_job.args(fleets=[*fleets], labels=labels))
        pulumi.export("gcpJobSettings", job.settings_urls)
        pulumi.export("gcpJobFunctions", job.function_names)


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
