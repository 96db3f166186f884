"""The short-lead update: what is needed within the boot time, from the newest samples and the last 48-h forecast. Pure.

See `designs/short-lead.md` for the decisions and what was measured.
"""

from forecasting.shortlead.choice import DayTotals, choose, day_totals
from forecasting.shortlead.features import LEVELS, STEP, Features, features, forecast_paths
from forecasting.shortlead.fit import FIRST_TAU, Fit, Terms, is_due, learn
from forecasting.shortlead.need import TAUS, fitted, need, needs, shipped, window_steps
from forecasting.shortlead.relevel import relevel

__all__ = [
    "FIRST_TAU",
    "LEVELS",
    "STEP",
    "TAUS",
    "DayTotals",
    "Features",
    "Fit",
    "Terms",
    "choose",
    "day_totals",
    "features",
    "fitted",
    "forecast_paths",
    "is_due",
    "learn",
    "need",
    "needs",
    "relevel",
    "shipped",
    "window_steps",
]
