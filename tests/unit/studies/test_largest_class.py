"""A study whose models are worse than always answering the largest class says so."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from support.objectives import LOSS
from support.report_sample import finished_study, searching_study

from tuner.artifacts import ArtifactStore
from tuner.studies.records.largest_class import beaten_by_largest_class
from tuner.studies.records.study import StudyRecord

COUNTS = [1, 999, 2, 3, 4, 5, 6, 7, 8, 9]


def _with_counts(study: StudyRecord, counts: list[int] | None = COUNTS, **changes: Any) -> StudyRecord:
    pixels = {} if counts is None else {"validation_counts": counts}
    return dataclasses.replace(study, pixels=pixels, **changes)


def test_the_search_is_compared_before_the_finals_are_there() -> None:
    study = searching_study(n_trials=3)
    best = study.best
    assert best is not None
    assert best.score is not None
    worse = dataclasses.replace(best, score=0.5)

    told = beaten_by_largest_class(_with_counts(study, trials=(worse,)))

    assert told is not None
    assert told.startswith("Always answering the largest class, '1', is right for 95.69\u00a0% of the images")
    assert told.endswith("the best validation accuracy is 50.00\u00a0%.")


@pytest.mark.parametrize(("accuracy", "is_beaten"), [(0.9, True), (0.98, False)])
def test_the_winners_test_accuracy_is_what_counts(tmp_path: Path, accuracy: float, *, is_beaten: bool) -> None:
    study = _with_counts(finished_study(ArtifactStore(str(tmp_path)), n_trials=12, n_images=200, accuracy=accuracy))

    told = beaten_by_largest_class(study)

    assert (told is not None) is is_beaten


def test_few_validation_images_do_not_decide_about_the_test_accuracy(tmp_path: Path) -> None:
    study = finished_study(ArtifactStore(str(tmp_path)), n_trials=12, n_images=200, accuracy=0.9)
    pixels = {"validation_counts": [19, 1], "class_counts": [100, 100]}

    assert beaten_by_largest_class(dataclasses.replace(study, pixels=pixels)) is None


def test_nothing_is_said_without_counts_or_without_an_accuracy() -> None:
    study = searching_study(n_trials=3)
    worse = tuple(dataclasses.replace(trial, score=0.1) for trial in study.trials)

    assert beaten_by_largest_class(_with_counts(study, None, trials=worse)) is None
    assert beaten_by_largest_class(_with_counts(study, trials=worse, objective=LOSS)) is None
    assert beaten_by_largest_class(_with_counts(study, trials=())) is None
