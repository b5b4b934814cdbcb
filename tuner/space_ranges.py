"""`[space.NAME]`: a table of a study definition that `spaces` takes as it is, in place of what a builder declares."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from tuner.setting_tables import Section, contradiction, shown


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

#: Share of the draws that take a favourite whose share is not given.
_SHARE = 0.5

#: The settings of a range, which go with each other and not with `values`.
_OF_RANGE = ("low", "high", "step", "log")


class Prior(Section):
    """Where good values of one hyperparameter are expected: its first draws come from there."""

    centre: _Number | None = Field(
        default=None,
        description="the value that is expected to be best, of a range",
        json_schema_extra=shown(default="none", allowed="number within the range"),
    )
    spread: _Number | None = Field(
        default=None,
        gt=0,
        description="how far from the centre two of three draws stay: on a logarithmic range a factor, else a distance",
        json_schema_extra=shown(default="none", allowed="number above 0; above 1 on a logarithmic range"),
    )
    favourite: Scalar | None = Field(
        default=None,
        description="the value that is expected to be best, of a choice",
        json_schema_extra=shown(default="none", allowed="one of the values"),
    )
    share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the draws that take the favourite; the other values share the rest",
        json_schema_extra=shown(default="0.5"),
    )
    weights: Annotated[Mapping[str, float] | None, Field(min_length=1)] = Field(
        default=None,
        description="how often each value of a choice is drawn, relative to the others; values left out are not drawn",
        json_schema_extra=shown(default="none", allowed="table of numbers of at least 0 by value"),
    )

    @property
    def share_of_favourite(self) -> float:
        """The share of the draws that take the favourite, above 0 and below 1."""
        return _SHARE if self.share is None else self.share

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.centre is None) != (self.spread is None):
            missing = "spread" if self.spread is None else "centre"
            raise contradiction(missing, "missing; expected both centre and spread")
        kinds = [name for name in ("centre", "favourite", "weights") if getattr(self, name) is not None]
        if len(kinds) != 1:
            received = f"received {' and '.join(kinds)}" if kinds else "missing"
            raise contradiction(
                kinds[0] if kinds else "centre", f"{received}; expected centre and spread, or favourite, or weights"
            )
        if self.share is not None and self.favourite is None:
            raise contradiction("share", "received without favourite, whose share it is")
        if self.weights is not None and (min(self.weights.values()) < 0 or not sum(self.weights.values())):
            raise contradiction("weights", "expected numbers of at least 0, one of them above 0")
        return self


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

    prior: Prior | None = Field(
        default=None, description="where good values are expected: the first trials draw from there"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = [name for name in _OF_RANGE if getattr(self, name) is not None]
        if self.values is not None and given:
            raise contradiction(given[0], "expected either values, or low and high, not both")
        if self.values is not None and len(set(self.values)) < len(self.values):
            raise contradiction("values", "a value stands there twice; expected each once")
        if self.values is None and self.default is None and self.prior is None and not given:
            raise contradiction("low", "missing; expected low and high, or values")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise contradiction("low", f"received {self.low}, expected less than high ({self.high})")
        if self.log and self.low is not None and self.low <= 0:
            raise contradiction("low", f"received {self.low}, expected more than 0 with log = true")
        return self
