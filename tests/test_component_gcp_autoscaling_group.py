from __future__ import annotations

from typing import Any, cast

import pulumi
import pulumi_gcp
import pytest

from forecasting.errors import SettingsError
from forecasting.settings import Fleet
from tests.gcp_group_args import CAPACITY, MAXIMAL, MINIMAL, changed, component, declare
from tests.group_args import later
from tests.recording import ANSWERS, Mocks, as_json, golden, record

from elastic_iac.gcp.autoscaling_group.args import GcpAutoscalingGroupArgs  # isort: skip


@pytest.mark.parametrize(("file", "args"), [("minimal", MINIMAL), ("maximal", MAXIMAL), ("capacity", CAPACITY)])
def test_every_child_is_registered_with_its_type_name_parent_and_inputs(
    file: str, args: GcpAutoscalingGroupArgs
) -> None:
    recorder, outputs = declare(args)
    found = {"registrations": as_json(recorder.registrations), "outputs": outputs}
    assert found == golden(f"gcp_autoscaling_group_{file}.json", found)
    assert {item.parent for item in recorder.registrations if item.name != "web"} == {"web"}


MUTATIONS = [
    ("maximal", ":InstanceTemplate", "shieldedInstanceConfig"),
    ("maximal", ":InstanceTemplate", "serviceAccount"),
    ("maximal", ":InstanceTemplate", "metadata"),
    ("maximal", ":InstanceTemplate", "scheduling"),
    ("maximal", ":InstanceTemplate", "tags"),
    ("maximal", ":InstanceTemplate", "labels"),
    ("maximal", ":RegionInstanceGroupManager", "autoHealingPolicies"),
    ("maximal", ":RegionInstanceGroupManager", "updatePolicy"),
    ("maximal", ":RegionInstanceGroupManager", "namedPorts"),
    ("maximal", ":HealthCheck", "unhealthyThreshold"),
    ("maximal", ":Firewall", "sourceRanges"),
    ("maximal", ":Firewall", "targetServiceAccounts"),
    ("maximal", ":BackendService", "securityPolicy"),
    ("maximal", ":BackendService", "connectionDrainingTimeoutSec"),
    ("maximal", ":SSLPolicy", "minTlsVersion"),
    ("maximal", ":Account", "accountId"),
    ("capacity", ":RegionInstanceGroupManager", "standbyPolicy.mode"),
    ("capacity", ":RegionInstanceGroupManager", "standbyPolicy.initialDelaySec"),
    ("capacity", ":RegionInstanceGroupManager", "targetStoppedSize"),
    ("capacity", ":RegionInstanceGroupManager", "targetSuspendedSize"),
    ("capacity", ":RegionInstanceGroupManager", "instanceFlexibilityPolicy"),
    ("capacity", ":RegionInstanceGroupManager", "instanceFlexibilityPolicy.instanceSelections.machineTypes"),
    ("capacity", ":RegionInstanceGroupManager", "instanceFlexibilityPolicy.instanceSelections.rank"),
    ("capacity", ":RegionInstanceGroupManager", "distributionPolicyTargetShape"),
    ("capacity", ":RegionInstanceGroupManager", "updatePolicy.instanceRedistributionType"),
    ("capacity", ":InstanceTemplate", "disks.diskType"),
    ("capacity", ":InstanceTemplate", "labels"),
]


@pytest.mark.parametrize(("file", "kind", "argument"), MUTATIONS)
def test_a_dropped_input_does_not_pass(file: str, kind: str, argument: str) -> None:
    """The component is mutated: the assertion of every child must fail for each input that goes missing."""
    recorder, _ = declare({"maximal": MAXIMAL, "capacity": CAPACITY}[file], without=(kind, argument))
    assert as_json(recorder.registrations) != golden(f"gcp_autoscaling_group_{file}.json", None)["registrations"]


def test_every_part_of_the_autoscalers_policy_is_asserted() -> None:
    """As above for the policy, which is settled before anything is registered."""
    expected = golden("gcp_autoscaling_group_maximal.json", None)["registrations"]
    policy = next(item for item in expected if item["name"] == "web-autoscaler")["inputs"]["autoscalingPolicy"]
    recorder, _ = declare(MAXIMAL)
    declared = recorder.one(":RegionAutoscaler").inputs["autoscalingPolicy"]
    assert declared == policy
    assert set(declared) == {
        *("minReplicas", "maxReplicas", "mode", "cooldownPeriod", "stabilizationPeriod", "scaleInControl"),
        *("cpuUtilization", "loadBalancingUtilization", "metrics"),
    }


class TestInstances:
    def test_they_are_shielded_without_a_public_address_and_let_people_in_by_iam(self) -> None:
        template = declare(MINIMAL)[0].one(":InstanceTemplate").inputs
        assert template["shieldedInstanceConfig"] == {
            "enableSecureBoot": True,
            "enableVtpm": True,
            "enableIntegrityMonitoring": True,
        }
        assert "accessConfigs" not in template["networkInterfaces"][0]
        assert template["metadata"] == {"enable-oslogin": "TRUE", "block-project-ssh-keys": "TRUE"}

    def test_they_may_only_write_logs_and_metrics(self) -> None:
        recorder, _ = declare(MINIMAL)
        roles = {item.inputs["role"] for item in recorder.of(":IAMMember")}
        assert roles == {"roles/logging.logWriter", "roles/monitoring.metricWriter"}
        assert {"web-instances-logs", "web-instances-metrics"} <= set(recorder.one(":InstanceTemplate").depends_on)

    def test_two_stacks_do_not_share_a_service_account(self) -> None:
        ids = {
            declare(MINIMAL, name=name, stack=stack)[0].one(":Account").inputs["accountId"]
            for stack in ("dev", "prod")
            for name in ("web", "worker-with-a-name-of-forty-characters00")
        }
        assert len(ids) == 4
        assert all(6 <= len(account) <= 30 for account in ids)

    def test_a_spot_instance_neither_restarts_nor_migrates(self) -> None:
        def scheduling(spot: bool) -> Any:
            return declare(changed(MINIMAL, spot=spot))[0].one(":InstanceTemplate").inputs["scheduling"]

        assert scheduling(True) == {
            "provisioningModel": "SPOT",
            "preemptible": True,
            "automaticRestart": False,
            "onHostMaintenance": "TERMINATE",
        }
        assert scheduling(False)["provisioningModel"] == "STANDARD"

    def test_an_image_is_followed(self) -> None:
        template = declare(MINIMAL)[0].one(":InstanceTemplate")
        assert template.inputs["disks"][0]["sourceImage"] == "projects/images/global/images/web-1"
        assert "disks[0].sourceImage" not in template.ignore_changes

    def test_a_family_is_resolved_and_held(self) -> None:
        recorder, _ = declare(MAXIMAL)
        template = recorder.one(":InstanceTemplate")
        assert template.inputs["disks"][0]["sourceImage"] == "projects/images/global/images/web-2"
        assert "disks[0].sourceImage" in template.ignore_changes
        assert ("gcp:compute/getImage:getImage", {"project": "images", "family": "web"}) in recorder.cloud.calls

    def test_a_refresh_takes_what_the_family_names_now(self) -> None:
        refreshed = declare(changed(MAXIMAL, refresh_image=True))[0].one(":InstanceTemplate")
        assert "disks[0].sourceImage" not in refreshed.ignore_changes


class TestGroup:
    def test_updates_leave_its_size_to_the_autoscaler(self) -> None:
        group = declare(MINIMAL)[0].one(":RegionInstanceGroupManager")
        assert "targetSize" in group.ignore_changes
        assert "targetSize" not in group.inputs

    def test_a_zone_makes_group_and_autoscaler_zonal(self) -> None:
        recorder, outputs = declare(changed(MINIMAL, zone="europe-west1-b"))
        assert recorder.one(":InstanceGroupManager").inputs["zone"] == "europe-west1-b"
        autoscaler = recorder.one(":Autoscaler")
        assert autoscaler.inputs["zone"] == "europe-west1-b"
        assert autoscaler.ignore_changes == ["autoscalingPolicy.scalingSchedules"]
        target = Fleet.model_validate_json(outputs["fleet"]).target.model_dump()
        assert (target["kind"], target["location"]) == ("zonal", "europe-west1-b")

    @pytest.mark.parametrize(("place", "surge"), [({}, 3), ({"zone": "europe-west1-b"}, 1)])
    def test_an_update_adds_before_it_removes(self, place: dict[str, str], surge: int) -> None:
        (group,) = declare(changed(MINIMAL, **place))[0].of("GroupManager")
        policy = group.inputs["updatePolicy"]
        assert (policy["type"], policy["maxSurgeFixed"], policy["maxUnavailableFixed"]) == ("PROACTIVE", surge, 0)

    def test_it_takes_the_template_by_its_unique_id(self) -> None:
        group = declare(MINIMAL)[0].one(":RegionInstanceGroupManager")
        assert group.inputs["versions"][0]["instanceTemplate"].endswith("?uniqueId=1")

    def test_without_a_port_to_ask_nothing_is_healed_and_nothing_let_in(self) -> None:
        recorder, _ = declare(MINIMAL)
        assert "autoHealingPolicies" not in recorder.one(":RegionInstanceGroupManager").inputs
        assert not recorder.of(":HealthCheck")
        assert not recorder.of(":Firewall")

    def test_behind_a_load_balancer_its_port_heals_more_patiently_than_it_serves(self) -> None:
        recorder, _ = declare(changed(MINIMAL, load_balancer={"instance_port": 8080}))
        healing, serving = (
            recorder.one(":HealthCheck", "-healing").inputs,
            recorder.one(":HealthCheck", "-serving").inputs,
        )
        assert healing["httpHealthCheck"] == serving["httpHealthCheck"]
        assert healing["checkIntervalSec"] > serving["checkIntervalSec"]
        assert recorder.one(":RegionInstanceGroupManager").inputs["autoHealingPolicies"]["initialDelaySec"] == 900

    def test_only_googles_probes_reach_the_ports_that_are_checked(self) -> None:
        firewall = declare(MAXIMAL)[0].one(":Firewall").inputs
        assert firewall["sourceRanges"] == ["130.211.0.0/22", "35.191.0.0/16"]
        assert firewall["allows"] == [{"protocol": "tcp", "ports": ["8080", "9090"]}]
        assert firewall["project"] == "shop-network"


class TestAutoscaler:
    def test_its_schedules_are_the_jobs(self) -> None:
        autoscaler = declare(MINIMAL)[0].one(":RegionAutoscaler")
        assert autoscaler.ignore_changes == ["autoscalingPolicy.scalingSchedules"]
        assert "scalingSchedules" not in autoscaler.inputs["autoscalingPolicy"]

    def test_a_signal_is_declared_where_none_is_given(self) -> None:
        policy = declare(MINIMAL)[0].one(":RegionAutoscaler").inputs["autoscalingPolicy"]
        assert policy["cpuUtilization"] == {"target": 0.6}
        assert (policy["minReplicas"], policy["maxReplicas"], policy["mode"]) == (1, 4, "ON")

    @pytest.mark.parametrize(("lead_time_seconds", "period"), [(10, 60), (240.5, 241), (7200, 3600)])
    def test_it_waits_for_as_long_as_instances_take(self, lead_time_seconds: float, period: int) -> None:
        forecast = {**MINIMAL["forecast"], "lead_time_seconds": lead_time_seconds}
        policy = declare(changed(MINIMAL, forecast=forecast))[0].one(":RegionAutoscaler").inputs["autoscalingPolicy"]
        assert policy["cooldownPeriod"] == period

    def test_it_waits_for_the_load_balancer(self) -> None:
        assert {"web-http", "web-https"} <= set(declare(MAXIMAL)[0].one(":RegionAutoscaler").depends_on)


class TestRevision:
    """The provider's full PUT erases the job's schedules: whatever updates the autoscaler must change the settings that trigger the job."""

    def revision(self, args: GcpAutoscalingGroupArgs) -> str | None:
        return Fleet.model_validate_json(declare(args)[1]["fleet"]).revision

    def test_it_is_the_same_for_the_same_declaration(self) -> None:
        assert self.revision(MAXIMAL) == self.revision(MAXIMAL)

    @pytest.mark.parametrize(
        "change",
        [
            {"max_size": 21},
            {"min_size": 3},
            {"mode": "ON"},
            {"stabilization_seconds": 301},
            {"initialization_seconds": 91},
            {"scale_in_control": {"window_seconds": 600, "max_percent": 11}},
            {"target_tracking": [{"metric": "cpu", "target_value": 71}]},
        ],
    )
    def test_it_changes_with_whatever_updates_the_autoscaler(self, change: dict[str, Any]) -> None:
        assert self.revision(changed(MAXIMAL, **change)) != self.revision(MAXIMAL)

    def test_it_does_not_change_with_what_leaves_the_autoscaler_alone(self) -> None:
        assert self.revision(changed(MAXIMAL, spot=False, labels={})) == self.revision(MAXIMAL)

    def test_it_is_known_once_the_autoscaler_stands(self) -> None:
        """Else the job could run before the update that erases."""
        autoscalers: list[str] = []

        class Slow(Mocks):
            def new_resource(self, args: Any) -> tuple[str | None, dict[str, Any]]:
                if args.typ.endswith(":RegionAutoscaler"):
                    autoscalers.append(args.name)
                return super().new_resource(args)

        def program() -> None:
            fleet = component.GcpAutoscalingGroup("web", MINIMAL).fleet
            fleet.apply(lambda _: seen.extend(autoscalers))

        seen: list[str] = []
        record(program, cloud=Slow())
        assert seen == ["web-autoscaler"]


class TestLoadBalancer:
    def test_a_certificate_makes_https_and_sends_http_there(self) -> None:
        recorder, outputs = declare(MAXIMAL)
        ports = {item.name: item.inputs["portRange"] for item in recorder.of(":GlobalForwardingRule")}
        assert ports == {"web-https": "443", "web-http": "80"}
        assert recorder.one(":TargetHttpProxy").inputs["urlMap"].endswith("web-redirect")
        assert recorder.one(":URLMap", "-redirect").inputs["defaultUrlRedirect"]["httpsRedirect"] is True
        assert recorder.one(":SSLPolicy").inputs["minTlsVersion"] == "TLS_1_2"
        assert outputs["load_balancer_url"] == "https://203.0.113.7"

    def test_without_a_certificate_there_is_http_alone(self) -> None:
        recorder, outputs = declare(changed(MINIMAL, load_balancer={"instance_port": 8080}))
        assert [item.name for item in recorder.of(":GlobalForwardingRule")] == ["web-http"]
        assert recorder.one(":TargetHttpProxy").inputs["urlMap"].endswith("web-routes")
        assert outputs["load_balancer_url"] == "http://203.0.113.7"

    def test_without_one_its_outputs_are_absent(self) -> None:
        outputs = declare(MINIMAL)[1]
        assert [outputs[name] for name in ("load_balancer_url", "load_balancer_address", "backend_service_name")] == [
            None,
            None,
            None,
        ]

    @pytest.mark.parametrize(("rate", "mode"), [({}, "UTILIZATION"), ({"max_rate_per_instance": 50}, "RATE")])
    def test_an_instance_is_full_by_its_rate_where_one_is_given(self, rate: dict[str, int], mode: str) -> None:
        front = {"instance_port": 8080, **rate}
        backend = declare(changed(MINIMAL, load_balancer=front))[0].one(":BackendService").inputs["backends"][0]
        assert backend["balancingMode"] == mode


class TestFleet:
    def test_it_is_what_the_job_reads(self) -> None:
        fleet = Fleet.model_validate_json(declare(MAXIMAL)[1]["fleet"])
        assert (fleet.name, fleet.cloud) == ("web", "gcp")
        assert fleet.target.model_dump() == {
            "project": "shop-prod",
            "location": "europe-west1",
            "autoscaler": "web-autoscaler-0",
            "group": "web-group-0",
            "kind": "regional",
        }
        assert (fleet.floor, fleet.ceiling, fleet.load_per_instance) == (2, 20, 100)
        assert fleet.source.kind == "cloud-monitoring"
        assert fleet.source.metric.resource_labels == {"backend_target_name": "web-backend-0"}
        assert fleet.source.refused is not None
        assert fleet.events[0].load_factor == 2.5

    def test_saturation_is_read_from_the_groups_own_instances(self) -> None:
        recorder, outputs = declare(MAXIMAL)
        source = Fleet.model_validate_json(outputs["fleet"]).source
        assert source.kind == "cloud-monitoring"
        assert source.utilisation is not None
        labels = recorder.one(":InstanceTemplate").inputs["labels"]
        assert source.utilisation.user_labels.items() <= labels.items()
        assert source.saturated_above == 0.9

    def test_a_load_of_ones_own_is_a_rate(self) -> None:
        source = Fleet.model_validate_json(declare(MINIMAL)[1]["fleet"]).source
        assert source.kind == "cloud-monitoring"
        assert (source.metric.type, source.metric.statistic, source.metric.across) == (
            "custom.googleapis.com/jobs_started",
            "rate",
            "sum",
        )
        assert source.refused is None

    def test_an_average_over_instances_is_one(self) -> None:
        load = {"metric_type": "custom.googleapis.com/busy", "per_instance": True}
        given = changed(MINIMAL, forecast={"load_per_instance": 50, "load": load})
        source = Fleet.model_validate_json(declare(given)[1]["fleet"]).source
        assert source.kind == "cloud-monitoring"
        assert (source.metric.statistic, source.metric.across, source.per_instance) == ("mean", "mean", True)


def test_none_is_the_same_as_not_given() -> None:
    given = {**MINIMAL, "load_balancer": None, "labels": None, "forecast": {**MINIMAL["forecast"], "quantile": None}}
    with_none, without = (declare(cast("GcpAutoscalingGroupArgs", args)) for args in (given, MINIMAL))
    assert as_json(with_none[0].registrations) == as_json(without[0].registrations)
    assert with_none[1] == without[1]


def test_a_family_that_names_no_image_is_an_error() -> None:
    answers = {name: answer for name, answer in ANSWERS.items() if "getImage" not in name}
    with pytest.raises(Exception, match="getImage"):
        declare(MAXIMAL, cloud=Mocks(answers))


def test_a_preview_bears_what_is_not_known_yet() -> None:
    """An output that the mocks do not give is unknown in a preview, as a link of a network that is yet to be made."""

    def program() -> None:
        unknown: pulumi.Output[Any] = pulumi_gcp.compute.Network("network").gateway_ipv4
        changes = dict.fromkeys(
            ("network", "subnetwork", "min_size", "machine_type", "startup_script", "labels"), unknown
        )
        forecast = {**MAXIMAL["forecast"], "load_per_instance": unknown, "saturated_cpu_percent": unknown}
        component.GcpAutoscalingGroup("web", changed(MAXIMAL, forecast=forecast, **changes))

    preview, known = record(program, preview=True)[0], declare(MAXIMAL)[0]
    assert {item.name for item in preview.registrations} - {"network"} == {item.name for item in known.registrations}


def test_outputs_declare_what_literals_declare() -> None:
    def args() -> GcpAutoscalingGroupArgs:
        return changed(
            MAXIMAL,
            network=later(MAXIMAL["network"]),
            subnetwork=later(MAXIMAL["subnetwork"]),
            region=later("europe-west1"),
            image_family=later("projects/images/global/images/family/web"),
            min_size=later(2.0),
            max_size=later(20.0),
            labels=later({"team": "serving"}),
            startup_script=later("#!/bin/sh\necho hello\n"),
            forecast={
                **MAXIMAL["forecast"],
                "load_per_instance": later(100.0),
                "saturated_cpu_percent": later(90.0),
                "time_zone": later("Europe/Berlin"),
            },
        )

    recorder, outputs = declare(args)
    assert {"registrations": as_json(recorder.registrations), "outputs": outputs} == golden(
        "gcp_autoscaling_group_maximal.json", None
    )


def test_a_preview_declares_the_same_resources() -> None:
    preview, up = declare(MAXIMAL, preview=True)[0], declare(MAXIMAL)[0]
    assert sorted(item.name for item in preview.registrations) == sorted(item.name for item in up.registrations)


@pytest.mark.parametrize(
    ("field", "argument", "value"),
    [
        ("min_size", "min_size", 1.5),
        ("max_size", "max_size", 0),
        ("machine_type", "machine_type", "huge"),
        ("image", "image", "debian"),
    ],
)
def test_a_wrong_output_is_named_by_the_deployment(field: str, argument: str, value: Any) -> None:
    with pytest.raises(SettingsError) as raised:
        record(lambda: component.GcpAutoscalingGroup("web", changed(MINIMAL, **{argument: later(value)})))
    assert raised.value.field == field
