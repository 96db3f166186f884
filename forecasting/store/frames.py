"""Forecasts as bytes: gzipped CSV, equal bytes for equal frames, read without pickle or pyarrow."""

from __future__ import annotations

import csv
import gzip
import zlib

import numpy as np
import pandas as pd

from forecasting.errors import StoreError

_INDEX = "start"
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def encode_frame(quantiles: pd.DataFrame) -> bytes:
    """One row per step (UTC start), one column per quantile, as gzipped CSV."""
    text = quantiles.to_csv(index_label=_INDEX, date_format=_STAMP, lineterminator="\n")
    return gzip.compress(text.encode(), mtime=0)


def decode_frame(key: str, body: bytes) -> pd.DataFrame:
    """The frame under `key`: UTC DatetimeIndex, float columns named by their quantile.

    Raises:
        StoreError: the item is corrupt or half-written; it names the key.
    """
    try:
        columns, *rows = csv.reader(gzip.decompress(body).decode().splitlines())
        columns.remove(_INDEX)
        return pd.DataFrame(
            np.array([[float(value) for value in row[1:]] for row in rows]).reshape(len(rows), len(columns)),
            index=pd.to_datetime([row[0] for row in rows], utc=True, format=_STAMP),
            columns=pd.Index([float(column) for column in columns], dtype="float64"),
        )
    except (OSError, EOFError, zlib.error, csv.Error, ValueError, IndexError) as error:
        raise StoreError(f"{key}: not a forecast that this release can read ({error.__class__.__name__})") from error
