"""How long a launch takes until its first healthy answer, learnt from the boots of the past. Pure.

See `designs/lead-time.md` for the decisions and what was measured.
"""

from forecasting.leadtime.estimate import ENOUGH, Boot, LeadTime, StartKind, estimate, estimates

__all__ = ["ENOUGH", "Boot", "LeadTime", "StartKind", "estimate", "estimates"]
