"""What a command prints: tables for people, or one JSON document for programs. Never both on stdout.

Both are safe: secrets of URLs are masked, and on pages each control character of a name is escaped (`forecasting.safe_text`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from forecasting.safe_text import redacted_document

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(frozen=True)
class Output:
    """Where a command's words go.

    Attributes:
        as_json: One JSON document on stdout and nothing else there.
    """

    as_json: bool = False

    def show(self, *parts: RenderableType) -> None:
        """The result for a person, part below part: on stdout, not at all where JSON is asked for."""
        if not self.as_json:
            for part in parts:
                self._stdout.print(part)

    def progress(self, text: str) -> None:
        """What is under way: on stderr, so that it is never part of a result."""
        self._stderr.print(text, style="dim")

    def warn(self, text: str) -> None:
        """What must not be missed: on stderr, in bold."""
        self._stderr.print(text, style="bold red", soft_wrap=True)

    @contextmanager
    def counter(self, what: str) -> Generator[Callable[[int, int], None]]:
        """A progress bar on stderr, where that is a terminal; call it with the number done and the number of all."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._stderr, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def document(self, content: Mapping[str, Any]) -> None:
        """The result for a program."""
        if self.as_json:
            sys.stdout.write(json.dumps(redacted_document(content), indent=2, allow_nan=False) + "\n")

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._stdout.width

    @property
    def plain(self) -> bool:
        """Whether the terminal's encoding has no block characters."""
        return self._stdout.options.ascii_only

    @cached_property
    def _stdout(self) -> Console:
        return _console(stderr=False)

    @cached_property
    def _stderr(self) -> Console:
        return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from elastic_iac.cli.safe_console import SafeConsole  # noqa: PLC0415 - `--help` and JSON need no tables

    return SafeConsole(stderr=stderr, highlight=False, markup=False)  # what a cloud or a file says may hold brackets
