from __future__ import annotations

import pytest

from forecasting.errors import SettingsError
from tests.gcp_group_args import MAXIMAL, MINIMAL, changed, component
from tests.group_args import later
from tests.recording import record

from elastic_iac.gcp.autoscaling_group.args import GcpAutoscalingGroupArgs  # isort: skip - after the import that quiets the SDK

HYPERDISK = {"size_gib": 20, "type": "hyperdisk-balanced"}
FRONT = {"instance_port": 80}
LOAD = MINIMAL["forecast"]

OUTAGE = {"name": "outage", "start": "2027-02-03T10:00:00+01:00", "end": "2027-02-03T16:30:00+01:00"}
"""A span of time, as an exclusion or an event."""

WRONG: list[tuple[str, GcpAutoscalingGroupArgs]] = [
    ("network", changed(MINIMAL, network="default")),
    ("subnetwork", changed(MINIMAL, subnetwork="default")),
    ("subnetwork", changed(MINIMAL, subnetwork=None)),
    ("nettwork", changed(MINIMAL, nettwork="default")),
    ("machine_type", changed(MINIMAL, machine_type="m7i.large")),
    ("region", changed(MINIMAL, region="europe-west1-b")),
    ("region", changed(MINIMAL, region="europe-west1", zone="europe-west1-b")),
    ("zone", changed(MINIMAL, zone="europe-west1")),
    ("zones", changed(MINIMAL, zone="europe-west1-b", zones=["europe-west1-b"])),
    ("zones", changed(MINIMAL, zones=["europe-west1-b", "europe-west1-b"])),
    ("zones", changed(MINIMAL, zones=["europe-west1-b", "europe-west2-b"])),
    ("zones", changed(MINIMAL, region="europe-west2", zones=["europe-west1-b"])),
    ("zones[1]", changed(MINIMAL, zones=["europe-west1-b", "europe-west1"])),
    ("min_size", changed(MINIMAL, min_size=-1)),
    ("min_size", changed(MINIMAL, min_size=True)),
    ("max_size", changed(MINIMAL, min_size=5)),
    ("max_size", changed(MINIMAL, min_size=0, max_size=0)),
    ("image", changed(MINIMAL, image=None)),
    ("image", changed(MINIMAL, image="projects/debian-cloud/global/images/family/debian-12")),
    ("image_family", changed(MINIMAL, image_family="projects/images/global/images/family/web")),
    ("image_family", changed(MAXIMAL, image_family="web")),
    ("refresh_image", changed(MINIMAL, refresh_image=True)),
    ("startup_script", changed(MINIMAL, startup_script="x" * (256 * 1024 + 1))),
    ("metadata.a", changed(MINIMAL, metadata={"a": 1})),
    ("boot_disk.size_gib", changed(MINIMAL, boot_disk={"size_gib": 5})),
    ("boot_disk.type", changed(MINIMAL, boot_disk={"size_gib": 20, "type": "gp3"})),
    ("boot_disk.iops", changed(MINIMAL, boot_disk={"size_gib": 20, "iops": 3000})),
    ("boot_disk.iops", changed(MINIMAL, boot_disk={**HYPERDISK, "iops": 10})),
    ("boot_disk.throughput_mib", changed(MINIMAL, boot_disk={**HYPERDISK, "throughput_mib": 10})),
    ("boot_disk.kms_key", changed(MINIMAL, boot_disk={"size_gib": 20, "kms_key": "arn:aws:kms"})),
    ("spot", changed(MINIMAL, spot="yes")),
    ("secure_boot", changed(MINIMAL, secure_boot=1)),
    ("public_address", changed(MINIMAL, public_address="no")),
    ("instance_roles.models", changed(MINIMAL, instance_roles={"models": "storage.objectViewer"})),
    ("network_tags[0]", changed(MINIMAL, network_tags=["Web"])),
    ("health_check.port", changed(MINIMAL, health_check={"port": 0})),
    ("health_check.path", changed(MINIMAL, health_check={"port": 80, "path": "alive"})),
    ("health_check.interval_seconds", changed(MINIMAL, health_check={"port": 80, "interval_seconds": 1})),
    ("health_check_grace_seconds", changed(MINIMAL, health_check_grace_seconds=3601)),
    ("health_check_grace_seconds", changed(MINIMAL, health_check_grace_seconds=299)),
    ("initialization_seconds", changed(MINIMAL, initialization_seconds=5)),
    ("stabilization_seconds", changed(MINIMAL, stabilization_seconds=10)),
    ("scale_in_control.max_instances", changed(MINIMAL, scale_in_control={"window_seconds": 60})),
    (
        "scale_in_control.max_percent",
        changed(MINIMAL, scale_in_control={"window_seconds": 60, "max_percent": 200}),
    ),
    (
        "scale_in_control.window_seconds",
        changed(MINIMAL, scale_in_control={"window_seconds": 10, "max_percent": 20}),
    ),
    ("mode", changed(MINIMAL, mode="on")),
    ("update_policy.proactive", changed(MINIMAL, update_policy={"proactive": "yes"})),
    ("update_policy.max_surge", changed(MINIMAL, update_policy={"proactive": True, "max_surge": 2})),
    ("update_policy.max_surge", changed(MINIMAL, update_policy={"proactive": True, "max_surge": 0})),
    ("named_ports.http", changed(MAXIMAL, named_ports={"http": 80})),
    ("named_ports.Web", changed(MINIMAL, named_ports={"Web": 80})),
    ("named_ports.grpc", changed(MINIMAL, named_ports={"grpc": 0})),
    ("target_tracking", changed(MINIMAL, target_tracking=[])),
    ("target_tracking[0].metric", changed(MINIMAL, target_tracking=[{"metric": "ram", "target_value": 1}])),
    ("target_tracking[0].target_value", changed(MINIMAL, target_tracking=[{"metric": "cpu", "target_value": 101}])),
    (
        "target_tracking[1].metric",
        changed(
            MINIMAL, target_tracking=[{"metric": "cpu", "target_value": 50}, {"metric": "cpu", "target_value": 60}]
        ),
    ),
    (
        "target_tracking[0].metric",
        changed(MINIMAL, load_balancer=FRONT, target_tracking=[{"metric": "lb-utilization", "target_value": 80}]),
    ),
    ("target_tracking[0].custom_metric", changed(MINIMAL, target_tracking=[{"metric": "custom", "target_value": 1}])),
    (
        "target_tracking[0].custom_metric.metric_type",
        changed(
            MINIMAL,
            target_tracking=[{"metric": "custom", "target_value": 1, "custom_metric": {"metric_type": "queue"}}],
        ),
    ),
    ("load_balancer.instance_port", changed(MINIMAL, load_balancer={"instance_port": 70000})),
    ("load_balancer.certificate", changed(MINIMAL, load_balancer={**FRONT, "certificate": "arn:aws:acm:x"})),
    ("load_balancer.security_policy", changed(MINIMAL, load_balancer={**FRONT, "security_policy": "armor"})),
    ("load_balancer.max_rate_per_instance", changed(MINIMAL, load_balancer={**FRONT, "max_rate_per_instance": 0})),
    ("load_balancer.health_check_path", changed(MINIMAL, load_balancer={**FRONT, "health_check_path": "up"})),
    ("load_balancer.internal", changed(MINIMAL, load_balancer={**FRONT, "internal": True})),
    ("labels.team", changed(MINIMAL, labels={"team": 3})),
    ("forecast.load", changed(MINIMAL, forecast={"load_per_instance": 5})),
    ("forecast.load.metric_type", changed(MINIMAL, forecast={**LOAD, "load": {"metric_type": "load"}})),
    (
        "forecast.load.statistic",
        changed(MINIMAL, forecast={**LOAD, "load": {"metric_type": "custom.googleapis.com/x", "statistic": "Sum"}}),
    ),
    ("forecast.load_per_instance", changed(MAXIMAL, forecast={})),
    ("forecast.load_per_instance", changed(MAXIMAL, forecast={"load_per_instance": 0})),
    (
        "forecast.saturated_cpu_percent",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "saturated_cpu_percent": 120}),
    ),
    ("forecast.lead_time_seconds", changed(MAXIMAL, forecast={"load_per_instance": 5, "lead_time_seconds": -1})),
    ("forecast.quantile", changed(MAXIMAL, forecast={"load_per_instance": 5, "quantile": 2})),
    ("forecast.time_zone", changed(MAXIMAL, forecast={"load_per_instance": 5, "time_zone": "Berlin"})),
    ("forecast.period_seconds", changed(MAXIMAL, forecast={"load_per_instance": 5, "period_seconds": 90})),
    ("forecast.uncovered_share", changed(MAXIMAL, forecast={"load_per_instance": 5, "uncovered_share": 0})),
    (
        "forecast.uncovered_share",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "uncovered_share": 0.01, "quantile": 0.9}),
    ),
    ("forecast.reactive_target", changed(MAXIMAL, forecast={"load_per_instance": 5, "reactive_target": 60})),
    ("forecast.holidays", changed(MAXIMAL, forecast={"load_per_instance": 5, "holidays": "DE"})),
    ("forecast.holidays[1]", changed(MAXIMAL, forecast={"load_per_instance": 5, "holidays": ["DE", "Bavaria"]})),
    ("forecast.expected_load", changed(MAXIMAL, forecast={"load_per_instance": 5, "expected_load": 100})),
    ("forecast.similar_fleet", changed(MAXIMAL, forecast={"load_per_instance": 5, "similar_fleet": "web"})),
    (
        "forecast.exclusions[0].end",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "exclusions": [{**OUTAGE, "end": OUTAGE["start"]}]}),
    ),
    (
        "forecast.exclusions[0].reason",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "exclusions": [{**OUTAGE, "reason": "x"}]}),
    ),
    (
        "forecast.events[0].repeats",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "events": [{**OUTAGE, "repeats": "weekly"}]}),
    ),
    (
        "forecast.events[0].floor",
        changed(MAXIMAL, forecast={"load_per_instance": 5, "events": [{**OUTAGE, "floor": 2.5}]}),
    ),
    (
        "forecast.events[0].load_factor",
        changed(
            MAXIMAL,
            forecast={"load_per_instance": 5, "events": [{**OUTAGE, "load_factor": 2, "learn_factor": True}]},
        ),
    ),
]


@pytest.mark.parametrize(("field", "args"), WRONG, ids=[f"{index}-{field}" for index, (field, _) in enumerate(WRONG)])
def test_a_wrong_argument_is_named_before_anything_is_registered(field: str, args: GcpAutoscalingGroupArgs) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.GcpAutoscalingGroup("web", args)
        assert raised.value.field == field
        assert raised.value.expected

    recorder, _ = record(program)
    assert recorder.registrations == []


@pytest.mark.parametrize("name", ["Web", "web_app", "-web", "9web", "w" * 41, ""])
def test_a_name_must_fit_into_names_of_the_cloud(name: str) -> None:
    def program() -> None:
        with pytest.raises(SettingsError, match=r"^name: "):
            component.GcpAutoscalingGroup(name, MINIMAL)

    assert record(program)[0].registrations == []


def test_names_of_the_children_leave_room_for_automatic_ones() -> None:
    """Google Cloud's names end at 63 characters, of which automatic naming takes 8; it refuses a longer name."""
    recorder, _ = record(lambda: component.GcpAutoscalingGroup("w" * 40, MAXIMAL))
    named = [item.name for item in recorder.registrations if item.type.startswith("gcp:compute/")]
    assert named
    assert max(map(len, named)) <= 63 - 8


def test_a_list_that_is_an_output_is_refused_where_its_length_decides() -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.GcpAutoscalingGroup("web", changed(MINIMAL, network_tags=later(["web"])))
        assert raised.value.field == "network_tags"

    assert record(program)[0].registrations == []


def test_outputs_among_the_zones_are_not_compared() -> None:
    def program() -> None:
        zones = [later("europe-west1-b"), "europe-west1-c"]
        component.GcpAutoscalingGroup("web", changed(MINIMAL, region=later("europe-west1"), zones=zones))

    assert record(program)[0].one(":RegionInstanceGroupManager").inputs["distributionPolicyZones"] == [
        "europe-west1-b",
        "europe-west1-c",
    ]
