"""An instance as far as this machine can be one: a folder for its root, stand-ins for its tools, a loopback server for its metadata."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STAND_INS = Path(__file__).resolve().parent / "stand_ins"


class AwsMetadata(BaseHTTPRequestHandler):
    """IMDSv2: nothing without a token."""

    values: Mapping[str, str] = {}

    def do_PUT(self) -> None:
        granted = self.path == "/latest/api/token" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self.reply(200 if granted else 400, "a token")

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != "a token":
            self.reply(401, "")
            return
        value = self.values.get(self.path.removeprefix("/latest/meta-data/"))
        self.reply(404 if value is None else 200, value or "")

    def reply(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


class GcpMetadata(AwsMetadata):
    """Google's: nothing without the flavour's header."""

    def do_GET(self) -> None:
        if self.headers.get("Metadata-Flavor") != "Google":
            self.reply(403, "")
            return
        value = self.values.get(self.path.removeprefix("/computeMetadata/v1/instance/"))
        self.reply(404 if value is None else 200, value or "")


class Instance:
    """A booted instance. `metadata` may be changed while it runs."""

    def __init__(self, root: Path, environment: Mapping[str, str], metadata: dict[str, str]) -> None:
        self.root = root
        self.metadata = metadata
        self.environment = dict(environment)
        for folder in ("pids", "tools"):
            (root / folder).mkdir(parents=True)

    def run(self, script: str, **settings: object) -> None:
        """Run user data to its end, with some of its settings changed."""
        for name, value in settings.items():
            script, found = re.subn(rf"^{name}=.*$", f"{name}={value}", script, flags=re.MULTILINE)
            assert found == 1, name
        self.run_script(script)

    def run_script(self, script: str) -> None:
        subprocess.run(["bash", "-c", script], env=self.environment, check=True, timeout=60)

    def exits(self, name: str, seconds: float = 30) -> int:
        """The exit code of one of the installed scripts, run to its end."""
        script = self.root / "opt/elastic-iac" / name
        with (self.root / "journal").open("a") as journal:
            done = subprocess.run(
                [script], env=self.environment, check=False, timeout=seconds, stdout=journal, stderr=journal
            )
        return done.returncode

    def tool(self, name: str, script: str) -> None:
        """Put another stand-in on PATH."""
        path = self.root / "tools" / name
        path.write_text(f"#!/usr/bin/env bash\n{script}\n")
        path.chmod(0o755)

    def text(self, name: str) -> str:
        path = self.root / name
        return path.read_text() if path.exists() else ""

    def running(self, name: str) -> bool:
        """Whether the unit or `container-NAME` of that name runs."""
        pid = self.text(f"pids/{name}").strip()
        return bool(pid) and Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text()

    def until(self, true: Callable[[], object], seconds: float = 30) -> None:
        """Wait for it."""
        limit = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < limit, self.text("journal")[-3000:]
            time.sleep(0.05)

    def end(self) -> None:
        """End every process group that the stand-ins started."""
        for path in (self.root / "pids").glob("elastic-iac-*"):
            try:
                os.killpg(int(path.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                continue


@contextmanager
def instance(
    root: Path, handler: type[AwsMetadata], metadata: dict[str, str], environment: Mapping[str, str]
) -> Generator[Instance]:
    """An instance that is ended with the block."""
    served = type("Served", (handler,), {"values": metadata})
    server = ThreadingHTTPServer(("127.0.0.1", 0), served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    made = Instance(
        root,
        {
            "PATH": f"{root}/tools:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(root),
            "PYTHON": sys.executable,
            "TRAINER": str(STAND_INS / "trainer.py"),
            "MODEL_LOADS_IN_SECONDS": "0",
            "ELASTIC_IAC_ROOT": str(root),
            "ELASTIC_IAC_PAUSE": "0.1",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{address}",
            "GCE_METADATA_HOST": address,
            **environment,
        },
        metadata,
    )
    for tool in STAND_INS.iterdir():
        if tool.suffix != ".py" or tool.name == "model_server.py":
            shutil.copy(tool, root / "tools" / tool.name)
    try:
        yield made
    finally:
        made.end()
        server.shutdown()
        server.server_close()
