"""`tuner ensemble`: let the retrained models of several studies vote."""

from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import complete_studies
from tuner.cli.options import JsonOption, StorageOption, settings_for
from tuner.cli.output import format_percent, open_console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.bundles.ensemble import EnsembleDescription


def ensemble(
    studies: Annotated[
        list[str],
        typer.Argument(
            help="Names of studies with tested models, of the same classes and test set.",
            metavar="NAME",
            autocompletion=complete_studies,
        ),
    ],
    *,
    members: Annotated[
        str,
        typer.Option(
            help="How many models vote, the best by validation; best: all that validation does not show to be far "
            "worse than the best.",
            metavar="best|N",
        ),
    ] = "best",
    as_json: JsonOption = False,
    storage: StorageOption = None,
) -> None:
    """Average the probabilities of retrained models of several studies, and store them as one file.

    It is tested once, by what its members answered on the test set. Equal members are the same ensemble. `tuner
    predict` and `tuner submit` take the file, and `tuner report` of the same studies shows it.
    """
    from tuner.artifacts import ArtifactStore
    from tuner.jobs.finals.ensemble_over_studies import build_ensemble
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.reading import load_outline

    n_members = _parse_members(members)
    settings = settings_for(storage)
    artifacts = ArtifactStore(settings.artifacts)
    with open_storage(settings.storage) as opened:
        records = [load_outline(opened, name) for name in dict.fromkeys(studies)]
    stored = build_ensemble(records, artifacts, members=n_members)
    described, place = stored.description, artifacts.location(stored.description.bundle)
    if as_json:
        print_json({**described.model_dump(mode="json"), "bundle_location": place, "is_new": stored.is_new})
        return
    console = open_console()
    console.print(_build_table(described))
    known = "" if stored.is_new else ", as measured before"
    console.print(
        f"Ensemble of {len(described.members)}: test accuracy {format_percent(described.test_accuracy)} on "
        f"{described.n_test:,} images{known}",
        soft_wrap=True,
    )
    console.print(f"Bundle: {place}", soft_wrap=True)


def _parse_members(members: str) -> int | None:
    if members == "best":
        return None
    if not members.isdecimal() or int(members) < 2:  # noqa: PLR2004 - one model is no ensemble
        raise typer.BadParameter(
            f"Received {members!r}. Expected best or a number of at least 2.", param_hint="--members"
        )
    return int(members)


def _build_table(described: "EnsembleDescription") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table("study", "trial", "seed", "validation", "test", box=None)
    for member in described.members:
        known = None if member.known_accuracy is None else format_percent(member.known_accuracy)
        tested = format_percent(member.test_accuracy)
        table.add_row(escape(member.study), str(member.trial), str(member.seed), known, tested)
    return table
