"""Every setting of a study with its meaning, default, allowed values and unit, read from the definition's own fields.

`tuner study settings` prints it, and the manual's page of settings is made from it.
"""

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tuner.errors import TunerError, did_you_mean, shorten
from tuner.space_ranges import Prior, SpaceRange
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.pruners import PRUNERS
from tuner.studies.samplers import SAMPLERS
from tuner.studies.sections.regime import REGIME

#: In a key, the name of any hyperparameter.
_ANY_NAME = "NAME"
#: Where a definition has a field under another name, and tables of single hyperparameters.
_WRITTEN = {"ranges": f"space.{_ANY_NAME}"}
_NAMES = {"search.sampler": SAMPLERS, "search.pruner": PRUNERS}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


@dataclass(frozen=True, kw_only=True)
class SettingReference:
    """One setting."""

    #: Dotted, as `--set` takes it; NAME stands for the name of a hyperparameter.
    key: str
    meaning: str
    #: As TOML has it, or in words where no single value is the default.
    default: str
    #: Allowed values in words.
    allowed: str
    #: What a number counts or measures; empty where there is nothing to say.
    unit: str


@dataclass(frozen=True, kw_only=True)
class SectionReference:
    """One table of a definition with the settings that stand in it."""

    #: Dotted, without brackets; empty for the settings that stand above all tables.
    name: str
    meaning: str
    settings: tuple[SettingReference, ...]
    #: Whether each setting may be a range, from which trials draw.
    may_be_ranges: bool


class UnknownSettingError(TunerError):
    """No setting and no section has that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No setting or section named {shorten(name)!r}.{did_you_mean(name, known)} "
            "`tuner study settings` lists all."
        )


def list_settings() -> tuple[SectionReference, ...]:
    """Return all sections of a definition, those within a section after it."""
    return tuple(_read_model(StudyDefinition, "", "the study itself"))


def find_settings(name: str) -> tuple[SectionReference, ...]:
    """Return the section of this name, or the settings with this key within their sections.

    Args:
        name: A section as `search.pruning` or `[search.pruning]`, a key as `search.trials`, or the last part of a key,
            which may be in several sections. NAME may stand there as itself or as any hyperparameter's name.

    Raises:
        UnknownSettingError: There is none.
    """
    wanted = name.strip().strip("[]")
    # A table [space] has the space itself as its setting `name`.
    wanted = "space" if wanted == "space.name" else wanted
    sections = list_settings()
    of_section = tuple(one for one in sections if one.name and _agrees(wanted, one.name))
    if of_section:
        return of_section
    for is_meant in (_agrees, _ends_with):
        found = [
            SectionReference(
                name=one.name,
                meaning=one.meaning,
                settings=tuple(setting for setting in one.settings if is_meant(wanted, setting.key)),
                may_be_ranges=one.may_be_ranges,
            )
            for one in sections
        ]
        if chosen := tuple(one for one in found if one.settings):
            return chosen
    keys = [setting.key for one in sections for setting in one.settings]
    raise UnknownSettingError(wanted, [*keys, *(one.name for one in sections), *(key.split(".")[-1] for key in keys)])


def _agrees(wanted: str, key: str) -> bool:
    """Say whether a dotted name is this key; a hyperparameter's name, with dots of its own, may stand for NAME."""
    before, any_name, after = key.partition(_ANY_NAME)
    if not any_name:
        return wanted == key
    if key == _WRITTEN["ranges"] and wanted.rpartition(".")[2] in {*SpaceRange.model_fields, *Prior.model_fields}:
        # `space.NAME` is a table, `space.NAME.low` a setting in it, `space.NAME.prior.centre` one in a table of it.
        return False
    fits = wanted.startswith(before) and wanted.endswith(after) and len(wanted) > len(before) + len(after)
    return fits or (key != _WRITTEN["ranges"] and f"{wanted}." == before + after)


def _ends_with(wanted: str, key: str) -> bool:
    return bool(wanted) and key.rpartition(".")[2] == wanted


def _read_model(model: type[BaseModel], name: str, meaning: str) -> Iterator[SectionReference]:
    inner: list[tuple[type[BaseModel], str, str]] = []
    settings: list[SettingReference] = []
    for field_name, field in model.model_fields.items():
        key = ".".join(filter(None, (name, _WRITTEN.get(field_name, field_name))))
        meaning_of_field = field.description or ""
        if table := table_of(field.annotation):
            inner.append((table, key, meaning_of_field))
        else:
            settings.append(_read_field(field, f"{key}.{_ANY_NAME}" if _is_open(field.annotation) else key))
    yield SectionReference(
        name=name,
        meaning=meaning,
        settings=tuple(settings),
        may_be_ranges=model in REGIME.values() and name.startswith("search."),
    )
    for table, key, text in inner:
        yield from _read_model(table, key, text)


def table_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a setting that is a table, a table for each name, or a list of tables; None of others."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _is_open(annotation: Any) -> bool:
    """Say whether a setting is a table whose keys are hyperparameters."""
    return get_origin(annotation) is Mapping


def _read_field(field: FieldInfo, key: str) -> SettingReference:
    said = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return SettingReference(
        key=key,
        meaning=field.description or "",
        default=str(said.get("default") or "") or _describe_default(field),
        allowed=str(said.get("allowed") or "") or _describe_allowed(field, key),
        unit=str(said.get("unit") or ""),
    )


def _describe_default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return "none" if field.default in (None, ()) else json.dumps(field.default, ensure_ascii=False)


def _describe_allowed(field: FieldInfo, key: str) -> str:
    if key in _NAMES:
        return ", ".join(json.dumps(name) for name in _NAMES[key])
    kinds = [_describe_type(one) for one in _parts(field.annotation)]
    return ", ".join(filter(None, (*kinds, _describe_bounds(field))))


def _describe_bounds(field: FieldInfo) -> str:
    bounds = {name: f"{getattr(one, name):,}" for one in field.metadata for name in _BOUNDS if hasattr(one, name)}
    if bounds.keys() == {"ge", "le"}:
        return f"{bounds['ge']} to {bounds['le']}"
    return " and ".join(f"{word} {bounds[name]}" for name, word in _BOUNDS.items() if name in bounds)


def _parts(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows, without None."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if isinstance(annotation, UnionType) or get_origin(annotation) is typing.Union:
        return [part for one in get_args(annotation) if one is not type(None) for part in _parts(one)]
    return [annotation]


def _describe_type(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(json.dumps(one) for one in get_args(kind))
    return {bool: "true, false", int: "whole number", float: "number", str: "text"}[kind]
