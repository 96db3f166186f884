from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from google.rpc import status_pb2
from hypothesis import HealthCheck, settings

from elastic_iac.local.aws import LocalAws, local_aws
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from forecasting import job
from forecasting.settings import S3Store
from forecasting.store import Store, open_store
from tests.commands import Shell, write_load
from tests.fleets import NOW
from tests.gcp_street import Road
from tests.invocations import quick_forecast
from tests.shortruns import plan_an_hour_ago
from tests.stores import BUCKET
from tests.street import Street

# Pulumi's provider server brings a copy of google.rpc.Status of its own, and one process cannot load the message twice. A plugin host and Google's
# clients share a process here only, and no line of either depends on whose copy it is.
sys.modules.setdefault("pulumi.runtime.proto.status_pb2", status_pb2)

# The double is reset inside each example, and the machine may be slow. A failure must be found again elsewhere: other examples than
# the last run had are tried with EXPLORE=1 only, as `make bench` does.
settings.register_profile(
    "default",
    deadline=None,
    derandomize="EXPLORE" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("default")


@pytest.fixture
def built_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who declares a job finds the function's zip built, though nothing is in it: no test of a declaration waits for a build."""
    path = Path(__file__).parent / "golden" / "function.zip"
    package = SimpleNamespace(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    def ensure_package(_kind: str, *, arch: str | None = None, python: str = "") -> SimpleNamespace:
        return package

    monkeypatch.setattr("elastic_iac.package.ensure_package", ensure_package)


@pytest.fixture(scope="session")
def running_aws() -> Iterator[LocalAws]:
    """One double, and one emulator behind it, for all tests of this process."""
    with local_aws() as double:
        yield double


@pytest.fixture
def aws(running_aws: LocalAws) -> LocalAws:
    """The double, empty; its clock stands at the present minute. `aws.reset(now=...)` sets another time."""
    running_aws.reset(now=datetime.now(UTC).replace(second=0, microsecond=0))
    return running_aws


@pytest.fixture(scope="session")
def running_gcp() -> Iterator[LocalGcp]:
    """One stand-in of Google Cloud for all tests of this process."""
    with local_gcp() as stand_in:
        yield stand_in


@pytest.fixture
def gcp(running_gcp: LocalGcp) -> LocalGcp:
    """The stand-in, empty; its clock stands at the present minute. `gcp.reset(now=...)` sets another time."""
    running_gcp.reset(now=datetime.now(UTC).replace(second=0, microsecond=0))
    return running_gcp


@pytest.fixture(scope="session")
def running_policed() -> Iterator[LocalAws]:
    """A double that enforces policies and lets run what runs unattended."""
    with local_aws(policies=True) as double:
        yield double


@pytest.fixture
def policed(running_policed: LocalAws) -> LocalAws:
    """That double, empty, its clock at the present minute."""
    running_policed.reset(now=datetime.now(UTC).replace(second=0, microsecond=0))
    return running_policed


@pytest.fixture
def s3_environment(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that point any AWS client at the double, and a bucket there."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    aws.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture
def s3_store(s3_environment: None) -> Store:
    """A store in that bucket, as a job opens it."""
    return open_store(S3Store(kind="s3", bucket=BUCKET))


@pytest.fixture
def shell(aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell in an empty folder that holds a load file."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, value in {**aws.environment(), **nowhere, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write_load("load.csv")
    return Shell(tmp_path, aws, capsys)


@pytest.fixture
def street(aws: LocalAws, tmp_path: Path) -> Street:
    """A job with one fleet, its group and its load."""
    return Street(aws, tmp_path)


@pytest.fixture
def road(gcp: LocalGcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    """The same on Google Cloud."""
    gcp.reset(now=NOW)
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    return Road(gcp, tmp_path)


@pytest.fixture
def quick_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The street stays; what the models make of a load is tested elsewhere."""
    monkeypatch.setattr(job, "forecast", quick_forecast)


@pytest.fixture
def planned(quick_models: None, street: Street) -> Street:
    """A full run has been an hour ago; its fleet boots in ten minutes."""
    return plan_an_hour_ago(street)
