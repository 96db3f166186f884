"""Commands that ask before they write."""

from __future__ import annotations

import sys

from forecasting.errors import UsageError


def refuse_silence(*, yes: bool, as_json: bool) -> None:
    """A command that asks needs somebody to answer.

    Raises:
        UsageError: there is nobody, and `--yes` is not given.
    """
    if yes:
        return
    if as_json:
        raise UsageError("--json asks nothing: give --yes with it")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask at: give --yes, or look first with `elastic-iac plan`")
