"""Pulumi runs this file."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)  # `main: stacks` has made this folder the import root

import pulumi  # noqa: E402

from forecasting.errors import SettingsError  # noqa: E402 - it is found by the line above
from stacks.program import declare  # noqa: E402

try:
    declare()
except SettingsError as error:  # a message without a traceback
    raise pulumi.RunError(str(error)) from error
