"""The strict double as an independent judge of the replay: the same actions, executed by its clock."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from forecasting.backtest.compare import slot_path
from forecasting.replay import Case, Provider, replay
from forecasting.schedule.base import Slot
from tests.doubles import GROUP, create_group, put_action

MINUTES = 240
# No policy of the double scales in, so neither does the replay's.
STILL = Provider(boot_seconds=300, action_jitter_minutes=0, scale_in_datapoints=10**9)


@settings(max_examples=12)
@given(
    plan=st.dictionaries(st.integers(1, MINUTES - 2), st.integers(0, 20), min_size=1, max_size=25),
    desired=st.integers(2, 20),
)
def test_sizes_are_those_of_the_double_at_every_minute(aws: LocalAws, plan: dict[int, int], desired: int) -> None:
    aws.reset()
    start = aws.clock.now()
    client = aws.client("autoscaling", in_process=True)
    create_group(client, DesiredCapacity=desired)
    slots = [Slot(start + timedelta(minutes=minute), floor, f"slot-{minute}") for minute, floor in sorted(plan.items())]
    for slot in slots:
        put_action(client, slot.name, slot.start, MinSize=slot.floor)
    end = start + timedelta(minutes=MINUTES)
    aws.clock.advance_to(end)

    floor = slot_path(slots, pd.Timestamp(start), MINUTES, 2)
    case = Case("x", STILL, floor, target=1.0, ceiling=20)
    capacity = replay(np.full(MINUTES, 10.0 * desired), 10.0, [case], keep=["x"]).capacity["x"]

    assert capacity.floor.tolist() == aws.min_size_by_minute(GROUP, start, end)
    sizes = {change.at: change.sizes.desired for change in aws.history(GROUP)}
    minutes = [start + timedelta(minutes=minute) for minute in range(MINUTES)]
    theirs = [sizes[max(when for when in sizes if when <= minute)] for minute in minutes]
    assert capacity.desired.tolist() == theirs
