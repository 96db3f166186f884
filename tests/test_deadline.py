"""Time limits hold against servers that drip, that are silent, and against a name server that does not answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config

from forecasting.aws_session import limited
from forecasting.deadline import AbandonedError, NoAnswerError, call_seconds, time_limit, within
from forecasting.errors import ElasticIacError, Hold, SourceError, StoreError
from forecasting.job import run_job
from forecasting.run import Run, utc_now
from forecasting.settings import GcsStore, S3Store, parse_fleet
from forecasting.sources import open_source
from forecasting.store import open_store
from forecasting.targets import open_target
from tests.fleets import fleet_data, make_job
from tests.gcp_fleets import gcp_fleet_data

SECONDS = 2.0
DRIP_SECONDS = 0.2
SLACK_SECONDS = 15.0  # a busy machine; without a limit each of these takes a minute and more
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nX-Long: "


@contextmanager
def serving(*, drips: bool) -> Generator[str]:
    """A server that takes every request and sends a byte now and then, or none."""
    stop, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)

    def answer(peer: socket.socket) -> None:
        with peer:
            for byte in HEAD + b"x" * 10_000 if drips else b"":
                if stop.wait(DRIP_SECONDS):
                    return
                try:
                    peer.send(bytes([byte]))
                except OSError:
                    return
            stop.wait()

    def accept() -> None:
        while not stop.is_set():
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        listener.close()


@pytest.fixture(params=["drips", "silent"])
def endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(drips=request.param == "drips") as url:
        for name in ("AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST", "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING", url.removeprefix("http://"))
        for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y", "DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield url


METRIC = {"namespace": "AWS/ApplicationELB", "metric_name": "RequestCount", "statistic": "Sum"}
AWS = parse_fleet(fleet_data(source={"kind": "cloudwatch", "metric": METRIC}))
GCP = parse_fleet(gcp_fleet_data(source={"kind": "cloud-monitoring", "metric": {"type": "a.b/c"}}))


def read(fleet: Any) -> Any:
    return open_source(fleet.source, target=fleet.target).read(utc_now().replace(year=utc_now().year - 1), utc_now())


CALLS: dict[str, tuple[type[ElasticIacError], Callable[[], Any]]] = {
    "auto-scaling": (Hold, lambda: open_target(AWS).inspect()),
    "compute": (Hold, lambda: open_target(GCP).inspect()),
    "cloudwatch": (SourceError, lambda: read(AWS)),
    "monitoring": (SourceError, lambda: read(GCP)),
    "s3": (StoreError, lambda: open_store(S3Store(kind="s3", bucket="bucket")).get("a")),
    "s3-put": (StoreError, lambda: open_store(S3Store(kind="s3", bucket="bucket")).put("a", b"x", if_version=None)),
    "gcs": (StoreError, lambda: open_store(GcsStore(kind="gcs", bucket="bucket")).get("a")),
}


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.usefixtures("endpoint")
def test_every_call_ends_with_the_time_of_its_run(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecasting.deadline.LAST_CALL_SECONDS", 0.5)
    kind, call = CALLS[what]
    end = time.monotonic() + SECONDS
    began = time.monotonic()
    with time_limit(lambda: end - time.monotonic()), pytest.raises(kind):
        call()
    assert time.monotonic() - began < SECONDS + SLACK_SECONDS


@pytest.mark.usefixtures("endpoint")
def test_a_run_ends_within_its_budget_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecasting.deadline.LAST_CALL_SECONDS", 0.5)
    job = make_job(tmp_path, fleet_data(), time_budget_seconds=SECONDS, store={"kind": "s3", "bucket": "bucket"})
    began = time.monotonic()
    [result] = run_job(Run(job, utc_now()))
    assert time.monotonic() - began < SECONDS + SLACK_SECONDS
    assert (result.status, result.written) == ("held", 0)


def test_a_call_that_waits_for_anything_is_given_up_and_its_outcome_passed_on() -> None:
    waiting = threading.Event()
    try:
        with pytest.raises(NoAnswerError, match="within 0 s"):
            within(0.05, waiting.wait)
    finally:
        waiting.set()
    assert within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)


def test_a_call_that_was_given_up_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own retries would write after the run's lease has ended."""
    made: Any = boto3.session.Session("x", "y", region_name="us-east-1")
    config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    client = limited(made.client("autoscaling", endpoint_url="http://127.0.0.1:9", config=config))
    sent: list[float] = []
    resume, ended = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def send(**_: Any) -> None:
        sent.append(time.monotonic())
        resume.wait(60)

    client.meta.events.register_last("before-send", send)

    def call() -> None:
        try:
            client.describe_auto_scaling_groups()
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            ended.set()

    with pytest.raises(NoAnswerError):
        within(0.5, call)
    resume.set()
    assert ended.wait(60)
    assert len(sent) == 1
    assert isinstance(errors[0], AbandonedError)


def test_a_call_gets_what_the_run_has_left_and_a_little_after_its_end() -> None:
    assert call_seconds(60) == 60
    with time_limit(lambda: 30):
        assert (call_seconds(60), call_seconds(10)) == (25, 10)
    with time_limit(lambda: -100):
        assert call_seconds(60) == 5
