"""One ministack process of our own: bound to the loopback interface, on a free port, ended with everything it left on disk."""

from __future__ import annotations

import os
import shutil
import socket
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


# Runs ministack until its standard input ends: it does when we die, however suddenly, so that no emulator is left behind.
_GUARDED = """
import os, runpy, shutil, signal, threading

orphaned = threading.Event()

def end_with_parent():
    os.read(0, 1)
    orphaned.set()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_parent, daemon=True).start()
try:
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)
finally:
    if orphaned.is_set():
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
"""


class Ministack:
    """A running ministack; `stop` ends it.

    Attributes:
        port: Where it listens, on the loopback interface.
        process: Its process, ours.
        folder: Its temporary folder, removed with it.
    """

    def __init__(self, region: str) -> None:
        """Start it.

        Raises:
            LocalCloudError: it did not come up; the message ends with what it printed.
        """
        python = ministack_python()
        # Its Lambda workers unpack into the temporary folder and leave it there: the folder is ours, so that we can remove it.
        self.folder = Path(tempfile.mkdtemp(prefix="elastic-iac-ministack-"))
        self._log = self.folder / "ministack.log"
        try:
            self._start(python, region)
        except BaseException:
            self._remove_folder()
            raise

    @property
    def url(self) -> str:
        """Where the bare emulator listens."""
        return f"http://{HOST}:{self.port}"

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
            **os.environ,
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": region,
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "TMPDIR": folder,
            "TEMP": folder,
            "TMP": folder,
        }
        with self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own arguments
                [str(python), "-c", _GUARDED],
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
