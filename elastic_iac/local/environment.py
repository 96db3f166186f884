"""An environment of its own for ministack, whose pinned botocore would clash with ours.

Made on first use from `requirements/ministack.txt` (locked, with hashes) and kept: a second start finds it ready.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from forecasting.errors import ElasticIacError

_REPOSITORY = Path(__file__).resolve().parents[2]
_MARKER = "ready"


class LocalCloudError(ElasticIacError):
    """The local cloud could not be set up, started or reached."""


def requirements_file() -> Path:
    """The locked requirements of ministack.

    Raises:
        LocalCloudError: the package is installed without its repository.
    """
    path = _REPOSITORY / "requirements" / "ministack.txt"
    if not path.is_file():
        raise LocalCloudError(
            f"requirements: {path} is absent; the local cloud runs from a checkout of the repository, installed with 'pip install --editable'"
        )
    return path


def ministack_python() -> Path:
    """The Python that has ministack installed; makes its environment on first use (some ten seconds).

    `ELASTIC_IAC_CACHE` names the folder that environments are kept in; `.venvs` of the checkout where it is not set. Safe when several
    processes ask at once: one builds, the others wait.

    Raises:
        LocalCloudError: the requirements are absent or could not be installed.
    """
    from filelock import FileLock  # noqa: PLC0415 - only the local cloud needs it

    requirements = requirements_file()
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("ELASTIC_IAC_CACHE") or _REPOSITORY / ".venvs")
    folder = cache / f"ministack-{digest}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    marker = folder / _MARKER
    if not marker.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not marker.exists():
                _build(folder, python, requirements)
                marker.touch()
    return python


def _build(folder: Path, python: Path, requirements: Path) -> None:
    """With uv, which takes seconds; else with pip, which a network with a mirror or proxy of its own is most often set up for."""
    install = ["install", "--quiet", "--require-hashes", "-r", str(requirements)]
    uv = _uv()
    if uv:
        try:
            shutil.rmtree(folder, ignore_errors=True)  # left by a build that was interrupted
            run_quietly([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)])
            run_quietly([uv, "pip", *install, "--system-certs", "--python", str(python)])
            return
        except LocalCloudError:
            pass
    shutil.rmtree(folder, ignore_errors=True)
    run_quietly([sys.executable, "-m", "venv", str(folder)])
    run_quietly([str(python), "-m", "pip", "--disable-pip-version-check", *install])


def _uv() -> str | None:
    """The uv beside this Python first: it is the one that the Makefile installed."""
    beside = Path(sys.executable).parent / ("uv.exe" if os.name == "nt" else "uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def run_quietly(command: list[str]) -> None:
    """Run a command; what it printed is told only where it fails.

    Raises:
        LocalCloudError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise LocalCloudError(f"ministack's environment: {' '.join(command[:3])} failed: {done.stderr.strip()[-1000:]}")
