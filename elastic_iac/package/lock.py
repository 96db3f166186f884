"""The locked requirements of a function: those that its Python and machine need."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.markers import Marker
from packaging.utils import NormalizedName, canonicalize_name

from elastic_iac.package.base import PackageError, Target, locked_file


@dataclass(frozen=True)
class Requirement:
    """One distribution.

    Attributes:
        name: Normalised.
        version: The one that is locked.
        hashes: SHA-256 in hex of every file of that version.
    """

    name: NormalizedName
    version: str
    hashes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def line(self) -> str:
        """As pip reads it."""
        return " ".join([str(self), *(f"--hash=sha256:{each}" for each in sorted(self.hashes))])


def locked_requirements(target: Target) -> list[Requirement]:
    """What the target needs of the lock, in the lock's order.

    pip judges environment markers by the Python that it runs on, so they are judged here, by the function's.

    Raises:
        PackageError: a line of the lock cannot be read.
    """
    text = locked_file(target.kind).read_text(encoding="utf-8").replace("\\\n", " ")
    found: list[Requirement] = []
    for line in text.splitlines():
        stated, *hashes = line.partition("#")[0].split("--hash=sha256:")
        wanted, _, marker = stated.partition(";")
        name, equals, version = (part.strip() for part in wanted.partition("=="))
        if not wanted.strip() or (marker.strip() and not Marker(marker).evaluate(dict(target.marker_environment))):
            continue
        if not (equals and hashes):
            raise PackageError(
                f"{target.kind}.txt: {line.strip()[:80]!r} is not locked; expected NAME==VERSION with hashes"
            )
        found.append(Requirement(canonicalize_name(name), version, frozenset(each.strip() for each in hashes)))
    return found
