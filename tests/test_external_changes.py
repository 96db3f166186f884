"""External actions that were deleted or changed between two full runs are warned of once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.external_changes import SeenAction, SeenActions, _changes  # pyright: ignore[reportPrivateUsage]
from forecasting.run import FleetResult
from forecasting.schedule.actions import slot_name
from forecasting.shortrun import run_short
from tests.fleets import GROUP, NOW, OWNER
from tests.street import HOUR, MINUTE, Street

pytestmark = pytest.mark.usefixtures("quick_models")
WARNED = "external action"


def warnings(street: Street) -> list[str]:
    result = street.run()
    assert result.served, result.reason
    return [note for note in result.notes if note.startswith(WARNED)]


def test_what_somebody_deleted_changed_or_added_between_two_runs_is_warned_of_once(street: Street) -> None:
    street.foreign("ops-batch", NOW + 20 * HOUR, MinSize=9)
    street.foreign("ops-night", NOW + 30 * HOUR, MinSize=3)
    street.foreign("ops-soon", NOW + HOUR, MinSize=2)
    assert warnings(street) == []
    assert warnings(street) == []
    street.client.delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionName="ops-batch")
    street.foreign("ops-night", NOW + 30 * HOUR, MinSize=1)
    street.foreign("ops-new", NOW + 31 * HOUR, MinSize=2, DesiredCapacity=2)
    found = warnings(street)
    assert len(found) == 3
    assert "'ops-batch' (minimum 9 at" in found[0]
    assert "deleted since the run of" in found[0]
    assert "'ops-night' was changed" in found[1]
    assert "'ops-new' is new" in found[2]
    assert warnings(street) == []
    street.aws.clock.advance(2 * HOUR)
    assert warnings(street) == []  # ops-soon has run


def test_an_action_of_the_job_s_own_name_that_sets_a_desired_capacity_is_warned_of(street: Street) -> None:
    warnings(street)
    start = NOW.replace(minute=0) + 40 * HOUR
    street.foreign(slot_name(OWNER, start), start, MinSize=2, DesiredCapacity=40)
    [found] = warnings(street)
    assert "desired capacity 40" in found


ACTION = st.builds(
    SeenAction,
    start=st.none() | st.integers(-100, 100).map(lambda hours: NOW + timedelta(hours=hours)),
    min_size=st.none() | st.integers(0, 9),
    recurrence=st.none() | st.just("0 8 * * *"),
)


@given(
    st.dictionaries(st.text(min_size=1), ACTION, max_size=5), st.dictionaries(st.text(min_size=1), ACTION, max_size=5)
)
def test_a_warning_is_one_printable_line_for_each_change_of_what_was_still_to_come(
    before: dict[str, SeenAction], after: dict[str, SeenAction]
) -> None:
    found = list(_changes(SeenActions(time=NOW, actions=before), after, NOW))
    assert all(line.isprintable() for line in found)
    due = {name: action for name, action in before.items() if action.is_due(NOW)}
    assert len(found) == sum(after.get(name) != action for name, action in due.items())
    assert list(_changes(SeenActions(time=NOW, actions=before), before, NOW)) == []


def test_each_run_reports_a_desired_capacity_that_is_not_what_the_last_one_left(street: Street) -> None:
    assert street.run().desired_before is None
    left = street.run()
    assert left.desired_before is None
    assert left.group is not None
    street.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=30)
    for run in (lambda: street.run(write=False), street.run):
        found = run().desired_before
        assert found is not None
        assert (found.capacity, found.at) == (left.group.desired_capacity, NOW)
    assert street.run().desired_before is None


def test_an_adjustment_run_warns_too_and_once(planned: Street) -> None:
    planned.foreign("ops-batch", NOW + 20 * HOUR, MinSize=9)
    planned.run()
    planned.client.delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionName="ops-batch")
    planned.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=30)

    def short() -> FleetResult:
        planned.aws.clock.advance(5 * MINUTE)
        return run_short(planned.make_run(planned.job()))[0]

    first, second = short(), short()
    assert [note for note in first.notes if note.startswith(WARNED)]
    assert first.desired_before is not None
    assert not [note for note in second.notes if note.startswith(WARNED)]
    assert second.desired_before is None
