"""Ensembles of the models of several studies, from what finals stored."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.report_sample import finished_study, store_sample_bundle

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import BundleDamagedError
from tuner.bundles.ensemble import Ensemble, read_model_file
from tuner.bundles.predictions import write_predictions
from tuner.errors import TunerError
from tuner.jobs.finals.ensemble_over_studies import build_ensemble
from tuner.report.page import render_report
from tuner.studies.records.study import StudyRecord

N_IMAGES = 60


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path))


def study_of(store: ArtifactStore, name: str, *, wrong: Sequence[int], known: float, shift: int = 0) -> StudyRecord:
    """A study of one final with one model, which is sure of all its answers and errs on some images."""
    study = finished_study(store, name=name, n_trials=12, n_images=N_IMAGES)
    labels = (np.arange(N_IMAGES) + shift) % 10
    answered = labels.copy()
    answered[list(wrong)] = (answered[list(wrong)] + 1) % 10
    probabilities = np.full((N_IMAGES, 10), 0.01, np.float32)
    probabilities[np.arange(N_IMAGES), answered] = 0.91
    images = np.zeros((N_IMAGES, 8, 8, 1), np.uint8)
    answers = write_predictions(store, f"{name}/a.npz", labels=labels, probabilities=probabilities, images=images)
    store_sample_bundle(store, f"{name}/a.bundle", shapes=[(2, 3)])
    run = dataclasses.replace(
        study.finals[0].runs[0],
        bundle=f"{name}/a.bundle",
        predictions=f"{name}/a.npz",
        val_accuracy=known,
        test_accuracy=answers.accuracy,
    )
    final = dataclasses.replace(study.finals[0], runs=(run,), test_accuracy_mean=answers.accuracy)
    return dataclasses.replace(study, finals=(final,), without_augmentation=None, ensemble=None)


@pytest.fixture
def three(store: ArtifactStore) -> list[StudyRecord]:
    """Each errs on six images, and no two on the same."""
    return [
        study_of(store, name, wrong=range(6 * index, 6 * index + 6), known=0.9 + index / 100)
        for index, name in enumerate("abc")
    ]


def test_models_that_err_on_different_images_are_right_together(three: list[StudyRecord], store: ArtifactStore) -> None:
    made = build_ensemble(three, store, members=None)
    again = build_ensemble(three[::-1], store, members=3)

    assert [member.test_accuracy for member in made.description.members] == pytest.approx([0.9] * 3)
    assert (made.description.test_accuracy, made.description.n_test) == (1.0, N_IMAGES)
    assert (made.is_new, again.is_new) == (True, False)
    assert again.description == made.description
    read = read_model_file(made.description.bundle, artifacts=store.location(""))
    assert isinstance(read, Ensemble)
    assert read.description == made.description
    assert [member.weights[0].shape for member in read.members] == [(2, 3)] * 3


def test_members_are_chosen_by_validation_and_never_by_the_test(three: list[StudyRecord], store: ArtifactStore) -> None:
    far_worse = study_of(store, "best-on-test", wrong=[], known=0.2)

    chosen = build_ensemble([far_worse, *three], store, members=None).description
    two = build_ensemble([far_worse, *three], store, members=2).description

    assert chosen.studies == ("a", "b", "c")
    assert two.studies == ("c", "b")


def test_the_report_of_these_studies_shows_it_and_that_of_others_does_not(
    three: list[StudyRecord], store: ArtifactStore
) -> None:
    build_ensemble(three[:2], store, members=None)

    assert "Ensembles over studies" in render_report(three, store)
    assert "Ensembles over studies" not in render_report(three[1:], store)


def test_what_cannot_vote_together_is_one_line_and_writes_nothing(
    three: list[StudyRecord], store: ArtifactStore
) -> None:
    kana = dataclasses.replace(three[1], class_names=tuple("おきすつなはまやれを"))
    other_test = study_of(store, "other", wrong=[], known=0.9, shift=1)
    untested = dataclasses.replace(three[1], finals=())
    cases = [
        (
            [three[0], kana],
            None,
            "'b' has the classes お, .* and 'a' has 0, 1, .* Expected studies of the same classes",
        ),
        ([three[0], other_test], None, "'other' was tested on other images than 'a'"),
        ([three[0], untested], None, "'b' has no tested model"),
        ([three[0]], None, "1 model would vote"),
        (three, 4, "Received 4 members, but these studies have 3 tested models"),
    ]
    for studies, members, message in cases:
        with pytest.raises(TunerError, match=message) as caught:
            build_ensemble(studies, store, members=members)
        assert "\n" not in str(caught.value)
    assert store.list("ensembles") == []


def test_a_changed_ensemble_is_damaged(three: list[StudyRecord], store: ArtifactStore, tmp_path: Path) -> None:
    path = tmp_path / build_ensemble(three, store, members=None).description.bundle
    path.write_bytes(path.read_bytes().replace(b'"trial"', b'"trail"', 1))

    with pytest.raises(BundleDamagedError):
        read_model_file(path)
