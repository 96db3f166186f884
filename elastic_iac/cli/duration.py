"""Durations as people write them."""

from __future__ import annotations

import re

from forecasting.errors import SettingsError

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_SECONDS = 10 * 365 * 86_400
"""Far beyond what anybody means, and within what a date can be moved by."""


def seconds(text: str, option: str) -> float:
    """Seconds of `90s`, `5m` or `1h`.

    Raises:
        SettingsError: it is none of these; names the option.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None:
        raise SettingsError(option, text, "a duration such as 90s, 5m or 1h")
    duration = float(match[1]) * _SECONDS[match[2]]
    if duration > _LONGEST_SECONDS:
        raise SettingsError(option, text, "at most ten years")
    return duration
