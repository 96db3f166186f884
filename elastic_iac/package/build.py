"""Build a function's package."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from elastic_iac.package.archive import write_zip
from elastic_iac.package.base import DEFAULT_PYTHON, Package, PackageError, Target, locked_file, read_job
from elastic_iac.package.compiled import compile_sources, find_interpreter
from elastic_iac.package.libraries import libraries
from elastic_iac.package.lock import locked_requirements
from elastic_iac.package.record import cache_folder, package_paths, write_record
from elastic_iac.package.sbom import component, software_bill
from elastic_iac.package.stamp import stamp_of

MIB = 1024 * 1024
MAX_UNZIPPED_BYTES = 235 * MIB
"""Lambda takes 250 MiB unzipped (262,144,000 bytes, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html), layers counted in:
the rest is left for a layer of the user's, such as a tracing agent."""

_GCP_MAIN = b'''"""The entry point that the function's run time looks for."""

from forecasting.entrypoints.gcp_function import handle

__all__ = ["handle"]
'''


def build_package(kind: str, out: Path, *, arch: str | None = None, python: str = DEFAULT_PYTHON) -> Package:
    r"""Build a package, whatever package stands there already.

    For AWS: the wheels of the locked requirements for the function's Python and processor, pruned and compiled, and the job. Compiled modules need
    a Python of the function's minor version on this machine; where there is none the sources are shipped and `Package.compiled` is False.
    For Google Cloud: the job and its locked requirements, which Cloud Build installs.

    The same wheels and the same interpreter give the same bytes. The zip, its SBOM (`\*.cdx.json`) and a record of it (`\*.json`) are named by the
    target and the stamp of what they were built from. Wheels and compiled libraries are kept in the user's cache (`ELASTIC_IAC_CACHE`).

    Args:
        kind: `aws-lambda` or `gcp-function`.
        out: The folder that they are written to; made where it is absent.
        arch: `arm64` or `x86_64`; by default arm64 on AWS and x86_64, the only one there is, on Google Cloud.
        python: The run time's Python, major and minor. Lambda's 3.11 stands on a Linux too old for today's wheels: here it serves local clouds
            that run this Python.

    Raises:
        SettingsError: no such function, processor or Python.
        PackageError: the registry cannot be reached or has no fitting wheel; a file is for another machine; it is too large.
    """
    target = Target.of(kind, arch, python)
    job = read_job()
    paths = package_paths(out, target, stamp_of(target, job))
    out.mkdir(parents=True, exist_ok=True)
    if target.kind == "aws-lambda":
        interpreter = find_interpreter(python)
        components = _write_lambda(paths.zip, target, job, interpreter)
        compiled = interpreter is not None
    else:
        components = _write_source(paths.zip, target, job)
        compiled = False
    digest = hashlib.sha256(paths.zip.read_bytes()).hexdigest()
    bill = software_bill(target, components, sha256=digest)
    paths.sbom.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    package = Package(
        path=paths.zip,
        sha256=digest,
        size_bytes=paths.zip.stat().st_size,
        unzipped_bytes=_unzipped_bytes(paths.zip),
        sbom=paths.sbom,
        stamp=stamp_of(target, job),
        compiled=compiled,
    )
    write_record(paths, package)
    return package


def check_size(unzipped_bytes: int) -> None:
    """Refuse what Lambda would.

    Raises:
        PackageError: it is too large.
    """
    if unzipped_bytes > MAX_UNZIPPED_BYTES:
        raise PackageError(
            f"unzipped size: {unzipped_bytes / MIB:.1f} MiB; expected at most {MAX_UNZIPPED_BYTES / MIB:.0f} MiB"
        )


def _write_source(path: Path, target: Target, job: dict[str, bytes]) -> list[dict[str, Any]]:
    """What Cloud Build makes a function of."""
    write_zip(path, {**job, "main.py": _GCP_MAIN, "requirements.txt": locked_file(target.kind).read_bytes()})
    return [component(each) for each in locked_requirements(target)]


def _write_lambda(path: Path, target: Target, job: dict[str, bytes], interpreter: str | None) -> list[dict[str, Any]]:
    """What Lambda unpacks. The job keeps its sources beside what is compiled: its tracebacks are read most."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    found = libraries(target, interpreter, cache)
    files = dict(job)
    if interpreter is not None:
        sources = {name: content for name, content in job.items() if name.endswith(".py")}
        for name, compiled in compile_sources(sources, interpreter).items():
            source = PurePosixPath(name)
            files[f"{source.parent}/__pycache__/{source.stem}.cpython-{target.abi[2:]}.pyc"] = compiled
    check_size(_unzipped_bytes(found.path) + sum(map(len, files.values())))
    write_zip(path, files, start=found.path)
    return found.components


def _unzipped_bytes(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())
