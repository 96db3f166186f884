"""Identity of the process that holds a lease, and whether the lease is still to be respected.

A process that was killed gives no lease back. On the same machine the next one recognises that: the kernel names each boot
and each process space, and a process id is unique there together with its start time (proc(5): `boot_id`, `ns/pid`, `stat`
field 22). Anywhere else nothing is known of the holder, and its lease is respected until it ends. Functions leave no
identity: virtual machines that were restored from one snapshot have the same.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

LONGEST_LEASE = timedelta(minutes=20)
"""No run lasts longer: 15 min of a function, and 5 min for the difference of two machines' clocks. The end of a lease
that is further ahead was written by a clock that was wrong, or ours was."""

_PROC = Path("/proc")
_FUNCTION_VARIABLES = ("AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE")
_ENDED = "ZX"
"""proc(5): zombie and dead: killed, and not yet collected by the parent."""


class Holder(BaseModel):
    """A process of a machine.

    Attributes:
        host: Its name, for people.
        boot: The kernel's boot and process space, in which `pid` is unique at a time.
        pid: The process.
        started: Its start, in ticks since the boot.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    host: str
    boot: str
    pid: int = Field(gt=0)
    started: int


class Lease(BaseModel):
    """The right to write to the target, of one generation, until a time (aware).

    `run_id` and `holder` name whose it is; absent in leases of functions.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    generation: int = Field(ge=1)
    until: AwareDatetime
    run_id: str = Field(default="", exclude_if=lambda value: not value)
    holder: Holder | None = Field(default=None, exclude_if=lambda value: value is None)

    def __str__(self) -> str:
        whose = f"run {self.run_id!r}" if self.run_id else "another run"
        where = f" (process {self.holder.pid} on {self.holder.host})" if self.holder else ""
        return f"{whose}{where}, generation {self.generation}"

    def is_held(self, now: datetime) -> bool:
        """Whether its holder may be writing at `now` (aware)."""
        return is_near(self.until, now) and not (self.holder is not None and has_ended(self.holder))


def is_near(until: datetime, now: datetime) -> bool:
    """Whether an end lies ahead, and no further than a run can last."""
    return now < until <= now + LONGEST_LEASE


def this_process() -> Holder | None:
    """The identity of this process; None in a function, or where the system tells none (not Linux)."""
    if any(os.environ.get(name) for name in _FUNCTION_VARIABLES):
        return None
    try:
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str((_PROC / "self/ns/pid").readlink())
    except (OSError, ValueError):
        return None
    found = _state(os.getpid())
    return (
        Holder(host=socket.gethostname(), boot=f"{boot_id} {space}", pid=os.getpid(), started=found[1])
        if found
        else None
    )


def has_ended(holder: Holder) -> bool:
    """Whether the process is known to have ended: it is of this machine's present boot, and not there any more."""
    own = this_process()
    if own is None or own.boot != holder.boot:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # of another user: it is there
        pass
    found = _state(holder.pid)
    return found is not None and (found[0] in _ENDED or found[1] != holder.started)


def _state(pid: int) -> tuple[str, int] | None:
    """State and start of a process; None if it may not be read."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
