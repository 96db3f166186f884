"""Forecasts as bytes: gzipped CSV, equal bytes for equal frames, read without pickle or pyarrow."""

from __future__ import annotations

import gzip
import io
import zlib

import pandas as pd

from forecasting.errors import StoreError

_INDEX = "start"


def encode_frame(quantiles: pd.DataFrame) -> bytes:
    """One row per step (UTC start), one column per quantile, as gzipped CSV."""
    text = quantiles.to_csv(index_label=_INDEX, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n")
    return gzip.compress(text.encode(), mtime=0)


def decode_frame(key: str, body: bytes) -> pd.DataFrame:
    """The frame under `key`: UTC DatetimeIndex, float columns named by their quantile.

    Raises:
        StoreError: the item is corrupt or half-written; it names the key.
    """
    try:
        text = gzip.decompress(body).decode()
        frame = pd.read_csv(io.StringIO(text), index_col=_INDEX, float_precision="round_trip")
        frame.index = pd.to_datetime(frame.index, utc=True, format="%Y-%m-%dT%H:%M:%SZ")
        frame.columns = pd.Index([float(column) for column in frame.columns], dtype="float64")
        return frame.astype("float64")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise StoreError(f"{key}: not a forecast that this release can read ({error.__class__.__name__})") from error
