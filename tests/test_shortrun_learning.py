"""What full runs learn for the short ones."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from tests.fleets import NOW
from tests.shortruns import BOOT, asked, full, job_of, rewrite, short
from tests.street import HOUR, MINUTE, Street, write_load

pytestmark = pytest.mark.usefixtures("quick_models")


# What is learnt


def test_a_full_run_learns_once_a_day_and_chooses_after_three_judged_days(street: Street) -> None:
    fits: list[Any] = []
    for number in range(5 * 4 + 1):
        street.aws.clock.advance_to(NOW + number * 6 * HOUR)
        write_load(street.folder / "load.csv", street.aws.clock.now())
        assert full(street).ok
        basis = street.ledger.basis()
        assert basis
        assert basis.fit
        fits.append(basis.fit)
    learnt = [fit for number, fit in enumerate(fits) if not number or fit != fits[number - 1]]
    assert 5 <= len(learnt) <= 6
    assert [len(fit.days) for fit in learnt][:2] == [0, 1]
    assert len(learnt[-1].days) >= 4
    assert all(fit.tau == 0.95 for fit in learnt[:3])
    assert learnt[-1].coefficients != learnt[0].coefficients


def test_a_lead_time_that_hovers_around_an_edge_keeps_the_longer_window_and_the_judged_days(street: Street) -> None:
    seen: list[tuple[int, int]] = []
    for number, lead in enumerate((590, 610, 590, 610, 300)):
        street.aws.clock.advance_to(NOW + number * 24 * HOUR)
        write_load(street.folder / "load.csv", street.aws.clock.now())
        job = street.job(street.fleet(lead_time_seconds=lead, short_lead=True))
        assert street.run(job).ok
        basis = street.ledger.basis()
        assert basis
        assert basis.fit
        seen.append((basis.fit.window, len(basis.fit.days)))
    assert seen == [(5, 0), (6, 0), (6, 1), (6, 2), (4, 0)]


def test_new_settings_judge_anew_at_once(street: Street) -> None:
    def learn(number: int, **changes: Any) -> tuple[int, float]:
        street.aws.clock.advance_to(NOW + number * 6 * HOUR)
        write_load(street.folder / "load.csv", street.aws.clock.now())
        assert street.run(job_of(street, **changes)).ok
        basis = street.ledger.basis()
        assert basis
        assert basis.fit
        return len(basis.fit.days), basis.fit.tau

    seen = [learn(number) for number in range(0, 21, 4)]
    assert [days for days, _ in seen] == [0, 1, 2, 3, 4, 5]
    assert seen[-1][1] != 0.95
    assert learn(21) == seen[-1]
    assert learn(22, load_per_instance=20) == (0, 0.95)
    assert learn(26, load_per_instance=20)[0] == 1


def test_what_another_release_learnt_is_learnt_anew(planned: Street) -> None:
    (path,) = (planned.folder / "store").rglob("basis.json")
    left = json.loads(path.read_bytes())
    shapes = [len(row) for row in left["fit"]["coefficients"]]
    left["fit"]["coefficients"] = [row[:-1] for row in left["fit"]["coefficients"]]
    path.write_text(json.dumps(left), encoding="utf-8")
    assert short(planned).status == "held"
    assert full(planned).ok
    basis = planned.ledger.basis()
    assert basis
    assert basis.fit
    assert [len(row) for row in basis.fit.coefficients] == shapes
    assert short(planned).ok


def test_what_a_saturated_fleet_served_lowers_nothing(street: Street) -> None:
    def say(refused: bool) -> None:
        path = street.folder / "load.csv"
        table = pd.read_csv(path)
        recent = pd.to_datetime(table["timestamp"]) >= pd.Timestamp(street.aws.clock.now() - 30 * MINUTE)
        table.assign(refused=recent & refused).to_csv(path, index=False)

    def lull() -> Any:
        before = asked(street)
        assert short(street, job).ok
        return asked(street) - before

    source = {"kind": "file", "path": str(street.folder / "load.csv"), "censored_column": "refused"}
    job = street.job({**street.fleet(lead_time_seconds=BOOT), "source": source})
    say(False)
    assert street.run(job).status == "written"
    street.aws.clock.advance(1 * HOUR)
    rewrite(street, 0.5, 3 * HOUR)
    say(True)
    assert lull().min() == 0
    say(False)
    assert lull().min() < 0
