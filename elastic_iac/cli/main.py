"""The `elastic-iac` command.

Each command lives in its own module and imports what it works with when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from elastic_iac.cli import (
    apply,
    backtest,
    calibrate,
    doctor,
    forecast,
    local,
    package,
    pause,
    plan,
    release,
    rollback,
    status,
)
from elastic_iac.cli.demo import command as demo
from forecasting.errors import ElasticIacError
from forecasting.safe_text import printable, redacted, safe_text

DEBUG_VARIABLE = "ELASTIC_IAC_DEBUG"
INTERRUPTED = 130
"""What shells report of a program that Ctrl-C ended: 128 + SIGINT."""

app = typer.Typer(
    name="elastic-iac",
    help="Predictive autoscaling: forecast each group's load and raise its floor before the load comes.",
    epilog="Exit codes: 0 done, 1 failed or held, 2 wrong usage or input. Start with: elastic-iac demo",
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("plan")(plan.plan)
app.command("apply")(apply.apply)
app.command("status")(status.status)
app.command("backtest")(backtest.backtest)
app.command("forecast")(forecast.forecast)
app.command("calibrate")(calibrate.calibrate)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("rollback")(rollback.rollback)
app.command("release")(release.release)
app.command("doctor")(doctor.doctor)
app.command("package")(package.package)
app.add_typer(local.app, name="local")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(version("elastic-iac"))
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[
        bool, typer.Option("--debug", help=f"Show tracebacks and debug logs (or {DEBUG_VARIABLE}=1).")
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """Options before the command."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
    # The project's own logs only: botocore's debug log holds the headers of requests, which are secret.
    for name in ("elastic_iac", "forecasting"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [_Stderr()]
        logger.setLevel(logging.DEBUG if _debug() else logging.WARNING)


class _Stderr(logging.Handler):
    """One line a record; tracebacks are for who asks for them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        lines = [f"{record.levelname.lower()}: {record.getMessage()}"]
        if record.exc_info and _debug():
            lines += traceback.format_exception(*record.exc_info)
        sys.stderr.write(safe_text("\n".join(lines)) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed or held, 2 wrong usage or input, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:  # as a program of its own
        signal.signal(signal.SIGTERM, _terminate)  # ended from outside, it still leaves no process and no folder behind
        # The models' matrices are small: a second thread for each costs more than it gives.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else it tells of connections that end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a character that a terminal lacks is no failure
    as_json = "--json" in given
    try:
        code: int = app(given or ["--help"], prog_name="elastic-iac", standalone_mode=False) or 0
    except ElasticIacError as error:
        return _fail(str(error), type(error).__name__, error.exit_code, as_json=as_json)
    except typer.TyperException as error:
        hint = "" if as_json else " (elastic-iac COMMAND --help shows the options)"
        return _fail(f"{error.format_message()}{hint}", "UsageError", 2, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a defect of ours: one line for the user, the traceback for who asks for it
        if _debug():
            sys.stderr.write(safe_text(traceback.format_exc()))
        text = f"unexpected {type(error).__name__}: {error}; this is a defect: run again with --debug before the command for the traceback"
        return _fail(text, type(error).__name__, 1, as_json=as_json)
    if code == INTERRUPTED:
        return _fail("interrupted", "Interrupted", INTERRUPTED, as_json=as_json)
    return code


def _terminate(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _debug() -> bool:
    return os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}


def _fail(text: str, kind: str, code: int, *, as_json: bool) -> int:
    """One line on stderr; for programs the same as a document on stdout."""
    text = redacted(text)
    sys.stderr.write(f"error: {printable(' '.join(text.split()))}\n")
    if as_json:
        sys.stdout.write(json.dumps({"error": {"type": kind, "message": text, "exit_code": code}}) + "\n")
    return code
