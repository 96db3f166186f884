"""The replay against cases worked out by hand. Load per instance is 10 throughout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.errors import InputError, SettingsError
from forecasting.replay import (
    Capacity,
    Case,
    Measures,
    Provider,
    WarmPool,
    boots_around,
    clairvoyant_minutes,
    measures,
    replay,
)

BOOT_5 = Provider(boot_seconds=300, warmup_seconds=0, action_jitter_minutes=0)


def run(load: np.ndarray, case: Case, seed: int = 0) -> tuple[Capacity, Measures]:
    result = replay(load, 10.0, [case], keep=[case.name], seed=seed)
    best = clairvoyant_minutes(load, 10.0, int(case.provider.boots[0]) // 60).sum()
    return result.capacity[case.name], measures(result.days, 0, float(best))


def step(before: float, after: float, at: int, minutes: int) -> np.ndarray:
    return np.where(np.arange(minutes) < at, before, after)


def test_a_step_of_load_is_met_three_datapoints_and_a_boot_later() -> None:
    # 20 at a target of 1 is two instances. From minute 10 the load is 40. The metric of 10, 11 and 12 is above the target, seen in 11, 12 and 13: the
    # alarm fires in minute 13, two more are launched, and serve from minute 18 on.
    capacity, result = run(step(20, 40, 10, 60), Case("r", BOOT_5, target=1.0))
    assert capacity.desired.tolist() == [2] * 13 + [4] * 47
    assert capacity.in_service.tolist() == [2] * 18 + [4] * 42
    # 8 minutes lack 20 of 40; the load sums to 10 x 20 + 50 x 40 = 2200.
    assert result.under_provisioned_minutes == 8
    assert result.under_provisioned_percent == pytest.approx(100 * 160 / 2200)
    assert result.instance_hours == pytest.approx((13 * 2 + 47 * 4) / 60)
    # The clairvoyant launches in minute 5: 5 x 2 + 55 x 4.
    assert result.cost_ratio == pytest.approx((13 * 2 + 47 * 4) / (5 * 2 + 55 * 4))
    assert result.mean_utilisation_percent == pytest.approx(100 * (2200 - 160) / (10 * (18 * 2 + 42 * 4)))


def test_a_ramp_asks_for_more_while_the_first_instances_boot() -> None:
    # One more instance's worth every 2 minutes from minute 10: 10 at 9, 12 at 10 ... Booting instances count as capacity, so each minute asks for the
    # difference only.
    load = 10.0 + np.maximum(np.arange(40) - 9, 0) * 5.0
    capacity, _ = run(load, Case("r", BOOT_5, target=1.0))
    assert capacity.desired[:13].tolist() == [1] * 13
    # Seen in minute 13 is the load of minute 12: 25, three instances; in 14 that of 13: 30, three; then 35, four ...
    assert capacity.desired[13:21].tolist() == [3, 3, 4, 4, 5, 5, 6, 6]
    assert capacity.in_service[13:26].tolist() == [1] * 5 + [3, 3, 4, 4, 5, 5, 6, 6]


def test_scale_in_waits_for_fifteen_datapoints() -> None:
    # Below 90 % of the target from minute 30 on: metrics of 30 to 44, the last seen in minute 45.
    capacity, _ = run(step(50, 20, 30, 70), Case("r", BOOT_5, target=1.0))
    assert capacity.desired.tolist() == [5] * 45 + [2] * 25
    assert capacity.in_service.tolist() == capacity.desired.tolist()


def test_scale_in_ignores_what_is_within_ten_percent_of_the_target() -> None:
    # 81 of 90 is exactly 90 %: not below it. 80 is.
    assert run(step(90, 81, 5, 60), Case("r", BOOT_5, target=1.0))[0].desired.tolist() == [9] * 60
    assert run(step(90, 80, 5, 60), Case("r", BOOT_5, target=1.0))[0].desired[-1] == 8


def test_scale_in_is_held_while_an_instance_warms_up() -> None:
    # The fall at minute 20 would scale in at minute 35. An action at minute 33 launches one more instance: 5 minutes of boot and 4 of warm-up later,
    # in minute 42, the group may shrink to its floor.
    provider = Provider(boot_seconds=300, warmup_seconds=240, action_jitter_minutes=0)
    floor = step(0, 6, 33, 80).astype(np.int32)
    floor[36:] = 1
    capacity, _ = run(step(50, 20, 20, 80), Case("r", provider, floor=floor, target=1.0))
    assert capacity.desired.tolist() == [5] * 33 + [6] * 9 + [2] * 38


def test_an_action_during_a_boot_launches_only_the_difference() -> None:
    # Reactive asks for 4 in minute 13 (as in the step above); the action in minute 15 for 6: two more, up in minute 20.
    floor = step(0, 6, 15, 60).astype(np.int32)
    capacity, _ = run(step(20, 40, 10, 60), Case("r", BOOT_5, floor=floor, target=1.0))
    assert capacity.desired.tolist() == [2] * 13 + [4] * 2 + [6] * 45
    assert capacity.in_service.tolist() == [2] * 18 + [4] * 2 + [6] * 40


def test_a_lower_floor_removes_nothing_by_itself() -> None:
    floor = step(6, 1, 10, 60).astype(np.int32)
    # The load keeps six instances above 90 % of the target: they stay when the floor falls.
    capacity, _ = run(np.full(60, 55.0), Case("r", BOOT_5, floor=floor, target=1.0))
    assert capacity.floor[[9, 10]].tolist() == [6, 1]
    assert set(capacity.desired.tolist()) == {6}


def test_an_action_in_time_leaves_nothing_uncovered_and_a_late_one_is_a_lead_time_violation() -> None:
    load = step(20, 40, 30, 60)
    in_time, late = step(2, 4, 25, 60).astype(np.int32), step(2, 4, 27, 60).astype(np.int32)
    assert run(load, Case("r", BOOT_5, floor=in_time))[1].under_provisioned_minutes == 0
    result = run(load, Case("r", BOOT_5, floor=late))[1]
    assert result.under_provisioned_minutes == result.lead_time_violation_minutes == 2


def test_actions_run_up_to_two_minutes_late_and_never_early() -> None:
    provider = Provider(boot_seconds=60, action_jitter_minutes=2)
    floor = np.repeat(np.arange(1, 97, dtype=np.int32), 15)
    capacity, _ = run(np.full(1440, 10.0), Case("p", provider, floor=floor))
    changes = np.flatnonzero(np.diff(capacity.floor)) + 1
    delays = changes - np.arange(15, 1440, 15)
    assert set(delays.tolist()) == {0, 1, 2}


def test_the_ceiling_holds() -> None:
    floor = np.full(60, 9, dtype=np.int32)
    capacity, _ = run(np.full(60, 200.0), Case("r", BOOT_5, floor=floor, target=1.0, ceiling=7))
    assert set(capacity.desired.tolist()) == {7}


def test_a_warm_pool_starts_what_it_holds_sooner_and_is_prepared_again_at_a_price() -> None:
    provider = Provider(
        boot_seconds=600, warmup_seconds=0, action_jitter_minutes=0, warm_pool=WarmPool(size=3, start_seconds=60)
    )
    # Minute 13: five more are wanted. Three come from the pool (up in minute 14), two boot (up in minute 23).
    capacity, result = run(step(20, 70, 10, 60), Case("r", provider, target=1.0))
    assert capacity.in_service.tolist() == [2] * 14 + [5] * 9 + [7] * 37
    # Besides 13 x 2 + 47 x 7 the pool's three successors are paid for during their ten minutes of boot.
    assert result.instance_hours == pytest.approx((13 * 2 + 47 * 7 + 3 * 10) / 60)


def test_lost_spot_instances_are_launched_again() -> None:
    provider = Provider(boot_seconds=300, action_jitter_minutes=0, spot_losses_per_day=4, spot_share=0.5)
    capacity, result = run(np.full(5 * 1440, 100.0), Case("s", provider, floor=10))
    assert set(capacity.desired.tolist()) == {10}
    losses = np.flatnonzero(np.diff(capacity.in_service) < 0) + 1
    apart = losses[(np.diff(losses, append=10**6) > 5) & (np.diff(losses, prepend=-(10**6)) > 5)]
    assert len(apart) > 5
    for loss in apart:
        assert capacity.in_service[loss - 1 : loss + 6].tolist() == [10] + [5] * 5 + [10]
    assert result.under_provisioned_minutes == (capacity.in_service < 10).sum() > 0


def test_boot_times_are_drawn_from_what_was_measured() -> None:
    provider = Provider(boot_seconds=(120, 300, 301), warmup_seconds=0, action_jitter_minutes=0)
    floor = np.repeat(np.arange(1, 49, dtype=np.int32), 30)
    capacity, _ = run(np.full(1440, 10.0), Case("d", provider, floor=floor))
    waits = np.flatnonzero(np.diff(capacity.in_service)) - np.flatnonzero(np.diff(capacity.desired))
    assert set(waits.tolist()) == {2, 5, 6}


def test_unknown_minutes_count_nowhere() -> None:
    load = np.full(60, 20.0)
    load[10:20] = np.nan
    capacity, result = run(load, Case("r", BOOT_5, target=1.0))
    assert set(capacity.desired.tolist()) == {2}
    assert result.instance_hours == pytest.approx(50 * 2 / 60)
    assert result.under_provisioned_percent == 0


def test_days_add_up_to_the_whole() -> None:
    load = np.full(3000, 25.0)
    result = replay(load, 10.0, [Case("r", BOOT_5, floor=2)])
    assert result.days.minutes.tolist() == [1440, 1440, 120]
    assert result.days.uncovered[:, 0].tolist() == [1440 * 5, 1440 * 5, 120 * 5]


def test_cases_side_by_side_are_the_cases_alone() -> None:
    rng = np.random.default_rng(3)
    load = np.repeat(rng.uniform(5, 95, 200), 10)
    floor = np.repeat(rng.integers(0, 9, 100), 20).astype(np.int32)
    cases = [
        Case("a", Provider(boot_seconds=(60, 600, 900)), floor=floor, target=0.7),
        Case("b", Provider(boot_seconds=1800, spot_losses_per_day=3, spot_share=0.3), target=0.9),
        Case("c", Provider(boot_seconds=300, warm_pool=WarmPool(2, 60)), floor=3, target=1.0, ceiling=6),
    ]
    together = replay(load, 10.0, cases, keep=["a", "b", "c"], seed=5)
    for case in cases:
        alone = replay(load, 10.0, [case], keep=[case.name], seed=5).capacity[case.name]
        assert together.capacity[case.name].in_service.tolist() == alone.in_service.tolist()


def test_clairvoyant_launches_a_boot_ahead_and_keeps_what_is_soon_needed_again() -> None:
    load = np.array([10, 10, 10, 30, 10, 10, 30, 10, 10, 10, 10, 10.0])
    assert clairvoyant_minutes(load, 10.0, 2).tolist() == [1, 3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1]
    assert clairvoyant_minutes(load, 10.0, 1).tolist() == [1, 1, 3, 3, 1, 3, 3, 1, 1, 1, 1, 1]


@settings(deadline=None, max_examples=30)
@given(
    loads=st.lists(st.floats(0, 500), min_size=4, max_size=24),
    floors=st.lists(st.integers(0, 30), min_size=4, max_size=24),
    boot=st.integers(1, 45),
    target=st.one_of(st.none(), st.floats(0.2, 1.2)),
    losses=st.floats(0, 200),
)
def test_instances_are_never_lost_or_made_up(
    loads: list[float], floors: list[int], boot: int, target: float | None, losses: float
) -> None:
    load = np.repeat(loads, 30)
    floor = np.resize(np.repeat(floors, 15), len(load)).astype(np.int32)
    provider = Provider(boot_seconds=60 * boot, spot_losses_per_day=losses, spot_share=0.4)
    result = replay(load, 10.0, [Case("x", provider, floor=floor, target=target, ceiling=40)], keep=["x"])
    capacity = result.capacity["x"]
    assert (capacity.in_service >= 0).all()
    assert (capacity.in_service <= capacity.desired).all()
    assert (capacity.desired >= np.minimum(capacity.floor, 40)).all()
    assert (capacity.desired <= 40).all()
    # Whatever was asked for a boot ago and has not been taken away since is in service, unless spot instances were lost.
    if losses == 0:
        late = np.arange(boot, len(load))
        lowest = np.array([capacity.desired[minute - boot : minute + 1].min() for minute in late])
        assert (capacity.in_service[late] >= lowest).all()


def test_what_cannot_be_replayed_is_refused() -> None:
    with pytest.raises(InputError, match="no minute"):
        replay(np.full(5, np.nan), 10.0, [Case("a", BOOT_5)])
    with pytest.raises(SettingsError, match="unique"):
        replay(np.ones(5), 10.0, [Case("a", BOOT_5), Case("a", BOOT_5)])
    with pytest.raises(SettingsError, match="one value per minute"):
        replay(np.ones(5), 10.0, [Case("a", BOOT_5, floor=np.ones(4, dtype=np.int32))])
    with pytest.raises(SettingsError, match="boot_seconds"):
        Provider(boot_seconds=())
    with pytest.raises(SettingsError, match="target"):
        Case("a", BOOT_5, target=0)


def test_the_boots_of_what_was_launched_are_told_minute_by_minute() -> None:
    # Two more in minute 13, as in the first case above, in service in minute 18.
    capacity, _ = run(step(20, 40, 10, 60), Case("r", BOOT_5, target=1.0))
    assert capacity.boots.tolist() == [0] * 13 + [5] + [0] * 46
    # Of a warm pool of three, two of five are cold; of two, none is.
    pool = Provider(boot_seconds=600, warmup_seconds=0, action_jitter_minutes=0, warm_pool=WarmPool(3, 60))
    assert run(step(20, 70, 10, 60), Case("r", pool, target=1.0))[0].boots.max() == 10
    assert run(step(20, 40, 10, 60), Case("r", pool, target=1.0))[0].boots.max() == 0


def test_boots_around_a_median_have_the_spread_that_was_asked_for() -> None:
    boots = np.array(boots_around(600, 1.5, count=1001))
    assert np.all(np.diff(boots) > 0)
    assert boots[500] == pytest.approx(600)
    assert np.quantile(boots, 0.9) == pytest.approx(900, rel=0.002)
    assert set(boots_around(600, 1.0)) == {600.0}
    with pytest.raises(SettingsError, match=r"spread: got 0\.5"):
        boots_around(600, 0.5)
