"""What Amazon EC2 Auto Scaling allows and does; every rule that the schedule and the target keep to stands here, with its source."""

from __future__ import annotations

from datetime import timedelta

MAX_ACTIONS = 125
"""Scheduled actions per group, people's own included; not raisable (EC2 Auto Scaling quotas)."""

RESERVED_ACTIONS = 5
"""Left free, so that a person can always add an action of their own at 3 a.m."""

JITTER = timedelta(minutes=2)
"""An action may run this late (EC2 Auto Scaling user guide, scheduled scaling)."""

ORDER_GAP = timedelta(minutes=3)
"""Two actions at least this far apart run in the order of their starts, whatever the jitter; starts are whole minutes."""

START_AHEAD = timedelta(minutes=3)
"""Nothing is written to start sooner: AWS refuses a past start, and the writing itself takes time. The bar is two minutes ahead at the call."""

MIN_AHEAD_AT_CALL = timedelta(minutes=2)
"""At the moment of the call a start must be further ahead than this, or the slot is dropped."""

PAGE_SIZE = 100
"""Largest page of DescribeScheduledActions and DescribePolicies (API reference)."""
