"""Turn pydantic's error about a definition into one line for people."""

import json
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tuner.errors import did_you_mean, shorten

_MAX_VALUE_LENGTH = 60

_EXPECTATIONS = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "int_type": "a whole number",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "list_type": "a list",
    "mapping_type": "a table",
    "model_type": "a table",
    "string_too_short": "some text",
    "string_type": "text",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
    "tuple_type": "a list",
}


def explain(error: ValidationError, model: type[BaseModel], *, source: str, overridden: Sequence[str] = ()) -> str:
    """Return one line: where the first mistake is, what was received, what was expected, and how many more there are.

    Args:
        error: Pydantic's error.
        model: The model that was validated.
        source: The file or the command that the settings come from.
        overridden: Dotted keys that come from `--set` instead.
    """
    # A default that depends on another setting would report that setting's mistake a second time.
    found = [item for item in error.errors(include_url=False) if item["type"] != "default_factory_not_called"]
    first = found[0]
    key = _dotted_key(first)
    origin = "--set" if any(_overlap(key, name) for name in overridden) else source
    more = f" ({len(found) - 1} more after this one)" if len(found) > 1 else ""
    place = f"{origin}: {shorten(key, width=100)}" if key else origin
    return f"{place}: {_describe(first, model)}{more}"


def _overlap(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _dotted_key(item: ErrorDetails) -> str:
    location = [str(part) for part in item["loc"]]
    # Where a definition's ranges are written.
    location[:1] = ["space" if part == "ranges" else part for part in location[:1]]
    if item["type"] == "contradiction":
        location.append(item["ctx"]["key"])
    return ".".join(location)


def _describe(item: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _describe_unknown_key(item, model)
    form = _form_of_list(item, model)
    if form is not None:
        return _end(f"received {_shorten(item['input'])}, expected {form}")
    if kind == "missing":
        return f"missing; expected {_field_description(item, model)}."
    if kind == "contradiction":
        return _end(item["msg"])
    expected = _expectation(item, context)
    return _end(f"received {_shorten(item['input'])}, {expected}")


def _form_of_list(item: ErrorDetails, model: type[BaseModel]) -> str | None:
    """Return what a list of a fixed form has to be, such as `[height, width]`; None where the mistake is another."""
    if item["type"] not in {"list_type", "tuple_type", "too_long", "too_short", "missing"}:
        return None
    path = [str(part) for part in item["loc"]]
    # An element that is missing is reported at its index.
    path = path[:-1] if path[-1].isdigit() else path
    field = _field_at(model, path)
    said = field.json_schema_extra if field is not None and isinstance(field.json_schema_extra, dict) else {}
    allowed = str(said.get("allowed") or "")
    return allowed if allowed.startswith("[") else None


def _end(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _expectation(item: ErrorDetails, context: dict[str, Any]) -> str:
    kind = item["type"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        choices = [part.strip(" '") for part in context["expected"].replace(" or ", ", ").split(",")]
        return f"expected one of {', '.join(choices)}.{did_you_mean(str(item['input']), choices)}"
    if kind in _EXPECTATIONS:
        return f"expected {_EXPECTATIONS[kind].format(**context)}"
    return item["msg"]


def _describe_unknown_key(item: ErrorDetails, model: type[BaseModel]) -> str:
    *path, name = [str(part) for part in item["loc"]]
    owner = _model_at(model, path)
    known = list(owner.model_fields) if owner else []
    # The numbers of a list's tables, and the name of a range's hyperparameter, are no part of a section's name.
    section = ["space", "NAME"] if path[:1] == ["ranges"] else [part for part in path if not part.isdigit()]
    more = " ".join(filter(None, ("tuner study settings", ".".join(section) if owner else "")))
    elsewhere = " or ".join(f"'{place}'" for place in _sections_with(name, model))
    meant = f" Did you mean {elsewhere}?" if elsewhere else did_you_mean(name, known)
    return f"no setting has this name.{meant} Known here: {', '.join(known)}; see `{more}`."


def _sections_with(name: str, model: type[BaseModel]) -> list[str]:
    """Return the dotted keys of the sections, at any depth, that have a setting of this name: `search.trials`."""
    found: list[str] = []
    for section in model.model_fields:
        owner = _model_at(model, [section])
        if owner is None:
            continue
        inside = [name] if name in owner.model_fields else _sections_with(name, owner)
        found += [f"{section}.{key}" for key in inside]
    return found


def _field_description(item: ErrorDetails, model: type[BaseModel]) -> str:
    field = _field_at(model, [str(part) for part in item["loc"]])
    return (field.description if field else None) or "a value"


def _field_at(model: type[BaseModel], path: Sequence[str]) -> FieldInfo | None:
    *owners, name = path
    owner = _model_at(model, owners)
    return owner.model_fields.get(name) if owner else None


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel] | None:
    """Return the model of the table at the path, also of one in a list; None if it leads to a list or a value."""
    found: Any = model
    for name in path:
        if get_origin(found) is tuple:
            found = get_args(found)[0]
        elif get_origin(found) is Mapping:
            found = get_args(found)[1]
        else:
            field = found.model_fields.get(name)
            found = _without_none(field.annotation) if field else None
        if get_origin(found) in {tuple, Mapping}:
            continue
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return None
    return None if get_origin(found) in {tuple, Mapping} else cast("type[BaseModel]", found)


def _without_none(annotation: Any) -> Any:
    """Return the type of a setting that may be left out."""
    if not isinstance(annotation, UnionType):
        return annotation
    types = [one for one in get_args(annotation) if one is not type(None)]
    return types[0] if len(types) == 1 else annotation


def _shorten(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False, default=str), width=_MAX_VALUE_LENGTH)
