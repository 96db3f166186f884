"""What Compute Engine's autoscaler allows and does; every rule that the schedule and the target keep to stands here, with its source."""

from __future__ import annotations

from datetime import timedelta

MAX_WINDOWS = 128
"""Scaling schedules per autoscaler, people's own and obsolete ones included (Compute Engine, "Scaling based on schedules")."""

RESERVED_WINDOWS = 5
"""Left free, so that a person can always add a schedule of their own at 3 a.m."""

MIN_DURATION = timedelta(minutes=5)
"""Shortest window (API reference, `durationSec`)."""

MAX_NAME_LENGTH = 63
"""Of a schedule's name: that of Compute resources (RFC 1035); nothing is documented for schedules (inferred)."""

START_AHEAD = timedelta(minutes=3)
"""Nothing is written to start sooner. Whether a window whose start has passed when it is written takes effect is not documented: taken not to."""

MIN_AHEAD_AT_CALL = timedelta(minutes=2)
"""At the moment of the call a start must be further ahead than this: the operation takes time to be applied."""

REWRITE_AHEAD = timedelta(minutes=1)
"""A window that exists is rewritten until this long before it opens: the operation is applied within seconds (inferred), and no later than that."""

URGENT_AHEAD_AT_CALL = timedelta(seconds=30)
"""At the moment of the call, the start of a window that is rewritten must be further ahead than this."""
