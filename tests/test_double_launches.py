"""Launches in the double of AWS: each test is of a rule that the bare emulator, which records no launch at all, would wrongly pass."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.launches import Launching, Outage
from tests.fleets import GROUP, NOW, make_group

MINUTE = timedelta(minutes=1)
STOCKOUT = "Could not launch On-Demand Instances. InsufficientInstanceCapacity - There is no Spot capacity available."


@pytest.fixture
def client(aws: LocalAws) -> Any:
    aws.reset(now=NOW)
    return make_group(aws)


def desire(client: Any, units: int) -> None:
    client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=units)


def activities(client: Any, **asked: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("describe_scaling_activities").paginate(AutoScalingGroupName=GROUP, **asked)
    return [activity for page in pages for activity in page["Activities"]]


def states(client: Any) -> list[str]:
    (group,) = client.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    return [instance["LifecycleState"] for instance in group["Instances"]]


def test_a_launch_is_under_way_until_it_is_in_service(aws: LocalAws, client: Any) -> None:
    aws.launch(GROUP, timedelta(minutes=14))
    aws.clock.advance(MINUTE)
    desire(client, 3)
    aws.clock.advance(13 * MINUTE)
    (activity,) = activities(client)
    assert (activity["StatusCode"], "EndTime" in activity) == ("PreInService", False)
    assert states(client) == ["InService", "InService", "Pending:Wait"]
    aws.clock.advance(MINUTE)
    (activity,) = activities(client)
    assert (activity["StatusCode"], activity["EndTime"] - activity["StartTime"]) == ("Successful", 14 * MINUTE)
    assert activity["Description"].startswith("Launching a new EC2 instance: i-")
    assert states(client) == ["InService"] * 3


def test_a_refused_launch_fails_and_is_tried_again_until_there_is_capacity(aws: LocalAws, client: Any) -> None:
    launching = aws.launch(GROUP, timedelta(minutes=2))
    launching.outages.append(Outage(NOW, STOCKOUT, NOW + 21 * MINUTE, units=3))
    aws.clock.advance(MINUTE)
    desire(client, 5)
    aws.clock.advance(30 * MINUTE)
    made = activities(client)
    failed = [activity for activity in made if activity["StatusCode"] == "Failed"]
    assert len(failed) == 4
    assert {activity["StatusMessage"] for activity in failed} == {STOCKOUT}
    assert [activity["StartTime"] for activity in made] == sorted(
        (activity["StartTime"] for activity in made), reverse=True
    )
    assert len(states(client)) == 5


def test_a_launch_that_is_overtaken_by_a_scale_in_is_cancelled(aws: LocalAws, client: Any) -> None:
    aws.launch(GROUP, timedelta(minutes=14))
    desire(client, 3)
    aws.clock.advance(5 * MINUTE)
    desire(client, 2)
    aws.clock.advance(MINUTE)
    assert sorted(activity["StatusCode"] for activity in activities(client)) == ["Cancelled", "Successful"]
    assert states(client) == ["InService", "InService"]


def test_activities_are_filtered_by_their_start_paged_and_kept_six_weeks(aws: LocalAws, client: Any) -> None:
    aws.launch(GROUP, MINUTE)
    for count in range(6):
        desire(client, 3 + count)
        aws.clock.advance(10 * MINUTE)
    later = (NOW + 25 * MINUTE).isoformat()
    assert len(activities(client, PaginationConfig={"PageSize": 2})) == 6
    assert len(activities(client, Filters=[{"Name": "StartTimeLowerBound", "Values": [later]}])) == 3
    assert len(activities(client, Filters=[{"Name": "StartTimeUpperBound", "Values": [later]}])) == 3
    with pytest.raises(ClientError, match="StartTimeLowerBound"):
        activities(client, Filters=[{"Name": "EndTime", "Values": [later]}])
    aws.clock.advance(timedelta(weeks=6))
    assert activities(client) == []


def test_those_of_a_warm_pool_say_so_and_weights_are_shown(aws: LocalAws, client: Any) -> None:
    launching: Launching = aws.launch(GROUP, 14 * MINUTE, units=4, warm=MINUTE, instance_type="g6.12xlarge")
    client.put_warm_pool(AutoScalingGroupName=GROUP)
    aws.clock.advance(MINUTE)
    desire(client, 8)
    aws.clock.advance(2 * MINUTE)
    (activity,) = activities(client)
    assert activity["Description"].startswith("Launching a new EC2 instance from warm pool: i-")
    assert len(launching.instances) == 2
    (group,) = client.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    assert {(each["WeightedCapacity"], each["InstanceType"]) for each in group["Instances"]} == {("4", "g6.12xlarge")}
