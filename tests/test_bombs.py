"""Input that is small and stands for much: one clear error each, soon and in little memory."""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import InputError, SettingsError
from forecasting.settings import files as settings_files
from forecasting.settings import job_of_text, load_events, load_job
from forecasting.sources import files
from forecasting.sources.files import read_csv
from tests.fleets import fleet_data

MEMORY_MIB = 700  # of the process, imports of pandas included
SECONDS = 200  # of a busy machine; without the limits these take minutes and gigabytes


def nested_aliases(levels: int, width: int) -> str:
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels)]
    return "\n".join(lines)


def in_a_process(code: str, *arguments: str) -> str:
    """What the code prints, in a process that may take so much memory beyond what its imports map."""
    limits = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({MEMORY_MIB << 20},) * 2)\n"
    done = subprocess.run(
        [sys.executable, "-c", limits + code, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-600:]
    return done.stdout


READ = """
import sys
from pathlib import Path
from forecasting.errors import UsageError
from {module} import {name}
try:
    {name}(Path(sys.argv[1]))
except UsageError as error:
    print(error)
"""


def test_a_bomb_of_yaml_aliases_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(nested_aliases(9, 9))
    assert path.stat().st_size < 500
    printed = in_a_process(READ.format(module="forecasting.settings", name="load_job"), str(path))
    assert "its aliases stand for more than 200,000 values" in printed
    with pytest.raises(SettingsError, match="aliases"):
        load_events(path)


@given(levels=st.integers(1, 12), width=st.integers(1, 9), merge=st.booleans())
def test_aliases_count_as_what_they_stand_for(levels: int, width: int, merge: bool) -> None:
    text = nested_aliases(levels, width)
    if merge:
        text = text.replace("a0: &a0 [", "m: &m {k: 1}\nb:\n  <<: *m\na0: &a0 [")
    written = sum(width**level for level in range(1, levels + 1))
    if written > 2 * settings_files.MOST_NODES:
        with pytest.raises(SettingsError, match="aliases"):
            job_of_text(text, "job.yaml")
    elif written < settings_files.MOST_NODES / 4:
        with pytest.raises(SettingsError, match="field"):  # read, and then not a job
            job_of_text(text, "job.yaml")


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}"])
def test_an_alias_within_itself_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="within itself"):
        job_of_text(text, "job.yaml")


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_twenty_thousand_keys_are_refused_soon(tmp_path: Path, suffix: str) -> None:
    keys = {f"key{number}": number for number in range(20_000)}
    path = tmp_path / f"job.{suffix}"
    path.write_text(yaml.safe_dump(keys))
    if suffix == "json":
        path.write_text(str(keys).replace("'", '"'))
    began = time.monotonic()
    with pytest.raises(SettingsError, match="known field"):
        load_job(path)
    assert time.monotonic() - began < SECONDS
    path.write_text(path.read_text().replace("key19999", "key0"))
    with pytest.raises(SettingsError, match="'key0' is there twice"):
        load_job(path)


def test_a_file_of_settings_has_a_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes(b"# " + b"x" * settings_files.LARGEST_BYTES)
    with pytest.raises(SettingsError, match="at most 2 MiB"):
        load_job(path)
    with pytest.raises(SettingsError, match="at most 2 MiB"):
        job_of_text(path.read_text(), "s3://bucket/job.yaml")


def test_a_thousand_fleets_are_to_be_parted(tmp_path: Path) -> None:
    fleets = [fleet_data(name=f"web-{number}") for number in range(1000)]
    path = tmp_path / "job.yaml"
    path.write_text(str({"name": "job", "owner": "prod", "fleets": fleets}))
    with pytest.raises(
        SettingsError, match=r"fleets: got '1000 fleets'; expected at most 150 .* into 7 jobs, each in a file"
    ):
        load_job(path)


def test_a_bomb_of_gzip_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "load.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"timestamp,value\n")
        for _ in range(400):
            file.write(b"0" * 1024 * 1024)
    assert path.stat().st_size < 3_000_000
    printed = in_a_process(READ.format(module="forecasting.sources.files", name="read_csv"), str(path))
    assert "at most 1,000,000 samples and 128 MiB unpacked" in printed


def test_three_million_rows_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("timestamp,value\n" + "2026-01-01T00:00:00Z,1\n" * 3_000_000)
    began = time.monotonic()
    with pytest.raises(InputError, match="at most 1,000,000 samples"):
        read_csv(path)
    assert time.monotonic() - began < SECONDS


def test_as_many_samples_as_are_allowed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_SAMPLES", 3)
    path = tmp_path / "load.csv"
    lines = [f"2026-01-01T00:0{number}:00Z,1\n" for number in range(4)]
    path.write_text("timestamp,value\n" + "".join(lines[:3]))
    assert len(read_csv(path).load) == 3
    path.write_text("timestamp,value\n" + "".join(lines))
    with pytest.raises(InputError, match="samples"):
        read_csv(path)


def test_a_header_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("timestamp,value," + ",".join(["x"] * 500_000))
    with pytest.raises(InputError, match="first line"):
        read_csv(path)


def test_other_columns_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("a,timestamp,value,b\n" + "".join(f"x,2026-01-01T0{hour}:00:00Z,{hour},y\n" for hour in range(3)))
    assert list(read_csv(path).load) == [0, 1, 2]
    with pytest.raises(InputError, match="'load' is absent; found: a, timestamp, value, b"):
        read_csv(path, value_column="load")


def test_a_parquet_file_is_judged_by_its_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = pd.date_range("2026-01-01", periods=10, freq="5min", tz="UTC")
    path = tmp_path / "load.parquet"
    pd.DataFrame({"timestamp": stamps, "value": 1.0}).to_parquet(path)
    assert len(read_csv(path).load) == 10
    monkeypatch.setattr(files, "MOST_SAMPLES", 9)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was read")

    monkeypatch.setattr(pd, "read_parquet", refuse)
    with pytest.raises(InputError, match="samples"):
        read_csv(path)


@pytest.mark.parametrize("keeps_dictionary", [False, True])
def test_a_bomb_of_a_parquet_dictionary_is_refused_before_it_is_expanded(
    tmp_path: Path, keeps_dictionary: bool
) -> None:
    """One text of 64 KiB, fifty thousand times: three gigabytes in a file of a few kilobytes."""
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    rows = 50_000
    stamps = pd.date_range("2026-01-01", periods=rows, freq="1min", tz="UTC")
    value = arrow.DictionaryArray.from_arrays(arrow.array([0] * rows, arrow.int32()), arrow.array(["1" * 65_536]))
    path = tmp_path / "load.parquet"
    parquet.write_table(arrow.table({"timestamp": stamps, "value": value}), path, store_schema=keeps_dictionary)
    assert path.stat().st_size < 1_000_000
    printed = in_a_process(READ.format(module="forecasting.sources.files", name="read_csv"), str(path))
    assert "at most 1,000,000 samples and 128 MiB unpacked" in printed


def test_a_parquet_column_of_lists_is_refused(tmp_path: Path) -> None:
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    stamps = pd.date_range("2026-01-01", periods=2, freq="1min", tz="UTC")
    path = tmp_path / "load.parquet"
    parquet.write_table(arrow.table({"timestamp": stamps, "value": [[0.0] * 9, [1.0]]}), path)
    with pytest.raises(InputError, match=r"column 'value' holds list.*; expected a number or a text in each row"):
        read_csv(path)


def test_stamps_and_values_as_text_are_read_from_parquet_as_from_csv(tmp_path: Path) -> None:
    stamps = [f"2026-01-01T00:0{minute}:00Z" for minute in range(3)]
    path = tmp_path / "load.parquet"
    for frame in (
        pd.DataFrame({"timestamp": stamps, "value": ["1", "2", None], "other": ["x" * 9] * 3}),
        pd.DataFrame({"timestamp": pd.Categorical(stamps), "value": pd.Categorical([1.0, 2.0, None])}),
        pd.DataFrame({"value": [1.0, 2.0, None]}, index=pd.Index(stamps, name="timestamp")),
    ):
        frame.to_parquet(path)
        assert read_csv(path).load.tolist()[:2] == [1.0, 2.0]


def test_want_of_memory_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow: Any = importlib.import_module("pyarrow")

    def refuse(*_: Any, **__: Any) -> Any:
        raise pyarrow.ArrowMemoryError("malloc of size 4294967296 failed")

    path = tmp_path / "load.csv"
    path.write_text("timestamp,value\n2026-01-01T00:00:00Z,1\n")
    monkeypatch.setattr(pd, "read_csv", refuse)
    with pytest.raises(InputError, match="more memory than there is"):
        read_csv(path)
