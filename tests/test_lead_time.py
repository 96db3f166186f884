"""The lead time that is learnt from boots: what few, many, old and foreign ones say."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import SettingsError
from forecasting.leadtime import ENOUGH, Boot, StartKind, estimate, estimates
from forecasting.leadtime.estimate import NEWEST, RECENT_DAYS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def boots_of(*seconds: float, kind: StartKind = "cold", instance_type: str = "g6.xlarge") -> list[Boot]:
    """Boots of the last hours, the newest last."""
    first = NOW - timedelta(hours=len(seconds) + 24)
    return [Boot(instance_type, kind, first + timedelta(hours=number), each) for number, each in enumerate(seconds)]


KINDS = st.sampled_from(("cold", "warm", "waiting"))
BOOTS = st.lists(
    st.builds(
        Boot,
        st.sampled_from(("g6.xlarge", "g5.2xlarge")),
        KINDS,
        st.datetimes(datetime(2026, 10, 1), datetime(2026, 11, 23), timezones=st.just(UTC)),  # noqa: DTZ001
        st.floats(0, 1e6),
        st.booleans(),
    ),
    max_size=150,
)
SECONDS = st.floats(0, 1e6)


def test_without_boots_the_prior_stands() -> None:
    found = estimate([], 300, now=NOW)
    assert (found.p50_seconds, found.p90_seconds, found.p99_seconds) == (300, 300, 300)
    assert (found.count, found.source) == (0, "prior")


def test_few_boots_raise_the_prior_and_do_not_lower_it() -> None:
    fast = estimate(boots_of(100, 120, 110), 300, now=NOW)
    assert (fast.p50_seconds, fast.p90_seconds, fast.p99_seconds, fast.source) == (110, 300, 300, "prior")
    slow = estimate(boots_of(100, 900, 110), 300, now=NOW)
    assert (slow.p50_seconds, slow.p90_seconds, slow.p99_seconds, slow.source) == (110, 900, 900, "prior")


def test_enough_boots_speak_for_themselves() -> None:
    """Of 9 boots the slowest is the p90: rank ceil(.9 x 10); of 19 the 18th; of 99 the 90th, and the slowest is the p99."""
    nine = estimate(boots_of(*range(1, 10)), 300, now=NOW)
    assert (nine.p50_seconds, nine.p90_seconds, nine.p99_seconds, nine.source) == (5, 9, 300, "measured")
    nineteen = estimate(boots_of(*range(1, 20)), 300, now=NOW)
    assert (nineteen.p50_seconds, nineteen.p90_seconds, nineteen.p99_seconds) == (10, 18, 300)
    many = estimate(boots_of(*range(1, 100)), 300, now=NOW)
    assert (many.p50_seconds, many.p90_seconds, many.p99_seconds, many.count) == (50, 90, 99, 99)


def test_enough_is_the_least_number_whose_p90_exists() -> None:
    assert estimate(boots_of(*[10.0] * ENOUGH), 300, now=NOW).p90_seconds == 10
    assert estimate(boots_of(*[10.0] * (ENOUGH - 1)), 300, now=NOW).p90_seconds == 300


def test_one_slow_boot_among_many_moves_the_p99_alone() -> None:
    found = estimate(boots_of(*[300.0] * 50, 9000.0, *[300.0] * 40), 600, now=NOW)
    assert (found.p50_seconds, found.p90_seconds, found.p99_seconds) == (300, 300, 9000)


def test_only_boots_that_are_over_are_known() -> None:
    """Else the replay would learn from what had not happened yet."""
    boots = boots_of(*[100.0] * 20)
    early = boots[9].over
    assert estimate(boots, 300, now=early).count == 10
    assert estimate(boots, 300, now=early - timedelta(seconds=1)).count == 9


def test_old_boots_and_all_but_the_newest_are_forgotten() -> None:
    old = [replace(boot, started=boot.started - timedelta(days=RECENT_DAYS)) for boot in boots_of(*[900.0] * 20)]
    assert estimate(old, 300, now=NOW).count == 0
    found = estimate(boots_of(*[900.0] * 50, *[100.0] * NEWEST), 300, now=NOW)
    assert (found.p99_seconds, found.count) == (100, NEWEST)


def test_a_slower_image_is_learnt_after_ten_boots_of_it() -> None:
    for slow, expected in ((9, 300), (10, 900)):
        found = estimate(boots_of(*[300.0] * (NEWEST - slow), *[900.0] * slow), 300, now=NOW)
        assert found.p90_seconds == expected


def test_kinds_of_start_are_told_apart() -> None:
    boots = [*boots_of(*[600.0] * 9), *boots_of(*[60.0] * 9, kind="warm"), *boots_of(*[3600.0] * 9, kind="waiting")]
    found = {kind: estimate(boots, 300, kind=kind, now=NOW) for kind in ("cold", "warm", "waiting")}
    assert {kind: (lead.p90_seconds, lead.count) for kind, lead in found.items()} == {
        "cold": (600, 9),
        "warm": (60, 9),
        "waiting": (3600, 9),
    }


def test_instance_types_are_told_apart_for_people_and_taken_together_for_the_plan() -> None:
    boots = [*boots_of(*[60.0] * 20), *boots_of(*[600.0] * 5, instance_type="p5.48xlarge")]
    each = estimates(boots, 300, now=NOW)
    assert {key: (lead.p90_seconds, lead.source) for key, lead in each.items()} == {
        ("g6.xlarge", "cold"): (60, "measured"),
        ("p5.48xlarge", "cold"): (600, "prior"),
    }
    assert estimate(boots, 300, now=NOW).p90_seconds == 600


@given(BOOTS, SECONDS, KINDS, st.randoms())
def test_order_does_not_matter(boots: list[Boot], prior: float, kind: StartKind, random: Random) -> None:
    shuffled = boots.copy()
    random.shuffle(shuffled)
    assert estimate(shuffled, prior, kind=kind, now=NOW) == estimate(boots, prior, kind=kind, now=NOW)


@given(BOOTS, SECONDS, KINDS)
def test_it_is_finite_and_its_quantiles_do_not_cross(boots: list[Boot], prior: float, kind: StartKind) -> None:
    found = estimate(boots, prior, kind=kind, now=NOW)
    values = (found.p50_seconds, found.p90_seconds, found.p99_seconds)
    assert all(math.isfinite(value) and value >= 0 for value in values)
    assert list(values) == sorted(values)
    assert max(values) <= max([prior, *(boot.seconds for boot in boots)])
    assert found.source == "prior" or found.count >= ENOUGH
    if not found.killed:
        assert (found.source == "measured") == (found.count >= ENOUGH)


@given(st.lists(SECONDS, min_size=1, max_size=120), SECONDS, st.data())
def test_a_slower_boot_or_prior_never_lowers_it(seconds: list[float], prior: float, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(seconds) - 1))
    slower = [*seconds]
    slower[place] += data.draw(SECONDS)
    # Long over, so that a slower boot is as well known as it was.
    now = NOW + timedelta(days=1)
    first = now - timedelta(days=RECENT_DAYS)
    before, after = (
        estimate([Boot("g6.xlarge", "cold", first + timedelta(minutes=n), s) for n, s in enumerate(each)], at, now=now)
        for each, at in ((seconds, prior), (slower, prior + data.draw(SECONDS)))
    )
    for name in ("p50_seconds", "p90_seconds", "p99_seconds"):
        assert getattr(before, name) <= getattr(after, name)


def killed_after(*seconds: float) -> list[Boot]:
    return [replace(boot, answered=False) for boot in boots_of(*seconds)]


@given(st.lists(SECONDS, max_size=60), st.lists(SECONDS, max_size=40), SECONDS)
def test_killed_boots_never_lower_it_and_without_any_it_is_the_rank(
    answered: list[float], killed: list[float], prior: float
) -> None:
    boots, ranked = boots_of(*answered), sorted(answered)
    now = NOW + timedelta(days=12)  # all are over
    alone, found = (estimate(each, prior, now=now) for each in (boots, [*boots, *killed_after(*killed)]))
    for percent in (50, 90, 99):
        name, rank = f"p{percent}_seconds", -(-percent * (len(ranked) + 1) // 100)
        expected = ranked[rank - 1] if rank <= len(ranked) else max([prior, *ranked[-1:]])
        assert getattr(alone, name) == expected
        assert getattr(found, name) >= expected
    assert (found.count, found.killed) == (len(answered), len(killed))


def test_a_limit_that_kills_half_of_the_boots_does_not_confirm_a_guess_that_is_too_short() -> None:
    boots = [*boots_of(*[600.0] * 20), *killed_after(*[1800.0] * 20)]
    found = estimate(boots, 600, now=NOW)
    assert (found.p90_seconds, found.source, found.count, found.killed) == (1800, "prior", 20, 20)
    assert estimate(boots, 2400, now=NOW).p90_seconds == 2400


def test_boots_that_were_killed_early_say_little() -> None:
    """Of a Spot instance that is taken away in its first minute nobody knows how long its boot would have taken."""
    found = estimate([*boots_of(*range(601, 641)), *killed_after(*[60.0] * 20)], 300, now=NOW)
    assert (found.p90_seconds, found.source) == (637, "measured")


def test_one_that_was_killed_counts_among_those_that_outlast_the_shorter_ones() -> None:
    """Of 22 with the next boot, 12 outlast 10 s; of those each that answered takes an eleventh: 10/11 x 12/22 < .5, 2/11 x 12/22 < .1."""
    found = estimate([*boots_of(*range(1, 21)), *killed_after(10.5)], 0, now=NOW)
    assert (found.p50_seconds, found.p90_seconds) == (11, 19)


def test_the_next_boot_is_within_the_p90_nine_times_of_ten() -> None:
    """Coverage as promised, for each number of boots and for a skewed distribution as for an even one."""
    random = Random(7)
    draws = {"even": lambda: random.uniform(200, 400), "skewed": lambda: random.lognormvariate(6, 0.6)}
    for (name, draw), count in product(draws.items(), (9, 12, 19, 40)):
        held = [
            estimate(boots_of(*(draw() for _ in range(count))), 300, now=NOW).p90_seconds >= draw() for _ in range(1500)
        ]
        assert 0.88 <= sum(held) / len(held) <= 0.96, (name, count)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_seconds_that_are_none_are_refused(seconds: float) -> None:
    with pytest.raises(SettingsError, match="seconds: got"):
        Boot("g6.xlarge", "cold", NOW, seconds)
    with pytest.raises(SettingsError, match="prior_seconds: got"):
        estimate([], seconds, now=NOW)


def test_naive_times_are_refused() -> None:
    with pytest.raises(SettingsError, match="started: got"):
        Boot("g6.xlarge", "cold", NOW.replace(tzinfo=None), 10)
    with pytest.raises(SettingsError, match="now: got"):
        estimate([], 300, now=NOW.replace(tzinfo=None))


def test_a_boot_beyond_the_calendar_is_not_over() -> None:
    assert estimate([Boot("g6.xlarge", "cold", NOW, 1e15)], 300, now=NOW).count == 0
