"""The minimum in force on Google Cloud with external schedules, as the emulator executes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting.errors import Hold
from forecasting.schedule.gcp import our_windows
from forecasting.schedule.grid import round_up
from tests import gcp_fleets
from tests.fleets import NOW, OWNER, plan_of
from tests.gcp_fleets import add_schedule, make_autoscaler, update
from tests.worlds import PAIRS, levels, part_seed

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PARTS = 6

external: st.SearchStrategy[tuple[int, int, int, int, str]] = st.tuples(
    st.integers(0, 59),
    st.integers(0, 23),
    st.integers(1, 50),
    st.integers(5, 20 * 60),
    st.sampled_from(["daily", "zone", "year", "past-year", "disabled", "half-hourly", "owner"]),
)


def schedule_of(number: int, drawn: tuple[int, int, int, int, str]) -> tuple[str, dict[str, Any]]:
    minute, hour, size, length, kind = drawn
    cron = {
        "year": f"{minute} {hour} * * * 2026",
        "past-year": f"{minute} {hour} * * * 2024-2025",
        "half-hourly": f"{minute % 30}/30 * * * *",
    }.get(kind, f"{minute} {hour} * * *")
    body: dict[str, Any] = {"schedule": cron, "durationSec": length * 60, "minRequiredReplicas": size}
    if kind == "zone":
        body["timeZone"] = "America/New_York"
    if kind == "disabled":
        body["disabled"] = True
    return f"theirs-{number}", body


@pytest.fixture(autouse=True)
def pointed_at_the_emulator(gcp: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_minimum_in_force_is_reported_and_never_below_both_lists(gcp: LocalGcp, part: int) -> None:
    @seed(part_seed(part))
    @settings(max_examples=PAIRS // PARTS)
    @given(
        old=levels(),
        new=levels(),
        before=st.lists(external, max_size=30),
        later=st.lists(external, max_size=100),
        minutes=st.integers(0, 30 * 60),
        maximum=st.integers(5, 60),
    )
    def holds(**pair: Any) -> None:
        check_pair(gcp, **pair)

    holds()


def check_pair(
    gcp: LocalGcp,
    *,
    old: list[int],
    new: list[int],
    before: list[tuple[int, int, int, int, str]],
    later: list[tuple[int, int, int, int, str]],
    minutes: int,
    maximum: int,
) -> None:
    gcp.reset(now=NOW)
    make_autoscaler(gcp)
    for number, drawn in enumerate(before):
        add_schedule(gcp, *schedule_of(number, drawn))
    update(gcp, old)
    gcp.clock.advance(minutes * MINUTE)
    for number, drawn in enumerate(later[: 128 - len(gcp_fleets.schedules(gcp))], start=len(before)):
        add_schedule(gcp, *schedule_of(number, drawn))
    add_maximum(gcp, maximum)
    now = gcp.clock.now()
    plan = plan_of(new, now)
    end = round_up(plan.floor.index[-1].to_pydatetime() + 15 * MINUTE, 60)
    reference = np.array(gcp_fleets.floors(gcp, now, end))
    theirs = {name: each for name, each in gcp_fleets.schedules(gcp).items() if name.startswith("theirs-")}
    try:
        target, schedule, _ = update(gcp, new)
    except Hold:  # no room
        assert (np.array(gcp_fleets.floors(gcp, now, end)) == reference).all()
        return
    executed = np.array(gcp_fleets.floors(gcp, now, end))
    assert len(gcp_fleets.schedules(gcp)) <= 128
    assert {name: each for name, each in gcp_fleets.schedules(gcp).items() if name.startswith("theirs-")} == theirs
    group = target.read()
    minimum = target.rules.minimum_in_force(group, our_windows(group, {OWNER}), {OWNER}, plan, now)
    times = [(start - now) / MINUTE for start, _ in minimum.timeline]
    values = np.array([value for _, value in minimum.timeline])
    reported = values[np.searchsorted(times, np.arange(len(executed)), side="right") - 1]
    differing = np.flatnonzero(reported != executed)
    assert not len(differing), (
        f"minute {differing[0]}: {reported[differing[0]]} reported, {executed[differing[0]]} runs"
    )
    count = (plan.floor.index[-1].to_pydatetime() + 15 * MINUTE - now) // MINUTE
    steps = [(now + number * MINUTE - plan.floor.index[0].to_pydatetime()) // (15 * MINUTE) for number in range(count)]
    missing = np.maximum(plan.floor.to_numpy()[steps] - executed[:count], 0) / 60
    assert missing[6:].sum() - 1e-6 <= minimum.shortfall_instance_hours <= missing[3:].sum() + 1e-6
    # A plan above the maximum of the group is the only shortfall there is.
    assert maximum < 40 or minimum.short_from is None
    assert schedule.clamped == bool((plan.floor > maximum).any())
    assert update(gcp, new)[2] == 0


def add_maximum(gcp: LocalGcp, maximum: int) -> None:
    """A person lowers maxNumReplicas."""
    body = {"autoscalingPolicy": {"maxNumReplicas": maximum}}
    scope = gcp_fleets.scope_of(gcp_fleets.REGION)
    gcp_fleets.call(gcp, "PATCH", f"{scope}/autoscalers?autoscaler={gcp_fleets.NAME}", body)
