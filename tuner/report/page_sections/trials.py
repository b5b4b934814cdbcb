"""All trials, sortable by every column."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

from tuner.report.document import PRINTED_ROWS
from tuner.report.figures import StudyView
from tuner.report.forest_importance import varied_hyperparameters
from tuner.report.markup import Cell, Html, Table, element, render_table
from tuner.report.templating import fill
from tuner.report.wording import count, duration, moment, score_spread, score_title, setting, settings
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord
from tuner.studies.slots.outcomes import values_beside

_MESSAGE_LIMIT = 400


def render_trials(view: StudyView) -> Html:
    """Write the section of the trials."""
    trials = view.study.trials
    varied, equal = _split_hyperparameters(trials)
    table = render_table(
        _table(view, varied), label=f"Trials of {view.study.name}", id_=view.anchor("trials-table"), sortable=True
    )
    is_cut = len(trials) > PRINTED_ROWS
    return fill(
        "trials",
        view=view,
        n_trials=count(len(trials), "trial"),
        equal=settings(equal) if equal else None,
        printed=f"On paper: the first {PRINTED_ROWS} rows of {len(trials)}." if is_cut else None,
        table=table if trials else None,
    )


def _split_hyperparameters(trials: Sequence[TrialRecord]) -> tuple[list[str], dict[str, Any]]:
    """Return the names of those that differ between trials, and the values of the others.

    Trials that have drawn nothing, because they wait or failed before it, do not count.
    """
    drawn = [trial.hyperparameters for trial in trials if trial.hyperparameters]
    if len(drawn) <= 1:
        return list(drawn[0]) if drawn else [], {}
    varied = varied_hyperparameters([trial for trial in trials if trial.hyperparameters])
    return varied, {name: value for name, value in drawn[0].items() if name not in varied}


def _table(view: StudyView, names: Sequence[str]) -> Table:
    trials = view.study.trials
    extra = {
        "Attempts": any(trial.attempts > 1 for trial in trials),
        "Folds": any(trial.folds for trial in trials),
        "Failure": any(trial.failure for trial in trials),
        "Notes": any(trial.notes for trial in trials),
    }
    wanted = [name for name, is_there in extra.items() if is_there]
    headers = [
        "Trial",
        "State",
        score_title(view.study.objective),
        *(other.title for other in view.study.others),
        "Best epoch",
        "Epochs",
        *names,
        "Duration",
        "Finished",
    ]
    return Table(
        headers=[*headers, *wanted],
        rows=_Rows(trials, names, view.study, extra=wanted, linked=_linked_numbers(view)),
    )


def _linked_numbers(view: StudyView) -> dict[int, Html]:
    """Return the numbers of the finals' trials, each with a link to the finals and a place that they link to."""
    table = view.anchor("finals-table")
    return {
        final.trial: element(
            "span",
            f"{final.trial} ",
            element(
                "a", f"final {final.rank}", href=f"#{table}", aria_label=f"Final {final.rank}, trial {final.trial}"
            ),
            id=view.anchor(f"trial-{final.trial}"),
        )
        for final in view.study.finals
    }


class _Rows(Sequence[list[Cell]]):
    """The table's rows, made one at a time: all rows of a large study would take more memory than the page."""

    def __init__(
        self,
        trials: Sequence[TrialRecord],
        names: Sequence[str],
        study: StudyRecord,
        *,
        extra: Sequence[str],
        linked: Mapping[int, Html],
    ) -> None:
        self._trials, self._names, self._study = trials, names, study
        self._extra, self._linked = extra, linked

    def __len__(self) -> int:
        return len(self._trials)

    @overload
    def __getitem__(self, place: int) -> list[Cell]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[list[Cell]]: ...

    def __getitem__(self, place: int | slice) -> list[Cell] | Sequence[list[Cell]]:
        if isinstance(place, slice):
            return _Rows(self._trials[place], self._names, self._study, extra=self._extra, linked=self._linked)
        return _row(self._trials[place], self._names, self._study, extra=self._extra, linked=self._linked)


def _row(
    trial: TrialRecord,
    names: Sequence[str],
    study: StudyRecord,
    *,
    extra: Sequence[str],
    linked: Mapping[int, Html],
) -> list[Cell]:
    cells = [
        Cell(content=linked.get(trial.number, str(trial.number)), key=trial.number),
        Cell(content=element("span", trial.state, class_=f"state {trial.state}"), key=trial.state),
        Cell(content=score_spread(trial.score, trial.score_sd, study.objective), key=trial.score),
        *_other_cells(trial, study),
        Cell(content=_number(trial.best_epoch), key=trial.best_epoch),
        Cell(content=str(trial.n_epochs), key=trial.n_epochs),
        *(_setting_cell(trial, name) for name in names),
        Cell(content=duration(trial.duration_s), key=trial.duration_s),
        Cell(content=moment(trial.finished_at), key=trial.finished_at.timestamp() if trial.finished_at else None),
    ]
    makers = {"Attempts": _attempts_cell, "Folds": _folds_cell, "Failure": _failure_cell, "Notes": _notes_cell}
    return [*cells, *(makers[name](trial) for name in extra)]


def _other_cells(trial: TrialRecord, study: StudyRecord) -> list[Cell]:
    beside = values_beside(trial)
    values = [(other, beside.get(other.name)) for other in study.others]
    return [Cell(content=other.format(value), key=value) for other, value in values]


def _setting_cell(trial: TrialRecord, name: str) -> Cell:
    value: Any = trial.hyperparameters.get(name)
    if name not in trial.hyperparameters:
        return Cell(content=None, key=None)
    return Cell(content=setting(value), key=value if isinstance(value, int | float) else str(value))


def _attempts_cell(trial: TrialRecord) -> Cell:
    return Cell(content=str(trial.attempts), key=trial.attempts)


def _folds_cell(trial: TrialRecord) -> Cell:
    return Cell(content=_number(len(trial.folds)), key=len(trial.folds))


def _failure_cell(trial: TrialRecord) -> Cell:
    if trial.failure is None:
        return Cell(content=None, key=None)
    kind = trial.failure.kind.replace("_", " ")
    message = trial.failure.message
    text = message if len(message) <= _MESSAGE_LIMIT else f"{message[:_MESSAGE_LIMIT]}…"
    return Cell(content=element("span", element("b", kind), f" {text}", class_="message"), key=kind)


def _notes_cell(trial: TrialRecord) -> Cell:
    text = " ".join(trial.notes)
    return Cell(content=element("span", text, class_="message") if text else None, key=text or None)


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)
