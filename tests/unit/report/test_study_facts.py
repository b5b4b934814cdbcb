"""What the report tells of a study as a whole: time, epochs, ranges, defaults, how far its headline can be trusted."""

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from support.objectives import LOSS
from support.report_sample import START, finished_study, sample_final, searching_study

from tuner.artifacts import ArtifactStore
from tuner.report.doubts import find_doubts
from tuner.report.finals_results import FinalsResults, ModelFile, read_finals_results
from tuner.report.headline import build_headline
from tuner.report.page_sections.configuration import divide_values
from tuner.report.page_sections.finals import divide_by_difference
from tuner.report.page_sections.model import layer_rows
from tuner.report.page_sections.ranges import write_range
from tuner.report.plots import distribution, pairs
from tuner.report.totals import count_totals
from tuner.report.wording import duration_of_one, file_size
from tuner.studies.records.finals import ConfirmationRecord
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import SearchedRange


@pytest.fixture(scope="module")
def study() -> StudyRecord:
    return searching_study(n_trials=30)


def test_the_whole_study_is_search_confirmations_and_retrainings(study: StudyRecord) -> None:
    later = START + timedelta(days=1)
    confirmation = ConfirmationRecord(
        trial=1,
        repeat=1,
        seed=1,
        state="complete",
        score=0.9,
        n_epochs=7,
        started_at=later,
        finished_at=later + timedelta(seconds=30),
    )
    final = sample_final(1, study.trials[5], test=[0.99, 0.98])

    totals = count_totals(dataclasses.replace(study, confirmations=(confirmation,), finals=(final,)))

    searched = sum(trial.n_epochs for trial in study.trials)
    assert (totals.epochs, totals.confirmation_epochs, totals.retraining_epochs) == (searched + 7 + 60, 7, 60)
    assert totals.finals_s == 30
    # The night between search and finals is no time of the study.
    assert totals.whole_s < 3600
    assert totals.finished_at == later + timedelta(seconds=30)


def test_values_are_searched_offered_alone_or_fixed(study: StudyRecord) -> None:
    ranges = (SearchedRange(name="lr", low=0.1, high=1.0), SearchedRange(name="width", choices=(1,)))
    known = dataclasses.replace(study, ranges=ranges, definition={**study.definition, "fixed": {"stride": 1}})

    assert divide_values(known, {"lr": 0.2, "width": 1, "stride": 1, "growth": 2}) == (
        {"lr": 0.2},
        {"width": 1, "growth": 2},
        {"stride": 1},
    )


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (SearchedRange(name="x", low=0.0001, high=0.1, is_logarithmic=True), "0.0001 to 0.1, logarithmic"),
        (SearchedRange(name="x", low=0.0, high=0.6, step=0.1), "0 to 0.6, step 0.1"),
        (SearchedRange(name="x", low=1, high=8, step=1), "1 to 8"),
        (SearchedRange(name="x", choices=("relu", True)), "relu, true"),
    ],
)
def test_a_range_reads_as_people_write_it(one: SearchedRange, text: str) -> None:
    assert write_range(one) == text


def test_the_trial_of_the_defaults_is_the_first_that_was_asked_for(study: StudyRecord) -> None:
    trials = tuple(dataclasses.replace(trial, position=29 - trial.number) for trial in study.trials)
    known = dataclasses.replace(study, trials=trials)
    without = {**study.definition, "search": {**study.definition["search"], "start_with_defaults": False}}

    assert known.default_trial is trials[29]
    assert dataclasses.replace(known, definition=without).default_trial is None


def test_a_headline_that_rests_on_little_says_why(tmp_path: object) -> None:
    artifacts = ArtifactStore(str(tmp_path))
    study = finished_study(artifacts, n_trials=12, n_images=300)
    first, second, *_ = study.finals
    finals = (
        dataclasses.replace(first, test_accuracy_mean=0.90, test_accuracy_sd=0.13),
        dataclasses.replace(second, test_accuracy_mean=0.99 + 0.05),
    )
    shaky = dataclasses.replace(
        study, finals=finals, definition={**study.definition, "finals": {"epochs": 30, "confirm_epochs": 3}}
    )
    results = read_finals_results(shaky, artifacts)
    pictures = results.pictures
    assert pictures is not None
    few = dataclasses.replace(pictures.data, class_counts={"validation": (20, 23)})
    results = dataclasses.replace(results, pictures=dataclasses.replace(pictures, data=few))

    doubts = find_doubts(shaky, build_headline(shaky, results), results)

    assert [doubt.split()[0] for doubt in doubts] == ["Ranks", "Confirmations", "Its", "Rank"]
    assert "43\u00a0validation images: each is 2.3 points" in doubts[0]
    assert "the finals 30" in doubts[1]
    assert "+14.00 points" in doubts[3]


def test_a_headline_on_many_images_is_not_doubted(tmp_path: object) -> None:
    artifacts = ArtifactStore(str(tmp_path))
    study = finished_study(artifacts, n_trials=12, n_images=300)
    results = read_finals_results(study, artifacts)

    assert find_doubts(study, build_headline(study, results), results) == []
    untested = dataclasses.replace(study, finals=())
    nothing = FinalsResults(single=None, ensemble=None, problem=None)
    assert find_doubts(untested, build_headline(untested, nothing), nothing) == []


def test_only_differing_values_are_repeated_for_each_final() -> None:
    assert divide_by_difference([{"lr": 1, "units": 8}, {"lr": 2, "units": 8}]) == (["lr"], {"units": 8})
    assert divide_by_difference([{"lr": 1}]) == (["lr"], {})


def test_weights_are_listed_by_layer() -> None:
    weights = (("net/dense/kernel", (8, 4)), ("net/dense/bias", (4,)), ("seed", ()))

    assert layer_rows(ModelFile(n_parameters=37, size_bytes=1, weights=weights)) == [
        ("net/dense", "kernel 8x4, bias 4", "36"),
        ("seed", "seed 1", "1"),
    ]


def test_sizes_and_short_times_have_their_units() -> None:
    assert [file_size(size) for size in (999, 196_000, 4_120_000)] == ["999\u00a0B", "196\u00a0kB", "4.1\u00a0MB"]
    assert [duration_of_one(seconds) for seconds in (0.0123, 2.0)] == ["12.3\u00a0ms", "2.0\u00a0s"]


def test_the_distribution_rises_towards_the_best_score(study: StudyRecord) -> None:
    figure = distribution.report_figure(study)
    assert figure is not None

    (line,) = figure.plots[0].figure.data

    assert (line.y[0], line.y[-1]) == (0, 100)
    assert (np.diff(line.x) >= 0).all()


def test_less_is_better_on_a_distribution_of_losses(study: StudyRecord) -> None:
    figure = distribution.report_figure(dataclasses.replace(study, objective=LOSS))
    assert figure is not None

    low, high = figure.plots[0].figure.layout.xaxis.range

    assert low > high


def test_pairs_are_of_the_first_hyperparameters_while_importance_is_unknown(study: StudyRecord) -> None:
    rank, contour = pairs.report_figures(study, None)

    assert (rank.key, contour.key) == ("rank", "contour")
    assert [row[0] for row in rank.table.rows] == [
        "learning_rate and filters",
        "learning_rate and blocks",
        "filters and blocks",
    ]
    few = dataclasses.replace(study, trials=study.trials[:10])
    assert [figure.key for figure in pairs.report_figures(few, None)] == ["rank"]


def test_trials_on_one_line_span_no_surface(study: StudyRecord) -> None:
    on_a_line = tuple(
        dataclasses.replace(
            trial, state="complete", hyperparameters={"a": float(trial.number), "b": 2.0 * trial.number}
        )
        for trial in study.trials
    )

    figures = pairs.report_figures(dataclasses.replace(study, trials=on_a_line), None)

    assert [figure.key for figure in figures] == ["rank"]
