"""Faults of the catalogue whose handling no other test can tell from its absence."""

from __future__ import annotations

import http.server
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from forecasting import job as job_module
from forecasting.deadline import time_limit
from forecasting.errors import CredentialsError, ElasticIacError, Hold, SettingsError
from forecasting.invocation import load_settings
from forecasting.settings import MonitoringMetric, validated
from forecasting.sources.monitoring import filter_of
from forecasting.targets.aws import CALL_ATTEMPTS, AutoScalingTarget
from forecasting.targets.aws_errors import is_transient
from forecasting.targets.base import CallBudget
from forecasting.targets.gcp import AutoscalerTarget
from tests.commands import Shell
from tests.fleets import fleet_data, make_fleet, make_group
from tests.gcp_fleets import gcp_fleet
from tests.street import Street

PASSWORD = "s3cr3t-password"
THROTTLES = ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"]
CONTENTIONS = ["ResourceContention", "ResourceContentionFault", "ScalingActivityInProgress", "AlreadyExists"]


def error_of(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Put")


class Refusing:
    """A target whose calls are answered with an error code, so many times; waits are recorded and take no time."""

    def __init__(self, code: str, status: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.calls, self.waits = times, 0, list[float]()
        self._error = error_of(code, status)
        self._target: Any = AutoScalingTarget(make_fleet(), budget=CallBudget(seconds=60))
        self._target._client = self
        monkeypatch.setattr("tenacity.nap.time.sleep", self.waits.append)

    def call(self) -> str:
        return self._target._call("Put", Refusing._answer)

    def _answer(self) -> str:
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise self._error
        return "done"


# Row 17


def test_row_17_a_slow_model_holds_its_fleet_and_those_behind_it_on_the_command_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecasts: list[float] = []
    real = job_module.forecast

    def slow(*args: Any, **options: Any) -> Any:
        forecasts.append(time.monotonic())
        time.sleep(budget)
        return real(*args, **options)

    budget = 10.0
    monkeypatch.setattr(job_module, "forecast", slow)
    for name in ("api", "web"):
        make_group(shell.aws, name)
    fleets = [fleet_data(name=name, target={"region": "us-east-1", "group_name": name}) for name in ("api", "web")]
    config = shell.settings(*fleets, time_budget_seconds=budget)
    shell.aws.calls.clear()
    done = shell.run("apply", "--config", config, "--yes", "--json")
    assert done.code == 1
    served = [(fleet["status"], fleet["code"], fleet["written"]) for fleet in done.document["fleets"]]
    assert served == [("deferred", "out-of-time", 0)] * 2
    assert len(forecasts) == 1
    assert shell.mutations() == []


# Rows 20 and 23


@pytest.mark.parametrize("code", [*THROTTLES, *CONTENTIONS])
def test_rows_20_and_23_it_is_tried_again_and_then_holds(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (400, 500):
        passing = Refusing(code, status, CALL_ATTEMPTS - 1, monkeypatch)
        assert passing.call() == "done"
        assert passing.calls == CALL_ATTEMPTS
        lasting = Refusing(code, status, 1000, monkeypatch)
        with pytest.raises(Hold) as held:
            lasting.call()
        assert held.value.code == ("throttled" if code in THROTTLES else "contention")
        assert lasting.calls == CALL_ATTEMPTS


def test_row_20_waits_are_jittered_and_fit_into_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    for _ in range(10):
        refusing = Refusing("Throttling", 400, 1000, monkeypatch)
        with pytest.raises(Hold):
            refusing.call()
        waits += refusing.waits
    assert len({round(wait, 6) for wait in waits}) > len(waits) / 2
    monkeypatch.setattr("forecasting.deadline.LAST_CALL_SECONDS", 0.2)
    for _ in range(10):
        hurried = Refusing("Throttling", 400, 1000, monkeypatch)
        with time_limit(lambda: 0.2), pytest.raises(Hold):
            hurried.call()
        assert all(wait < 0.2 for wait in hurried.waits)


# Row 36


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "InvalidClientTokenId", "UnauthorizedOperation"])
def test_row_36_what_is_denied_is_asked_once(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Refusing(code, 403, 1000, monkeypatch)
    with pytest.raises(CredentialsError):
        refusing.call()
    assert (refusing.calls, refusing.waits) == (1, [])


@given(st.text(max_size=30), st.integers(400, 499))
def test_no_other_refusal_is_tried_again(code: str, status: int) -> None:
    error = error_of(code, status)
    known = any(word in code for word in ("Thrott", "Limit", "Many", "Slow", "Contention", "Progress", "AlreadyExists"))
    assert known or not is_transient(error)


# Row 38


@given(
    st.dictionaries(
        st.sampled_from(["response_code", "zone", "team"]), st.text(min_size=1, max_size=40), min_size=1, max_size=3
    )
)
def test_row_38_a_label_is_a_value_of_the_filter_whatever_is_in_it(labels: dict[str, str]) -> None:
    """Cloud Monitoring's filter: what stands between quotes, with backslashes undone, is the label's value."""
    try:
        metric = validated(MonitoringMetric, {"type": "a.b/c", "metric_labels": labels})
    except SettingsError:
        return
    rest = filter_of(metric).removeprefix('metric.type = "a.b/c"')
    for name, value in metric.metric_labels.items():
        rest = rest.removeprefix(f" AND metric.labels.{name} = ")
        written, rest = _quoted(rest)
        assert written == value
    assert rest == ""


def _quoted(text: str) -> tuple[str, str]:
    """The quoted string at the start, and what follows it."""
    assert text[0] == '"'
    value, position = "", 1
    while text[position] != '"':
        position += text[position] == "\\"
        value += text[position]
        position += 1
    return value, text[position + 1 :]


@contextmanager
def answering(reply: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Generator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    def note(request: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(request.path)
        request.send_error(404)

    with answering(note) as url:
        yield url, seen


def test_row_38_a_redirect_is_not_followed(elsewhere: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    url, seen = elsewhere

    def redirect(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"{url}/latest/meta-data/")
        request.send_header("Content-Length", "0")
        request.end_headers()

    with answering(redirect) as front:
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", front)
        with pytest.raises(ElasticIacError):
            AutoscalerTarget(gcp_fleet()).inspect()
    assert seen == []


@pytest.mark.parametrize(
    "url",
    ["{url}/job.json", "http://169.254.169.254/job.json", "https://example.test/job.json", "file:///etc/job.json"],
)
def test_row_38_settings_are_read_from_buckets_and_files_alone(url: str, elsewhere: tuple[str, list[str]]) -> None:
    with pytest.raises(SettingsError, match="s3://BUCKET"):
        load_settings(url.format(url=elsewhere[0]))
    assert elsewhere[1] == []


# Row 39


def test_row_39_a_secret_in_an_unexpected_error_is_in_no_result_and_no_log(
    street: Street, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from elastic_iac.cli.main import _Stderr  # noqa: PLC0415  # pyright: ignore[reportPrivateUsage]

    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError(f"Invalid endpoint: http://user:{PASSWORD}@host:bad/?token={PASSWORD}")

    monkeypatch.setenv("ELASTIC_IAC_DEBUG", "1")
    monkeypatch.setattr(job_module, "forecast", fail)
    logger = logging.getLogger("forecasting")
    handler = _Stderr()
    logger.addHandler(handler)
    try:
        result = street.run()
    finally:
        logger.removeHandler(handler)
    assert result.status == "failed"
    assert "Invalid endpoint: http://***@host:bad/?token=***" in result.reason
    logged = capsys.readouterr().err
    assert "Traceback" in logged
    assert PASSWORD not in logged
