"""`elastic-iac local`: the local cloud in the background, for trying commands by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    from elastic_iac.local.daemon import Running

app = typer.Typer(
    help="A local stand-in for AWS that keeps Auto Scaling's and CloudWatch's rules. No account is needed.",
    no_args_is_help=True,
)

StateDir = Annotated[Path, typer.Option("--state-dir", help="Where the running cloud's address is kept.")]
_STATE_DIR = Path(".elastic-iac")


@app.command("up")
def up(
    region: Annotated[str, typer.Option("--region", help="Its default region.")] = "us-east-1",
    state_dir: StateDir = _STATE_DIR,
    *,
    as_json: options.Json = False,
) -> None:
    """Start the local cloud, or find the one that runs, and print the environment that points AWS clients at it.

    Example: eval "$(elastic-iac local up)"
    """
    from elastic_iac.local import daemon  # noqa: PLC0415 - `--help` starts nothing

    output = Output(as_json)
    if daemon.status(state_dir) is None:
        output.progress("starting the local cloud ...")
    running = daemon.up(state_dir, region)
    _show(output, running)


@app.command("down")
def down(state_dir: StateDir = _STATE_DIR, *, as_json: options.Json = False) -> None:
    """Stop the local cloud. Everything in it is gone.

    Example: elastic-iac local down
    """
    from elastic_iac.local import daemon  # noqa: PLC0415

    output = Output(as_json)
    stopped = daemon.down(state_dir)
    output.show("The local cloud is stopped." if stopped else "No local cloud runs here.")
    output.document({"command": "local down", "running": False, "stopped": stopped})


@app.command("status")
def status(state_dir: StateDir = _STATE_DIR, *, as_json: options.Json = False) -> None:
    """Say whether the local cloud runs; exit code 1 where it does not.

    Example: elastic-iac local status
    """
    from elastic_iac.local import daemon  # noqa: PLC0415

    output = Output(as_json)
    running = daemon.status(state_dir)
    if running is None:
        output.show("No local cloud runs here; start one with: elastic-iac local up")
        output.document({"command": "local status", "running": False})
        raise typer.Exit(1)
    _show(output, running)


def _show(output: Output, running: Running) -> None:
    environment = running.environment()
    if not output.as_json:
        # Not wrapped to the terminal's width: a shell reads it.
        typer.echo("\n".join(_assignment(name, value) for name, value in environment.items()))
    content: dict[str, Any] = {"command": "local", "running": True, "endpoint_url": running.endpoint_url}
    output.document(content | {"region": running.region, "pid": running.pid, "environment": environment})


def _assignment(name: str, value: str) -> str:
    """One line for the shell that people use on this system."""
    return f"$env:{name} = '{value}'" if os.name == "nt" else f"export {name}={value}"
