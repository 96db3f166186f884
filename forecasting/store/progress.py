"""How far a job's fleets are: what was served when, how long their plans reach, what was put off. One item per job, written by every run.

It orders a run and feeds `status` and the alarms. It decides nothing about writing: where it is lost, all fleets look new and are served.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from forecasting.errors import ConflictError, StoreError
from forecasting.store.base import Store
from forecasting.store.records import Record

log = logging.getLogger(__name__)

_ATTEMPTS = 20


class FleetProgress(BaseModel):
    """How far one fleet is.

    Attributes:
        since: When the job first saw it.
        served_at: When its plan was last confirmed: written and read back, or found standing (in a dry run: planned).
        plan_until: The standing plan's last planned minute; the baseline comes back then.
        needed_by: When the standing plan first falls short, as far as is known; `plan_until` for a fleet that was served.
        deferred_since: When it was first put off since it was last served.
        held_at: When a full run last held it since it was last served.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    since: AwareDatetime
    served_at: AwareDatetime | None = None
    plan_until: AwareDatetime | None = None
    needed_by: AwareDatetime | None = None
    deferred_since: AwareDatetime | None = None
    held_at: AwareDatetime | None = None


class Progress(Record):
    """How far all fleets of a job are, by name."""

    fleets: dict[str, FleetProgress] = Field(default_factory=dict)


def read_progress(store: Store, job_name: str) -> Progress:
    """The job's progress; empty before its first run.

    Raises:
        StoreError, CredentialsError: it cannot be read.
    """
    return _read(store, job_name)[0]


def update_progress(
    store: Store,
    job_name: str,
    change: Callable[[Mapping[str, FleetProgress]], dict[str, FleetProgress]],
) -> Progress:
    """Change the job's progress as it stands, again and again until nobody else wrote in between.

    Args:
        store: The job's store.
        job_name: `Job.name`.
        change: Gives all fleets' new progress from the old.

    Raises:
        StoreError, CredentialsError: it cannot be read or written; `ConflictError`: others wrote first each time.
    """
    for _ in range(_ATTEMPTS):
        progress, version = _read(store, job_name)
        changed = Progress(fleets=change(progress.fleets))
        if changed == progress:
            return progress
        try:
            store.put(_key(job_name), changed.to_bytes(), if_version=version)
            return changed
        except ConflictError:
            continue
    raise ConflictError(f"{_key(job_name)}: others wrote first, {_ATTEMPTS} times in a row")


def _read(store: Store, job_name: str) -> tuple[Progress, str | None]:
    item = store.get(_key(job_name))
    if item is None:
        return Progress(), None
    try:
        return Progress.from_bytes(_key(job_name), item.body), item.version
    except StoreError as error:
        log.warning("%s; it is begun anew", error)
        return Progress(), item.version


def _key(job_name: str) -> str:
    return f"jobs/{job_name}/progress.json"
