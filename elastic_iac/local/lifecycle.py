"""Lifecycle hooks: what is launched while a launch hook stands waits until its action is completed, or its time is over.

Sources, named at each rule, as in `elastic_iac.local.rules`. HOOKS = the user guide's "Lifecycle hooks".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from elastic_iac.local.rules import Group, invalid, stamp
from elastic_iac.local.wire import AwsError

MAX_HOOKS = 50  # API, PutLifecycleHook: 50 per group by default
LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"
_RESULTS = ("CONTINUE", "ABANDON")
_WAITS = {"Pending:Wait": "InService", "Warmed:Pending:Wait": "Warmed"}
_DEFAULTS: Mapping[str, Any] = {"HeartbeatTimeout": 3600, "DefaultResult": "ABANDON"}  # API, PutLifecycleHook


@dataclass
class Action:
    """One hook's hold on one instance."""

    token: str
    deadline: datetime
    last_deadline: datetime


@dataclass
class Wait:
    """An instance that waits in `state` for the actions of all hooks."""

    state: str
    since: datetime
    actions: dict[str, Action]
    activity: dict[str, Any]


@dataclass
class Lifecycle:
    """The hooks of a group and what they hold."""

    group: Group
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    known: set[str] = field(default_factory=set[str])
    waits: dict[str, Wait] = field(default_factory=dict[str, Wait])
    states: dict[str, str] = field(default_factory=dict[str, str])
    """States other than InService of instances that no longer wait."""
    replaced: dict[str, str] = field(default_factory=dict[str, str])
    """An abandoned instance to the one launched in its place: the emulator knows the first only."""

    @property
    def launching(self) -> list[dict[str, Any]]:
        """Hooks that hold launches."""
        return [hook for hook in self.hooks.values() if hook["LifecycleTransition"] == LAUNCHING]

    def put(self, asked: Mapping[str, Any]) -> None:
        """Create the hook, or change what is given of it.

        Raises:
            AwsError: as AWS refuses it.
        """
        name = asked["LifecycleHookName"]
        old = self.hooks.get(name)
        if old is None and len(self.hooks) >= MAX_HOOKS:
            raise AwsError(
                "LimitExceeded", f"You have reached the limit of {MAX_HOOKS} lifecycle hooks for {self.group.name}"
            )
        hook: dict[str, Any] = {**_DEFAULTS, **(old or {}), **asked, "AutoScalingGroupName": self.group.name}
        transition, seconds = hook.get("LifecycleTransition"), hook["HeartbeatTimeout"]
        if transition not in {LAUNCHING, TERMINATING}:  # API: required for new hooks; one of the two
            raise invalid(f"LifecycleTransition: got {transition!r}; expected {LAUNCHING} or {TERMINATING}")
        if not 30 <= seconds <= 7200:  # API, HeartbeatTimeout
            raise invalid(f"HeartbeatTimeout: got {seconds}; expected 30 to 7200 seconds")
        if hook["DefaultResult"] not in _RESULTS:
            raise invalid(f"DefaultResult: got {hook['DefaultResult']!r}; expected CONTINUE or ABANDON")
        hook["GlobalTimeout"] = min(172_800, 100 * seconds)  # API, LifecycleHook.GlobalTimeout
        self.hooks[name] = hook

    def delete(self, name: str, now: datetime) -> None:
        """Delete the hook. API: outstanding actions are completed first, ABANDON for launching instances.

        Raises:
            AwsError: there is none of that name (INFERRED).
        """
        self._hook(name)
        for instance in [held for held, wait in self.waits.items() if name in wait.actions]:
            self._end(instance, "ABANDON", now)
        del self.hooks[name]

    def launch(self, instances: list[str], now: datetime) -> None:
        """Hold those of the group's instances that were not there before."""
        self.known &= set(instances)
        for gone in set(self.waits) - {self.replaced.get(instance, instance) for instance in instances}:
            del self.waits[gone]
        for instance in instances:
            if instance not in self.known and self.launching:
                self.hold(instance, "Pending:Wait", now)
        self.known |= set(instances)

    def hold(self, instance: str, state: str, now: datetime) -> None:
        """Let an instance wait: `Pending:Wait`, or `Warmed:Pending:Wait` on its way into a warm pool (HOOKS: launch hooks act on both).

        Raises:
            ValueError: another state, or no hook to wait for.
        """
        if state not in _WAITS or not self.launching:
            raise ValueError(
                f"state: got {state!r}; expected one of {', '.join(_WAITS)}, and a launch hook in the group"
            )
        actions = {
            hook["LifecycleHookName"]: Action(
                str(uuid4()), now + _seconds(hook["HeartbeatTimeout"]), now + _seconds(hook["GlobalTimeout"])
            )
            for hook in self.launching
        }
        activity: dict[str, Any] = {
            "ActivityId": str(uuid4()),
            "AutoScalingGroupName": self.group.name,
            "Description": f"Launching a new EC2 instance: {instance}",
            "Cause": f"At {stamp(now)} an instance was started in response to a difference between desired and actual capacity.",
            "StartTime": now,
            "StatusCode": "MidLifecycleAction",  # API, Activity.StatusCode
            "Progress": 60,
        }
        self.group.activities.insert(0, activity)
        self.states.pop(instance, None)
        self.waits[instance] = Wait(state, now, actions, activity)

    def complete(self, asked: Mapping[str, Any], now: datetime) -> None:
        """CompleteLifecycleAction. API: ABANDON terminates a launching instance at once, whatever other hooks would say; the group replaces it.

        Raises:
            AwsError: no such hook, no such action, or another result.
        """
        if asked["LifecycleActionResult"] not in _RESULTS:
            raise invalid(
                f"LifecycleActionResult: got {asked['LifecycleActionResult']!r}; expected CONTINUE or ABANDON"
            )
        instance, _ = self._action(asked)
        self._complete(instance, asked["LifecycleHookName"], asked["LifecycleActionResult"], now)

    def beat(self, asked: Mapping[str, Any], now: datetime) -> None:
        """RecordLifecycleActionHeartbeat. API: the timeout starts anew; HOOKS: 48 hours or 100 timeouts at most.

        Raises:
            AwsError: no such hook or action.
        """
        _, action = self._action(asked)
        hook = self._hook(asked["LifecycleHookName"])
        action.deadline = min(now + _seconds(hook["HeartbeatTimeout"]), action.last_deadline)

    def expire(self, until: datetime) -> None:
        """Complete what ran out of time by its hook's default result, each at its own time."""
        while True:
            due = [
                (action.deadline, instance, name)
                for instance, wait in self.waits.items()
                for name, action in wait.actions.items()
                if action.deadline <= until
            ]
            if not due:
                return
            at, instance, name = min(due)
            self._complete(instance, name, self.hooks[name]["DefaultResult"], at)

    def describe(self, names: list[str]) -> dict[str, Any]:
        """DescribeLifecycleHooks. API: at most 50 names; unknown ones are no error (INFERRED)."""
        if len(names) > MAX_HOOKS:
            raise invalid(f"LifecycleHookNames: at most {MAX_HOOKS} names")
        return {"LifecycleHooks": [hook for name, hook in sorted(self.hooks.items()) if not names or name in names]}

    def shown(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        """An instance as the emulator describes it, by its present id and in its present state."""
        first: str = instance["InstanceId"]
        found = self.replaced.get(first, first)
        state = self.state_of(found)
        return {**instance, "InstanceId": found, **({} if state is None else {"LifecycleState": state})}

    def state_of(self, instance: str) -> str | None:
        """The lifecycle state that the emulator does not know; None where it is InService."""
        wait = self.waits.get(instance)
        return wait.state if wait else self.states.get(instance)

    def _complete(self, instance: str, name: str, result: str, now: datetime) -> None:
        wait = self.waits[instance]
        del wait.actions[name]
        if result == "ABANDON" or not wait.actions:
            self._end(instance, result, now)

    def _end(self, instance: str, result: str, now: datetime) -> None:
        wait = self.waits.pop(instance)
        wait.activity |= {"EndTime": now, "Progress": 100}
        if result == "CONTINUE":
            wait.activity["StatusCode"] = "Successful"
            if _WAITS[wait.state] == "Warmed":
                self.states[instance] = f"Warmed:{(self.group.warm_pool or {}).get('PoolState', 'Stopped')}"
            return
        wait.activity |= {"StatusCode": "Failed", "StatusMessage": "Lifecycle action was abandoned"}
        successor = f"i-{uuid4().hex[:17]}"
        original = next((first for first, latest in self.replaced.items() if latest == instance), instance)
        self.replaced[original] = successor
        self.hold(successor, "Pending:Wait", now)

    def _hook(self, name: str) -> dict[str, Any]:
        if name not in self.hooks:
            raise invalid(f"No Lifecycle Hook found with name {name}")
        return self.hooks[name]

    def _action(self, asked: Mapping[str, Any]) -> tuple[str, Action]:
        """API: an action is named by its token or its instance. The message is matched by many clients."""
        name, instance, token = asked["LifecycleHookName"], asked.get("InstanceId"), asked.get("LifecycleActionToken")
        self._hook(name)
        if instance is None and token is None:
            raise invalid("Either LifecycleActionToken or InstanceId must be specified")
        for held, wait in self.waits.items():
            action = wait.actions.get(name)
            if action and (action.token == token if token else held == instance):
                return held, action
        sought = f"token {token}" if token else f"instance ID {instance}"
        raise invalid(f"No active Lifecycle Action found with {sought}")


def _seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


class Lifecycles:
    """The lifecycle hooks of all groups that have or had any."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Lifecycle] = {}

    def get(self, group: Group) -> Lifecycle | None:
        """The group's, if a hook ever stood."""
        return self._of.get((group.region, group.name))

    def make(self, group: Group) -> Lifecycle:
        """The group's; nothing in the group waits yet."""
        return self._of.setdefault((group.region, group.name), Lifecycle(group))

    def forget(self, group: Group) -> None:
        """The group is deleted."""
        self._of.pop((group.region, group.name), None)

    def clear(self) -> None:
        """Everything is."""
        self._of.clear()

    def expire(self, until: datetime) -> None:
        """Complete what runs out of time until then."""
        for lifecycle in self._of.values():
            lifecycle.expire(until)

    def shown(self, region: str, described: dict[str, Any]) -> dict[str, Any]:
        """A group as the emulator describes it, its instances in their present states."""
        lifecycle = self._of.get((region, described["AutoScalingGroupName"]))
        if lifecycle is None:
            return described
        return {**described, "Instances": [lifecycle.shown(instance) for instance in described.get("Instances", [])]}


def instances_of(group: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A described group's instances as DescribeAutoScalingInstances shows them. API: HealthStatus is in capitals there."""
    return [
        {
            **instance,
            "AutoScalingGroupName": group["AutoScalingGroupName"],
            "HealthStatus": instance["HealthStatus"].upper(),
        }
        for instance in group.get("Instances", [])
    ]


Call = Callable[[Lifecycle, Mapping[str, Any], datetime], "dict[str, Any] | None"]

CALLS: Mapping[str, Call] = {
    "PutLifecycleHook": lambda lifecycle, asked, _now: lifecycle.put(asked),
    "DeleteLifecycleHook": lambda lifecycle, asked, now: lifecycle.delete(asked["LifecycleHookName"], now),
    "DescribeLifecycleHooks": lambda lifecycle, asked, _now: lifecycle.describe(asked.get("LifecycleHookNames", [])),
    "CompleteLifecycleAction": lambda lifecycle, asked, now: lifecycle.complete(asked, now),
    "RecordLifecycleActionHeartbeat": lambda lifecycle, asked, now: lifecycle.beat(asked, now),
}
"""The calls that concern hooks, on a group that exists."""
