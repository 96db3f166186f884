from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from forecasting.calibrate import calibrate, calibrate_frame
from forecasting.errors import InputError, SettingsError


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
