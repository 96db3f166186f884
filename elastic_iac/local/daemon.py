"""The double as a process of its own, for `elastic-iac local up` and `down`.

A state file tells where it listens. `down` asks the double itself to stop, once it has proved to be the one that was started: no process is
ever ended by a number that may by now belong to another.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from elastic_iac.local import control
from elastic_iac.local.aws import environment, local_aws
from elastic_iac.local.environment import LocalCloudError

_STATE, _LOG = "local-aws.json", "local-aws.log"
_UP_SECONDS, _DOWN_SECONDS = 180.0, 20.0  # the first start installs the emulator

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Processes that this one started: they are to be waited for, or they stay as zombies."""


@dataclass(frozen=True)
class Running:
    """A double that runs in the background."""

    id: str
    pid: int
    endpoint_url: str
    region: str

    def environment(self) -> dict[str, str]:
        """The environment variables that point any AWS client at it."""
        return environment(self.endpoint_url, self.region)


def status(state_dir: Path) -> Running | None:
    """The double that was started with this folder, if it still runs."""
    try:
        running = Running(**json.loads((state_dir / _STATE).read_text(encoding="utf-8")))
        return running if control.call(running.endpoint_url, "GET", "identity")["id"] == running.id else None
    except (OSError, ValueError, TypeError, LocalCloudError):
        return None


def up(state_dir: Path, region: str = "us-east-1") -> Running:
    """Start a double in the background, or find the one that runs.

    Raises:
        LocalCloudError: it did not start; the message ends with what it printed.
    """
    from filelock import FileLock  # noqa: PLC0415 - only here

    state_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(state_dir / "local-aws.lock"):
        running = status(state_dir)
        if running is not None:
            return running
        (state_dir / _STATE).unlink(missing_ok=True)
        return _start(state_dir, region)


def down(state_dir: Path) -> bool:
    """Stop the double that was started with this folder; False where none runs.

    Raises:
        LocalCloudError: it did not end in time.
    """
    running = status(state_dir)
    if running is None:
        (state_dir / _STATE).unlink(missing_ok=True)
        return False
    control.call(running.endpoint_url, "POST", "stop")
    deadline = time.monotonic() + _DOWN_SECONDS
    while (state_dir / _STATE).exists():
        if time.monotonic() > deadline:
            raise LocalCloudError(f"the local cloud (process {running.pid}) did not stop within {_DOWN_SECONDS:.0f} s")
        time.sleep(0.02)
    child = _children.pop(running.pid, None)
    if child is not None:
        child.wait(timeout=_DOWN_SECONDS)
    return True


def _start(state_dir: Path, region: str) -> Running:
    # Detached: it outlives the command that started it, and a Ctrl-C there does not reach it.
    detached_process_in_new_group = 0x00000208
    with (state_dir / _LOG).open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "elastic_iac.local.daemon", str(state_dir), region],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            creationflags=detached_process_in_new_group if os.name == "nt" else 0,
            start_new_session=os.name != "nt",
        )
    _children[child.pid] = child
    deadline = time.monotonic() + _UP_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        running = status(state_dir)
        if running is not None:
            return running
        time.sleep(0.05)
    child.kill()
    child.wait()
    printed = (state_dir / _LOG).read_text(encoding="utf-8", errors="replace").strip()[-500:]
    raise LocalCloudError(f"the local cloud did not start: {printed or 'it printed nothing'}")


def serve(state_dir: Path, region: str) -> None:
    """Run the double until it is asked to stop."""
    state = state_dir / _STATE
    with local_aws(region=region) as aws:

        def stop(_number: int, _frame: object) -> None:
            aws.stop_requested.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        running = Running(aws.id, os.getpid(), aws.endpoint_url, region)
        draft = state.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(running)), encoding="utf-8")
        draft.replace(state)
        # A wait without a limit cannot be interrupted by a signal on Windows.
        while not aws.stop_requested.wait(0.5):
            pass
    state.unlink(missing_ok=True)  # last: whoever waits for it finds nothing left


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
