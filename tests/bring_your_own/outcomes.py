"""What must come of each builder: it works, or it is refused in one line when the study is created."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from trying import Workplace, run_study

from tuner.errors import TunerError


@dataclass(frozen=True, kw_only=True)
class Works:
    """All trials have a score, the final is tested, and its bundle answers as the test did."""

    #: At least this accuracy: chance is 0.1, a net whose targets are wrong learns nothing.
    least_accuracy: float = 0.3
    #: What the notes of a trial or final must say, as a regular expression.
    note: str | None = None
    settings: tuple[str, ...] = ()
    #: Whether the confirmation is trained too; one case of each kind does.
    confirms: bool = False
    #: The first has the default values, others are drawn.
    trials: int = 1


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Creation refuses it."""

    #: A regular expression for the one line.
    reason: str
    settings: tuple[str, ...] = ()


Outcome = Works | Refused


def expect(outcome: Outcome, space: str, dataset: Path, workplace: Workplace) -> None:
    """Run a study and compare."""
    if isinstance(outcome, Refused):
        with pytest.raises(TunerError) as refused:
            run_study(workplace, space, dataset, settings=outcome.settings)
        assert re.search(outcome.reason, str(refused.value)), refused.value
        assert "\n" not in str(refused.value)
        return
    finished = run_study(
        workplace, space, dataset, trials=outcome.trials, settings=outcome.settings, confirms=outcome.confirms
    )
    assert finished.failures == []
    assert [trial.state for trial in finished.record.trials] == ["complete"] * outcome.trials
    assert finished.score >= outcome.least_accuracy
    probabilities, accuracy = finished.predict_test_images()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    assert probabilities.min() >= 0
    assert accuracy == pytest.approx(finished.test_accuracy)
    if outcome.note is not None:
        notes = [note for trial in finished.record.trials for note in trial.notes]
        notes += [note for final in finished.record.finals for run in final.runs for note in run.notes]
        assert any(re.search(outcome.note, note) for note in notes), notes
