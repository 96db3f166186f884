"""Every error that elastic-iac raises on purpose.

    ElasticIacError
    ├── UsageError            the user's input is wrong (exit code 2)
    │   ├── SettingsError     a settings file or a component's argument
    │   └── InputError        a data file: columns, stamps, values
    ├── Hold                  a doubt: nothing is written, the old plan stays, an alarm is raised
    │   ├── Deferred          no doubt, but no time either: nothing is written, the fleet goes first next time
    │   └── StandsBack        no doubt, but not its turn: a short run beside a full one
    ├── SourceError           the load could not be read
    ├── ForecastError         no model could serve, not even the seasonal naive one
    ├── TargetError           the cloud refused or could not be reached
    │   ├── TargetNotFoundError   the group does not exist (deleted, renamed, wrong region)
    │   └── CredentialsError      no, expired or insufficient credentials: never retried
    └── StoreError            the store could not be read or written
        └── ConflictError     somebody else wrote first
    KeyboardInterrupt
    └── InterruptedWriteError Ctrl-C came among the writes to a group

A message names the field, the value and what would be right. It never holds a secret: secrets of URLs are masked here.
"""

from __future__ import annotations

from typing import ClassVar

from forecasting.safe_text import redacted


class ElasticIacError(Exception):
    """The root of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *args: object) -> None:
        super().__init__(*(redacted(each) if isinstance(each, str) else each for each in args))


class UsageError(ElasticIacError):
    """The user's input is wrong."""

    exit_code: ClassVar[int] = 2


class SettingsError(UsageError):
    """A setting is missing, unknown, blank or out of range.

    `newer`: a version or a field that this release does not know, as a newer one would write it.
    """

    def __init__(self, field: str, value: object, expected: str, *, newer: bool = False) -> None:
        self.field = field
        self.newer = newer
        self.value = redacted(value) if isinstance(value, str) else value
        self.expected = expected
        super().__init__(f"{field}: got {self.value!r}; expected {expected}")


class InputError(UsageError):
    """A data file cannot be read as a load series."""


class Hold(ElasticIacError):  # noqa: N818 - an outcome, named as faults and operators name it
    """A doubt: no write at all, the old plan stays.

    Args:
        code: A stable kebab-case word for alarms and tests, e.g. `no-scale-in-path`.
        reason: What is in doubt and what a person can do about it.
    """

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = redacted(reason)
        super().__init__(f"{code}: {reason}")


class Deferred(Hold):
    """What a fleet needs does not fit into the time that is left: nothing is written, and it goes first next time."""


class StandsBack(Hold):
    """It is another run's turn: a short run writes nothing, and the plan stands."""


class SourceError(ElasticIacError):
    """The load could not be read, or not wholly."""


class ForecastError(ElasticIacError):
    """No model could serve."""


class TargetError(ElasticIacError):
    """The cloud refused a call or could not be reached."""


class TargetNotFoundError(TargetError):
    """The group does not exist."""


class CredentialsError(TargetError):
    """There are no credentials, or they are expired or insufficient."""


class StoreError(ElasticIacError):
    """The store could not be read or written."""


class ConflictError(StoreError):
    """A conditional write lost: somebody else wrote first."""


class InterruptedWriteError(KeyboardInterrupt):
    """Ctrl-C came among the writes to a group. Not an `Exception`: nothing may go on as after a failure.

    Args:
        fleet: Name of the fleet.
        command: The command that goes on when it is run again.
        written: Calls that have returned; one more may have been made.
        planned: Calls that the command needs.
    """

    def __init__(self, fleet: str, command: str, written: int, planned: int) -> None:
        self.fleet = fleet
        self.command = command
        self.written = written
        self.planned = planned
        super().__init__(
            f"{fleet}: interrupted: {written} of {planned} written; safe: each slot has its old or its new value; "
            f"run {command} again"
        )
