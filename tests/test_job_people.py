"""The street and people: their hands, their actions, a renamed stack, and giving a group back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from elastic_iac.local import faults
from forecasting import job as job_module
from forecasting.errors import CredentialsError, Hold
from forecasting.invocation.summary import line_of
from forecasting.job import Pipeline, run_job
from forecasting.release import release_fleet, roll_back_fleet
from forecasting.targets.aws import AutoScalingTarget
from tests.fleets import GROUP, NOW
from tests.street import HOUR, MINUTE, Street, step_load, write_load


def test_a_hand_that_raises_pins_until_it_lowers(street: Street) -> None:
    street.run()
    street.hand(MinSize=35, DesiredCapacity=35)
    pinned = street.run()
    assert pinned.schedule
    assert {slot.floor for slot in pinned.schedule.slots} == {35}
    assert any("pinned: a person raised MinSize to 35" in note for note in pinned.notes)
    street.aws.clock.advance(6 * HOUR)
    held = street.run()
    assert held.schedule
    assert {slot.floor for slot in held.schedule.slots} == {35}
    street.hand(MinSize=3)
    released = street.run()
    assert released.schedule
    assert max(slot.floor for slot in released.schedule.slots) < 35
    assert released.schedule.slots[-1].floor == 2


def test_a_slot_that_runs_between_the_start_of_a_run_and_its_reading_is_no_hand(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_load(street.folder / "load.csv")
    street.run()
    real = job_module.forecast

    def slow(*args: Any, **options: Any) -> Any:
        street.aws.clock.advance(2 * MINUTE)
        return real(*args, **options)

    monkeypatch.setattr(job_module, "forecast", slow)
    street.aws.clock.advance_to(NOW.replace(hour=11, minute=44))
    result = street.run()
    assert street.aws.history(GROUP)[-1].at == NOW.replace(hour=11, minute=45)
    assert result.observation
    assert (result.observation.people_floor, result.observation.note) == (0, None)


def test_a_slot_that_runs_among_the_writes_is_no_hand(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    step_load(street.folder / "load.csv")
    street.run()
    street.aws.clock.advance_to(NOW.replace(hour=11, minute=44, second=30))
    step_load(street.folder / "load.csv", scale=1.5)
    slow = Pipeline(street.make_run(), street.job().fleets[0])
    assert isinstance(slow.target, AutoScalingTarget)
    put = slow.target.put

    def slowly(slot: Any) -> None:
        put(slot)
        street.aws.clock.advance(timedelta(seconds=0.5))

    monkeypatch.setattr(slow.target, "put", slowly)
    assert slow.guarded().status == "written"
    assert street.aws.history(GROUP)[-1].at == NOW.replace(hour=11, minute=45)
    street.aws.clock.advance_to(NOW.replace(hour=11, minute=46))
    result = street.run()
    assert result.observation
    assert (result.observation.people_floor, result.observation.note) == (0, None)


def test_a_fleet_that_comes_late_in_a_run_is_planned_for_its_own_moment(street: Street) -> None:
    run = street.make_run()
    street.aws.clock.advance(5 * MINUTE)  # as the fleets before it would take
    (result,) = run_job(run)
    assert result.status == "written"
    assert result.schedule
    assert result.schedule.slots[0].start > street.aws.clock.now() + 2 * MINUTE


def test_a_group_found_above_the_floor_is_pinned_on_first_contact(street: Street) -> None:
    street.hand(MinSize=6, DesiredCapacity=6)
    result = street.run()
    assert result.schedule
    assert min(slot.floor for slot in result.schedule.slots) == 6


def test_a_persons_one_off_action_that_ran_between_two_runs_is_no_hand_and_still_holds(street: Street) -> None:
    street.foreign("match-day", NOW + 2 * HOUR, MinSize=28)
    street.run()
    street.aws.clock.advance(6 * HOUR)
    result = street.run()
    assert result.observation
    assert (result.observation.people_floor, result.observation.note) == (28, None)
    assert result.schedule
    assert {slot.floor for slot in result.schedule.slots} == {28}, "above what any slot needs"


def test_row_30_peoples_actions_are_byte_identical_after_many_runs(street: Street) -> None:
    street.foreign("elastic-iac-prod", NOW + 30 * HOUR, MinSize=5)
    street.foreign("elastic-iac-prod2-20260303T1200Z", NOW.replace(day=3, hour=12, minute=0), MinSize=5)
    street.foreign("elastic-iac-prod-20260303T1300Z", NOW.replace(day=3, hour=13, minute=0), MinSize=4, MaxSize=50)
    theirs = street.described()
    for _ in range(3):
        assert street.run().status == "written"
        street.aws.clock.advance(5 * HOUR)
    names = {action["ScheduledActionName"] for action in theirs}
    assert [action for action in street.described() if action["ScheduledActionName"] in names] == theirs


def test_renaming_a_stack_takes_its_actions_over_and_a_fleets_name_does_not_matter(street: Street) -> None:
    street.run()
    street.aws.clock.advance(6 * HOUR)
    renamed = street.job(street.fleet(name="shop"), owner="blue", former_owners=["prod"])
    result = street.run(renamed)
    assert result.status == "written"
    assert result.scores is not None  # its history came along
    assert result.schedule
    assert {action["ScheduledActionName"] for action in street.described()} == {
        slot.name for slot in result.schedule.slots
    }
    street.aws.clock.advance(49 * HOUR)
    write_load(street.folder / "load.csv", street.aws.clock.now())
    street.run(renamed)
    assert street.described("elastic-iac-prod-") == []
    assert street.described("elastic-iac-blue-")


def test_a_renamed_stack_with_a_store_of_its_own_takes_min_size_for_its_own(street: Street) -> None:
    street.run()
    street.aws.clock.advance(6 * HOUR)
    fresh = street.job(
        owner="blue", former_owners=["prod"], store={"kind": "local", "path": str(street.folder / "other")}
    )
    result = street.run(fresh)
    assert result.observation
    assert result.observation.people_floor == 0
    assert result.schedule
    assert result.schedule.slots[-1].floor == 2


# Release


def test_release_leaves_the_group_as_it_was_found(street: Street) -> None:
    street.foreign("theirs", NOW + 30 * HOUR, MinSize=5)
    theirs = street.described("theirs")
    street.run()
    street.aws.clock.advance(6 * HOUR)
    assert street.aws.history(GROUP)[-1].sizes.minimum > 2
    released = release_fleet(street.make_run(), street.job().fleets[0])
    assert released.min_size_after == 2
    assert released.deleted
    assert street.described() == theirs
    assert street.aws.history(GROUP)[-1].sizes.minimum == 2
    # And a later run begins anew.
    assert street.run().status == "written"


def test_release_respects_what_people_set(street: Street) -> None:
    street.run()
    street.hand(MinSize=17, DesiredCapacity=17)
    assert release_fleet(street.make_run(), street.job().fleets[0]).min_size_after == 17


def test_a_release_that_was_refused_half_way_does_not_take_our_floor_for_a_persons(street: Street) -> None:
    """Our actions are gone and MinSize is still theirs; by the time it is tried again they would have set another."""
    street.run()
    street.aws.clock.advance(6 * HOUR)
    street.aws.faults.add(faults.access_denied(action="UpdateAutoScalingGroup"))
    with pytest.raises(CredentialsError):
        release_fleet(street.make_run(), street.job().fleets[0])
    assert street.described() == []
    street.aws.faults.clear()
    street.aws.clock.advance(12 * HOUR)
    released = release_fleet(street.make_run(), street.job().fleets[0])
    assert released.min_size_before > 2
    assert released.min_size_after == 2


def test_release_gives_back_no_more_than_max_size_allows(street: Street) -> None:
    street.hand(MinSize=6, DesiredCapacity=6)
    street.run()
    street.hand(MinSize=3, DesiredCapacity=3, MaxSize=5)
    assert release_fleet(street.make_run(), street.job().fleets[0]).min_size_after == 5


def test_release_of_a_group_that_was_never_touched_changes_nothing(street: Street) -> None:
    street.hand(MinSize=4, DesiredCapacity=4)
    street.aws.calls.clear()
    released = release_fleet(street.make_run(), street.job().fleets[0])
    assert (released.deleted, released.min_size_after) == ((), 4)
    assert street.changes() == []


def test_row_35_a_rollback_restores_the_schedule_before_the_last_one(street: Street) -> None:
    street.run()
    before = {action["StartTime"]: action["MinSize"] for action in street.described()}
    street.aws.clock.advance(HOUR)
    write_load(street.folder / "load.csv", scale=1.8)
    street.run()
    wrong = {action["StartTime"]: action["MinSize"] for action in street.described()}
    assert any(wrong.get(start, 0) > floor for start, floor in before.items())

    outcome = roll_back_fleet(street.make_run(), street.job().fleets[0])
    assert outcome.written
    restored = {action["StartTime"]: action["MinSize"] for action in street.described()}
    assert {
        start: floor for start, floor in before.items() if start > NOW + HOUR + 4 * MINUTE
    }.items() <= restored.items()
    street.aws.clock.advance(49 * HOUR)
    assert street.aws.history(GROUP)[-1].sizes.minimum == 2


def test_a_rollback_keeps_to_max_size_and_clear_of_actions_that_people_added_since(street: Street) -> None:
    street.run()
    street.aws.clock.advance(HOUR)
    write_load(street.folder / "load.csv", scale=1.8)
    street.hand(MinSize=3, DesiredCapacity=3, MaxSize=15)
    street.foreign("match", NOW.replace(hour=14, minute=1), MinSize=9)
    street.foreign("warm", NOW.replace(hour=13, minute=1), DesiredCapacity=12)
    theirs = {"match", "warm"}
    street.run()
    roll_back_fleet(street.make_run(), street.job().fleets[0])
    restored = [action for action in street.described() if action["ScheduledActionName"] not in theirs]
    assert max(action["MinSize"] for action in restored) == 15
    near = NOW.replace(hour=14, minute=1)
    assert all(abs(action["StartTime"] - near) >= 3 * MINUTE for action in restored)
    assert min(action["MinSize"] for action in restored if action["StartTime"] > near) >= 9


def test_a_rollback_without_an_earlier_schedule_holds(street: Street) -> None:
    with pytest.raises(Hold, match="nothing-to-roll-back"):
        roll_back_fleet(street.make_run(), street.job().fleets[0])


def test_an_external_action_below_the_plan_is_no_success_and_raises_the_alarm(street: Street) -> None:
    street.run()
    street.foreign("less", NOW + 8 * HOUR, MinSize=3)
    result = street.run()
    assert result.minimum is not None
    assert (result.status, result.served, result.ok, result.read_back) == ("written", True, False, True)
    assert (result.minimum.short_from, result.minimum.actions) == (NOW + 8 * HOUR, ("less",))
    line = line_of(result, frozenset({"prod"}), street.aws.clock.now(), 0.0)
    assert (line.served, line.ok, line.capacity_limited) == (True, False, True)
    assert line.shortfall_instance_hours
    recorded = street.ledger.runs(1)[0]
    assert recorded.shortfall_instance_hours == pytest.approx(result.minimum.shortfall_instance_hours, abs=0.001)
    assert min(recorded.minimum_in_force.values()) <= 3

    street.client.delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionName="less")
    again = street.run()
    assert again.ok
    assert not line_of(again, frozenset({"prod"}), street.aws.clock.now(), 0.0).capacity_limited
