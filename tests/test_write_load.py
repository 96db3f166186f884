"""The benchmark of the write load: its time, and that it counts what the doubles saw."""

from __future__ import annotations

import argparse
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks import write_load
from benchmarks.write_load import Waiting
from elastic_iac.local.clock import Clock
from forecasting import job as job_module
from tests.invocations import quick_forecast

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_time_moves_only_while_all_wait_and_to_where_the_first_goes_on() -> None:
    clock = Clock(NOW)
    waiting, seen, lock = Waiting(clock), list[tuple[str, float]](), threading.Lock()

    def run(name: str, naps: list[float]) -> None:
        for nap in naps:
            waiting.sleep(nap)
            with lock:
                seen.append((name, waiting.seconds()))
        waiting.end()

    plans = {"a": [3.0, 4.0], "b": [1.0, 1.0, 8.0], "c": [2.5]}
    threads = [threading.Thread(target=run, args=item) for item in plans.items()]
    for _ in threads:
        waiting.begin()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert seen == [("b", 1.0), ("b", 2.0), ("c", 2.5), ("a", 3.0), ("a", 7.0), ("b", 10.0)]
    assert clock.now() == NOW + timedelta(seconds=10)


@pytest.mark.parametrize(("cloud", "first"), [("AWS", 50), ("Google Cloud", 1)])
def test_what_the_runs_say_they_wrote_is_what_the_double_saw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cloud: str, first: int
) -> None:
    monkeypatch.setattr(job_module, "forecast", quick_forecast)
    monkeypatch.setattr(write_load, "FLEETS_PER_SHARD", 2)
    given = argparse.Namespace(fleets=3, hours=0.5, boot=20, traces=None, without=(0.0, 0.0))
    seen = (write_load.on_aws if cloud == "AWS" else write_load.on_gcp)(given)
    turns: Any = seen.turns()
    assert len(seen.runs) == 2 * 6  # two functions
    assert len(turns) == 3 * 6
    assert turns["ok"].all()
    assert turns["written"].sum() == len(seen.writes) - seen.throttled
    assert (turns[turns["kind"] == "first"]["written"] >= first).all()
    write_load.report(cloud, given, seen)
    assert f"{cloud}: 3 fleets in 2 functions, 12 runs" in capsys.readouterr().out
