"""The section of a study of one factor at a time."""

import re

from support.factors import compared_study
from support.report_sample import searching_study

from tuner.artifacts import ArtifactStore
from tuner.report.factor_words import factor_table
from tuner.report.page import render_report
from tuner.report.plots.factors import curves_figure, differences_figure, mean_curve
from tuner.studies.records.factors import compare_factors

STUDY = compared_study(
    {"size": {7: [0.95, 0.97, 0.96], 1: [0.10, 0.11, 0.12]}, "<b>pool": {"max": [0.91, 0.90, 0.905]}},
    default={"size": 3, "<b>pool": "average"},
    default_scores=[0.90, 0.91, 0.905],
)


def text(cell: object) -> str:
    return str(cell).replace("\u00a0", " ").replace("\u2212", "-")


def test_the_page_compares_each_factor_in_a_table_and_two_plots(artifacts: ArtifactStore) -> None:
    page = render_report([STUDY], artifacts)

    section = page[page.index('id="study1-factors"') : page.index('id="study1-search"')]
    assert 'href="#study1-factors"' in page
    assert len(re.findall(r'class="plot"', section)) == 1 + 2 * 2
    assert "no difference found" in section
    assert "&lt;b&gt;pool" in section
    assert "<b>pool" not in section


def test_the_pages_of_other_studies_have_no_such_section(artifacts: ArtifactStore) -> None:
    assert "study1-factors" not in render_report([searching_study(n_trials=8)], artifacts)


def test_a_factors_table_has_numbers_in_their_order_with_differences_and_findings() -> None:
    size, pooling = compare_factors(STUDY)

    rows = [[text(cell) for cell in row] for row in factor_table(size, STUDY.objective).rows]

    assert [row[0] for row in rows] == ["1", "3 (default)", "7"]
    assert rows[0][2:4] == ["11.00 % ± 1.00", "-79.50"]
    assert rows[1][2:] == ["90.50 % ± 0.50", "None", "None", ""]
    assert rows[2] == ["7", "3", "96.00 % ± 1.00", "+5.50", "+4.26 to +6.74", "better"]
    assert factor_table(pooling, STUDY.objective).rows[1][-1] == "no difference found"


def test_what_a_comparison_lacks_stands_beside_its_finding() -> None:
    study = compared_study({"size": {5: [0.9]}}, default={"size": 3}, default_scores=[0.9])
    trials = list(study.trials)
    object.__setattr__(trials[1], "state", "pruned")

    (size,) = compare_factors(study)

    assert factor_table(size, study.objective).rows[1][-1] == "too few seeds; 1 pruned, not counted"


def test_the_curve_of_a_value_is_the_mean_over_its_seeds() -> None:
    size, _ = compare_factors(STUDY)

    assert list(mean_curve(size.default, STUDY.objective)) == [1, 2]
    assert abs(mean_curve(size.default, STUDY.objective)[2] - 0.905) < 1e-9
    assert [trace.name for trace in curves_figure(size.in_order, STUDY.objective).data] == ["1", "3 (default)", "7"]


def test_a_value_far_from_all_others_does_not_squeeze_their_intervals() -> None:
    study = compared_study(
        {"size": {value: [0.9 + value / 1000, 0.91 + value / 900] for value in range(1, 12)} | {99: [0.1, 0.1]}},
        default={"size": 3},
        default_scores=[0.90, 0.91],
    )
    (size,) = compare_factors(study)

    drawn = differences_figure([(size, value) for value in size.values[1:]], study.objective)

    assert drawn.layout.xaxis.range[1] < 20
    assert drawn.data[-1].marker.symbol == "triangle-left"
