import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from support.objectives import ACCURACY
from support.report_sample import sample_trial

from tuner.report.forest_importance import measure_importance
from tuner.report.plots.history import best_so_far
from tuner.report.thinning import MOST_DRAWN, drawn, evenly, tell
from tuner.studies.records.trial import TrialRecord


def trial(number: int, score: float, rate: float = 0.01) -> TrialRecord:
    return TrialRecord(
        number=number,
        state="complete",
        score=score,
        best_epoch=1,
        hyperparameters={"learning_rate": rate, "units": number % 7},
        seed=0,
        attempts=1,
        workers=("w",),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        finished_at=datetime(2026, 1, 1, tzinfo=UTC),
        duration_s=0.0,
        curve=(),
    )


def test_a_large_study_is_drawn_in_part_with_its_best_and_every_record() -> None:
    scores = np.random.default_rng(0).random(10_000)
    trials = [trial(number, float(score)) for number, score in enumerate(scores)]

    shown = drawn(trials, ACCURACY)

    assert len(shown) <= MOST_DRAWN * 1.05
    assert {one.number for one in shown} >= set(np.argsort(-scores)[:900].tolist())
    assert best_so_far(shown, ACCURACY)[1][-1] == best_so_far(trials, ACCURACY)[1][-1] == scores.max()
    assert [one.number for one in shown] == sorted(one.number for one in shown)
    assert str(MOST_DRAWN // 1000) in (tell(len(trials)) or "")


def test_a_study_that_a_figure_can_show_is_drawn_whole() -> None:
    trials = [trial(number, 0.5) for number in range(MOST_DRAWN)]

    assert list(drawn(trials, ACCURACY)) == trials
    assert list(evenly(trials)) == trials
    assert [len(evenly(range(n))) for n in (MOST_DRAWN + 1, 5 * MOST_DRAWN)] == [MOST_DRAWN] * 2
    assert tell(len(trials)) is None
    assert len(drawn([sample_trial(number) for number in range(9)], ACCURACY)) == 9


def test_importances_of_a_large_study_are_those_of_a_part_of_it() -> None:
    rates = np.random.default_rng(0).random(MOST_DRAWN + 2)
    trials = [trial(number, float(rate), float(rate)) for number, rate in enumerate(rates)]

    measured = measure_importance(trials)

    assert measured is not None
    assert measured == measure_importance(evenly(trials))
    assert next(iter(measured.shares)) == "learning_rate"


def test_a_script_without_a_main_guard_is_run_once_when_it_measures_a_large_study(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "print('begun')\n"
        "from test_thinning import MOST_DRAWN, trial\n"
        "from tuner.report.forest_importance import measure_importance\n"
        "measured = measure_importance([trial(n, n % 97 / 97, n % 97 / 97) for n in range(MOST_DRAWN + 2)])\n"
        "print(next(iter(measured.shares)))\n"
    )

    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == ["begun", "learning_rate"]
