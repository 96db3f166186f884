"""The rules of scheduled actions, as a state machine of one Auto Scaling group: no I/O, no clock of its own.

Sources, named at each rule: API = the EC2 Auto Scaling API reference; GUIDE = its user guide ("Scheduled scaling"); MODEL = botocore's service
model; INFERRED = not documented, the stricter reading taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from elastic_iac.local.wire import AwsError

ACCOUNT = "000000000000"
MAX_ACTIONS_PER_GROUP = 125  # GUIDE, considerations: 125 scheduled actions per group; not adjustable
MAX_BATCH = 50  # API, BatchPutScheduledUpdateGroupAction and BatchDeleteScheduledAction: at most 50
DEFAULT_PAGE, MAX_PAGE = 50, 100  # API, DescribeScheduledActions.MaxRecords

# API, SuspendProcesses.
PROCESSES = (
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
)


@dataclass(frozen=True)
class Sizes:
    """A group's bounds and its desired capacity, in instances."""

    minimum: int
    maximum: int
    desired: int

    def check(self) -> None:
        """API, Create/UpdateAutoScalingGroup: 0 <= min <= desired <= max.

        Raises:
            AwsError: `ValidationError`.
        """
        if min(self.minimum, self.maximum, self.desired) < 0:
            raise invalid("Sizes of a group must not be negative")
        if self.minimum > self.maximum:
            raise invalid(f"Max bound, {self.maximum}, must be greater than or equal to min bound, {self.minimum}")
        if not self.minimum <= self.desired <= self.maximum:
            raise invalid(
                f"Desired capacity:{self.desired} must be between the specified min size:{self.minimum} and max size:{self.maximum}"
            )

    def changed(self, minimum: int | None, maximum: int | None, desired: int | None) -> Sizes:
        """The sizes after a change; a desired capacity that is not given follows the bounds.

        API, UpdateAutoScalingGroup: a MinSize above the current size raises it, a MaxSize below it lowers it.
        """
        low = self.minimum if minimum is None else minimum
        high = self.maximum if maximum is None else maximum
        follows = max(low, min(high, self.desired))
        return Sizes(low, high, follows if desired is None else desired)


@dataclass(frozen=True)
class ScheduledAction:
    """One scheduled action. `start` is its next start (UTC): a recurring action moves on, a one-off action is gone after it."""

    name: str
    arn: str
    start: datetime
    end: datetime | None = None
    recurrence: str | None = None
    time_zone: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    desired_capacity: int | None = None

    def following(self) -> ScheduledAction | None:
        """The action at its next occurrence; None after a one-off action, or past the end (INFERRED: it is removed then)."""
        if self.recurrence is None:
            return None
        start = next_occurrence(self.recurrence, self.time_zone, self.start)
        return None if self.end and start > self.end else replace(self, start=start)

    def described(self, group: str) -> dict[str, Any]:
        """As DescribeScheduledActions shows it, without `Time` (API: "This property is no longer used")."""
        return {
            "AutoScalingGroupName": group,
            "ScheduledActionName": self.name,
            "ScheduledActionARN": self.arn,
            "StartTime": self.start,
            "EndTime": self.end,
            "Recurrence": self.recurrence,
            "MinSize": self.min_size,
            "MaxSize": self.max_size,
            "DesiredCapacity": self.desired_capacity,
            "TimeZone": self.time_zone or ("UTC" if self.recurrence else None),
        }


@dataclass(frozen=True)
class Change:
    """The group's sizes from `at` (UTC) on, and what set them."""

    at: datetime
    sizes: Sizes
    cause: str


@dataclass
class Group:
    """An Auto Scaling group as far as scheduled scaling goes; `kept` is what the emulator behind us drops."""

    name: str
    region: str
    sizes: Sizes
    actions: dict[str, ScheduledAction] = field(default_factory=dict[str, ScheduledAction])
    suspended: dict[str, str] = field(default_factory=dict[str, str])
    history: list[Change] = field(default_factory=list[Change])
    activities: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    kept: dict[str, Any] = field(default_factory=dict[str, Any])
    warm_pool: dict[str, Any] | None = None
    predictive: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    launching: Any = None  # `elastic_iac.local.launches.Launching`, where its instances are told of

    def resize(self, sizes: Sizes, at: datetime, cause: str) -> None:
        """Set the sizes and remember since when."""
        if not self.history or sizes != self.sizes:
            self.history.append(Change(at, sizes, cause))
        self.sizes = sizes

    def min_size_by_minute(self, start: datetime, end: datetime) -> list[int]:
        """MinSize in force at each minute, start <= minute < end (aware); what changes at a minute is in force at it.

        Raises:
            ValueError: the group did not exist yet at `start`.
        """
        if start < self.history[0].at:
            raise ValueError(
                f"start: got {start.isoformat()}; {self.name} exists since {self.history[0].at.isoformat()}"
            )
        floors: list[int] = []
        position, minute = 0, start
        while minute < end:
            while position + 1 < len(self.history) and self.history[position + 1].at <= minute:
                position += 1
            floors.append(self.history[position].sizes.minimum)
            minute += timedelta(minutes=1)
        return floors

    def put(self, asked: Mapping[str, Any], now: datetime) -> None:
        """Create the action, or replace the one of that name (INFERRED: wholly, what is not given is not kept).

        Raises:
            AwsError: as AWS refuses it; nothing is changed then.
        """
        _check_sizes(asked)
        start = _first_start(asked, now)
        name = asked["ScheduledActionName"]
        self._check_room(name, start)
        old = self.actions.get(name)
        self.actions[name] = ScheduledAction(
            name=name,
            arn=old.arn if old else self._action_arn(name),
            start=start,
            end=asked.get("EndTime"),
            recurrence=asked.get("Recurrence"),
            time_zone=asked.get("TimeZone"),
            min_size=asked.get("MinSize"),
            max_size=asked.get("MaxSize"),
            desired_capacity=asked.get("DesiredCapacity"),
        )

    def delete(self, name: str) -> None:
        """Remove the action.

        Raises:
            AwsError: there is none of that name (INFERRED wording; Terraform's provider matches `ValidationError` and "not found").
        """
        if self.actions.pop(name, None) is None:
            raise invalid(f"Scheduled action name not found - {name}")

    def execute(self, action: ScheduledAction, at: datetime) -> None:
        """Run an action that is due: it changes the sizes for good, or fails and changes nothing."""
        following = action.following()
        if following is None:
            del self.actions[
                action.name
            ]  # GUIDE: a one-off action is deleted after it ran (INFERRED: also when it could not run)
        else:
            self.actions[action.name] = following
        if "ScheduledActions" in self.suspended:
            return  # GUIDE, suspend processes: actions due meanwhile never run; INFERRED: a one-off one is gone
        sizes = self.sizes.changed(action.min_size, action.max_size, action.desired_capacity)
        try:
            sizes.check()  # INFERRED: an action out of the group's bounds fails as the update would
        except AwsError as error:
            self._record(action, at, "Failed", error.message)
            return
        if sizes != self.sizes:
            self._record(action, at, "Successful", None)
        self.resize(sizes, at, action.name)

    def _check_room(self, name: str, start: datetime) -> None:
        others = [action for action in self.actions.values() if action.name != name]
        if len(others) >= MAX_ACTIONS_PER_GROUP:
            raise AwsError(
                "LimitExceeded",
                f"You have reached the limit of {MAX_ACTIONS_PER_GROUP} scheduled actions for {self.name}",
            )
        # GUIDE, considerations: "A scheduled action must have a unique time value". INFERRED: the code; for a recurrence, its next occurrence.
        if any(action.start == start for action in others):
            raise AwsError(
                "AlreadyExists", f"A scheduled action with this scheduled start time already exists: {stamp(start)}"
            )

    def _action_arn(self, name: str) -> str:
        return (
            f"arn:aws:autoscaling:{self.region}:{ACCOUNT}:scheduledUpdateGroupAction:{uuid4()}"
            f":autoScalingGroupName/{self.name}:scheduledActionName/{name}"
        )

    def _record(self, action: ScheduledAction, at: datetime, status: str, trouble: str | None) -> None:
        asked = {"min": action.min_size, "max": action.max_size, "desired capacity": action.desired_capacity}
        wanted = ", ".join(f"{key} to {value}" for key, value in asked.items() if value is not None)
        self.activities.insert(
            0,
            {
                "ActivityId": str(uuid4()),
                "AutoScalingGroupName": self.name,
                "Description": f"Executing scheduled action {action.name}",
                "Cause": f"At {stamp(at)} a scheduled action update of AutoScalingGroup constraints to {wanted} was executed.",
                "StartTime": at,
                "EndTime": at,
                "StatusCode": status,
                "StatusMessage": trouble,
                "Progress": 100,
            },
        )


def _check_sizes(asked: Mapping[str, Any]) -> None:
    low, high, desired = (asked.get(key) for key in ("MinSize", "MaxSize", "DesiredCapacity"))
    given = [size for size in (low, high, desired) if size is not None]
    if not given:  # API, PutScheduledUpdateGroupAction: "you must specify at least one" of the three
        raise invalid("At least one of MinSize, MaxSize and DesiredCapacity must be specified")
    if min(given) < 0:  # INFERRED: sizes of a group are counts
        raise invalid("Sizes of a scheduled action must not be negative")
    if low is not None and high is not None and low > high:
        raise invalid(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired is not None and ((low is not None and desired < low) or (high is not None and desired > high)):
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")


def _first_start(asked: Mapping[str, Any], now: datetime) -> datetime:
    """When the action starts first, once its times are found to be in order."""
    recurrence, zone = asked.get("Recurrence"), asked.get("TimeZone")
    start: datetime | None = asked.get("StartTime")
    end: datetime | None = asked.get("EndTime")
    if zone is not None and recurrence is None:  # API, TimeZone: of the cron expression
        raise invalid("TimeZone can be specified only together with Recurrence")
    if (
        start is not None and start <= now
    ):  # API: "If you try to schedule your action in the past, ... returns an error message"
        raise invalid("Given start time is in the past")
    if end is not None and end <= (start or now):  # INFERRED: an end before its start, or before now, is never meant
        raise invalid("Given end time is before the start time" if start else "Given end time is in the past")
    if recurrence is None:
        if start is None:  # INFERRED: an action without either has no time
            raise invalid("Either StartTime or Recurrence must be specified")
        return start
    upcoming = next_occurrence(recurrence, zone, now)
    if (
        start is not None
    ):  # API, StartTime: with a recurrence, performed "at this time, and then ... based on the specified recurrence"
        return start
    if end is not None and upcoming > end:  # INFERRED: it would never run
        raise invalid("The recurrence has no occurrence before the end time")
    return upcoming


def occurrences(recurrence: str, zone: str | None, after: datetime) -> Iterator[datetime]:
    """When a recurrence falls due after `after`, UTC.

    API, Recurrence: five fields of Unix cron; TimeZone: an IANA name, UTC without.

    Raises:
        AwsError: no such expression or zone.
    """
    import importlib  # noqa: PLC0415 - cronsim has no stubs: taken as Any, and only where a recurrence is used

    cronsim: Any = importlib.import_module("cronsim")
    try:
        place = ZoneInfo(zone or "UTC")
    except (ValueError, OSError, KeyError) as error:
        raise invalid(f"TimeZone {zone!r} is not a known IANA time zone") from error
    if len(recurrence.split()) != 5:
        raise invalid(f"Given recurrence string: {recurrence} is invalid")
    try:
        simulated: Iterator[datetime] = cronsim.CronSim(recurrence, after.astimezone(place))
    except cronsim.CronSimError as error:
        raise invalid(f"Given recurrence string: {recurrence} is invalid") from error
    return (moment.astimezone(UTC) for moment in simulated)


def next_occurrence(recurrence: str, zone: str | None, after: datetime) -> datetime:
    """The first occurrence after `after`, UTC."""
    try:
        return next(occurrences(recurrence, zone, after))
    except StopIteration as error:
        raise invalid(f"Given recurrence string: {recurrence} never falls due") from error


def invalid(message: str) -> AwsError:
    """A `ValidationError`, the code of most refusals (MODEL: common errors of the API)."""
    return AwsError("ValidationError", message)


def stamp(moment: datetime) -> str:
    """A moment as AWS writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
