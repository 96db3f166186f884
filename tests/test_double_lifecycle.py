"""Lifecycle hooks of the double: AWS's rules, which the bare emulator does not keep, and what waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from elastic_iac.local.aws import LocalAws
from tests.doubles import GROUP, create_group, described, put_action, refused

HOOK = "elastic-iac-ready"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
HELD: dict[str, Any] = {"AutoScalingGroupName": GROUP, "LifecycleHookName": HOOK}


@pytest.fixture
def strict(aws: LocalAws) -> Any:
    return aws.client("autoscaling", in_process=True)


@pytest.fixture
def bare(aws: LocalAws) -> Any:
    return aws.bare_client("autoscaling")


def put_hook(client: Any, **changes: Any) -> None:
    client.put_lifecycle_hook(**{**HELD, "LifecycleTransition": LAUNCHING, "HeartbeatTimeout": 300, **changes})


def states(client: Any) -> dict[str, str]:
    answer = client.describe_auto_scaling_instances()["AutoScalingInstances"]
    return {instance["InstanceId"]: instance["LifecycleState"] for instance in answer}


def waiting(client: Any) -> list[str]:
    return [instance for instance, state in states(client).items() if state.endswith(":Wait")]


def complete(client: Any, instance: str, result: str = "CONTINUE") -> None:
    client.complete_lifecycle_action(**HELD, InstanceId=instance, LifecycleActionResult=result)


def grown(client: Any, by: int = 1) -> list[str]:
    """A group with a hook, and the instances launched since it stands."""
    create_group(client)
    put_hook(client)
    assert not waiting(client), "what was there before the hook is in service"
    client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=4 + by)
    return waiting(client)


REFUSED: dict[str, dict[str, Any]] = {
    "another transition": {"LifecycleTransition": "autoscaling:EC2_INSTANCE_REBOOT"},
    "too short": {"HeartbeatTimeout": 29},
    "too long": {"HeartbeatTimeout": 7201},
    "another result": {"DefaultResult": "RETRY"},
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_hook_out_of_the_rules_is_not_put(strict: Any, bare: Any, rule: str) -> None:
    create_group(strict)
    refused("ValidationError", put_hook, strict, **REFUSED[rule])
    assert strict.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"] == []
    put_hook(bare, **REFUSED[rule])


def test_a_new_hook_needs_its_transition_and_an_old_one_keeps_what_is_not_given(strict: Any) -> None:
    create_group(strict)
    assert "LifecycleTransition" in refused("ValidationError", strict.put_lifecycle_hook, **HELD)
    put_hook(strict, DefaultResult="CONTINUE")
    strict.put_lifecycle_hook(**HELD, HeartbeatTimeout=60)
    (hook,) = strict.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    expected = {
        "LifecycleTransition": LAUNCHING,
        "HeartbeatTimeout": 60,
        "GlobalTimeout": 6000,
        "DefaultResult": "CONTINUE",
    }
    assert hook == {**HELD, **expected}


def test_what_is_not_given_of_a_hook_is_awss_default(strict: Any) -> None:
    create_group(strict)
    strict.put_lifecycle_hook(**HELD, LifecycleTransition=LAUNCHING)
    (hook,) = strict.describe_lifecycle_hooks(AutoScalingGroupName=GROUP, LifecycleHookNames=[HOOK])["LifecycleHooks"]
    assert (hook["HeartbeatTimeout"], hook["DefaultResult"], hook["GlobalTimeout"]) == (3600, "ABANDON", 172_800)


def test_fifty_hooks_are_the_most(strict: Any) -> None:
    create_group(strict)
    for number in range(50):
        put_hook(strict, LifecycleHookName=f"hook-{number}")
    put_hook(strict, LifecycleHookName="hook-0", HeartbeatTimeout=60)
    refused("LimitExceeded", put_hook, strict, LifecycleHookName="one-more")


def test_what_is_launched_waits_until_its_action_is_completed(strict: Any, bare: Any) -> None:
    (instance,) = grown(strict)
    assert states(strict)[instance] == "Pending:Wait"
    assert described(strict)["Instances"][-1]["LifecycleState"] == "Pending:Wait"
    assert described(bare)["Instances"][-1]["LifecycleState"] == "InService", "the emulator holds nothing"
    complete(strict, instance)
    assert states(strict)[instance] == "InService"
    message = refused("ValidationError", complete, strict, instance)
    assert message == f"No active Lifecycle Action found with instance ID {instance}"


def test_a_hook_of_the_creation_holds_the_first_instances(strict: Any) -> None:
    specification = {"LifecycleHookName": HOOK, "LifecycleTransition": LAUNCHING, "HeartbeatTimeout": 300}
    create_group(strict, LifecycleHookSpecificationList=[specification])
    assert len(waiting(strict)) == 4


def test_what_a_scheduled_action_launches_waits_too(aws: LocalAws, strict: Any) -> None:
    create_group(strict)
    put_hook(strict)
    put_action(strict, "more", aws.clock.now() + timedelta(minutes=5), MinSize=6)
    aws.clock.advance(timedelta(minutes=5))
    assert len(waiting(strict)) == 2


def test_time_over_is_the_default_result_and_an_abandoned_instance_is_replaced(aws: LocalAws, strict: Any) -> None:
    (instance,) = grown(strict)
    aws.clock.advance(timedelta(seconds=299))
    assert waiting(strict) == [instance]
    aws.clock.advance(timedelta(seconds=1))
    (successor,) = waiting(strict)
    assert successor != instance
    assert instance not in states(strict)
    assert len(states(strict)) == 5
    put_hook(strict, DefaultResult="CONTINUE")
    aws.clock.advance(timedelta(seconds=300))
    assert states(strict)[successor] == "InService"


def test_abandoned_by_its_own_word_it_is_replaced_at_once(strict: Any) -> None:
    (instance,) = grown(strict)
    complete(strict, instance, "ABANDON")
    assert instance not in states(strict)
    assert len(waiting(strict)) == 1


def test_a_heartbeat_starts_the_timeout_anew_a_hundred_times_at_most(aws: LocalAws, strict: Any) -> None:
    (instance,) = grown(strict)
    for _ in range(120):
        aws.clock.advance(timedelta(seconds=250))
        if instance not in states(strict):
            break
        strict.record_lifecycle_action_heartbeat(**HELD, InstanceId=instance)
    assert aws.clock.now() - aws.group(GROUP).activities[-1]["StartTime"] == timedelta(seconds=30_000)


def test_an_action_is_of_a_hook_that_stands_and_has_a_known_result(strict: Any) -> None:
    (instance,) = grown(strict)
    refused("ValidationError", complete, strict, instance, "RETRY")
    asked = {**HELD, "LifecycleHookName": "other", "InstanceId": instance}
    refused("ValidationError", strict.record_lifecycle_action_heartbeat, **asked)
    refused("ValidationError", strict.complete_lifecycle_action, **HELD, LifecycleActionResult="CONTINUE")
    assert waiting(strict) == [instance]


def test_two_hooks_both_hold(strict: Any) -> None:
    create_group(strict)
    put_hook(strict)
    put_hook(strict, LifecycleHookName="other")
    strict.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=5)
    (instance,) = waiting(strict)
    complete(strict, instance)
    assert waiting(strict) == [instance]
    strict.complete_lifecycle_action(
        **{**HELD, "LifecycleHookName": "other"}, InstanceId=instance, LifecycleActionResult="CONTINUE"
    )
    assert not waiting(strict)


def test_deleting_a_hook_abandons_what_it_holds(strict: Any) -> None:
    (instance,) = grown(strict)
    strict.delete_lifecycle_hook(**HELD)
    assert instance not in states(strict)
    refused("ValidationError", strict.delete_lifecycle_hook, **HELD)


def test_on_its_way_through_a_warm_pool_an_instance_waits_twice(aws: LocalAws, strict: Any) -> None:
    (instance,) = grown(strict)
    complete(strict, instance)
    strict.put_warm_pool(AutoScalingGroupName=GROUP, PoolState="Running")
    aws.hold(GROUP, instance, "Warmed:Pending:Wait")
    complete(strict, instance)
    assert states(strict)[instance] == "Warmed:Running"
    aws.hold(GROUP, instance, "Pending:Wait")
    complete(strict, instance)
    assert states(strict)[instance] == "InService"


def test_the_launch_is_told_with_its_end(aws: LocalAws, strict: Any) -> None:
    (instance,) = grown(strict)
    aws.clock.advance(timedelta(seconds=120))
    (activity,) = strict.describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
    assert activity["StatusCode"] == "MidLifecycleAction"
    assert "EndTime" not in activity
    complete(strict, instance)
    (activity,) = strict.describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
    assert (activity["StatusCode"], activity["Description"]) == (
        "Successful",
        f"Launching a new EC2 instance: {instance}",
    )
    assert activity["EndTime"] - activity["StartTime"] == timedelta(seconds=120)


def test_what_is_scaled_in_no_longer_waits(strict: Any) -> None:
    grown(strict, 2)
    strict.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=4)
    assert not waiting(strict)
