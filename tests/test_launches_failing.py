"""Launches that fail, for any cause: reported of every fleet, in results, `status`, `doctor` and the run's metric."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from elastic_iac.cli import checks, result, standing
from elastic_iac.local import faults
from elastic_iac.local.gcp.groups import Outage as GcpOutage
from elastic_iac.local.launches import Launching, Outage
from forecasting.invocation.metrics import job_metrics
from forecasting.invocation.summary import Summary, line_of
from forecasting.leadtime.launches import Launches, LaunchFailure, Watch
from forecasting.run import FleetResult
from forecasting.targets.aws_launches import read_launches
from forecasting.targets.gcp_launches import read_launches as read_gcp
from tests.fleets import GROUP, NOW, OWNER
from tests.gcp_fleets import NAME, REGION
from tests.gcp_street import Road
from tests.street import MINUTE, Street, write_load
from tests.test_launches_aws import activity, group, refused

HOUR = timedelta(hours=1)
GONE = "The image id '[ami-0a]' does not exist. Launching EC2 instance failed."
NO_GRANT = "Client.InternalError: Client error on launch. Launching EC2 instance failed."

pytestmark = pytest.mark.usefixtures("quick_models")


def failing(street: Street, message: str = GONE) -> Launching:
    """For 19 minutes, the group wants nine instances and has two."""
    outages = [Outage(street.aws.clock.now(), message, units=2)]
    launching = street.aws.launch(GROUP, lambda _at: 5 * MINUTE, outages=outages)
    street.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=9)
    street.aws.clock.advance(19 * MINUTE)
    return launching


def metric(made: FleetResult, now: datetime) -> float:
    line = line_of(made, frozenset({OWNER}), now, 1.0)
    summary = Summary("job", "full", "run", now, 1.0, (line,), None)
    return {name: value for name, _unit, value in job_metrics(summary)}["FleetsLaunchesFailing"]


@pytest.mark.parametrize("settings", [{}, {"learn_lead_time": True}])
@pytest.mark.parametrize("message", [GONE, NO_GRANT])
def test_failing_launches_are_in_the_result_the_metric_status_and_doctor(
    street: Street, settings: dict[str, Any], message: str
) -> None:
    job = street.job(street.fleet(**settings))
    assert metric(street.run(job, write=False), street.aws.clock.now()) == 0
    failing(street, message)
    made = street.run(job, write=False)
    assert made.ok
    assert "launches fail: the group has 2 of 9; 4 launches failed since" in str(made.notes)
    assert message in str(made.notes)
    document = result.document(made)["launches_failing"]
    assert (document["count"], document["units"], document["desired"]) == (4, 2, 9)
    assert metric(made, street.aws.clock.now()) == 1
    run = street.make_run(job, write=False)
    console = Console(width=300, record=True)
    console.print(standing.look(run, job.fleets[0]).page())
    assert "launches fail" in console.export_text()
    [check] = [each for each in checks.check_fleet(run, job.fleets[0]) if each.name == "launches"]
    assert (check.outcome, message in check.found) == ("fail", True)


def test_launches_that_succeed_again_are_reported_no_more(street: Street) -> None:
    launching = failing(street)
    launching.outages.clear()
    street.aws.clock.advance(10 * MINUTE)
    made = street.run()
    assert made.launching.failing is None
    [check] = [each for each in checks.check_fleet(street.make_run(), made.fleet) if each.name == "launches"]
    assert check.outcome == "ok"


def test_launches_that_may_not_be_read_are_a_remark_and_a_warning(street: Street) -> None:
    def denied() -> None:
        street.aws.faults.add(faults.access_denied(action="DescribeScalingActivities"))

    denied()
    made = street.run()
    assert made.ok
    assert any("launches could not be read" in note for note in made.notes)
    denied()
    [check] = [each for each in checks.check_fleet(street.make_run(), made.fleet) if each.name == "launches"]
    assert check.outcome == "warn"


def test_a_group_on_google_cloud_whose_image_is_gone(road: Road, tmp_path: Path) -> None:
    gcp = road.gcp
    gone = GcpOutage(NOW, "RESOURCE_NOT_FOUND", "The resource 'images/web' was not found", size=2)
    gcp.group(REGION, NAME).outages.append(gone)
    gcp.autoscaler(REGION, NAME).signals["cpu"] = lambda _at, serving: 0.6 * 9 / max(serving, 1)
    gcp.clock.advance(19 * MINUTE)
    write_load(tmp_path / "load.csv", gcp.clock.now())
    made = road.run()
    assert made.ok, made.reason
    known = made.launching.failing
    assert known is not None
    assert (known.last.code, known.units) == ("RESOURCE_NOT_FOUND", 2)
    assert not any(call.action == "instances.get" for call in gcp.calls)
    gcp.group(REGION, NAME).outages.clear()
    gcp.clock.advance(20 * MINUTE)
    write_load(tmp_path / "load.csv", gcp.clock.now())
    assert road.run().launching.failing is None


def test_what_a_person_or_a_scale_in_cancels_is_no_failure_and_what_a_hook_abandons_is_one() -> None:
    given_up = "Lifecycle Action with token 0fc6 was abandoned: Heartbeat Timeout"
    cancelled = activity(1, NOW - HOUR, 1, "Cancelled", message="Instance was terminated by a user")
    abandoned = activity(2, NOW - HOUR, 60, "Cancelled", message=given_up)
    found = read_launches([cancelled, abandoned], group(), held=True, watch=Watch(), now=NOW)
    assert [each.text for each in found.failures] == [given_up]


def test_a_deletion_that_fails_on_google_cloud_is_no_failed_launch() -> None:
    stamp = (NOW - MINUTE).isoformat()
    members = [{"name": f"web-{name}", "currentAction": "CREATING"} for name in "ab"]
    errors = [
        {
            "error": {"code": code},
            "timestamp": stamp,
            "instanceActionDetails": {"action": action, "instance": f"x/{who}"},
        }
        for code, action, who in (
            ("KEPT", "DELETING", "web-a"),
            ("BAD", "CREATING", "web-b"),
            ("OLD", "CREATING", "web-c"),
        )
    ]
    found = read_gcp(members, errors, {}, {}, watch=Watch(), now=NOW)
    assert [each.code for each in found.failures] == ["BAD"]


@given(
    message=st.text(min_size=1, max_size=400),
    ages=st.lists(st.integers(1, 23 * 60), min_size=1, max_size=20, unique=True),
    lacking=st.integers(1, 50),
)
def test_whatever_the_message_says_a_group_that_gets_nothing_is_failing(
    message: str, ages: list[int], lacking: int
) -> None:
    activities = [refused(number, NOW - age * MINUTE, message) for number, age in enumerate(ages)]
    found = read_launches(activities, group((99, "m7i.large", "InService", "1")), held=False, watch=Watch(), now=NOW)
    known = found.failing(1 + lacking, NOW)
    assert known is not None
    assert (known.count, known.units, known.last.at) == (len(ages), 1, NOW - min(ages) * MINUTE)
    assert known.last.code


@given(st.lists(st.integers(61, 23 * 60), min_size=1, max_size=10), st.booleans())
def test_a_launch_that_succeeded_since_ends_it_unless_the_group_still_lacks_capacity(
    ages: list[int], lacks: bool
) -> None:
    failures = tuple(LaunchFailure(NOW - age * MINUTE, "x", "") for age in sorted(ages, reverse=True))
    found = Launches(Watch(), (), NOW - 30 * MINUTE, 2, False, failures=failures)
    assert found.failing(3 if lacks else 2, NOW) is None
    just_now = (*failures, LaunchFailure(NOW - 40 * MINUTE, "x", ""))
    assert (Launches(Watch(), (), NOW - 30 * MINUTE, 2, False, failures=just_now).failing(3, NOW)) is not None
