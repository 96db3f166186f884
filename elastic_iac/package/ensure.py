"""The package that the sources give: built where it is missing, stale or damaged, found otherwise."""

from __future__ import annotations

from pathlib import Path

from elastic_iac.package.base import DEFAULT_PYTHON, Package, Target, read_job
from elastic_iac.package.compiled import find_interpreter
from elastic_iac.package.record import PackagePaths, cache_folder, drop_old, package_paths, read_record
from elastic_iac.package.stamp import stamp_of

_KEPT = 4
"""Packages of earlier sources that stay: another checkout, or an `up` under way, may use them."""


def ensure_package(
    kind: str, *, arch: str | None = None, python: str = DEFAULT_PYTHON, folder: Path | None = None
) -> Package:
    """The package for a target, built only if it is not there as the sources, the lock and the builder now give it.

    Safe when several processes ask at once: one builds, the others wait. One that was built without compiled modules is built again once this
    machine has the Python that makes them.

    Args:
        kind: `aws-lambda` or `gcp-function`.
        arch: As `build_package` takes it.
        python: As `build_package` takes it.
        folder: Where packages are kept; the user's cache where it is not given.

    Raises:
        SettingsError, PackageError: as `build_package` raises them.
    """
    target = Target.of(kind, arch, python)
    stamp = stamp_of(target, read_job())
    home = folder or cache_folder()
    paths = package_paths(home, target, stamp)
    standing = _standing(target, paths, stamp)
    if standing:
        return standing
    from filelock import FileLock  # noqa: PLC0415 - most times there is nothing to build

    from elastic_iac.package.build import build_package  # noqa: PLC0415 - as above

    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f"{target}.lock"):
        standing = _standing(target, paths, stamp)
        if standing:
            return standing
        package = build_package(kind, home, arch=target.arch, python=python)
        drop_old(home, str(target), keep=_KEPT)
        return package


def _standing(target: Target, paths: PackagePaths, stamp: str) -> Package | None:
    found = read_record(paths, stamp)
    lacking = found and target.kind == "aws-lambda" and not found.compiled
    return None if lacking and find_interpreter(target.python) else found
