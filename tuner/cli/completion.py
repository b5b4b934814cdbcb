"""What the shell offers after TAB: studies, definitions, datasets, spaces; within seconds or not at all, never failing.

`tuner --install-completion` installs it for the shell that runs the command.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence

import typer

from tuner.settings import read_settings

#: Seconds after which a database that does not answer offers nothing.
_PATIENCE_S = 5.0


def complete_studies(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the studies in the database that begin like this."""
    storage = _option(context, "storage")
    return _offer(lambda: _read_names(storage), incomplete)


def complete_definitions(incomplete: str) -> list[str]:
    """Return the definitions that come with tuner, and definition files and folders, that begin like this."""
    return _offer(lambda: [*_shipped(), *_definition_files(incomplete)], incomplete)


def complete_datasets(incomplete: str) -> list[str]:
    """Return the datasets of the catalogue, and files and folders, that begin like this."""
    return _offer(lambda: [*_catalogue(), *_paths(incomplete)], incomplete)


def complete_spaces(incomplete: str) -> list[str]:
    """Return the families and recipes that begin like this."""
    from tuner.spaces.registry import SPACES

    return _offer(lambda: SPACES, incomplete)


def complete_objectives(incomplete: str) -> list[str]:
    """Return a list of objectives with each name after its last comma that begins like this."""
    from tuner.objectives import COSTS, OBJECTIVES

    before, comma, _ = incomplete.rpartition(",")
    taken = before.split(",")
    return _offer(lambda: [f"{before}{comma}{name}" for name in (*OBJECTIVES, *COSTS) if name not in taken], incomplete)


def complete_samplers(incomplete: str) -> list[str]:
    """Return the samplers that begin like this."""
    from tuner.studies.samplers import SAMPLERS

    return _offer(lambda: SAMPLERS, incomplete)


def complete_pruners(incomplete: str) -> list[str]:
    """Return the pruners that begin like this."""
    from tuner.studies.pruners import PRUNERS

    return _offer(lambda: PRUNERS, incomplete)


def _offer(list_words: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    """Return the words that begin like this; none where they cannot be listed, or not in time."""
    found: list[str] = []

    def collect() -> None:
        # A shell that completes has no place for a message: the command itself says what is wrong.
        try:
            found.extend(word for word in list_words() if word.startswith(incomplete))
        except Exception:  # noqa: BLE001 - as above
            found.clear()

    # A daemon, because the process ends without waiting for a database that does not answer.
    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return list(found)


def _read_names(storage: str | None) -> Sequence[str]:
    from tuner.studies.study_names import read_names

    return read_names(read_settings(storage=storage).storage)


def _catalogue() -> Iterable[str]:
    from tuner.datasets.catalogue import CATALOGUE

    return CATALOGUE


def _shipped() -> Iterable[str]:
    from tuner.studies.definitions.shipped import shipped_paths

    return shipped_paths()


def _definition_files(incomplete: str) -> Iterable[str]:
    return [path for path in _paths(incomplete) if path.endswith(("/", ".toml"))]


def _paths(incomplete: str) -> Iterable[str]:
    folder, _, begun = incomplete.rpartition("/")
    prefix = incomplete[: len(incomplete) - len(begun)]
    with os.scandir(folder or ("/" if incomplete.startswith("/") else ".")) as entries:
        return [f"{prefix}{entry.name}" + "/" * entry.is_dir() for entry in entries if not entry.name.startswith(".")]


def _option(context: typer.Context | None, name: str) -> str | None:
    """Return the value of an option of the command or of the commands above it."""
    while context is not None:
        if value := (context.params or {}).get(name):
            return str(value)
        context = context.parent  # type: ignore[assignment] # Typer's own contexts
    return None
