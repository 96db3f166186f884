"""Whether a package that somebody built runs in the function that it is given to."""

from __future__ import annotations

import platform
import sys
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from elastic_iac.package.base import PackageError, Target
from elastic_iac.package.elf import check_shared_object
from forecasting.errors import SettingsError

_HEADER_BYTES = 64
"""An ELF header's length on 64-bit machines: no more of a file is read."""

_run_here: ContextVar[bool] = ContextVar("functions_run_here", default=False)

_ENTRY_POINTS = {"aws-lambda": "forecasting/entrypoints/aws_lambda.py", "gcp-function": "main.py"}


@contextmanager
def functions_run_here() -> Generator[None]:
    """Judge packages for AWS by this machine's processor and Python.

    An emulated AWS runs a function there, whatever architecture and run time the function declares.
    """
    token = _run_here.set(True)
    try:
        yield
    finally:
        _run_here.reset(token)


def check_package(path: Path, *, kind: str, arch: str, python: str) -> None:
    """Refuse a package of the job that is for another processor, Python or cloud, or that is none.

    What is judged is the zip itself: the processor in each shared object's header, the Python in the names of compiled
    modules. A source package (Google Cloud) has neither, and fits every Python.

    Args:
        path: The zip, as `package_path` names it.
        kind: `aws-lambda` or `gcp-function`.
        arch: The function's processor: `arm64` or `x86_64`.
        python: The function's Python, such as `3.13` (or Lambda's name of it, `python3.13`).

    Raises:
        SettingsError: it does not fit; it names the first file that does not, and the command that builds one that does.
    """
    if _run_here.get() and kind == "aws-lambda":
        arch = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = Target.of(kind, arch, python.removeprefix("python"))
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            _check_entry_point(names, target)
            _check_compiled(names, target)
            for name in names:
                with archive.open(name) as file:
                    check_shared_object(name, file.read(_HEADER_BYTES), target)
    except PackageError as error:
        raise _refused(path, target, str(error)) from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _refused(path, target, f"not a readable zip ({type(error).__name__})") from None


def _check_entry_point(names: list[str], target: Target) -> None:
    wanted = _ENTRY_POINTS[target.kind]
    if wanted not in names:
        raise PackageError(f"{wanted} is not in it: it is no package of this job for {target.kind}")


def _check_compiled(names: list[str], target: Target) -> None:
    """`__pycache__/x.cpython-313.pyc` is read by that Python alone; where others are the sources may be absent."""
    tag = f"cpython-{target.abi[2:]}"
    for name in names:
        stem, dot, rest = name.removesuffix(".pyc").rpartition(".cpython-")
        if name.endswith(".pyc") and dot and f"cpython-{rest.partition('.')[0]}" != tag:
            raise PackageError(f"{stem}: compiled for cpython-{rest}; expected {tag}")


def _refused(path: Path, target: Target, why: str) -> SettingsError:
    arch = f" --arch {target.arch}" if target.kind == "aws-lambda" else ""
    build = f"elastic-iac package {target.kind}{arch} --python {target.python} --out DIR"
    return SettingsError(
        "package_path", str(path), f"a package for {target.arch} and Python {target.python} ({why}); build one: {build}"
    )
