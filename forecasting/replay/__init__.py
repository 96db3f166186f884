"""Replay a load against the capacity that policies would have had, with the provider's semantics."""

from forecasting.replay.base import Capacity, Case, DayTotals, Provider, WarmPool, boots_around
from forecasting.replay.engine import Replay, replay
from forecasting.replay.measures import Measures, clairvoyant_minutes, measures

__all__ = [
    "Capacity",
    "Case",
    "DayTotals",
    "Measures",
    "Provider",
    "Replay",
    "WarmPool",
    "boots_around",
    "clairvoyant_minutes",
    "measures",
    "replay",
]
