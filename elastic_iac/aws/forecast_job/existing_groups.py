"""Groups that no component declared, as fleets of a job."""

from collections.abc import Sequence
from typing import Any

import pulumi

from elastic_iac.aws.fleet import fleet_settings
from elastic_iac.common.fleet_output import check_literals, fleet_json
from elastic_iac.common.parsing import ArgumentsError, Problems
from elastic_iac.common.schema.aws_forecast_job import AwsExistingGroup
from forecasting.errors import SettingsError


def check_existing_groups(groups: Sequence[AwsExistingGroup], problems: Problems) -> None:
    """Check the literals of each group against the fleet's own contract."""
    for index, group in enumerate(groups):
        at = f"existing_groups[{index}]"
        if (group.forecast.load is None) == (group.load_balancer is None):
            expected = "a metric of the group's load, or load_balancer; one of the two"
            problems.refuse(f"{at}.forecast.load", group.forecast.load and "given", expected)
            continue
        try:
            check_literals(_settings(group))
        except ArgumentsError as error:
            problems += [SettingsError(f"{at}.{each.field}", each.value, each.expected) for each in error.problems]


def existing_fleets(groups: Sequence[AwsExistingGroup]) -> list[pulumi.Output[str]]:
    """The groups as the JSON that a component's `fleet` output is."""
    return [pulumi.Output.from_input(_settings(group)).apply(fleet_json) for group in groups]


def _settings(group: AwsExistingGroup) -> dict[str, Any]:
    return fleet_settings(
        group.name,
        group.forecast,
        load=group.forecast.load,
        load_per_instance=group.forecast.load_per_instance,
        minimum=group.min_size,
        maximum=group.max_size,
        region=group.region,
        group_name=group.group_name,
        load_balancer=group.load_balancer or "",
    )
