"""Load from a CSV or Parquet file.

A file is refused whole, with one error that names the row, where it is not a load series: a column is absent, a time stamp has no UTC offset, a
value is text or infinite. Order, duplicates, empty values and negative values are accepted as they come: the history stage sorts, merges and rejects.
"""

from __future__ import annotations

import gzip
import importlib
import zlib
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecasting.errors import InputError
from forecasting.sources.base import Reading

if TYPE_CHECKING:
    from forecasting import settings as _settings

LARGEST_BYTES = 128 * 1024 * 1024
"""Of a load file once it is unpacked: a million samples of 100 characters."""

MOST_SAMPLES = 1_000_000
"""Of a load file: two years of minutes. A job reads at most 455 days."""

LONGEST_HEADER = 64 * 1024
_CHUNK_BYTES = 1024 * 1024

_OFFSET = r"(?:[Zz]|[+-]\d{2}(?::?\d{2})?)\s*$"
_HAS_TIME_OF_DAY = r"\d[T ]\d"
_CENSORED = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False, "": False}


class FileSource:
    """Reads the load from a .csv, .csv.gz or .parquet file."""

    def __init__(self, settings: _settings.FileSource) -> None:
        self._settings = settings

    def read(self, start: datetime, end: datetime) -> Reading:
        """Samples with start <= stamp < end; see `forecasting.sources.base.Source`."""
        if start.tzinfo is None or end.tzinfo is None:
            raise InputError(f"start {start} and end {end} must have a UTC offset")
        reading = _read(
            Path(self._settings.path),
            self._settings.timestamp_column,
            self._settings.value_column,
            self._settings.censored_column,
        )
        index = reading.load.index
        wanted = (index >= pd.Timestamp(start)) & (index < pd.Timestamp(end))
        return Reading(
            load=reading.load[wanted],
            sample_seconds=reading.sample_seconds,
            censored=None if reading.censored is None else reading.censored[wanted],
            warnings=reading.warnings,
        )


def read_csv(path: Path | str, *, timestamp_column: str = "timestamp", value_column: str = "value") -> Reading:
    """Read a whole load file (.csv, .csv.gz or .parquet).

    Args:
        path: The file.
        timestamp_column: Start of each sample, with its UTC offset (ISO 8601).
        value_column: Load; an empty value is missing.

    Returns:
        The samples in the file's order, with UTC stamps. The length of a sample is the most common difference between neighbouring stamps.

    Raises:
        InputError: the file is absent, unreadable, empty, or not a load series.
    """
    return _read(Path(path), timestamp_column, value_column, None)


def _read(path: Path, timestamp_column: str, value_column: str, censored_column: str | None) -> Reading:
    columns = [timestamp_column, value_column, *([censored_column] if censored_column else [])]
    frame = _frame(path, columns)
    blank = frame[columns].isna().all(axis=1)
    frame = frame[~blank]
    if frame.empty:
        raise InputError(f"{path}: the file holds no sample; expected rows with {', '.join(columns)}")
    stamps = _stamps(path, frame[timestamp_column])
    load = pd.Series(_values(path, frame[value_column]), index=stamps, name="load")
    censored = None
    if censored_column:
        censored = _flags(path, frame[censored_column]).set_axis(stamps)
    return Reading(load=load, sample_seconds=_sample_seconds(path, stamps), censored=censored)


def _frame(path: Path, columns: list[str]) -> pd.DataFrame:
    """The wanted columns; the index counts a CSV's lines and a Parquet file's rows as a person does."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.name.endswith((".csv", ".csv.gz")):
        frame, first_row = _csv(path, columns), 2
    elif path.suffix == ".parquet":
        frame, first_row = _parquet(path, columns), 1
    else:
        raise InputError(f"{path}: expected a .csv, .csv.gz or .parquet file")
    _refuse_absent(path, columns, list(frame.columns))
    frame.index = pd.RangeIndex(first_row, first_row + len(frame), name="line" if first_row == 2 else "row")
    return frame[columns]


def _refuse_absent(path: Path, columns: list[str], found: list[object]) -> None:
    absent = [column for column in columns if column not in found]
    if absent:
        names = ", ".join(str(each)[:60] for each in found[:20]) or "none"
        raise InputError(f"{path}: column {', '.join(map(repr, absent))} is absent; found: {names}")


def _csv(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        _refuse_large(path)
        header = pd.read_csv(path, nrows=0, skipinitialspace=True, encoding="utf-8-sig")
        _refuse_absent(path, columns, list(header.columns))
        # Blank lines are kept, so that an error names the line that an editor shows.
        return pd.read_csv(path, dtype=str, skip_blank_lines=False, skipinitialspace=True, encoding="utf-8-sig")
    except MemoryError:  # pyarrow's own is one
        raise InputError(
            f"{path}: it takes more memory than there is; cut off what is older, or take longer steps"
        ) from None
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: the file is empty; expected a header and rows") from None
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: not readable as CSV ({str(error).strip() or error.__class__.__name__})") from error


def _refuse_large(path: Path) -> None:
    """Count what a file unpacks to before any of it is kept: a few megabytes of gzip may be gigabytes of text.

    Raises:
        InputError: it has too many bytes or lines, or its header is too long.
    """
    size = lines = 0
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if (
                not lines
                and size < LONGEST_HEADER
                and b"\n" not in chunk[:LONGEST_HEADER]
                and len(chunk) > LONGEST_HEADER
            ):
                raise InputError(
                    f"{path}: its first line is longer than {LONGEST_HEADER // 1024} KiB; expected the names of columns"
                )
            size, lines = size + len(chunk), lines + chunk.count(b"\n")
            if size > LARGEST_BYTES or lines > MOST_SAMPLES + 1:
                raise _too_large(path)


def _too_large(path: Path) -> InputError:
    most = f"at most {MOST_SAMPLES:,} samples and {LARGEST_BYTES // 1024**2} MiB unpacked"
    return InputError(
        f"{path}: expected {most}; cut off what is older, or take means over longer steps (5 min instead of 1)"
    )


def _parquet(path: Path, columns: list[str]) -> pd.DataFrame:
    if find_spec("pyarrow") is None:
        raise InputError(f"{path}: Parquet needs pyarrow; install it with: pip install 'elastic-iac[parquet]'")
    try:
        _refuse_large_parquet(path, columns)
        frame = pd.read_parquet(path, columns=columns)
    except MemoryError:
        raise _too_large(path) from None
    except (ValueError, OSError, importlib.import_module("pyarrow").ArrowException) as error:
        raise InputError(f"{path}: not readable as Parquet ({error.__class__.__name__})") from error
    named_index = any(name is not None for name in frame.index.names)
    return frame.reset_index() if named_index else frame


def _refuse_large_parquet(path: Path, columns: list[str]) -> None:
    """Judge a file by its metadata, and its texts by their lengths, before any of it is expanded.

    Encodings by dictionary and by runs make a few bytes of gigabytes of text, and of any number of values in a list.

    Raises:
        InputError: it has too many rows or bytes, a column is absent, or its values are lists.
    """
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        known, schema = file.metadata, file.schema_arrow
    size = sum(known.row_group(number).total_byte_size for number in range(known.num_row_groups))
    if known.num_rows > MOST_SAMPLES or size > LARGEST_BYTES:
        raise _too_large(path)
    _refuse_absent(path, columns, schema.names)
    texts: list[str] = []
    for name in columns:
        kind: Any = schema.field(name).type
        kind = kind.value_type if arrow.types.is_dictionary(kind) else kind
        if arrow.types.is_string(kind) or arrow.types.is_large_string(kind) or arrow.types.is_binary(kind):
            texts.append(name)
        elif not (arrow.types.is_primitive(kind) or arrow.types.is_decimal(kind) or arrow.types.is_null(kind)):
            raise InputError(f"{path}: column {name!r} holds {str(kind)[:60]}; expected a number or a text in each row")
    if texts and _expanded_bytes(path, texts) > LARGEST_BYTES:
        raise _too_large(path)


def _expanded_bytes(path: Path, texts: list[str]) -> int:
    """Count the bytes of all values of columns of text, each of which is read once."""
    compute: Any = importlib.import_module("pyarrow.compute")
    table: Any = importlib.import_module("pyarrow.parquet").read_table(path, columns=texts, read_dictionary=texts)
    chunks = [chunk for name in texts for chunk in table.column(name).chunks]
    return sum(compute.sum(compute.binary_length(each.dictionary).take(each.indices)).as_py() or 0 for each in chunks)


def _stamps(path: Path, column: pd.Series) -> pd.DatetimeIndex:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        stamps = column.dt.tz_convert("UTC")
        _refuse(path, column, stamps.isna(), "is empty; expected a time stamp")
        return pd.DatetimeIndex(stamps)
    if pd.api.types.is_datetime64_dtype(column.dtype):
        naive = pd.Series(data=True, index=column.index)
        _refuse(path, column, naive, "has no UTC offset; expected a zone, e.g. '2026-03-01T00:00:00Z'")
    text = column.astype("string").str.strip()
    stamps = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    _refuse(path, column, stamps.isna(), "is not an ISO 8601 time stamp such as '2026-03-01T00:00:00Z'")
    zoned = text.str.contains(_OFFSET) & text.str.contains(_HAS_TIME_OF_DAY)
    _refuse(path, column, ~zoned.astype(bool), "has no UTC offset; expected e.g. '2026-03-01T00:00:00Z'")
    return pd.DatetimeIndex(stamps)


def _values(path: Path, column: pd.Series) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").astype(float)
    _refuse(path, column, values.isna() & column.notna(), "is not a number; leave a missing value empty")
    _refuse(path, column, values.abs() == np.inf, "is infinite; leave a missing value empty")
    return values.to_numpy(dtype=float)


def _flags(path: Path, column: pd.Series) -> pd.Series[bool]:
    flags = column.astype("string").fillna("").str.strip().str.lower().map(_CENSORED)
    _refuse(path, column, flags.isna(), "is not a flag; expected true or false")
    return flags.astype(bool)


def _refuse(path: Path, column: pd.Series, wrong: pd.Series, why: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong.to_numpy(dtype=bool)))
        more = int(wrong.sum()) - 1
        also = f" (and {more} more like it)" if more else ""
        where = f"{column.index.name} {column.index[at]}"
        shown = repr(str(column.iloc[at])[:60])
        raise InputError(f"{path}, {where}: {column.name} {shown} {why}{also}")


def _sample_seconds(path: Path, stamps: pd.DatetimeIndex) -> int:
    """The most common difference between neighbouring stamps, in whole seconds; the smaller one of two as common."""
    seconds = np.unique(stamps.as_unit("s").asi8)
    if len(seconds) < 2:
        raise InputError(
            f"{path}: all samples have the time stamp {stamps[0].isoformat()}; expected at least two different ones"
        )
    lengths, counts = np.unique(np.diff(seconds), return_counts=True)
    return int(lengths[np.argmax(counts)])
