from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings

from elastic_iac.local.aws import LocalAws, local_aws

# The double is reset inside each example, and this machine may be slow; a failure found in CI must be found again at home.
settings.register_profile(
    "default",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("default")


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
