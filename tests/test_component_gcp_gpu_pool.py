from __future__ import annotations

import json
from typing import Any, cast

import pytest

from elastic_iac.gcp.gpu_pool.machine_types import ATTACHABLE, MACHINES
from forecasting.settings import Fleet
from tests.gcp_pool_args import FLEX_START, LOAD, MAXIMAL, MINIMAL, SHARDED, changed, component, declare, template
from tests.group_args import later
from tests.recording import as_json, golden, record

from elastic_iac.gcp.autoscaling_group.args import GcpForecast  # isort: skip
from elastic_iac.gcp.gpu_pool.args import GcpGpuForecast, GcpGpuPoolArgs  # isort: skip

FILES = {"minimal": MINIMAL, "maximal": MAXIMAL, "flex_start": FLEX_START, "sharded": SHARDED}


@pytest.mark.parametrize("file", FILES)
def test_every_child_is_registered_with_its_type_name_parent_and_inputs(file: str) -> None:
    recorder, outputs = declare(FILES[file])
    found = {"registrations": as_json(recorder.registrations), "outputs": outputs}
    assert found == golden(f"gcp_gpu_pool_{file}.json", found)
    assert {item.parent for item in recorder.registrations if item.name != "llm"} == {"llm"}


MUTATIONS = [
    ("maximal", ":InstanceTemplate", "guestAccelerators"),
    ("maximal", ":InstanceTemplate", "reservationAffinity"),
    ("maximal", ":InstanceTemplate", "scheduling"),
    ("maximal", ":InstanceTemplate", "tags"),
    ("maximal", ":InstanceTemplate", "metadata"),
    ("flex_start", ":InstanceTemplate", "networkInterfaces"),
    ("flex_start", ":RegionInstanceGroupManager", "instanceLifecyclePolicy"),
    ("flex_start", ":RegionInstanceGroupManager", "updatePolicy"),
    ("flex_start", ":RegionInstanceGroupManager", "distributionPolicyTargetShape"),
    ("minimal", ":RegionInstanceGroupManager", "distributionPolicyTargetShape"),
    ("maximal", ":RegionInstanceGroupManager", "distributionPolicyZones"),
    ("maximal", ":HealthCheck", "httpHealthCheck"),
]


@pytest.mark.parametrize(("file", "kind", "argument"), MUTATIONS)
def test_a_dropped_input_does_not_pass(file: str, kind: str, argument: str) -> None:
    """The component is mutated: the assertion of every child must fail for each input that goes missing."""
    recorder, _ = declare(FILES[file], without=(kind, argument))
    assert as_json(recorder.registrations) != golden(f"gcp_gpu_pool_{file}.json", None)["registrations"]


@pytest.mark.parametrize("file", FILES)
def test_a_preview_registers_the_same(file: str) -> None:
    def program() -> None:
        component.GcpGpuPool("llm", FILES[file])

    def registered(*, preview: bool) -> set[tuple[str, str]]:
        return {(item.type, item.name) for item in record(program, preview=preview)[0].registrations}

    assert registered(preview=True) == registered(preview=False)


class TestMachines:
    @pytest.mark.parametrize("machine_type", sorted(name for name, machine in MACHINES.items() if machine.on_demand))
    def test_a_type_that_brings_its_gpus_is_launched_as_it_is(self, machine_type: str) -> None:
        inputs = template(changed(MINIMAL, machine_type=machine_type))
        assert "guestAccelerators" not in inputs
        assert inputs["machineType"] == machine_type
        assert inputs["disks"][0]["diskType"] == MACHINES[machine_type].boot_disks[0]
        assert inputs["scheduling"]["onHostMaintenance"] == "TERMINATE"

    @pytest.mark.parametrize(
        ("gpu", "count"), [(gpu, count) for gpu, of in ATTACHABLE.items() for count in of.vcpus_at_most]
    )
    def test_gpus_are_attached_to_n1_up_to_its_size(self, gpu: str, count: int) -> None:
        given = {"type": gpu, "count": float(count)}  # as other languages send it
        inputs = template(changed(MINIMAL, machine_type="n1-standard-8", guest_accelerator=given))
        assert inputs["guestAccelerators"] == [{"type": gpu, "count": count}]
        assert inputs["scheduling"]["onHostMaintenance"] == "TERMINATE"

    def test_local_ssds_stand_beside_the_boot_disk(self) -> None:
        boot, *others = template(changed(MINIMAL, machine_type="g2-standard-48", local_ssds=4))["disks"]
        assert boot["boot"] is True
        assert [(disk["type"], disk["interface"], disk["diskSizeGb"]) for disk in others] == [
            ("SCRATCH", "NVME", 375)
        ] * 4

    def test_a_boot_disk_without_a_type_is_of_the_machines_own(self) -> None:
        args = changed(MINIMAL, machine_type="g4-standard-48", boot_disk={"size_gib": 300})
        disk = template(args)["disks"][0]
        assert (disk["diskType"], disk["diskSizeGb"]) == ("hyperdisk-balanced", 300)


class TestWaysOfHavingInstances:
    def test_on_demand_they_start_again_after_maintenance(self) -> None:
        scheduling = template(MINIMAL)["scheduling"]
        assert (scheduling["provisioningModel"], scheduling["automaticRestart"]) == ("STANDARD", True)
        assert "instanceTerminationAction" not in scheduling

    @pytest.mark.parametrize(("given", "action"), [({}, "DELETE"), ({"instance_termination_action": "STOP"}, "STOP")])
    def test_spot_says_what_becomes_of_those_taken_away(self, given: dict[str, str], action: str) -> None:
        assert template(changed(MINIMAL, spot=True, **given))["scheduling"] == {
            "provisioningModel": "SPOT",
            "preemptible": True,
            "automaticRestart": False,
            "onHostMaintenance": "TERMINATE",
            "instanceTerminationAction": action,
        }

    def test_spot_has_what_cannot_be_had_on_demand(self) -> None:
        assert template(changed(MINIMAL, machine_type="a3-highgpu-1g", spot=True))["machineType"] == "a3-highgpu-1g"

    @pytest.mark.parametrize("name", ["gpus", "projects/other/reservations/gpus"])
    def test_a_reservation_is_named(self, name: str) -> None:
        args = changed(MINIMAL, machine_type="a4-highgpu-8g", reservation={"affinity": "SPECIFIC", "name": name})
        assert template(args)["reservationAffinity"] == {
            "type": "SPECIFIC_RESERVATION",
            "specificReservation": {"key": "compute.googleapis.com/reservation-name", "values": [name]},
        }

    @pytest.mark.parametrize(
        ("machine_type", "model", "end"),
        [
            ("a3-ultragpu-8g", "RESERVATION_BOUND", "DELETE"),
            ("a4-highgpu-8g", "RESERVATION_BOUND", "DELETE"),
            ("a3-highgpu-8g", "STANDARD", None),
        ],
    )
    def test_a_type_that_is_reserved_for_a_period_only_is_bound_to_it(
        self, machine_type: str, model: str, end: str | None
    ) -> None:
        args = changed(MINIMAL, machine_type=machine_type, reservation={"affinity": "SPECIFIC", "name": "gpus"})
        scheduling = template(args)["scheduling"]
        assert (scheduling["provisioningModel"], scheduling.get("instanceTerminationAction")) == (model, end)

    @pytest.mark.parametrize(("affinity", "kind"), [("ANY", "ANY_RESERVATION"), ("NONE", "NO_RESERVATION")])
    def test_any_or_no_reservation(self, affinity: str, kind: str) -> None:
        assert template(changed(MINIMAL, reservation={"affinity": affinity}))["reservationAffinity"] == {"type": kind}

    def test_nodes_of_ones_own_are_found_by_their_labels(self) -> None:
        affinities = template(MAXIMAL)["scheduling"]["nodeAffinities"]
        assert [(item["key"], item["operator"]) for item in affinities] == [
            ("compute.googleapis.com/node-group-name", "IN"),
            ("team", "NOT_IN"),
        ]


class TestFlexStart:
    def test_instances_come_by_request_and_go_when_their_time_is_over(self) -> None:
        recorder, outputs = declare(FLEX_START)
        requests = {item.name: item.inputs for item in recorder.of(":RegionResizeRequest")}
        assert {name: inputs["resizeBy"] for name, inputs in requests.items()} == {"llm-night-1": 4, "llm-night-2": 2}
        scheduling = recorder.one(":InstanceTemplate").inputs["scheduling"]
        assert scheduling["maxRunDuration"] == {"seconds": 14_400}
        assert scheduling["instanceTerminationAction"] == "DELETE"
        assert outputs["resize_requests"] == {"night-1": "llm-night-1-0", "night-2": "llm-night-2-0"}

    def test_there_is_no_autoscaler_no_repair_and_no_fleet(self) -> None:
        recorder, outputs = declare(FLEX_START)
        assert not recorder.of("Autoscaler")
        group = recorder.one(":RegionInstanceGroupManager").inputs
        assert "autoHealingPolicies" not in group
        assert group["instanceLifecyclePolicy"] == {"defaultActionOnFailure": "DO_NOTHING"}
        assert group["distributionPolicyTargetShape"] == "ANY_SINGLE_ZONE"
        assert (group["updatePolicy"]["type"], group["updatePolicy"]["maxSurgeFixed"]) == ("OPPORTUNISTIC", 0)
        assert (outputs["fleet"], outputs["fleets"], outputs["autoscaler_names"]) == (None, [], [])

    def test_in_one_zone_the_request_is_the_zones(self) -> None:
        recorder, _ = declare(changed(FLEX_START, zone="europe-west1-b"))
        assert {item.inputs["zone"] for item in recorder.of(":ResizeRequest")} == {"europe-west1-b"}
        group = recorder.one(":InstanceGroupManager").inputs
        assert "distributionPolicyTargetShape" not in group
        assert "instanceRedistributionType" not in group["updatePolicy"]

    def test_it_uses_no_reservation(self) -> None:
        assert template(FLEX_START)["reservationAffinity"] == {"type": "NO_RESERVATION"}


class TestShards:
    def test_each_has_a_group_an_autoscaler_sizes_and_a_load_of_its_own(self) -> None:
        recorder, outputs = declare(SHARDED)
        sizes = {
            item.name: (
                item.inputs["autoscalingPolicy"]["minReplicas"],
                item.inputs["autoscalingPolicy"]["maxReplicas"],
            )
            for item in recorder.of(":RegionAutoscaler")
        }
        assert sizes == {"llm-en-autoscaler": (2, 8), "llm-other-autoscaler": (1, 4)}
        fleets = [json.loads(text) for text in outputs["fleets"]]
        assert [fleet["name"] for fleet in fleets] == ["llm-en", "llm-other"]
        assert [fleet["target"]["group"] for fleet in fleets] == ["llm-en-group-0", "llm-other-group-0"]
        assert len({fleet["source"]["metric"]["type"] for fleet in fleets}) == 2
        assert outputs["fleet"] is None

    def test_instances_know_their_shard_and_are_told_apart(self) -> None:
        templates = declare(SHARDED)[0].of(":InstanceTemplate")
        assert {item.inputs["metadata"]["elastic-iac-shard"] for item in templates} == {"en", "other"}
        assert len({item.inputs["labels"]["elastic-iac-group"] for item in templates}) == 2
        english = next(item.inputs["metadata"] for item in templates if item.name == "llm-en-template")
        assert (english["team"], english["partition"]) == ("serving", "english")

    def test_they_share_who_they_are(self) -> None:
        recorder, _ = declare(SHARDED)
        accounts = {item.inputs["serviceAccount"]["email"] for item in recorder.of(":InstanceTemplate")}
        assert accounts == {"llm-instances@shop-prod.iam.gserviceaccount.com"}

    def test_a_changed_shard_leaves_the_others_alone(self) -> None:
        def others(args: GcpGpuPoolArgs) -> list[dict[str, Any]]:
            return [item for item in as_json(declare(args)[0].registrations) if "llm-en" not in item["name"]]

        shards: list[Any] = [{**SHARDED["shards"][0], "max_size": 9}, SHARDED["shards"][1]]  # pyright: ignore[reportTypedDictNotRequiredAccess]
        assert others(changed(SHARDED, shards=shards)) == others(SHARDED)

    def test_behind_load_balancers_each_counts_its_own_requests(self) -> None:
        shards = [{"name": name, "min_size": 1, "max_size": 2} for name in ("a", "b")]
        front = {"instance_port": 8000, "max_rate_per_instance": 10}
        recorder, outputs = declare(changed(SHARDED, shards=shards, load_balancer=front))
        assert len(recorder.of(":BackendService")) == len(outputs["load_balancer_urls"]) == 2
        fleets = [json.loads(text) for text in outputs["fleets"]]
        backends = [fleet["source"]["metric"]["resource_labels"]["backend_target_name"] for fleet in fleets]
        assert backends == ["llm-a-backend-0", "llm-b-backend-0"]
        assert len(recorder.of(":Firewall")) == 1


class TestFleet:
    def fleet(self, args: Any) -> Fleet:
        return Fleet.model_validate_json(declare(args)[1]["fleet"])

    def test_it_is_what_the_job_reads(self) -> None:
        fleet = self.fleet(MAXIMAL)
        assert (fleet.name, fleet.floor, fleet.ceiling, fleet.load_per_instance) == ("llm", 2, 20, 25)
        assert fleet.pool is not None
        assert (fleet.pool.warm_headroom, fleet.pool.on_demand_quantile, fleet.pool.units_per_instance) == (1, 0.2, 1)
        assert fleet.lead_time_seconds == 900
        assert fleet.learn_lead_time is False

    def test_it_learns_its_lead_time_by_default(self) -> None:
        fleet = self.fleet(MINIMAL)
        assert fleet.learn_lead_time is True
        assert fleet.lead_time_seconds == 600
        assert fleet.pool is not None

    def test_it_stands_among_the_fleets(self) -> None:
        outputs = declare(MINIMAL)[1]
        assert outputs["fleets"] == [outputs["fleet"]]

    def test_an_instance_serves_the_load_of_its_replicas(self) -> None:
        args = changed(MINIMAL, machine_type="g2-standard-96", replicas_per_instance=8.0)
        assert self.fleet(args).load_per_instance == 400

    def test_outputs_make_the_same_fleet(self) -> None:
        def late() -> GcpGpuPoolArgs:
            forecast = {"load_per_replica": later(50.0), "load": {"metric_type": later(LOAD["metric_type"])}}
            return changed(MINIMAL, min_size=later(1.0), max_size=later(4.0), forecast=forecast)

        assert self.fleet(late).load_per_instance == 50
        assert self.fleet(late) == self.fleet(MINIMAL)

    def test_a_wrong_output_is_named_as_the_user_wrote_it(self) -> None:
        def late() -> GcpGpuPoolArgs:
            return changed(MINIMAL, forecast={"load_per_replica": 50, "load": LOAD, "warm_headroom": later(-1.0)})

        with pytest.raises(Exception, match=r"forecast\.warm_headroom: got -1"):
            declare(late)

    def test_whatever_updates_an_autoscaler_changes_its_fleet(self) -> None:
        revisions = [self.fleet(changed(MINIMAL, max_size=size)).revision for size in (4, 5)]
        assert revisions[0] != revisions[1]


class TestDefaults:
    def test_instances_spread_over_the_zones_that_have_gpus(self) -> None:
        group = declare(MINIMAL)[0].one(":RegionInstanceGroupManager").inputs
        assert group["distributionPolicyTargetShape"] == "BALANCED"
        assert group["updatePolicy"]["instanceRedistributionType"] == "NONE"

    def test_drivers_are_installed_and_not_refused_by_secure_boot(self) -> None:
        inputs = template(MINIMAL)
        assert inputs["metadata"]["install-nvidia-driver"] == "True"
        assert inputs["shieldedInstanceConfig"]["enableSecureBoot"] is False
        assert "install-nvidia-driver" not in template(changed(MINIMAL, install_driver=False))["metadata"]

    def test_metadata_that_is_an_output_joins_the_pools(self) -> None:
        metadata = template(cast("Any", lambda: changed(MINIMAL, metadata=later({"team": "a"}))))["metadata"]
        assert (metadata["team"], metadata["install-nvidia-driver"]) == ("a", "True")

    def test_the_load_balancers_rate_is_followed_where_it_has_one(self) -> None:
        front = {"instance_port": 8000, "max_rate_per_instance": 10}
        policy = declare(changed(MINIMAL, load_balancer=front))[0].one(":RegionAutoscaler").inputs["autoscalingPolicy"]
        assert policy["loadBalancingUtilization"] == {"target": 0.8}
        assert "cpuUtilization" not in policy

    @pytest.mark.parametrize(("lead", "grace"), [(0, 300), (900, 2100), (7200, 3600)])
    def test_a_booting_instance_is_not_judged_by_far(self, lead: int, grace: int) -> None:
        forecast = {"load_per_replica": 5, "load": LOAD, "lead_time_seconds": lead}
        args = changed(MINIMAL, health_check={"port": 8000}, forecast=forecast)
        assert (
            declare(args)[0].one(":RegionInstanceGroupManager").inputs["autoHealingPolicies"]["initialDelaySec"]
            == grace
        )


def test_a_pools_forecast_is_a_groups_of_replicas() -> None:
    group, pool = set(GcpForecast.__annotations__), set(GcpGpuForecast.__annotations__)
    assert group - pool == {"load_per_instance"}
    assert pool - group == {"load_per_replica", "warm_headroom", "on_demand_quantile", "learn_lead_time"}
