"""An Auto Scaling group through boto3."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_before_delay, wait_random_exponential

from forecasting.aws_session import limited
from forecasting.deadline import LAST_CALL_SECONDS, NoAnswerError, call_seconds, within
from forecasting.errors import Hold, SettingsError, TargetError, TargetNotFoundError
from forecasting.leadtime.estimate import RECENT_DAYS
from forecasting.leadtime.launches import Launches, Watch
from forecasting.schedule.actions import GroupState, ScheduledAction
from forecasting.schedule.aws_limits import MIN_AHEAD_AT_CALL, PAGE_SIZE
from forecasting.schedule.base import Slot
from forecasting.settings import AwsTarget, Fleet
from forecasting.targets.aws_errors import code_of, is_transient, translate
from forecasting.targets.aws_launches import LAUNCHING, LOOK_BACK, REFUSED_WITHIN, read_launches
from forecasting.targets.aws_owners import find_owners
from forecasting.targets.aws_rules import CLOCK_SKEW, AwsRules
from forecasting.targets.base import CallBudget, Diff, Rules

_T = TypeVar("_T")

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=5,
    read_timeout=15,
    user_agent_extra="elastic-iac",
)
"""The mode is stated: the default one does not retry every throttling error (`RequestLimitExceeded` as a 400)."""

CALL_ATTEMPTS = 4
"""Rounds of the client's own attempts, for errors that it gives up on or does not know as transient (contention)."""

OLDEST = timedelta(days=RECENT_DAYS)
"""Older launches are not looked at; AWS keeps them for six weeks (API, DescribeScalingActivities)."""

MOST_ITEMS = 2000
"""Of one list: the newest, in a group that launches all day."""

MOST_RECENT = 200
"""Activities that are read of a group of which only failing launches are reported."""

_NEEDED_PROCESSES = frozenset({"AlarmNotification", "Launch", "ScheduledActions", "Terminate"})
"""Without these a floor does nothing (ScheduledActions, Launch) or is never taken back (AlarmNotification, Terminate)."""


class AutoScalingTarget:
    """One group. Calls are made one at a time: AWS refuses concurrent puts to a group.

    Args:
        fleet: Whose group it is; what is written stays within its floor and ceiling.
        session: Credentials and endpoint; boto3's standard environment where it is not given.
        budget: How long a call is tried.
    """

    rules: Rules = AwsRules()

    def __init__(
        self, fleet: Fleet, session: boto3.session.Session | None = None, budget: CallBudget | None = None
    ) -> None:
        if not isinstance(fleet.target, AwsTarget):
            raise SettingsError("cloud", fleet.cloud, "'aws'")
        self._target = fleet.target
        self._fleet = fleet
        self._budget = budget or CallBudget()
        self._session: Any = session
        self._client: Any = None

    @property
    def subject(self) -> str:
        """The group, for messages."""
        return f"Auto Scaling group {self._target.group_name!r} in {self._target.region}"

    def read(self) -> GroupState:
        """The group and its actions.

        Raises:
            TargetNotFoundError: there is no such group.
            Hold: the group is being deleted, or has no enabled way to scale in or to run scheduled actions.
        """
        group = self._describe_group()
        policies = self._policies()
        self._refuse_unsafe(group, policies)
        return self._state(group, policies)

    def inspect(self) -> GroupState:
        """The group and its actions, whether or not it may be written to."""
        return self._state(self._describe_group(), self._policies())

    def launches(self, watch: Watch | None, now: datetime) -> Launches:
        """See `Target.launches`."""
        if watch is None:
            recent = self._activities(now - REFUSED_WITHIN, MOST_RECENT)
            return read_launches(recent, self._describe_group(), held=False, watch=Watch(), now=now)
        since = max(watch.seen_until - LOOK_BACK, now - OLDEST) if watch.seen_until else now - OLDEST
        named = {"AutoScalingGroupName": self._target.group_name}
        hooks: Sequence[Mapping[str, Any]] = self._call(
            "DescribeLifecycleHooks", lambda client: client.describe_lifecycle_hooks(**named)["LifecycleHooks"]
        )
        held = any(hook.get("LifecycleTransition") == LAUNCHING for hook in hooks)
        return read_launches(self._activities(since), self._describe_group(), held=held, watch=watch, now=now)

    def _activities(self, since: datetime, at_most: int = MOST_ITEMS) -> list[Mapping[str, Any]]:
        """Scaling activities that began at `since` or later; the newest `at_most` of them."""
        bound = {"Name": "StartTimeLowerBound", "Values": [since.strftime("%Y-%m-%dT%H:%M:%SZ")]}
        return self._pages("describe_scaling_activities", "Activities", at_most, Filters=[bound])

    def put(self, slot: Slot) -> None:
        """Write one action: name, start and MinSize, nothing else."""
        if slot.start.tzinfo is None:
            raise ValueError(f"{slot.name}: start {slot.start.isoformat()} has no time zone")
        # botocore sends any integer: the last check before the wire is here.
        if not self._fleet.floor <= slot.floor <= self._fleet.ceiling:
            raise Hold(
                "out-of-bounds",
                f"{slot.name}: MinSize {slot.floor} is outside {self._fleet.floor}..{self._fleet.ceiling}",
            )
        self._call(
            "PutScheduledUpdateGroupAction",
            lambda client: client.put_scheduled_update_group_action(
                AutoScalingGroupName=self._target.group_name,
                ScheduledActionName=slot.name,
                StartTime=slot.start.astimezone(UTC),
                MinSize=slot.floor,
            ),
        )

    def apply(self, diff: Diff, fence: Callable[[], None], clock: Callable[[], datetime]) -> int:
        """The writes one by one, in the diff's order; see `Target.apply`."""
        written = self._stop(diff, fence, clock)
        for change in diff.puts:
            if change.slot.start in diff.urgent:
                continue
            fence()
            # Puts go from the latest start to the earliest, so time runs out on the near slots, whose old values then stand.
            if change.slot.start <= clock() + MIN_AHEAD_AT_CALL:
                raise Hold(
                    "too-late",
                    f"writing took too long: {change.slot.name} is less than two minutes ahead; the next run goes on",
                )
            self.put(change.slot)
            written += 1
        for slot in diff.deletes:
            if slot.start not in diff.urgent:
                fence()
                self.delete(slot.name)
                written += 1
        return written

    def _stop(self, diff: Diff, fence: Callable[[], None], clock: Callable[[], datetime]) -> int:
        """Delete and rewrite what is about to run. An action that runs meanwhile is no failure: the read-back finds it gone."""
        written = 0
        for slot in diff.deletes:
            if slot.start in diff.urgent:
                fence()
                self.delete(slot.name)
                written += 1
        for change in reversed(diff.puts):
            if change.slot.start not in diff.urgent:
                continue
            fence()
            try:
                self.put(change.slot)
            except TargetError:
                if change.slot.start > clock() + CLOCK_SKEW:  # not refused for being past
                    raise
            else:
                written += 1
        return written

    def give_back(self, ours: Sequence[Slot], min_size: int, fence: Callable[[], None]) -> None:
        """Delete our actions, then set MinSize where it is another."""
        self._refuse_operator(self._describe_group(), ())
        for slot in ours:
            fence()
            self.delete(slot.name)
        if int(self._describe_group()["MinSize"]) != min_size:
            fence()
            self.set_min_size(min_size)

    def delete(self, name: str) -> None:
        """Delete one action; one that has just run is gone already."""

        def call(client: Any) -> None:
            try:
                client.delete_scheduled_action(AutoScalingGroupName=self._target.group_name, ScheduledActionName=name)
            except ClientError as error:
                # The group may be what was not found: the read-back tells.
                if code_of(error) != "ValidationError" or "not found" not in str(error).lower():
                    raise

        self._call("DeleteScheduledAction", call)

    def set_min_size(self, min_size: int) -> None:
        """Set the live MinSize."""
        self._call(
            "UpdateAutoScalingGroup",
            lambda client: client.update_auto_scaling_group(
                AutoScalingGroupName=self._target.group_name, MinSize=min_size
            ),
        )

    def _describe_group(self) -> Mapping[str, Any]:
        name = self._target.group_name
        groups: Sequence[Mapping[str, Any]] = self._call(
            "DescribeAutoScalingGroups",
            lambda client: client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"],
        )
        if not groups:
            raise TargetNotFoundError(
                f"{self.subject} does not exist (deleted, renamed, or in another account or region)"
            )
        return groups[0]

    def _policies(self) -> list[Mapping[str, Any]]:
        return self._pages("describe_policies", "ScalingPolicies")

    def _refuse_operator(self, group: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> None:
        """Nothing may be written beside some owners; their refusal would read as missing rights."""
        holding = next((owner for owner in find_owners(group, policies) if owner.holds), None)
        if holding:
            raise Hold(holding.kind, f"{self.subject}: {holding}")

    def _refuse_unsafe(self, group: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> None:
        if group.get("Status"):
            raise Hold("group-deleting", f"{self.subject}: {group['Status']}")
        self._refuse_operator(group, policies)
        suspended = sorted(
            _NEEDED_PROCESSES & {process["ProcessName"] for process in group.get("SuspendedProcesses", [])}
        )
        if suspended:
            raise Hold(
                "suspended-processes",
                f"{self.subject}: suspended: {', '.join(suspended)}; resume them to let the floor move",
            )
        if not any(_scales_in(policy) for policy in policies):
            owners = {owner.kind for owner in find_owners(group, policies)}
            remedy = (
                "the tags of Cluster Autoscaler do not show that it runs, and a CPU policy beside it removes nodes with running pods"
                if "cluster-autoscaler" in owners
                else "add a target tracking policy"
            )
            raise Hold(
                "no-scale-in-path",
                f"{self.subject}: no enabled scaling policy scales in, and lowering MinSize removes nothing by itself; {remedy}",
            )

    def _state(self, group: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> GroupState:
        actions = self._pages("describe_scheduled_actions", "ScheduledUpdateGroupActions")
        return GroupState(
            min_size=int(group["MinSize"]),
            max_size=int(group["MaxSize"]),
            desired_capacity=int(group["DesiredCapacity"]),
            actions=tuple(_action(action) for action in actions),
            other_owners=find_owners(group, policies),
        )

    def _pages(self, operation: str, key: str, at_most: int = MOST_ITEMS, **wanted: object) -> list[Mapping[str, Any]]:
        def call(client: Any) -> list[Mapping[str, Any]]:
            pages = client.get_paginator(operation).paginate(
                AutoScalingGroupName=self._target.group_name,
                PaginationConfig={"PageSize": PAGE_SIZE, "MaxItems": at_most},
                **wanted,
            )
            return [item for page in pages for item in page[key]]

        return self._call("".join(word.capitalize() for word in operation.split("_")), call)

    def _call(self, operation: str, call: Callable[[Any], _T]) -> _T:
        seconds = call_seconds(self._budget.seconds)
        end = time.monotonic() + seconds
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(CALL_ATTEMPTS) | stop_before_delay(seconds),
            wait=wait_random_exponential(multiplier=0.5, max=self._budget.longest_wait_seconds),
            reraise=True,
        )
        refusals: list[ClientError] = []

        def attempt() -> _T:
            try:
                return within(max(end - time.monotonic(), LAST_CALL_SECONDS), lambda: call(self._client))
            except ClientError as error:
                refusals.append(error)
                raise

        try:
            if self._client is None:
                # Only here: a profile that does not exist is told of as any other missing credential.
                session: Any = self._session or boto3.session.Session()
                made = session.client("autoscaling", region_name=self._target.region, config=CLIENT_CONFIG)
                self._client = limited(made)
            # The budget bounds the rounds: the last one still gets the time of an ordinary call.
            return retrying(attempt)
        except NoAnswerError as error:
            if refusals:  # it was answered before: that says more than the last silence
                raise translate(refusals[-1], operation, self.subject) from error
            raise Hold("unreachable", f"{operation} on {self.subject}: {error}") from None
        except (ClientError, BotoCoreError) as error:
            raise translate(error, operation, self.subject) from error


def _scales_in(policy: Mapping[str, Any]) -> bool:
    """Whether an enabled policy ever removes instances. Predictive scaling never does."""
    if not policy.get("Enabled", True):
        return False
    kind = policy.get("PolicyType", "SimpleScaling")
    if kind == "TargetTrackingScaling":
        return not policy["TargetTrackingConfiguration"].get("DisableScaleIn", False)
    if kind == "SimpleScaling":
        return int(policy.get("ScalingAdjustment", 0)) < 0
    return kind == "StepScaling" and any(
        int(step["ScalingAdjustment"]) < 0 for step in policy.get("StepAdjustments", [])
    )


def _action(raw: Mapping[str, Any]) -> ScheduledAction:
    return ScheduledAction(
        name=raw["ScheduledActionName"],
        start=_utc(raw.get("StartTime") or raw.get("Time")),
        min_size=raw.get("MinSize"),
        max_size=raw.get("MaxSize"),
        desired_capacity=raw.get("DesiredCapacity"),
        recurrence=raw.get("Recurrence") or None,
        time_zone=raw.get("TimeZone") or "UTC",
        end=_utc(raw.get("EndTime")),
    )


def _utc(value: datetime | None) -> datetime | None:
    return value.astimezone(UTC).replace(microsecond=0) if value else None
