"""Settings that choose themselves: the plan's quantile, and the reactive target advised beside it, from a fleet's own past.

See `designs/choosing.md` for the decisions and what was measured.
"""

from forecasting.choosing.base import CANDIDATES, REACTIVE_TARGETS, Choice
from forecasting.choosing.past import replay_days
from forecasting.choosing.quantile import choose, choose_quantile, recorded_choice, settled_choice

__all__ = [
    "CANDIDATES",
    "REACTIVE_TARGETS",
    "Choice",
    "choose",
    "choose_quantile",
    "recorded_choice",
    "replay_days",
    "settled_choice",
]
