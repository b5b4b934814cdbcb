"""`[space.NAME]`: a table of a study definition that `spaces` takes as it is, in place of what a builder declares."""

import math
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from tuner.training_settings import Section, contradiction, shown


def _check_scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("expected a number, a string, true or false")  # noqa: TRY004 - pydantic reports ValueError alone
    return value


def _check_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")  # noqa: TRY004 - as above
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value


#: One value of a hyperparameter.
Scalar = Annotated[bool | int | float | str, BeforeValidator(_check_scalar)]
_Number = Annotated[int | float, BeforeValidator(_check_number)]

_AS_DECLARED = "as the space declares it"

#: The settings of a range, which go with each other and not with `values`.
_OF_RANGE = ("low", "high", "step", "log")


class SpaceRange(Section):
    """What a search may draw for one hyperparameter; what is left out stays as the builder declares it."""

    low: _Number | None = Field(
        default=None, description="the smallest value", json_schema_extra=shown(default=_AS_DECLARED, allowed="number")
    )
    high: _Number | None = Field(
        default=None, description="the largest value", json_schema_extra=shown(default=_AS_DECLARED, allowed="number")
    )
    step: _Number | None = Field(
        default=None,
        gt=0,
        description="distance between neighbouring values; on a logarithmic range, their ratio",
        json_schema_extra=shown(default=_AS_DECLARED, allowed="number above 0"),
    )
    log: bool | None = Field(
        default=None,
        description="whether the range is logarithmic, so that each order of magnitude is drawn equally often",
        json_schema_extra=shown(default=_AS_DECLARED, allowed="true, false"),
    )
    values: Annotated[tuple[Scalar, ...] | None, Field(strict=False, min_length=2)] = Field(
        default=None,
        description="the values to choose from, in place of a range",
        json_schema_extra=shown(default=_AS_DECLARED, allowed="list of at least two numbers, texts or booleans"),
    )
    default: Scalar | None = Field(
        default=None,
        description="the value in the first trial, and in comparisons with the defaults",
        json_schema_extra=shown(
            default="as the space declares it, or the nearest allowed value", allowed="number, text or boolean"
        ),
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = [name for name in _OF_RANGE if getattr(self, name) is not None]
        if self.values is not None and given:
            raise contradiction(given[0], "expected either values, or low and high, not both")
        if self.values is not None and len(set(self.values)) < len(self.values):
            raise contradiction("values", "a value stands there twice; expected each once")
        if self.values is None and self.default is None and not given:
            raise contradiction("low", "missing; expected low and high, or values")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise contradiction("low", f"received {self.low}, expected less than high ({self.high})")
        if self.log and self.low is not None and self.low <= 0:
            raise contradiction("low", f"received {self.low}, expected more than 0 with log = true")
        return self
