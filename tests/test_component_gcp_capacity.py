"""Arguments by which instances come sooner, or at all: standby pool, machine type selections, boot disks by machine family; and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elastic_iac.common.parsing import ArgumentsError
from forecasting.errors import SettingsError
from tests import gcp_pool_args
from tests.gcp_group_args import MAXIMAL, MINIMAL, changed, component, declare
from tests.group_args import later
from tests.recording import Recorder, record

from elastic_iac.gcp.gpu_pool.component import GcpGpuPool  # isort: skip - after the import that quiets the SDK

STANDBY: dict[str, Any] = {"stopped_size": 3, "suspended_size": 2, "initial_delay_seconds": 120, "mode": "MANUAL"}
SELECTIONS: list[dict[str, Any]] = [
    {"name": "first", "machine_types": ["n2-standard-4", "n2d-standard-4"]},
    {"name": "then", "machine_types": ["e2-standard-4"], "rank": 1},
]


def declared_later(**changes: Callable[[], Any]) -> Recorder:
    """The group with outputs among its arguments, which need the program's event loop."""

    def program() -> None:
        made: dict[str, Any] = {field: value() for field, value in changes.items()}
        component.GcpAutoscalingGroup("web", changed(MINIMAL, **made))

    return record(program)[0]


def group(recorder: Recorder) -> dict[str, Any]:
    (found,) = (item for item in recorder.registrations if item.type.endswith("nstanceGroupManager"))
    return found.inputs


def disk(recorder: Recorder) -> dict[str, Any]:
    return recorder.one(":InstanceTemplate").inputs["disks"][0]


class TestStandbyPool:
    @pytest.mark.parametrize("place", [{}, {"zone": "europe-west1-b"}])
    def test_every_field_arrives(self, place: dict[str, Any]) -> None:
        made = group(declare(changed(MINIMAL, standby_pool=STANDBY, **place))[0])
        assert made["standbyPolicy"] == {"mode": "MANUAL", "initialDelaySec": 120}
        assert (made["targetStoppedSize"], made["targetSuspendedSize"]) == (3, 2)

    def test_outputs(self) -> None:
        given = declared_later(standby_pool=lambda: {key: later(value) for key, value in STANDBY.items()})
        assert group(given) == group(declare(changed(MINIMAL, standby_pool=STANDBY))[0])

    def test_it_is_scaled_out_from_once_the_boot_is_over(self) -> None:
        made = group(declare(changed(MAXIMAL, standby_pool={"stopped_size": 1}))[0])
        assert made["standbyPolicy"] == {"mode": "SCALE_OUT_POOL", "initialDelaySec": 240}

    def test_there_is_none_by_default(self) -> None:
        assert not {"standbyPolicy", "targetStoppedSize", "targetSuspendedSize"} & set(group(declare(MINIMAL)[0]))

    def test_a_pool_has_one_too(self) -> None:
        args = gcp_pool_args.changed(gcp_pool_args.MINIMAL, standby_pool={"stopped_size": 2})
        made = group(gcp_pool_args.declare(args)[0])
        assert (made["targetStoppedSize"], made["targetSuspendedSize"]) == (2, 0)


class TestSelections:
    def test_they_arrive_over_the_zones_that_have_instances(self) -> None:
        made = group(declare(changed(MINIMAL, instance_selections=SELECTIONS))[0])
        assert made["instanceFlexibilityPolicy"] == {
            "instanceSelections": [
                {"name": "first", "machineTypes": ["n2-standard-4", "n2d-standard-4"], "rank": 0},
                {"name": "then", "machineTypes": ["e2-standard-4"], "rank": 1},
            ]
        }
        assert made["distributionPolicyTargetShape"] == "BALANCED"
        assert made["updatePolicy"]["instanceRedistributionType"] == "NONE"

    def test_outputs(self) -> None:
        given = declared_later(
            instance_selections=lambda: [
                {**each, "machine_types": [later(kind) for kind in each["machine_types"]]} for each in SELECTIONS
            ]
        )
        assert group(given) == group(declare(changed(MINIMAL, instance_selections=SELECTIONS))[0])

    def test_the_boot_disk_is_one_that_all_take(self) -> None:
        mixed = [{"name": "any", "machine_types": ["n2-standard-4", "n4-standard-4"]}]
        assert disk(declare(changed(MINIMAL, instance_selections=mixed))[0])["diskType"] == "hyperdisk-balanced"


class TestBootDisk:
    @pytest.mark.parametrize(
        ("machine_type", "kind"),
        [
            ("c4-standard-8", "hyperdisk-balanced"),
            ("c4a-standard-4", "hyperdisk-balanced"),
            ("n4-standard-4", "hyperdisk-balanced"),
            ("c3-standard-192-metal", "hyperdisk-balanced"),
            ("c3-standard-8", "pd-balanced"),
            ("n2-standard-4", "pd-balanced"),
        ],
    )
    def test_it_is_of_the_family(self, machine_type: str, kind: str) -> None:
        assert disk(declare(changed(MINIMAL, machine_type=machine_type))[0])["diskType"] == kind
        assert disk(declared_later(machine_type=lambda: later(machine_type)))["diskType"] == kind

    def test_performance_needs_no_type_there(self) -> None:
        hyperdisk = {"size_gib": 30, "iops": 4000, "throughput_mib": 200}
        args = changed(MINIMAL, machine_type="n4-standard-4", boot_disk=hyperdisk)
        provisioned = {"provisionedIops": 4000, "provisionedThroughput": 200}
        for name, expected in provisioned.items():
            assert disk(declare(args)[0])[name] == expected
            assert name not in disk(declare(args, without=(":InstanceTemplate", f"disks.{name}"))[0])


def test_labels_that_the_cloud_takes() -> None:
    made = declared_later(labels=lambda: {"team": "shop", "größe": "", "a_b-1": later("x")})
    labels = made.one(":InstanceTemplate").inputs["labels"]
    assert {key: labels[key] for key in ("team", "größe", "a_b-1")} == {"team": "shop", "größe": "", "a_b-1": "x"}


PD_SSD = {"size_gib": 20, "type": "pd-ssd"}
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("standby_pool.stopped_size", {"standby_pool": {"stopped_size": -1}}),
    ("standby_pool.stopped_size", {"standby_pool": {}}),
    ("standby_pool.mode", {"standby_pool": {"stopped_size": 1, "mode": "ON"}}),
    ("standby_pool.initial_delay_seconds", {"standby_pool": {"stopped_size": 1, "initial_delay_seconds": 3601}}),
    ("instance_selections", {"instance_selections": SELECTIONS, "zone": "europe-west1-b"}),
    ("instance_selections", {"instance_selections": [SELECTIONS[0], SELECTIONS[0]]}),
    ("instance_selections[0].machine_types", {"instance_selections": [{"name": "a", "machine_types": []}]}),
    ("instance_selections[0].machine_types[0]", {"instance_selections": [{"name": "a", "machine_types": ["big"]}]}),
    ("instance_selections[0].rank", {"instance_selections": [{**SELECTIONS[0], "rank": -1}]}),
    ("boot_disk.type", {"machine_type": "c4-standard-8", "boot_disk": PD_SSD}),
    ("boot_disk.type", {"machine_type": "n4-standard-4", "boot_disk": PD_SSD}),
    ("labels.Team", {"labels": {"Team": "shop"}}),
    ("labels.team", {"labels": {"team": "Shop Ops"}}),
    ("labels.1st", {"labels": {"1st": "a"}}),
    ("labels", {"labels": {f"label-{number}": "a" for number in range(64)}}),
]


@pytest.mark.parametrize(("field", "changes"), WRONG)
def test_a_wrong_value_is_refused(field: str, changes: dict[str, Any]) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.GcpAutoscalingGroup("web", changed(MINIMAL, **changes))
        assert raised.value.field == field

    assert record(program)[0].registrations == []


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("standby_pool.suspended_size", {"standby_pool": {"stopped_size": 1, "suspended_size": 1}}),
        ("standby_pool", {"standby_pool": {"stopped_size": 1}, "spot": True}),
        ("labels.Team", {"labels": {"Team": "shop"}}),
    ],
)
def test_a_pool_refuses_them_too(field: str, changes: dict[str, Any]) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            GcpGpuPool("llm", gcp_pool_args.changed(gcp_pool_args.MINIMAL, **changes))
        assert raised.value.field == field

    assert record(program)[0].registrations == []


def test_all_problems_are_reported_at_once() -> None:
    def program() -> None:
        wrong: Any = changed(MINIMAL, min_size=-1, labels={"Team": "x"}, boot_disk={"size_gib": 1}, zones=["a"])
        with pytest.raises(ArgumentsError) as raised:
            component.GcpAutoscalingGroup("Web", wrong)
        fields = [each.field for each in raised.value.problems]
        assert sorted(fields) == ["boot_disk.size_gib", "labels.Team", "min_size", "name", "zones[0]"]

    assert record(program)[0].registrations == []
