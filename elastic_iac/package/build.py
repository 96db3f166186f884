"""Build a function's package."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from elastic_iac.package.archive import write_zip
from elastic_iac.package.base import DEFAULT_PYTHON, Package, PackageError, Target, job_files, locked_file
from elastic_iac.package.compiled import compile_sources, find_interpreter
from elastic_iac.package.elf import check_shared_object
from elastic_iac.package.lock import locked_requirements
from elastic_iac.package.prune import is_shipped
from elastic_iac.package.record import cache_folder, package_paths, write_record
from elastic_iac.package.sbom import Component, software_bill
from elastic_iac.package.stamp import stamp_of
from elastic_iac.package.wheels import fetch_wheels

MIB = 1024 * 1024
MAX_UNZIPPED_BYTES = 235 * MIB
"""Lambda takes 250 MiB unzipped (262,144,000 bytes, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html), layers counted in:
the rest is left for a layer of the user's, such as a tracing agent."""

_GCP_MAIN = b"""# The entry point that the function's run time looks for.
from forecasting.entrypoints.gcp_function import handle

__all__ = ["handle"]
"""


def build_package(kind: str, out: Path, *, arch: str | None = None, python: str = DEFAULT_PYTHON) -> Package:
    r"""Build a package, whatever stands there already.

    For AWS: the wheels of the locked requirements for the function's Python and processor, pruned and compiled, and the job. Compiled modules need
    a Python of the function's minor version on this machine; where there is none the sources are shipped and `Package.compiled` is False.
    For Google Cloud: the job and its locked requirements, which Cloud Build installs.

    The same wheels and the same interpreter give the same bytes. The zip, its SBOM (`\*.cdx.json`) and a record of it (`\*.json`) are named by the
    target and the stamp of what they were built from.

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
    stamp = stamp_of(target)
    interpreter = find_interpreter(python) if target.kind == "aws-lambda" else None
    if target.kind == "aws-lambda":
        files, components = _installed(target, interpreter)
    else:
        files, components = _source(target)
    unzipped = check_size(files)
    out.mkdir(parents=True, exist_ok=True)
    paths = package_paths(out, target, stamp)
    write_zip(paths.zip, files)
    digest = hashlib.sha256(paths.zip.read_bytes()).hexdigest()
    bill = software_bill(target, components, sha256=digest)
    paths.sbom.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    package = Package(
        path=paths.zip,
        sha256=digest,
        size_bytes=paths.zip.stat().st_size,
        unzipped_bytes=unzipped,
        sbom=paths.sbom,
        stamp=stamp,
        compiled=interpreter is not None,
    )
    write_record(paths, package)
    return package


def check_size(files: Mapping[str, bytes]) -> int:
    """Bytes of the files unzipped.

    Raises:
        PackageError: they are too many for Lambda.
    """
    unzipped = sum(map(len, files.values()))
    if unzipped > MAX_UNZIPPED_BYTES:
        raise PackageError(
            f"unzipped size: {unzipped / MIB:.1f} MiB; expected at most {MAX_UNZIPPED_BYTES / MIB:.0f} MiB"
        )
    return unzipped


def _source(target: Target) -> tuple[dict[str, bytes], list[Component]]:
    """What Cloud Build makes a function of."""
    files = {name: path.read_bytes() for name, path in job_files()}
    files |= {"main.py": _GCP_MAIN, "requirements.txt": locked_file(target.kind).read_bytes()}
    return files, [Component(each) for each in locked_requirements(target)]


def _installed(target: Target, interpreter: str | None) -> tuple[dict[str, bytes], list[Component]]:
    """What Lambda unpacks."""
    files: dict[str, bytes] = {}
    components: list[Component] = []
    for requirement, wheel in fetch_wheels(locked_requirements(target), target, cache_folder() / "wheels").items():
        content, metadata = _unpack(wheel, target)
        clash = next((name for name in content if name in files), None)
        if clash:
            raise PackageError(
                f"{clash}: two distributions have it, {requirement} is one; expected one owner of each file"
            )
        files |= content
        components.append(Component(requirement, hashlib.sha256(wheel.read_bytes()).hexdigest(), metadata))
    own = {name: path.read_bytes() for name, path in job_files()}
    if interpreter is not None:
        _compile(files, own, interpreter, target)
    return files | own, components


def _unpack(wheel: Path, target: Target) -> tuple[dict[str, bytes], bytes]:
    """What of a wheel is shipped, as it is installed, and its metadata."""
    files: dict[str, bytes] = {}
    metadata = b""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = _installed_name(entry.filename)
            if entry.is_dir() or name is None or not is_shipped(name):
                continue
            files[name] = archive.read(entry)
            check_shared_object(name, files[name], target)
            if name.endswith(".dist-info/METADATA"):
                metadata = files[name]
    return files, metadata


def _installed_name(name: str) -> str | None:
    """Where a wheel's file is installed (https://packaging.python.org/specifications/binary-distribution-format/); None for programs and headers."""
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    scheme, _, path = rest.partition("/")
    return path if scheme in {"purelib", "platlib"} else None


def _compile(files: dict[str, bytes], own: dict[str, bytes], interpreter: str, target: Target) -> None:
    """Libraries keep only what is compiled, for both would not fit; the job keeps its sources too, for its tracebacks."""
    sources = {name: content for name, content in files.items() if name.endswith(".py")}
    for name, compiled in compile_sources(sources | _modules(own), interpreter).items():
        if name in own:
            path = PurePosixPath(name)
            own[str(path.parent / "__pycache__" / f"{path.stem}.cpython-{target.abi[2:]}.pyc")] = compiled
        else:
            del files[name]
            files[f"{name}c"] = compiled


def _modules(own: Mapping[str, bytes]) -> dict[str, bytes]:
    """The job's modules."""
    return {name: content for name, content in own.items() if name.endswith(".py")}
