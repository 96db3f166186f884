"""Groups on Google Cloud that no component declared, as fleets of a job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forecasting.errors import SettingsError
from forecasting.settings import parse_job
from tests.gcp_job_args import MINIMAL, changed, component, declare
from tests.group_args import later
from tests.recording import Recorder, record, revealed

GROUP: dict[str, Any] = {
    "name": "shop",
    "project": "shop-prod",
    "location": "europe-west1",
    "autoscaler_name": "shop-autoscaler",
    "group_name": "shop-group",
    "min_size": 2,
    "max_size": 20,
    "forecast": {"load_per_instance": 50, "load": {"metric_type": "custom.googleapis.com/started"}},
}


def served(recorder: Recorder) -> list[dict[str, Any]]:
    content = revealed(recorder.one(":BucketObject", "job-settings").inputs["content"])
    return [fleet.model_dump(mode="json", exclude_unset=True) for fleet in parse_job(json.loads(content)).fleets]


@pytest.mark.parametrize(("location", "kind"), [("europe-west1", "regional"), ("europe-west1-b", "zonal")])
def test_it_is_served_beside_others(location: str, kind: str) -> None:
    fleets = served(declare(changed(MINIMAL, existing_groups=[{**GROUP, "location": location}]))[0])
    assert len(fleets) == len(served(declare(MINIMAL)[0])) + 1
    assert fleets[-1]["target"] == {
        "project": "shop-prod",
        "location": location,
        "autoscaler": "shop-autoscaler",
        "group": "shop-group",
        "kind": kind,
    }
    assert (fleets[-1]["floor"], fleets[-1]["ceiling"], fleets[-1]["load_per_instance"]) == (2, 20, 50)


def test_it_is_served_alone_with_outputs_and_its_load_balancers_requests() -> None:
    group = {**GROUP, "forecast": {"load_per_instance": 50}, "backend_service": "shop-backend"}
    outputs = {key: key != "name" and not isinstance(value, dict) for key, value in group.items()}

    def program() -> None:
        given = {key: later(value) if outputs[key] else value for key, value in group.items()}
        component.GcpForecastJob("job", changed(MINIMAL, fleets=None, existing_groups=[given]))

    (fleet,) = served(record(program)[0])
    assert fleet["source"]["metric"]["resource_labels"] == {"backend_target_name": "shop-backend"}
    assert (fleet["floor"], fleet["ceiling"]) == (2, 20)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("project", {"project": "Shop"}),
        ("location", {"location": "europe"}),
        ("autoscaler_name", {"autoscaler_name": "Shop"}),
        ("group_name", {"group_name": None}),
        ("min_size", {"min_size": 21}),
        ("max_size", {"max_size": -1}),
        ("forecast.load", {"forecast": {"load_per_instance": 50}}),
        ("forecast.load", {"backend_service": "shop-backend"}),
        ("forecast.saturated_cpu_percent", {"forecast": {**GROUP["forecast"], "saturated_cpu_percent": 90}}),
        ("forecast.quantile", {"forecast": {**GROUP["forecast"], "quantile": 2}}),
    ],
)
def test_a_wrong_value_is_refused(field: str, changes: dict[str, Any]) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.GcpForecastJob("job", changed(MINIMAL, existing_groups=[{**GROUP, **changes}]))
        assert raised.value.field == f"existing_groups[0].{field}"

    assert record(program)[0].registrations == []
