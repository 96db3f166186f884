"""Changes that replace nothing: a rename with an alias, a new tag, a second life of a stack."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.runtime import mocks

from elastic_iac.aws.load_balancer import name_prefix
from forecasting.settings import parse_fleet
from tests import gcp_group_args, gcp_job_args, gcp_pool_args, group_args, job_args, pool_args
from tests.recording import Mocks, Recorder, Registration
from tests.test_job_alarms import OneOf

Declare = Callable[..., tuple[Recorder, dict[str, Any]]]

COMPONENTS: Mapping[str, tuple[Declare, Any]] = {
    "AwsAutoscalingGroup": (group_args.declare, group_args.MAXIMAL),
    "AwsGpuPool": (pool_args.declare, pool_args.MAXIMAL),
    "AwsForecastJob": (job_args.declare, job_args.MAXIMAL),
    "GcpAutoscalingGroup": (gcp_group_args.declare, gcp_group_args.MAXIMAL),
    "GcpGpuPool": (gcp_pool_args.declare, gcp_pool_args.MAXIMAL),
    "GcpForecastJob": (gcp_job_args.declare, gcp_job_args.MAXIMAL),
}

REPLACED_BY: Mapping[str, frozenset[str]] = {
    kind: frozenset({"name", "namePrefix", *inputs.split()})
    for kind, inputs in {
        "aws:ec2/securityGroup:SecurityGroup": "description vpcId",
        "aws:lb/loadBalancer:LoadBalancer": "internal loadBalancerType",
        "aws:lb/targetGroup:TargetGroup": "port protocol vpcId targetType",
        "aws:iam/policy:Policy": "description path",
        "aws:autoscaling/lifecycleHook:LifecycleHook": "autoscalingGroupName",
        "aws:lambda/permission:Permission": "action function principal sourceArn sourceAccount",
        "aws:cloudwatch/dashboard:Dashboard": "dashboardName",
        "gcp:serviceaccount/account:Account": "accountId",
        "gcp:compute/globalAddress:GlobalAddress": "description",
        "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager": "baseInstanceName region",
        "gcp:compute/instanceGroupManager:InstanceGroupManager": "baseInstanceName zone",
        "gcp:projects/iAMCustomRole:IAMCustomRole": "roleId",
    }.items()
}
"""Inputs whose change makes another resource, as the providers' schemas mark them; templates are all of them."""
TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate"


class Renamed(Mocks):
    """The cloud of a stack whose component was `old` and is `new`, with an alias: names in the cloud are the first ones."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__()
        self.old, self.new = old, new

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        args.name = self.old + args.name.removeprefix(self.new)
        return super().new_resource(args)


def kept(item: Registration) -> dict[str, Any]:
    """The inputs that an update looks at: those that are ignored keep what is deployed."""
    inputs = copy.deepcopy(item.inputs)
    for path in item.ignore_changes:
        *parents, last = [part.strip('[]"') for part in re.findall(r'\["[^"]+"\]|\[\d+\]|[^.\[\]]+', path)]
        held: Any = inputs
        for part in parents:
            held = held[int(part)] if part.isdigit() else held.get(part, {})
        held.pop(last, None)
    return inputs


def differences(one: Registration, other: Registration) -> set[str]:
    before, after = kept(one), kept(other)
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


def pairs(before: Recorder, after: Recorder, old: str, new: str) -> list[tuple[Registration, Registration]]:
    named = {(item.type, item.name.removeprefix(old)): item for item in before.registrations}
    found = [(named.pop((item.type, item.name.removeprefix(new))), item) for item in after.registrations]
    assert not named
    return found


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rename_with_an_alias_replaces_nothing(component: str) -> None:
    declare, args = COMPONENTS[component]
    old, new = "first", "second-name"
    before, _ = declare(args, old, cloud=Renamed(old, old))
    after, _ = declare(args, new, cloud=Renamed(old, new))
    for one, other in pairs(before, after, old, new):
        changed = differences(one, other)
        assert not changed & REPLACED_BY.get(one.type, frozenset()), (one.type, one.name, changed)
        assert one.type != TEMPLATE or not changed, (one.name, changed)


def test_after_a_rename_the_fleet_reads_the_instances_by_the_label_that_they_have() -> None:
    class Kept(Renamed):
        def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            name, outputs = super().new_resource(args)
            if args.typ == TEMPLATE:
                outputs["labels"] = {"elastic-iac-group": "web-of-old"}
            return name, outputs

    asked: Any = gcp_group_args.changed(gcp_group_args.MINIMAL)
    asked["forecast"] = {**asked["forecast"], "saturated_cpu_percent": 85}
    _, outputs = gcp_group_args.declare(asked, "shop-web", cloud=Kept("web", "shop-web"))
    source: Any = parse_fleet(json.loads(outputs["fleet"])).source
    assert source.utilisation.user_labels == {"elastic-iac-group": "web-of-old"}


@pytest.mark.parametrize("component", ["AwsAutoscalingGroup", "AwsGpuPool"])
def test_a_new_tag_makes_no_version_of_a_launch_template(component: str) -> None:
    declare, args = COMPONENTS[component]
    name = "first"
    before, _ = declare(args, name)
    after, _ = declare({**args, "tags": {"team": "b", "cost-center": "42"}}, name)
    templates = [pair for pair in pairs(before, after, name, name) if pair[0].type.endswith(":LaunchTemplate")]
    assert templates
    assert all(not differences(one, other) for one, other in templates)
    groups = [pair for pair in pairs(before, after, name, name) if pair[0].type.endswith("group:Group")]
    assert all(differences(one, other) == {"tags"} for one, other in groups)


def test_roles_of_a_stack_that_is_deployed_again_have_ids_of_their_own() -> None:
    """A role that was deleted keeps its id for weeks."""

    def ids(life: str) -> set[str]:
        recorder, _ = gcp_job_args.declare(gcp_job_args.MINIMAL, cloud=OneOf(life))
        return {item.inputs["roleId"] for item in recorder.of(":IAMCustomRole")}

    one, other = ids("1a2b3c4"), ids("9f8e7d6")
    assert len(one) == len(other) == 4
    assert not one & other
    assert all(re.fullmatch(r"[a-zA-Z0-9_.]{3,64}", role) for role in {*one, *other})


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True))
@settings(max_examples=100)
def test_a_load_balancers_prefix_is_one_that_aws_takes(name: str) -> None:
    assert re.fullmatch(r"(?!internal-)[a-z0-9][a-z0-9-]{0,4}-", name_prefix(name))
    assert "--" not in name_prefix(name)


def test_load_balancers_of_one_environment_have_prefixes_that_tell_them_apart() -> None:
    names = ("prod-web", "prod-api", "prod-chat", "prod-llm-1", "prod-llm-2", "web")
    found = [name_prefix(name) for name in names]
    assert found == ["p-web-", "p-api-", "chat-", "llm-1-", "llm-2-", "web-"]
