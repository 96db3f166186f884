"""What scaling activities tell: boots by kind, refusals by what they mean, what a group has got."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from forecasting.leadtime import Boot
from forecasting.leadtime.launches import MOST_BOOTS, Launches, Watch, learn
from forecasting.targets.aws_launches import code_of_refusal, read_launches
from tests.fleets import NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FULL = "We currently do not have sufficient p5.48xlarge capacity in the Availability Zone you requested (us-east-1a). Launching EC2 instance failed."


def activity(
    number: int, start: datetime, minutes: float | None, status: str = "Successful", where: str = "", message: str = ""
) -> dict[str, Any]:
    made = {
        "ActivityId": f"a{number}",
        "Description": f"Launching a new EC2 instance{where}: i-{number:017x}",
        "StartTime": start,
        "StatusCode": status,
        "StatusMessage": message,
    }
    return made | ({} if minutes is None else {"EndTime": start + minutes * MINUTE})


def refused(number: int, start: datetime, message: str = FULL) -> dict[str, Any]:
    made = activity(number, start, 0, "Failed", message=message)
    return made | {"Description": "Launching a new EC2 instance.  Status Reason: ..."}


def group(*instances: tuple[int, str, str, str], **more: Any) -> dict[str, Any]:
    """Number, type, life-cycle state and weight of each instance."""
    described = [
        {"InstanceId": f"i-{number:017x}", "InstanceType": kind, "LifecycleState": state, "WeightedCapacity": weight}
        for number, kind, state, weight in instances
    ]
    return {"Instances": described, **more}


def read(*activities: dict[str, Any], of: dict[str, Any] | None = None, watch: Watch | None = None) -> Launches:
    return read_launches(activities, of or group(), held=True, watch=watch or Watch(), now=NOW)


def test_a_boot_is_from_the_launch_to_its_end_of_the_instance_s_type_and_kind() -> None:
    found = read(
        activity(1, NOW - 3 * HOUR, 14),
        activity(2, NOW - 2 * HOUR, 1, where=" from warm pool"),
        activity(3, NOW - 2 * HOUR, 20, where=" into warm pool"),
        activity(4, NOW - 5 * MINUTE, None, "PreInService"),
        {**activity(5, NOW - HOUR, 1), "Description": "Terminating EC2 instance: i-5"},
        of=group((1, "p5.48xlarge", "InService", "8"), (2, "g6.xlarge", "InService", "1")),
    )
    assert dict(found.watch.boots) == {
        "a1": Boot("p5.48xlarge", "cold", NOW - 3 * HOUR, 840),
        "a2": Boot("g6.xlarge", "warm", NOW - 2 * HOUR, 60),
    }
    assert (found.refusals, found.launched_at) == ((), NOW - 5 * MINUTE)


def test_a_launch_that_was_refused_at_first_has_waited_since_then() -> None:
    start = NOW - 5 * HOUR
    found = read(
        activity(1, start - HOUR, 14),
        refused(2, start),
        refused(3, start + 20 * MINUTE),
        activity(4, start + 40 * MINUTE, 14),
        activity(5, start + 41 * MINUTE, 15),
        activity(6, start + 2 * HOUR, 13),
    )
    kinds = {name: (boot.kind, boot.started, boot.seconds / 60) for name, boot in found.watch.boots.items()}
    assert kinds == {
        "a1": ("cold", start - HOUR, 14),
        "a4": ("waiting", start, 54),
        "a5": ("waiting", start, 56),
        "a6": ("cold", start + 2 * HOUR, 13),
    }


@pytest.mark.parametrize("reason", ["Lifecycle Action Completed with ABANDON Result", "Heartbeat Timeout"])
def test_a_boot_that_was_given_up_is_known_to_take_longer(reason: str) -> None:
    told = (
        f"Instance failed to complete user's Lifecycle Action: Lifecycle Action with token 0fc6 was abandoned: {reason}"
    )
    found = read(
        activity(1, NOW - 3 * HOUR, 30, "Failed", message=told),
        {
            **activity(2, NOW - 2 * HOUR, 31, "Cancelled"),
            "Description": f"Launching a new EC2 instance: i-{2:017x}. Status Reason: {told}",
        },
        of=group((1, "p5.48xlarge", "Terminating", "1")),
    )
    assert dict(found.watch.boots) == {
        "a1": Boot("p5.48xlarge", "cold", NOW - 3 * HOUR, 1800, answered=False),
        "a2": Boot("unknown", "cold", NOW - 2 * HOUR, 1860, answered=False),
    }


def test_what_was_refused_or_ended_by_a_person_or_a_scale_in_is_no_boot() -> None:
    terminated = "Instance was terminated by user request"
    found = read(
        refused(1, NOW - HOUR),
        activity(2, NOW - HOUR, 5, "Cancelled"),
        activity(3, NOW - HOUR, 5, "Failed", message=terminated),
        activity(4, NOW - HOUR, 5, "Failed", where=" into warm pool", message="Lifecycle Action ... was abandoned"),
    )
    assert not found.watch.boots


def test_what_is_seen_again_stays_as_it_was_first_seen_and_the_oldest_go() -> None:
    first = read(activity(1, NOW - HOUR, 14), of=group((1, "g6.xlarge", "InService", "1")))
    again = read(activity(1, NOW - HOUR, 14), activity(2, NOW - HOUR, 9), watch=first.watch)
    assert again.watch.boots["a1"] == first.watch.boots["a1"]  # its instance is gone by now, and its type with it
    assert again.watch.boots["a2"].instance_type == "unknown"
    many = read(*(activity(number, NOW - number * MINUTE, 0) for number in range(MOST_BOOTS + 9)))
    assert len(many.watch.boots) == MOST_BOOTS
    assert "a0" in many.watch.boots
    old = Watch({"old": Boot("g6.xlarge", "cold", NOW - timedelta(days=60), 1)})
    assert not read(watch=old).watch.boots


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (FULL, "InsufficientInstanceCapacity"),
        (
            "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity.",
            "UnfulfillableCapacity",
        ),
        ("Could not launch Spot Instances. MaxSpotInstanceCountExceeded", "MaxSpotInstanceCountExceeded"),
        ("VcpuLimitExceeded - You have requested more vCPU capacity than your limit of 0", "VcpuLimitExceeded"),
        ("You have requested more vCPU capacity than your current vCPU limit of 8 allows", "VcpuLimitExceeded"),
        ("ReservationCapacityExceeded - The reservation is full", "ReservationCapacityExceeded"),
        ("You've reached your quota for maximum Fleet Requests for this account.", "MaxSpotFleetRequestCountExceeded"),
        ("Could not launch On-Demand Instances. InvalidAMIID.NotFound - The image id does not exist", ""),
        ("Authentication Failure. Launching EC2 instance failed.", ""),
    ],
)
def test_a_refusal_is_told_by_its_code_or_its_words(message: str, code: str) -> None:
    assert code_of_refusal(message) == code
    found = read(refused(1, NOW - HOUR, message))
    assert [refusal.code for refusal in found.refusals] == ([code] if code else [])


def test_what_a_group_has_got_is_counted_in_weights_booting_ones_and_its_warm_pool_included() -> None:
    described = group(
        (1, "p5.48xlarge", "InService", "8"),
        (2, "p5.48xlarge", "Pending:Wait", "8"),
        (3, "p5.48xlarge", "Terminating:Wait", "8"),
        WarmPoolSize=1,
    )
    assert read(of=described).units == 24


def test_an_attempt_that_has_no_instance_yet_ends_no_shortage() -> None:
    under_way = {**activity(2, NOW - MINUTE, None, "InProgress"), "Description": "Launching a new EC2 instance"}
    assert read(refused(1, NOW - 5 * MINUTE), under_way).launched_at is None
    got = activity(2, NOW - MINUTE, None, "PreInService")
    assert read(refused(1, NOW - 5 * MINUTE), got).launched_at == NOW - MINUTE


def boots(kind: Any, *minutes: float) -> dict[str, Boot]:
    return {f"{kind}{n}": Boot("g6.xlarge", kind, NOW - (n + 2) * HOUR, m * 60) for n, m in enumerate(minutes)}


def test_the_plan_goes_by_cold_boots_and_by_warm_ones_where_no_other_is_seen() -> None:
    cold, warm = boots("cold", *[14] * 9), boots("warm", *[1] * 9)
    assert learn(Watch(cold | warm), 300, to_answer=True, now=NOW).seconds == 840
    only_warm = learn(Watch(warm), 300, to_answer=True, now=NOW)
    assert (only_warm.kind, only_warm.seconds) == ("warm", 60)
    few = learn(Watch(boots("cold", 14)), 300, to_answer=True, now=NOW)
    assert (few.seconds, few.lead_time.source) == (840, "prior")  # the slowest that was seen, above the settings'


def test_a_boot_that_ends_before_the_answer_never_shortens_the_settings_lead_time() -> None:
    quick = Watch(boots("cold", *[0.5] * 9))
    assert learn(quick, 300, to_answer=False, now=NOW).seconds == 300
    assert "before the first answer" in str(learn(quick, 300, to_answer=False, now=NOW))
    assert learn(quick, 300, to_answer=True, now=NOW).seconds == 30


def test_boots_of_a_day_ask_no_further_ahead_than_the_settings_may() -> None:
    held = {f"b{n}": Boot("g6.xlarge", "cold", NOW - (n + 30) * HOUR, 86_400) for n in range(9)}
    assert learn(Watch(held), 300, to_answer=True, now=NOW).seconds == 21_600


def test_boots_that_a_limit_kills_are_told_and_planned_for() -> None:
    killed = {f"k{n}": Boot("g6.xlarge", "cold", NOW - (n + 2) * HOUR, 1800, answered=False) for n in range(20)}
    learnt = learn(Watch(boots("cold", *[10] * 20) | killed), 600, to_answer=True, now=NOW)
    assert learnt.seconds == 1800
    assert "20 cold boots do not tell the p90; 20 more were killed before they answered" in str(learnt)
    mostly_warm = learn(Watch(boots("warm", *[1] * 9) | killed), 600, to_answer=True, now=NOW)
    assert mostly_warm.kind == "cold"
