"""The person at the keyboard, and the record of the commands that they give."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING, ClassVar

from forecasting.errors import ElasticIacError, InterruptedWriteError

if TYPE_CHECKING:
    from elastic_iac.cli.output import Output
    from forecasting.settings import Job


class Interrupted(ElasticIacError):  # noqa: N818 - the type that the command line's JSON has for Ctrl-C
    """Ctrl-C came among a command's writes. Typer would hide the text of a `KeyboardInterrupt`."""

    exit_code: ClassVar[int] = 130


def person() -> str:
    """Name the person at the keyboard as `user@host`."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # no user database, as in some containers
        return socket.gethostname()


def record(output: Output, job: Job, command: str, fleet: str | None, outcome: str) -> None:
    """Keep a command for `status`. A failure is a warning: the command itself is done.

    Args:
        output: For the warning.
        job: The job.
        command: Name of the command.
        fleet: The fleet; None for all fleets of the job.
        outcome: What it did, in a few words.
    """
    from forecasting.run import utc_now  # noqa: PLC0415 - `--help` needs none of these
    from forecasting.store import open_store  # noqa: PLC0415
    from forecasting.store.commands import Command, record_command  # noqa: PLC0415

    try:
        made = Command(command=command, fleet=fleet, by=person(), time=utc_now(), outcome=outcome)
        record_command(open_store(job.store), job, made)
    except ElasticIacError as error:
        output.warn(f"{command} is not in the list of commands that `status` shows: {error}")


def record_interruption(output: Output, job: Job, error: InterruptedWriteError) -> Interrupted:
    """Keep an interrupted command for `status`, and return the error to raise in its place."""
    record(output, job, error.command, error.fleet, f"interrupted: {error.written} of {error.planned} written")
    return Interrupted(str(error))
