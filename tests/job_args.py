"""Arguments of a forecast job, the fewest and all of them, and how to declare one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, cast

import pulumi

from tests.recording import GOLDEN, Recorder, record

from elastic_iac.aws.forecast_job import component  # isort: skip - after the import that quiets the SDK
from elastic_iac.aws.forecast_job.args import AwsForecastJobArgs  # isort: skip

PACKAGE = str(GOLDEN / "function.zip")


def fleet(name: str = "web", **changes: Any) -> str:
    """A fleet as a group's component puts it out."""
    settings = {
        "name": name,
        "cloud": "aws",
        "target": {"region": "eu-central-1", "group_name": f"{name}-group-0a1b2c3"},
        "source": {"kind": "cloudwatch", "metric": {"namespace": "Jobs", "metric_name": "Started"}},
        "load_per_instance": 50,
        "floor": 2,
        "ceiling": 20,
    }
    return json.dumps({**settings, **changes})


MINIMAL: AwsForecastJobArgs = {"fleets": [fleet()], "package_path": PACKAGE}

MAXIMAL: AwsForecastJobArgs = {
    "fleets": [
        fleet("web"),
        fleet("api", target={"region": "us-east-1", "group_name": "api-group-0a1b2c3"}, floor=0, ceiling=100),
    ],
    "fleet_count": 2,
    "schedule": "cron(5/20 * * * ? *)",
    "interval_minutes": 20,
    "time_zone": "Europe/Berlin",
    "flexible_window_minutes": 3,
    "architecture": "x86_64",
    "memory_mib": 3008,
    "timeout_seconds": 600,
    "log_retention_days": 90,
    "reserved_concurrency": 2,
    "package_path": PACKAGE,
    "owner": "shop",
    "former_owners": ["old-shop"],
    "dry_run": True,
    "enabled": False,
    "alarm_emails": ["oncall@example.com"],
    "store_retention_days": 180,
    "kms_key_arn": "arn:aws:kms:eu-central-1:111122223333:key/k",
    "force_destroy": True,
    "tags": {"team": "serving"},
}

MANY = [fleet(f"web-{number}") for number in range(151)]
"""One more than a function serves."""

SHARDED: AwsForecastJobArgs = {**MINIMAL, "fleets": [*MANY]}


def declare(
    args: AwsForecastJobArgs | Callable[[], AwsForecastJobArgs], name: str = "job", **options: Any
) -> tuple[Recorder, dict[str, Any]]:
    """Declare the job; outputs among the arguments must be made within the program, so those come from a function."""

    def program() -> None:
        job = component.AwsForecastJob(name, args() if callable(args) else args)
        for output in component.AwsForecastJob.__annotations__:
            pulumi.export(output, getattr(job, output))

    return record(program, **options)


def changed(base: AwsForecastJobArgs, **changes: Any) -> AwsForecastJobArgs:
    """`base` with fields replaced, and those that are None left out."""
    merged = {**copy.deepcopy(base), **changes}
    return cast("AwsForecastJobArgs", {key: value for key, value in merged.items() if value is not None})


def later(value: Any) -> pulumi.Output[Any]:
    """A value that is known during the deployment only."""
    return pulumi.Output.from_input(value).apply(lambda known: known)
