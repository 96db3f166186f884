"""One fleet of a job."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from forecasting.errors import SettingsError, UsageError
from forecasting.models.extras import LIBRARIES
from forecasting.settings import Fleet, Job
from forecasting.turn import select_fleets


def installed(fleet: Fleet) -> Fleet:
    """The fleet, whose model's library is here. A job that lacks it falls back and says so: it must go on.

    Raises:
        SettingsError: it is not.
    """
    library = LIBRARIES.get(fleet.model)
    if library is not None and find_spec(library) is None:
        raise SettingsError("model", fleet.model, f"a model that is installed here; this one needs {library}")
    return fleet


def check_subject(csv: Path | None, config: str | None, fleet: str | None, expected: str) -> None:
    """Whether it is said once what is looked at.

    Raises:
        UsageError: there is a file and settings, or neither; or a fleet of a file.
    """
    if (csv is None) == (config is None):
        raise UsageError(f"give either {expected}")
    if config is None and fleet is not None:
        raise UsageError("--fleet: a --csv file has no fleets; give it with --config")


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
