"""Record of the commands that people gave: who, when and with which outcome.

The commands for one fleet are kept under its owner, as its pause is; a command for a whole job under the job's name. The newest `MOST_COMMANDS` of
each are kept. No run uses them; `status` shows them.
"""

from __future__ import annotations

import logging
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from forecasting.errors import ConflictError, StoreError
from forecasting.settings import Job
from forecasting.store.base import Store
from forecasting.store.records import Record

log = logging.getLogger(__name__)

MOST_COMMANDS = 50
_ATTEMPTS = 20


class Command(BaseModel):
    """One command.

    Attributes:
        command: Its name, for example `rollback`.
        fleet: The fleet; None for all fleets of the job.
        by: Who gave it, as `user@host`.
        time: When it ended (aware).
        outcome: What it did, in a few words.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    command: str = Field(min_length=1)
    fleet: str | None = None
    by: str = Field(min_length=1)
    time: AwareDatetime
    outcome: str = ""


class Commands(Record):
    """The newest commands, oldest first."""

    commands: tuple[Command, ...] = ()


def record_command(store: Store, job: Job, command: Command) -> None:
    """Append a command. The oldest one goes if there are more than `MOST_COMMANDS`.

    Raises:
        StoreError, CredentialsError: it cannot be kept.
    """
    key = _keys(job, command.fleet)[0]
    for _ in range(_ATTEMPTS):
        item = store.get(key)
        try:
            before = Commands.from_bytes(key, item.body).commands if item else ()
        except StoreError as error:
            log.warning("%s; it is begun anew", error)
            before = ()
        kept = Commands(commands=(*before, command)[-MOST_COMMANDS:])
        try:
            store.put(key, kept.to_bytes(), if_version=item.version if item else None)
            return
        except ConflictError:
            continue
    raise ConflictError(f"{key}: others wrote first, {_ATTEMPTS} times in a row")


def read_commands(store: Store, job: Job, fleet: str) -> list[Command]:
    """Commands for a fleet and for all fleets of its job, newest first.

    Raises:
        StoreError, CredentialsError: they cannot be read.
    """
    found = [
        command
        for key in (*_keys(job, fleet), *_keys(job, None))
        if (item := store.get(key))
        for command in Commands.from_bytes(key, item.body).commands
    ]
    return sorted(found, key=lambda command: command.time)[::-1]  # of two at one time, the later one first


def _keys(job: Job, fleet: str | None) -> list[str]:
    """The item, then those from before the owner was renamed."""
    if fleet is None:
        return [f"jobs/{job.name}/commands.json"]
    return [f"owners/{owner}/commands/{fleet}.json" for owner in (job.owner, *job.former_owners)]
