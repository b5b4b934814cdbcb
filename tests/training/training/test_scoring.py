"""An epoch's score is the same function of the same answers, whoever trained the epoch."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score
from small_models import build_mlp
from support.objectives import ACCURACY

from tuner.epochs import Epoch
from tuner.objectives import find_objective
from tuner.training.history import TrainingHistory
from tuner.training.own_fit import OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.predictions import predict_probabilities
from tuner.training.scoring import ScoreError, Scoring, Scorings, make_scoring
from tuner.training.train import train
from tuner.training_settings import Training

PLAN = TrainingPlan(epochs=2, batch_size=32, seed=2)
MACRO_F1 = make_scoring(find_objective("macro_f1"), top_k=5)


class OwnStep(keras.Sequential):
    """Overrides `train_step` and changes nothing, so that Keras' own loop trains it."""

    def train_step(self, *arguments: Any) -> Any:
        return super().train_step(*arguments)


def handed_on(_: Any, model: keras.Model, *arguments: Any, **keywords: Any) -> Any:
    return model.fit(*arguments, batch_size=32, **keywords)


def own_loop(_: Any, model: keras.Model, x: Any, y: Any, *, callbacks: Any, **_keywords: Any) -> None:
    for epoch in range(2):
        model.train_on_batch(x, y)
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"loss": 1.0})


def as_keras_loop(model: keras.Model) -> keras.Model:
    model.__class__ = OwnStep
    return model


def run(
    data: TrainingData, scoring: Scoring | None, *, plan: TrainingPlan = PLAN, fit: Any = None, change: Any = None
) -> tuple[keras.Model, TrainingHistory]:
    keras.utils.set_random_seed(3)
    model = build_mlp()
    model = change(model) if change else model
    own = OwnFit(function=fit, hyperparameters=None) if fit else None
    return model, train(model, data, plan, on_epoch=_ignore, scoring=Scorings(leading=scoring), own_fit=own)


def _ignore(result: Epoch) -> None:
    """Look at no epoch."""


@pytest.mark.parametrize("ema_momentum", [0.0, 0.8])
def test_a_whole_epoch_program_scores_what_the_model_answers(digits: TrainingData, ema_momentum: float) -> None:
    plan = TrainingPlan(epochs=2, batch_size=32, seed=2, training=Training(ema_momentum=ema_momentum))
    model, history = run(digits, MACRO_F1, plan=plan)
    _, unscored = run(digits, None, plan=plan)

    validation = digits.validation
    assert validation is not None
    answers = predict_probabilities(model, validation.images).argmax(axis=1)
    assert history.epochs[-1].score == pytest.approx(f1_score(validation.labels, answers, average="macro"), abs=1e-6)
    assert [epoch.score for epoch in unscored.epochs] == [None, None]
    assert [epoch.val_loss for epoch in unscored.epochs] == [epoch.val_loss for epoch in history.epochs]


@pytest.mark.parametrize(("fit", "change"), [(None, as_keras_loop), (handed_on, None)])
def test_keras_loop_and_a_fit_of_ones_own_score_as_the_program_does(
    digits: TrainingData, fit: Callable[..., Any] | None, change: Callable[..., Any] | None
) -> None:
    _, by_program = run(digits, MACRO_F1)
    _, by_other = run(digits, MACRO_F1, fit=fit, change=change)

    scores = [epoch.score for epoch in by_other.epochs]
    if fit is None:
        np.testing.assert_allclose(scores, [epoch.score for epoch in by_program.epochs], atol=1e-6)
    assert all(score is not None and 0 < score < 1 for score in scores)


def test_a_loop_that_measures_nothing_is_scored_all_the_same(digits: TrainingData) -> None:
    model, history = run(digits, MACRO_F1, fit=own_loop)

    validation = digits.validation
    assert validation is not None
    answers = predict_probabilities(model, validation.images).argmax(axis=1)
    assert history.epochs[-1].score == pytest.approx(f1_score(validation.labels, answers, average="macro"), abs=1e-6)


def test_a_metric_that_the_model_was_compiled_with_is_read_from_the_logs(digits: TrainingData) -> None:
    scoring = make_scoring(find_objective("accuracy_again"), top_k=5)

    def compile_with_metric(model: keras.Model) -> keras.Model:
        metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy_again")
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", metric])
        return model

    _, history = run(digits, scoring, change=compile_with_metric)

    assert [epoch.score for epoch in history.epochs] == [epoch.val_accuracy for epoch in history.epochs]


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (None, "returned nothing"),
        ("good", "returned str 'good'"),
        (True, "returned bool True"),
        (np.zeros(3), r"returned an array of shape \(3,\)"),
        (float("nan"), "returned NaN"),
    ],
)
def test_a_function_that_returns_no_number_is_refused(returned: Any, told: str) -> None:
    scoring = make_scoring(find_objective("mine:measure"), top_k=5, own=lambda _y, _p: returned)
    assert scoring is not None

    with pytest.raises(ScoreError, match=rf"^The objective mine:measure {told}\. Expected a number for labels"):
        scoring.of_probabilities(np.array([0, 1]), np.eye(2, dtype=np.float32))


@pytest.mark.parametrize("returned", [0, 0.5, np.float32(0.5), np.array(0.5), np.int64(1)])
def test_every_kind_of_number_is_a_score(returned: Any) -> None:
    scoring = make_scoring(find_objective("mine:measure"), top_k=5, own=lambda _y, _p: returned)
    assert scoring is not None

    assert scoring.of_probabilities(np.array([0, 1]), np.eye(2, dtype=np.float32)) == float(returned)


def test_accuracy_and_loss_need_no_scoring() -> None:
    assert make_scoring(ACCURACY, top_k=5) is None
    assert make_scoring(find_objective("loss"), top_k=5) is None
