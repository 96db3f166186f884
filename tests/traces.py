"""The real load traces, which stand beside the checkout and are never copied into it."""

from __future__ import annotations

from pathlib import Path

import pytest

TRACES = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def trace(name: str) -> Path:
    """The path of a trace, e.g. `wc98_5min.csv`; the calling test is skipped where the folder is absent."""
    path = TRACES / name
    if not path.is_file():
        pytest.skip(f"needs the real trace {name} in shared/data beside the checkout")
    return path
