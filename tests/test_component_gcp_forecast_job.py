from __future__ import annotations

import base64
import json
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pulumi_gcp
import pytest

from forecasting.errors import SettingsError
from forecasting.settings import Job, parse_job
from tests.gcp_job_args import MAXIMAL, MINIMAL, SHARDED, changed, component, declare, fleet, target
from tests.group_args import later
from tests.recording import GOLDEN, Recorder, as_json, golden, record

from elastic_iac.gcp.forecast_job.args import GcpForecastJobArgs  # isort: skip


def settings(recorder: Recorder, job: str = "job") -> Job:
    """The settings that the function reads; the SDK marks an object's content as secret."""
    return parse_job(json.loads(recorder.one(":BucketObject", f"{job}-settings").inputs["content"]["value"]))


@pytest.mark.parametrize(("file", "args"), [("minimal", MINIMAL), ("maximal", MAXIMAL)])
def test_every_child_is_registered_with_its_type_name_parent_and_inputs(file: str, args: GcpForecastJobArgs) -> None:
    recorder, outputs = declare(args)
    found = {"registrations": as_json(recorder.registrations), "outputs": outputs}
    assert found == golden(f"gcp_forecast_job_{file}.json", found)
    assert {item.parent for item in recorder.registrations if item.name != "job"} == {"job"}


MUTATIONS = [
    ("bucket:Bucket", "publicAccessPrevention"),
    ("bucket:Bucket", "versioning"),
    ("bucket:Bucket", "lifecycleRules"),
    ("bucket:Bucket", "encryption"),
    (":BucketObject", "content"),
    (":Notification", "objectNamePrefix"),
    (":BucketObject", "source"),
    (":Function", "buildConfig"),
    (":Function", "serviceConfig"),
    ("cloudscheduler/job:Job", "attemptDeadline"),
    ("cloudscheduler/job:Job", "retryConfig"),
    ("cloudscheduler/job:Job", "httpTarget"),
    (":Subscription", "pushConfig"),
    (":Subscription", "filter"),
    ("metric:Metric", "valueExtractor"),
    (":IAMCustomRole", "roleId"),
]


@pytest.mark.parametrize(("kind", "argument"), MUTATIONS)
def test_a_dropped_input_does_not_pass(kind: str, argument: str) -> None:
    """The component is mutated: the assertion of every child must fail for each input that goes missing."""
    recorder, _ = declare(MAXIMAL, without=(kind, argument))
    assert as_json(recorder.registrations) != golden("gcp_forecast_job_maximal.json", None)["registrations"]


CONNECTOR = "projects/shop-prod/locations/europe-west1/connectors/private"


def test_a_function_reaches_private_addresses_by_its_connector() -> None:
    def connector(**options: Any) -> Any:
        recorder, _ = declare(changed(MINIMAL, vpc_connector=CONNECTOR), **options)
        return recorder.one(":Function").inputs["serviceConfig"].get("vpcConnector")

    assert connector() == CONNECTOR
    assert connector(without=(":Function", "serviceConfig.vpcConnector")) is None


def test_the_function_reads_what_was_declared() -> None:
    recorder, outputs = declare(MAXIMAL)
    job = settings(recorder)
    assert (job.name, job.owner, job.former_owners) == ("job", "shop", ("old-shop",))
    assert (job.schedule, job.schedule_time_zone, job.interval_minutes) == ("5/20 * * * *", "Europe/Berlin", 20)
    assert [each.name for each in job.fleets] == ["web", "api"]
    assert (job.dry_run, job.enabled, job.time_budget_seconds) == (True, False, 570)
    assert job.store.model_dump() == {"kind": "gcs", "bucket": "job-bucket-0", "prefix": "store"}
    variables = recorder.one(":Function").inputs["serviceConfig"]["environmentVariables"]
    assert [variables["ELASTIC_IAC_SETTINGS"]] == outputs["settings_urls"] == ["gs://job-bucket-0/settings/job.json"]


def test_two_runs_never_meet_and_nobody_calls_from_outside() -> None:
    service = declare(MINIMAL)[0].one(":Function").inputs["serviceConfig"]
    assert (service["maxInstanceCount"], service["maxInstanceRequestConcurrency"]) == (1, 1)
    assert service["ingressSettings"] == "ALLOW_INTERNAL_ONLY"


@pytest.mark.parametrize(("memory", "cpu"), [(512, "1"), (4096, "1"), (4097, "2"), (16_384, "4")])
def test_memory_comes_with_the_cpus_that_it_needs(memory: int, cpu: str) -> None:
    service = declare(changed(MINIMAL, memory_mib=memory))[0].one(":Function").inputs["serviceConfig"]
    assert (service["availableMemory"], service["availableCpu"]) == (f"{memory}Mi", cpu)


def schedule_of(recorder: Recorder, *, short: bool = False) -> Any:
    name = "job-short-schedule" if short else "job-schedule"
    return next(each for each in recorder.of("job:Job") if each.name == name)


class TestShortRuns:
    """One function for both cadences: a second schedule that calls as the same one, whose body says what it is."""

    def test_by_default_full_runs_are_six_hours_apart_and_short_ones_five_minutes(self) -> None:
        recorder, outputs = declare(MINIMAL)
        full, short = schedule_of(recorder).inputs, schedule_of(recorder, short=True).inputs
        assert (full["schedule"], short["schedule"]) == ("0 */6 * * *", "*/5 * * * *")
        assert json.loads(base64.b64decode(short["httpTarget"]["body"])) == {"source": "schedule", "kind": "short"}
        assert short["httpTarget"]["uri"] == full["httpTarget"]["uri"]
        assert short["httpTarget"]["oidcToken"] == full["httpTarget"]["oidcToken"]
        assert (short["attemptDeadline"], short["retryConfig"]) == ("300s", {"retryCount": 0})
        assert (settings(recorder).interval_minutes, settings(recorder).short_run_minutes) == (360, 5)
        assert outputs["short_schedule_names"] != outputs["schedule_names"]

    def test_without_them_full_runs_are_a_quarter_of_an_hour_apart(self) -> None:
        recorder, outputs = declare(changed(MINIMAL, short_run_minutes=0))
        assert recorder.one("job:Job").inputs["schedule"] == "*/15 * * * *"
        assert (settings(recorder).short_run_minutes, outputs["short_schedule_names"]) == (0, [])

    @pytest.mark.parametrize("wrong", [-1, 7, 61, 2.5, "5", True])
    def test_what_no_schedule_can_say_is_refused(self, wrong: Any) -> None:
        with pytest.raises(SettingsError, match="short_run_minutes"):
            declare(changed(MINIMAL, short_run_minutes=wrong))

    def test_the_age_of_a_plan_counts_full_runs_and_all_else_quarters_of_an_hour(self) -> None:
        recorder, _ = declare(MINIMAL)
        alerts = {each.name.removeprefix("job-alert-"): each.inputs for each in recorder.of(":AlertPolicy")}
        old, silent = (condition["conditionThreshold"] for condition in alerts.pop("plan-old")["conditions"])
        assert old["thresholdValue"] == 720
        assert silent["aggregations"][0]["alignmentPeriod"] == "1800s"
        periods = {
            key: alert["conditions"][0]["conditionThreshold"]["aggregations"][0]["alignmentPeriod"]
            for key, alert in alerts.items()
        }
        assert periods.pop("worse-than-naive") == "21600s"
        assert set(periods.values()) == {"900s"}


def test_the_schedule_calls_as_the_one_who_may() -> None:
    recorder, outputs = declare(MINIMAL)
    job = schedule_of(recorder).inputs
    call = job["httpTarget"]
    assert call["uri"] == call["oidcToken"]["audience"] == outputs["function_urls"][0]
    assert json.loads(base64.b64decode(call["body"])) == {"source": "schedule"}
    assert job["attemptDeadline"] == "960s"
    may = recorder.one(":ServiceIamMember").inputs
    assert (may["role"], may["name"]) == ("roles/run.invoker", "job-function-0")
    assert call["oidcToken"]["serviceAccountEmail"].startswith("job-invoke@")
    assert may["member"] == "serviceAccount:job-invoke@shop-prod"


def test_new_settings_run_the_job_once_it_may_do_its_work() -> None:
    recorder, _ = declare(MINIMAL)
    stored, pushed = recorder.one(":BucketObject", "-settings"), recorder.one(":Subscription").inputs
    assert pushed["filter"] == f'attributes.objectId = "{stored.inputs["name"]}"'
    assert pushed["expirationPolicy"] == {"ttl": ""}
    notification = recorder.one(":Notification").inputs
    assert stored.inputs["name"].startswith(notification["objectNamePrefix"])
    assert notification["eventTypes"] == ["OBJECT_FINALIZE"]
    before = {"job-settings-notification", "job-settings-pushed", "job-may-invoke", "job-may-scale", "job-may-write"}
    assert before < set(stored.depends_on)
    assert all("job-settings" in each.depends_on for each in recorder.of("job:Job"))
    assert "job-bucket-may-publish" in recorder.one(":Notification").depends_on


class TestPermissions:
    def roles(self, args: GcpForecastJobArgs) -> dict[str, list[str]]:
        recorder, _ = declare(args)
        return {
            item.name.removeprefix("job-may-"): item.inputs["permissions"] for item in recorder.of(":IAMCustomRole")
        }

    def test_they_are_exactly_what_the_job_does(self) -> None:
        assert self.roles(MAXIMAL) == {
            "scale": [
                "compute.autoscalers.get",
                "compute.autoscalers.update",
                "compute.instanceGroupManagers.get",
                "compute.instanceGroupManagers.use",
                "compute.regionOperations.get",
                "compute.zoneOperations.get",
                "monitoring.timeSeries.list",
            ],
            "read": ["storage.objects.get"],
            "write": ["storage.objects.create", "storage.objects.delete", "storage.objects.get"],
            "list": ["storage.objects.list"],
        }

    def test_operations_are_polled_where_groups_stand(self) -> None:
        assert "compute.zoneOperations.get" not in self.roles(MINIMAL)["scale"]

    def test_objects_are_bounded_to_their_prefix(self) -> None:
        recorder, _ = declare(MINIMAL)
        conditions = {
            item.name: item.inputs.get("condition", {}).get("expression") for item in recorder.of(":BucketIAMMember")
        }
        start = 'resource.name.startsWith("projects/_/buckets/job-bucket-0/objects/'
        assert conditions == {
            "job-may-read": f'{start}settings/job.json")',
            "job-may-write": f'{start}store/")',
            "job-may-list": None,
        }

    def test_runtime_invoker_and_builder_are_three_accounts(self) -> None:
        recorder, _ = declare(MINIMAL)
        function = recorder.one(":Function").inputs
        assert function["serviceConfig"]["serviceAccountEmail"].startswith("job-run@")
        assert function["buildConfig"]["serviceAccount"] == "job-build-0"
        assert {item.name for item in recorder.of(":Account")} == {"job-run", "job-invoke", "job-build"}
        ids = [item.inputs["accountId"] for item in recorder.of(":Account")]
        assert all(6 <= len(account) <= 30 for account in ids)
        assert len(set(ids)) == 3

    def test_groups_of_another_project_are_refused(self) -> None:
        other = fleet("api", target=target("api", project="shop-test"))
        with pytest.raises(SettingsError) as raised:
            declare(changed(MINIMAL, fleets=[fleet(), other]))
        assert raised.value.field == "fleets[1].target.project"


def test_more_fleets_than_a_function_can_serve_get_one_of_their_own() -> None:
    recorder, outputs = declare(SHARDED)
    first, second = settings(recorder, "job"), settings(recorder, "job-2")
    assert (len(first.fleets), len(second.fleets)) == (150, 1)
    assert (first.name, second.name, second.owner) == ("job", "job-2", "job")
    assert (first.functions, second.functions) == (2, 2)  # they share the rate that the account is granted
    assert outputs["function_names"] == ["job-function-0", "job-2-function-0"]
    shared = {":Bucket", ":Topic", ":Notification"}
    assert {len(recorder.of(kind)) for kind in shared} == {1}
    own = {":Function", ":Subscription", ":Dashboard", ":ServiceIamMember"}
    assert {len(recorder.of(kind)) for kind in own} == {2}
    filters = {item.inputs["filter"] for item in recorder.of(":Subscription")}
    assert len(filters) == 2


def test_automatic_names_have_room() -> None:
    """Cloud Run's names end at 49 characters, others at 63; automatic naming takes 8."""
    recorder, _ = record(lambda: component.GcpForecastJob("j" * 28, SHARDED))
    functions = [item.name.replace("-2-", "-10-") for item in recorder.of(":Function")]
    assert max(map(len, functions)) <= 49 - 8
    others = [item.name for item in recorder.registrations if item.type.startswith("gcp:")]
    assert max(map(len, others)) + 1 <= 63 - 8


class TestCode:
    def test_another_zip_is_another_object_and_moves_the_function(self, tmp_path: Path) -> None:
        def declared(text: str) -> tuple[str, str]:
            with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
                archive.writestr("main.py", text)
            recorder, _ = declare(changed(MINIMAL, package_path=str(tmp_path / "function.zip")))
            source = recorder.one(":Function").inputs["buildConfig"]["source"]["storageSource"]["object"]
            return recorder.one(":BucketObject", "-code").inputs["name"], source

        one, other = declared("a"), declared("b")
        assert one[0] == one[1] != other[0] == other[1]

    def test_without_a_zip_the_builders_is_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def ensure_package(kind: str) -> Any:
            asked.append(kind)
            return SimpleNamespace(path=GOLDEN / "function.zip", sha256="ab" * 32)

        monkeypatch.setitem(sys.modules, "elastic_iac.package", SimpleNamespace(ensure_package=ensure_package))
        recorder, _ = declare(changed(MINIMAL, package_path=None))
        assert asked == ["gcp-function"]
        assert recorder.one(":BucketObject", "-code").inputs["name"] == "code/job-abababababab.zip"


def test_none_is_the_same_as_not_given() -> None:
    given = {**MINIMAL, "labels": None, "kms_key": None, "interval_minutes": None}
    with_none, without = (declare(cast("GcpForecastJobArgs", args)) for args in (given, MINIMAL))
    assert as_json(with_none[0].registrations) == as_json(without[0].registrations)


@pytest.mark.parametrize("whole_list", [False, True])
def test_outputs_declare_what_literals_declare(whole_list: bool) -> None:
    def args() -> GcpForecastJobArgs:
        texts = cast("list[str]", MAXIMAL.get("fleets"))
        plain = {"fleets", "fleet_count", "package_path", "alarm_emails", "alarm_channels", "force_destroy"}
        fleets = later(texts) if whole_list else [later(texts[0]), texts[1]]
        return changed(
            MAXIMAL, fleets=fleets, **{key: later(cast("Any", MAXIMAL)[key]) for key in set(MAXIMAL) - plain}
        )

    recorder, outputs = declare(args)
    assert {"registrations": as_json(recorder.registrations), "outputs": outputs} == golden(
        "gcp_forecast_job_maximal.json", None
    )


def test_a_preview_bears_what_is_not_known_yet() -> None:
    def program() -> None:
        unknown: pulumi.Output[Any] = pulumi_gcp.compute.Network("network").gateway_ipv4
        fields = ("memory_mib", "owner", "dry_run", "enabled", "kms_key", "labels", "schedule", "interval_minutes")
        component.GcpForecastJob("job", changed(MAXIMAL, fleets=[unknown, unknown], **dict.fromkeys(fields, unknown)))

    preview, known = record(program, preview=True)[0], declare(MAXIMAL)[0]
    assert {item.name for item in preview.registrations} - {"network"} == {item.name for item in known.registrations}


def test_a_changed_floor_or_revision_changes_the_settings_alone() -> None:
    base = declare(MINIMAL)[0]
    changes: tuple[dict[str, Any], ...] = ({"floor": 3}, {"revision": "0a1b2c3d4e5f"})
    for change in changes:
        after = declare(changed(MINIMAL, fleets=[fleet(**change)]))[0]
        pairs = zip(*(sorted(each.registrations, key=lambda item: item.name) for each in (base, after)), strict=True)
        assert {one.name for one, other in pairs if one != other} == {"job-settings"}
