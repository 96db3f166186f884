"""What a person at the keyboard does with a job that runs: pause, resume, look at its alarms and rights."""

from __future__ import annotations

import json
from typing import Any

import pytest

from elastic_iac.aws.forecast_job.iam import function_policy, trust, write_policy
from forecasting.settings import parse_fleet
from tests.commands import Shell
from tests.fleets import fleet_data, make_group
from tests.stores import BUCKET

TRUST = trust("lambda")
ACCOUNT = "000000000000"


def s3_settings(shell: Shell, *fleets: dict[str, Any]) -> str:
    shell.aws.client("s3").create_bucket(Bucket=BUCKET)
    return shell.settings(*fleets, store={"kind": "s3", "bucket": BUCKET, "prefix": "store"})


def test_a_pause_holds_until_it_is_resumed(shell: Shell) -> None:
    make_group(shell.aws)
    config, before = shell.settings(), shell.mutations()
    done = shell.run("pause", "--config", config, "--reason", "load test", "--json")
    assert done.code == 0, done.stderr
    assert done.document["until"] is None
    assert "was paused by" in shell.run("plan", "--config", config).stdout
    held = shell.run("apply", "--config", config, "--yes", "--json").document["fleets"][0]
    assert held["code"] == "paused"
    assert "load test" in held["reason"]
    assert shell.mutations() == before
    assert "resumed" in shell.run("resume", "--config", config).stdout
    assert "was not paused" in shell.run("resume", "--config", config).stdout
    assert shell.run("apply", "--config", config, "--yes").code == 0
    assert shell.mutations() != before


def test_a_pause_of_one_fleet_leaves_the_others(shell: Shell) -> None:
    make_group(shell.aws)
    make_group(shell.aws, name="other")
    other = {"name": "other", "target": {"region": shell.aws.region, "group_name": "other"}}
    config = shell.settings(fleet_data(), fleet_data(**other))
    shell.run("pause", "--config", config, "--fleet", "web", "--for", "6h")
    done = shell.run("apply", "--config", config, "--yes", "--json")
    assert {fleet["name"]: fleet["status"] for fleet in done.document["fleets"]} == {"web": "held", "other": "written"}


@pytest.mark.parametrize(
    ("option", "value"), [("--for", "soon"), ("--for", "0h"), ("--for", "99999999999999h"), ("--fleet", "unknown")]
)
def test_a_wrong_pause_names_the_option(shell: Shell, option: str, value: str) -> None:
    done = shell.run("pause", "--config", shell.settings(), option, value)
    assert done.code == 2
    assert value in done.stderr


def test_status_shows_the_alarms_of_a_deployed_job(shell: Shell) -> None:
    make_group(shell.aws)
    cloudwatch = shell.aws.client("cloudwatch")
    for key in ("pinned", "failed"):
        cloudwatch.put_metric_alarm(
            AlarmName=f"job-alarm-{key}-1234567",
            AlarmDescription=f"job: {key}! docs/runbook.md#alarm-{key}",
            Namespace="ElasticIac",
            MetricName=key,
            Statistic="Maximum",
            ComparisonOperator="GreaterThanThreshold",
            Threshold=0,
            Period=60,
            EvaluationPeriods=1,
        )
    cloudwatch.set_alarm_state(AlarmName="job-alarm-pinned-1234567", StateValue="ALARM", StateReason="test")
    config = s3_settings(shell)
    told = {
        alarm["name"]: alarm["state"] for alarm in shell.run("status", "--config", config, "--json").document["alarms"]
    }
    assert told["job-alarm-pinned-1234567"] == "ALARM"
    assert told["job-alarm-failed-1234567"] != "ALARM"
    shown = shell.run("status", "--config", config).stdout
    assert "pinned! docs/runbook.md#alarm-pinned" in shown
    assert "1 of 2 alarms are quiet" in shown


class TestDoctorOnRights:
    """IAM's simulator is asked with the very policies that the component attaches."""

    def role(self, shell: Shell, fleet: dict[str, Any], *, without: str = "") -> str:
        iam = shell.aws.client("iam")
        arn: str = iam.create_role(RoleName="job", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        rest = function_policy(
            bucket_arn=f"arn:aws:s3:::{BUCKET}",
            settings_key="settings/job.json",
            log_group_arn=f"arn:aws:logs:{shell.aws.region}:{ACCOUNT}:log-group:job",
            queue_arn=f"arn:aws:sqs:{shell.aws.region}:{ACCOUNT}:job",
            kms_key_arn=None,
        )
        writes = write_policy([parse_fleet(fleet)], partition="aws", account_id=ACCOUNT)
        for number, policy in enumerate((rest, writes)):
            document = json.loads(policy.replace(f'"{without}"', '"iam:GetUser"') if without else policy)
            # The emulator's simulator leaves ContextEntries aside, so a denial by an absent MinSize would always hold there.
            allowed = [statement for statement in document["Statement"] if statement["Effect"] == "Allow"]
            text = json.dumps({**document, "Statement": allowed})
            iam.put_role_policy(RoleName="job", PolicyName=f"p{number}", PolicyDocument=text)
        return arn

    def checks(self, shell: Shell, config: str, role: str) -> dict[str, dict[str, Any]]:
        done = shell.run("doctor", "--config", config, "--role", role, "--json")
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def test_the_functions_own_policies_are_enough(self, shell: Shell) -> None:
        make_group(shell.aws)
        config = s3_settings(shell)
        checks = self.checks(shell, config, self.role(shell, fleet_data()))
        for name in ("may read", "may write", "may keep records", "concurrency"):
            assert checks[name]["outcome"] == "ok", checks[name]
        asked = [call.params for call in shell.aws.calls if call.action == "SimulatePrincipalPolicy"]
        sizes = [
            params["ContextEntries.member.1.ContextKeyValues.member.1"]
            for params in asked
            if params["ActionNames.member.1"] == "autoscaling:PutScheduledUpdateGroupAction"
        ]
        assert sizes == ["2", "40"], "the floor and the ceiling"

    @pytest.mark.parametrize(
        ("without", "name"),
        [
            ("autoscaling:DescribePolicies", "may read"),
            ("autoscaling:PutScheduledUpdateGroupAction", "may write"),
            ("autoscaling:DeleteScheduledAction", "may write"),
            ("s3:PutObject", "may keep records"),
        ],
    )
    def test_a_missing_right_is_named(self, shell: Shell, without: str, name: str) -> None:
        make_group(shell.aws)
        config = s3_settings(shell)
        check = self.checks(shell, config, self.role(shell, fleet_data(), without=without))[name]
        assert check["outcome"] == "fail"
        assert without in check["found"]

    def test_who_calls_is_checked_where_no_role_is_named(self, shell: Shell) -> None:
        make_group(shell.aws)
        done = shell.run("doctor", "--config", shell.settings(), "--json")
        assert [check["outcome"] for check in done.document["checks"] if check["name"] == "permissions"] == ["ok"]


def test_settings_are_read_from_where_a_deployed_job_reads_them(shell: Shell) -> None:
    make_group(shell.aws)
    job = {"name": "job", "owner": "prod", "store": {"kind": "s3", "bucket": BUCKET}, "fleets": [fleet_data()]}
    client = shell.aws.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="settings/job.json", Body=json.dumps(job).encode())
    done = shell.run("status", "--config", f"s3://{BUCKET}/settings/job.json", "--json")
    assert done.code == 0, done.stderr
    assert done.document["fleets"][0]["group"]["min_size"] == 2
    absent = shell.run("status", "--config", f"s3://{BUCKET}/settings/none.json")
    assert absent.code == 2
    assert "settings/none.json" in absent.stderr
