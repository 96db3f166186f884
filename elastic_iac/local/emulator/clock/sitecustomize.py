"""Let this Python live on the double's clock; Python imports a module of this name, where it finds one, as it starts.

`ELASTIC_IAC_CLOCK` names a file of eight bytes: by how many seconds the double's clock is ahead of the machine's. It is in force for ministack and
for the functions that it runs. Without the variable nothing is changed.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import mmap
import os
import struct
import time
from typing import Any

_NANOSECONDS = 1_000_000_000


def _shift(path: str) -> None:
    with open(path, "rb") as file:  # noqa: PTH123 - at the start of every Python: import as little as possible
        ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    machine, machine_ns = time.time, time.time_ns

    def seconds() -> float:
        return struct.unpack("<d", ahead[:8])[0]

    def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return cls.fromtimestamp(machine() + seconds(), tz)

    def utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
        return cls.fromtimestamp(machine() + seconds(), datetime.UTC).replace(tzinfo=None)

    time.time = lambda: machine() + seconds()
    time.time_ns = lambda: machine_ns() + int(seconds() * _NANOSECONDS)
    # In the class itself, which is the same object for everybody who has imported it, in Python or in C.
    members: dict[str, Any] = gc.get_referents(datetime.datetime.__dict__)[0]
    members["now"] = classmethod(now)
    members["utcnow"] = classmethod(utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


if "ELASTIC_IAC_CLOCK" in os.environ:
    _shift(os.environ["ELASTIC_IAC_CLOCK"])
