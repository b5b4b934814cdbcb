import base64
import dataclasses
import hashlib
import html
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.report_sample import (
    finished_study,
    sample_answers,
    sample_final,
    sample_images,
    searching_study,
    store_sample_predictions,
)

from tuner.artifacts import ArtifactStore
from tuner.bundles.predictions import write_predictions
from tuner.cli.study_text import print_record
from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.report.page import render_report, write_report
from tuner.studies.records.finals import ConfirmationRecord
from tuner.studies.records.study import StudyRecord
from tuner.studies.slots.outcomes import Failure

NASTY = "<img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;\"'"
#: What a study stores of its pixels.
PIXELS = {
    "range": [0, 16],
    "found": [0, 16],
    "bits": None,
    "channels": 1,
    "background": None,
    "polarity": "dark on light",
    "inverted": True,
    "stored_size": [8, 8],
    "any_size": False,
    "warnings": ["The pixel values go from 0 to 16."],
    "test_warnings": ["d, test part: it has no images of the classes 7."],
}


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def body(page: str) -> str:
    """The page without Plotly and the other scripts and styles, its spaces plain."""
    start = page.index("<body>")
    return re.sub(r"<script.*?</script>", "", page[start:], flags=re.DOTALL).replace("\u00a0", " ")


def words(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", body(page)))


def headline(page: str) -> str:
    match = re.search(r'<p class="big">(.*?)</p>', body(page))
    assert match
    return re.sub(r"<[^>]+>", " ", match[1])


def study_with_one_tested_final(artifacts: ArtifactStore, *, repeats: int = 3) -> StudyRecord:
    study = searching_study(n_trials=8)
    store_sample_predictions(artifacts, "run.npz", n_images=1000, n_classes=10, accuracy=0.99)
    final = sample_final(1, study.trials[5], test=[0.99, 0.992, 0.991][:repeats], predictions="run.npz")
    return dataclasses.replace(study, state="done", finals=(final,))


def test_the_answer_is_the_mean_test_accuracy_with_its_spread_and_its_interval(artifacts: ArtifactStore) -> None:
    page = render_report([study_with_one_tested_final(artifacts)], artifacts)

    assert "99.10 %" in headline(page)
    assert "test accuracy, mean of 3 retrained models" in headline(page)
    assert "± 0.10 points" in words(page)
    assert "98.30\u201399.53 % Wilson 95 % interval of the mean accuracy on 1,000 test images" in words(page)


def test_the_answer_holds_ensemble_parameters_and_budget(artifacts: ArtifactStore) -> None:
    page = words(render_report([finished_study(artifacts, n_trials=20, n_images=500)], artifacts))

    assert "test accuracy of the ensemble: 9 models" in page
    assert "The model of final 1Parameters314,120" in page
    assert "Trials20 of 20" in page


def test_one_repeat_has_no_standard_deviation(artifacts: ArtifactStore) -> None:
    page = words(render_report([study_with_one_tested_final(artifacts, repeats=1)], artifacts))

    assert "test accuracy, one retrained model" in page
    assert "One repeat: the spread over seeds is unknown." in page
    assert "±" not in page.partition("Search")[0].partition("main")[2]


def test_without_finals_the_best_validation_score_says_that_it_is_one(artifacts: ArtifactStore) -> None:
    page = render_report([searching_study(n_trials=30, budget=50)], artifacts)

    assert "best validation score so far" in headline(page)
    assert "test" not in headline(page)
    assert "Still to come: 20 trials" in words(page)
    assert "has no test results" in words(page)


def test_no_finished_trial_is_no_result_yet(artifacts: ArtifactStore) -> None:
    page = render_report([searching_study(n_trials=0, budget=50)], artifacts)

    assert "No result yet" in headline(page)
    assert "Still to come: 50 trials" in words(page)


def test_a_study_whose_trials_all_failed_names_the_commonest_failure(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=5)
    failure = Failure(kind="builder_error", message="units must be positive")
    failed = tuple(
        dataclasses.replace(trial, state="failed", score=None, best_epoch=None, curve=(), failure=failure)
        for trial in study.trials
    )
    reason = "5 trials failed in a row"

    page = render_report(
        [dataclasses.replace(study, trials=failed, state="stopped", stop_reason=reason, budget=20)], artifacts
    )

    assert "No result" in headline(page)
    assert "all 5 trials failed" in headline(page)
    assert "Most often builder error (5 of 5): units must be positive" in words(page)
    assert f"The study has stopped: {reason}." in words(page)


def test_failed_finals_are_said_to_have_failed_and_no_validation_score_stands_in(artifacts: ArtifactStore) -> None:
    study = study_with_one_tested_final(artifacts)
    (final,) = study.finals
    failure = Failure(kind="out_of_memory", message="12 GiB wanted")
    runs = tuple(
        dataclasses.replace(run, state="failed", test_accuracy=None, predictions=None, curve=(), failure=failure)
        for run in final.runs
    )
    broken = dataclasses.replace(final, runs=runs, test_accuracy_mean=None, test_accuracy_sd=None, bundle=None)

    page = render_report([dataclasses.replace(study, finals=(broken,))], artifacts)

    assert "best validation score" in headline(page)
    assert "3 of 3 retraining runs failed (out of memory): 12 GiB wanted" in words(page)


def test_the_next_rank_answers_when_the_first_failed_and_says_so(artifacts: ArtifactStore) -> None:
    study = study_with_one_tested_final(artifacts)
    (second,) = study.finals
    first = dataclasses.replace(second, runs=(), test_accuracy_mean=None, test_accuracy_sd=None, bundle=None)
    second = dataclasses.replace(second, rank=2)

    page = render_report([dataclasses.replace(study, finals=(first, second))], artifacts)

    assert "test accuracy of rank 2" in headline(page)


def test_missing_predictions_cost_the_interval_and_are_told(artifacts: ArtifactStore) -> None:
    study = study_with_one_tested_final(artifacts)
    artifacts.delete("run.npz")

    page = words(render_report([study], artifacts))

    assert "99.10 %" in page
    assert "No interval: without the predictions, the number of test images is unknown" in page
    assert "The predictions of final 1, repeat 1 (seed 7010) could not be read: No artifact at" in page


@pytest.mark.parametrize(
    "spoil",
    [
        lambda store: store.write("run.npz", b"no zip"),
        lambda store: store_sample_predictions(store, "run.npz", n_images=50, n_classes=7, accuracy=0.5),
    ],
    ids=["damaged", "of other classes"],
)
def test_predictions_that_do_not_fit_are_told_and_not_shown(
    artifacts: ArtifactStore, spoil: Callable[[ArtifactStore], object]
) -> None:
    study = study_with_one_tested_final(artifacts)
    spoil(artifacts)

    page = words(render_report([study], artifacts))

    assert "could not be read" in page
    assert "Confusion matrix" not in page


@pytest.mark.parametrize(("n_classes", "channels"), [(2, 1), (100, 3)])
def test_few_or_many_classes_and_coloured_images(artifacts: ArtifactStore, n_classes: int, channels: int) -> None:
    names = tuple(f"kind {number}" for number in range(n_classes))
    study = finished_study(
        artifacts, n_trials=12, n_images=600, class_names=names, channels=channels, accuracy=0.8, dataset="mine"
    )

    page = render_report([study], artifacts)

    assert "ROC curves" in page
    errors = re.findall(r'<ul class="errors">(.*?)</ul>', body(page), flags=re.DOTALL)
    assert [listed.count('src="data:image/png;base64,') for listed in errors] == [24, 24]
    assert f"over {n_classes} classes" in words(page)


def test_a_final_without_mistakes_says_so(artifacts: ArtifactStore) -> None:
    study = study_with_one_tested_final(artifacts)
    labels, probabilities = sample_answers(n_images=100, n_classes=10, accuracy=1.1)
    write_predictions(artifacts, "run.npz", labels=labels, probabilities=probabilities, images=sample_images(labels))

    assert "no mistakes." in words(render_report([study], artifacts))


def test_finals_trained_on_the_validation_set_too_say_why_a_curve_is_missing(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=8)
    final = sample_final(1, study.trials[5], test=[0.99, 0.992], validated=False)

    page = words(render_report([dataclasses.replace(study, finals=(final,))], artifacts))

    assert "no validation curve, the validation images were trained on too" in page


def test_markup_in_names_and_messages_is_shown_not_run(artifacts: ArtifactStore) -> None:
    names = (NASTY, *[f"{number}{NASTY}" for number in range(9)])
    study = finished_study(artifacts, n_trials=40, n_images=500, accuracy=0.9, class_names=names)
    trials = tuple(
        dataclasses.replace(
            trial,
            hyperparameters={NASTY: NASTY if trial.number % 2 else "other", **trial.hyperparameters},
            workers=(NASTY,),
            failure=Failure(kind=NASTY, message=NASTY) if trial.failure else None,
        )
        for trial in study.trials
    )
    nasty = dataclasses.replace(
        study,
        name=NASTY,
        space=NASTY,
        dataset=NASTY,
        trials=trials,
        stop_reason=NASTY,
        state="stopped",
        provenance={NASTY: NASTY},
        definition={NASTY: NASTY, "search": {"epochs": 20}},
    )

    page = render_report([nasty, nasty], artifacts)

    outside_plotly = page[: page.index("plotly.js v")] + page[page.rindex("</html>") - 10_000 :]
    assert "<img src=x" not in outside_plotly
    assert "<script>alert" not in page
    assert "</script><script>alert" not in page


def test_the_provenance_says_what_pixels_mean_and_what_was_guessed(artifacts: ArtifactStore) -> None:
    page = words(render_report([dataclasses.replace(searching_study(n_trials=3), pixels=PIXELS)], artifacts))

    assert "Pixels0 is black and 16 white in arrays, grey, dark on light, inverted" in page
    assert "Warning about the dataThe pixel values go from 0 to 16." in page
    assert "Warning about the datad, test part: it has no images of the classes 7." in page


def test_the_page_says_who_made_the_study_where_that_is_known(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=3)
    signed = dataclasses.replace(study, definition={**study.definition, "author": "<Ada>"})

    assert "by" not in words(render_report([study], artifacts)).partition("best")[0]
    page = words(render_report([signed], artifacts))
    assert "by <Ada>" in page
    assert "Author<Ada>" in page


def test_studies_on_one_dataset_are_compared_and_others_left_apart(artifacts: ArtifactStore) -> None:
    cnn = finished_study(artifacts, n_trials=12, n_images=2000, name="cnn")
    mlp = finished_study(artifacts, n_trials=12, n_images=2000, name="mlp", space="mlp", accuracy=0.97, seed=2)
    kmnist = searching_study(name="kmnist-cnn", dataset="kmnist", n_trials=12)

    page = words(render_report([cnn, mlp, kmnist], artifacts))

    assert "Studies on mnist, side by side" in page
    assert "cnn has the highest mean test accuracy" in page
    assert "Their 95 % intervals do not overlap." in page
    assert "2 different sets of images" in page
    assert "Studies on kmnist" not in page


def test_studies_on_different_datasets_alone_are_not_compared(artifacts: ArtifactStore) -> None:
    page = words(
        render_report(
            [searching_study(name="a", n_trials=6), searching_study(name="b", n_trials=6, dataset="kmnist")], artifacts
        )
    )

    assert "highest" not in page
    assert "cannot be compared" in page


def test_untested_studies_are_compared_by_validation_and_say_so(artifacts: ArtifactStore) -> None:
    studies = [searching_study(name=name, n_trials=6, seed=seed) for seed, name in enumerate("ab")]

    assert "validation scores only" in words(render_report(studies, artifacts))


def test_the_page_asks_for_nothing_and_runs_its_own_scripts_only(artifacts: ArtifactStore) -> None:
    page = render_report([study_with_one_tested_final(artifacts)], artifacts)

    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(hashes) == 2
    assert all(f"'sha256-{one}'" in html.unescape(policy[1]) for one in hashes)
    assert "default-src" in policy[1]
    assert not re.search(r"""(?:src|href|action)=["'](?!data:|#)""", body(page))


def test_headings_do_not_skip_a_level_and_ids_are_unique(artifacts: ArtifactStore) -> None:
    study = finished_study(artifacts, n_trials=25, n_images=500)

    page = body(render_report([study, dataclasses.replace(study, name="again")], artifacts))

    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_thousand_trials_of_twenty_epochs_stay_small_and_quick(artifacts: ArtifactStore) -> None:
    study = finished_study(artifacts, n_trials=1000, epochs=20)

    started_s = time.process_time()
    page = render_report([study], artifacts)
    took_s = time.process_time() - started_s

    assert len(page.encode()) < 8_000_000
    assert took_s < 5


def test_rendering_twice_gives_the_same_page(artifacts: ArtifactStore) -> None:
    study = study_with_one_tested_final(artifacts)

    assert render_report([study], artifacts) == render_report([study], artifacts)


def test_writing_replaces_the_older_file_whole(artifacts: ArtifactStore, tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"

    for name in ("first", "second"):
        written = write_report([searching_study(name=name, n_trials=3)], artifacts, target)

    assert written == target
    assert "<h1>second</h1>" in target.read_text(encoding="utf-8")
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_an_error_the_caller_can_act_on(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(TunerError, match="--out"):
        write_report([searching_study(n_trials=1)], artifacts, tmp_path / "file" / "report.html")


def test_no_study_is_refused(artifacts: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="no study"):
        render_report([], artifacts)


def test_trials_without_epochs_scores_or_hyperparameters_do_no_harm(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=4)
    bare = tuple(
        dataclasses.replace(trial, curve=(), hyperparameters={}, workers=(), started_at=None, finished_at=None)
        for trial in study.trials
    )

    page = render_report([dataclasses.replace(study, trials=bare, definition={})], artifacts)

    assert "best validation score so far" in headline(page)


def test_a_final_that_diverged_is_drawn_up_to_where_its_loss_was_a_number(
    artifacts: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_with_one_tested_final(artifacts)
    (final,) = study.finals
    run = final.runs[1]
    curve = (*run.curve[:5], dataclasses.replace(run.curve[5], loss=float("inf"), val_accuracy=float("nan")))
    failure = Failure(kind="nan_loss", message="The loss is NaN at epoch 6.")
    diverged = dataclasses.replace(run, state="failed", test_accuracy=None, curve=curve, failure=failure)
    study = dataclasses.replace(study, finals=(dataclasses.replace(final, runs=(final.runs[0], diverged)),))

    page = words(render_report([study], artifacts))
    print_record(study, artifacts)

    line = (
        f"Retraining of trial {final.trial} with augmentation, repeat 2 failed (nan loss): The loss is NaN at epoch 6."
    )
    assert line in page
    assert line in capsys.readouterr().out, "`tuner study show` uses the same words"
    assert "1 of 2" in page
    assert "nan %" not in page.partition("The numbers of Training")[0]


def test_a_bundle_whose_file_is_gone_is_told_as_missing(
    artifacts: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_with_one_tested_final(artifacts)

    page = words(render_report([study], artifacts))
    print_record(study, artifacts)

    assert "The bundle of final 1 is missing or damaged: its layers and its size are not shown." in page
    assert f"Bundle of rank 1: {artifacts.location('finals/1-0.bundle')} (missing)" in capsys.readouterr().out


def test_a_terminal_is_told_what_creation_warned_of(
    artifacts: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    print_record(dataclasses.replace(searching_study(n_trials=3), pixels=PIXELS), artifacts)

    lines = capsys.readouterr().out.splitlines()
    assert "Warning about the data: The pixel values go from 0 to 16." in lines
    assert "Warning about the data: d, test part: it has no images of the classes 7." in lines


def test_what_does_not_differ_between_trials_is_told_once(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=4)
    trials = tuple(
        dataclasses.replace(trial, hyperparameters={"units": 8 + trial.number, "kernel_size": 3, "head": "flatten"})
        for trial in study.trials
    )
    definition = {**study.definition, "fixed": {"kernel_size": 3}}

    page = words(render_report([dataclasses.replace(study, trials=trials, definition=definition)], artifacts))

    assert "Fixed by the definition: kernel_size 3." in page
    assert "Equal in all trials: kernel_size 3, head flatten." in page


def test_the_best_trial_is_said_to_have_its_own_values_alone(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=6)
    values = [{"optimizer": "adam", "units": 16 + n} for n in range(5)] + [{"optimizer": "sgd", "momentum": 0.9}]
    scores = [0.9, 0.95, 0.7, 0.6, 0.5, 0.4]
    trials = tuple(
        dataclasses.replace(trial, state="complete", score=score, hyperparameters=drawn)
        for trial, drawn, score in zip(study.trials, values, scores, strict=True)
    )

    page = words(render_report([dataclasses.replace(study, trials=trials)], artifacts))

    assert "The best trial had optimizer adam, units 17. Each point is a trial" in page
    assert "momentumnot used" in page


def test_trials_below_the_plot_of_the_history_are_counted(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=10)
    scores = [0.97, 0.98, 0.1, 0.2, 0.975, 0.96, 0.97, 0.97, 0.97, 0.97]
    trials = tuple(
        dataclasses.replace(trial, state="complete", score=score)
        for trial, score in zip(study.trials, scores, strict=True)
    )

    page = words(render_report([dataclasses.replace(study, trials=trials)], artifacts))
    few = words(render_report([dataclasses.replace(study, trials=trials[1:4])], artifacts))

    assert "2 trials lie below the plot, down to 10.00 %: the triangles at its edge." in page
    # Most of a short search is drawn whatever it scored.
    assert "below the plot, down to" not in few


def test_a_search_whose_trials_all_fit_hides_none(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=3)
    trials = tuple(dataclasses.replace(trial, state="complete", score=0.97) for trial in study.trials)

    page = words(render_report([dataclasses.replace(study, trials=trials)], artifacts))

    assert "below the plot, down to" not in page


def test_mistakes_are_the_headlines_models_and_the_ensembles_apart(artifacts: ArtifactStore) -> None:
    page = render_report([finished_study(artifacts, n_trials=12, n_images=500, accuracy=0.9)], artifacts)

    single, ensemble = words(page).split("The same of the ensemble of 9 models: confusion, mistakes and curves")
    assert "one of the models that the headline is about: final 1, repeat 1 (seed 7010)" in single
    assert "Test set, the ensemble of 9 models" not in single
    assert "Test set, the ensemble of 9 models" in ensemble
    assert "Test set, final 1, repeat 1" not in ensemble


def test_a_study_without_finals_speaks_of_none_to_come(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=8)
    without = dataclasses.replace(study, definition={**study.definition, "finals": {"top": 0}})

    searching = words(render_report([without], artifacts))
    done = words(render_report([dataclasses.replace(without, state="done")], artifacts))

    assert "Still to come: 20 trials." in searching
    for page in (searching, done):
        assert "This study asks for no finals (finals.top = 0)" in page
        assert "No test accuracy yet" not in page
        assert "No finals yet" not in page
    assert "so far" not in headline(render_report([dataclasses.replace(without, state="done")], artifacts))


def test_trials_without_a_score_are_not_called_unfinished(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=3)
    trials = tuple(dataclasses.replace(trial, state="complete", score=None, best_epoch=None) for trial in study.trials)

    page = render_report([dataclasses.replace(study, state="done", trials=trials)], artifacts)

    assert "3 trials finished without a validation accuracy" in headline(page)
    assert "none of its 3 trials has a validation accuracy" in words(page)


def test_failed_confirmations_stand_with_their_reason(artifacts: ArtifactStore) -> None:
    failure = Failure(kind="builder_error", message="nets.py:41 in build: ValueError: no such layer")
    failed = ConfirmationRecord(trial=2, repeat=1, seed=9, state="failed", score=None, failure=failure)
    study = dataclasses.replace(searching_study(n_trials=4), state="done", confirmations=(failed,))

    page = words(render_report([study], artifacts))

    reason = "nets.py:41 in build: ValueError: no such layer"
    assert f"Confirmation of trial 2, repeat 1 failed (builder error): {reason}" in page
    assert "Incomplete result: it has no finals" in page
    assert "No finals: none could be trained." in page


def test_notes_stand_beside_what_they_are_about(artifacts: ArtifactStore) -> None:
    study = study_with_one_tested_final(artifacts)
    (final,) = study.finals
    first, *others = final.runs
    final = dataclasses.replace(final, runs=(dataclasses.replace(first, notes=("It kept its schedule.",)), *others))
    trials = (dataclasses.replace(study.trials[0], notes=("It ended by its time limit.",)), *study.trials[1:])

    page = words(render_report([dataclasses.replace(study, trials=trials, finals=(final,))], artifacts))

    assert "Note on retraining of trial 5 with augmentation, repeat 1: It kept its schedule." in page
    assert "It ended by its time limit." in page


def test_a_single_mistake_is_not_counted_as_one_of_one(artifacts: ArtifactStore) -> None:
    study = study_with_one_tested_final(artifacts)
    labels, probabilities = sample_answers(n_images=100, n_classes=10, accuracy=1.1)
    probabilities[0] = np.roll(probabilities[0], 1)
    write_predictions(artifacts, "run.npz", labels=labels, probabilities=probabilities, images=sample_images(labels))

    page = words(render_report([study], artifacts))

    assert "1 mistake." in page
    assert "1 of 1" not in page.partition("Most confident mistakes")[2][:200]


def test_what_was_not_measured_is_a_dash_everywhere(artifacts: ArtifactStore) -> None:
    study = searching_study(n_trials=8)
    final = sample_final(1, study.trials[5], test=[0.99], validated=False)

    page = render_report([dataclasses.replace(study, state="done", finals=(final,))], artifacts)

    assert "<td>none</td>" not in page


def test_the_report_shows_data_layers_and_the_training_of_every_final(artifacts: ArtifactStore) -> None:
    study = finished_study(artifacts, n_trials=12, n_images=200)

    page = words(render_report([study], artifacts))

    assert "Train: 9,810 images, from 900 (0 and 3) to 1,080 (2 and 5) of a class, 1.20 times as many." in page
    assert "Augmented images beside their originals" in page
    assert "What the layers see" in page
    assert "Training of the other finals (2)" in page
    assert "Weighted mean" in page


def test_the_curve_of_one_more_training_says_what_it_is(artifacts: ArtifactStore) -> None:
    study = finished_study(artifacts, n_trials=12, n_images=200)
    best = study.finals[0]
    runs = tuple(dataclasses.replace(run, val_accuracy=None, curve=without_validation(run.curve)) for run in best.runs)
    curve_run = dataclasses.replace(best.runs[0], test_accuracy=None, bundle=None, predictions=None, pictures=None)
    finals = (dataclasses.replace(best, runs=runs, curve_run=curve_run), *study.finals[1:])

    page = words(render_report([dataclasses.replace(study, finals=finals)], artifacts))

    assert (
        "The validation curve is of one more training with the first repeat's seed, which kept the validation" in page
    )
    assert "final 1, for its validation curve, not tested" in page
    assert "3 of 3" in page


def without_validation(curve: tuple[Epoch, ...]) -> tuple[Epoch, ...]:
    return tuple(dataclasses.replace(epoch, val_loss=None, val_accuracy=None) for epoch in curve)


def test_all_models_of_several_studies_stand_in_one_table(artifacts: ArtifactStore) -> None:
    studies = [finished_study(artifacts, name=name, n_trials=12, n_images=200) for name in ("first", "second")]

    page = render_report(studies, artifacts)

    (table,) = re.findall(r"<caption[^>]*>All models</caption>(.*?)</table>", page)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("<tr>")[2:]]
    assert [row[0] for row in rows] == ["first"] * 13 + ["second"] * 13
    assert rows[0][1:4] == ["final 1, repeat 1", str(studies[0].finals[0].trial), "314,120"]
    assert rows[0][7] == "5\u00a0min 30\u00a0s"
    assert rows[12][1] == "ensemble of 9 models"
