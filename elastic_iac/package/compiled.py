"""Compiled modules for the function's Python, which a cold start would else spend most of its time making.

A compiled module serves the minor version that it was made by, so an interpreter of that version is looked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from elastic_iac.package.base import PackageError

HOME = "/var/task"
"""Where Lambda unpacks a function: a traceback names its files there, and none of the machine that built them."""

_SCRIPT = Path(__file__).with_name("compile_script.py")


def find_interpreter(python: str) -> str | None:
    """A CPython of that minor version on this machine: this one, one on PATH, pyenv's or uv's.

    Args:
        python: Major and minor version.
    """
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    return next((path for path in _candidates(python) if _is_version(path, python)), None)


def compile_sources(sources: Mapping[str, bytes], interpreter: str) -> dict[str, bytes]:
    """Compiled modules by the names of their sources; a source that this Python cannot compile is left out.

    Args:
        sources: Contents by path in the package.
        interpreter: What compiles them.

    Raises:
        PackageError: the interpreter failed.
    """
    with tempfile.TemporaryDirectory() as name:
        given, made = Path(name, "sources"), Path(name, "compiled")
        for path, content in sources.items():
            (given / path).parent.mkdir(parents=True, exist_ok=True)
            (given / path).write_bytes(content)
        made.mkdir()
        command = [interpreter, "-P", "-S", "-s", "-W", "ignore", str(_SCRIPT), str(given), str(made), HOME]
        # Sets in constants are laid out by the hash seed.
        variables = {**_system_variables(), "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)  # noqa: S603 - as above
        if done.returncode:
            raise PackageError(f"{interpreter}: could not compile the modules: {done.stderr.strip()[-300:]}")
        return {path: (made / f"{path}c").read_bytes() for path in sources if (made / f"{path}c").is_file()}


def _candidates(python: str) -> Iterator[str]:
    on_path = shutil.which(f"python{python}")
    if on_path:
        yield on_path
    executable = "python.exe" if os.name == "nt" else "bin/python"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from (str(each / executable) for each in sorted(pyenv.glob(f"{python}.*")))
    uv = shutil.which("uv")
    if uv:
        command = [uv, "python", "find", "--no-python-downloads", "--no-project", python]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
        yield done.stdout.strip()


def _is_version(interpreter: str, python: str) -> bool:
    """Whether it runs (a shim may not) and is a final release of CPython of that version: others compile to other bytes."""
    told = "import sys; v = sys.version_info; print(sys.implementation.name, f'{v[0]}.{v[1]}', v.releaselevel)"
    try:
        done = subprocess.run([interpreter, "-I", "-c", told], capture_output=True, text=True, check=False)  # noqa: S603 - as above
    except OSError:
        return False
    return done.stdout.split() == ["cpython", python, "final"]


def _system_variables() -> dict[str, str]:
    """What an interpreter needs to start (Windows, and one that finds its libraries by a variable); nothing that changes what it compiles."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP"}
    }
