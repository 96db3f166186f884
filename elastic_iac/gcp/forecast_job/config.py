"""The arguments of a forecast job as one frozen configuration."""

from typing import Any

from elastic_iac.common import forecast_job as jobs
from elastic_iac.common.capacity import Sizes
from elastic_iac.common.parsing import Problems, lift, parse_component
from elastic_iac.common.schema.gcp_forecast_job import GcpExistingGroup, GcpForecastJobArgs
from elastic_iac.common.validation import matching
from elastic_iac.gcp.fleet import Place, fleet_settings

NAME = matching(
    r"[a-z]([a-z0-9-]{0,26}[a-z0-9])?",
    "1 to 28 lower-case letters, digits and inner hyphens, a letter first: with a function's number it becomes part of names in the cloud",
)
_EVERY_SIX_HOURS, _EVERY_QUARTER = ("0 */6 * * *", 360), ("*/15 * * * *", 15)

JobConfig = jobs.JobConfig[GcpForecastJobArgs, jobs.Schedule]


def configure(name: str, raw: object) -> JobConfig:
    """Check all arguments, and find the function's code.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args, problems = parse_component(GcpForecastJobArgs, name, raw, NAME), Problems()
    for index, group in enumerate(args.existing_groups):
        if group.forecast.saturated_cpu_percent is not None:
            at = f"existing_groups[{index}].forecast.saturated_cpu_percent"
            expected = "nothing: only the instances of a component have the label that selects their CPU"
            problems.refuse(at, group.forecast.saturated_cpu_percent, expected)
    existing = jobs.existing_fleets(args.existing_groups, _existing, "backend_service", problems)
    return jobs.configure_job(
        name,
        args,
        problems,
        cloud="gcp",
        schedule=_schedule(args, problems),
        existing=existing,
        package=jobs.Package("gcp-function", "x86_64", "3.13"),
    )


def _existing(group: GcpExistingGroup) -> dict[str, Any]:
    target = {
        "project": group.project,
        "location": group.location,
        "autoscaler": group.autoscaler_name,
        "group": group.group_name,
        "kind": lift(_kind, group.location),
    }
    place, sizes = Place(target, group.backend_service or ""), Sizes(group.min_size, group.max_size)
    forecast = group.forecast
    return fleet_settings(group.name, forecast, place, sizes, forecast.load_per_instance, forecast.load)


def _kind(location: str) -> str:
    """A zone has one part more than its region."""
    return "zonal" if location.count("-") == 2 else "regional"


def _schedule(args: GcpForecastJobArgs, problems: Problems) -> jobs.Schedule:
    """When the job runs, and how long apart."""
    given, interval, short = args.schedule, args.interval_minutes, args.short_run_minutes
    default, minutes = _EVERY_SIX_HOURS if short is None or short else _EVERY_QUARTER
    if given is None and interval is not None:
        problems.refuse("interval_minutes", interval, f"nothing beside the default schedule, {default!r}")
    if given is not None and interval is None:
        problems.refuse("interval_minutes", None, "the longest time between two runs of the schedule")
    between = minutes if interval is None else interval
    short_runs = 0
    with problems.collect():
        short_runs = jobs.settle_short_runs(short, between)
    return jobs.Schedule(given or default, args.time_zone, between, short_runs)
