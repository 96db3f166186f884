"""One fleet of a job."""

from __future__ import annotations

from forecasting.errors import UsageError
from forecasting.settings import Fleet, Job
from forecasting.turn import select_fleets


def one_fleet(job: Job, name: str | None) -> Fleet:
    """The named fleet; without a name the only one.

    Raises:
        UsageError: there are several.
        SettingsError: there is none of that name.
    """
    chosen = select_fleets(job, [name] if name else None)
    if len(chosen) > 1:
        raise UsageError(f"--fleet: name one of: {', '.join(each.name for each in chosen)}")
    return chosen[0]
