"""A study as people read it in a terminal."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tuner.cli.endings import count_parts, describe_best, describe_winner
from tuner.cli.output import format_percent, format_score, open_console
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.image_ranges import UNIT_RANGE
from tuner.report.factor_words import write_interval, write_spread
from tuner.report.wording import (
    count,
    describe_front,
    describe_objectives,
    plain,
    score_spread,
    setting,
    signed,
    test_score,
    tested_accuracy,
    tested_beside,
    write_others,
)
from tuner.space_ranges import SpaceRange
from tuner.studies.priors import describe_prior
from tuner.studies.records.ended_by import describe_ends
from tuner.studies.records.factors import compare_factors
from tuner.studies.records.largest_class import beaten_by_largest_class
from tuner.studies.records.shortfall import INCOMPLETE_LABEL, find_shortfall
from tuner.studies.sections.sharing import SharingSection, describe_unequal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuner.artifacts import ArtifactStore
    from tuner.studies.records.study import StudyRecord

#: A study may have thousands of failures or notes; the report and `tuner trial show` list all of them.
_MOST_LISTED = 20


def print_record(record: "StudyRecord", artifacts: "ArtifactStore") -> None:
    """Print the study with its finals, its failures and, last, the best of the search and the winner of the finals."""
    console = open_console()
    _print_head(record, console)
    _print_factors(record, console)
    _print_finals(record, artifacts, console)
    _print_failures(record, console)
    _print_results(record, artifacts, console)


def _print_head(record: "StudyRecord", console: Console) -> None:
    """Print what is searched, on which data, and how far it is."""
    console.print(
        f"[bold]{record.name}[/]: {escape(record.space)} on {escape(record.dataset)}, {record.state}", highlight=False
    )
    if author := record.definition.get("author"):
        console.print(f"author: {escape(author)}", highlight=False, soft_wrap=True)
    objectives = escape(describe_objectives(record))
    console.print(f"objective{'s' * bool(record.others)}: {objectives}", highlight=False, soft_wrap=True)
    if constraints := record.definition["search"].get("constraints"):
        console.print(f"constraints: {escape(', '.join(constraints))}", highlight=False, soft_wrap=True)
    if record.pixels is not None:
        pixels = PixelMeaning.from_json(record.pixels).describe()
        console.print(f"pixels: {pixels}", highlight=False, soft_wrap=True)
    images = record.definition["data"].get("images", UNIT_RANGE)
    if images != UNIT_RANGE:
        console.print(f"images as models take them: {images}, float32 from 0 to 255", highlight=False)
    for name, prior in _list_priors(record):
        console.print(f"prior of {escape(name)}: {escape(prior)}", highlight=False, soft_wrap=True)
    for warning in record.data_warnings:
        console.print(f"[yellow]Warning about the data:[/] {escape(warning)}", highlight=False, soft_wrap=True)
    if record.stop_reason:
        console.print(f"[red]Stopped: {escape(record.stop_reason)}[/]", highlight=False, soft_wrap=True)
    if share := describe_unequal(SharingSection.model_validate(record.definition.get("sharing", {}))):
        console.print(f"workers: {share}", highlight=False)
    console.print(count_parts(record), highlight=False, soft_wrap=True)
    for sentence in describe_ends(record):
        console.print(escape(sentence), highlight=False, soft_wrap=True)


def _list_priors(record: "StudyRecord") -> "Iterator[tuple[str, str]]":
    """Yield the hyperparameters that have a prior, with it in words."""
    logarithmic = {one.name: one.is_logarithmic for one in record.ranges}
    for name, written in record.definition.get("ranges", {}).items():
        prior = SpaceRange.model_validate(written).prior
        if prior is not None:
            yield name, describe_prior(prior, log=logarithmic.get(name.partition(" [")[0]))


def _print_results(record: "StudyRecord", artifacts: "ArtifactStore", console: Console) -> None:
    """Print the best of the search, the winner of the finals, and what is missing."""
    _print_front(record, console)
    console.print(f"Its definition: `tuner study show {record.name} --toml`.", highlight=False)
    if record.best:
        console.print(
            f"[bold]Best of the search[/]: {describe_best(record.best, record.objective)}",
            highlight=False,
            soft_wrap=True,
        )
    if front := describe_front(record):
        console.print(plain(front), highlight=False, markup=False, soft_wrap=True)
    if record.winner:
        console.print(
            f"[bold]Winner[/]: {describe_winner(record.winner, record.objective)}", highlight=False, soft_wrap=True
        )
    if beaten := beaten_by_largest_class(record):
        console.print(f"[yellow]Warning:[/] {escape(plain(beaten))}", highlight=False, soft_wrap=True)
    _print_hyperparameters(record, console)
    if record.winner and record.winner.bundle:
        where = escape(artifacts.told_location(record.winner.bundle))
        console.print(f"Bundle of the winner: {where}", highlight=False, soft_wrap=True)
    if shortfall := find_shortfall(record):
        console.print(f"[red]{INCOMPLETE_LABEL}[/]: {escape(shortfall)}", highlight=False, soft_wrap=True)


def _print_front(record: "StudyRecord", console: Console) -> None:
    """Print the trials of the Pareto front, the best score first."""
    front, knee = record.front, record.knee
    if not front:
        return
    table = Table("trial", *(measure.label for measure in record.measures), "Pareto front", box=None)
    for trial in front[:_MOST_LISTED]:
        table.add_row(
            str(trial.number),
            format_score(trial.score, record.objective),
            *map(plain, write_others(trial, record)),
            "knee" if knee and trial.number == knee.number else "",
        )
    console.print(table)
    if len(front) > _MOST_LISTED:
        more = f"… and {len(front) - _MOST_LISTED:,} more on the front: `tuner study show {record.name} --json`"
        console.print(more, highlight=False)


def _print_hyperparameters(record: "StudyRecord", console: Console) -> None:
    """Print the values of the search's best trial and of the winner side by side, or of the only one of them."""
    best, winner = record.best, record.winner
    columns = {}
    if best and not (winner and winner.trial == best.number):
        columns[f"best of the search (trial {best.number})"] = best.hyperparameters
    if winner:
        columns[f"winner (trial {winner.trial})"] = winner.hyperparameters
    if not columns:
        return
    console.print(draw_hyperparameters(columns))


def draw_hyperparameters(columns: "Mapping[str, Mapping[str, Any]]") -> Table:
    """Return a table with a row for each hyperparameter and a column, by its heading, for each set of values."""
    table = Table("hyperparameter", *columns, box=None)
    for name in dict.fromkeys(name for values in columns.values() for name in values):
        table.add_row(escape(name), *(escape(setting(v[name])) if name in v else "-" for v in columns.values()))
    return table


def _print_failures(record: "StudyRecord", console: Console) -> None:
    failures = record.failures
    for part, failure in failures[:_MOST_LISTED]:
        console.print(
            f"[red]{_begin(str(part))} failed ({failure.kind.replace('_', ' ')}):[/] {escape(failure.message)}",
            highlight=False,
            soft_wrap=True,
        )
    if len(failures) > _MOST_LISTED:
        more = f"and {len(failures) - _MOST_LISTED:,} more failures: `tuner study show {record.name} --json`"
        console.print(f"[red]… {more}[/]", highlight=False)
    # A note that many trials share is printed once.
    remarks: dict[str, list[str]] = {}
    beyond = {trial.number for trial in record.trials if trial.ended == "constraint"}
    for part, note in record.notes:
        if part.stage == "search" and part.trial in beyond:
            continue
        remarks.setdefault(note, []).append(str(part))
    for note, parts in list(remarks.items())[:_MOST_LISTED]:
        others = f" and {len(parts) - 1:,} more" if len(parts) > 1 else ""
        console.print(f"Note on {parts[0]}{others}: {escape(note)}", highlight=False, soft_wrap=True)
    if beyond:
        told = f"{plain(count(len(beyond), 'trial'))} ended before training, beyond search.constraints"
        console.print(
            f"{told}: `tuner trial show {record.name} {min(beyond)}` has one.", highlight=False, soft_wrap=True
        )


def _print_factors(record: "StudyRecord", console: Console) -> None:
    """Print what a study of one factor at a time has found."""
    factors = compare_factors(record)
    if not factors:
        return
    in_points = " (points)" if record.objective.written_as == "percent" else ""
    headings = (
        "factor",
        "value",
        "seeds",
        f"{record.objective.label} (mean ± sd)",
        f"difference{in_points}",
        "finding",
    )
    table = Table(*headings, box=None)
    for factor in factors:
        for position, value in enumerate(factor.in_order):
            interval = write_interval(value, record.objective)
            told = "" if value.difference is None else signed(value.difference, record.objective)
            table.add_row(
                escape(factor.name) if position == 0 else "",
                escape(setting(value.value)),
                str(len(value.scores)),
                plain(write_spread(value, record.objective) or "-"),
                plain(told + (f" ({interval})" if interval else "")),
                value.verdict,
            )
    console.print(table)
    console.print(
        "Differences are from the default with the same seeds, in brackets their 95 % intervals.", highlight=False
    )


def _print_finals(record: "StudyRecord", artifacts: "ArtifactStore", console: Console) -> None:
    if not record.finals:
        return
    objective = record.objective
    headings, of_test = ("validation (mean)", "test (mean ± sd)"), []
    if not objective.is_accuracy:
        headings, of_test = (
            (f"{objective.label} (mean)", "test accuracy (mean ± sd)"),
            [f"test {objective.plain_label} (mean ± sd)"],
        )
    table = Table("rank", "trial", *headings, *of_test, *tested_beside(record.finals[0], record), "repeats", box=None)
    for final in record.finals:
        n_failed = sum(run.state == "failed" for run in final.runs)
        failed = f", [red]{n_failed} failed[/]" if n_failed else ""
        table.add_row(
            str(final.rank),
            str(final.trial),
            format_score(final.mean_score, record.objective),
            plain(tested_accuracy(final)),
            *([plain(score_spread(final.test_score_mean, final.test_score_sd, objective))] if of_test else []),
            *map(plain, tested_beside(final, record).values()),
            f"{sum(run.state == 'complete' for run in final.runs)}/{len(final.runs)}{failed}",
        )
    console.print(table)
    # Not in the table: a path that is cut or wrapped cannot be copied.
    for final in record.finals:
        if final.bundle:
            where = artifacts.told_location(final.bundle)
            console.print(f"Bundle of rank {final.rank}: {escape(where)}", highlight=False, soft_wrap=True)
    if record.ensemble:
        score = test_score(record.ensemble, objective)
        console.print(
            f"Ensemble of {record.ensemble.members}: test accuracy {format_percent(record.ensemble.test_accuracy)}"
            + (f", {plain(score)}" if score else ""),
            highlight=False,
        )
        if record.ensemble.bundle:
            where = artifacts.told_location(record.ensemble.bundle)
            console.print(f"Bundle of the ensemble: {escape(where)}", highlight=False, soft_wrap=True)
        elif record.ensemble.members > 1:
            console.print(f"`tuner ensemble {record.name}` makes its bundle.", highlight=False, soft_wrap=True)


def _begin(text: str) -> str:
    return text[0].upper() + text[1:]
