"""The kill switch that needs no deployment: an item in the store that holds a job, or one fleet of it, until it is taken away or has run out.

A job's pause goes by its name, a fleet's by the owner: where many fleets are shared out among several jobs of one owner, a fleet may come from one to
another with the next deployment, and its pause must not stay behind.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, Field

from forecasting.errors import SettingsError
from forecasting.settings import Job
from forecasting.store.base import Store
from forecasting.store.records import Record


class Pause(Record):
    """Who stopped what, when and why.

    Attributes:
        fleet: Name of the fleet; None for the whole job.
        by: Who paused it.
        since: When (aware).
        until: It ends by itself then (aware); None: it lasts until `resume`.
        reason: What the next person should know; may be empty.
    """

    fleet: str | None
    by: str = Field(min_length=1)
    since: AwareDatetime
    until: AwareDatetime | None = None
    reason: str = ""

    def __str__(self) -> str:
        """One sentence: who, when, why, until when."""
        what = "the job" if self.fleet is None else f"fleet {self.fleet!r}"
        why = f": {self.reason}" if self.reason else ""
        resume = f"`elastic-iac resume{'' if self.fleet is None else f' --fleet {self.fleet}'}`"
        end = f"until {_utc(self.until)} or {resume}" if self.until else f"until {resume}"
        return f"{what} was paused by {self.by} on {_utc(self.since)}{why}; it lasts {end}"


def pause(
    store: Store,
    job: Job,
    fleet: str | None = None,
    *,
    until: datetime | None = None,
    by: str,
    reason: str = "",
    now: datetime,
) -> Pause:
    """Hold a job, or one fleet of it; paused again, the newer pause stands.

    Args:
        store: The job's store.
        job: The job.
        fleet: Name of the fleet; None for all of them.
        until: When it ends by itself (aware); None: only by `resume`.
        by: Who pauses.
        reason: Why, for the next person.
        now: The present time (aware).

    Raises:
        SettingsError: `until` is naive or not ahead.
        StoreError, CredentialsError: the store cannot be written.
    """
    if until is not None and (until.tzinfo is None or until <= now):
        raise SettingsError("until", until.isoformat(), f"a time with its UTC offset after {now.isoformat()}")
    made = Pause(fleet=fleet, by=by, since=now, until=until, reason=reason)
    key = _keys(job, fleet)[0]
    standing = store.get(key)
    store.put(key, made.to_bytes(), if_version=standing.version if standing else None)
    return made


def resume(store: Store, job: Job, fleet: str | None = None) -> bool:
    """End the pause of the job, or that of one fleet, and say whether there was one. A fleet stays held while its job is paused.

    Raises:
        StoreError, CredentialsError: the store cannot be written.
    """
    standing = [key for key in _keys(job, fleet) if store.get(key) is not None]
    for key in standing:
        store.delete(key)
    return bool(standing)


def paused(store: Store, job: Job, fleet: str | None, now: datetime) -> Pause | None:
    """What holds the fleet at `now` (aware): the job's pause, else its own; None where neither stands or they have run out.

    Raises:
        StoreError: the store or the item cannot be read. Who cannot tell whether a fleet is paused must not write.
    """
    for scope in dict.fromkeys((None, fleet)):
        found = noted_pause(store, job, scope)
        if found is not None and (found.until is None or found.until > now):
            return found
    return None


def holds(store: Store, job: Job, fleet: str | None, now: datetime) -> list[str]:
    """List what keeps a fleet, or any fleet of the job, from being written to at `now`: pauses, then settings. One sentence each.

    Args:
        store: The job's store.
        job: The job.
        fleet: Name of the fleet; None for all of them.
        now: The present time (aware).

    Raises:
        StoreError: as for `paused`.
    """
    fleets = [each for each in job.fleets if fleet in {None, each.name}]
    found = [noted_pause(store, job, scope) for scope in (None, *(each.name for each in fleets))]
    pauses = [str(pause) for pause in found if pause is not None and (pause.until is None or pause.until > now)]
    off = [f"fleet {each.name!r} has `enabled: false` in the settings" for each in fleets if not each.enabled]
    return [*pauses, *([] if job.enabled else ["the job has `enabled: false` in the settings"]), *off]


def noted_pause(store: Store, job: Job, fleet: str | None) -> Pause | None:
    """The job's own pause, or the fleet's own, whether or not it has run out.

    Raises:
        StoreError: as for `paused`.
    """
    for key in _keys(job, fleet):
        if item := store.get(key):
            return Pause.from_bytes(key, item.body)
    return None


def _keys(job: Job, fleet: str | None) -> list[str]:
    """Where it stands; then where it would stand from before the owner was renamed."""
    # All names are slugs of the settings: letters, digits and hyphens.
    if fleet is None:
        return [f"jobs/{job.name}/paused.json"]
    return [f"owners/{owner}/paused/{fleet}.json" for owner in (job.owner, *job.former_owners)]


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
