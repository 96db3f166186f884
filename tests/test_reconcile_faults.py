"""What AWS refuses and what goes wrong among the writes, against the strict double."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from elastic_iac.local import faults
from elastic_iac.local.aws import LocalAws
from forecasting.errors import CredentialsError, Hold, TargetNotFoundError
from forecasting.schedule.actions import split_actions
from forecasting.schedule.base import Slot
from forecasting.targets.base import CallBudget
from tests.fleets import (
    GROUP,
    NOW,
    OWNER,
    make_group,
    snapshot,
)
from tests.writing import MINUTE, Watched, update


@pytest.mark.parametrize(
    "fault",
    [
        faults.throttle(mutating=True, nth=3, times=3),
        faults.request_limit_exceeded(mutating=True, nth=2, times=2),
        faults.server_error(mutating=True, nth=2, times=2),
        faults.server_error(mutating=True, nth=2, times=1, after=True),
        faults.reset(mutating=True, nth=4, times=2),
        faults.reset(mutating=True, nth=4, times=1, after=True),
        faults.resource_contention(mutating=True, nth=2, times=2),
    ],
    ids=["throttle", "request-limit", "500", "500-applied", "reset", "reset-applied", "contention"],
)
def test_a_passing_fault_is_ridden_out_and_read_back(aws: LocalAws, fault: faults.Fault) -> None:
    aws.reset(now=NOW)
    make_group(aws)
    aws.faults.add(fault)
    _, schedule, _ = update(aws, [9] * 48)
    assert len(snapshot(aws).actions) == len(schedule.slots)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.throttle(mutating=True, nth=3, times=None), "throttled"),
        (faults.resource_contention(mutating=True, nth=3, times=None), "contention"),
        (faults.server_error(mutating=True, nth=3, times=None), "unreachable"),
        (faults.reset(mutating=True, nth=3, times=None), "unreachable"),
    ],
)
def test_a_lasting_fault_holds_and_says_why(
    aws: LocalAws, fault: faults.Fault, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.writing.FAST", CallBudget(seconds=1, longest_wait_seconds=0.01))
    aws.reset(now=NOW)
    make_group(aws)
    aws.faults.add(fault)
    with pytest.raises(Hold, match=expected):
        update(aws, [9] * 48)


@pytest.mark.parametrize(
    "fault", [faults.access_denied(mutating=True, times=None), faults.expired_token(mutating=True, times=None)]
)
def test_credentials_are_never_retried(aws: LocalAws, fault: faults.Fault) -> None:
    aws.reset(now=NOW)
    make_group(aws)
    aws.faults.add(fault)
    aws.calls.clear()
    with pytest.raises(CredentialsError, match=fault.code):
        update(aws, [9] * 48)
    assert sum(call.mutating for call in aws.calls) == 1


def test_a_group_that_is_gone_is_named(aws: LocalAws) -> None:
    aws.reset(now=NOW)
    with pytest.raises(TargetNotFoundError, match="Auto Scaling group 'web' in us-east-1 does not exist"):
        update(aws, [9] * 48)


@pytest.mark.parametrize("process", ["ScheduledActions", "AlarmNotification", "Launch", "Terminate"])
def test_a_suspended_process_holds(aws: LocalAws, process: str) -> None:
    aws.reset(now=NOW)
    make_group(aws).suspend_processes(AutoScalingGroupName=GROUP, ScalingProcesses=[process])
    with pytest.raises(Hold, match=f"suspended-processes.*{process}"):
        update(aws, [9] * 48)


def test_without_a_scale_in_path_the_fleet_is_held(aws: LocalAws) -> None:
    aws.reset(now=NOW)
    client = make_group(aws, scale_in=False)
    with pytest.raises(Hold, match="no-scale-in-path"):
        update(aws, [9] * 48)
    client.put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName="steps",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=[{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1}],
    )
    update(aws, [9] * 48)


def test_a_fence_that_falls_stops_the_writes_at_once(aws: LocalAws) -> None:
    aws.reset(now=NOW)
    make_group(aws)
    left = 5

    def fence() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Hold("superseded", "a newer run has claimed")

    target = Watched(aws)
    with pytest.raises(Hold, match="superseded"):
        update(aws, [9] * 48, target=target, fence=fence)
    assert len(snapshot(aws).actions) == 5


def test_slots_that_come_too_near_while_writing_are_left_to_the_next_run(aws: LocalAws) -> None:
    aws.reset(now=NOW)
    make_group(aws)

    def slow() -> None:
        aws.clock.advance(timedelta(seconds=6))

    with pytest.raises(Hold, match="too-late"):
        update(aws, [9] * 48, fence=slow)
    # What could be written was, from the latest on; nothing was put to start within two minutes.
    assert all(call.status == 200 for call in aws.calls if call.action == "PutScheduledUpdateGroupAction")


def test_a_near_slot_that_is_missing_is_noticed_though_time_has_gone_by(aws: LocalAws) -> None:
    aws.reset(now=NOW)
    client = make_group(aws)

    class Meddled(Watched):
        def put(self, slot: Slot) -> None:
            super().put(slot)
            if slot.start == NOW + 3 * MINUTE:  # the most urgent one, and the last to be written
                client.delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionName=slot.name)
                aws.clock.advance(timedelta(seconds=20))

    with pytest.raises(Hold, match="read-back"):
        update(aws, [9] * 48, target=Meddled(aws))


def test_another_writer_of_our_names_is_noticed(aws: LocalAws) -> None:
    aws.reset(now=NOW)
    client = make_group(aws)

    class Meddled(Watched):
        def read(self) -> Any:
            state = super().read()
            owned, _ = split_actions(state.actions, {OWNER})
            for action in list(owned.values())[:1]:
                client.delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionName=action.name)
            return super().read()

    with pytest.raises(Hold, match="read-back"):
        update(aws, [9] * 48, target=Meddled(aws))
