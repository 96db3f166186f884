from __future__ import annotations

import json
from typing import Any, cast

import pulumi
import pulumi_aws
import pytest

from elastic_iac.aws.gpu_pool import capacity_block
from forecasting.settings import Fleet
from tests.group_args import later
from tests.pool_args import (
    BLOCKS,
    MAXIMAL,
    MINIMAL,
    NOW,
    SHARDED,
    changed,
    component,
    declare,
    fleet_of,
    forecast,
    group_of,
)
from tests.recording import as_json, golden, record

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs  # isort: skip - after the import that quiets the SDK


@pytest.fixture(autouse=True)
def deployed_at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity_block, "now", lambda: NOW)


EVERY = [("minimal", MINIMAL), ("maximal", MAXIMAL), ("blocks", BLOCKS), ("sharded", SHARDED)]


@pytest.mark.parametrize(("file", "args"), EVERY, ids=[file for file, _ in EVERY])
def test_every_child_is_registered_with_its_type_name_parent_and_inputs(file: str, args: AwsGpuPoolArgs) -> None:
    recorder, outputs = declare(args)
    found = {"registrations": as_json(recorder.registrations), "outputs": outputs}
    assert found == golden(f"gpu_pool_{file}.json", found)
    assert {item.parent for item in recorder.registrations if item.name != "llm"} == {"llm"}


MUTATIONS = [
    ("maximal", ":LaunchTemplate", "networkInterfaces"),
    ("maximal", ":LaunchTemplate", "userData"),
    ("maximal", ":LaunchTemplate", "metadataOptions"),
    ("blocks", ":LaunchTemplate", "instanceMarketOptions"),
    ("maximal", "group:Group", "mixedInstancesPolicy"),
    ("maximal", "group:Group", "capacityReservationSpecification"),
    ("blocks", "group:Group", "capacityReservationSpecification"),
    ("maximal", "group:Group", "placementGroup"),
    ("maximal", "group:Group", "initialLifecycleHooks"),
    ("maximal", ":LifecycleHook", "heartbeatTimeout"),
    ("maximal", ":LifecycleHook", "defaultResult"),
    ("maximal", ":TargetGroup", "healthCheck"),
    ("blocks", ":Schedule", "maxSize"),
    ("blocks", ":Schedule", "desiredCapacity"),
    ("blocks", ":Schedule", "startTime"),
]


@pytest.mark.parametrize(("file", "kind", "argument"), MUTATIONS)
def test_a_dropped_input_does_not_pass(file: str, kind: str, argument: str) -> None:
    """The component is mutated: the assertion of every child must fail for each input that goes missing."""
    recorder, _ = declare(dict(EVERY)[file], without=(kind, argument))
    assert as_json(recorder.registrations) != golden(f"gpu_pool_{file}.json", None)["registrations"]


class TestUnits:
    """A pool is counted in replicas: GPUs, where the user says nothing else."""

    def test_a_type_weighs_its_gpus(self) -> None:
        types = [{"instance_type": "g5.12xlarge"}, {"instance_type": "g5.xlarge"}, {"instance_type": "p4d.24xlarge"}]
        policy = group_of(changed(MINIMAL, instance_types=types))["mixedInstancesPolicy"]
        overrides = policy["launchTemplate"]["overrides"]
        assert [(item["instanceType"], item["weightedCapacity"]) for item in overrides] == [
            ("g5.12xlarge", "4"),
            ("g5.xlarge", "1"),
            ("p4d.24xlarge", "8"),
        ]

    def test_or_what_the_user_says(self) -> None:
        types = [{"instance_type": "g5.12xlarge", "weight": 2}, {"instance_type": "g5.48xlarge", "weight": 4}]
        args = changed(MINIMAL, instance_types=types)
        policy = group_of(args)["mixedInstancesPolicy"]
        assert [item["weightedCapacity"] for item in policy["launchTemplate"]["overrides"]] == ["2", "4"]
        pool = fleet_of(args).pool
        assert pool is not None
        assert pool.units_per_instance == 2

    def test_the_fleet_counts_them_too(self) -> None:
        fleet = fleet_of(MAXIMAL)
        assert (fleet.floor, fleet.ceiling, fleet.load_per_instance) == (8, 64, 100)
        assert fleet.pool is not None
        assert (fleet.pool.units_per_instance, fleet.pool.warm_headroom, fleet.pool.on_demand_quantile) == (4, 4, 0.2)

    def test_in_capacity_blocks_a_unit_is_an_instance(self) -> None:
        fleet = fleet_of(BLOCKS)
        assert "mixedInstancesPolicy" not in group_of(BLOCKS)
        assert (fleet.floor, fleet.ceiling, fleet.load_per_instance) == (0, 8, 800)
        assert fleet.pool is not None
        assert (fleet.pool.units_per_instance, fleet.pool.warm_headroom) == (1, 0)

    def test_in_capacity_blocks_replicas_kept_warm_are_whole_instances(self) -> None:
        """Of 8 GPUs at 2 a replica an instance serves as 4 replicas."""
        workload = {"image": "server:1", "preset": "vllm", "gpus_per_replica": 2}
        kept = {
            replicas: fleet_of(changed(BLOCKS, workload=workload, forecast=forecast(BLOCKS, warm_headroom=replicas)))
            for replicas in (0, 1, 4, 5)
        }
        assert {replicas: fleet.pool.warm_headroom for replicas, fleet in kept.items() if fleet.pool} == {
            0: 0,
            1: 1,
            4: 1,
            5: 2,
        }
        assert kept[0].load_per_instance == 400

    def test_with_a_warm_pool_a_unit_is_an_instance(self) -> None:
        """AWS refuses a warm pool on a group with weights."""
        warm = {"max_group_prepared_capacity": 4}
        kinds = [{"instance_type": "g5.12xlarge"}, {"instance_type": "g6.12xlarge"}]
        args = changed(MINIMAL, instance_types=kinds, warm_pool=warm, forecast=forecast(warm_headroom=5))
        group = group_of(args)
        assert group["warmPool"]["maxGroupPreparedCapacity"] == 4
        policy = group["mixedInstancesPolicy"]
        assert policy["launchTemplate"]["overrides"] == [
            {"instanceType": "g5.12xlarge"},
            {"instanceType": "g6.12xlarge"},
        ]
        assert policy["instancesDistribution"]["onDemandPercentageAboveBaseCapacity"] == 100
        fleet = fleet_of(args)
        assert (fleet.floor, fleet.ceiling, fleet.load_per_instance) == (1, 4, 3600)
        assert fleet.pool is not None
        assert (fleet.pool.units_per_instance, fleet.pool.warm_headroom) == (1, 2)
        assert "mixedInstancesPolicy" not in group_of(changed(MINIMAL, warm_pool=warm))


class TestFleet:
    def test_learns_its_lead_time_from_a_prior_of_ten_minutes(self) -> None:
        fleet = fleet_of(MINIMAL)
        assert (fleet.learn_lead_time, fleet.lead_time_seconds) == (True, 600)
        assert not fleet_of(MAXIMAL).learn_lead_time

    def test_reads_the_load_under_the_groups_name(self) -> None:
        source = fleet_of(MINIMAL).source
        assert source.kind == "cloudwatch"
        assert source.metric.dimensions == {"AutoScalingGroupName": "llm-group-0"}

    def test_each_shard_has_its_own(self) -> None:
        recorder, outputs = declare(SHARDED)
        english, german = (Fleet.model_validate_json(fleet) for fleet in outputs["fleets"])
        assert (english.name, german.name) == ("llm-en", "llm-de")
        assert (english.target_key, german.target_key) == (
            "aws/eu-central-1/llm-en-group-0",
            "aws/eu-central-1/llm-de-group-0",
        )
        assert (english.floor, english.ceiling, german.floor, german.ceiling) == (2, 20, 1, 8)
        assert english.source.kind == "cloudwatch"
        assert german.source.kind == "cloudwatch"
        assert english.source.metric.dimensions == {"AutoScalingGroupName": "llm-en-group-0"}
        assert german.source.metric.dimensions == {"Language": "de"}
        assert outputs["fleet"] is None
        assert outputs["group_names"] == ["llm-en-group-0", "llm-de-group-0"]
        sizes = {item.name: (item.inputs["minSize"], item.inputs["maxSize"]) for item in recorder.of("group:Group")}
        assert sizes == {"llm-en-group": (2, 20), "llm-de-group": (1, 8)}


class TestSpotAndReservations:
    def test_without_spot_all_is_on_demand(self) -> None:
        group = group_of(MINIMAL)
        assert group["mixedInstancesPolicy"]["instancesDistribution"]["onDemandPercentageAboveBaseCapacity"] == 100
        assert group["capacityRebalance"] is False

    def test_spot_stands_above_the_base_and_is_rebalanced(self) -> None:
        group = group_of(changed(MINIMAL, spot={"on_demand_base_capacity": 2}))
        shared = group["mixedInstancesPolicy"]["instancesDistribution"]
        assert (shared["onDemandBaseCapacity"], shared["onDemandPercentageAboveBaseCapacity"]) == (2, 0)
        assert group["capacityRebalance"] is True

    def test_a_full_reservation_has_no_room_for_one_more(self) -> None:
        only = {"preference": "capacity-reservations-only", "capacity_reservation_ids": ["cr-0a"]}
        shares = {
            preference: group_of(changed(MINIMAL, reservation={**only, "preference": preference}))["instanceRefresh"]
            for preference in ("capacity-reservations-only", "capacity-reservations-first")
        }
        assert {name: item["preferences"]["maxHealthyPercentage"] for name, item in shares.items()} == {
            "capacity-reservations-only": 100,
            "capacity-reservations-first": 110,
        }

    def test_a_reservation_is_the_groups_and_sets_no_market(self) -> None:
        recorder, _ = declare(MAXIMAL)
        assert recorder.one("group:Group").inputs["capacityReservationSpecification"] == {
            "capacityReservationPreference": "capacity-reservations-first",
            "capacityReservationTarget": {
                "capacityReservationIds": ["cr-0a"],
                "capacityReservationResourceGroupArns": [
                    "arn:aws:resource-groups:eu-central-1:111122223333:group/reserved"
                ],
            },
        }
        assert "instanceMarketOptions" not in recorder.one(":LaunchTemplate").inputs


class TestPlacement:
    @pytest.mark.parametrize(
        ("instance_type", "cards"),
        [
            ("g5.8xlarge", [("efa", 0, 0)]),
            (
                "p4d.24xlarge",
                [
                    ("interface", 0, 0),
                    ("efa-only", 0, 1),
                    ("efa-only", 1, 0),
                    ("efa-only", 2, 0),
                    ("efa-only", 3, 0),
                ],
            ),
        ],
    )
    def test_an_adapter_on_each_network_card(self, instance_type: str, cards: list[tuple[str, int, int]]) -> None:
        recorder, _ = declare(changed(MINIMAL, instance_types=[{"instance_type": instance_type}], efa=True))
        template = recorder.one(":LaunchTemplate").inputs
        found = [
            (item["interfaceType"], item["networkCardIndex"], item["deviceIndex"])
            for item in template["networkInterfaces"]
        ]
        assert found == cards
        assert all(item["securityGroups"] == ["llm-instances-id"] for item in template["networkInterfaces"])
        assert "vpcSecurityGroupIds" not in template
        among = [item.inputs for item in recorder.registrations if item.name.endswith("-fabric")]
        assert {rule["referencedSecurityGroupId"] for rule in among} == {"llm-instances-id"}
        assert len(among) == 2

    def test_types_with_different_adapters_have_as_many_as_all_have(self) -> None:
        template = declare(MAXIMAL)[0].one(":LaunchTemplate").inputs
        assert [item["interfaceType"] for item in template["networkInterfaces"]] == ["efa"]

    def test_a_cluster_of_its_own_for_each_group(self) -> None:
        args = changed(SHARDED, subnet_ids=["subnet-0a"], cluster_placement=True)
        recorder, _ = declare(args)
        assert {item.name: item.inputs["strategy"] for item in recorder.of(":PlacementGroup")} == {
            "llm-en-placement": "cluster",
            "llm-de-placement": "cluster",
        }
        assert recorder.one("group:Group", "-de-group").inputs["placementGroup"] == "llm-de-placement-0"

    def test_dedicated_hosts(self) -> None:
        hosts = {"host_resource_group_arn": "arn:aws:resource-groups:eu-central-1:111122223333:group/hosts"}
        types = [{"instance_type": "p4d.24xlarge"}]
        template = declare(changed(MINIMAL, instance_types=types, dedicated_hosts=hosts))[0].one(":LaunchTemplate")
        assert template.inputs["placement"] == {
            "tenancy": "host",
            "hostResourceGroupArn": hosts["host_resource_group_arn"],
        }


class TestReadyHook:
    def test_holds_from_the_first_instance_on_and_follows_updates(self) -> None:
        """The group makes it, and a resource by the same name keeps it in step: updates do not reach the group's."""
        recorder, _ = declare(changed(MINIMAL, ready_hook={"enabled": True}))
        group, hook = recorder.one("group:Group"), recorder.one(":LifecycleHook").inputs
        (initial,) = group.inputs["initialLifecycleHooks"]
        assert {**initial, "autoscalingGroupName": "llm-group-0"} == hook
        assert "initialLifecycleHooks" in group.ignore_changes
        assert (hook["name"], hook["defaultResult"]) == ("elastic-iac-ready", "ABANDON")
        assert hook["lifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"

    @pytest.mark.parametrize(("lead_time", "timeout"), [(None, 1500), (100, 500), (7000, 7200), (0, 300)])
    def test_waits_twice_the_lead_time_and_a_little(self, lead_time: int | None, timeout: int) -> None:
        args = changed(MINIMAL, ready_hook={"enabled": True}, forecast=forecast(lead_time_seconds=lead_time))
        assert declare(args)[0].one(":LifecycleHook").inputs["heartbeatTimeout"] == timeout

    def test_lets_its_instances_complete_it_and_nothing_else(self) -> None:
        recorder, _ = declare(changed(SHARDED, ready_hook={"enabled": True}))
        policy = json.loads(recorder.one(":RolePolicy").inputs["policy"])
        named, unnamed = policy["Statement"]
        assert named["Action"] == ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"]
        assert named["Resource"] == ["arn:aws:mock:::llm-en-group", "arn:aws:mock:::llm-de-group"]
        assert (unnamed["Action"], unnamed["Resource"]) == ("autoscaling:DescribeAutoScalingInstances", "*")

    def test_is_off_where_nothing_would_complete_it(self) -> None:
        recorder, _ = declare(MINIMAL)
        assert not recorder.of(":LifecycleHook")
        assert not recorder.of(":RolePolicy")
        assert "initialLifecycleHooks" not in recorder.one("group:Group").inputs


class TestImage:
    def test_a_deep_learning_image_with_the_open_driver(self) -> None:
        recorder, _ = declare(MINIMAL)
        (asked,) = [given["name"] for token, given in recorder.cloud.calls if "getParameter" in token]
        expected = "base-oss-nvidia-driver-gpu-amazon-linux-2023"
        assert asked == f"/aws/service/deeplearning/ami/x86_64/{expected}/latest/ami-id"

    def test_is_held_until_a_refresh(self) -> None:
        assert "imageId" in declare(MINIMAL)[0].one(":LaunchTemplate").ignore_changes
        assert "imageId" not in declare(changed(MINIMAL, refresh_ami=True))[0].one(":LaunchTemplate").ignore_changes

    def test_or_one_by_id(self) -> None:
        template = declare(changed(MINIMAL, ami_id="ami-0a"))[0].one(":LaunchTemplate")
        assert (template.inputs["imageId"], template.ignore_changes) == ("ami-0a", ["tagSpecifications"])


def test_none_is_the_same_as_not_given() -> None:
    given = {**MINIMAL, "spot": None, "tags": None, "forecast": forecast(quantile=None)}
    with_none, without = (declare(cast("AwsGpuPoolArgs", args)) for args in (given, MINIMAL))
    assert as_json(with_none[0].registrations) == as_json(without[0].registrations)
    assert with_none[1] == without[1]


@pytest.mark.parametrize("args", [MAXIMAL, BLOCKS, SHARDED], ids=["maximal", "blocks", "sharded"])
def test_a_preview_declares_the_same_resources(args: AwsGpuPoolArgs) -> None:
    preview, up = declare(args, preview=True)[0], declare(args)[0]
    assert sorted(item.name for item in preview.registrations) == sorted(item.name for item in up.registrations)


def test_a_preview_bears_what_is_not_known_yet() -> None:
    """An output that the mocks do not give is unknown in a preview, as an id of a network that is yet to be made."""

    def program() -> None:
        unknown: pulumi.Output[Any] = pulumi_aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16").main_route_table_id
        changes = dict.fromkeys(("vpc_id", "subnet_ids", "min_size", "user_data", "tags"), unknown)
        args = changed(MAXIMAL, forecast=forecast(MAXIMAL, load_per_replica=unknown), **changes)
        component.AwsGpuPool("llm", args)

    preview, known = record(program, preview=True)[0], declare(MAXIMAL)[0]
    assert {item.name for item in preview.registrations} - {"vpc"} == {item.name for item in known.registrations}


def test_outputs_declare_what_literals_declare() -> None:
    def args() -> AwsGpuPoolArgs:
        return changed(
            MAXIMAL,
            vpc_id=later("vpc-0a"),
            subnet_ids=later(["subnet-0a"]),
            min_size=later(8.0),
            max_size=later(64.0),
            tags=later({"team": "serving"}),
            user_data=later(MAXIMAL.get("user_data")),
            forecast=forecast(MAXIMAL, load_per_replica=later(100.0), time_zone=later("Europe/Berlin")),
        )

    recorder, outputs = declare(args)
    assert {"registrations": as_json(recorder.registrations), "outputs": outputs} == golden(
        "gpu_pool_maximal.json", None
    )
