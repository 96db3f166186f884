"""What was seen of a fleet's boots, for `status` and the report of a backtest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from forecasting.errors import ElasticIacError
from forecasting.leadtime import LeadTime, estimates
from forecasting.settings import Fleet
from forecasting.store import Store
from forecasting.store.boots import read_boots


def seen_boots(store: Store, fleet: Fleet, now: datetime) -> Mapping[str, LeadTime]:
    """By instance type and kind of start; empty where the fleet does not learn, or its records cannot be read.

    Args:
        store: The job's.
        fleet: The fleet.
        now: Aware.
    """
    if not fleet.learn_lead_time:
        return {}
    try:
        boots = list(read_boots(store, fleet.target_key).boots.values())
    except ElasticIacError:
        return {}
    seen = estimates(boots, fleet.lead_time_seconds, now=now)
    return {f"{name} {kind}": lead for (name, kind), lead in seen.items()}
