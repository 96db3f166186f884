"""What is scaled: one class per cloud, opened from a fleet's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecasting.settings import AwsTarget, Fleet
from forecasting.targets.base import Target as Target

if TYPE_CHECKING:
    import boto3.session


def open_target(fleet: Fleet, session: boto3.session.Session | None = None) -> Target:
    """The fleet's group. Nothing is read yet.

    Args:
        fleet: Its settings.
        session: Credentials for AWS; the environment's where it is not given, as always on Google Cloud.
    """
    if isinstance(fleet.target, AwsTarget):
        from forecasting.targets.aws import AutoScalingTarget  # noqa: PLC0415 - a fleet on Google Cloud needs no boto3

        return AutoScalingTarget(fleet, session)
    from forecasting.targets.gcp import AutoscalerTarget  # noqa: PLC0415 - and one on AWS none of Google's libraries

    return AutoscalerTarget(fleet)
