"""Durations as people write them."""

from __future__ import annotations

import re

from forecasting.errors import SettingsError

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str, option: str) -> float:
    """Seconds of `90s`, `5m` or `1h`.

    Raises:
        SettingsError: it is none of these; names the option.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None:
        raise SettingsError(option, text, "a duration such as 90s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]
