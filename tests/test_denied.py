"""A denied call names its cause: a region that is not enabled, a policy of the organization, a clock; and no secret."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.faults import Fault
from forecasting.aws_denials import DENIED, cause_of
from forecasting.errors import CredentialsError
from forecasting.settings import S3Store
from forecasting.store import open_store
from forecasting.targets.aws_errors import translate
from forecasting.targets.gcp_errors import Call, refusal_of
from forecasting.targets.gcp_errors import translate as translate_gcp
from tests.fleets import InProcess, make_fleet, make_group

USER = "User: arn:aws:sts::111122223333:assumed-role/job/x is"
SCP = f"{USER} not authorized to perform: autoscaling:DescribeAutoScalingGroups with an explicit deny in a service control policy"
LATE = "Signature expired: 20261201T000000Z is now earlier than 20261201T001000Z (20261201T001500Z - 5 min.)"
EARLY = "Signature not yet current: 20261201T003000Z is still later than 20261201T002000Z (20261201T001500Z + 5 min.)"
CASES = [
    ("InvalidClientTokenId", "The security token included in the request is invalid.", "region is not enabled"),
    ("UnrecognizedClientException", "The security token included in the request is invalid.", "region is not enabled"),
    ("AuthFailure", "AWS was not able to validate the provided access credentials", "region is not enabled"),
    ("OptInRequired", "You are not subscribed to this service", "not enabled for the account"),
    ("AccessDenied", SCP, "explicit deny in a service control policy"),
    ("UnauthorizedOperation", f"{SCP}. Encoded authorization failure message: 4GIOH", "service control policy"),
    ("SignatureDoesNotMatch", LATE, "clock of this machine"),
    ("InvalidSignatureException", EARLY, "clock of this machine"),
    ("RequestExpired", "Request has expired.", "clock of this machine"),
    ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", "clock"),
    ("ExpiredToken", "The security token included in the request is expired", "credentials have expired"),
    ("AccessDenied", f"{USER} not authorized to perform: s3:GetObject because no identity-based policy allows it", "no identity-based policy"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "message", "cause"), CASES)
def test_each_cause_is_named_by_target_source_and_store(
    aws: LocalAws, code: str, message: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "DescribeAutoScalingGroups")
    told = translate(error, "DescribeAutoScalingGroups", "group")
    assert isinstance(told, CredentialsError)
    assert cause in str(told)
    assert "4GIOH" not in str(told)

    from forecasting.sources.cloudwatch import _errors_of  # noqa: PLC0415  # pyright: ignore[reportPrivateUsage]

    with pytest.raises(CredentialsError, match=cause), _errors_of("us-east-1"):
        raise error
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    aws.faults.add(Fault(code=code, message=message, status=403, service="s3"))
    with pytest.raises(CredentialsError, match=cause):
        open_store(S3Store(kind="s3", bucket="bucket")).get("a")


@given(st.sampled_from(sorted(DENIED)), st.text(max_size=300))
def test_no_more_of_aws_s_words_is_shown_than_is_known_to_be_harmless(code: str, secret: str) -> None:
    message = f"The Canonical String for this request should have been 'host;x-amz-security-token:{secret}' {LATE[:40]}"
    cause = cause_of(code, message)
    known = cause_of(code, "")
    assert cause == known or "with an explicit deny in" in secret or "because no" in secret or "Signature" in secret


def test_a_denied_call_is_made_once(aws: LocalAws) -> None:
    """Row 36: no retry of what no retry helps."""
    from forecasting.targets.aws import AutoScalingTarget  # noqa: PLC0415

    make_group(aws)
    session: Any = InProcess(aws)
    for code in sorted(DENIED):
        aws.calls.clear()
        aws.faults.add(Fault(code=code, message=SCP, status=403, action="DescribeAutoScalingGroups"))
        with pytest.raises(CredentialsError):
            AutoScalingTarget(make_fleet(), session).inspect()
        assert sum(call.action == "DescribeAutoScalingGroups" for call in aws.calls) <= 1


def test_google_cloud_s_own_words_of_a_403_are_kept() -> None:
    disabled = "Compute Engine API has not been used in project shop before or it is disabled."
    document = {"error": {"message": disabled, "errors": [{"reason": "accessNotConfigured"}]}}
    told = translate_gcp(refusal_of(403, document), Call("autoscalers.get", "autoscaler", "compute.autoscalers.get"))
    assert isinstance(told, CredentialsError)
    assert disabled in str(told)
