"""No secret of a URL and no raw control character leaves by any outlet."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from elastic_iac.cli.main import _fail, _Stderr  # pyright: ignore[reportPrivateUsage]
from elastic_iac.cli.output import Output
from elastic_iac.cli.safe_console import SafeConsole, one_line
from forecasting.entrypoints.gcp_function import CloudLogging
from forecasting.errors import ElasticIacError, Hold, SettingsError
from forecasting.safe_text import printable, redacted, redacted_document, safe_text
from forecasting.schedule.actions import ScheduledAction
from forecasting.settings import AwsTarget, S3Store, parse_fleet, validated
from forecasting.store import open_store
from forecasting.targets import aws as aws_target
from forecasting.targets import open_target
from tests.commands import Shell
from tests.fleets import GROUP, fleet_data, make_group

PASSWORD = "s3cr3t-pässword"
SECRETS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=6, max_size=30)
VARIABLES = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST", "HTTPS_PROXY"]
ANY_TEXT = st.text(max_size=60)


def urls(secret: str) -> list[str]:
    written = quote(secret, safe="")
    return [
        f"http://user:{written}@127.0.0.1:9/path",
        f"https://{written}@example.test",
        f"http://127.0.0.1:9/?token={written}&x=1",
        f"user:{written}@127.0.0.1:9",
    ]


@pytest.mark.parametrize("variable", VARIABLES)
@given(secret=SECRETS, before=ANY_TEXT, which=st.integers(0, 3), raw=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_secret_of_the_environment_s_urls_passes_no_outlet(
    variable: str, secret: str, before: str, which: int, raw: bool, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assume(not any(each in secret for each in "&#=@:") and secret not in before)
    url = urls(secret)[which]
    if raw and which == 0:
        url = f"http://user:{secret}@127.0.0.1:9/path"
    monkeypatch.setenv(variable, url)
    text = f"{before} could not connect to {url!r} (host {url.partition('://')[2]}) {secret}"
    record = logging.makeLogRecord({"levelname": "WARNING", "msg": "failed: %s", "args": (text,)})
    Output(as_json=True).document({"reason": text, "list": [text], "nested": {text: text}})
    Output(as_json=False).show(text, Text(text), _table(text))
    Output(as_json=False).warn(text)
    _Stderr().emit(record)
    _fail(text, "Kind", 1, as_json=True)
    captured = capsys.readouterr()
    outlets = [
        *(str(each) for each in (ElasticIacError(text), Hold("code", text), SettingsError("url", text, "another"))),
        Hold("code", text).reason,
        str(SettingsError("url", text, "another").value),
        CloudLogging().format(record),
        redacted(text),
        captured.out,
        captured.err,
    ]
    for outlet in outlets:
        plain = "".join(outlet.split())
        for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            assert form not in plain


def _table(text: str) -> Table:
    table = Table()
    table.add_column()
    table.add_row(text)
    table.add_row(Text(text))
    return table


@given(ANY_TEXT)
def test_what_holds_no_url_stays_as_it_is(text: str) -> None:
    assume("://" not in text and ":/" not in text)
    assert redacted(text) == text


@given(st.text(max_size=200))
def test_printable_text_is_one_printable_line_and_nothing_is_lost(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) is text.isprintable()
    assert len(safe_text(text).split("\n")) == len(redacted(text).split("\n"))


@given(name=st.text(min_size=1, max_size=40), width=st.integers(20, 200))
def test_no_name_moves_the_cursor_or_forges_a_line_on_a_page(name: str, width: int) -> None:
    console = SafeConsole(file=StringIO(), width=width, markup=False, highlight=False)
    console.print(_table(name), Text(name, style="bold"), name, one_line(name), one_line(Text(name)))
    output: Any = console.file
    assert all(each.isprintable() or each == "\n" for each in output.getvalue())
    assert "\n" not in str(one_line(f"a\n{name}"))


def test_json_keeps_names_as_they_are_and_escapes_what_is_not_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    name = "ops\n\x1b[2J\x9b\u202e"
    Output(as_json=True).document({"name": name})
    text = capsys.readouterr().out
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == redacted_document({"name": name}) == {"name": name}


@pytest.mark.parametrize("command", ["plan", "doctor", "status"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_password_in_an_endpoint_is_printed_by_no_command(
    shell: Shell, command: str, as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens there; and one that is no endpoint at all."""
    config = shell.settings(fleet_data(source={"kind": "file", "path": "load.csv"}))
    for url in (f"http://user:{PASSWORD}@127.0.0.1:9/?token=t0ken-value", f"http://user:{PASSWORD}@[::bad"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        done = shell.run(command, "--config", config, *(["--json"] if as_json else []))
        plain = "".join((done.stdout + done.stderr).split())
        for secret in (PASSWORD, "s3cr3t", "t0ken-value"):
            assert secret not in plain


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST"])
def test_a_password_in_an_endpoint_is_in_no_exception(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"http://user:{PASSWORD}@127.0.0.1:9")
    with pytest.raises(ElasticIacError) as raised:
        open_store(S3Store(kind="s3", bucket="bucket", region="us-east-1")).get("a")
    with pytest.raises(ElasticIacError) as other:
        open_target(parse_fleet(fleet_data())).inspect()
    assert PASSWORD not in f"{raised.value!r}{raised.value}{other.value!r}{other.value}"


@pytest.mark.parametrize(
    "name", ["ops\nforged  line", "ops\x1b[31mred", "ops\x9b31m", "ops\u202egnp.exe", "ops\u2028x"]
)
def test_status_and_plan_escape_the_names_of_others(shell: Shell, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The double's XML holds no control characters, other clouds' JSON does: the name is put in where it is read."""
    client = make_group(shell.aws)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for kind in ({"StartTime": tomorrow}, {"Recurrence": "7 2 * * *"}):
        client.put_scheduled_update_group_action(
            AutoScalingGroupName=GROUP, ScheduledActionName=f"ops-{next(iter(kind))}", MinSize=9, **kind
        )
    read = aws_target._action  # pyright: ignore[reportPrivateUsage]

    def renamed(raw: Any) -> ScheduledAction:
        return replace(read(raw), name=name)

    monkeypatch.setattr(aws_target, "_action", renamed)
    for command in ("status", "plan", "doctor"):
        done = shell.run(command, "--config", shell.settings())
        assert all(each.isprintable() or each == "\n" for each in done.stdout + done.stderr)
        assert "\nforged" not in done.stdout
    assert printable(name) in shell.run("status", "--config", shell.settings()).stdout


@given(st.text(min_size=1, max_size=60))
def test_a_group_s_name_is_printable_and_no_pattern_of_a_policy(name: str) -> None:
    data = fleet_data(target={"region": "us-east-1", "group_name": name})
    pattern = any(each in name for each in ("*", "?", "${"))
    refused, target = "", None
    try:
        target = parse_fleet(data).target
    except SettingsError as error:
        refused = str(error)
    if target is None:
        assert refused.isprintable()
        assert pattern or not name.isprintable() or not name.strip()
    else:
        assert isinstance(target, AwsTarget)
        assert target.group_name.isprintable()
        assert not pattern
        assert target.group_name == name.strip()


@pytest.mark.parametrize("name", ["web*", "web?", "${aws:username}", "web\u202e", "web\x9b", "web\u200b", "web\x00"])
def test_these_names_of_a_group_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="group_name"):
        parse_fleet(fleet_data(target={"region": "us-east-1", "group_name": name}))


@pytest.mark.parametrize("name", ["shop web/blue (v2)", "eks-größe-20c8", "awseb-e-x-stack", "a$b"])
def test_these_are_taken(name: str) -> None:
    parse_fleet(fleet_data(target={"region": "us-east-1", "group_name": name}))


def test_a_prefix_of_a_bucket_is_no_pattern_either() -> None:
    with pytest.raises(SettingsError, match="prefix"):
        validated(S3Store, {"kind": "s3", "bucket": "bucket", "prefix": "a*"})
