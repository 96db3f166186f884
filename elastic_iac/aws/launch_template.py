"""What an instance is launched with."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import image as images
from elastic_iac.aws.args import AwsRootVolume
from elastic_iac.validation import ARN, INSTANCE_TYPE, boolean, checked, matching, refuse_unknown, whole
from forecasting.errors import SettingsError

USER_DATA_LIMIT_BYTES = 16 * 1024
"""EC2's limit before the base64 encoding: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html"""

_DEVICE = matching(r"/dev/[a-z0-9/]+", "a device such as '/dev/xvda'")


@dataclass(frozen=True)
class Launch:
    """The checked arguments that the launch template is made of."""

    instance_type: pulumi.Output[str]
    user_data: pulumi.Output[str] | None
    root_volume: aws.ec2.LaunchTemplateBlockDeviceMappingArgs
    ebs_optimized: pulumi.Output[bool]
    detailed_monitoring: pulumi.Output[bool]
    market_type: str | None = None
    """'capacity-block'; on demand otherwise, and what is spot is the group's to say."""
    efa_interfaces: int = 0
    """Elastic Fabric Adapters of an instance."""
    host_resource_group_arn: pulumi.Output[str] | None = None
    """Where Dedicated Hosts are taken from."""


def settle_launch(args: Mapping[str, Any]) -> Launch:
    """Check what instances are launched with.

    Raises:
        SettingsError: the first wrong literal.
    """
    user_data = args.get("user_data")
    return Launch(
        instance_type=checked("instance_type", args["instance_type"], INSTANCE_TYPE),
        user_data=None if user_data is None else checked("user_data", user_data, encoded),
        root_volume=_root_volume(args.get("root_volume", {"size_gib": 20})),
        ebs_optimized=checked("ebs_optimized", args.get("ebs_optimized", True), boolean),
        detailed_monitoring=checked("detailed_monitoring", args.get("detailed_monitoring", True), boolean),
    )


def encoded(field: str, value: object) -> str:
    """The user data as the launch template wants it, in base64."""
    if not isinstance(value, str):
        raise SettingsError(field, value, "a text")
    data = value.encode()
    if len(data) > USER_DATA_LIMIT_BYTES:
        raise SettingsError(
            field, f"{len(data)} bytes", f"at most {USER_DATA_LIMIT_BYTES} bytes: fetch the rest at boot"
        )
    return base64.b64encode(data).decode("ascii")


def _root_volume(volume: AwsRootVolume) -> aws.ec2.LaunchTemplateBlockDeviceMappingArgs:
    refuse_unknown("root_volume", volume, AwsRootVolume)
    iops, throughput, key = volume.get("iops"), volume.get("throughput_mib"), volume.get("kms_key_arn")
    return aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
        device_name=checked("root_volume.device_name", volume.get("device_name", "/dev/xvda"), _DEVICE),
        ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            volume_size=checked("root_volume.size_gib", volume["size_gib"], whole(1, 16_384)),
            volume_type="gp3",
            encrypted="true",
            delete_on_termination="true",
            iops=None if iops is None else checked("root_volume.iops", iops, whole(3000, 80_000)),
            throughput=None
            if throughput is None
            else checked("root_volume.throughput_mib", throughput, whole(125, 2000)),
            kms_key_id=None if key is None else checked("root_volume.kms_key_arn", key, ARN),
        ),
    )


def launch_template_args(
    launch: Launch,
    *,
    image_id: pulumi.Input[str],
    instance_profile_arn: pulumi.Input[str],
    security_group_ids: list[pulumi.Input[str]],
    tags: pulumi.Output[Mapping[str, str]],
) -> aws.ec2.LaunchTemplateArgs:
    """The launch template: IMDSv2 only, an encrypted root volume, an instance profile.

    The default version follows, so that launches by hand are like the group's; the group itself names a version by its number.
    """
    interfaces = _interfaces(launch.efa_interfaces, security_group_ids)
    return aws.ec2.LaunchTemplateArgs(
        image_id=image_id,
        instance_type=launch.instance_type,
        user_data=launch.user_data,
        block_device_mappings=[launch.root_volume],
        ebs_optimized=launch.ebs_optimized.apply(lambda optimized: str(optimized).lower()),
        iam_instance_profile=aws.ec2.LaunchTemplateIamInstanceProfileArgs(arn=instance_profile_arn),
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled",
            http_tokens="required",
            http_put_response_hop_limit=2,  # one more than the instance itself, for a container's bridge
        ),
        monitoring=aws.ec2.LaunchTemplateMonitoringArgs(enabled=launch.detailed_monitoring),
        vpc_security_group_ids=None if interfaces else security_group_ids,
        network_interfaces=interfaces or None,
        placement=None
        if launch.host_resource_group_arn is None
        else aws.ec2.LaunchTemplatePlacementArgs(
            tenancy="host", host_resource_group_arn=launch.host_resource_group_arn
        ),
        instance_market_options=None
        if launch.market_type is None
        else aws.ec2.LaunchTemplateInstanceMarketOptionsArgs(market_type=launch.market_type),
        tag_specifications=[aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type="volume", tags=tags)],
        update_default_version=True,
    )


def _interfaces(
    adapters: int, security_group_ids: list[pulumi.Input[str]]
) -> list[aws.ec2.LaunchTemplateNetworkInterfaceArgs]:
    """The network interfaces of an instance with Elastic Fabric Adapters; the group gives the subnet.

    One adapter is the primary interface itself. With more network cards the primary one is for IP, and each card has an adapter of its own:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html
    """
    places = {
        0: [],
        1: [("efa", 0, 0)],
    }.get(
        adapters,
        [("interface", 0, 0), ("efa-only", 0, 1), *(("efa-only", card, 0) for card in range(1, adapters))],
    )
    return [
        aws.ec2.LaunchTemplateNetworkInterfaceArgs(
            interface_type=kind,
            network_card_index=card,
            device_index=device,
            security_groups=security_group_ids,
            delete_on_termination="true",
        )
        for kind, card, device in places
    ]


def declare_launch_template(
    name: str,
    launch: Launch,
    image: images.Image,
    *,
    profile: aws.iam.InstanceProfile,
    security_group_ids: list[pulumi.Input[str]],
    tags: pulumi.Output[Mapping[str, str]],
    child: pulumi.ResourceOptions,
    invoke: pulumi.InvokeOptions,
) -> aws.ec2.LaunchTemplate:
    """Declare the launch template of the group `name`, with its image held where a parameter names it."""
    newest = images.resolve_image(image, invoke)
    template = aws.ec2.LaunchTemplate(
        f"{name}-launch-template",
        launch_template_args(
            launch,
            image_id=newest,
            instance_profile_arn=profile.arn,
            security_group_ids=security_group_ids,
            tags=tags,
        ),
        pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(ignore_changes=image.ignored_changes)),
    )
    if image.parameter is not None:
        images.report_held_image(template, newest, image.parameter)
    return template
