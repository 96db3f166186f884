"""The builder of the loads: each raw format on a small sample, and the digests of the real loads."""

from __future__ import annotations

import hashlib
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.league.loads import candidates
from benchmarks.traces.__main__ import TABLE, derived, main
from benchmarks.traces.derive import DERIVATIONS
from benchmarks.traces.public import public_files
from forecasting.errors import InputError
from tests.traces import TRACES

DOCUMENT = tomllib.loads(TABLE.read_text(encoding="utf-8"))


def built(raw: Path, load: str, files: dict[str, str], **changes: object) -> list[str]:
    """The lines of a load of the table, from the given raw files."""
    entry: dict[str, Any] = {**DOCUMENT["loads"][load], **changes}
    for path, text in files.items():
        target = raw / entry["source"] / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lines = derived(entry, DOCUMENT["sources"][entry["source"]], raw).splitlines()
    assert lines[0] == "timestamp,value"
    return lines[1:]


def test_event_counts_become_rates_of_whole_steps(tmp_path: Path) -> None:
    path = DOCUMENT["loads"]["tweets_aapl_15min"]["files"][0]
    rows = "timestamp,value\n2015-02-27 00:02:53,30\n2015-02-27 00:07:53,60\n2015-02-27 00:12:53,90\n"
    assert built(tmp_path, "tweets_aapl_15min", {path: rows}, samples=2) == [
        "2015-02-27T00:00:00Z,0.2",
        "2015-02-27T00:15:00Z,",
    ]


def test_local_half_hours_become_hours_in_utc(tmp_path: Path) -> None:
    path = DOCUMENT["loads"]["nyc_taxi_1h"]["files"][0]
    rows = "timestamp,value\n2014-07-01 00:00:00,3600\n2014-07-01 00:30:00,1800\n"
    assert built(tmp_path, "nyc_taxi_1h", {path: rows}, samples=1) == ["2014-07-01T04:00:00Z,1.5"]


def test_a_minute_that_is_absent_does_not_count_as_zero(tmp_path: Path) -> None:
    rows = "period,count\n1998-04-30 21:35:00,60\n1998-04-30 21:36:00,120\n"
    found = built(tmp_path, "wc98_5min", {"invocation_count.csv": rows}, samples=1)
    assert found == ["1998-04-30T21:35:00Z,1.5"]


def test_web_sessions_have_no_times(tmp_path: Path) -> None:
    """This public file could not be had: the format is that of its publisher's description."""
    rows = "Hour Index,Sessions\n0,3600\n1,7200\n"
    changes = {"samples": 2, "first": "2019-01-07"}
    found = built(tmp_path, "websessions_1h", {"webtraffic.csv": rows}, **changes)
    assert found == ["2019-01-07T00:00:00Z,1", "2019-01-07T01:00:00Z,2"]


def test_a_closed_hour_is_zero(tmp_path: Path) -> None:
    path = DOCUMENT["loads"]["bankcalls_15min"]["files"][0]
    rows = "DateTime,Calls\n2003-03-03T07:00:00Z,300\n"
    changes = {"samples": 2, "first": "2003-03-03T06:45:00"}
    found = built(tmp_path, "bankcalls_15min", {path: rows}, **changes)
    assert found == ["2003-03-03T06:45:00Z,0", "2003-03-03T07:00:00Z,0.333333"]


def test_a_step_with_few_samples_is_missing(tmp_path: Path) -> None:
    first, second = DOCUMENT["loads"]["cloudpool1_15min"]["files"]
    stamps = pd.date_range("2024-08-01", periods=30 + 19, freq="30s")
    rows = [f"pool,{stamp},,2.0,1.0\n" for stamp in stamps]
    files = {first: "".join(rows[:40]), second: "".join(rows[40:])}
    found = built(tmp_path, "cloudpool1_15min", files, samples=2)
    assert found == ["2024-08-01T00:00:00Z,2", "2024-08-01T00:15:00Z,"]


def test_cancelled_invoices_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "retail.csv"
    path.write_text("Invoice,InvoiceDate\n1,8/6/2011 0:10\n1,8/6/2011 0:20\nC2,8/6/2011 0:30\n", "utf-8")
    found = DERIVATIONS["invoice_lines"]([path], {})
    assert found.to_list() == [2 / 3600]


def test_a_job_occupies_the_minutes_that_it_touches(tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    # Number, submitted, waited, ran, processors ...: from second 90 to 130, minutes 1 and 2.
    line = "1 60 30 40 8 -1 -1 8 -1 -1 1 -1 -1 -1 -1 -1 -1 -1\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("log.swf", f"; UnixStartTime: 0\n{line}")
    assert DERIVATIONS["job_log"]([path], {"start": "1993-10-01"}).to_list()[:4] == [0, 8, 8, 0]


def test_rates_of_clients_are_summed_and_holes_are_missing(tmp_path: Path) -> None:
    for client, rates in ((5, "0,2.5\n600,0\n"), (38, "0,1.5\n600,0.1\n")):
        (tmp_path / f"chunk-{client}-trace.csv").write_text(rates, encoding="utf-8")
    paths = sorted(tmp_path.glob("*"))
    found = DERIVATIONS["llm_clients"](paths, {"start": "2025-01-06"})
    assert found.fillna(-1).to_list() == [4.0, 4.0, -1, -1]
    one = DERIVATIONS["llm_clients"](paths, {"start": "2025-01-06", "client": 5})
    assert one.fillna(-1).to_list() == [2.5, 2.5, -1]


def test_tokens_are_rates_times_mean_lengths(tmp_path: Path) -> None:
    (tmp_path / "chunk-1-trace.csv").write_text("0,2\n", encoding="utf-8")
    lengths = '{"0": {"input_tokens": "{10: 0.5, 20: 0.5}", "output_tokens": "{5: 1.0}"}}'
    (tmp_path / "chunk-1-dataset.json").write_text(lengths, encoding="utf-8")
    found = DERIVATIONS["llm_clients"](sorted(tmp_path.glob("*")), {"start": "2025-01-06", "tokens": True})
    assert found.to_list() == [40.0, 40.0]


def test_every_line_of_the_table_is_complete() -> None:
    loads = DOCUMENT["loads"]
    assert (len(loads), sum(entry.get("quick", False) for entry in loads.values())) == (40, 8)
    for name, entry in loads.items():
        assert entry["source"] in DOCUMENT["sources"], name
        assert entry["derive"] in DERIVATIONS, name
        assert {"files", "first", "step", "samples", "sha256"} <= set(entry), name
    assert all(source["licence"] for source in DOCUMENT["sources"].values())


def test_a_file_that_is_absent_after_the_fetch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_nothing(*_: object) -> None: ...

    monkeypatch.setattr("benchmarks.traces.public._fetch_repository", fetch_nothing)
    with pytest.raises(InputError, match=r"no file matches 'a\.csv'"):
        public_files({"repository": "o/n", "commit": "0"}, ["a.csv"], tmp_path)


def test_an_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonesuch"]) == 2
    assert "NAME 'nonesuch'" in capsys.readouterr().err


@pytest.mark.traces
def test_the_digests_are_those_of_the_loads_beside_the_checkout() -> None:
    if not TRACES.is_dir():
        pytest.skip("needs the real traces in shared/data beside the checkout")
    for name, entry in DOCUMENT["loads"].items():
        path = next(path for path in candidates(TRACES, name) if path.is_file())
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"], name
