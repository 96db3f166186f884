"""Capacity Blocks of a pool: opened and closed by its own scheduled actions, and the same at every deployment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pulumi
import pytest

from elastic_iac.aws.gpu_pool import capacity_block
from tests.pool_args import (
    BLOCKS,
    NOW,
    changed,
    declare,
    fleet_of,
    group_of,
)
from tests.recording import Registration

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs  # isort: skip - after the import that quiets the SDK


@pytest.fixture(autouse=True)
def deployed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Deploy at another time than `NOW`."""

    def deploy(moment: datetime) -> None:
        monkeypatch.setattr(capacity_block, "now", lambda: moment)

    deploy(NOW)
    return deploy


def schedules(args: AwsGpuPoolArgs = BLOCKS) -> dict[str, Registration]:
    return {item.name: item for item in declare(args)[0].of(":Schedule")}


def block(start: str, end: str) -> capacity_block.Block:
    times = [datetime.fromisoformat(each) for each in (start, end)]
    return capacity_block.Block(cast("Any", "cr-0a1b2c3d"), times[0], times[1], instances=4, min_instances=1)


FIRST, SECOND = "llm-block-20261123T1130Z", "llm-block-20261125T1130Z"


class TestCapacityBlocks:
    """Of 23 November 11:30 to the 24th, and of the 25th to the 27th."""

    def test_the_pool_is_empty_until_it_is_opened(self) -> None:
        group = declare(BLOCKS)[0].one("group:Group")
        assert [group.inputs[size] for size in ("minSize", "desiredCapacity", "maxSize")] == [0, 0, 0]
        assert {"minSize", "desiredCapacity", "maxSize"} <= set(group.ignore_changes)

    def test_each_opens_at_its_start_and_closes_forty_minutes_before_its_end(self) -> None:
        """A minute later, since a slot of the job may stand at a quarter of an hour, and starts are unique."""
        found = {name: (item.inputs["startTime"], item.inputs["maxSize"]) for name, item in schedules().items()}
        assert found == {
            f"{FIRST}-opens": ("2026-11-23T11:31:00Z", 4),
            f"{FIRST}-closes": ("2026-11-24T10:50:00Z", 0),
            f"{SECOND}-opens": ("2026-11-25T11:31:00Z", 8),
            f"{SECOND}-closes": ("2026-11-27T10:50:00Z", 0),
        }

    def test_an_action_says_all_three_sizes(self) -> None:
        """The provider takes one that is not given for 0, and -1 for leaving it."""
        opens, closes = schedules()[f"{SECOND}-opens"].inputs, schedules()[f"{SECOND}-closes"].inputs
        assert (opens["minSize"], opens["maxSize"], opens["desiredCapacity"]) == (2, 8, -1)
        assert (closes["minSize"], closes["maxSize"], closes["desiredCapacity"]) == (0, 0, 0)

    def test_the_job_plans_in_between(self) -> None:
        pool = fleet_of(BLOCKS).pool
        assert pool is not None
        assert [(item.start.isoformat(), item.end.isoformat(), item.floor, item.units) for item in pool.windows] == [
            ("2026-11-23T11:31:00+00:00", "2026-11-24T10:50:00+00:00", 1, 4),
            ("2026-11-25T11:31:00+00:00", "2026-11-27T10:50:00+00:00", 2, 8),
        ]

    def test_the_template_buys_in_the_block_and_the_group_names_it(self) -> None:
        recorder, _ = declare(BLOCKS)
        template, group = recorder.one(":LaunchTemplate").inputs, recorder.one("group:Group").inputs
        assert template["instanceMarketOptions"] == {"marketType": "capacity-block"}
        assert group["capacityReservationSpecification"] == {
            "capacityReservationPreference": "capacity-reservations-only",
            "capacityReservationTarget": {"capacityReservationIds": ["cr-0a", "cr-0b"]},
        }

    def test_one_that_has_begun_is_opened_soon(self, deployed_at: Callable[[datetime], None]) -> None:
        deployed_at(datetime.fromisoformat("2026-11-23T15:11:20Z"))
        opens = schedules()[f"{FIRST}-opens"]
        assert (opens.inputs["startTime"], opens.inputs["maxSize"]) == ("2026-11-23T15:16:00Z", 4)

    @pytest.mark.parametrize("minute", range(60))
    def test_soon_is_ahead_and_never_where_the_jobs_slots_are(self, minute: int) -> None:
        now = datetime.fromisoformat("2026-11-23T15:00:40Z") + timedelta(minutes=minute)
        opens = capacity_block.opening_of(block("2026-11-22T11:30:00Z", "2026-11-25T11:30:00Z"), now)
        assert opens is not None
        assert timedelta(minutes=2) < opens - now <= timedelta(minutes=5)
        assert opens.minute % 5

    def test_a_second_deployment_is_the_first_until_the_block_is_over(
        self, deployed_at: Callable[[datetime], None]
    ) -> None:
        """What the engine compares: all inputs but those that are ignored; nothing else may depend on the time."""

        def compared(moment: str) -> dict[str, Any]:
            deployed_at(datetime.fromisoformat(moment))
            return {
                name: {key: value for key, value in item.inputs.items() if key not in item.ignore_changes}
                for name, item in {entry.name: entry for entry in declare(BLOCKS)[0].registrations}.items()
                if name != "llm"
            }

        before = compared("2026-11-22T20:00:00Z")
        assert compared("2026-11-23T11:30:30Z") == before
        for size in ("minSize", "maxSize"):  # followed until it has run
            del before[f"{FIRST}-opens"][size]
        for moment in ("2026-11-23T11:31:00Z", "2026-11-24T10:40:00Z"):
            assert compared(moment) == before
        names = {"2026-11-24T10:49:50Z", "2026-11-24T10:52:50Z"}  # it may still be executed: it must not be deleted
        assert all(f"{FIRST}-closes" in compared(moment) for moment in names)
        months_later = compared("2027-05-01T00:00:00Z")
        assert months_later == compared("2027-06-01T00:00:00Z")
        assert not [name for name in months_later if "-block-" in name]
        assert months_later["llm-group"]["capacityReservationSpecification"]["capacityReservationTarget"] == {
            "capacityReservationIds": ["cr-0b"]
        }
        unchanged = set(before) - {"llm-group", *(name for name in before if "-block-" in name)}
        assert {name: months_later[name] for name in unchanged} == {name: before[name] for name in unchanged}

    @pytest.mark.parametrize("minute", range(60))
    def test_neither_opening_nor_closing_is_where_the_jobs_slots_are(self, minute: int) -> None:
        found = block(f"2026-11-25T11:{minute:02}:00Z", f"2026-11-27T11:{minute:02}:00Z")
        assert found.opens.minute % 15
        assert found.closes.minute % 15
        assert timedelta(0) <= found.opens - found.start <= timedelta(minutes=1)
        assert timedelta(0) <= found.end - found.closes - capacity_block.CLOSES_BEFORE_END <= timedelta(minutes=1)

    def test_a_change_of_an_open_block_asks_for_no_start_in_the_past(
        self, deployed_at: Callable[[datetime], None]
    ) -> None:
        """The provider would put the action that has run again, with its own start."""

        def compared(least: int) -> dict[str, Any]:
            args = changed(BLOCKS)
            cast("Any", args)["capacity_blocks"][1]["min_instances"] = least
            opens = schedules(args)[f"{FIRST}-opens"]
            return {key: value for key, value in opens.inputs.items() if key not in opens.ignore_changes}

        assert compared(1) != compared(3)
        deployed_at(datetime.fromisoformat("2026-11-23T12:00:00Z"))
        assert compared(1) == compared(3)

    def test_an_extension_moves_the_closing_of_the_same_action(self) -> None:
        extended = changed(BLOCKS)
        cast("Any", extended)["capacity_blocks"][0]["end"] = "2026-11-30T11:30:00Z"
        before, after = schedules(), schedules(extended)
        assert before.keys() == after.keys()
        closes = after[f"{SECOND}-closes"]
        assert closes.inputs["startTime"] == "2026-11-30T10:50:00Z"
        assert closes.ignore_changes == []

    def test_after_the_last_one_the_pool_stands_at_0_until_another_is_added(
        self, deployed_at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []

        def say(text: str, *_: object) -> None:
            said.append(text)

        monkeypatch.setattr(pulumi.log, "info", say)
        deployed_at(datetime.fromisoformat("2026-11-29T00:00:00Z"))
        (second, first) = cast("Any", BLOCKS)["capacity_blocks"]
        only = changed(BLOCKS, capacity_blocks=[first])
        assert schedules(only) == {}
        group = group_of(only)
        assert [group[size] for size in ("minSize", "desiredCapacity", "maxSize")] == [0, 0, 0]
        pool = fleet_of(only).pool
        assert pool
        assert len(pool.windows) == 1  # without one the pool would have capacity at all times
        over = "the Capacity Block of 2026-11-23 11:30 UTC is over: "
        assert {*said} == {over + "the pool stays at 0 until another is added beside it"}
        said.clear()
        later_one = {**second, "start": "2026-12-01T11:30:00Z", "end": "2026-12-03T11:30:00Z"}
        assert len(schedules(changed(BLOCKS, capacity_blocks=[first, later_one]))) == 2
        assert said == [over + "take it out"]

    def test_nothing_is_refreshed_in_a_block(self) -> None:
        assert "instanceRefresh" not in group_of(BLOCKS)
