"""Settings: what is wrong is refused whole, by a message that names the field, the value and what would be right."""

from __future__ import annotations

import copy
import importlib
import math
import traceback
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import SettingsError
from forecasting.settings import Fleet, Job, parse_fleet, parse_job

METRIC: dict[str, Any] = {"namespace": "AWS/ApplicationELB", "metric_name": "RequestCount"}
FLEET: dict[str, Any] = {
    "name": "web",
    "cloud": "aws",
    "target": {"region": "eu-central-1", "group_name": "shop web/1"},
    "source": {"kind": "cloudwatch", "metric": METRIC},
    "load_per_instance": 120,
    "floor": 2,
    "ceiling": 40,
}
JOB: dict[str, Any] = {"name": "shop", "owner": "shop-prod", "fleets": [FLEET]}
EVENT = {"name": "sale", "start": "2026-11-27T08:00:00+01:00", "end": "2026-11-27T22:00:00+01:00"}

MISSING = object()


def changed(data: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of `data` with the field at a dotted path set, or removed."""
    made = copy.deepcopy(data)
    *parents, last = path.split(".")
    inner: Any = made
    for part in parents:
        inner = inner[int(part)] if part.isdigit() else inner.setdefault(part, {})
    if value is MISSING:
        del inner[last]
    else:
        inner[last] = value
    return made


def test_defaults_are_those_that_the_documents_promise() -> None:
    job = parse_job(JOB)
    fleet = job.fleets[0]
    assert (job.version, job.schedule, job.store.kind, job.dry_run, job.enabled) == (
        1,
        "0 */6 * * *",
        "local",
        False,
        True,
    )
    assert (fleet.step_minutes, fleet.horizon_hours, fleet.plan_quantile, fleet.model) == (15, 48, 0.9, "auto")
    assert fleet.target_key == "aws/eu-central-1/shop web/1"


@pytest.mark.parametrize(
    ("path", "value", "field", "got", "expected"),
    [
        ("ceilling", 3, "ceilling", "'ceilling'", "did you mean 'ceiling'"),
        ("source.metric.dimension", {}, "source.metric.dimension", "'dimension'", "did you mean 'dimensions'"),
        ("floor", MISSING, "floor", "None", "required"),
        ("source.kind", MISSING, "source.kind", "None", "required"),
        ("source.kind", "prometheus", "source.kind", "'prometheus'", "'cloudwatch', 'cloud-monitoring', 'file'"),
        ("source.formula", "a + b", "source.formula", "'formula'", "reserved for a later release"),
        ("source.secret", "s", "source.secret", "'secret'", "reserved for a later release"),
        ("source.period_seconds", 90, "source.period_seconds", "90", "multiple of 60"),
        ("source.period_seconds", 7200, "source.period_seconds", "7200", "divisor of the step"),
        ("source.metric.statistic", "Mean", "source.metric.statistic", "'Mean'", "percentile such as p95"),
        ("source.saturated_above", 80, "source.saturated_above", "80", "together with utilisation"),
        ("target", "web", "target", "'web'", "fields with their values"),
        ("target.group_name", " ", "target.group_name", "' '", "not blank"),
        ("target.group_name", 7, "target.group_name", "7", "text"),
        ("target.group_name", "a\nb", "target.group_name", r"'a\\nb'", "one line"),
        ("target.region", "eu-central-1a", "target.region", "'eu-central-1a'", "not a zone"),
        ("name", "Web_1", "name", "'Web_1'", "lower-case letters"),
        ("name", "", "name", "''", "lower-case letters"),
        ("cloud", "azure", "cloud", "'azure'", "'aws'"),
        ("floor", True, "floor", "True", "a whole number"),
        ("floor", "3", "floor", "'3'", "a whole number"),
        ("floor", 2.5, "floor", r"2\.5", "a whole number"),
        ("floor", -1, "floor", "-1", "greater than or equal to 0"),
        ("floor", 41, "floor", "41", "at most the ceiling, 40"),
        ("load_per_instance", "120", "load_per_instance", "'120'", "a number"),
        ("load_per_instance", True, "load_per_instance", "True", "a number"),
        ("load_per_instance", 0, "load_per_instance", "0", "greater than or equal to 0.000000001"),
        ("load_per_instance", math.nan, "load_per_instance", "nan", "a finite number"),
        ("max_load", math.inf, "max_load", "inf", "a finite number"),
        ("enabled", "no", "enabled", "'no'", "true or false"),
        ("enabled", 1, "enabled", "1", "true or false"),
        ("step_minutes", 7, "step_minutes", "7", "5, 15, 30 or 60"),
        ("time_zone", "Mars/Phobos", "time_zone", "'Mars/Phobos'", "IANA"),
        ("time_zone", "../UTC", "time_zone", r"'\.\./UTC'", "IANA"),
        ("time_zone", "", "time_zone", "''", "IANA"),
        ("events", [EVENT | {"start": "2026-11-27T08:00:00"}], "events.0.start", "'2026-11-27T08:00:00'", "UTC offset"),
        ("events", [EVENT | {"start": "2026-11-27"}], "events.0.start", "'2026-11-27'", "UTC offset"),
        ("events", [EVENT | {"start": 1_700_000_000}], "events.0.start", "1700000000", "UTC offset"),
        ("events", [EVENT | {"end": EVENT["start"]}], "events.0.end", "'2026-11-27T08", "after start"),
        ("events", EVENT, "events", r"\{'name'", "a list"),
        ("prices", {"instance_hour": 1}, "prices.unmet_instance_hour", "None", "required"),
        ("version", 2, "version", "2", "newer release"),
        ("version", True, "version", "True", "this release reads: 1"),
        ("version", "1", "version", "'1'", "this release reads: 1"),
    ],
)  # fmt: skip
def test_a_wrong_fleet_is_refused_by_field_value_and_what_would_be_right(
    path: str, value: object, field: str, got: str, expected: str
) -> None:
    for parse, data, prefix in (
        (parse_fleet, changed(FLEET, path, value), ""),
        (parse_job, changed(JOB, f"fleets.0.{path}", value), "fleets.0."),
    ):
        with pytest.raises(SettingsError, match=got) as caught:
            parse(data)
        assert caught.value.field == prefix + field
        assert expected in caught.value.expected
        assert "more)" not in caught.value.expected


@pytest.mark.parametrize(
    ("path", "value", "field", "expected"),
    [
        ("fleets", [], "fleets", "at least one item"),
        ("fleets", [FLEET, FLEET], "fleets", "names that are unique"),
        ("fleets", [FLEET, FLEET | {"name": "b"}], "fleets", "targets that are unique"),
        ("fleets", "web", "fleets", "a list"),
        ("owner", "Prod!", "owner", "lower-case letters"),
        ("former_owners", ["shop-prod"], "former_owners", "not the present owner"),
        ("schedule", "", "schedule", "not blank"),
        ("schedule", "* * * *", "schedule", "five cron fields"),
        ("schedule", "rate(5 min)", "schedule", "rate(15 minutes)"),
        ("schedule", "rate(1 minutes)", "schedule", "rate(15 minutes)"),
        ("schedule", "cron(0/15 * * * *)", "schedule", "EventBridge's six"),
        ("schedule", "cron(0 8 1 * MON *)", "schedule", "with ? for the day"),
        ("schedule_time_zone", "CET+1", "schedule_time_zone", "IANA"),
        ("interval_minutes", 0, "interval_minutes", "greater than or equal to 1"),
        ("schedule", "61 * * * *", "schedule", "Bad minute"),
        ("time_budget_seconds", 0, "time_budget_seconds", "greater than 0"),
        ("store.kind", "azure", "store.kind", "'local', 's3', 'gcs'"),
        ("store", {"kind": "local", "path": ""}, "store.path", "not blank"),
        ("store", {"kind": "s3", "bucket": "My_Bucket"}, "store.bucket", "lower-case letters"),
        ("store", {"kind": "s3", "bucket": "abc", "prefix": "/x/"}, "store.prefix", "single slashes"),
        ("store", {"kind": "s3"}, "store.bucket", "required"),
    ],
)
def test_a_wrong_job_is_refused_by_field_and_what_would_be_right(
    path: str, value: object, field: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_job(changed(JOB, path, value))
    assert caught.value.field == field
    assert expected in caught.value.expected


@pytest.mark.parametrize("data", [None, 3, "web", [], [JOB]])
def test_what_is_no_map_is_refused(data: object) -> None:
    with pytest.raises(SettingsError, match=r"job: .*expected fields"):
        parse_job(data)


def test_a_misspelt_field_is_named_before_the_one_that_it_leaves_missing() -> None:
    with pytest.raises(SettingsError, match=r"celing: got 'celing'; .*'ceiling'\? \(and 1 more\)"):
        parse_fleet(changed(changed(FLEET, "ceiling", MISSING), "celing", 40))


def test_the_value_of_an_unknown_field_is_never_shown() -> None:
    secret = "hunter" * 2
    with pytest.raises(SettingsError) as caught:
        parse_job(changed(JOB, "fleets.0.source.password", secret))
    assert secret not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "schedule",
    ["rate(1 hour)", "rate(15 minutes)", "cron(0/15 * * * ? *)", "cron(0 6 ? * MON-FRI 2026/1)", "0 6 * * 1"],
)
def test_a_schedule_is_written_as_people_or_as_eventbridge_write_it(schedule: str) -> None:
    assert parse_job(JOB | {"schedule": schedule}).schedule == schedule


def test_without_cronsim_the_shape_of_the_schedule_is_still_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> object:
        if name == "cronsim":
            raise ModuleNotFoundError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert parse_job(JOB | {"schedule": "0 6-18/2 * * MON-FRI"}).schedule == "0 6-18/2 * * MON-FRI"
    with pytest.raises(SettingsError, match="five cron fields"):
        parse_job(JOB | {"schedule": "@hourly"})


def test_whole_numbers_serve_as_numbers_and_aware_times_as_they_are() -> None:
    start, end = datetime(2026, 11, 27, tzinfo=UTC), datetime(2026, 11, 28, tzinfo=UTC)
    fleet = parse_fleet(FLEET | {"load_per_instance": 3, "events": [{"name": "x", "start": start, "end": end}]})
    assert fleet.load_per_instance == 3.0
    assert fleet.events[0].start == start


@pytest.mark.parametrize(("unmet", "quantile"), [(9, 0.9), (0.001, 0.5), (1e9, 0.999)])
def test_prices_set_the_quantile_within_bounds(unmet: float, quantile: float) -> None:
    fleet = parse_fleet(FLEET | {"prices": {"instance_hour": 1, "unmet_instance_hour": unmet}})
    assert fleet.plan_quantile == pytest.approx(quantile)
    with pytest.raises(SettingsError, match=r"quantile: got 0\.9; expected to be absent beside prices"):
        parse_fleet(FLEET | {"quantile": 0.9, "prices": {"instance_hour": 1, "unmet_instance_hour": unmet}})


def test_settings_come_back_from_json_as_they_were() -> None:
    job = parse_job(changed(JOB, "fleets.0.events", [EVENT]))
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert Fleet.model_validate_json(job.fleets[0].model_dump_json()) == job.fleets[0]


def every_path(data: Any, prefix: str = "") -> list[str]:
    """The dotted path of every leaf of `data`."""
    if isinstance(data, dict):
        items = list(cast("dict[str, Any]", data).items())
    elif isinstance(data, list):
        items = [(str(at), item) for at, item in enumerate(cast("list[Any]", data))]
    else:
        return [prefix.rstrip(".")]
    return [path for key, item in items for path in every_path(item, f"{prefix}{key}.")]


WHOLE = parse_job(changed(JOB, "fleets.0.events", [EVENT])).model_dump(mode="json")
JUNK: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(every_path(WHOLE)), JUNK)
def test_any_junk_in_any_field_is_accepted_or_a_settings_error(path: str, junk: object) -> None:
    try:
        job = parse_job(changed(WHOLE, path, junk))
    except SettingsError:
        return
    assert Job.model_validate_json(job.model_dump_json()) == job


@given(JUNK)
def test_any_junk_instead_of_a_job_is_a_settings_error(junk: object) -> None:
    with pytest.raises(SettingsError):
        parse_job(junk)
