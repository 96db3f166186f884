"""Auto Scaling as AWS judges it: scheduled actions are ours, group-level calls are checked here and carried out by the emulator behind.

A write-through cache of each group's sizes makes a scheduled-action call cost no call upstream. What the emulator drops of a group (mixed instances,
processes, attachments, ...) is kept here and merged into its descriptions.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from elastic_iac.local import wire
from elastic_iac.local.clock import Clock
from elastic_iac.local.groups import EXTENSIONS, LAUNCH_SOURCES, describe_group, keep, refuse_beside_operator
from elastic_iac.local.launches import RETENTION, Launching, bounds, shown
from elastic_iac.local.lifecycle import CALLS, Lifecycle, Lifecycles, instances_of
from elastic_iac.local.pages import Arguments, Result, action_name, batch, each, matches, page
from elastic_iac.local.policies import Policies
from elastic_iac.local.rules import MAX_PAGE, Group, Sizes, invalid
from elastic_iac.local.wire import AwsError, Request, Response

Jitter = Callable[[str, datetime], timedelta]
"""How late an action (by group/name and start) runs: AWS says up to two minutes."""


def no_jitter(_action: str, _start: datetime) -> timedelta:
    """Every action runs on time."""
    return timedelta(0)


def seeded_jitter(seed: int, most: timedelta = timedelta(minutes=2)) -> Jitter:
    """Every action runs late by its own, repeatable share of `most` (GUIDE: "up to two minutes")."""

    def late(action: str, start: datetime) -> timedelta:
        return most * random.Random(f"{seed}/{action}/{start.isoformat()}").random()  # noqa: S311 - a test's chance

    return late


_PLACES = ("AvailabilityZones", "AvailabilityZoneIds", "VPCZoneIdentifier")


class _Refused(Exception):  # noqa: N818 - carries the emulator's own refusal, unchanged
    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__(response.body.decode(errors="replace"))


class AutoScaling:
    """The Auto Scaling service of the double."""

    def __init__(self, clock: Clock, send: Callable[[Request], Response]) -> None:
        self._clock = clock
        self._send = send
        self._groups: dict[tuple[str, str], Group] = {}
        self._lifecycles = Lifecycles()
        self._policies = Policies(self._named, self._upstream)
        self._described: dict[str, list[dict[str, Any]]] = {}  # by region: what the emulator last answered
        self.jitter: Jitter = no_jitter
        self.lock = threading.RLock()
        self._handlers: dict[str, Callable[[Request, Arguments], Result | None]] = {
            "PutScheduledUpdateGroupAction": self._put_action,
            "DeleteScheduledAction": self._delete_action,
            "BatchPutScheduledUpdateGroupAction": self._batch_put,
            "BatchDeleteScheduledAction": self._batch_delete,
            "DescribeScheduledActions": self._describe_actions,
            "DescribeScalingActivities": self._describe_activities,
            "CreateAutoScalingGroup": self._create_group,
            "UpdateAutoScalingGroup": self._update_group,
            "SetDesiredCapacity": self._set_desired,
            "DeleteAutoScalingGroup": self._delete_group,
            "DescribeAutoScalingGroups": self._describe_groups,
            "DescribeAutoScalingInstances": self._describe_instances,
            "PutScalingPolicy": self._policies.put,
            "DescribePolicies": self._policies.describe,
            "DeletePolicy": self._policies.delete,
        }

    def handle(self, request: Request) -> Response:
        """Judge one call; what has no rule here goes to the emulator, once its group is known to exist."""
        with self.lock:
            try:
                return self._answer(request)
            except AwsError as error:
                return wire.error_response(request, error)
            except _Refused as refused:
                return refused.response

    def group(self, name: str, region: str) -> Group:
        """The group's state.

        Raises:
            AwsError: `ValidationError`, there is no such group.
        """
        try:
            return self._groups[region, name]
        except KeyError:
            raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found") from None

    def _named(self, request: Request, arguments: Arguments) -> list[Group]:
        """The group that a call names, or all of the region."""
        name = arguments.get("AutoScalingGroupName")
        if name is not None:
            return [self.group(name, request.region)]
        return [group for group in self._groups.values() if group.region == request.region]

    def lifecycle(self, group: Group) -> Lifecycle:
        """The group's lifecycle hooks; what is in the group when the first stands is in service."""
        known = self._lifecycles.get(group)
        if known is None:
            known = self._lifecycles.make(group)
            self._launched(group, self._clock.now())
        return known

    def _launched(self, group: Group, now: datetime) -> None:
        """Tell the group's hooks what the emulator launched."""
        lifecycle = self._lifecycles.get(group)
        if lifecycle is None or group.launching is not None:  # such a group's boots end where their hook is completed
            return
        request = wire.form_request("autoscaling", group.region, {"Action": "DescribeAutoScalingGroups"})
        described = next(one for one in self._upstream_groups(request) if one["AutoScalingGroupName"] == group.name)
        lifecycle.launch([instance["InstanceId"] for instance in described.get("Instances", [])], now)

    def reset(self) -> None:
        """Forget everything."""
        with self.lock:
            self._groups.clear()
            self._lifecycles.clear()
            self._described.clear()

    def run_due(self, until: datetime) -> None:
        """Execute what is due until then, in order of time; the emulator hears the outcome once per group."""
        with self.lock:
            due = [
                entry
                for group in self._groups.values()
                for name in group.actions
                if (entry := self._due(group, name))[0] <= until
            ]
            heapq.heapify(due)
            touched: dict[tuple[str, str], Group] = {}
            while due:
                at, region, group_name, name = heapq.heappop(due)
                group = self._groups[region, group_name]
                before = group.sizes
                group.execute(group.actions[name], at)
                if group.sizes != before:
                    touched[region, group_name] = group
                if name in group.actions and (entry := self._due(group, name))[0] <= until:
                    heapq.heappush(due, entry)
            for group in touched.values():
                self._write_through(group)
                self._launched(group, until)
            self._lifecycles.expire(until)
            for group in self._groups.values():
                if group.launching is not None:
                    group.launching.run(group, until)

    def _due(self, group: Group, name: str) -> tuple[datetime, str, str, str]:
        start = group.actions[name].start
        return start + self.jitter(f"{group.name}/{name}", start), group.region, group.name, name

    def _write_through(self, group: Group) -> None:
        sizes = {
            "MinSize": group.sizes.minimum,
            "MaxSize": group.sizes.maximum,
            "DesiredCapacity": group.sizes.desired,
        }
        form = {"Action": "UpdateAutoScalingGroup", "Version": "2011-01-01", "AutoScalingGroupName": group.name}
        self._upstream(
            wire.form_request("autoscaling", group.region, form | {key: str(size) for key, size in sizes.items()})
        )

    def _answer(self, request: Request) -> Response:
        if wire.operation(request.action) is None:
            raise AwsError("InvalidAction", f"Could not find operation {request.action} for version 2011-01-01")
        arguments = wire.parse_form(request.form, request.action)
        if request.mutating and request.action != "CreateAutoScalingGroup":
            refuse_beside_operator(self._groups, request.region, arguments)
        handler = self._handlers.get(request.action)
        if handler is not None:
            return wire.xml_response(request.action, handler(request, arguments) or {})
        name = arguments.get("AutoScalingGroupName")
        group = self.group(name, request.region) if name is not None else None
        hooked = CALLS.get(request.action)
        if hooked is not None and group is not None:
            return wire.xml_response(request.action, hooked(self.lifecycle(group), arguments, self._clock.now()) or {})
        extension = EXTENSIONS.get(request.action)
        if extension is not None and group is not None:
            return wire.xml_response(request.action, extension(group, arguments, self._clock.now()) or {})
        return self._upstream(request)

    def _upstream(self, request: Request, **changes: object) -> Response:
        """Let the emulator carry out the call, with some parameters changed."""
        form = dict(request.form) | {name: str(value) for name, value in changes.items()}
        if request.mutating:
            self._described.pop(request.region, None)
            # It writes tags into its XML as they are.
            form = {name: escape(value) if name.startswith("Tags.member.") else value for name, value in form.items()}
        if form != request.form:  # else as it was signed
            request = replace(request, form=form, body=urlencode(form).encode())
        response = self._send(request)
        if response.status >= 400:
            raise _Refused(response)
        return response

    # Scheduled actions

    def _put_action(self, request: Request, arguments: Arguments) -> None:
        self.group(arguments["AutoScalingGroupName"], request.region).put(arguments, self._clock.now())

    def _delete_action(self, request: Request, arguments: Arguments) -> None:
        self.group(arguments["AutoScalingGroupName"], request.region).delete(arguments["ScheduledActionName"])

    def _batch_put(self, request: Request, arguments: Arguments) -> Result:
        group = self.group(arguments["AutoScalingGroupName"], request.region)
        asked: list[Arguments] = batch(arguments["ScheduledUpdateGroupActions"])
        failed = each(request, asked, action_name, lambda item: group.put(item, self._clock.now()))
        return {"FailedScheduledUpdateGroupActions": failed}

    def _batch_delete(self, request: Request, arguments: Arguments) -> Result:
        group = self.group(arguments["AutoScalingGroupName"], request.region)
        names: list[str] = batch(arguments["ScheduledActionNames"])
        return {"FailedScheduledActions": each(request, names, str, group.delete)}

    def _describe_actions(self, request: Request, arguments: Arguments) -> Result:
        groups = self._named(request, arguments)
        names, earliest, latest = (arguments.get(key) for key in ("ScheduledActionNames", "StartTime", "EndTime"))
        if names and len(names) > 50:  # API, DescribeScheduledActions: at most 50 names
            raise invalid("ScheduledActionNames: at most 50 names")
        found = [
            (action.start, group.name, action.name, action.described(group.name))
            for group in groups
            for action in group.actions.values()
            # API, DescribeScheduledActions: with names, the times are ignored; unknown names are no error.
            if (
                action.name in names
                if names
                else (earliest is None or action.start >= earliest) and (latest is None or action.start <= latest)
            )
        ]
        found.sort(key=lambda entry: entry[:3])
        return page("ScheduledUpdateGroupActions", [entry[3] for entry in found], arguments)

    def _describe_activities(self, request: Request, arguments: Arguments) -> Result:
        groups = self._named(request, arguments)
        now, wanted, within = self._clock.now(), arguments.get("ActivityIds"), bounds(arguments.get("Filters", []))
        for group in groups:
            if group.launching is not None:
                group.launching.run(group, now)
        activities = [
            shown(activity, now)
            for group in groups
            for activity in group.activities
            if (not wanted or activity["ActivityId"] in wanted)
            and activity["StartTime"] >= now - RETENTION
            and within(activity["StartTime"])
        ]
        # As the API sorts them: by start, what is still in progress first.
        activities.sort(
            key=lambda each: (each.get("EndTime") is None, cast("datetime", each["StartTime"])), reverse=True
        )
        return page("Activities", activities, arguments, default=MAX_PAGE)

    # Groups

    def _create_group(self, request: Request, arguments: Arguments) -> None:
        name, minimum = arguments["AutoScalingGroupName"], arguments["MinSize"]
        if (request.region, name) in self._groups:
            raise AwsError(
                "AlreadyExists",
                f"AutoScalingGroup by this name already exists - A group with the name {name} already exists",
            )
        if not any(arguments.get(key) for key in LAUNCH_SOURCES):  # API, CreateAutoScalingGroup
            raise invalid(f"Valid requests must contain either {', '.join(LAUNCH_SOURCES)} parameter.")
        if not any(arguments.get(key) for key in _PLACES):  # API, CreateAutoScalingGroup
            raise invalid("At least one Availability Zone or VPC Subnet is required.")
        # API, DesiredCapacity: the minimum size where it is not given.
        sizes = Sizes(minimum, arguments["MaxSize"], arguments.get("DesiredCapacity", minimum))
        sizes.check()
        self._upstream(request, DesiredCapacity=sizes.desired)
        group = Group(name, request.region, sizes)
        group.resize(sizes, self._clock.now(), "CreateAutoScalingGroup")
        keep(group, arguments)
        group.kept["CreatedTime"] = self._clock.now()
        self._groups[request.region, name] = group
        for hook in arguments.get("LifecycleHookSpecificationList", []):  # they stand before anything is launched
            self._lifecycles.make(group).put(hook)
        self._launched(group, self._clock.now())

    def _update_group(self, request: Request, arguments: Arguments) -> None:
        group = self.group(arguments["AutoScalingGroupName"], request.region)
        sizes = group.sizes.changed(*(arguments.get(key) for key in ("MinSize", "MaxSize", "DesiredCapacity")))
        sizes.check()
        self._upstream(request, DesiredCapacity=sizes.desired)
        keep(group, arguments)
        group.resize(sizes, self._clock.now(), "UpdateAutoScalingGroup")
        self._launched(group, self._clock.now())

    def _set_desired(self, request: Request, arguments: Arguments) -> None:
        group = self.group(arguments["AutoScalingGroupName"], request.region)
        desired, sizes = arguments["DesiredCapacity"], group.sizes
        if desired > sizes.maximum:
            raise invalid(
                f"New SetDesiredCapacity value {desired} is above max value {sizes.maximum} for the AutoScalingGroup."
            )
        if desired < sizes.minimum:
            raise invalid(
                f"New SetDesiredCapacity value {desired} is below min value {sizes.minimum} for the AutoScalingGroup."
            )
        self._upstream(request)
        group.resize(replace(sizes, desired=desired), self._clock.now(), "SetDesiredCapacity")
        self._launched(group, self._clock.now())

    def _delete_group(self, request: Request, arguments: Arguments) -> None:
        group = self.group(arguments["AutoScalingGroupName"], request.region)
        if group.sizes.desired and not arguments.get("ForceDelete"):  # API, DeleteAutoScalingGroup
            raise AwsError(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
            )
        self._upstream(request)
        del self._groups[request.region, group.name]
        self._lifecycles.forget(group)

    def _describe_groups(self, request: Request, arguments: Arguments) -> Result:
        names, filters = arguments.get("AutoScalingGroupNames"), arguments.get("Filters", [])
        groups = [
            describe_group(
                self._groups[request.region, described["AutoScalingGroupName"]],
                self._lifecycles.shown(request.region, described),
            )
            for described in self._upstream_groups(request)
            if (request.region, described["AutoScalingGroupName"]) in self._groups
            and (not names or described["AutoScalingGroupName"] in names)
            and all(matches(described.get("Tags", []), asked) for asked in filters)
        ]
        for group in groups:
            launching: Launching | None = self._groups[request.region, group["AutoScalingGroupName"]].launching
            if launching is not None:
                launching.run(self._groups[request.region, group["AutoScalingGroupName"]], self._clock.now())
                group["Instances"] = launching.described(self._clock.now())
        if arguments.get("IncludeInstances") is False:
            for group in groups:
                group["Instances"] = []
        return page("AutoScalingGroups", groups, arguments)

    def _describe_instances(self, request: Request, arguments: Arguments) -> Result:
        """API, DescribeAutoScalingInstances: of all groups of the region; unknown ids are no error."""
        wanted = arguments.get("InstanceIds")
        found = [
            instance
            for described in self._upstream_groups(request)
            if (request.region, described["AutoScalingGroupName"]) in self._groups
            for instance in instances_of(self._lifecycles.shown(request.region, described))
            if not wanted or instance["InstanceId"] in wanted
        ]
        return page("AutoScalingInstances", found, arguments)

    def _upstream_groups(self, request: Request) -> list[dict[str, Any]]:
        """The emulator's description of all groups of the region; asked again only after something changed."""
        described = self._described.get(request.region)
        if described is None:
            action = "DescribeAutoScalingGroups"
            response = self._upstream(
                wire.form_request("autoscaling", request.region, {"Action": action, "Version": "2011-01-01"})
            )
            described = cast("list[dict[str, Any]]", wire.parse_xml(response, action)["AutoScalingGroups"])
            self._described[request.region] = described
        return described
