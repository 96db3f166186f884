"""A job's settings from where they are kept: a bucket, or a file.

What cannot be read or is wrong anywhere fails the run before anything is written. There is no fallback to settings that were valid once: a job does
not act on settings that nobody can see. What stays is the plan that stands.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from forecasting.errors import SettingsError
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
        SettingsError: the variable is not set; else as `load_settings`.
    """
    url = os.environ.get(SETTINGS_VARIABLE, "")
    if not url:
        raise SettingsError(SETTINGS_VARIABLE, url, _EXPECTED)
    return load_settings(url, session)


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
    scheme, separator, rest = str(url).partition("://")
    if not separator:
        return load_job(Path(url))
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
        text = item.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError("settings", str(url), "UTF-8 text") from error
    return job_of_text(text, str(url))
