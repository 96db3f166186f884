"""What a job's last short run did: one item per job, replaced by every short run, of which there are 288 a day.

No later run goes by it; `status` shows it.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from forecasting.store.base import Store
from forecasting.store.records import Record


class ShortResult(BaseModel):
    """What it did for one fleet; the fields are as in `forecasting.run.FleetResult`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    status: str
    code: str = ""
    needed: int | None = None
    written: int = Field(default=0, ge=0)


class LastShortRun(Record):
    """One short run of a job.

    Attributes:
        run_id: Its id.
        time: When it started (aware).
        fleets: What it did, by fleet.
    """

    run_id: str = Field(min_length=1)
    time: AwareDatetime
    fleets: dict[str, ShortResult]


def read_short_run(store: Store, job_name: str) -> LastShortRun | None:
    """The last one; None before the first.

    Raises:
        StoreError, CredentialsError: it cannot be read.
    """
    item = store.get(_key(job_name))
    return LastShortRun.from_bytes(_key(job_name), item.body) if item else None


def last_short_result(store: Store, job_name: str, fleet: str) -> tuple[datetime, ShortResult] | None:
    """When the job's last short run was (aware), and what it did for a fleet; None where there was none.

    Raises:
        StoreError, CredentialsError: as for `read_short_run`.
    """
    last = read_short_run(store, job_name)
    return (last.time, last.fleets[fleet]) if last and fleet in last.fleets else None


def save_short_run(store: Store, job_name: str, run: LastShortRun) -> None:
    """Keep it in place of the one before.

    Raises:
        StoreError, CredentialsError: it cannot be written; `ConflictError`: another one was, at the same time.
    """
    standing = store.get(_key(job_name))
    store.put(_key(job_name), run.to_bytes(), if_version=standing.version if standing else None)


def _key(job_name: str) -> str:
    return f"jobs/{job_name}/short-run.json"
