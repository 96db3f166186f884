"""Forecast a fleet's load and plan the capacity it will need.

    from forecasting import forecast, plan_capacity

Names are loaded when they are first used: `import forecasting` costs nothing, and a model library is imported only by the model that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecasting.errors import ElasticIacError as ElasticIacError
    from forecasting.models.base import Forecast as Forecast
    from forecasting.models.tournament import forecast as forecast
    from forecasting.planning.base import Plan as Plan
    from forecasting.planning.capacity import plan_capacity as plan_capacity
    from forecasting.settings import Fleet as Fleet
    from forecasting.settings import Job as Job

_HOME = {
    "ElasticIacError": "forecasting.errors",
    "Fleet": "forecasting.settings",
    "Forecast": "forecasting.models.base",
    "Job": "forecasting.settings",
    "Plan": "forecasting.planning.base",
    "forecast": "forecasting.models.tournament",
    "plan_capacity": "forecasting.planning.capacity",
}

__all__ = ["ElasticIacError", "Fleet", "Forecast", "Job", "Plan", "forecast", "plan_capacity"]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
