"""The objective's own value on the test images, beside the test accuracy."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from tuner.datasets.images import LabelledImages
from tuner.jobs.finals.score import FinalScores, score_test, score_vote
from tuner.jobs.study.scoring import open_scoring
from tuner.objectives import find_objective
from tuner.studies.definitions.making import make_definition
from tuner.training.predictions import predict_probabilities
from tuner.training.scoring import Scoring, Scorings, make_scoring

TEST = LabelledImages(
    images=np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), dtype=np.uint8),
    labels=np.arange(40) % 3,
    class_names=("a", "b", "c"),
)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    net = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    metric = keras.metrics.F1Score(average="macro", name="f1")
    net.compile("sgd", "categorical_crossentropy", metrics=["accuracy", metric], run_eagerly=True)
    return net


def _score(model: keras.Model, objective: str, own: Any = None) -> tuple[float | None, list[str]]:
    definition = make_definition(space="mlp", overrides=[f"search.objective={objective}"])
    notes: list[str] = []
    probabilities = predict_probabilities(model, TEST.images)
    scoring = Scorings(leading=make_scoring(definition.objective, top_k=5, own=own))
    scores = score_test(model, TEST, probabilities, definition=definition, scoring=scoring, on_note=notes.append)
    return scores.leading, notes


def _expected(model: keras.Model) -> Mapping[str, float]:
    probabilities = predict_probabilities(model, TEST.images)
    f1 = f1_score(TEST.labels, probabilities.argmax(axis=1), average="macro")
    loss = -np.log(probabilities[np.arange(40), TEST.labels]).mean()
    return {"macro_f1": f1, "f1": f1, "loss": loss, "log_loss": loss}


@pytest.mark.parametrize("objective", ["macro_f1", "f1", "loss", "log_loss"])
def test_the_objective_is_measured_on_the_test_images(model: keras.Model, objective: str) -> None:
    score, notes = _score(model, objective)

    assert score == pytest.approx(_expected(model)[objective], abs=1e-5)
    assert notes == []


def test_so_are_the_objectives_beside_it_but_for_an_accuracy(model: keras.Model) -> None:
    definition = make_definition(space="mlp", overrides=['search.objectives=["macro_f1", "accuracy", "loss", "f1"]'])
    notes: list[str] = []
    probabilities, expected = predict_probabilities(model, TEST.images), _expected(model)

    scores = score_test(
        model, TEST, probabilities, definition=definition, scoring=open_scoring(definition), on_note=notes.append
    )

    assert scores.leading == pytest.approx(expected["macro_f1"], abs=1e-5)
    assert scores.others == pytest.approx({name: expected[name] for name in ("loss", "f1")}, abs=1e-5)
    assert notes == []


def test_an_accuracy_is_not_measured_twice(model: keras.Model) -> None:
    assert _score(model, "accuracy") == (None, [])


def test_what_cannot_be_measured_costs_no_tested_model(model: keras.Model) -> None:
    def fails(_labels: Any, _probabilities: Any) -> float:
        raise ValueError("not these images")

    assert _score(model, "mine:fails", own=fails) == (
        None,
        ["The test mine:fails was not measured: ValueError: not these images"],
    )
    assert _score(model, "other_metric") == (None, ["The test other_metric was not measured: KeyError: 'other_metric'"])


def test_a_vote_is_measured_by_its_probabilities_alone() -> None:
    probabilities = np.eye(3, dtype=np.float32)[TEST.labels]
    notes: list[str] = []
    metric = Scoring(name="f1", metric="f1")
    f1 = Scoring(name="macro_f1", function=lambda _labels, _probabilities: 1.0)
    scoring = Scorings(leading=metric, others=((find_objective("macro_f1"), f1), (find_objective("loss"), None)))

    scores = score_vote(TEST.labels, probabilities, scoring=scoring, on_note=notes.append)

    assert scores == FinalScores(leading=None, others={"macro_f1": 1.0})
    assert notes == []
