"""Arguments of a forecast job on Google Cloud, the fewest and all of them, and how to declare one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, cast

import pulumi

from tests.recording import GOLDEN, Recorder, record

from elastic_iac.gcp.forecast_job import component  # isort: skip - after the import that quiets the SDK
from elastic_iac.gcp.forecast_job.args import GcpForecastJobArgs  # isort: skip

PACKAGE = str(GOLDEN / "function.zip")


def target(name: str, *, project: str = "shop-prod", location: str = "europe-west1") -> dict[str, str]:
    kind = "zonal" if location.count("-") == 2 else "regional"
    names = {"autoscaler": f"{name}-autoscaler-0a1b2c3", "group": f"{name}-group-0a1b2c3"}
    return {"project": project, "location": location, "kind": kind, **names}


def fleet(name: str = "web", **changes: Any) -> str:
    """A fleet as a group's component puts it out."""
    settings = {
        "name": name,
        "cloud": "gcp",
        "target": target(name),
        "source": {"kind": "cloud-monitoring", "metric": {"type": "custom.googleapis.com/started"}},
        "load_per_instance": 50,
        "floor": 2,
        "ceiling": 20,
    }
    return json.dumps({**settings, **changes})


MINIMAL: GcpForecastJobArgs = {"fleets": [fleet()], "package_path": PACKAGE}

MAXIMAL: GcpForecastJobArgs = {
    "fleets": [fleet("web"), fleet("api", target=target("api", location="europe-west1-b"), floor=0, ceiling=100)],
    "fleet_count": 2,
    "region": "europe-west3",
    "schedule": "5/20 * * * *",
    "interval_minutes": 20,
    "time_zone": "Europe/Berlin",
    "memory_mib": 8192,
    "timeout_seconds": 600,
    "package_path": PACKAGE,
    "owner": "shop",
    "former_owners": ["old-shop"],
    "dry_run": True,
    "enabled": False,
    "alarm_channels": ["projects/shop-prod/notificationChannels/1"],
    "alarm_emails": ["oncall@example.com"],
    "store_retention_days": 180,
    "kms_key": "projects/shop-prod/locations/europe-west3/keyRings/r/cryptoKeys/k",
    "force_destroy": True,
    "labels": {"team": "serving"},
}

SHARDED: GcpForecastJobArgs = {**MINIMAL, "fleets": [fleet(f"web-{number}") for number in range(151)]}


def declare(
    args: GcpForecastJobArgs | Callable[[], GcpForecastJobArgs], name: str = "job", **options: Any
) -> tuple[Recorder, dict[str, Any]]:
    """Declare the job; outputs among the arguments must be made within the program, so those come from a function."""

    def program() -> None:
        job = component.GcpForecastJob(name, args() if callable(args) else args)
        for output in component.GcpForecastJob.__annotations__:
            pulumi.export(output, getattr(job, output))

    return record(program, **options)


def changed(base: GcpForecastJobArgs, **changes: Any) -> GcpForecastJobArgs:
    """`base` with fields replaced, and those that are None left out."""
    merged = {**copy.deepcopy(base), **changes}
    return cast("GcpForecastJobArgs", {key: value for key, value in merged.items() if value is not None})
