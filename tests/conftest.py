from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from elastic_iac.local.aws import LocalAws, local_aws


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
