"""The resources of a group."""

from typing import Any

import pulumi

from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.common.publish import absent
from elastic_iac.gcp.autoscaling_group.config import GroupConfig
from elastic_iac.gcp.children import declare_instances, declare_owner


def declare(config: GroupConfig, parent: pulumi.Resource) -> dict[str, pulumi.Output[Any]]:
    """Declare the group and all that it needs, as children of `parent`; the component's outputs by name."""
    owner = declare_owner(config.instances, parent)
    declared = declare_instances(config.instances, owner, parent)
    group, template, front = declared.group, declared.template, declared.front
    fleet = declared.place and pulumi.Output.from_input(config.fleet(declared.place)).apply(fleet_json)
    return {
        "group_name": group.name,
        "group_self_link": group.self_link,
        "instance_group": group.instance_group,
        "autoscaler_name": declared.autoscaler.name if declared.autoscaler else absent(),
        "instance_template": template.self_link_unique,
        "image": template.disks.apply(lambda disks: disks[0].source_image or ""),
        "service_account_email": owner.account.email,
        "load_balancer_url": front.url if front else absent(),
        "load_balancer_address": front.address.address if front else absent(),
        "backend_service_name": front.backend_service.name if front else absent(),
        "fleet": fleet or absent(),
    }
