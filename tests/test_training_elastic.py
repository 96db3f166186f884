"""Elastic training, with a real torch on this machine's processors: nodes leave and come, and the training goes on."""

from __future__ import annotations

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/training"

pytestmark = [pytest.mark.torch, pytest.mark.skipif(sys.platform != "linux", reason="torchrun is tried on Linux")]


@functools.cache
def python_with_torch() -> str | None:
    """A Python that has torch: this one, or the system's (Debian's python3-torch knows no CUDA and is small)."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        asked = [candidate, "-c", "import torch.distributed as d; assert d.is_available()"]
        if Path(candidate).exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
            return candidate
    return None


class Nodes:
    """Nodes of one training, each a `torchrun` with a checkpoint folder and a log of its own."""

    def __init__(self, python: str, folder: Path) -> None:
        self.python, self.folder = python, folder
        self.processes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._start("rendezvous", [str(EXAMPLE / "rendezvous.py"), "--host=127.0.0.1", f"--port={self.port}"])
        self.until("rendezvous", lambda log: "serves on" in log)

    def join(self, name: str) -> subprocess.Popen[bytes]:
        # `0:1` (standard output, of the only worker): Debian's torch 1.13 cannot read the default on Python 3.11.
        torchrun = ["-m", "torch.distributed.run", "--nnodes=1:2", "--nproc_per_node=1", "--max_restarts=100"]
        output = ["--redirects=0:1", "--tee=0:1", f"--log_dir={self.folder}/{name}-logs"]
        rendezvous = ["--rdzv_backend=c10d", "--rdzv_id=test", f"--rdzv_endpoint=127.0.0.1:{self.port}"]
        settings = ["--rdzv_conf=is_host=false,last_call_timeout=2,join_timeout=120"]
        script = [str(EXAMPLE / "train.py"), "--steps=100000", "--save-every=10", "--pause-seconds=0.01"]
        return self._start(name, [*torchrun, *output, *rendezvous, *settings, *script])

    def _start(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CHECKPOINT_DIR": str(self.folder / name)}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [self.python, *arguments], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def until(self, name: str, true: Callable[[str], object], seconds: float = 120) -> None:
        limit = time.monotonic() + seconds
        while not true(self.log(name)):
            assert time.monotonic() < limit, self.log(name)[-3000:]
            time.sleep(0.1)

    def starts(self, name: str) -> list[tuple[int, int]]:
        """Step and world size of each start of the node's worker."""
        found = re.findall(r"starts at step (\d+) with world size (\d+)", self.log(name))
        return [(int(step), int(world)) for step, world in found]

    def losses(self, name: str) -> dict[int, float]:
        return {int(step): float(loss) for step, loss in re.findall(r"step (\d+) loss (\S+)", self.log(name))}

    def end(self) -> None:
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    python = python_with_torch()
    if python is None:
        pytest.skip("no torch here: `apt-get install python3-torch`, or torch in this environment")
    made = Nodes(python, tmp_path)
    try:
        yield made
    finally:
        made.end()


def test_training_goes_on_from_its_checkpoint_when_nodes_leave_and_come_back(nodes: Nodes) -> None:
    nodes.join("a")
    leaver = nodes.join("b")
    nodes.until("a", lambda _: max(nodes.losses("a"), default=0) >= 60)
    nodes.until("b", lambda _: nodes.starts("b"))  # its log is passed on at a pace of its own
    assert nodes.starts("a") == nodes.starts("b") == [(0, 2)]

    leaver.send_signal(signal.SIGTERM)  # as `docker stop` does when the instance is taken back
    nodes.until("a", lambda _: len(nodes.starts("a")) == 2)
    nodes.until("b", lambda log: "leaves at step" in log)
    left = int(re.findall(r"leaves at step (\d+)", nodes.log("b"))[-1])
    (alone, world) = nodes.starts("a")[1]
    assert world == 1
    assert left - 10 <= alone <= left + 1, "no more than the steps since the last checkpoint are done again"
    nodes.until("a", lambda _: max(nodes.losses("a")) >= left + 60)

    nodes.join("b")
    nodes.until("b", lambda _: len(nodes.starts("b")) == 2)
    nodes.until("a", lambda _: len(nodes.starts("a")) == 3)
    assert nodes.starts("a")[2] == nodes.starts("b")[1], "both go on from the same step"
    again, world = nodes.starts("b")[1]
    assert world == 2
    assert again >= left + 60, "the node that was away takes the newer checkpoint of the other"
    nodes.until("b", lambda _: max(nodes.losses("b")) >= again + 20)

    first, resumed = nodes.losses("a"), nodes.losses("b")
    after = min(step for step in resumed if step > again)
    assert first[10] > 0.1
    assert resumed[after] < first[10] / 5, "what was learnt is still there"
