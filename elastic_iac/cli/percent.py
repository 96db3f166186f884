"""Percentages as people write them."""

from __future__ import annotations

import re

from forecasting.errors import SettingsError


def percent(text: str, option: str) -> float:
    """The number of `0.5%`, above 0 and at most 50.

    Raises:
        SettingsError: it is none; names the option.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if match is None or not 0 < float(match[1]) <= 50:
        raise SettingsError(option, text, "a percentage above 0 % and at most 50 %, such as 0.5%")
    return float(match[1])
