"""Groups that no component declared, as fleets of a job."""

from collections.abc import Sequence
from typing import Any

import pulumi

from elastic_iac.common.fleet_output import check_literals, fleet_json
from elastic_iac.common.parsing import ArgumentsError, Problems, lift
from elastic_iac.common.schema.gcp_forecast_job import GcpExistingGroup
from elastic_iac.gcp.fleet import fleet_settings
from forecasting.errors import SettingsError


def check_existing_groups(groups: Sequence[GcpExistingGroup], problems: Problems) -> None:
    """Check the literals of each group against the fleet's own contract."""
    for index, group in enumerate(groups):
        at, forecast = f"existing_groups[{index}]", group.forecast
        if forecast.saturated_cpu_percent is not None:
            expected = "nothing: only the instances of a component have the label that selects their CPU"
            problems.refuse(f"{at}.forecast.saturated_cpu_percent", forecast.saturated_cpu_percent, expected)
        if (forecast.load is None) == (group.backend_service is None):
            expected = "a metric of the group's load, or backend_service; one of the two"
            problems.refuse(f"{at}.forecast.load", forecast.load and "given", expected)
            continue
        try:
            check_literals(_settings(group))
        except ArgumentsError as error:
            problems += [SettingsError(f"{at}.{each.field}", each.value, each.expected) for each in error.problems]


def existing_fleets(groups: Sequence[GcpExistingGroup]) -> list[pulumi.Output[str]]:
    """The groups as the JSON that a component's `fleet` output is."""
    return [pulumi.Output.from_input(_settings(group)).apply(fleet_json) for group in groups]


def _settings(group: GcpExistingGroup) -> dict[str, Any]:
    return fleet_settings(
        group.name,
        group.forecast,
        load=group.forecast.load,
        load_per_instance=group.forecast.load_per_instance,
        minimum=group.min_size,
        maximum=group.max_size,
        target={
            "project": group.project,
            "location": group.location,
            "autoscaler": group.autoscaler_name,
            "group": group.group_name,
            "kind": lift(_kind, group.location),
        },
        group_label="",
        backend_service=group.backend_service or "",
    )


def _kind(location: str) -> str:
    """A zone has one part more than its region."""
    return "zonal" if location.count("-") == 2 else "regional"
