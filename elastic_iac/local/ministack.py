"""One ministack process of our own: bound to the loopback interface, on a free port, ended with everything it left on disk."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from elastic_iac.local.environment import LocalCloudError, ministack_python

HOST = "127.0.0.1"
_START_SECONDS = 60.0
_ATTEMPTS = 3  # another process may take the free port between our looking and ministack's binding

# Run by ministack's Python: scripts, not modules of this package.
_SCRIPTS = Path(__file__).parent / "emulator"


class Ministack:
    """A running ministack; `stop` ends it.

    Attributes:
        port: Where it listens, on the loopback interface.
        process: Its process, ours.
        folder: Its temporary folder, removed with it.
    """

    def __init__(self, region: str, double_url: str | None = None, *, policies: bool = False) -> None:
        """Start it.

        Args:
            region: Its default region.
            double_url: The double that it stands behind: asynchronous invocations, schedules and alarms are left to that, and functions call that.
            policies: Check signatures and enforce IAM policies; ministack and its functions then live on the double's clock (see `shift`).

        Raises:
            LocalCloudError: it did not come up; the message ends with what it printed.
        """
        python = ministack_python()
        # Its Lambda workers unpack into the temporary folder and leave it there: the folder is ours, so that we can remove it.
        self.folder = Path(tempfile.mkdtemp(prefix="elastic-iac-ministack-"))
        self._log = self.folder / "ministack.log"
        self._clock = self.folder / "clock"
        self._clock.write_bytes(bytes(8))
        self._variables = _variables(double_url, self._clock if policies else None)
        try:
            self._start(python, region)
        except BaseException:
            self._remove_folder()
            raise

    @property
    def url(self) -> str:
        """Where the bare emulator listens."""
        return f"http://{HOST}:{self.port}"

    def shift(self, seconds: float) -> None:
        """Say how far the double's clock is ahead of the machine's."""
        with self._clock.open("r+b") as file:  # in place: it is mapped by ministack and its functions
            file.write(struct.pack("<d", seconds))

    def stop(self) -> None:
        """End the process and remove its folder."""
        self._end_process()
        self._remove_folder()

    def _start(self, python: Path, region: str) -> None:
        for _ in range(_ATTEMPTS):
            self.port = _free_port()
            self.process = self._spawn(python, region)
            if self._wait_until_ready():
                return
            self._end_process()
        raise LocalCloudError(f"ministack did not start: {self._printed()}")

    def _spawn(self, python: Path, region: str) -> subprocess.Popen[bytes]:
        folder = str(self.folder)
        environment = {
            # Whose keys are the root's is not for the surroundings to say, nor are they a function's business.
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": region,
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "TMPDIR": folder,
            "TEMP": folder,
            "TMP": folder,
            **self._variables,
        }
        with self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own arguments
                [str(python), str(_SCRIPTS / "start.py")],
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            connection = HTTPConnection(HOST, self.port, timeout=5)
            with suppress(OSError, HTTPException):
                connection.request("GET", "/_ministack/health")
                if connection.getresponse().status == 200:
                    connection.close()
                    return True
            connection.close()
            time.sleep(0.02)
        return False

    def _end_process(self) -> None:
        self.process.terminate()
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _remove_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _printed(self) -> str:
        return (
            self._log.read_text(encoding="utf-8", errors="replace")[-1000:]
            if self._log.exists()
            else "(nothing printed)"
        )


def _variables(double_url: str | None, clock: Path | None) -> dict[str, str]:
    variables: dict[str, str] = {}
    if double_url is not None:
        # Functions inherit it, so that they call the double and not ministack.
        variables |= {"ELASTIC_IAC_DOUBLE": double_url, "AWS_ENDPOINT_URL": double_url}
    if clock is not None:
        on_path = [str(_SCRIPTS / "clock"), os.environ.get("PYTHONPATH", "")]
        variables |= {
            "AUTH": "true",
            "ELASTIC_IAC_CLOCK": str(clock),
            "PYTHONPATH": os.pathsep.join(part for part in on_path if part),
        }
    return variables


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
