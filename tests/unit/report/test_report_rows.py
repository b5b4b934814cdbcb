import dataclasses
import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import classification_report
from support.objectives import ACCURACY
from support.report_sample import START, sample_answers, sample_trial, searching_study

from tuner.bundles.predictions import Predictions
from tuner.class_metrics import confusion_matrix
from tuner.epochs import Epoch
from tuner.report.finals_results import FinalsResults
from tuner.report.forest_importance import MIN_TRIALS, encode_column, measure_importance
from tuner.report.headline import Headline, build_headline
from tuner.report.mistakes import average_scores, class_scores, confused_pairs
from tuner.report.page_sections.comparison import same_data_groups
from tuner.report.plots.budget import epoch_budget
from tuner.report.plots.confusion import confusion_figure
from tuner.report.plots.discrimination import corner_size, curves_figure, precision_recall_curves, roc_curves
from tuner.report.plots.history import best_so_far, records_set
from tuner.report.plots.intermediate import epoch_summaries
from tuner.report.plots.parallel import height_on_axis, score_bands, score_heights
from tuner.report.plots.slices import _labels, slices
from tuner.report.plots.timeline import _name, stretches, worker_summaries
from tuner.report.theme import log_axis, nines, whole_axis
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord


def trial(number: int, score: float | None = 0.9, **values: object) -> TrialRecord:
    base = TrialRecord(
        number=number,
        state="complete",
        score=score,
        best_epoch=1,
        hyperparameters={},
        seed=number,
        attempts=1,
        workers=("w1",),
        started_at=START,
        finished_at=START + timedelta(seconds=10),
        duration_s=10.0,
        curve=(),
    )
    return dataclasses.replace(base, **values)


def curve(*val_accuracies: float) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(epoch=epoch, loss=1.0, accuracy=0.5, val_loss=1.0, val_accuracy=value)
        for epoch, value in enumerate(val_accuracies, start=1)
    )


def test_the_best_so_far_counts_pruned_trials_and_passes_over_failed_ones() -> None:
    trials = [trial(0, 0.8), trial(1, None, state="failed"), trial(2, 0.9, state="pruned"), trial(3, 0.85)]

    numbers, best = best_so_far(trials, ACCURACY)

    assert numbers == [0, 2, 3]
    assert best == [0.8, 0.9, 0.9]


def test_the_best_so_far_follows_trial_numbers_whatever_the_order_given() -> None:
    numbers, best = best_so_far([trial(1, 0.7), trial(0, 0.8)], ACCURACY)

    assert (numbers, best) == ([0, 1], [0.8, 0.8])


def test_an_equal_score_sets_no_new_record() -> None:
    assert [one.number for one in records_set([trial(0, 0.8), trial(1, 0.8), trial(2, 0.81)], ACCURACY)] == [0, 2]


def test_epoch_summaries_count_who_reached_an_epoch_and_who_was_pruned_after_it() -> None:
    trials = [trial(0, curve=curve(0.5, 0.9)), trial(1, state="pruned", curve=curve(0.3)), trial(2, state="failed")]

    first, second = epoch_summaries(trials, ACCURACY)

    assert (first.n_trials, first.n_pruned, first.median, first.best) == (2, 1, 0.4, 0.5)
    assert (second.n_trials, second.n_pruned) == (1, 0)


def test_pruning_saves_the_epochs_pruned_trials_did_not_train() -> None:
    trials = [
        trial(0, curve=curve(*[0.9] * 10)),
        trial(1, state="pruned", curve=curve(0.1, 0.2)),
        trial(2, None, state="failed", curve=curve(0.1)),
    ]

    budget = epoch_budget(trials, epochs=10)

    assert (budget.trained, budget.saved) == (13, 8)
    assert budget.saved_share == pytest.approx(8 / 21)


def test_nothing_is_saved_without_pruning() -> None:
    assert epoch_budget([trial(0, curve=curve(0.9))], epochs=5).saved_share == 0


def test_a_trial_that_changed_workers_is_drawn_on_the_last() -> None:
    (row,) = stretches([trial(0, workers=("w1", "w2"))])

    assert (row.worker, row.moved, row.duration_s) == ("w2", True, 10.0)


def test_a_running_trial_lasts_until_the_latest_known_time() -> None:
    running = trial(1, None, state="running", started_at=START + timedelta(seconds=2), finished_at=None)

    rows = stretches([trial(0), running, trial(2, None, state="waiting", started_at=None)])

    assert [row.duration_s for row in rows] == [10.0, 8.0]


def test_a_worker_summary_adds_up_its_trials() -> None:
    later = {"started_at": START + timedelta(seconds=20), "finished_at": START + timedelta(seconds=25)}

    (summary,) = worker_summaries(stretches([trial(0), trial(1, **later)]))

    assert (summary.trials, summary.busy_s) == (2, 15.0)
    assert summary.last - summary.first == timedelta(seconds=25)


def test_a_worker_that_took_over_a_trial_is_not_busy_twice() -> None:
    taken_over = {"started_at": START + timedelta(seconds=5), "finished_at": START + timedelta(seconds=25)}

    (summary,) = worker_summaries(stretches([trial(0), trial(1, **taken_over)]))

    assert summary.busy_s == 25.0


def test_a_hyperparameter_that_never_varied_has_no_slice() -> None:
    trials = [trial(number, hyperparameters={"units": number, "fixed": 3}) for number in range(3)]

    assert [one.name for one in slices(trials, ACCURACY)] == ["units"]


def test_a_slice_leaves_out_trials_that_were_not_asked() -> None:
    trials = [trial(0, hyperparameters={"a": 1, "b": True}), trial(1, hyperparameters={"a": 2})]

    by_name = {one.name: one for one in slices(trials, ACCURACY)}

    assert [one.number for one in by_name["b"].trials] == [0]


def test_log_uniform_draws_get_a_logarithmic_axis_and_uniform_ones_do_not() -> None:
    draws = [
        {"learning_rate": 10 ** (-5 + 4 * step / 40), "dropout": 0.001 + 0.6 * step / 40, "optimizer": "ab"[step % 2]}
        for step in range(41)
    ]

    found = slices([trial(number, hyperparameters=values) for number, values in enumerate(draws)], ACCURACY)

    assert {one.name: one.is_logarithmic for one in found} == {
        "learning_rate": True,
        "dropout": False,
        "optimizer": False,
    }


def test_every_scored_trial_is_in_one_band_the_best_first() -> None:
    trials = [trial(number, number / 100) for number in range(100)]

    bands = score_bands(trials, ACCURACY)

    assert [len(band.trials) for band in bands] == [10, 15, 25, 50]
    assert bands[0].trials[0].number == 99


def test_a_line_runs_below_the_axis_of_a_hyperparameter_the_trial_was_not_asked_for() -> None:
    trials = [trial(0, hyperparameters={"a": 1}), trial(1, hyperparameters={"a": 2}), trial(2, hyperparameters={})]

    (axis,) = slices(trials, ACCURACY)

    assert [height_on_axis(one, axis) for one in trials] == [0.25, 0.75, -0.12]


def test_importance_finds_the_hyperparameter_that_decides_the_score() -> None:
    random = np.random.default_rng(0)
    drawn = [{"deciding": float(random.random()), "idle": str(random.choice(["a", "b"]))} for _ in range(80)]
    trials = [
        trial(number, 0.5 + values["deciding"] / 3, hyperparameters=values) for number, values in enumerate(drawn)
    ]

    importance = measure_importance(trials)

    assert importance is not None
    assert importance.shares["deciding"] > 0.95
    assert importance.r_squared > 0.8


def test_importance_of_noise_explains_nothing() -> None:
    random = np.random.default_rng(0)
    trials = [
        trial(number, float(random.random()), hyperparameters={"idle": float(random.random())}) for number in range(60)
    ]

    importance = measure_importance(trials)

    assert importance is not None
    assert importance.r_squared < 0.1


def test_importance_is_the_same_when_measured_twice() -> None:
    trials = [sample_trial(number) for number in range(40)]
    scored = [one for one in trials if one.score is not None]

    assert measure_importance(scored) == measure_importance(scored)


@pytest.mark.parametrize(
    "trials",
    [
        [trial(number, number / 100, hyperparameters={"a": number}) for number in range(MIN_TRIALS - 1)],
        [trial(number, 0.9, hyperparameters={"a": number}) for number in range(50)],
        [trial(number, number / 100, hyperparameters={"a": 1}) for number in range(50)],
    ],
    ids=["too few trials", "equal scores", "nothing varied"],
)
def test_importance_is_not_told_where_it_cannot_be_known(trials: list[TrialRecord]) -> None:
    assert measure_importance(trials) is None


def test_values_that_were_not_asked_for_lie_below_all_others() -> None:
    assert encode_column([3, None, 10]).tolist() == [0, -1, 1]
    assert encode_column(["sgd", None, "adam"]).tolist() == [1, -1, 0]


def test_the_confusion_matrix_has_true_classes_as_rows() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)

    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert confused_pairs(matrix) == [(0, 1, 1)]


def test_scores_without_a_denominator_are_unknown_rather_than_zero() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)

    zero, one, never = class_scores(matrix, ("a", "b", "c"))

    assert (zero.precision, zero.recall, zero.f1) == (1.0, 0.5, pytest.approx(2 / 3))
    assert (one.precision, one.recall) == (0.5, 1.0)
    assert (never.precision, never.recall, never.f1) == (None, None, None)


def predictions(n_classes: int, *, accuracy: float = 0.9, n_images: int = 600) -> Predictions:
    labels, probabilities = sample_answers(n_images=n_images, n_classes=n_classes, accuracy=accuracy)
    nothing = np.zeros((0, 1, 1, 1), dtype=np.uint8)
    return Predictions(
        labels=labels, probabilities=probabilities, error_indices=np.zeros(0, np.int64), error_images=nothing
    )


@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_roc_stays_legible_with_any_number_of_classes(n_classes: int) -> None:
    names = [f"c{number}" for number in range(n_classes)]

    figure = curves_figure(roc_curves(predictions(n_classes), names), titles=("x", "y"), area_name="area")

    in_legend = [line.name for line in figure.data if line.showlegend is not False]
    assert len(figure.data) == n_classes
    assert len(in_legend) <= 5
    assert sum(len(line.x) for line in figure.data) < 15_000


def test_the_hardest_class_comes_first() -> None:
    answers = predictions(3)
    answers.probabilities[answers.labels == 2] = [0.5, 0.3, 0.2]

    assert roc_curves(answers, ["a", "b", "hard"])[0].class_name == "hard"
    assert precision_recall_curves(answers, ["a", "b", "hard"])[0].class_name == "hard"


def test_a_class_that_the_test_set_lacks_has_no_curve() -> None:
    answers = predictions(3)
    kept = answers.labels != 1

    curves = roc_curves(
        dataclasses.replace(answers, labels=answers.labels[kept], probabilities=answers.probabilities[kept]), "abc"
    )

    assert {one.class_name for one in curves} == {"a", "c"}


def test_the_corner_grows_until_the_hardest_class_bends_inside_it() -> None:
    good = roc_curves(predictions(10, accuracy=0.999), "0123456789")
    bad = roc_curves(predictions(10, accuracy=0.3), "0123456789")

    assert corner_size(good, ideal_x=0.0) < corner_size(bad, ideal_x=0.0)


def test_a_large_confusion_matrix_has_no_text_in_its_cells_and_few_ticks() -> None:
    figure = confusion_figure(np.eye(100, dtype=np.int64), [f"c{number}" for number in range(100)])

    assert figure.data[0].text is None
    assert len(figure.layout.xaxis.tickvals) <= 20


@pytest.mark.parametrize("accuracies", [[0.5], [1.0], [0.9881, 0.9897], [0.1, 0.999, 1.0], [0.0, 0.02], []])
def test_an_accuracy_axis_always_has_labels_inside_its_range(accuracies: list[float]) -> None:
    axis = nines(accuracies).axis("accuracy", accuracies)

    low, high = axis["range"]
    assert sum(low <= tick <= high for tick in axis["tickvals"]) >= 1
    assert len(axis["tickvals"]) <= 14
    assert low < high


def test_a_perfect_score_lies_on_the_axis() -> None:
    scale = nines([0.9, 1.0])

    assert scale.place(1.0) > scale.place(0.9)
    assert "100\u00a0%" in scale.axis("accuracy", [0.9, 1.0])["ticktext"]


def test_labels_of_an_accuracy_axis_lie_apart() -> None:
    scale = nines([0.1, 0.2, 0.5, 0.995])

    axis = scale.axis("accuracy", [0.1, 0.2, 0.5, 0.995])

    low, high = axis["range"]
    gaps = np.diff(axis["tickvals"]) / (high - low)
    assert len(gaps) >= 3
    assert gaps.min() >= 0.12


@pytest.mark.parametrize("values", [[0.11, 0.19], [1.1, 1.7], [0.31, 0.32], [0.001, 3.0], [0.9, 45.0], [1e-9, 10.0]])
def test_a_logarithmic_axis_has_three_to_eight_labels_however_narrow_its_range(values: list[float]) -> None:
    axis = log_axis("loss", values)

    low, high = axis["range"]
    assert 3 <= sum(low <= math.log10(tick) <= high for tick in axis["tickvals"]) <= 8
    assert len(set(axis["ticktext"])) == len(axis["ticktext"])


@pytest.mark.parametrize(("last", "step"), [(1, 1), (4, 1), (8, 1), (9, 2), (20, 5), (60, 10), (500, 100)])
def test_epochs_are_labelled_at_whole_numbers(last: int, step: int) -> None:
    assert whole_axis("epoch", last)["dtick"] == step


@pytest.mark.parametrize(
    ("choices", "labels"),
    [
        ([16, 24, 32], ["16", "24", "32"]),
        ([0.0003046, 0.000873, 0.001, 0.002529], ["0.0003046", "", "", "0.002529"]),
        (
            ["categorical_crossentropy", "kl_divergence", "sparse_categorical_crossentropy"],
            ["categorical_<br>crossentropy", "<br><br><br>kl_divergence", "sparse_<br>categorical_<br>crossentropy"],
        ),
    ],
)
def test_labels_below_a_slice_do_not_overlap(choices: list[Any], labels: list[str]) -> None:
    assert _labels(choices) == labels


@pytest.mark.parametrize(
    ("worker", "shown"),
    [
        ("b364c83c784340b2a1de9fa1afe2ee5d", "b364c83c"),
        ("b364c83c-7843-40b2-a1de-9fa1afe2ee5d", "b364c83c"),
        ("my-worker-on-the-fourth-machine-here", "my-worker-on-the-fourth-machine-here"),
    ],
)
def test_a_timeline_shows_the_first_block_of_a_workers_id(worker: str, shown: str) -> None:
    assert _name(worker, {}) == shown
    assert _name(worker, {worker: "gpu-1:4711"}) == "gpu-1:4711"


def test_the_first_axis_of_parallel_coordinates_is_the_score() -> None:
    trials = [
        dataclasses.replace(sample_trial(number), state="complete", score=score)
        for number, score in ((0, 0.9), (1, 0.99), (2, 0.999))
    ]

    assert score_heights(trials, ACCURACY) == pytest.approx({0: 0.0, 1: 0.5, 2: 1.0})


def test_only_studies_of_equal_data_stand_side_by_side() -> None:
    mnist = searching_study(n_trials=1)
    other_data = dataclasses.replace(mnist, provenance={"data_sha256": "another"})
    kmnist = searching_study(n_trials=1, dataset="kmnist")
    studies = [mnist, kmnist, other_data, mnist]

    assert same_data_groups(studies, headlines_of(studies)) == [[0, 3], [1], [2]]


def test_studies_whose_test_images_have_other_labels_do_not_stand_side_by_side() -> None:
    studies = [searching_study(n_trials=1)] * 5
    headlines = [
        dataclasses.replace(headline, test_labels_sha256=labels)
        for headline, labels in zip(headlines_of(studies), ["a", None, "b", "a", None], strict=True)
    ]

    assert same_data_groups(studies, headlines) == [[0, 1, 3, 4], [2]]


def headlines_of(studies: list[StudyRecord]) -> list[Headline]:
    untested = FinalsResults(single=None, ensemble=None, problem=None)
    return [build_headline(study, untested) for study in studies]


def test_the_averages_over_classes_are_those_of_scikit_learn() -> None:
    labels = np.array([0] * 50 + [1] * 30 + [2] * 5)
    predicted = np.random.default_rng(0).permutation(labels)
    predicted[predicted == 2] = 0
    expected = classification_report(labels, predicted, labels=[0, 1, 2], output_dict=True, zero_division=0)

    # The test set has no image of the fourth class.
    averages = average_scores(class_scores(confusion_matrix(labels, predicted, 4), tuple("0123")))

    for average, name in zip(averages, ("macro avg", "weighted avg"), strict=True):
        wanted = [expected[name][part] for part in ("precision", "recall", "f1-score")]
        assert [average.precision, average.recall, average.f1] == pytest.approx(wanted)
        assert average.images == 85
