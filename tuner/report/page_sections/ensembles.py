"""Ensembles over the studies of the page, as `tuner ensemble` stored them."""

from collections.abc import Sequence

from tuner.bundles.ensemble import EnsembleDescription
from tuner.intervals import wilson_interval
from tuner.report.markup import Cell, Html, Table, element, render_table
from tuner.report.wording import interval, percent
from tuner.studies.records.study import StudyRecord


def ensembles_of(studies: Sequence[StudyRecord], stored: Sequence[EnsembleDescription]) -> list[EnsembleDescription]:
    """Return those of the stored ensembles whose members are all of these studies; of a deleted study none is."""
    bundles = {run.bundle for study in studies for final in study.finals for run in final.runs}
    return [one for one in stored if all(member.bundle in bundles for member in one.members)]


def render_ensembles(ensembles: Sequence[EnsembleDescription]) -> Html | None:
    """Write a table of them; None where there are none."""
    if not ensembles:
        return None
    lead = (
        "Soft votes of retrained models of these studies. Their members were chosen by validation; each vote was "
        "tested once, by what its members had answered on the test set."
    )
    headers = ("Studies", "Models", "Test accuracy", "95 % interval", "Best and worst member, test")
    table = Table(headers=headers, rows=[_row(one) for one in ensembles])
    return element(
        "div",
        element("h3", "Ensembles over studies", id="ensembles-title"),
        element("p", lead, class_="note"),
        render_table(table, label="Ensembles over studies"),
        class_="block",
    )


def _row(one: EnsembleDescription) -> tuple[str | Cell, ...]:
    n_right = round(one.test_accuracy * one.n_test)
    tested = [member.test_accuracy for member in one.members]
    return (
        ", ".join(one.studies),
        str(len(one.members)),
        f"{percent(one.test_accuracy)} of {one.n_test:,} images",
        interval(*wilson_interval(n_right, one.n_test)),
        f"{percent(max(tested))}, {percent(min(tested))}",
    )
