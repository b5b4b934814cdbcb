"""Creating a study while a person watches: what is being tried, and what it warns of."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from tuner.cli.output import open_progress_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from tuner.datasets.reading import DecodedPictures
    from tuner.forking.client import ForkServer
    from tuner.jobs.preflight.process import PreflightProcess
    from tuner.jobs.preflight.report import StageReport
    from tuner.settings import Settings
    from tuner.studies.database.storage import Storage
    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.studies.lifecycle import Study


#: Printed for `--no-check`.
_NOT_CHECKED = (
    "Skipped (--no-check): training, resuming, the finals and the test images. A fault in them appears only when the "
    "study runs."
)


def open_check(
    *, no_check: bool, server: "ForkServer | None" = None, measures_later: bool = False
) -> "AbstractContextManager[PreflightProcess | None]":
    """Start the process of the check before anything slow is imported here: it imports Keras meanwhile.

    There is none where there is no Keras: `create_study` then tries what it can without. A server forks the
    process; see `PreflightProcess`.
    """
    from tuner.training.backend import has_backend

    if no_check or not has_backend():
        return nullcontext()
    from tuner.jobs.preflight.process import PreflightProcess

    return PreflightProcess(server=server, measures_later=measures_later)


def create_shown(
    storage: "Storage",
    wanted: "StudyDefinition",
    settings: "Settings",
    *,
    process: "PreflightProcess | None",
    has_workers: bool = False,
) -> "Study":
    """Create the study, checked if there is a process for it, and show on stderr what is being done.

    If this machine will have workers for it, its images are kept for them.
    """
    from tuner.jobs.creation import create_study
    from tuner.training.backend import has_backend

    console = open_progress_console()
    builds = has_backend()
    doing = "Building the model with its defaults …" if builds else "Reading the images …"
    doing = doing if process is None else "Trying what search and finals will need …"
    with console.status(doing) as status:
        study = create_study(
            storage,
            wanted,
            data_dir=settings.data_dir,
            check=process is not None,
            process=process,
            on_report=warnings_on(console),
            decoded=decoding_shown(settings, status, doing),
            image_cache=settings.image_cache if has_workers else None,
        )
    if process is None and builds:
        console.print(_NOT_CHECKED, highlight=False, soft_wrap=True)
    return study


def decoding_shown(settings: "Settings", status: "Status", doing: str) -> "DecodedPictures":
    """Return where decoded pictures are kept; while they are decoded, the status says how many there are.

    Where stderr is no terminal, a line says it every few seconds.
    """
    from tuner.datasets.pictures.progress import tell_decoding
    from tuner.datasets.reading import DecodedPictures

    def show(n_done: int, n_all: int) -> None:
        status.update(doing if n_done == n_all else f"Decoding pictures, {n_done:,} of {n_all:,} …")

    is_terminal = status.console.is_terminal
    lines = tell_decoding(lambda line: status.console.print(line, highlight=False))
    return DecodedPictures(folder=settings.picture_cache, on_progress=show if is_terminal else lines)


def warnings_on(console: "Console") -> "Callable[[StageReport], None]":
    """Return a function that prints the warnings of a stage of the check, one a line."""

    def print_warnings(report: "StageReport") -> None:
        for warning in report.warnings:
            line = f"Warning: {report.stage}: {warning}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    return print_warnings
