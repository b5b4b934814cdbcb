"""From the arguments of `tuner.create_study` to a study definition."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import TunerError, did_you_mean
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import change_definition, compose_definition, read_definition, vary_factors
from tuner.studies.definitions.overrides import Changes

SOURCE = "tuner.create_study"
#: Argument → the setting that it is short for.
SHORT = {
    "trials": "search.trials",
    "epochs": "search.epochs",
    "sampler": "search.sampler",
    "pruner": "search.pruner",
    "warm_start": "search.warm_start",
}
#: Settings of a definition that have their own arguments.
_OWN = frozenset({"name", "space", "dataset", "ranges"})


class ArgumentError(TunerError):
    """Arguments that do not go together, or that no setting is called by."""


def define(
    definition: str | Path | Mapping[str, Any] | StudyDefinition | None,
    arguments: Mapping[str, Any],
    settings: Changes,
    *,
    vary: Mapping[str, Any] | None,
) -> StudyDefinition:
    """Return the definition that the arguments describe.

    Args:
        definition: What to begin with: a TOML file, settings as a file has them, or another study's definition.
        arguments: `space`, `dataset`, `name`, `seed` and those of `SHORT`; None for what was not given.
        settings: Other settings: whole sections, whose values are mappings, or values by dotted keys.
        vary: Values to compare with the default one factor at a time, by hyperparameter.

    Raises:
        TunerError: A key or a value is wrong, or one is given twice.
    """
    changes = _flatten(settings)
    for name, value in arguments.items():
        key = SHORT.get(name, name)
        if value is None:
            continue
        if key in changes:
            raise ArgumentError(f"{SOURCE}: {key} is given twice, as {name} and among the settings; expected once.")
        changes[key] = _plain(value)
    changes |= vary_factors(vary or {})
    if isinstance(definition, StudyDefinition):
        return change_definition(definition, changes, source=SOURCE)
    if isinstance(definition, Mapping):
        # What the definition says, and the arguments in its place.
        return _compose({**_flatten(definition), **changes})
    if definition is not None:
        return read_definition(definition, changes=changes)
    return _compose(changes)


def _compose(changes: dict[str, Any]) -> StudyDefinition:
    if "space" not in changes and "space.name" not in changes:
        raise ArgumentError(
            f"{SOURCE} received no space. Expected a builder, as in space=build or space='cnn', or a definition."
        )
    if "space" not in changes:
        changes["space"] = changes.pop("space.name")
    return compose_definition(changes, source=SOURCE)


def _flatten(settings: Changes) -> dict[str, Any]:
    """Return the settings of whole sections by their dotted keys, so that arguments may add to a section."""
    found: dict[str, Any] = {}
    known = [*StudyDefinition.model_fields, *SHORT]
    for key, value in settings.items():
        section = key.partition(".")[0]
        if section not in StudyDefinition.model_fields:
            raise ArgumentError(
                f"{SOURCE}: no argument and no setting is called {key!r}.{did_you_mean(section, known)} Settings are "
                "given by section, as in finals={'top': 1}, or by dotted keys, as in **{'finals.top': 1}."
            )
        if section == "ranges":
            if not isinstance(value, Mapping):
                raise ArgumentError(
                    f"{SOURCE}: ranges: received {type(value).__name__}, expected a mapping, as in "
                    "ranges={'dropout': {'high': 0.5}}."
                )
            found |= {f"space.{name}": _plain(drawn) for name, drawn in value.items()}
        elif isinstance(value, Mapping) and section != "fixed":
            found |= {f"{key}.{name}": _plain(inner) for name, inner in value.items()}
        else:
            found[key] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """Return a value of JSON's types: NumPy's numbers and paths occur in scripts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Path):
        return str(value.absolute())
    # NumPy's numbers have the method.
    return value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
