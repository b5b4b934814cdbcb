"""All models of all studies in one table: weights, accuracies on all three parts, time."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report.figures import StudyView
from tuner.report.finals_results import FinalsResults
from tuner.report.markup import Cell, Child, Html, Table, element, render_table
from tuner.report.wording import duration, percent
from tuner.studies.records.finals import FinalRecord, RetrainRecord
from tuner.studies.records.study import StudyRecord

_LEAD = (
    "Training: the mean over the last epoch's batches, of augmented images where the model was trained on such. "
    "Validation: the last epoch, of models that did not learn from the validation images. Test: once, after the last "
    "epoch. Time: of all epochs."
)


@dataclass(frozen=True, kw_only=True)
class _Row:
    study: str
    model: str
    trial: int | None
    n_parameters: int | None = None
    training: float | None = None
    validation: float | None = None
    test: float | None = None
    duration_s: float | None = None


def render_models(view: StudyView, found: Sequence[tuple[StudyRecord, FinalsResults]]) -> Html | None:
    """Write the table; None while no study has a retrained model.

    Args:
        view: Where on the page.
        found: The studies in their order, each with what is known of its finals.
    """
    rows = [row for study, results in found for row in _rows(study, results)]
    if not rows:
        return None
    several = len(found) > 1
    headers = [
        *(["Study"] if several else []),
        "Model",
        "Trial",
        "Parameters",
        "Training",
        "Validation",
        "Test",
        "Time",
    ]
    table = Table(headers=headers, rows=[_cells(row, several=several) for row in rows])
    return element(
        "div",
        element(f"h{view.level + 1}", "All models", id=view.anchor("models")),
        element("p", _LEAD, class_="lead"),
        render_table(table, label=view.unique("All models"), sortable=True),
        class_="block",
    )


def _rows(study: StudyRecord, results: FinalsResults) -> list[_Row]:
    rows = []
    for final in sorted(study.finals, key=lambda one: one.rank):
        rows += _final_rows(study, final, results, "")
    if study.without_augmentation is not None:
        rows += _final_rows(study, study.without_augmentation, results, " without augmentation")
    if study.ensemble is not None:
        rows.append(
            _Row(
                study=study.name,
                model=f"ensemble of {study.ensemble.members} models",
                trial=None,
                test=study.ensemble.test_accuracy,
            )
        )
    return rows


def _final_rows(study: StudyRecord, final: FinalRecord, results: FinalsResults, how: str) -> list[_Row]:
    model = results.models.get(final.trial)
    named = [(f"repeat {number}{how}", run) for number, run in enumerate(final.runs, start=1)]
    if final.curve_run is not None:
        named.append(("for its validation curve, not tested", final.curve_run))
    return [
        _row(study, f"final {final.rank}, {name}", final, run, model.n_parameters if model else None)
        for name, run in named
        if run.state == "complete"
    ]


def _row(study: StudyRecord, model: str, final: FinalRecord, run: RetrainRecord, n_parameters: int | None) -> _Row:
    last = run.curve[-1] if run.curve else None
    times = [epoch.duration_s for epoch in run.curve]
    return _Row(
        study=study.name,
        model=model,
        trial=final.trial,
        n_parameters=n_parameters,
        training=last.accuracy if last else None,
        validation=run.val_accuracy,
        test=run.test_accuracy,
        duration_s=sum(time for time in times if time is not None) if any(times) else None,
    )


def _cells(row: _Row, *, several: bool) -> list[Child | Cell]:
    accuracies = [Cell(content=percent(value), key=value) for value in (row.training, row.validation, row.test)]
    return [
        *([row.study] if several else []),
        row.model,
        Cell(content=None if row.trial is None else str(row.trial), key=row.trial),
        Cell(content=None if row.n_parameters is None else f"{row.n_parameters:,}", key=row.n_parameters),
        *accuracies,
        Cell(content=duration(row.duration_s), key=row.duration_s),
    ]
