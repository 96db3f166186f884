"""Leases of processes that were killed, of clocks that were wrong, and leases that a person breaks."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import Hold, StandsBack
from forecasting.store.holder import LONGEST_LEASE, Holder, Lease, has_ended, is_near, this_process
from forecasting.store.ledger import Ledger, refuse_under_way, utc_now
from forecasting.store.local import LocalStore
from forecasting.store.records import TargetState
from tests.fleets import NOW, fleet_data, make_job

KEY = "aws/us-east-1/web"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised on Linux alone")
CHILD = """
import sys, time
from pathlib import Path
from forecasting.store.ledger import Ledger
from forecasting.store.local import LocalStore
ledger = Ledger(LocalStore(Path(sys.argv[1])), sys.argv[2])
ledger.acquire(ledger.claim("the-dead-run"), lease_seconds=600)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStore(tmp_path), KEY)


def holding_process(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder), KEY], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


@LINUX
@pytest.mark.parametrize("collected", [False, True])
def test_after_kill_9_the_next_run_of_this_machine_goes_on_at_once(
    ledger: Ledger, tmp_path: Path, collected: bool, caplog: pytest.LogCaptureFixture
) -> None:
    child = holding_process(tmp_path)
    with child:
        claim = ledger.claim("next")
        with pytest.raises(Hold, match=rf"busy: run 'the-dead-run' \(process {child.pid} on .*--break-lease"):
            ledger.acquire(claim, lease_seconds=600)
        child.send_signal(signal.SIGKILL)
        if collected:
            child.wait()
        else:  # the parent that started it has not looked yet: a zombie
            time.sleep(0.2)
        began = time.monotonic()
        with caplog.at_level(logging.WARNING):
            state = ledger.acquire(claim, lease_seconds=600, wait_seconds=60)
        assert time.monotonic() - began < 20
    assert state.lease is not None
    assert state.lease.generation == claim.generation
    assert f"process {child.pid}" in caplog.text


def test_a_lease_is_broken_on_request_and_said_whose_it_was(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    first = ledger.claim("first")
    ledger.acquire(first, lease_seconds=600)
    second = ledger.claim("second")
    with pytest.raises(Hold, match="busy"):
        ledger.acquire(second, lease_seconds=600)
    with caplog.at_level(logging.WARNING):
        ledger.acquire(second, lease_seconds=600, break_lease=True)
    assert "took the write lease of run 'first'" in caplog.text or sys.platform != "linux"
    ledger.fence(second)
    with pytest.raises(Hold, match="superseded"):
        ledger.fence(first)


def test_a_lease_that_is_broken_is_not_taken_from_a_newer_run(ledger: Ledger) -> None:
    first = ledger.claim("first")
    ledger.acquire(ledger.claim("second"), lease_seconds=600)
    with pytest.raises(Hold, match="superseded"):
        ledger.acquire(first, lease_seconds=600, break_lease=True)


@given(ahead=st.timedeltas(timedelta(seconds=1), timedelta(days=40_000)))
def test_a_lease_further_ahead_than_a_run_can_last_is_not_believed(ahead: timedelta) -> None:
    lease = Lease(generation=1, until=NOW + ahead)
    believed = ahead <= LONGEST_LEASE
    assert lease.is_held(NOW) is believed
    state = TargetState(generation=1, full_generation=1, full_until=NOW + ahead, lease=lease)
    if believed:
        with pytest.raises(StandsBack):
            refuse_under_way(state, 0, NOW)
    else:
        refuse_under_way(state, 0, NOW)


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=365), -timedelta(days=365)])
def test_after_a_jump_of_the_clock_the_next_run_goes_on(tmp_path: Path, jump: timedelta) -> None:
    """A run leaves its lease under a clock that is wrong, and dies; then the clock is right."""
    store = LocalStore(tmp_path)
    wrong = Ledger(store, KEY, clock=lambda: NOW + jump)
    wrong.acquire(wrong.claim("wrong", NOW + jump), lease_seconds=900)
    right = Ledger(store, KEY, clock=lambda: NOW)
    claim = right.claim("right", NOW)
    assert right.acquire(claim, lease_seconds=900).lease is not None
    right.fence(claim)


@LINUX
def test_only_a_process_that_is_surely_gone_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    own = this_process()
    assert own is not None
    assert not has_ended(own)
    assert has_ended(own.model_copy(update={"started": own.started + 1}))  # the number was given to another
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    gone = own.model_copy(update={"pid": child.pid})
    assert has_ended(gone)
    for elsewhere in ("another boot", own.boot.rpartition(" ")[0] + " pid:[1]"):
        assert not has_ended(gone.model_copy(update={"boot": elsewhere}))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "job")
    assert this_process() is None
    assert not has_ended(gone)


def test_a_function_s_lease_is_written_as_before_so_that_an_older_release_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("K_SERVICE", "job")
    assert Lease(generation=1, until=NOW, holder=this_process()).model_dump(mode="json").keys() == {
        "generation",
        "until",
    }
    holder = Holder(host="h", boot="b", pid=1, started=1)
    assert Lease(generation=1, until=NOW, run_id="r", holder=holder).model_dump().keys() > {"run_id", "holder"}


def test_the_longest_lease_is_longer_than_any_run_s_time() -> None:
    longest = make_job(Path(), fleet_data(), time_budget_seconds=900).time_budget_seconds
    assert is_near(utc_now() + timedelta(seconds=longest + 60), datetime.now(UTC))
