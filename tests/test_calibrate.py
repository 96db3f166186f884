from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from elastic_iac.local.aws import LocalAws
from forecasting.backtest.recommend import csv_fleet
from forecasting.calibrate import calibrate, calibrate_csv, calibrate_fleet, calibrate_frame
from forecasting.errors import InputError, SettingsError
from forecasting.settings import parse_fleet


def table(days: int = 10, top: float = 14.0, noise: float = 2.0, seed: int = 0) -> pd.DataFrame:
    """Ten instances of a service with utilisation = 5 + 5 x load per instance, so that 60 % is 11 per instance."""
    rng = np.random.default_rng(seed)
    index = pd.date_range("2026-03-02", periods=days * 288, freq="5min", tz="UTC")
    each = top * (0.6 + 0.4 * np.sin(np.arange(len(index)) / 288 * 2 * np.pi)) * rng.uniform(0.9, 1, len(index))
    instances = rng.integers(5, 15, len(index))
    return pd.DataFrame(
        {
            "load": each * instances,
            "in_service": instances.astype(float),
            "utilisation": np.minimum(5 + 5 * each + noise * rng.normal(size=len(index)), 100),
            "latency": 20 + 2 * np.exp(each - 8) + rng.normal(size=len(index)),
        },
        index=index,
    )


def test_load_per_instance_is_found_with_an_interval_around_it() -> None:
    found = calibrate_frame(table())
    assert found.load_per_instance == pytest.approx(11, rel=0.02)
    assert found.low <= 11 <= found.high
    assert found.high - found.low < 0.5
    assert found.method == "utilisation"
    assert found.warnings == ()
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["samples"] == 2880


def test_a_fleet_that_never_came_near_its_target_is_a_guess() -> None:
    found = calibrate_frame(table(top=5.0))
    assert any("never came near" in warning for warning in found.warnings)
    assert any("beyond the highest" in warning for warning in found.warnings)


def test_saturated_samples_do_not_bend_the_line() -> None:
    found = calibrate_frame(table(top=30.0))
    assert found.load_per_instance == pytest.approx(11, rel=0.05)


def test_latency_is_an_alternative() -> None:
    found = calibrate_frame(table(), latency_limit=60.0)
    # 20 + 2 exp(x - 8) = 60 at x = 8 + log 20.
    assert found.load_per_instance == pytest.approx(8 + np.log(20), rel=0.05)
    assert found.method == "latency"


def test_gaps_and_other_stamps_are_left_out() -> None:
    frame = table()
    frame.loc[frame.index[:100], "load"] = np.nan
    frame.loc[frame.index[100:200], "in_service"] = 0
    found = calibrate(frame["load"], frame["in_service"].iloc[:-100], utilisation=frame["utilisation"])
    assert found.samples == len(frame) - 300


def test_a_file_is_read_by_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "fleet.csv"
    table().rename_axis("timestamp").to_csv(file)
    assert calibrate_csv(file) == calibrate_frame(table())
    assert calibrate_csv(file, latency_limit=60.0).method == "latency"
    table().drop(columns="in_service").rename_axis("timestamp").to_csv(file)
    with pytest.raises(InputError, match="in_service"):
        calibrate_csv(file)


def test_a_fleet_is_read_from_cloudwatch(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, setting in aws.environment().items():
        monkeypatch.setenv(variable, setting)
    end = pd.Timestamp(aws.clock.now()).floor("5min")
    frame = table(days=3)
    frame.index = pd.date_range(end=end - pd.Timedelta(minutes=5), periods=len(frame), freq="5min")
    group = [{"Name": "AutoScalingGroupName", "Value": "web"}]
    names = {
        "load": ("Web", "Requests"),
        "in_service": ("AWS/AutoScaling", "GroupInServiceInstances"),
        "utilisation": ("AWS/EC2", "CPUUtilization"),
    }
    for column, (namespace, name) in names.items():
        points = [
            {"MetricName": name, "Dimensions": group, "Timestamp": stamp.to_pydatetime(), "Value": float(value)}
            for stamp, value in zip(pd.DatetimeIndex(frame.index), frame[column], strict=True)
        ]
        aws.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=points)

    def metric(column: str) -> dict[str, object]:
        namespace, name = names[column]
        return {"namespace": namespace, "metric_name": name, "dimensions": {"AutoScalingGroupName": "web"}}

    data = csv_fleet("x.csv", 1.0, 10.0).model_dump(mode="json") | {
        "target": {"region": aws.region, "group_name": "web"},
        "source": {
            "kind": "cloudwatch",
            "metric": metric("load"),
            "utilisation": metric("utilisation"),
            "saturated_above": 95,
        },
    }
    fleet = parse_fleet(data)
    found = calibrate_fleet(fleet, frame.index[0].to_pydatetime(), end.to_pydatetime())
    assert found.samples == len(frame)
    assert found.load_per_instance == pytest.approx(11, rel=0.03)
    with pytest.raises(SettingsError, match="load in CloudWatch"):
        calibrate_fleet(csv_fleet("x.csv", 1.0, 10.0), end.to_pydatetime(), end.to_pydatetime())


def test_what_cannot_be_told_is_an_error() -> None:
    frame = table()
    with pytest.raises(InputError, match="column in_service"):
        calibrate_frame(frame[["load", "utilisation"]])
    with pytest.raises(InputError, match="at least 48"):
        calibrate_frame(frame.iloc[:20])
    with pytest.raises(InputError, match="does not rise"):
        calibrate(frame["load"], frame["in_service"], utilisation=100 - frame["utilisation"])
    with pytest.raises(SettingsError, match="exactly one"):
        calibrate(frame["load"], frame["in_service"])
    with pytest.raises(SettingsError, match="target_utilisation"):
        calibrate(frame["load"], frame["in_service"], utilisation=frame["utilisation"], target_utilisation=0)
    with pytest.raises(SettingsError, match="latency_limit"):
        calibrate_frame(frame.drop(columns="utilisation"))
