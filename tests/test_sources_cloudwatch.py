"""CloudWatch: against the double of AWS over HTTP, and against canned answers where an emulator cannot give them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3.session
import pandas as pd
import pytest
import tenacity
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.faults import access_denied, expired_token, metric_status
from forecasting.errors import CredentialsError, InputError, SourceError
from forecasting.settings import AwsTarget, CloudWatchMetric, CloudWatchSource
from forecasting.sources import Reading, open_source
from forecasting.sources.cloudwatch import MAX_ATTEMPTS, MAX_POINTS_PER_CALL, RETENTION

END = datetime(2026, 3, 1, tzinfo=UTC)
START = END - timedelta(hours=1)
REGION = "us-east-1"
TARGET = AwsTarget(region=REGION, group_name="web")
REQUESTS = CloudWatchMetric(namespace="App", metric_name="Requests", dimensions={"Balancer": "web"}, statistic="Sum")
CPU = CloudWatchMetric(namespace="App", metric_name="Cpu", dimensions={"Balancer": "web"})
REFUSED = CloudWatchMetric(namespace="App", metric_name="Refused", dimensions={"Balancer": "web"}, statistic="Sum")
SECRET = "wJalrXUtnFEMI"


def settings(**changes: Any) -> CloudWatchSource:
    return CloudWatchSource.model_validate({"kind": "cloudwatch", "metric": REQUESTS, **changes})


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecasting.sources.cloudwatch._WAIT", tenacity.wait_none())


# --- over HTTP ---------------------------------------------------------------------------------------------------------


class Cloud:
    """The double with samples every 5 min of the last day, which ends at `end`."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.client: Any = aws.client("cloudwatch")
        self.end = aws.clock.now().replace(minute=0)
        self.start = self.end - timedelta(days=1)

    def put(self, metric: CloudWatchMetric, values: list[float], **more: Any) -> None:
        names = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
        stamps = [self.start + timedelta(minutes=5 * number) for number in range(len(values))]
        data = [
            {"MetricName": metric.metric_name, "Dimensions": names, "Timestamp": stamp, "Value": value, **more}
            for stamp, value in zip(stamps, values, strict=True)
        ]
        self.client.put_metric_data(Namespace=metric.namespace, MetricData=data)

    def read(self, **changes: Any) -> Reading:
        return open_source(settings(**changes), target=TARGET).read(self.start - timedelta(days=2), self.end)

    def reads(self) -> int:
        return sum(call.action == "GetMetricData" for call in self.aws.calls)


@pytest.fixture
def cloud(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return Cloud(aws)


def test_a_sum_becomes_a_rate_at_the_start_of_each_period(cloud: Cloud) -> None:
    cloud.put(REQUESTS, [300.0 * number for number in range(288)])
    cloud.put(REQUESTS, [600.0] * 288)  # a second sample in each period
    load = cloud.read().load.sort_index()
    assert load.index.equals(pd.date_range(cloud.start, periods=288, freq="5min"))
    assert load.to_list() == [number + 2 for number in range(288)]


def test_an_average_over_instances_is_multiplied_by_those_in_service(cloud: Cloud) -> None:
    instances = CloudWatchMetric(
        namespace="AWS/AutoScaling", metric_name="GroupInServiceInstances", dimensions={"AutoScalingGroupName": "web"}
    )
    cloud.put(CPU, [50.0, 60.0, 70.0])
    cloud.put(instances, [2.0, 3.0])
    load = cloud.read(metric=CPU, per_instance=True).load.sort_index()
    assert load.to_list()[:2] == [100, 180]
    assert pd.isna(load.iloc[2]), "a count that is missing leaves the load missing"


def test_an_average_without_any_count_is_no_load_and_says_so(cloud: Cloud) -> None:
    cloud.put(CPU, [50.0])
    reading = cloud.read(metric=CPU, per_instance=True)
    assert reading.load.isna().all()
    assert any("GroupInServiceInstances has no samples" in warning for warning in reading.warnings)


def test_saturation_and_refusals_mark_lower_bounds(cloud: Cloud) -> None:
    cloud.put(REQUESTS, [300.0] * 4)
    cloud.put(CPU, [50.0, 95.0, 94.9, 50.0])
    cloud.put(REFUSED, [0.0, 0.0, 0.0, 1.0])
    reading = cloud.read(utilisation=CPU, saturated_above=95, refused=REFUSED)
    assert reading.censored is not None
    assert reading.censored.sort_index().to_list() == [False, True, False, True]


def test_no_samples_are_no_zeros(cloud: Cloud) -> None:
    reading = cloud.read()
    assert reading.load.empty
    assert reading.warnings == ("App Requests (Balancer=web) has no samples; check name, dimensions, unit and region",)


def test_a_wrong_unit_reads_nothing(cloud: Cloud) -> None:
    cloud.put(REQUESTS, [300.0] * 4, Unit="Count")
    assert len(cloud.read(metric=REQUESTS.model_copy(update={"unit": "Count"})).load) == 4
    assert cloud.read(metric=REQUESTS.model_copy(update={"unit": "Bytes"})).load.empty


@pytest.mark.parametrize(
    ("status", "error"), [("InternalError", SourceError), ("PartialData", SourceError), ("Forbidden", CredentialsError)]
)
def test_a_200_that_holds_a_failure_is_retried_and_then_no_reading(
    cloud: Cloud, status: str, error: type[Exception]
) -> None:
    cloud.put(REQUESTS, [300.0] * 4)
    cloud.aws.faults.add(metric_status(status, times=2))
    assert len(cloud.read().load) == 4
    cloud.aws.calls.clear()
    cloud.aws.faults.add(metric_status(status, times=100))
    with pytest.raises(error, match=status):
        cloud.read()
    assert cloud.reads() == MAX_ATTEMPTS


@pytest.mark.parametrize("fault", [access_denied, expired_token])
def test_a_denial_is_never_retried(cloud: Cloud, fault: Any) -> None:
    cloud.aws.faults.add(fault(service="monitoring", times=None))
    with pytest.raises(CredentialsError, match="cloudwatch:GetMetricData"):
        cloud.read()
    assert cloud.reads() == 1


def test_a_naive_range_is_refused() -> None:
    with pytest.raises(InputError, match="UTC offset"):
        open_source(settings(), target=TARGET).read(START.replace(tzinfo=None), END)


# --- without credentials or a cloud ------------------------------------------------------------------------------------


@pytest.fixture
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


@pytest.mark.usefixtures("_bare")
@pytest.mark.parametrize(
    "variables", [{}, {"AWS_PROFILE": "absent"}, {"AWS_ACCESS_KEY_ID": SECRET}], ids=["none", "profile", "half"]
)
def test_no_credentials(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CredentialsError, match="no usable AWS credentials for us-east-1") as raised:
        open_source(settings(), target=TARGET).read(START, END)
    assert SECRET not in str(raised.value)


# --- canned answers ----------------------------------------------------------------------------------------------------


class Canned:
    """A session whose CloudWatch client answers what it was given."""

    def __init__(self) -> None:
        session: Any = boto3.session.Session(aws_access_key_id="x", aws_secret_access_key=SECRET, region_name=REGION)
        self._client: Any = session.client("cloudwatch")
        self.stub = Stubber(self._client)

    def client(self, *_: Any, **options: Any) -> Any:
        self.options = options
        return self._client

    def read(self, start: datetime = START, **changes: Any) -> Reading:
        session: Any = self
        return open_source(settings(**changes), target=TARGET, session=session).read(start, END)


@pytest.fixture
def canned() -> Iterator[Canned]:
    session = Canned()
    with session.stub:
        yield session
        session.stub.assert_no_pending_responses()


def page(
    values: dict[int, float], *, status: str = "Complete", token: str | None = None, **more: Any
) -> dict[str, Any]:
    stamps = [START + timedelta(minutes=minute) for minute in values]
    result = {"Id": "load", "Timestamps": stamps, "Values": list(values.values()), "StatusCode": status}
    return {"MetricDataResults": [result], **({"NextToken": token} if token else {}), **more}


def test_asks_for_every_point_ascending_and_follows_every_page(canned: Canned) -> None:
    expected: dict[str, Any] = {
        "MetricDataQueries": ANY,
        "StartTime": START,
        "EndTime": END,
        "ScanBy": "TimestampAscending",
        "MaxDatapoints": MAX_POINTS_PER_CALL,
    }
    canned.stub.add_response("get_metric_data", page({0: 300}, status="PartialData", token="a"), expected)
    canned.stub.add_response(
        "get_metric_data", page({5: 600}, status="PartialData", token="b"), {**expected, "NextToken": "a"}
    )
    canned.stub.add_response("get_metric_data", page({10: 900}), {**expected, "NextToken": "b"})
    assert canned.read().load.to_list() == [1, 2, 3]
    assert canned.options["config"].retries == {"mode": "standard", "total_max_attempts": 4}
    assert canned.options["region_name"] == REGION


def test_a_metric_that_ends_on_an_earlier_page_stays_complete(canned: Canned) -> None:
    both = page({0: 300}, token="a")
    both["MetricDataResults"].append({"Id": "refused", "Timestamps": [START], "Values": [1], "StatusCode": "Complete"})
    canned.stub.add_response("get_metric_data", both)
    canned.stub.add_response("get_metric_data", page({5: 300}))
    reading = canned.read(refused=REFUSED)
    assert reading.censored is not None
    assert reading.censored.to_list() == [True, False]


def test_a_retry_starts_afresh(canned: Canned) -> None:
    canned.stub.add_response("get_metric_data", page({0: 300}, token="a"))
    canned.stub.add_response("get_metric_data", page({}, status="InternalError"))
    canned.stub.add_response("get_metric_data", page({0: 300}))
    assert canned.read().load.to_list() == [1]


def test_a_token_that_repeats_does_not_loop_for_ever(canned: Canned) -> None:
    for _ in range(2 * MAX_ATTEMPTS):
        canned.stub.add_response("get_metric_data", page({0: 300}, token="a"))
    with pytest.raises(SourceError, match="NextToken: repeated"):
        canned.read()


def test_what_cloudwatch_says_beside_the_data_is_passed_on(canned: Canned) -> None:
    messages = [{"Code": "MaxMetricsExceeded", "Value": "some were left out"}]
    canned.stub.add_response("get_metric_data", page({0: 300}, Messages=messages))
    assert canned.read().warnings == ("CloudWatch: MaxMetricsExceeded: some were left out",)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDenied", CredentialsError),
        ("ExpiredTokenException", CredentialsError),
        ("SignatureDoesNotMatch", CredentialsError),
        ("UnrecognizedClientException", CredentialsError),
        ("InternalServiceFault", SourceError),
        ("Throttling", SourceError),
    ],
)
def test_an_error_shows_its_code_and_none_of_its_text(canned: Canned, code: str, error: type[Exception]) -> None:
    canned.stub.add_client_error("get_metric_data", code, f"the header x-amz-security-token:{SECRET} is wrong")
    with pytest.raises(error, match=code) as raised:
        canned.read()
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_refused_parameter_is_quoted(canned: Canned) -> None:
    canned.stub.add_client_error("get_metric_data", "ValidationError", "The value Sume is not a statistic")
    with pytest.raises(SourceError, match="Sume is not a statistic"):
        canned.read()


def test_a_cloud_out_of_reach(canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url=f"https://user:{SECRET}@example.invalid")

    monkeypatch.setattr(canned.client(), "get_metric_data", unreachable)
    with pytest.raises(SourceError, match=r"could not be reached \(EndpointConnectionError\)") as raised:
        canned.read()
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(("period", "days"), [(60, 15), (120, 15), (300, 63), (900, 63), (3600, 455)])
def test_a_lookback_beyond_the_retention_is_cut_and_said(canned: Canned, period: int, days: int) -> None:
    expected = {"StartTime": END - timedelta(days=days), "EndTime": END}
    rest = dict.fromkeys(("MetricDataQueries", "ScanBy", "MaxDatapoints"), ANY)
    canned.stub.add_response("get_metric_data", page({0: 300}), {**expected, **rest})
    reading = canned.read(start=END - timedelta(days=600), period_seconds=period)
    text = f"CloudWatch keeps samples of {period} s for {days} days: 600 were asked for, {days} are read"
    assert reading.warnings == (text,)


def test_no_read_can_exceed_the_points_of_one_call() -> None:
    metrics = 4  # load, utilisation, refused, instances in service
    assert all(metrics * kept / timedelta(seconds=seconds) <= MAX_POINTS_PER_CALL for seconds, kept in RETENTION)
