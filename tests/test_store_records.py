"""Records and forecasts in the store: as they were written, newest first, and none that is damaged is guessed from."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import StoreError
from forecasting.store.keys import slug
from forecasting.store.ledger import Ledger
from forecasting.store.records import RunRecord, digest
from tests.stores import MemoryStore

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TARGET = "aws/eu-central-1/web"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    return Ledger(store, TARGET, clock=lambda: START)


def a_record(minute: int, **changes: object) -> RunRecord:
    values: dict[str, object] = {
        "run_id": f"run-{minute}",
        "generation": minute + 1,
        "time": START + timedelta(minutes=minute),
        "fleet": "web",
        "target": TARGET,
        "outcome": "written",
        "floors": {"2026-03-01T12:00:00Z": 3},
        "weights": {"ets": 0.25, "sarima": 0.75},
    }
    return RunRecord.model_validate(values | changes)


def test_records_come_back_newest_first(ledger: Ledger) -> None:
    records = [a_record(minute) for minute in range(12)]
    for record in records:
        ledger.record_run(record)
    assert ledger.runs(3) == records[:-4:-1]
    assert len(ledger.runs(100)) == 12


def test_a_record_written_again_replaces_the_first(ledger: Ledger) -> None:
    ledger.record_run(a_record(1))
    ledger.record_run(a_record(1, outcome="held", reason="busy"))
    assert [record.outcome for record in ledger.runs(9)] == ["held"]


def test_targets_do_not_see_each_other(store: MemoryStore, ledger: Ledger) -> None:
    other = Ledger(store, "aws/eu-central-1/WEB")
    ledger.claim("a")
    ledger.record_run(a_record(1))
    assert other.state().generation == 0
    assert other.runs(9) == []


def a_forecast(start: datetime, steps: int = 8) -> pd.DataFrame:
    index = pd.date_range(start, periods=steps, freq="15min")
    rng = np.random.default_rng(steps)
    return pd.DataFrame(
        np.sort(rng.lognormal(size=(steps, 3)), axis=1), index=index, columns=pd.Index([0.5, 0.9, 0.95])
    )


def test_a_forecast_comes_back_to_the_last_bit(ledger: Ledger) -> None:
    sent = a_forecast(START)
    ledger.save_forecast("a", START, sent)
    (received,) = ledger.forecasts(START)
    assert received.made_at == START
    assert received.quantiles.index.equals(sent.index)
    assert list(received.quantiles.columns) == [0.5, 0.9, 0.95]
    assert np.array_equal(received.quantiles.to_numpy(), sent.to_numpy())


def test_equal_forecasts_are_equal_bytes(store: MemoryStore, ledger: Ledger) -> None:
    ledger.save_forecast("a", START, a_forecast(START))
    before = dict(store.items)
    ledger.save_forecast("a", START, a_forecast(START))
    assert store.items == before
    (body,) = before.values()
    assert body[4:8] == bytes(4)  # gzip's time stamp
    assert gzip.decompress(body).startswith(b"start,0.5,0.9,0.95\n2026-03-01T12:00:00Z,")


def test_forecasts_are_those_made_since(ledger: Ledger) -> None:
    for hour in range(3):
        ledger.save_forecast(f"run-{hour}", START + timedelta(hours=hour), a_forecast(START))
    berlin = timezone(timedelta(hours=1))
    since = (START + timedelta(hours=1)).astimezone(berlin)
    assert [forecast.made_at for forecast in ledger.forecasts(since)] == [START + timedelta(hours=h) for h in (1, 2)]


def test_of_many_forecasts_a_few_spread_over_the_time_are_read(ledger: Ledger) -> None:
    for hour in range(10):
        ledger.save_forecast(f"run-{hour}", START + timedelta(hours=hour), a_forecast(START))
    spread = [forecast.made_at for forecast in ledger.forecasts(START, at_most=4)]
    assert spread == [START + timedelta(hours=hour) for hour in (0, 2, 5, 7)]
    assert len(ledger.forecasts(START, at_most=10)) == 10


def test_pruning_spares_the_state_and_the_young(store: MemoryStore) -> None:
    ledger = Ledger(store, TARGET, clock=lambda: START + timedelta(days=60, minutes=1))
    ledger.claim("a")
    for minute in (0, 60):
        ledger.record_run(a_record(minute))
        ledger.save_forecast("a", START + timedelta(minutes=minute), a_forecast(START))
    assert ledger.prune(keep_days=60) == 2
    assert len(ledger.runs(9)) == len(ledger.forecasts(START)) == 1
    assert ledger.state().generation == 1


def test_a_half_written_record_or_forecast_is_an_error_that_names_its_key(store: MemoryStore, ledger: Ledger) -> None:
    ledger.record_run(a_record(1))
    ledger.save_forecast("a", START, a_forecast(START))
    for key, body in list(store.items.items()):
        store.items[key] = body[: len(body) // 2]
    with pytest.raises(StoreError, match=r"runs/.*json"):
        ledger.runs(1)
    with pytest.raises(StoreError, match=r"forecasts/.*csv\.gz"):
        ledger.forecasts(START)


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_reader_of_forecasts(body: bytes) -> None:
    store = MemoryStore()
    ledger = Ledger(store, TARGET)
    ledger.save_forecast("a", START, a_forecast(START))
    (key,) = store.items
    for stored in (body, gzip.compress(body, mtime=0)):
        store.items[key] = stored
        with pytest.raises(StoreError, match=r"csv\.gz"):
            ledger.forecasts(START)


def test_a_naive_time_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="naive"):
        ledger.save_forecast("a", START.replace(tzinfo=None), a_forecast(START))


def test_the_digest_knows_values_not_order_or_resolution() -> None:
    index = pd.date_range(START, periods=5, freq="5min")
    load = pd.Series([1.0, np.nan, 3.0, 4.0, 5.0], index=index)
    assert digest(load) == digest(load.iloc[::-1]) == digest(load.set_axis(index.as_unit("s")))
    assert digest(load) != digest(load + 1)
    assert digest(load) != digest(load.shift(freq="5min"))


@given(st.text(max_size=300), st.text(max_size=300))
def test_slugs_are_short_portable_and_distinct_without_case(one: str, other: str) -> None:
    assert len(slug(one)) <= 93
    store = MemoryStore()
    store.put(f"targets/{slug(one)}/x", b"", if_version=None)
    if one != other:
        assert slug(one).casefold() != slug(other).casefold()
