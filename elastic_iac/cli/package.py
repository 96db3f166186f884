"""`elastic-iac package`: the job as a package that a function runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    from rich.table import Table

    from elastic_iac.package import Package

MIB = 1024 * 1024


def package(
    kind: Annotated[str, typer.Argument(help="aws-lambda or gcp-function.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write it to.", show_default=False)],
    arch: Annotated[
        str | None,
        typer.Option("--arch", help="arm64 or x86_64.", show_default="arm64; x86_64 on Google Cloud"),
    ] = None,
    python: Annotated[str, typer.Option("--python", help="The run time's Python: 3.11 to 3.14.")] = "3.13",
    as_json: options.Json = False,
) -> None:
    """Build the function's package, with a list of what is in it (CycloneDX). Needs no Docker; what is fresh is not built again.

    Wheels come from the registry that pip is set up for, and only with the locked digests.

    Example: elastic-iac package aws-lambda --out dist
    """
    from elastic_iac.package import ensure_package  # noqa: PLC0415 - `--help` builds nothing

    output = Output(as_json)
    output.progress(f"{kind}: asking for the package (a first build takes half a minute) ...")
    built = ensure_package(kind, arch=arch, python=python, folder=out)
    note = _note(kind, python, built)
    output.show(_table(built), *([note] if note else []))
    output.document(
        {
            "command": "package",
            "kind": kind,
            "path": str(built.path),
            "sbom": str(built.sbom),
            "sha256": built.sha256,
            "size_bytes": built.size_bytes,
            "unzipped_bytes": built.unzipped_bytes,
            "stamp": built.stamp,
            "compiled": built.compiled,
            **({"note": note} if note else {}),
        }
    )


def _note(kind: str, python: str, built: Package) -> str | None:
    if kind != "aws-lambda" or built.compiled:
        return None
    return (
        f"No compiled modules are in it, because this machine has no Python {python}: a cold start takes nearly three times as long. "
        f"Install one (uv python install {python}) and run this again."
    )


def _table(built: Package) -> Table:
    from rich.table import Table  # noqa: PLC0415 - JSON needs no tables

    table = Table(show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("package", str(built.path))
    table.add_row("contents", str(built.sbom))
    table.add_row("sha256", built.sha256)
    table.add_row("size", f"{built.size_bytes / MIB:.1f} MiB, {built.unzipped_bytes / MIB:.1f} MiB unzipped")
    return table
