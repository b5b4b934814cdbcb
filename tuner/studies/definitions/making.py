"""Make a definition of what a person gives: a file, settings by their dotted keys, overrides, arguments in Python.

Paths become absolute, as the workers that read them run in other folders.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.explanation import explain
from tuner.studies.definitions.files import DefinitionError, find_definition, read_definition_toml
from tuner.studies.definitions.naming import default_study_name
from tuner.studies.definitions.overrides import Changes, apply_overrides, parse_overrides
from tuner.studies.definitions.toml import Table
from tuner.studies.sections.search import ONE_FACTOR

#: What a study is made for when no dataset is named.
DEFAULT_DATASET = "mnist"


def read_definition(
    path: str | Path, overrides: Sequence[str] = (), *, changes: Changes = MappingProxyType({})
) -> StudyDefinition:
    """Read a study definition from a TOML file, or the one that comes with this package under a name.

    A dataset's path is relative to the file's folder; in an override or a change it is relative to the current folder.

    Args:
        path: The file; or a name of `tuner.studies.definitions.shipped`, if no file is called so.
        overrides: `key=value` with dotted keys, as in `search.trials=200`; they replace the file's values.
        changes: The same as values by their dotted keys; overrides replace them.

    Raises:
        DefinitionError: The file is missing or not TOML, or a key or value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    path = find_definition(Path(path))
    settings = read_definition_toml(path)
    if isinstance(settings.get("dataset"), str):
        settings["dataset"] = _absolute(settings["dataset"], folder=path.parent)
    for table in (settings.get("search"), settings.get("finals")):
        if isinstance(table, dict) and isinstance(table.get("weights_from"), str):
            table["weights_from"] = absolute_place(table["weights_from"], folder=path.parent)
    return _validate(_apply(settings, changes), overrides, source=str(path), changed=changes)


def change_definition(
    definition: StudyDefinition, changes: Changes, overrides: Sequence[str] = (), *, source: str
) -> StudyDefinition:
    """Return the definition with some settings replaced.

    Args:
        definition: The one to begin with.
        changes: Values by their dotted keys, as in `compose_definition`.
        overrides: As in `read_definition`; they replace the changes.
        source: Where the changes come from, for errors.

    Raises:
        DefinitionError: A value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    return _validate(_apply(definition.to_settings(), changes), overrides, source=source)


def compose_definition(changes: Changes, overrides: Sequence[str] = (), *, source: str) -> StudyDefinition:
    """Make a study definition without a file.

    Args:
        changes: Values by their dotted keys, `space` among them. Every other setting keeps its default: the dataset is
            mnist, and the name `<dataset>-<space>`. A dataset's path is relative to the current folder.
        overrides: As in `read_definition`; they replace the changes.
        source: Where the changes come from, for errors.

    Raises:
        DefinitionError: A value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    changes = {"dataset": DEFAULT_DATASET, **changes}
    name = default_study_name(dataset=changes["dataset"], space=changes["space"])
    return _validate(_apply({"name": name}, changes), overrides, source=source)


def make_definition(
    *,
    space: str,
    dataset: str = DEFAULT_DATASET,
    name: str | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    warm_start: str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
) -> StudyDefinition:
    """Make a study definition in Python from the settings that are changed most; None keeps a default.

    Args:
        space: Architecture family or import path, as text: workers are processes that import it themselves.
        dataset: Name or path, relative to the current folder.
        name: The study's name. Default: `<dataset>-<space>`.
        trials: The search's budget.
        epochs: Epochs of each trial.
        sampler: A key of `SAMPLERS`.
        pruner: A key of `PRUNERS`.
        warm_start: A study whose best trials are tried first.
        vary: Values to compare with the default one factor at a time, by hyperparameter.
        seed: The study's seed.
        overrides: As in `read_definition`; they replace the other arguments.

    Raises:
        DefinitionError: A value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    arguments = {
        "space": _as_import_path(space), "dataset": _as_text(dataset), "name": name, "seed": seed,
        "search.trials": trials, "search.epochs": epochs, "search.sampler": sampler, "search.pruner": pruner,
        "search.warm_start": warm_start,
    }  # fmt: skip
    given = {key: value for key, value in arguments.items() if value is not None}
    changes = {**given, **vary_factors(vary or {})}
    return compose_definition(changes, overrides, source="tuner study create")


def vary_factors(vary: Mapping[str, Sequence[Any]]) -> Changes:
    """Return the changes by which a study compares these values one factor at a time; none without any."""
    factors = {f"search.vary.{name}": list(values) for name, values in vary.items()}
    return {"search.sampler": ONE_FACTOR, **factors} if factors else {}


def _as_import_path(space: Any) -> str:
    if isinstance(space, str):
        return space
    module, name = getattr(space, "__module__", None), getattr(space, "__qualname__", None)
    if module and name and module != "__main__" and "<" not in name:
        advice = f'space="{module}:{name}"'
    else:
        advice = 'a file such as nets.py with it, and space="nets:build"'
    raise DefinitionError(
        f"make_definition received {_describe_object(space)} for space. Expected an architecture family such as 'cnn' "
        f"or the import path of a builder, as text, because workers are processes that import it themselves: {advice}."
    )


def _as_text(dataset: Any) -> str:
    if isinstance(dataset, str):
        return dataset
    if isinstance(dataset, Path):
        # A relative path of one word is not a name in the catalogue.
        return str(dataset.absolute())
    raise DefinitionError(
        f"make_definition received {_describe_object(dataset)} for dataset. Expected a name such as 'digits' or the "
        "path of a folder, CSV or NPZ file, because workers are processes that read it themselves. Save arrays with "
        'numpy.savez("data.npz", x_train=…, y_train=…) and give dataset="data.npz".'
    )


def _describe_object(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value).__name__
    name = getattr(value, "__qualname__", None)
    return f"a {kind}" if name is None else f"the {kind} {name}"


def _resolve(changes: Changes) -> Changes:
    """Return the changes with paths of a dataset and of bundles, relative to the current folder, made absolute."""
    made = {
        key: absolute_place(changes[key], folder=Path())
        for key in ("search.weights_from", "finals.weights_from")
        if isinstance(changes.get(key), str)
    }
    dataset = changes.get("dataset")
    return {**changes, **made, **({"dataset": _absolute(dataset, folder=Path())} if isinstance(dataset, str) else {})}


def _validate(
    settings: Table, overrides: Sequence[str], *, source: str, changed: Iterable[str] = ()
) -> StudyDefinition:
    """Validate the settings with the overrides in place; an error names where the wrong value comes from."""
    given = parse_overrides(overrides)
    try:
        return StudyDefinition.model_validate(_apply(settings, given))
    except ValidationError as error:
        raise DefinitionError(explain(error, StudyDefinition, source=source, overridden=[*changed, *given])) from error


def _apply(settings: Table, changes: Changes) -> Table:
    """Return the settings, `space` a table in them, with the changes; another space's name leaves the ranges."""
    if isinstance(settings.get("space"), str):
        settings = {**settings, "space": {"name": settings["space"]}}
    named = {
        "space.name" if key == "space" and isinstance(value, str) else key: value for key, value in changes.items()
    }
    return apply_overrides(settings, _resolve(named))


def absolute_place(place: str, *, folder: Path) -> str:
    """Return a bundle's absolute path, for workers in other folders; a URL stays as it is."""
    return place if "://" in place or not place else str((folder / Path(place)).resolve())


def _absolute(dataset: str, *, folder: Path) -> str:
    """Return an absolute path, for workers in other folders; a word without slash and dot is a catalogue's name."""
    if "/" not in dataset and "." not in dataset:
        return dataset
    try:
        path = Path(dataset).expanduser()
    except RuntimeError:
        # `~name` of an unknown user: the dataset's reader will report that there is no such path.
        path = Path(dataset)
    return str((folder / path).resolve())
