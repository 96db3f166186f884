"""Launches in the stand-in of Compute, and what the job makes of them: each rule of the stand-in has its test here."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.gcp.forecast_job.iam import scaling_permissions
from elastic_iac.local.gcp.cloud import LocalGcp
from elastic_iac.local.gcp.groups import Outage
from forecasting.errors import Hold
from forecasting.job import run_job
from forecasting.leadtime.launches import Launches, Watch
from forecasting.run import FleetResult, Run
from forecasting.settings import Job
from forecasting.targets.gcp import MOST_ASKED, AutoscalerTarget
from forecasting.targets.gcp_launches import capacity_alone
from tests.fleets import NOW, make_job
from tests.gcp_fleets import FAST, NAME, PROJECT, REGION, call, gcp_fleet, gcp_fleet_data, make_autoscaler, scope_of
from tests.street import write_load

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
EMPTY = ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "The zone does not have enough resources available.")
GROUP = f"{scope_of(REGION)}/instanceGroupManagers/{NAME}"


class Pool:
    """A group with a health check, on the clock."""

    def __init__(self, gcp: LocalGcp, folder: Path, *, checked: bool = True, **settings: Any) -> None:
        gcp.reset(NOW)
        make_autoscaler(gcp)
        self.gcp, self.folder, self.settings = gcp, folder, settings
        self.group = gcp.group(REGION, NAME)
        if checked:
            call(gcp, "POST", "global/healthChecks", {"name": "model", "type": "TCP", "tcpHealthCheck": {"port": 80}})
            policy = {"healthCheck": f"projects/{PROJECT}/global/healthChecks/model", "initialDelaySec": 60}
            call(gcp, "PATCH", GROUP, {"autoHealingPolicies": [policy]})
        self.group.answers = lambda _created: 14 * MINUTE
        gcp.clock.advance(HOUR)  # the first two have long been up
        write_load(folder / "load.csv", gcp.clock.now())

    def size(self, count: int) -> None:
        """As the autoscaler does for a load that takes so many."""
        signals = self.gcp.autoscaler(REGION, NAME).signals
        signals["cpu"] = lambda _at, serving: 0.6 * count / max(serving, 1)
        self.gcp.clock.advance(MINUTE)

    def look(self, watch: Watch) -> Launches:
        return AutoscalerTarget(self.fleet, FAST).launches(watch, self.gcp.clock.now())

    @property
    def fleet(self) -> Any:
        return gcp_fleet(pool={}, learn_lead_time=True)

    def run(self) -> FleetResult:
        source = {"kind": "file", "path": str(self.folder / "load.csv")}
        data = {"source": source, "model": "seasonal-naive-day", "quantile": 0.9, "pool": {}, "learn_lead_time": True}
        job: Job = make_job(self.folder, gcp_fleet_data(REGION, **{**data, **self.settings}))
        return run_job(Run(job, self.gcp.clock.now(), clock=self.gcp.clock.now))[0]


@pytest.fixture
def pool(gcp: LocalGcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    return Pool(gcp, tmp_path)


def follow(pool: Pool, watch: Watch, minutes: int, every: int = 5) -> Watch:
    """Look again and again, as short runs do."""
    for _ in range(minutes // every):
        pool.gcp.clock.advance(every * MINUTE)
        watch = pool.look(watch).watch
    return watch


# The stand-in


def test_an_instance_that_cannot_be_created_has_no_status_and_is_tried_again(pool: Pool) -> None:
    start = pool.gcp.clock.now()
    pool.group.outages.append(Outage(start, *EMPTY, end=start + 10 * MINUTE, size=3))
    pool.size(5)
    pool.gcp.clock.advance(4 * MINUTE)
    members = call(pool.gcp, "POST", f"{GROUP}/listManagedInstances")["managedInstances"]
    refused = [each for each in members if "lastAttempt" in each]
    assert len(members) - len(refused) == 3
    assert all("instanceStatus" not in each and each["currentAction"] == "CREATING" for each in refused)
    assert refused[0]["lastAttempt"]["errors"]["errors"][0]["code"] == EMPTY[0]
    errors = call(pool.gcp, "GET", f"{GROUP}/listErrors")["items"]
    assert {each["instanceActionDetails"]["instance"] for each in errors} == {each["instance"] for each in refused}
    assert datetime.fromisoformat(errors[0]["timestamp"]) > datetime.fromisoformat(errors[-1]["timestamp"])
    details = call(pool.gcp, "GET", f"{scope_of(REGION)}/autoscalers/{NAME}")["statusDetails"]
    assert {"ZONE_RESOURCE_STOCKOUT"} <= {each["type"] for each in details}
    pool.gcp.clock.advance(10 * MINUTE)
    assert all(
        "lastAttempt" not in each
        for each in call(pool.gcp, "POST", f"{GROUP}/listManagedInstances")["managedInstances"]
    )


def test_lists_are_asked_for_as_the_reference_says(pool: Pool) -> None:
    for method, path in (("GET", f"{GROUP}/listManagedInstances"), ("GET", f"{GROUP}/listErrors?filter=x")):
        answer = pool.gcp.answer(method, f"/compute/v1/projects/{PROJECT}/{path}", {}, b"")
        assert answer.status in {400, 404}
    assert len(call(pool.gcp, "POST", f"{GROUP}/listManagedInstances?maxResults=1")["managedInstances"]) == 1


# What the job makes of it


def test_a_boot_is_known_to_within_two_looks_and_counts_as_the_longer_one(pool: Pool) -> None:
    watch = pool.look(Watch()).watch
    assert all(each.answered for each in watch.followed.values())
    assert not watch.boots  # they answered long before the first look
    pool.size(3)
    watch = follow(pool, watch, 30)
    (boot,) = watch.boots.values()
    assert (boot.instance_type, boot.kind) == ("e2-small", "cold")
    assert 14 * 60 <= boot.seconds <= 14 * 60 + 5 * 60
    assert follow(pool, watch, 30).boots == watch.boots


def test_a_boot_that_was_not_looked_at_in_time_is_not_measured_and_said(pool: Pool) -> None:
    watch = pool.look(Watch()).watch
    pool.size(3)
    pool.gcp.clock.advance(2 * HOUR)
    found = pool.look(watch)
    assert not found.watch.boots
    assert "not measured" in found.remarks[0]


def test_one_that_was_refused_at_first_has_waited_since_then(pool: Pool) -> None:
    watch = pool.look(Watch()).watch
    start = pool.gcp.clock.now()
    pool.group.outages.append(Outage(start, *EMPTY, end=start + 20 * MINUTE, size=2))
    pool.size(3)
    found = pool.look(watch)
    assert (found.units, {each.code for each in found.refusals}) == (2, {EMPTY[0], "ZONE_RESOURCE_STOCKOUT"})
    (boot,) = follow(pool, found.watch, 60).boots.values()
    assert boot.kind == "waiting"
    assert 34 * 60 <= boot.seconds <= 40 * 60


def named(watch: Watch, *, answered: bool) -> str:
    return next(name for name, each in watch.followed.items() if each.answered == answered)


def test_one_that_is_recreated_before_it_answers_was_killed_and_its_successor_is_measured_by_itself(pool: Pool) -> None:
    watch = pool.look(Watch()).watch
    pool.size(3)
    watch = follow(pool, watch, 10)  # two looks without an answer
    name = named(watch, answered=False)
    pool.group.recreate(name, pool.gcp.clock.now())
    killed, answered = sorted(follow(pool, watch, 30).boots.values(), key=lambda boot: boot.started)
    assert (killed.kind, killed.answered, killed.seconds) == ("cold", False, pytest.approx(600, abs=70))
    assert (answered.kind, answered.answered) == ("cold", True)
    assert 14 * 60 <= answered.seconds <= 19 * 60


def test_one_that_was_preempted_and_recreated_is_measured_again_and_did_not_wait(pool: Pool) -> None:
    start = pool.gcp.clock.now()
    pool.group.outages.append(Outage(start, *EMPTY, end=start + 10 * MINUTE, size=2))
    watch = pool.look(Watch()).watch
    pool.size(3)
    watch = follow(pool, watch, 40)  # refused at first, answers by now
    assert [boot.kind for boot in watch.boots.values()] == ["waiting"]
    (name,) = {each.name for each in pool.group.instances} & {
        name for name, each in watch.followed.items() if each.kind == "waiting"
    }
    pool.group.recreate(name, pool.gcp.clock.now())
    watch = follow(pool, watch, 40)
    again = max(watch.boots.values(), key=lambda boot: boot.started)
    assert (len(watch.boots), again.kind, again.answered) == (2, "cold", True)
    assert 14 * 60 <= again.seconds <= 19 * 60


def test_one_that_waits_for_capacity_after_its_preemption_waits_since_then(pool: Pool) -> None:
    watch = follow(pool, pool.look(Watch()).watch, 5)
    name, start = named(watch, answered=True), pool.gcp.clock.now()
    pool.group.outages.append(Outage(start, *EMPTY, end=start + 20 * MINUTE, size=1))
    pool.group.recreate(name, start)
    (boot,) = follow(pool, watch, 60).boots.values()
    assert (boot.kind, boot.answered, boot.started) == ("waiting", True, start)
    assert 34 * 60 <= boot.seconds <= 40 * 60


def test_without_a_health_check_a_boot_ends_where_the_instance_runs(gcp: LocalGcp, pool: Pool, tmp_path: Path) -> None:
    plain = Pool(gcp, tmp_path, checked=False)
    found = plain.look(Watch())
    assert not found.to_answer
    assert [boot.seconds for boot in found.watch.boots.values()] == [60, 60]


def test_new_instances_are_asked_for_so_many_in_a_look(pool: Pool) -> None:
    watch = pool.look(Watch()).watch
    pool.size(2 + MOST_ASKED + 5)
    pool.gcp.clock.advance(MINUTE)
    pool.gcp.calls.clear()
    watch = pool.look(watch).watch
    assert sum(each.action == "instances.get" for each in pool.gcp.calls) == MOST_ASKED
    pool.gcp.calls.clear()
    pool.look(watch)
    assert sum(each.action == "instances.get" for each in pool.gcp.calls) == 5


def test_boots_that_runs_close_together_have_seen_are_planned_with(pool: Pool) -> None:
    first = pool.run()
    assert first.launching.lead_time is not None
    assert first.launching.lead_time.lead_time.source == "prior"
    pool.size(40)
    for _ in range(6):
        assert pool.run().ok
        pool.gcp.clock.advance(5 * MINUTE)
    learnt = pool.run().launching.lead_time
    assert learnt is not None
    assert (learnt.lead_time.source, learnt.to_answer) == ("measured", True)
    assert 14 * 60 <= learnt.seconds <= 20 * 60


def test_row_32_a_stockout_clamps_and_when_it_ends_the_plan_rises_again(pool: Pool) -> None:
    start = pool.gcp.clock.now()
    pool.group.outages.append(Outage(start, *EMPTY, end=start + 2 * HOUR, size=4))
    pool.size(9)
    pool.gcp.calls.clear()
    clamped = pool.run()
    assert clamped.ok, (clamped.code, clamped.reason)
    lacking = clamped.launching.shortage
    assert lacking is not None
    assert lacking.units == 4
    used = {each for call in pool.gcp.calls for each in call.asked.permissions if each.startswith("compute.")}
    assert used == {each for each in scaling_permissions([clamped.fleet]) if each.startswith("compute.")}  # I13
    assert clamped.schedule is not None
    within = [slot.floor for slot in clamped.schedule.slots if slot.start < lacking.until]
    after = [slot.floor for slot in clamped.schedule.slots if slot.start >= lacking.until]
    assert max(within) <= 4 < max(after)
    assert pool.run().written == 0  # I4
    pool.gcp.clock.advance(6 * HOUR)
    free = pool.run()
    assert free.launching.shortage is None
    assert free.plan is not None
    assert free.plan.floor.max() > 4


def test_an_autoscaler_in_error_for_want_of_capacity_alone_does_not_hold_a_pool() -> None:
    stockout = {"type": "ZONE_RESOURCE_STOCKOUT", "message": "none"}
    assert capacity_alone({"statusDetails": [stockout, {"type": "MIN_EQUALS_MAX"}]})
    assert not capacity_alone({"statusDetails": [stockout, {"type": "SCALING_TARGET_DOES_NOT_EXIST"}]})
    assert not capacity_alone({"statusDetails": []})
    failing = {
        "status": "ERROR",
        "target": NAME,
        "statusDetails": [stockout],
        "autoscalingPolicy": {"cpuUtilization": {"utilizationTarget": 0.6}},
    }
    AutoscalerTarget(gcp_fleet(pool={}))._refuse_unsafe(failing)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(Hold, match="autoscaler-error"):
        AutoscalerTarget(gcp_fleet())._refuse_unsafe(failing)  # pyright: ignore[reportPrivateUsage]
