"""The finals: retrained models, their test results, and their mistakes."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tuner.bundles.predictions import Predictions
from tuner.class_metrics import confusion_matrix
from tuner.objectives import Objective
from tuner.plain_values import Hyperparameters
from tuner.report.figures import ReportFigure, StudyView, render_figure
from tuner.report.finals_results import FinalsResults, predicted_classes, tested_runs
from tuner.report.headline import Headline
from tuner.report.markup import Cell, Child, Html, Table, element, render_table
from tuner.report.mistakes import ClassScores, average_scores, class_scores
from tuner.report.page_sections.errors import render_confused_pairs, render_worst_errors
from tuner.report.page_sections.model import render_model
from tuner.report.page_sections.models import render_models
from tuner.report.plots import agreement, calibration, confusion, discrimination, tested_costs, training
from tuner.report.templating import fill
from tuner.report.wording import (
    describe_failure,
    interval,
    percent,
    points,
    score_spread,
    settings,
    tested_accuracy,
    tested_others,
    write_others,
    write_tests,
)
from tuner.studies.records.finals import FinalRecord
from tuner.studies.records.study import StudyRecord

#: Figures of the retraining runs, in the order of the page. A new one is one line here.
_TRAINING_FIGURES = (training.report_figure, training.unaugmented_report_figure)
#: Figures of a model's predictions on the test set; those as wide as the page follow the others.
_PREDICTION_FIGURES = (
    confusion.report_figure,
    calibration.report_figure,
    discrimination.roc_report_figure,
    discrimination.precision_recall_report_figure,
)


def render_finals(view: StudyView, headline: Headline, results: FinalsResults) -> Html:
    """Write the section of the finals."""
    study = view.study
    parts: list[Html | None] = [_none_yet(study)]
    if study.finals:
        # Several studies share one table, beside each other.
        models = render_models(view, [(study, results)]) if view.is_alone else None
        model = render_model(view, headline, results)
        parts = [
            _finals_table(view),
            _tested_costs(view, results),
            models,
            model,
            _agreement(view),
            _training(view),
            _other_training(view),
        ]
        parts.append(_augmentation(view, headline))
    if results.problem:
        parts.append(element("p", results.problem, class_="warning"))
    parts += _failures_and_notes(study)
    parts += _all_mistakes(view, results)
    return fill("section", view=view, key="finals", title="Finals", lead=None, parts=parts)


def _none_yet(study: StudyRecord) -> Html:
    if not study.asks_for_finals:
        return element("p", "This study asks for no finals (finals.top = 0): nothing is tested.")
    if study.state == "done":
        return element(
            "p", "No finals: none could be trained. This report has no test results of this study.", class_="warning"
        )
    stopped = "The study stopped before its finals." if study.state == "stopped" else "No finals yet."
    return element("p", f"{stopped} Nothing has been tested: this report has no test results of this study.")


def _finals_table(view: StudyView) -> Html:
    objective = view.study.objective
    ranked = f"Ranked by {objective.label} over confirmation repeats"
    if view.study.others:
        ranked = f"Spread over the Pareto front, and {ranked[0].lower()}{ranked[1:]}: those first that none surpasses"
    lead = f"{ranked}, then retrained; each retrained model was tested once, after its last epoch."
    finals = sorted(view.study.finals, key=lambda one: one.rank)
    differing, equal = divide_by_difference([final.hyperparameters for final in finals])
    rows = [_final_row(view, final, shown=differing) for final in finals]
    headers = (
        "Rank",
        "Trial",
        "Validation, mean of confirmation" if objective.is_accuracy else f"{objective.title}, mean of confirmation",
        "Test, mean ± sd" if objective.is_accuracy else "Test accuracy, mean ± sd",
        *_score_header(objective),
        *(other.title for other in view.study.others),
        *(f"Test {other.plain_label}, mean" for other in tested_others(view.study)),
        "Repeats tested",
        "Hyperparameters that differ" if equal else "Hyperparameters",
    )
    common = element("p", f"Equal in all finals: {settings(equal)}.", class_="note") if equal else None
    shown = Table(headers=headers, rows=rows)
    table = render_table(shown, label=view.unique("Finals by rank"), id_=view.anchor("finals-table"))
    return element("div", element("p", lead, class_="lead"), common, table)


def divide_by_difference(configurations: Sequence[Hyperparameters]) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the values that differ between configurations, and the other values.

    Of a single configuration all are taken to differ.
    """
    names = list(dict.fromkeys(name for values in configurations for name in values))
    if len(configurations) == 1:
        return names, {}
    differing = [name for name in names if len({repr(values.get(name)) for values in configurations}) > 1]
    return differing, {name: configurations[0][name] for name in names if name not in differing}


def _final_row(view: StudyView, final: FinalRecord, *, shown: Sequence[str]) -> tuple[Child | Cell, ...]:
    objective = view.study.objective
    n_tested = len(tested_runs(final))
    values = {name: value for name, value in final.hyperparameters.items() if name in shown}
    return (
        str(final.rank),
        element(
            "a", str(final.trial), href=f"#{view.anchor(f'trial-{final.trial}')}", aria_label=f"Trial {final.trial}"
        ),
        objective.format(final.mean_score),
        tested_accuracy(final),
        *[score_spread(final.test_score_mean, final.test_score_sd, objective) for _ in _score_header(objective)],
        *write_others(final, view.study),
        *write_tests(final, view.study),
        f"{n_tested} of {len(final.runs)}",
        element("span", settings(values), class_="message"),
    )


def _score_header(objective: Objective) -> list[str]:
    """Return the header of the objective's own value on the test images; none where that is the accuracy."""
    return [] if objective.is_accuracy else [f"Test {objective.plain_label}, mean ± sd"]


def _tested_costs(view: StudyView, results: FinalsResults) -> Html | None:
    figure = tested_costs.report_figure(view.study, results)
    return None if figure is None else _render_figures(view, [figure])


def _agreement(view: StudyView) -> Html | None:
    figure = agreement.report_figure(view.study)
    return None if figure is None else _render_figures(view, [figure])


def _training(view: StudyView) -> Html:
    return _render_figures(view, [figure for build in _TRAINING_FIGURES if (figure := build(view.study))])


def _other_training(view: StudyView) -> Html | None:
    """Show the curves of the finals other than the winner, in a part that can be folded."""
    figures = training.other_report_figures(view.study)
    if not figures:
        return None
    summary = element("summary", f"Training of the other finals ({len(figures)})")
    return element("details", summary, _render_figures(view, figures), class_="block", open=True)


def _augmentation(view: StudyView, headline: Headline) -> Html | None:
    plain = view.study.without_augmentation
    if plain is None:
        return None
    augmented = next((final for final in view.study.finals if final.trial == plain.trial), headline.final)
    title = element(f"h{view.level + 1}", "With and without augmentation", id=view.anchor("augmentation"))
    rows = [
        (
            name,
            tested_accuracy(final),
            f"{len(tested_runs(final))} of {len(final.runs)}",
            percent(_last_training(final)),
        )
        for name, final in (("With augmentation", augmented), ("Without augmentation", plain))
        if final is not None
    ]
    headers = ("Retrained", "Test, mean ± sd", "Repeats tested", "Training accuracy, last epoch")
    table = render_table(Table(headers=headers, rows=rows), label=view.unique("With and without augmentation"))
    finding = "The comparison is not complete yet."
    if augmented and augmented.test_accuracy_mean is not None and plain.test_accuracy_mean is not None:
        change = points(augmented.test_accuracy_mean - plain.test_accuracy_mean)
        finding = f"Augmentation changes the mean test accuracy of trial {plain.trial} by {change} points."
    return element("div", title, element("p", finding), table, class_="block")


def _last_training(final: FinalRecord) -> float | None:
    values = [run.curve[-1].accuracy for run in final.runs if run.curve]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _failures_and_notes(study: StudyRecord) -> list[Html]:
    """List what failed after the search, and the notes on single training runs."""
    failures = [describe_failure(part, failure) for part, failure in study.failures if part.stage != "search"]
    notes = [f"Note on {part}: {note}" for part, note in study.notes if part.stage != "search"]
    return [
        element("ul", *[element("li", line) for line in lines], class_="failures")
        for lines in (failures, notes)
        if lines
    ]


def _all_mistakes(view: StudyView, results: FinalsResults) -> list[Html | None]:
    """Show the mistakes of one of the headline's models and, in a part that can be folded, those of the ensemble."""
    single, ensemble = results.single, results.ensemble
    parts: list[Html | None] = []
    if single is not None:
        lead = f"Confusion, mistakes and curves of one of the models that the headline is about: {single.source}."
        also = " Those of the ensemble follow below." if ensemble is not None else ""
        parts += [element("p", lead + also, class_="note"), *_mistakes(view, single.predictions, single.source)]
    if ensemble is not None:
        own = dataclasses.replace(view, prefix=view.anchor("ensemble"), of="the ensemble")
        summary = element("summary", f"The same of {ensemble.source}: confusion, mistakes and curves")
        shown = _mistakes(own, ensemble.predictions, ensemble.source)
        parts.append(element("details", summary, *shown, class_="block", open=True))
    return parts


def _mistakes(view: StudyView, predictions: Predictions, source: str) -> list[Html | None]:
    names = view.study.class_names
    figures = [figure for build in _PREDICTION_FIGURES if (figure := build(predictions, names, source=source))]
    beside = [render_figure(figure, view) for figure in figures if not figure.wide]
    return [
        element("div", *beside, _class_table(view, predictions, source), class_="figures"),
        render_worst_errors(view, predictions, source=source),
        render_confused_pairs(view, predictions, source=source),
        _render_figures(view, [figure for figure in figures if figure.wide]),
    ]


def _recall_text(score: ClassScores) -> str:
    """Write a class's recall with its 95 % interval, which few images make wide."""
    ends = score.recall_interval
    return percent(score.recall) if ends is None else f"{percent(score.recall)} ({interval(*ends)})"


def _class_table(view: StudyView, predictions: Predictions, source: str) -> Html:
    names = view.study.class_names
    scores = class_scores(confusion_matrix(predictions.labels, predicted_classes(predictions), len(names)), names)
    rows = [
        (
            Cell(content=score.name, key=index),
            Cell(content=f"{score.images:,}", key=score.images),
            Cell(content=percent(score.precision), key=score.precision),
            Cell(content=_recall_text(score), key=score.recall),
            Cell(content=percent(score.f1), key=score.f1),
        )
        for index, score in enumerate(scores)
    ]
    macro, weighted = average_scores(scores)
    averages = [
        (
            average.name,
            f"{average.images:,}",
            *(percent(value) for value in (average.precision, average.recall, average.f1)),
        )
        for average in (macro, weighted)
    ]
    table = Table(
        headers=("Class", "Test images", "Precision", "Recall (95\u00a0% interval)", "F1"), rows=rows, footer=averages
    )
    return element(
        "div",
        element(f"h{view.level + 1}", "Each class", id=view.anchor("classes")),
        element("p", f"Test set, {source}. Balanced accuracy, the mean of the recalls: {percent(macro.recall)}."),
        render_table(table, label=view.unique("Precision, recall and F1 of each class"), sortable=True),
        class_="figure block",
    )


def _render_figures(view: StudyView, figures: list[ReportFigure]) -> Html:
    return element("div", *[render_figure(figure, view) for figure in figures], class_="figures")
