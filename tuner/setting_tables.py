"""Tables of a study definition: what all of them have in common, and ranges in place of values.

A table that says how models are trained may have a range in place of a number, as in `rotation = {low = 0, high = 20}`:
each trial then draws its own number. Training itself receives tables without ranges only.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError


def shown(*, unit: str = "", default: str = "", allowed: str = "") -> JsonDict:
    """Return what `tuner study settings` prints of a field that its type, its bounds and its default do not say.

    Args:
        unit: What a number counts or measures.
        default: The default in words, where it follows from other settings or where leaving a setting out means more
            than a value does.
        allowed: The allowed values in words, where type and bounds do not say them.
    """
    return {"unit": unit, "default": default, "allowed": allowed}


class Section(BaseModel):
    """A table of a definition: fixed once read, no unknown keys, no silent conversion ("10" is no number)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def contradiction(key: str, message: str) -> PydanticCustomError:
    """Return the error for a setting that does not go with another one; `key` is dotted, from the validating table."""
    return PydanticCustomError("contradiction", "{message}", {"key": key, "message": message})


def is_number(value: Any) -> bool:
    """Say whether it is a finite number and no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, kw_only=True)
class Range:
    """What a search draws a setting from: the numbers from `low` to `high`, both included, or one of `values`."""

    low: float | None = None
    high: float | None = None
    #: Distance between two neighbours; None: every number, of a setting in whole numbers every whole number.
    step: float | None = None
    #: Whether each order of magnitude is drawn equally often.
    log: bool = False
    values: tuple[Any, ...] = ()

    @classmethod
    def read(cls, name: str, written: Mapping[str, Any]) -> Self:
        """Read the range of a setting as a definition has it.

        Raises:
            PydanticCustomError: It is no range, see `contradiction`.
        """
        given = {key: value for key, value in written.items() if value is not None}
        expected = "expected {low = …, high = …}, optionally with step or log = true, or {values = […]}"
        if unknown := sorted(set(given) - {one.name for one in fields(cls)}):
            raise contradiction(name, f"a range has no {unknown[0]!r}; {expected}")
        if "values" in given:
            values = given["values"]
            if set(given) - {"values"} or not isinstance(values, list | tuple) or not values:
                raise contradiction(name, f"received {given}; {expected}")
            if not all(isinstance(one, str) or is_number(one) for one in values):
                raise contradiction(name, f"received the values {list(values)}; expected numbers or texts")
            if len(set(values)) < len(values):
                raise contradiction(name, "values has the same value twice; remove one")
            return cls(values=tuple(values))
        numbers = [given.get(key, 1) for key in ("low", "high", "step")]
        are_numbers = {"low", "high"} <= set(given) and all(map(is_number, numbers))
        if not are_numbers or not isinstance(given.get("log", False), bool):
            raise contradiction(name, f"received {given}; {expected}")
        low, high, step = numbers
        if low >= high or step <= 0:
            raise contradiction(name, f"received {given}; expected low below high and a step above 0")
        if given.get("log") and ("step" in given or low <= 0):
            raise contradiction(name, f"received {given}; expected low above 0 and no step with log = true")
        return cls(**given)

    @property
    def ends(self) -> tuple[Any, Any]:
        """The lowest and the highest number; of values the first and the last."""
        return (self.values[0], self.values[-1]) if self.values else (self.low, self.high)

    def to_json(self) -> dict[str, Any]:
        """Return the range as a definition has it."""
        return (
            {"values": list(self.values)}
            if self.values
            else {key: value for key, value in asdict(self).items() if value is not None and key != "values"}
        )


class SearchableSection(Section):
    """A table whose settings may be ranges in a study's search.

    A setting that is a range has one end of it as its own value, so that a table with ranges is a valid table; the
    ranges themselves are in `ranges`.
    """

    _ranges: Mapping[str, Range] = PrivateAttr(default_factory=dict)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The range of each setting that is drawn."""
        return self._ranges

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """Return the names of the settings."""
        return tuple(cls.model_fields)

    def settle(self, values: Mapping[str, Any]) -> Self:
        """Return the table without ranges, with these values in their places.

        Raises:
            KeyError: A range has no value.
            ValidationError: The value is not one that the setting can have.
        """
        if not self.ranges:
            return self
        written = {**self.model_dump(exclude_unset=True), **{name: values[name] for name in self.ranges}}
        return type(self).model_validate(written)

    def possible(self) -> Iterator[Self]:
        """Yield tables without ranges that have between them each end of every range, and every listed value."""
        for corner in _corners(self.ranges):
            yield self.settle(corner)

    @classmethod
    def is_table(cls, name: str, written: Mapping[str, Any]) -> bool:
        """Say whether a setting that is written as a table is no range."""
        del name, written
        return False

    def refuse_contradictions(self) -> None:
        """Raise `contradiction` where two settings do not go together."""

    @model_validator(mode="wrap")
    @classmethod
    def _take_ranges(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, Mapping):
            return handler(given)
        known = {name: value for name, value in given.items() if name in cls.model_fields}
        ranges = {
            name: Range.read(name, value)
            for name, value in known.items()
            if isinstance(value, Mapping) and not cls.is_table(name, value)
        }
        for name, drawn in ranges.items():
            if cls.model_fields[name].annotation is int and isinstance(drawn.step, float):
                raise contradiction(name, f"received a step of {drawn.step}, expected whole numbers")
        tables = [handler({**given, **corner}) for corner in _corners(ranges)]
        for table in tables:
            table.refuse_contradictions()
        chosen = tables[0]
        chosen._ranges = ranges  # noqa: SLF001 - an instance of this class, which Ruff does not see
        return chosen

    @model_serializer(mode="wrap")
    def _write_ranges(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        if not self.ranges:
            return written
        # A default that follows from another setting follows from what that one is drawn as.
        follow = {name for name, one in type(self).model_fields.items() if one.default_factory_takes_validated_data}
        kept = {name: value for name, value in written.items() if name not in follow - self.model_fields_set}
        return {**kept, **{name: drawn.to_json() for name, drawn in self.ranges.items()}}


def _corners(ranges: Mapping[str, Range]) -> list[dict[str, Any]]:
    """Return settings that have between them each end of every range, and every listed value."""
    ends: list[dict[str, Any]] = [{name: drawn.ends[end] for name, drawn in ranges.items()} for end in (0, 1)]
    corners = [
        {**at_end, name: value} for at_end in ends for name, drawn in ranges.items() for value in drawn.values or ()
    ]
    return [*ends, *corners] if ranges else [{}]
