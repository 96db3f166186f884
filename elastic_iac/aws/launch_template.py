"""The launch template of a group."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import image as images
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.aws import USER_DATA, AwsRootVolume
from elastic_iac.common.schema.base import Tags, Value

_TAGS_OF_VOLUMES = ["tagSpecifications"]
"""Set when the template is made: another version of it would replace every instance for the sake of a tag."""


@dataclass(frozen=True)
class Launch:
    """The configuration of a launch template."""

    instance_type: Value[str]
    user_data: Value[str] | None
    """In plain text."""
    root_volume: AwsRootVolume
    ebs_optimized: Value[bool]
    detailed_monitoring: Value[bool]
    key_name: Value[str] | None = None
    market_type: str | None = None
    """'capacity-block'; on demand otherwise. Spot is the group's choice."""
    efa_interfaces: int = 0
    """Elastic Fabric Adapters of an instance."""
    host_resource_group_arn: Value[str] | None = None
    """Host resource group of the Dedicated Hosts."""


def encoded(text: str) -> str:
    """The user data as the launch template needs it, in base64.

    Raises:
        SettingsError: it is too long.
    """
    return base64.b64encode(USER_DATA("user_data", text).encode()).decode("ascii")


def _interfaces(adapters: int, security_group_ids: Sequence[pulumi.Input[str]]) -> list[Any]:
    """The network interfaces of an instance with Elastic Fabric Adapters; the group gives the subnet.

    One adapter is the primary interface itself. With more network cards the primary one is for IP, and each card has an adapter of its own:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html
    """
    cards = [("interface", 0, 0), ("efa-only", 0, 1), *(("efa-only", card, 0) for card in range(1, adapters))]
    places = {0: [], 1: [("efa", 0, 0)]}.get(adapters, cards)
    return [
        {
            "interface_type": kind,
            "network_card_index": card,
            "device_index": device,
            "security_groups": security_group_ids,
            "delete_on_termination": "true",
        }
        for kind, card, device in places
    ]


def declare_launch_template(
    name: str,
    launch: Launch,
    image: images.Image,
    *,
    profile_arn: pulumi.Input[str],
    security_group_ids: Sequence[pulumi.Input[str]],
    tags: Tags,
    probed: bool,
    parent: pulumi.Resource,
) -> aws.ec2.LaunchTemplate:
    """Declare the launch template of the group `name`: IMDSv2 only, an encrypted root volume, an instance profile.

    Its image is held if a parameter names it; it is `probed` if a load balancer checks its instances. The default version follows, so that launches
    by hand are like the group's; the group itself names a version by its number.
    """
    invoke = pulumi.InvokeOptions(parent=parent)
    newest = images.resolve_image(image, invoke)
    interfaces, volume = _interfaces(launch.efa_interfaces, security_group_ids), launch.root_volume
    template = aws.ec2.LaunchTemplate(
        f"{name}-launch-template",
        pulumi.ResourceOptions(parent=parent, ignore_changes=[*image.ignored_changes, *_TAGS_OF_VOLUMES]),
        image_id=newest,
        instance_type=launch.instance_type,
        key_name=launch.key_name,
        user_data=None if launch.user_data is None else lift(encoded, launch.user_data),
        block_device_mappings=[
            {
                "device_name": images.root_device(image, newest, volume.device_name, invoke),
                "ebs": {
                    "volume_size": volume.size_gib,
                    "volume_type": "gp3",
                    "encrypted": "true",
                    "delete_on_termination": "true",
                    "iops": volume.iops,
                    "throughput": volume.throughput_mib,
                    "kms_key_id": volume.kms_key_arn,
                },
            }
        ],
        ebs_optimized=lift(lambda optimized: str(optimized).lower(), launch.ebs_optimized),
        iam_instance_profile={"arn": profile_arn},
        metadata_options={
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 2,  # one more than the instance itself, for a container's bridge
        },
        monitoring={"enabled": launch.detailed_monitoring},
        vpc_security_group_ids=None if interfaces else security_group_ids,
        network_interfaces=interfaces or None,
        placement=None
        if launch.host_resource_group_arn is None
        else {"tenancy": "host", "host_resource_group_arn": launch.host_resource_group_arn},
        instance_market_options=None if launch.market_type is None else {"market_type": launch.market_type},
        tag_specifications=[{"resource_type": "volume", "tags": tags}],
        update_default_version=True,
    )
    if probed:
        images.warn_if_nothing_answers(image, launch.user_data, template)
    if image.parameter is not None:
        images.report_held_image(template, newest, image.parameter)
    return template
