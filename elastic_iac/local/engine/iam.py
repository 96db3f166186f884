"""Roles, attached policies and instance profiles."""

from __future__ import annotations

import json

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import given, tag_list, tag_map


def _create_role(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    role = cloud.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        Tags=tag_list(inputs["tags"]),
        **given(Description=inputs.get("description")),
    )["Role"]
    return Made(name, {**inputs, "name": name, "arn": role["Arn"], "uniqueId": role["RoleId"]})


def _read_role(cloud: Cloud, made: Made) -> Inputs:
    role = cloud.client("iam").get_role(RoleName=made.id)["Role"]
    return {
        "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
        "description": role.get("Description"),
        "tags": tag_map(role.get("Tags", [])),
    }


def _delete_role(cloud: Cloud, made: Made) -> None:
    cloud.client("iam").delete_role(RoleName=made.id)


def _attach(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    cloud.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return Made(name, inputs)


def _read_attachment(cloud: Cloud, made: Made) -> Inputs:
    role = made.outputs["role"]
    attached = cloud.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    arns = [policy["PolicyArn"] for policy in attached]
    return made.outputs if made.outputs["policyArn"] in arns else {}


def _detach(cloud: Cloud, made: Made) -> None:
    cloud.client("iam").detach_role_policy(RoleName=made.outputs["role"], PolicyArn=made.outputs["policyArn"])


def _create_instance_profile(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    iam = cloud.client("iam")
    profile = iam.create_instance_profile(InstanceProfileName=name, Tags=tag_list(inputs["tags"]))["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=inputs["role"])
    return Made(name, {**inputs, "name": name, "arn": profile["Arn"]})


def _read_instance_profile(cloud: Cloud, made: Made) -> Inputs:
    profile = cloud.client("iam").get_instance_profile(InstanceProfileName=made.id)["InstanceProfile"]
    roles = [role["RoleName"] for role in profile["Roles"]]
    return {"role": roles[0] if roles else None, "tags": tag_map(profile.get("Tags", []))}


def _delete_instance_profile(cloud: Cloud, made: Made) -> None:
    iam = cloud.client("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName=made.id, RoleName=made.outputs["role"])
    iam.delete_instance_profile(InstanceProfileName=made.id)


def _create_policy(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    policy = cloud.client("iam").create_policy(
        PolicyName=name,
        PolicyDocument=inputs["policy"],
        Tags=tag_list(inputs["tags"]),
        **given(Description=inputs.get("description")),
    )["Policy"]
    return Made(policy["Arn"], {**inputs, "name": name, "arn": policy["Arn"]})


def _read_policy(cloud: Cloud, made: Made) -> Inputs:
    iam = cloud.client("iam")
    policy = iam.get_policy(PolicyArn=made.id)["Policy"]
    version = iam.get_policy_version(PolicyArn=made.id, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {
        "policy": json.dumps(version["Document"]),
        "description": policy.get("Description"),
        "tags": tag_map(policy.get("Tags", [])),
    }


def _delete_policy(cloud: Cloud, made: Made) -> None:
    cloud.client("iam").delete_policy(PolicyArn=made.id)


def _create_role_policy(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    cloud.client("iam").put_role_policy(RoleName=inputs["role"], PolicyName=name, PolicyDocument=inputs["policy"])
    return Made(f"{inputs['role']}:{name}", {**inputs, "name": name})


def _read_role_policy(cloud: Cloud, made: Made) -> Inputs:
    role, name = made.id.split(":")
    found = cloud.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {"role": found["RoleName"], "policy": json.dumps(found["PolicyDocument"])}


def _delete_role_policy(cloud: Cloud, made: Made) -> None:
    role, name = made.id.split(":")
    cloud.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


HANDLERS = {
    "aws:iam/role:Role": Handler(_create_role, _read_role, _delete_role),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Handler(_attach, _read_attachment, _detach, untagged=True),
    "aws:iam/policy:Policy": Handler(_create_policy, _read_policy, _delete_policy),
    "aws:iam/rolePolicy:RolePolicy": Handler(
        _create_role_policy, _read_role_policy, _delete_role_policy, untagged=True
    ),
    "aws:iam/instanceProfile:InstanceProfile": Handler(
        _create_instance_profile, _read_instance_profile, _delete_instance_profile
    ),
}
