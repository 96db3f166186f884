"""Load files: what is read, and the one clear error for each thing that is wrong."""

from __future__ import annotations

import gzip
import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from forecasting.errors import InputError
from forecasting.settings import AwsTarget, FileSource
from forecasting.sources import Reading, open_source
from forecasting.sources.files import read_csv
from tests.traces import trace

TARGET = AwsTarget(region="eu-central-1", group_name="web")
GOOD = "timestamp,value\n2026-03-01T00:00:00Z,10\n2026-03-01T00:05:00Z,\n2026-03-01T00:10:00Z,12.5\n"


def written(folder: Path, text: str, name: str = "load.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def read(path: Path, start: str = "2026-01-01T00:00Z", end: str = "2027-01-01T00:00Z", **settings: str) -> Reading:
    source = open_source(FileSource(kind="file", path=str(path), **settings), target=TARGET)
    return source.read(datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_reads_stamps_as_utc_and_an_empty_value_as_missing(tmp_path: Path) -> None:
    reading = read_csv(written(tmp_path, GOOD))
    assert reading.sample_seconds == 300
    assert reading.load.index[0] == pd.Timestamp("2026-03-01T00:00Z")
    assert reading.load.index.dtype == pd.DatetimeTZDtype("us", "UTC")
    assert reading.load.fillna(-1).to_list() == [10, -1, 12.5]
    assert reading.censored is None


@pytest.mark.parametrize(
    "stamps",
    [
        ("2026-03-01T01:00:00+01:00", "2026-03-01T01:05:00+01:00"),
        ("2026-03-01 00:00:00+00:00", "2026-02-28 19:05:00-05"),
        ("2026-03-01T00:00Z", "2026-03-01T00:05:00.000Z"),
    ],
)
def test_understands_offsets(tmp_path: Path, stamps: tuple[str, str]) -> None:
    reading = read_csv(written(tmp_path, f"timestamp,value\n{stamps[0]},1\n{stamps[1]},2\n"))
    assert reading.load.index.to_list() == [pd.Timestamp("2026-03-01T00:00Z"), pd.Timestamp("2026-03-01T00:05Z")]


def test_keeps_order_duplicates_and_negatives_for_the_history_to_judge(tmp_path: Path) -> None:
    rows = "2026-03-01T00:10Z,3\n2026-03-01T00:00Z,-1\n2026-03-01T00:05Z,2\n2026-03-01T00:05Z,4\n"
    assert read_csv(written(tmp_path, f"timestamp,value\n{rows}")).load.to_list() == [3, -1, 2, 4]


def test_reads_the_asked_range_only(tmp_path: Path) -> None:
    reading = read(written(tmp_path, GOOD), start="2026-03-01T00:05Z", end="2026-03-01T00:10Z")
    assert reading.load.index.to_list() == [pd.Timestamp("2026-03-01T00:05Z")]


def test_an_empty_range_is_no_data_and_no_error(tmp_path: Path) -> None:
    assert read(written(tmp_path, GOOD), start="2025-01-01T00:00Z", end="2025-02-01T00:00Z").load.empty


def test_a_naive_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTC offset"):
        read(written(tmp_path, GOOD), start="2026-03-01T00:00")


def test_gzip_other_columns_and_censored_flags(tmp_path: Path) -> None:
    path = tmp_path / "load.csv.gz"
    text = "when,rps,full\n2026-03-01T00:00Z,1,false\n2026-03-01T00:05Z,2,TRUE\n2026-03-01T00:10Z,3,\n"
    path.write_bytes(gzip.compress(text.encode()))
    reading = read(path, timestamp_column="when", value_column="rps", censored_column="full")
    assert reading.load.to_list() == [1, 2, 3]
    assert reading.censored is not None
    assert reading.censored.to_list() == [False, True, False]
    assert reading.censored.index.equals(reading.load.index)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_parquet_as_a_column_or_as_the_index(tmp_path: Path, zone: str) -> None:
    index = pd.date_range("2026-03-01", periods=3, freq="5min", tz="UTC", name="timestamp").tz_convert(zone)
    frame = pd.DataFrame({"value": [1.0, None, 3.0]}, index=index)
    frame.to_parquet(tmp_path / "index.parquet")
    frame.reset_index().to_parquet(tmp_path / "column.parquet")
    for name in ("index", "column"):
        reading = read_csv(tmp_path / f"{name}.parquet")
        assert reading.load.index[1] == pd.Timestamp("2026-03-01T00:05Z")
        assert reading.load.fillna(-1).to_list() == [1, -1, 3]


def test_parquet_without_an_offset_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"timestamp": pd.to_datetime(["2026-03-01"]), "value": [1]}).to_parquet(tmp_path / "load.parquet")
    with pytest.raises(InputError, match=r"load\.parquet, row 1: timestamp '2026-03-01 00:00:00' has no UTC offset"):
        read_csv(tmp_path / "load.parquet")


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "", name="load.parquet")
    find_spec = importlib.util.find_spec

    def hidden(name: str, package: str | None = None) -> object:
        return None if name == "pyarrow" else find_spec(name, package)

    monkeypatch.setattr("forecasting.sources.files.find_spec", hidden)
    with pytest.raises(InputError, match=r"elastic-iac\[parquet\]"):
        read_csv(path)


STAMP = "2026-03-01T00:00Z"
HEAD = f"timestamp,value\n{STAMP},1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("timestamp,value\n", "holds no sample"),
        ("timestamp,value\n\n\n", "holds no sample"),
        ("time,load\n1,2\n", "column 'timestamp', 'value' is absent; found: time, load"),
        ("timestamp,load\n1,2\n", "column 'value' is absent"),
        (HEAD + "2026-03-01T00:05,2\n", "line 3: timestamp '2026-03-01T00:05' has no UTC offset"),
        (HEAD + "2026-03-01,2\n", "line 3: timestamp '2026-03-01' has no UTC offset"),
        (HEAD + "\nyesterday,2\n", "line 4: timestamp 'yesterday' is not an ISO 8601"),
        (HEAD + "2026-02-30T00:00Z,2\n", "line 3: timestamp '2026-02-30T00:00Z' is not"),
        (HEAD + ",2\n", "line 3: timestamp"),
        (HEAD + "2026-03-01T00:05Z,many\nx,y\n", "timestamp 'x' is not"),
        (HEAD + "2026-03-01T00:05Z,many\n2026-03-01T00:10Z,few\n", r"line 3: value 'many' is not a number.*1 more"),
        (HEAD + '2026-03-01T00:05Z,"1,5"\n', "line 3: value '1,5' is not a number"),
        (HEAD + "2026-03-01T00:05Z,inf\n", "line 3: value 'inf' is infinite"),
        (HEAD + "2026-03-01T00:05Z,-Infinity\n", "line 3: value '-Infinity' is infinite"),
        (HEAD + "2026-03-01T00:05Z,2,3,4\n", "not readable as CSV"),
        (HEAD, "at least two different"),
    ],
)
def test_each_wrong_file_gets_one_error_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as raised:
        read_csv(path)
    assert str(path) in str(raised.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_csv(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="no such file"):
        read_csv(tmp_path)
    with pytest.raises(InputError, match=r"expected a \.csv, \.csv\.gz or \.parquet file"):
        read_csv(written(tmp_path, GOOD, name="load.txt"))
    for name in ("load.csv.gz", "load.parquet"):
        with pytest.raises(InputError, match="not readable as"):
            read_csv(written(tmp_path, GOOD, name=name))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01\x80")
    with pytest.raises(InputError, match="not readable as CSV"):
        read_csv(binary)


def test_a_wrong_flag_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, f"timestamp,value,full\n{STAMP},1,perhaps\n2026-03-01T00:05Z,1,true\n")
    with pytest.raises(InputError, match="line 2: full 'perhaps' is not a flag"):
        read(path, censored_column="full")


@pytest.mark.traces
def test_reads_a_real_trace() -> None:
    reading = read_csv(trace("llm_qwen_small_5min.csv"))
    assert (len(reading.load), reading.sample_seconds, int(reading.load.isna().sum())) == (4032, 300, 74)
    assert reading.load.index[-1] == datetime(2025, 1, 6, tzinfo=UTC) + timedelta(minutes=5 * 4031)
