"""What autoscalers do as the clock moves: floors, sizes, stabilization, modes, daylight saving; and one clock for two clouds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp.autoscalers import Autoscaler
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from elastic_iac.local.gcp.crons import cron
from elastic_iac.local.gcp.schedules import active
from tests.gcp_doubles import PROJECT, REGION, SCOPES, compute, make_autoscaler, patch_schedules, shown, window

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def gcp(gcp: LocalGcp) -> LocalGcp:
    gcp.reset(now=START)
    return gcp


def sizes(gcp: LocalGcp) -> list[tuple[int, int]]:
    """Minutes since the start, and the target size from then on."""
    return [(int((change.at - START) / MINUTE), change.size) for change in gcp.group(REGION, "web").history]


def floors(gcp: LocalGcp, minutes: int) -> list[tuple[int, int]]:
    """The floor by minute, as the minutes at which it changes."""
    read = gcp.floor_by_minute(PROJECT, REGION, "web", START, START + minutes * MINUTE)
    assert len(read) == minutes
    return [(number, value) for number, value in enumerate(read) if number == 0 or read[number - 1] != value]


def test_a_window_raises_the_floor_and_the_group_and_lets_go_after_the_stabilization_period(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    patch_schedules(gcp, {"a": window("0 1 1 3 * 2026", 7, 3600)})
    assert floors(gcp, 180) == [(0, 2), (60, 7), (120, 2)]
    gcp.clock.advance(3 * HOUR)
    # API: 600 s. The last minute that asked for seven was 119; ten minutes after it nothing holds the size up.
    assert sizes(gcp) == [(0, 2), (60, 7), (129, 2)]


def test_windows_that_abut_leave_no_gap(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    patch_schedules(
        gcp,
        {
            "a": window("0 1 1 3 * 2026", 5, 1800),
            "b": window("30 1 1 3 * 2026", 6, 1800),
            "c": window("0 2 1 3 * 2026", 3, 300),
        },
    )
    assert floors(gcp, 180) == [(0, 2), (60, 5), (90, 6), (120, 3), (125, 2)]


def test_the_greatest_of_overlapping_windows_counts_within_the_bounds(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    patch_schedules(
        gcp,
        {
            "low": window("0 1 1 3 * 2026", 4, 7200),
            "high": window("30 1 1 3 * 2026", 50, 1800),
            "below": window("0 0 1 3 * 2026", 1, 3600),
            "off": window("0 0 1 3 * 2026", 19, 3600, disabled=True),
        },
    )
    assert floors(gcp, 240) == [(0, 2), (60, 4), (90, 20), (120, 4), (180, 2)]


def test_each_minute_has_the_floor_of_the_policy_that_was_in_force_then(gcp: LocalGcp) -> None:
    make_autoscaler(gcp)
    patch_schedules(gcp, {"a": window("0 0 1 3 * 2026", 7, 7200)})
    gcp.clock.advance(20 * MINUTE)
    compute(gcp, "PUT", f"{SCOPES['regional']}/autoscalers?autoscaler=web", put_document(gcp))  # erases it
    gcp.clock.advance(2 * MINUTE)
    patch_schedules(gcp, {"b": window("22 0 1 3 * 2026", 7, 3600)})
    gcp.clock.advance(HOUR)
    assert floors(gcp, 90) == [(0, 7), (20, 2), (22, 7), (82, 2)]
    with pytest.raises(ValueError, match="was not there yet"):
        gcp.floor_by_minute(PROJECT, REGION, "web", START - MINUTE, START)


def put_document(gcp: LocalGcp) -> dict[str, Any]:
    return {
        "target": shown(gcp)["target"],
        "autoscalingPolicy": {"minNumReplicas": 2, "maxNumReplicas": 20, "cpuUtilization": {"utilizationTarget": 0.6}},
    }


@pytest.mark.parametrize(("begun_windows", "expected"), [(True, [(0, 2), (10, 7), (60, 2)]), (False, [(0, 2)])])
def test_whether_a_window_counts_that_began_before_it_was_written_can_be_chosen(
    gcp: LocalGcp, begun_windows: bool, expected: list[tuple[int, int]]
) -> None:
    """Google does not say: a job is to be right either way."""
    gcp.compute.begun_windows = begun_windows
    make_autoscaler(gcp)
    gcp.clock.advance(10 * MINUTE)
    patch_schedules(gcp, {"late": window("0 0 1 3 * 2026", 7, 3600)})
    state = shown(gcp)["scalingScheduleStatus"]["late"]["state"]
    assert state == ("ACTIVE" if begun_windows else "OBSOLETE")
    gcp.clock.advance(2 * HOUR)
    assert floors(gcp, 120) == expected


def test_the_signal_scales_out_at_once_and_in_after_the_stabilization_period(gcp: LocalGcp) -> None:
    make_autoscaler(gcp, stabilizationPeriodSec=300)
    # Two instances' worth of work, then twelve for five minutes, then two again: shared by those that serve.
    gcp.set_signal(
        REGION, "web", cpu=lambda at, serving: 0.6 * (12 if 10 <= (at - START) / MINUTE < 15 else 2) / max(serving, 1)
    )
    gcp.clock.advance(HOUR)
    assert sizes(gcp) == [(0, 2), (10, 12), (19, 2)]


def test_a_metric_of_the_whole_group_is_divided_by_what_one_instance_takes(gcp: LocalGcp) -> None:
    metric = {"metric": "custom.googleapis.com/backlog", "singleInstanceAssignment": 100}
    make_autoscaler(gcp, customMetricUtilizations=[metric])
    signals: dict[str, Any] = {"custom.googleapis.com/backlog": 901.0}
    gcp.set_signal(REGION, "web", **signals)
    gcp.clock.advance(MINUTE)
    assert sizes(gcp)[-1] == (1, 10)


def test_instances_that_initialise_are_not_measured(gcp: LocalGcp) -> None:
    gcp.compute.boot = timedelta(minutes=2)
    make_autoscaler(gcp, coolDownPeriodSec=180)
    gcp.set_signal(REGION, "web", cpu=1.2)  # twice the target, whoever serves
    gcp.clock.advance(4 * MINUTE)
    assert sizes(gcp) == [(0, 2)]  # none has served yet: nothing is measured
    gcp.clock.advance(MINUTE)
    assert sizes(gcp) == [(0, 2), (5, 4)]


def test_scale_in_control_lets_go_of_no_more_than_it_says_within_its_window(gcp: LocalGcp) -> None:
    control = {"maxScaledInReplicas": {"fixed": 3}, "timeWindowSec": 1800}
    make_autoscaler(gcp, scaleInControl=control, stabilizationPeriodSec=0)
    patch_schedules(gcp, {"a": window("0 1 1 3 * 2026", 10, 600)})
    gcp.clock.advance(4 * HOUR)
    assert sizes(gcp) == [(0, 2), (60, 10), (70, 7), (99, 2)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("ON", [(0, 2), (60, 7), (129, 2)]), ("ONLY_SCALE_OUT", [(0, 2), (60, 7)]), ("OFF", [(0, 2)])],
)
def test_the_mode_says_which_way_the_group_may_go(gcp: LocalGcp, mode: str, expected: list[tuple[int, int]]) -> None:
    make_autoscaler(gcp, mode=mode)
    patch_schedules(gcp, {"a": window("0 1 1 3 * 2026", 7, 3600)})
    gcp.clock.advance(90 * MINUTE)
    assert shown(gcp)["recommendedSize"] == 7  # API: also when the mode is not ON
    gcp.clock.advance(2 * HOUR)
    assert sizes(gcp) == expected


DST: dict[str, tuple[str, str, list[str]]] = {
    # A local time that does not exist: the next minute that does. One that exists twice: the first time.
    "skipped hour": ("30 2 29 3 * 2026", "Europe/Berlin", ["2026-03-29T01:00"]),
    "repeated hour": ("30 2 25 10 * 2026", "Europe/Berlin", ["2026-10-25T00:30"]),
    "skipped hour, New York": ("30 2 8 3 * 2026", "America/New_York", ["2026-03-08T07:00"]),
    "repeated hour, New York": ("30 1 1 11 * 2026", "America/New_York", ["2026-11-01T05:30"]),
    "half an hour, Lord Howe": ("15 2 4 10 * 2026", "Australia/Lord_Howe", ["2026-10-03T15:30"]),
    "in UTC nothing moves": ("30 2 29 3 * 2026", "UTC", ["2026-03-29T02:30"]),
    "leap day": ("0 0 29 2 * *", "Asia/Tokyo", ["2028-02-28T15:00"]),
    "no leap day that year": ("0 0 29 2 * 2027", "UTC", []),
    "turn of the year": ("0 0 1 1 * 2027", "Asia/Tokyo", ["2026-12-31T15:00"]),
    "turn of the year, west": ("59 23 31 12 * 2026", "America/Los_Angeles", ["2027-01-01T07:59"]),
    "years in steps": ("0 0 1 7 * 2026-2030/2", "UTC", ["2026-07-01T00:00", "2028-07-01T00:00"]),
}


@pytest.mark.parametrize("name", DST)
def test_starts_in_zones_at_leaps_and_at_the_turn_of_the_year(name: str) -> None:
    expression, zone, expected = DST[name]
    starts = list(cron(expression, zone).starts(START, datetime(2029, 1, 1, tzinfo=UTC)))
    assert [start.strftime("%Y-%m-%dT%H:%M") for start in starts] == expected


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - made aware below
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.sampled_from(["0 3 * * *", "*/20 * * * *", "30 2 * * 0", "15 1 25 10 * 2026", "0 0 1 */2 * 2026-2027"]),
)
@settings(max_examples=60)
def test_the_next_and_the_last_start_are_those_of_the_list(moment: datetime, zone: str, expression: str) -> None:
    at = moment.replace(tzinfo=UTC, microsecond=0)
    read = cron(expression, zone)
    listed = list(read.starts(at - timedelta(days=2), at + timedelta(days=2)))
    assert listed == sorted(set(listed))
    following, before = [s for s in listed if s > at], [s for s in listed if s <= at]
    coming, last = read.next_after(at), read.last_until(at)
    if following or (coming is not None and coming <= at + timedelta(days=2)):
        assert coming == following[0]
    if before or (last is not None and last >= at - timedelta(days=2)):
        assert last == before[-1]


windows = st.builds(
    window,
    schedule=st.builds(
        "{} {} {} 3 * 2026".format, st.sampled_from([0, 15, 30, 45]), st.integers(0, 23), st.integers(1, 2)
    ),
    minimum=st.integers(0, 30),
    seconds=st.sampled_from([300, 900, 3600, 86400]),
    disabled=st.booleans(),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), windows, max_size=5))
def test_the_floor_of_every_minute_is_the_greatest_open_window_within_the_bounds(schedules: dict[str, Any]) -> None:
    policy = {"minNumReplicas": 2, "maxNumReplicas": 20, "scalingSchedules": schedules}
    autoscaler = Autoscaler("projects/p/zones/z/autoscalers/a", {})
    autoscaler.write({"autoscalingPolicy": policy}, START)
    read = autoscaler.floors(START, START + 48 * HOUR, begun_windows=True)
    for minute in range(0, 48 * 60, 53):
        at = START + minute * MINUTE
        open_now = [s["minRequiredReplicas"] for s in schedules.values() if active(s, at) is not None]
        assert read[minute] == min(max([2, *open_now]), 20)


def test_one_clock_drives_two_clouds_and_wakes_who_is_to_be_called() -> None:
    clock = Clock(START)
    woken: list[datetime] = []
    until: list[datetime] = []
    unbind = clock.bind(until.append)
    stop = clock.wake(
        lambda: None if len(woken) > 1 else START + (len(woken) + 1) * HOUR, lambda: woken.append(clock.now())
    )
    with local_gcp(clock=clock) as one, local_gcp(clock=clock) as other:
        make_autoscaler(one)
        make_autoscaler(other)
        patch_schedules(one, {"a": window("0 1 1 3 * 2026", 7, 7200)})
        patch_schedules(other, {"a": window("0 2 1 3 * 2026", 8)})
        clock.advance(150 * MINUTE)
        assert [cloud.group(REGION, "web").size for cloud in (one, other)] == [7, 8]
    assert woken == [START + HOUR, START + 2 * HOUR]
    assert until == [START + HOUR, START + 2 * HOUR, START + 150 * MINUTE]
    unbind()
    stop()
    clock.advance(HOUR)  # nobody listens any more, the clouds that ended neither
    assert until[-1] == START + 150 * MINUTE
