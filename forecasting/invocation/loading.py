"""A job's settings from where they are kept: a bucket, or a file.

What cannot be read or is wrong anywhere fails the run before anything is written. There is no fallback to settings that were valid once: a job does
not act on settings that nobody can see. What stays is the plan that stands.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from forecasting.errors import SettingsError
from forecasting.invocation.summary import OUTDATED, FleetLine, Summary
from forecasting.run import Kind
from forecasting.settings import GcsStore, Job, S3Store, job_of_text, load_job, validated
from forecasting.store import open_store

if TYPE_CHECKING:
    import boto3.session

SETTINGS_VARIABLE = "ELASTIC_IAC_SETTINGS"
"""Environment variable that tells a function where its settings are."""

_EXPECTED = "s3://BUCKET/KEY.json, gs://BUCKET/KEY.json or a .yaml, .yml or .json file"


def environment_settings(session: boto3.session.Session | None = None) -> Job:
    """The settings that `ELASTIC_IAC_SETTINGS` names.

    Raises:
        OutdatedPackageError: they are of a newer release than this package.
        SettingsError: the variable is not set; else as `load_settings`.
    """
    url = os.environ.get(SETTINGS_VARIABLE, "")
    if not url:
        raise SettingsError(SETTINGS_VARIABLE, url, _EXPECTED)
    if "://" not in url:
        return load_settings(url, session)
    text = _text_at(url, session)
    try:
        return job_of_text(text, url)
    except SettingsError as error:
        if error.newer and (outdated := _outdated(error, text)):
            raise outdated from None
        raise


class OutdatedPackageError(SettingsError):
    """The settings have a version or a field that this package does not know: the components were updated, the function was not.

    Attributes:
        job: Name of the job.
        fleets: Names of its fleets, which are held.
    """

    def __init__(self, error: SettingsError, job: str, fleets: tuple[str, ...]) -> None:
        self.job = job
        self.fleets = fleets
        expected = (
            f"{error.expected}: if the stack's components are of a newer release than the function's package, deploy the package of "
            "that release (`pulumi up` builds it; a `package_path` of your own: build it again by `elastic-iac package`). "
            "Until then nothing is written, and the old plan runs on"
        )
        super().__init__(error.field, error.value, expected, newer=True)

    def summary(self, run_id: str, now: datetime, kind: Kind) -> Summary:
        """The run as it is reported: every fleet is held."""
        lines = tuple(FleetLine(name, "held", now, OUTDATED, str(self)) for name in self.fleets)
        return Summary(self.job, kind, run_id, now, 0.0, lines, None)


def _outdated(error: SettingsError, text: str) -> OutdatedPackageError | None:
    """The error with the names that the settings hold; None if they hold none."""
    with suppress(ValueError):
        data: object = json.loads(text)
        if isinstance(data, dict):
            known = cast("dict[str, object]", data)
            job, fleets = known.get("name"), known.get("fleets")
            given = cast("list[object]", fleets) if isinstance(fleets, list) else []
            named = [cast("dict[str, object]", each).get("name") for each in given if isinstance(each, dict)]
            names = tuple(each for each in named if isinstance(each, str))
            if isinstance(job, str) and names:
                return OutdatedPackageError(error, job, names)
    return None


def checked_kind(kind: object) -> Kind:
    """The kind of run that an event names; full where it names none.

    Raises:
        SettingsError: there is no such kind.
    """
    if kind is None or kind == "full":
        return "full"
    if kind == "short":
        return "short"
    raise SettingsError("kind", kind, "'full' or 'short'")


def load_settings(url: str | Path, session: boto3.session.Session | None = None) -> Job:
    """Read and validate the settings at `url`.

    Args:
        url: `s3://BUCKET/KEY`, `gs://BUCKET/KEY` or a path; the ending says whether it is JSON or YAML.
        session: Credentials for S3; boto3's standard chain where it is not given.

    Raises:
        SettingsError: nothing is there, or it is wrong; it names the field, the value and what would be right.
        CredentialsError, StoreError: the bucket may not or cannot be read.
    """
    if "://" not in str(url):
        return load_job(Path(url))
    return job_of_text(_text_at(str(url), session), str(url))


def _text_at(url: str, session: boto3.session.Session | None) -> str:
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if not bucket or not key or scheme not in {"s3", "gs"}:
        raise SettingsError("settings", str(url), _EXPECTED)
    place = (
        validated(S3Store, {"kind": "s3", "bucket": bucket, "prefix": ""})
        if scheme == "s3"
        else validated(GcsStore, {"kind": "gcs", "bucket": bucket, "prefix": ""})
    )
    item = open_store(place, session).get(key)
    if item is None:
        raise SettingsError("settings", str(url), "an object that exists")
    try:
        return item.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError("settings", str(url), "UTF-8 text") from error
