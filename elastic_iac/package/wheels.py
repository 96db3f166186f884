"""The wheels of a function: kept in a folder, fetched by pip where they are not there, for the function's machine instead of this one."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from elastic_iac.package.base import NEWEST_GLIBC, PackageError, Target
from elastic_iac.package.lock import Requirement

_UNREACHABLE = re.compile(
    r"Could not fetch URL \S+: (?!404)|Max retries exceeded|connection broken|timed out", re.IGNORECASE
)
_ABSENT = re.compile(r"No matching distribution found for (\S+)")
_ADDRESS = re.compile(r"\w+://\S+")


def fetch_wheels(requirements: Sequence[Requirement], target: Target, folder: Path) -> dict[Requirement, Path]:
    """The wheel of each requirement that suits the target best; only what the folder has not is downloaded.

    A wheel is taken only if its digest is locked, whether it was kept or has just come. The registry is the one that pip is set up for.

    Args:
        requirements: What is wanted.
        target: The machine that it is wanted for.
        folder: Where wheels are kept; made where it is absent.

    Raises:
        PackageError: the registry cannot be reached, has no wheel for the target, or what it gave is not what was locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rank = {tag: place for place, tag in enumerate(_tags(target))}
    missing = [each for each in requirements if not _kept(each, rank, folder)]
    if missing:
        _download(missing, target, folder)
    found = {each: _kept(each, rank, folder) for each in requirements}
    absent = ", ".join(str(each) for each, wheel in found.items() if not wheel)
    if absent:
        raise PackageError(
            f"{absent}: pip brought no wheel for {target} whose digest is locked; expected one of the locked files"
        )
    return {each: wheel for each, wheel in found.items() if wheel}


def _tags(target: Target) -> list[Tag]:
    """What the target's Python installs, best first."""
    version = tuple(int(part) for part in target.python.split("."))
    native = cpython_tags(version, [target.abi], target.platforms)
    return [*native, *compatible_tags(version, target.abi, target.platforms)]


def _kept(wanted: Requirement, rank: dict[Tag, int], folder: Path) -> Path | None:
    """The best wheel in the folder that has a locked digest."""
    candidates: list[tuple[int, Path]] = []
    for path in folder.glob(f"{wanted.name.replace('-', '[-_.]')}-*.whl"):
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        places = [rank[tag] for tag in tags if tag in rank]
        if places and name == wanted.name and str(version) == wanted.version:
            candidates.append((min(places), path))
    for _, path in sorted(candidates):
        if hashlib.sha256(path.read_bytes()).hexdigest() in wanted.hashes:
            return path
    return None


def _download(wanted: Sequence[Requirement], target: Target, folder: Path) -> None:
    """Into a folder of its own first: two builds may fetch at once."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        lock = scratch / "requirements.txt"
        lock.write_text("\n".join(each.line for each in wanted) + "\n", encoding="utf-8")
        platforms = [word for tag in target.platforms for word in ("--platform", tag)]
        python = ["--implementation", "cp", "--python-version", target.python, "--abi", target.abi]
        options = [
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            "--disable-pip-version-check",
            "--no-input",
        ]
        log = scratch / "pip.log"  # a registry that it cannot reach is told only there
        command = [
            *_pip(scratch),
            "download",
            *options,
            *platforms,
            *python,
            "--log",
            str(log),
            "--dest",
            str(scratch),
            "-r",
            str(lock),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
        if done.returncode:
            raise PackageError(_told(done.stderr, log.read_text(encoding="utf-8", errors="replace"), target))
        for wheel in scratch.glob("*.whl"):
            wheel.replace(folder / wheel.name)


def _pip(scratch: Path) -> list[str]:
    """This Python's pip; where it has none (environments that uv makes), the one that comes with every Python."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    home = scratch / "pip"
    made = subprocess.run([sys.executable, "-m", "venv", str(home)], capture_output=True, check=False)  # noqa: S603 - our own arguments
    if made.returncode:
        raise PackageError(
            f"pip: {sys.executable} has none and cannot make an environment that has; install pip for it"
        )
    return [str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")), "-m", "pip"]


def _told(errors: str, log: str, target: Target) -> str:
    """What went wrong and what would help, from what pip printed. No address is repeated: it may hold a password."""
    if _UNREACHABLE.search(log):
        return "the package registry could not be reached; check the network and what pip is set up for (python -m pip config list)"
    absent = _ABSENT.search(errors)
    if absent:
        return f"{absent[1]}: the registry has no wheel for Python {target.python} on {target.arch} (glibc 2.{NEWEST_GLIBC} or older)"
    if "DO NOT MATCH THE HASHES" in errors:
        return (
            "the registry gave a file whose digest is not the locked one; expected what elastic-iac was released with"
        )
    said = [line for line in errors.splitlines() if line.startswith("ERROR:")] or errors.splitlines()
    return f"pip download failed: {_ADDRESS.sub('(address)', ' '.join(said)[-500:])}"
