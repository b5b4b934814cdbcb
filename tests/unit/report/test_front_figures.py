"""The front among all trials, and the tested front against its costs, as rows and figures of the report."""

import dataclasses
from pathlib import Path

import pytest
from support.report_sample import finished_study, searching_study

from tuner.artifacts import ArtifactStore
from tuner.objectives import COSTS, OBJECTIVES
from tuner.report.finals_results import read_finals_results
from tuner.report.note import write_note
from tuner.report.plots import front, tested_costs
from tuner.report.wording import describe_front
from tuner.studies.records.study import StudyRecord

MEASURED = (COSTS["parameters"], COSTS["latency_ms"])


def with_costs(study: StudyRecord) -> StudyRecord:
    """Give each trial costs that grow with its filters, and each retrained model a latency of its own."""
    trials = tuple(
        dataclasses.replace(
            trial,
            costs={
                "parameters": 1000.0 * trial.hyperparameters["filters"] + trial.number,
                "latency_ms": 0.1 + 0.01 * (trial.number % 7),
            },
        )
        for trial in study.trials
    )
    finals = tuple(
        dataclasses.replace(
            final,
            costs={"parameters": 9000.0 * final.rank, "latency_ms": 0.2},
            runs=tuple(
                dataclasses.replace(run, costs={"parameters": 9000.0 * final.rank, "latency_ms": 0.1 + 0.1 * repeat})
                for repeat, run in enumerate(final.runs)
            ),
        )
        for final in study.finals
    )
    return dataclasses.replace(study, trials=trials, finals=finals, others=MEASURED)


@pytest.fixture(scope="module")
def searched() -> StudyRecord:
    return with_costs(searching_study(n_trials=40))


def test_a_study_of_one_objective_has_no_such_figures() -> None:
    plain = searching_study(n_trials=5)

    assert front.report_figure(plain) is None
    assert (plain.front, plain.knee, describe_front(plain)) == ((), None, None)


def test_the_front_is_drawn_against_each_cost_with_its_knee_and_all_values_at_each_mark(searched: StudyRecord) -> None:
    shown = front.report_figure(searched)

    assert shown is not None
    assert searched.knee is not None
    assert len(shown.plots) == 2
    others, of_front, knee = shown.plots[0].figure.data
    assert len(of_front.x) == len(searched.front) == len(shown.table.rows)
    assert len(others.x) + len(of_front.x) == len([trial for trial in searched.trials if trial.score is not None])
    assert knee.x == (searched.knee.costs["parameters"],)
    assert "parameters" in of_front.customdata[0]
    assert "latency of one image" in of_front.customdata[0]
    assert f"{searched.knee.number} (knee)" in [row[0] for row in shown.table.rows]
    assert "Pareto front of" in write_note(searched)


def test_another_objective_is_drawn_on_the_axis_of_its_kind(searched: StudyRecord) -> None:
    balanced = dataclasses.replace(OBJECTIVES["balanced_accuracy"], is_beside=True)
    trials = [
        dataclasses.replace(trial, others={} if trial.score is None else {"balanced_accuracy": 1 - trial.score / 2})
        for trial in searched.trials
    ]

    shown = front.report_figure(dataclasses.replace(searched, trials=tuple(trials), others=(balanced,)))

    assert shown is not None
    figure = shown.plots[0].figure
    assert figure.layout.xaxis.title.text == "validation balanced accuracy"
    assert all(label.endswith("%") for label in figure.layout.xaxis.ticktext)
    assert figure.data[1].line.shape == "vh"
    assert "% balanced accuracy ↑" in shown.finding


def test_the_finals_show_their_test_accuracy_against_each_cost_with_both_intervals(tmp_path: Path) -> None:
    artifacts = ArtifactStore(str(tmp_path))
    study = with_costs(finished_study(artifacts, n_images=500, n_trials=12))
    results = read_finals_results(study, artifacts)

    tested = tested_costs.tested_finals(study, results)
    shown = tested_costs.report_figure(study, results)

    assert shown is not None
    assert all(one.wilson and one.wilson[0] < one.accuracy < one.wilson[1] for one in tested)
    assert all(one.seeds[0] < one.accuracy < one.seeds[1] for one in tested)
    assert tested[0].others["latency_ms"] == pytest.approx((0.2, 0.1, 0.3))
    wilson, seeds, means = shown.plots[1].figure.data
    assert all(length > 0 for length in (*wilson.error_y.array, *seeds.error_y.array, *seeds.error_x.array))
    assert list(means.x) == pytest.approx([0.2] * 3)
    assert "0.2 ms (0.1 ms to 0.3 ms)" in [str(row[-1]).replace("\u00a0", " ") for row in shown.table.rows]
