"""Where a fleet with little history gets the other's that it resembles: from the other's own source, as long as it needs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pandas as pd

from forecasting.errors import ElasticIacError
from forecasting.history import Finding, History, Verdict, build_history
from forecasting.history.similar import begin_with, needs_similar
from forecasting.models.task import HISTORY_DAYS
from forecasting.run import Run
from forecasting.settings import Fleet
from forecasting.sources import open_source


def with_similar(run: Run, fleet: Fleet, own: History) -> History:
    """The fleet's history, with that of its `similar_fleet` before it where it has too little.

    One more reading of four weeks, and only until the fleet has eight days of its own. A source that fails is a finding, no condition.

    Args:
        run: The run, whose job has the other fleet.
        fleet: The fleet.
        own: Its history.
    """
    step = pd.Timedelta(minutes=fleet.step_minutes)
    if fleet.similar_fleet is None or not needs_similar(own, step):
        return own
    other = next(each for each in run.job.fleets if fleet.similar_fleet in {each.name, each.target_key})
    try:
        opened = open_source(other.source, target=other.target, session=run.session)
        reading = opened.read(run.now - timedelta(days=HISTORY_DAYS), run.now)
        lent = build_history(
            reading,
            now=run.now,
            step_minutes=fleet.step_minutes,
            max_load=other.max_load,
            time_zone=other.time_zone,
        )
    except ElasticIacError as error:
        text = f"nothing is borrowed: the load of {other.name} could not be read: {error}"
        return replace(own, findings=(*own.findings, Finding("not-borrowed", Verdict.GOOD, text)))
    return begin_with(own, lent, step, name=f"fleet {other.name!r}", expected_load=fleet.expected_load)
