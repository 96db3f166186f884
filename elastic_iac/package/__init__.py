"""The scheduled job as a package that a cloud's function runs: built without Docker, from locked requirements, the same bytes each time.

    from elastic_iac.package import ensure_package

Imports neither Pulumi nor a library of the job: `up` asks on every run whether the package is still the one that the sources give.
"""

from typing import TYPE_CHECKING

from elastic_iac.package.base import Arch, Kind, Package, PackageError
from elastic_iac.package.check import check_package, functions_run_here
from elastic_iac.package.ensure import ensure_package

if TYPE_CHECKING:
    from elastic_iac.package.build import build_package

__all__ = [
    "Arch",
    "Kind",
    "Package",
    "PackageError",
    "build_package",
    "check_package",
    "ensure_package",
    "functions_run_here",
]


def __getattr__(name: str) -> object:
    """Import the builder when it is asked for: most times nothing is built."""
    if name != "build_package":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from elastic_iac.package.build import build_package  # noqa: PLC0415 - as above

    return build_package
