"""What the tests of the strict double share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

GROUP = "web"


def create_group(client: Any, name: str = GROUP, **changes: Any) -> None:
    """A group of 2 to 20 instances, 4 of them running."""
    settings: dict[str, Any] = {
        "AutoScalingGroupName": name,
        "MinSize": 2,
        "MaxSize": 20,
        "DesiredCapacity": 4,
        "LaunchConfigurationName": "launch",
        "AvailabilityZones": ["us-east-1a"],
        **changes,
    }
    client.create_auto_scaling_group(**{name: value for name, value in settings.items() if value is not None})


def put_action(client: Any, name: str, start: datetime | None, group: str = GROUP, **settings: Any) -> None:
    """A scheduled action; MinSize 3 where nothing is said."""
    times = {} if start is None else {"StartTime": start}
    client.put_scheduled_update_group_action(
        AutoScalingGroupName=group, ScheduledActionName=name, **times, **(settings or {"MinSize": 3})
    )


def action_names(client: Any, group: str = GROUP, **filters: Any) -> list[str]:
    answer = client.describe_scheduled_actions(AutoScalingGroupName=group, **filters)
    return [action["ScheduledActionName"] for action in answer["ScheduledUpdateGroupActions"]]


def described(client: Any, name: str = GROUP) -> dict[str, Any]:
    return client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]


def refused(code: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Check that the call is refused with this code; returns the message."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    error: Any = caught.value
    assert error.response["Error"]["Code"] == code
    return error.response["Error"]["Message"]
