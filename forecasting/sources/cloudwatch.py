"""Load from Amazon CloudWatch through GetMetricData.

Region and group come from the fleet; credentials, endpoint (`AWS_ENDPOINT_URL`) and the rest from boto3's standard chain.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3.session
import pandas as pd
import tenacity
from botocore import exceptions as botocore_errors
from botocore.config import Config

from forecasting.aws_denials import DENIED, cause_of
from forecasting.aws_session import limited
from forecasting.deadline import NoAnswerError, within
from forecasting.errors import CredentialsError, InputError, SourceError
from forecasting.sources.base import Reading

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

    from forecasting import settings as _settings

RETENTION = ((3600, timedelta(days=455)), (300, timedelta(days=63)), (60, timedelta(days=15)))
"""How long CloudWatch keeps samples whose length is a multiple of these seconds (CloudWatch user guide, "Metrics retention")."""

MAX_POINTS_PER_CALL = 100_800
"""GetMetricData's limit (API reference, `MaxDatapoints`). Four metrics over a period's whole retention stay below it, so a read is never split."""

MAX_ATTEMPTS = 4
"""Reads of the whole range before an incomplete answer is given up; boto3 retries failed calls by itself, this is for a 200 that holds a failure."""

READ_SECONDS = 120.0
"""Longest read of a fleet's metrics, retries and pages included; less if the run has less time left."""

_WAIT = tenacity.wait_random_exponential(multiplier=0.5, max=5)

_CREDENTIAL_ERRORS = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.TokenRetrievalError,
    botocore_errors.NoAuthTokenError,
    botocore_errors.SSOError,
    botocore_errors.LoginError,
    botocore_errors.ProfileNotFound,
)


class CloudWatchSource:
    """Reads the load of a group from one metric, with the metrics that say how far it can be trusted."""

    def __init__(
        self,
        settings: _settings.CloudWatchSource,
        *,
        target: _settings.AwsTarget,
        session: boto3.session.Session | None = None,
    ) -> None:
        self._settings = settings
        self._target = target
        self._session = session

    def read(self, start: datetime, end: datetime) -> Reading:
        """Samples with start <= stamp < end; see `forecasting.sources.base.Source`.

        A start earlier than CloudWatch keeps samples of this length, counted back from `end`, is moved, and a warning says so.
        """
        if start.tzinfo is None or end.tzinfo is None:
            raise InputError(f"start {start} and end {end} must have a UTC offset")
        period = self._settings.period_seconds
        start, warnings = _within_retention(start, end, period)
        if start >= end:
            return _reading({}, self._settings, warnings)
        with _errors_of(self._target.region):
            session: Any = (
                self._session or boto3.session.Session()
            )  # the stubs of `client` know the installed services only
            config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=30)
            made = session.client("cloudwatch", region_name=self._target.region, config=config)
            client: CloudWatchClient = limited(made)
            answer = within(READ_SECONDS, lambda: _retrying(client, self._queries(), start, end))
        return _reading(answer.series, self._settings, (*warnings, *answer.messages))

    def _queries(self) -> list[MetricDataQueryTypeDef]:
        settings = self._settings
        metrics: dict[str, _settings.CloudWatchMetric] = {"load": settings.metric}
        if settings.utilisation is not None:
            metrics["utilisation"] = settings.utilisation
        if settings.refused is not None:
            metrics["refused"] = settings.refused
        queries = [_query(name, metric, settings.period_seconds) for name, metric in metrics.items()]
        if settings.per_instance:
            queries.append(_in_service(self._target.group_name, settings.period_seconds))
        return queries


def _within_retention(start: datetime, end: datetime, period: int) -> tuple[datetime, tuple[str, ...]]:
    """The start, on the period's grid, moved to what CloudWatch still keeps."""
    kept = next(kept for seconds, kept in RETENTION if period % seconds == 0)
    warnings: tuple[str, ...] = ()
    if start < end - kept:
        days = round((end - start) / timedelta(days=1))
        warnings = (
            f"CloudWatch keeps samples of {period} s for {kept.days} days: {days} were asked for, {kept.days} are read",
        )
        start = end - kept
    # CloudWatch answers with whole samples on multiples of the period. Rounding up stays within what was asked for.
    return datetime.fromtimestamp(math.ceil(start.timestamp() / period) * period, UTC), warnings


def _query(name: str, metric: _settings.CloudWatchMetric, period: int) -> MetricDataQueryTypeDef:
    query: MetricDataQueryTypeDef = {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.metric_name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in metric.dimensions.items()],
            },
            "Period": period,
            "Stat": metric.statistic,
        },
    }
    if metric.unit is not None and "MetricStat" in query:
        query["MetricStat"]["Unit"] = metric.unit  # pyright: ignore[reportGeneralTypeIssues] - any text; CloudWatch checks it
    return query


def _in_service(group_name: str, period: int) -> MetricDataQueryTypeDef:
    return {
        "Id": "instances",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/AutoScaling",
                "MetricName": "GroupInServiceInstances",
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group_name}],
            },
            "Period": period,
            "Stat": "Average",
        },
    }


class _IncompleteError(Exception):
    """A 200 that does not hold everything; `codes` are the results' status codes by query."""

    def __init__(self, codes: dict[str, str]) -> None:
        self.codes = codes
        super().__init__(", ".join(f"{name}: {code}" for name, code in codes.items()))


class _Answer:
    """All pages of one GetMetricData."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.statuses: dict[str, str] = {}
        self._points: dict[str, tuple[list[datetime], list[float]]] = {}

    def add(self, page: Any) -> None:
        for message in page.get("Messages", []):
            self._say(message)
        for result in page["MetricDataResults"]:
            stamps, values = self._points.setdefault(result["Id"], ([], []))
            stamps += result["Timestamps"]
            values += result["Values"]
            self.statuses[result["Id"]] = result.get("StatusCode", "Complete")
            for message in result.get("Messages", []):
                self._say(message)

    def _say(self, message: Any) -> None:
        text = f"CloudWatch: {message.get('Code', 'message')}: {message.get('Value', '')}"[:300]
        if text not in self.messages:
            self.messages.append(text)

    @property
    def series(self) -> dict[str, pd.Series[float]]:
        return {name: _series(stamps, values) for name, (stamps, values) in self._points.items()}


def _retrying(
    client: CloudWatchClient, queries: list[MetricDataQueryTypeDef], start: datetime, end: datetime
) -> _Answer:
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
        wait=_WAIT,
        retry=tenacity.retry_if_exception_type(_IncompleteError),
        reraise=True,
    )
    try:
        return attempts(_read_all, client, queries, start, end)
    except _IncompleteError as error:
        text = f"CloudWatch gave less than everything in {MAX_ATTEMPTS} attempts ({error})"
        if "Forbidden" in error.codes.values():
            raise CredentialsError(f"{text}: the role may not read that metric's account") from None
        raise SourceError(text) from None


def _read_all(
    client: CloudWatchClient, queries: list[MetricDataQueryTypeDef], start: datetime, end: datetime
) -> _Answer:
    answer = _Answer()
    tokens: set[str] = set()
    more: dict[str, str] = {}
    while True:
        page = client.get_metric_data(
            MetricDataQueries=queries,
            StartTime=start,
            EndTime=end,
            ScanBy="TimestampAscending",
            MaxDatapoints=MAX_POINTS_PER_CALL,
            **more,  # pyright: ignore[reportArgumentType] - only NextToken
        )
        answer.add(page)
        token = page.get("NextToken")
        failed = {name: code for name, code in answer.statuses.items() if code not in {"Complete", "PartialData"}}
        # PartialData is a page's normal status while more pages follow, a failure at the end.
        partial = {name: code for name, code in answer.statuses.items() if code == "PartialData" and not token}
        if failed or partial or token in tokens:
            raise _IncompleteError({**failed, **partial} or {"NextToken": "repeated"})
        if not token:
            return answer
        tokens.add(token)
        more = {"NextToken": token}


def _series(stamps: list[datetime], values: list[float]) -> pd.Series[float]:
    return pd.Series(values, index=pd.DatetimeIndex(pd.to_datetime(stamps, utc=True)), dtype=float, name="load")


def _reading(
    series: dict[str, pd.Series[float]], settings: _settings.CloudWatchSource, warnings: tuple[str, ...]
) -> Reading:
    nothing = _series([], [])
    load = series.get("load", nothing)
    metric = settings.metric
    if load.empty:
        where = ", ".join(f"{key}={value}" for key, value in metric.dimensions.items()) or "no dimensions"
        text = (
            f"{metric.namespace} {metric.metric_name} ({where}) has no samples; check name, dimensions, unit and region"
        )
        warnings = (*warnings, text)
    if metric.statistic == "Sum":
        load = load / settings.period_seconds
    if settings.per_instance:
        load = load * _at(series.get("instances", nothing), load.index)
        if load.isna().all() and not load.empty:
            text = (
                "GroupInServiceInstances has no samples: enable the group's metrics; without them an average is no load"
            )
            warnings = (*warnings, text)
    censored = None
    if settings.utilisation is not None or settings.refused is not None:
        censored = _at(series.get("refused", nothing), load.index) > 0
        if settings.saturated_above is not None:
            utilisation = series.get("utilisation", nothing)
            censored |= _at(utilisation, load.index) >= settings.saturated_above
            if utilisation.empty:
                warnings = (*warnings, "the utilisation metric has no samples: no sample is marked as saturated")
    return Reading(load=load, sample_seconds=settings.period_seconds, censored=censored, warnings=warnings)


def _at(series: pd.Series[float], index: pd.Index) -> pd.Series[float]:
    """The values at these stamps, NaN where there is none."""
    return series[~series.index.duplicated(keep="last")].reindex(index)


@contextmanager
def _errors_of(region: str) -> Generator[None]:
    """Turn what boto3 raises into the project's errors; the original is left out, because its text may hold a secret."""
    try:
        yield
    except botocore_errors.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        message = str(error.response.get("Error", {}).get("Message", ""))
        if code in DENIED:
            text = f"GetMetricData in {region}: AWS answered {code}: {cause_of(code, message)}; the job needs cloudwatch:GetMetricData"
            raise CredentialsError(text) from None
        detail = ""
        if code.startswith(("Validation", "Invalid", "Missing")):  # these quote the request's parameters only
            detail = f": {message[:200]}"
        raise SourceError(f"CloudWatch GetMetricData in {region} failed ({code}){detail}") from None
    except _CREDENTIAL_ERRORS as error:
        text = (
            f"no usable AWS credentials for {region} ({type(error).__name__}); set them in the environment or a profile"
        )
        raise CredentialsError(text) from None
    except NoAnswerError as error:
        raise SourceError(f"CloudWatch GetMetricData in {region}: {error}") from None
    except (botocore_errors.BotoCoreError, botocore_errors.HTTPClientError) as error:
        raise SourceError(f"CloudWatch in {region} could not be reached ({type(error).__name__})") from None
