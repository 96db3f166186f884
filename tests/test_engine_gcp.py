from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from elastic_iac.local.engine import Cloud, EngineError, provision_stack, up
from elastic_iac.local.engine.gcp_compute import policy_from_api, policy_to_api
from elastic_iac.local.engine.google import GoogleCloud, NotFoundError
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from elastic_iac.local.gcp.faults import Fault
from forecasting.settings import Fleet, parse_job
from tests.gcp_group_args import MAXIMAL, MINIMAL, changed, component
from tests.gcp_job_args import PACKAGE
from tests.gcp_job_args import component as jobs
from tests.recording import record


@pytest.fixture(scope="module")
def running_gcp() -> Iterator[LocalGcp]:
    with local_gcp(project="shop-prod") as stand_in:
        yield stand_in


@pytest.fixture
def gcp(running_gcp: LocalGcp) -> LocalGcp:
    running_gcp.reset()
    return running_gcp


def no_aws(service: str) -> Any:
    raise AssertionError(f"{service}: a program for Google Cloud asked for AWS")


def run(gcp: LocalGcp, program: Callable[[], object], **options: Any) -> Any:
    google = GoogleCloud(gcp.url, gcp.project, "europe-west1")
    return up(program, cloud=Cloud(no_aws, "", google), project="p", stack="test", **options)


def group_args(**changes: Any) -> Any:
    """A group whose load balancer needs nothing that the stand-in lacks (a certificate, Cloud Armor)."""
    front = {"instance_port": 8080, "max_rate_per_instance": 50}
    forecast = {"load_per_instance": 50, "saturated_cpu_percent": 90}
    return changed(MINIMAL, load_balancer=front, forecast=forecast, **changes)


@pytest.mark.parametrize("place", [{}, {"zone": "europe-west1-b"}])
def test_a_group_is_created_and_removed(gcp: LocalGcp, place: dict[str, str]) -> None:
    control = {"window_seconds": 600, "max_percent": 10}
    signals = [{"metric": "lb-utilization", "target_value": 80}, *(MAXIMAL.get("target_tracking", [])[1:])]
    given = group_args(
        min_size=2,
        scale_in_control=control,
        target_tracking=signals,
        labels={"team": "a"},
        startup_script="#!/bin/sh",
        network_tags=["web"],
        instance_roles={"models": "roles/storage.objectViewer"},
        **place,
    )

    def program() -> None:
        pulumi.export("fleet", component.GcpAutoscalingGroup("web", given).fleet)

    deployment = run(gcp, program)
    target = Fleet.model_validate_json(deployment.outputs["fleet"]).target.model_dump()
    policy = gcp.autoscaler(target["location"], target["autoscaler"]).policy
    assert (policy["minNumReplicas"], policy["maxNumReplicas"], policy["mode"]) == (2, 4, "ON")
    assert gcp.group(target["location"], target["group"]).size == 2
    assert deployment.unproven == ()
    deployment.destroy()
    with pytest.raises(Exception, match="404"):
        gcp.autoscaler(target["location"], target["autoscaler"])


def test_a_group_with_machine_types_and_a_standby_pool(gcp: LocalGcp) -> None:
    selections = [{"name": "first", "machine_types": ["n2-standard-4", "n2d-standard-4"], "rank": 1}]
    standby = {"stopped_size": 2, "suspended_size": 1, "initial_delay_seconds": 60}
    given = group_args(instance_selections=selections, standby_pool=standby)

    def program() -> None:
        pulumi.export("fleet", component.GcpAutoscalingGroup("web", given).fleet)

    deployment = run(gcp, program)
    target = Fleet.model_validate_json(deployment.outputs["fleet"]).target.model_dump()
    document = gcp.group(target["location"], target["group"]).document
    flexibility = {"first": {"machineTypes": ["n2-standard-4", "n2d-standard-4"], "rank": 1}}
    assert document["instanceFlexibilityPolicy"] == {"instanceSelections": flexibility}
    assert document["standbyPolicy"] == {"mode": "SCALE_OUT_POOL", "initialDelaySec": 60}
    assert (document["targetStoppedSize"], document["targetSuspendedSize"]) == (2, 1)
    assert deployment.unproven == ()
    deployment.destroy()


def test_a_preview_writes_nothing(gcp: LocalGcp) -> None:
    deployment = run(gcp, lambda: component.GcpAutoscalingGroup("web", group_args()), preview=True)
    assert "gcp:compute/regionAutoscaler:RegionAutoscaler" in {resource.type for resource in deployment.resources}
    assert not [call.action for call in gcp.calls if call.asked.mutating]


def job_args(fleets: list[Any]) -> Any:
    plain = {"package_path": PACKAGE, "force_destroy": True, "alarm_emails": ["oncall@example.com"]}
    return {"fleets": fleets, "short_run_minutes": 0, **plain}


def test_a_job_is_created_with_its_group_and_removed(gcp: LocalGcp) -> None:
    def program() -> None:
        group = component.GcpAutoscalingGroup("web", group_args())
        job = jobs.GcpForecastJob("job", job_args([group.fleet]))
        pulumi.export("settings", job.settings_urls)
        pulumi.export("fleet", group.fleet)

    deployment = run(gcp, program)
    (url,) = deployment.outputs["settings"]
    bucket, _, name = url.removeprefix("gs://").partition("/")
    job = parse_job(json.loads(gcp.storage.read(bucket, name) or b""))
    assert [fleet.model_dump_json(exclude_unset=True) for fleet in job.fleets] == [deployment.outputs["fleet"]]
    # Only the provider knows of it: it empties a bucket before it deletes it.
    assert [(lost.resource, lost.input) for lost in deployment.unproven] == [("job-bucket", "forceDestroy")]
    deployment.destroy()
    assert gcp.services.resources == {}
    assert gcp.storage.read(bucket, name) is None


@pytest.mark.usefixtures("built_function")
def test_the_local_stack_stands_on_google_cloud_alone(gcp: LocalGcp) -> None:
    google = GoogleCloud(gcp.url, "local-project", "europe-west1")
    nowhere: Any = SimpleNamespace(client=no_aws, region="")
    deployment = provision_stack(nowhere, "local", google=google, adjust={"elastic-iac:clouds": '["gcp"]'})
    (fleet,) = (Fleet.model_validate_json(text) for text in deployment.outputs["gcpFleets"])
    target = fleet.target.model_dump()
    assert (
        gcp.autoscaler(target["location"], target["autoscaler"], project="local-project").policy["maxNumReplicas"] == 20
    )
    assert [(lost.resource, lost.input) for lost in deployment.unproven] == [("local-gcp-job-bucket", "forceDestroy")]
    deployment.destroy()
    assert gcp.services.resources == {}


def test_google_without_an_emulated_google_is_an_error() -> None:
    with pytest.raises(EngineError, match="no emulated Google Cloud"):
        up(
            lambda: component.GcpAutoscalingGroup("web", group_args()),
            cloud=Cloud(no_aws, ""),
            project="p",
            stack="test",
        )


def test_what_the_cloud_refuses_is_said_in_its_words(gcp: LocalGcp) -> None:
    google = GoogleCloud(gcp.url, gcp.project, "europe-west1")
    with pytest.raises(NotFoundError, match="not found"):
        google.compute("GET", "global/healthChecks/nothing")
    with pytest.raises(EngineError, match=r"400 .*resource\.name"):
        google.compute("POST", "global/healthChecks", {"type": "HTTP", "name": "Upper"})


def test_an_error_inside_an_operation_that_is_done_is_an_error(gcp: LocalGcp) -> None:
    gcp.faults.add(Fault(action="healthChecks.insert", operation_code="QUOTA_EXCEEDED"))
    google = GoogleCloud(gcp.url, gcp.project, "europe-west1")
    with pytest.raises(EngineError, match="QUOTA_EXCEEDED"):
        google.compute("POST", "global/healthChecks", {"type": "HTTP", "name": "web"})


def test_a_policy_comes_back_as_it_was_declared() -> None:
    schedule = {"name": "elastic-iac-x", "schedule": "0 8 1 1 * 2030", "durationSec": 300, "minRequiredReplicas": 4}
    policy = {
        "minReplicas": 1,
        "maxReplicas": 9,
        "cooldownPeriod": 60,
        "stabilizationPeriod": 600,
        "mode": "ON",
        "cpuUtilization": {"target": 0.6},
        "metrics": [{"name": "custom.googleapis.com/x", "type": "GAUGE", "target": 4}],
        "scalingSchedules": [schedule],
    }
    assert policy_to_api(policy)["scalingSchedules"] == {
        "elastic-iac-x": {"schedule": "0 8 1 1 * 2030", "durationSec": 300, "minRequiredReplicas": 4}
    }
    assert policy_from_api(policy_to_api(policy)) == policy


def test_a_full_put_from_state_erases_the_jobs_schedules_and_changes_the_settings(gcp: LocalGcp) -> None:
    """As the provider updates an autoscaler: whole, from a state that knows no schedule. The fleet's revision is what brings the job back."""

    def program(max_size: int) -> None:
        group = component.GcpAutoscalingGroup("web", group_args(max_size=max_size))
        pulumi.export("fleet", group.fleet)

    before = run(gcp, lambda: program(4))
    fleet = Fleet.model_validate_json(before.outputs["fleet"])
    target = fleet.target.model_dump()
    location, name = target["location"], target["autoscaler"]
    google = GoogleCloud(gcp.url, gcp.project, location)
    schedule = {"schedule": "0 8 1 1 * 2030", "durationSec": 300, "minRequiredReplicas": 4}
    patch = {"autoscalingPolicy": {"scalingSchedules": {"elastic-iac-job-20300101t0800z": schedule}}}
    google.compute("PATCH", f"regions/{location}/autoscalers?autoscaler={name}", patch)
    assert gcp.autoscaler(location, name).policy["scalingSchedules"]

    declared = record(lambda: component.GcpAutoscalingGroup("web", group_args(max_size=5)))[0]
    state = declared.one(":RegionAutoscaler").inputs["autoscalingPolicy"]
    whole = {
        "name": name,
        "target": gcp.autoscaler(location, name).document["target"],
        "autoscalingPolicy": policy_to_api(state),
    }
    google.compute("PUT", f"regions/{location}/autoscalers?autoscaler={name}", whole)
    policy = gcp.autoscaler(location, name).policy
    assert (policy["maxNumReplicas"], policy.get("scalingSchedules", {})) == (5, {})
    before.destroy()

    after = run(gcp, lambda: program(5))
    assert Fleet.model_validate_json(after.outputs["fleet"]).revision != fleet.revision
    after.destroy()
    again = run(gcp, lambda: program(4))
    assert Fleet.model_validate_json(again.outputs["fleet"]).revision == fleet.revision
    again.destroy()
