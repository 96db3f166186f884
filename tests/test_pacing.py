"""The pace of writing, and what fits into the time that is left."""

from __future__ import annotations

import threading

import pytest

from forecasting.errors import Deferred
from forecasting.pacing import BURST_WRITES, WRITERS, Pacing


class Watch:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pacing(per_second: float | None = 8, watch: Watch | None = None) -> Pacing:
    watch = watch or Watch()
    return Pacing(per_second, monotonic=watch, sleep=watch.sleep)


@pytest.mark.parametrize("per_second", [2, 8, 20])
def test_writes_keep_to_the_rate_in_any_second_after_the_burst(per_second: float) -> None:
    watch = Watch()
    pace = pacing(per_second, watch)
    made: list[float] = []
    with pace.writing("aws/here", 200, 1000) as turn:
        for _ in range(200):
            turn.wait()
            made.append(watch.now)
    assert made[-1] - made[0] >= (200 - BURST_WRITES - 1) / per_second
    for first, when in enumerate(made):
        within = sum(when <= other < when + 1 for other in made[first:])
        assert within <= per_second + BURST_WRITES + 1


def test_places_do_not_wait_for_each_other() -> None:
    watch = Watch()
    pace = pacing(1, watch)
    for place in ("aws/here", "aws/there", "gcp/project"):
        for _ in range(BURST_WRITES):
            pace.wait(place)
    assert watch.now == 1000.0


def test_writes_are_begun_only_if_they_all_fit_beside_those_that_are_due() -> None:
    pace = pacing(8)
    with pace.writing("aws/here", 80, 20):
        with pytest.raises(Deferred, match=r"80 writes take 23 s, and 20 s are left"), pace.writing("aws/here", 80, 20):
            pytest.fail("must not be begun")
        with pace.writing("aws/there", 80, 20), pace.writing("aws/here", 40, 20):
            pass
    with pace.writing("aws/here", 80, 20):  # what is done, or given up, counts no more
        pass


def test_nothing_to_write_always_fits() -> None:
    with pacing(8).writing("aws/here", 0, -5):
        pass


def test_slow_calls_are_learned() -> None:
    watch = Watch()
    pace = pacing(None, watch)
    with pace.writing("aws/here", 30, 1000) as turn:
        for _ in range(30):
            turn.wait()
            watch.now += 3
    assert pace.write_seconds == pytest.approx(3, rel=0.05)
    with pytest.raises(Deferred), pace.writing("aws/here", 10, 30):
        pytest.fail("must not be begun")


def test_a_fleet_is_begun_only_if_reading_and_planning_fit() -> None:
    watch = Watch()
    pace = pacing(8, watch)
    for _ in range(40):
        pace.check_start(100)
        watch.now += 12
        with pace.writer("aws/here"):
            pass
    assert pace.preparation_seconds == pytest.approx(12, rel=0.01)
    with pytest.raises(Deferred, match="11 s are left"):
        pace.check_start(11)
    pace.check_start(13)


def test_no_more_than_some_fleets_write_at_one_place_at_once() -> None:
    pace = Pacing()
    inside, most, lock, all_in = 0, 0, threading.Lock(), threading.Barrier(WRITERS)

    def write() -> None:
        nonlocal inside, most
        with pace.writer("aws/here"):
            with lock:
                inside += 1
                most = max(most, inside)
            all_in.wait(timeout=10)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=write) for _ in range(3 * WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == WRITERS
