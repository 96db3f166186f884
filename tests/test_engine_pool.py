"""Pools of GPU instances in the emulated cloud: what is created, read back, and removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pytest

from elastic_iac.aws.gpu_pool import capacity_block
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.engine import Cloud, Deployment, up
from forecasting.settings import Fleet
from tests.pool_args import BLOCKS, MAXIMAL, MINIMAL, NOW, SHARDED, changed, component

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs  # isort: skip - after the import that quiets the SDK


def network(aws: LocalAws) -> dict[str, Any]:
    """The default VPC and its subnets, in the place of the arguments' own."""
    ec2 = aws.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return {"vpc_id": vpc["VpcId"], "subnets": sorted(item["SubnetId"] for item in ec2.describe_subnets()["Subnets"])}


def deploy(aws: LocalAws, args: AwsGpuPoolArgs, **changes: Any) -> Deployment:
    place = network(aws)
    subnets: Any = args["subnet_ids"]
    given = changed(args, vpc_id=place["vpc_id"], subnet_ids=place["subnets"][: len(subnets)], **changes)

    def program() -> None:
        pool = component.AwsGpuPool("llm", given)
        pulumi.export("fleets", pool.fleets)
        pulumi.export("groups", pool.group_names)

    return up(
        program, cloud=Cloud(aws.client, aws.region), project="p", stack="test", default_tags={"environment": "test"}
    )


def described(aws: LocalAws) -> list[dict[str, Any]]:
    return aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]


EVERYTHING: dict[str, Any] = {
    "ami_ssm_parameter": None,
    "ami_id": "ami-0a",
    "security_group_ids": [],
    "root_volume": {"size_gib": 300},
}


def test_a_pool_with_a_warm_pool_is_created(aws: LocalAws) -> None:
    kinds = [{"instance_type": "g5.12xlarge"}, {"instance_type": "g6.12xlarge"}]
    changes = {"instance_types": kinds, "warm_pool": {"max_group_prepared_capacity": 4, "min_size": 1}}
    deploy(aws, MINIMAL, **changes, ami_id="ami-0a")
    (group,) = described(aws)
    assert group["WarmPoolConfiguration"]["MaxGroupPreparedCapacity"] == 4


def test_a_pool_is_created_and_removed(aws: LocalAws) -> None:
    place = network(aws)
    front = {"instance_port": 8000, "subnet_ids": place["subnets"][:2]}
    deployment = deploy(aws, MAXIMAL, load_balancer=front, **EVERYTHING)
    (group,) = described(aws)
    fleet = Fleet.model_validate_json(deployment.outputs["fleets"][0])
    assert fleet.target_key.endswith(f"/{group['AutoScalingGroupName']}")
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (8, 64, 12)
    overrides = group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [(item["InstanceType"], item["WeightedCapacity"]) for item in overrides] == [
        ("g6e.12xlarge", "4"),
        ("g6e.48xlarge", "8"),
    ]
    target = group["CapacityReservationSpecification"]["CapacityReservationTarget"]
    assert target["CapacityReservationIds"] == ["cr-0a"]
    (placement,) = aws.client("ec2").describe_placement_groups()["PlacementGroups"]
    assert (group["PlacementGroup"], placement["Strategy"]) == (placement["GroupName"], "cluster")
    asked = {"AutoScalingGroupName": group["AutoScalingGroupName"]}
    (hook,) = aws.client("autoscaling").describe_lifecycle_hooks(**asked)["LifecycleHooks"]
    assert (hook["LifecycleHookName"], hook["HeartbeatTimeout"]) == ("elastic-iac-ready", 1200)

    deployment.destroy()
    assert described(aws) == []
    assert aws.client("ec2").describe_placement_groups()["PlacementGroups"] == []
    assert aws.client("ec2").describe_launch_templates()["LaunchTemplates"] == []
    assert aws.client("iam").list_roles()["Roles"] == []


ADAPTER = [f"networkInterfaces[0].{key}" for key in ("deleteOnTermination", "interfaceType", "networkCardIndex")]
"""What the emulator forgets of a network interface."""


def test_what_the_emulator_cannot_show_is_listed(aws: LocalAws) -> None:
    front = {"instance_port": 8000, "subnet_ids": network(aws)["subnets"][:2]}
    unproven = deploy(aws, MAXIMAL, load_balancer=front, **EVERYTHING).unproven
    assert {(item.resource, item.input) for item in unproven} == {
        ("llm-group", "instanceRefresh"),  # the provider starts one when the template changes
        ("llm-group", "waitForCapacityTimeout"),  # the provider's own waiting
        *(("llm-launch-template", lost) for lost in ADAPTER),
    }


def test_every_shard_has_a_group(aws: LocalAws) -> None:
    deployment = deploy(aws, SHARDED, ami_id="ami-0a")
    sizes = {item["AutoScalingGroupName"]: (item["MinSize"], item["MaxSize"]) for item in described(aws)}
    english, german = deployment.outputs["groups"]
    assert sizes == {english: (2, 20), german: (1, 8)}


class TestCapacityBlocks:
    """The component's own actions on the controlled clock: of 23 November 11:30 to the 24th, and of the 25th to the 27th."""

    @pytest.fixture(autouse=True)
    def deployed_at(self, aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
        aws.reset(now=NOW)
        monkeypatch.setattr(capacity_block, "now", aws.clock.now)

    def sizes(self, aws: LocalAws) -> tuple[int, int, int]:
        (group,) = described(aws)
        return group["MinSize"], group["DesiredCapacity"], group["MaxSize"]

    def test_nothing_before_the_start_and_empty_before_the_last_half_hour_then_the_next(self, aws: LocalAws) -> None:
        deploy(aws, BLOCKS, ami_id="ami-0a")
        expected = {  # just before and at each edge
            "2026-11-22T20:03": (0, 0, 0),
            "2026-11-23T11:30": (0, 0, 0),
            "2026-11-23T11:31": (1, 1, 4),
            "2026-11-24T10:49": (1, 1, 4),
            "2026-11-24T10:50": (0, 0, 0),
            "2026-11-24T11:00": (0, 0, 0),
            "2026-11-25T11:30": (0, 0, 0),
            "2026-11-25T11:31": (2, 2, 8),
            "2026-11-27T10:49": (2, 2, 8),
            "2026-11-27T10:50": (0, 0, 0),
            "2026-12-27T00:00": (0, 0, 0),
        }
        found: dict[str, tuple[int, int, int]] = {}
        for moment in expected:
            aws.clock.advance_to(datetime.fromisoformat(moment).replace(tzinfo=UTC))
            found[moment] = self.sizes(aws)
        assert found == expected

    def test_the_emulator_keeps_neither_market_nor_adapters(self, aws: LocalAws) -> None:
        unproven = deploy(aws, BLOCKS, ami_id="ami-0a").unproven
        lost = {(item.resource, item.input.split("[")[0]) for item in unproven}
        assert lost == {
            ("llm-group", "waitForCapacityTimeout"),
            ("llm-launch-template", "instanceMarketOptions"),
            ("llm-launch-template", "networkInterfaces"),
        }

    def test_what_runs_in_between_stays_and_leaves_with_the_block(self, aws: LocalAws) -> None:
        deploy(aws, BLOCKS, ami_id="ami-0a")
        (group,) = described(aws)
        aws.clock.advance_to(datetime(2026, 11, 25, 12, tzinfo=UTC))
        aws.client("autoscaling").set_desired_capacity(
            AutoScalingGroupName=group["AutoScalingGroupName"], DesiredCapacity=7
        )
        aws.clock.advance_to(datetime(2026, 11, 27, 10, 49, tzinfo=UTC))
        assert self.sizes(aws) == (2, 7, 8)
        aws.clock.advance_to(datetime(2026, 11, 27, 10, 53, tzinfo=UTC))
        assert self.sizes(aws) == (0, 0, 0)

    def test_one_that_has_begun_is_opened_within_minutes(self, aws: LocalAws) -> None:
        aws.clock.advance_to(datetime(2026, 11, 23, 15, 11, 20, tzinfo=UTC))
        deploy(aws, BLOCKS, ami_id="ami-0a")
        assert self.sizes(aws) == (0, 0, 0)
        aws.clock.advance(timedelta(minutes=5))
        assert self.sizes(aws) == (1, 1, 4)

    @pytest.mark.parametrize("moment", ["2026-11-24T10:48", "2026-11-24T10:54", "2026-11-24T12:00", "2027-05-01T00:00"])
    def test_a_pool_is_deployed_at_any_time(self, aws: LocalAws, moment: str) -> None:
        """The cloud refuses a start in the past: none is asked for."""
        aws.clock.advance_to(datetime.fromisoformat(moment).replace(tzinfo=UTC))
        deploy(aws, BLOCKS, ami_id="ami-0a")
        assert self.sizes(aws) == (0, 0, 0)

    def test_executed_actions_do_not_hinder_the_removal(self, aws: LocalAws) -> None:
        deployment = deploy(aws, BLOCKS, ami_id="ami-0a")
        aws.clock.advance_to(datetime(2026, 11, 26, tzinfo=UTC))
        deployment.destroy()
        assert described(aws) == []
