"""What watches a forecast job on Google Cloud: metrics, alerts, a dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from forecasting.invocation.metrics import fleet_metrics, job_metrics
from forecasting.settings import Job, parse_job
from tests.gcp_job_args import MINIMAL, SHARDED, changed, declare
from tests.recording import Recorder, golden

from elastic_iac.gcp.forecast_job import metrics as measures  # isort: skip - after the import that quiets the SDK


def settings(recorder: Recorder, job: str = "job") -> Job:
    """The settings that the function reads; the SDK marks an object's content as secret."""
    return parse_job(json.loads(recorder.one(":BucketObject", f"{job}-settings").inputs["content"]["value"]))


class TestMetrics:
    def test_all_that_the_job_measures_is_kept(self) -> None:
        """Whatever an invocation measures by name becomes a metric, and no other does."""
        line: Any = SimpleNamespace(
            **dict.fromkeys(
                (
                    *("load", "forecast_low", "forecast_median", "forecast_high", "floor", "capacity"),
                    *("weighted_quantile_loss", "naive_weighted_quantile_loss"),
                ),
                1.0,
            ),
            duplicate=False,
            code="",
        )
        counts = (
            "served",
            "held",
            "failed",
            "deferred",
            "pinned",
            "worse_than_naive",
            "uncovered",
            "capacity_limited",
            "launches_failing",
            "refused",
            "writes",
        )
        summary: Any = SimpleNamespace(
            kind="full", lines=[line], counts=dict.fromkeys(counts, 1), seconds=2.0, oldest_plan_age_minutes=3.0
        )
        assert [name for name, _, _ in job_metrics(summary)] == list(measures.JOB_METRICS)
        assert [name for name, _, _ in fleet_metrics(line)] == list(measures.FLEET_METRICS)

    def test_they_are_read_from_the_jobs_own_lines(self) -> None:
        recorder, _ = declare(MINIMAL)
        metric = recorder.one("metric:Metric", "-load").inputs
        assert metric["filter"].split(" AND ") == [
            'resource.type="cloud_run_revision"',
            'resource.labels.service_name=~"^(job-function-0)$"',
            "jsonPayload.metrics.Load>=0",
        ]
        assert metric["valueExtractor"] == "EXTRACT(jsonPayload.metrics.Load)"
        assert metric["labelExtractors"] == {
            "job": "EXTRACT(jsonPayload.job)",
            "fleet": "EXTRACT(jsonPayload.fleet)",
        }
        assert "fleet" not in recorder.one("metric:Metric", "-writes").inputs["labelExtractors"]

    def test_they_count_the_lines_of_all_functions(self) -> None:
        found = declare(SHARDED)[0].one("metric:Metric", "-load").inputs["filter"]
        assert 'resource.labels.service_name=~"^(job-function-0|job-2-function-0)$"' in found


class TestAlerts:
    @pytest.fixture
    def alerts(self) -> Mapping[str, Any]:
        recorder, _ = declare(changed(MINIMAL, alarm_emails=["oncall@example.com"]))
        return {item.name.removeprefix("job-alert-"): item.inputs for item in recorder.of(":AlertPolicy")}

    def test_they_are_those_of_aws(self, alerts: Mapping[str, Any]) -> None:
        aws = golden("forecast_job_minimal.json", None)["registrations"]
        names = {item["name"].removeprefix("job-alarm-") for item in aws if item["type"].endswith(":MetricAlarm")}
        assert set(alerts) == names - {"failure-queue"}  # Cloud Scheduler has none: a run that fails is its "failed"

    def test_each_says_what_to_read_and_whom_to_tell(self, alerts: Mapping[str, Any]) -> None:
        for key, alert in alerts.items():
            assert alert["documentation"]["content"].endswith(f" docs/runbook.md#alarm-{key}")
            assert alert["notificationChannels"] == ["job-alerts-to-oncall@example.com-0"]

    def test_each_watches_a_metric_of_this_job(self, alerts: Mapping[str, Any]) -> None:
        for key, alert in alerts.items():
            for condition in alert["conditions"]:
                own = 'service_name="job-function-0"' if key == "failed" else 'metric.labels.job="job"'
                assert own in condition["conditionThreshold"]["filter"]

    def test_a_silent_job_is_told_of(self, alerts: Mapping[str, Any]) -> None:
        old, silent = (condition["conditionThreshold"] for condition in alerts["plan-old"]["conditions"])
        assert (old["thresholdValue"], old["comparison"]) == (720, "COMPARISON_GT")
        assert (silent["thresholdValue"], silent["comparison"]) == (1, "COMPARISON_LT")
        assert silent["evaluationMissingData"] == "EVALUATION_MISSING_DATA_ACTIVE"
        assert silent["aggregations"][0]["alignmentPeriod"] == "1800s"

    @pytest.mark.parametrize("minutes", [1, 59, 1440])
    def test_cloud_monitoring_takes_them_at_any_interval(self, minutes: int) -> None:
        """Durations and alignment periods are multiples of a minute, of a day at most (AlertPolicy.Condition)."""
        recorder, _ = declare(changed(MINIMAL, schedule="* * * * *", interval_minutes=minutes))
        for alert in recorder.of(":AlertPolicy"):
            for condition in alert.inputs["conditions"]:
                threshold = condition["conditionThreshold"]
                duration = int(threshold["duration"].rstrip("s"))
                period = int(threshold["aggregations"][0]["alignmentPeriod"].rstrip("s"))
                assert duration % 60 == period % 60 == 0
                assert 60 <= period <= 86_400
                assert duration <= 84_600

    def test_the_kill_switch_leaves_the_schedule_on_and_the_alerts_silent(self) -> None:
        recorder, _ = declare(changed(MINIMAL, enabled=False))
        assert all("paused" not in each.inputs for each in recorder.of("job:Job"))
        assert settings(recorder).enabled is False
        assert {alert.inputs["enabled"] for alert in recorder.of(":AlertPolicy")} == {False}


class TestDashboard:
    def body(self) -> Any:
        return json.loads(declare(MINIMAL)[0].one(":Dashboard").inputs["dashboardJson"])

    def test_it_shows_all_that_is_measured_of_a_fleet(self) -> None:
        tiles = self.body()["mosaicLayout"]["tiles"]
        shown = json.dumps(tiles)
        for measured in (*measures.FLEET_METRICS, "FleetsHeld", "OldestPlanAgeMinutes", "Writes", "RunSeconds"):
            assert f"logging.googleapis.com/user/job-{measured.lower()}-0" in shown

    def test_its_tiles_do_not_overlap_and_fit(self) -> None:
        layout = self.body()["mosaicLayout"]
        cells = [
            (x, each["yPos"]) for each in layout["tiles"] for x in range(each["xPos"], each["xPos"] + each["width"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < layout["columns"] <= 48
