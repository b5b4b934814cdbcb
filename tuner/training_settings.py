"""Augmentation, annealing and rules of training: tables of a study definition that `training` takes as they are.

A table of the search may have a range in place of a number, as in `rotation = {low = 0, high = 20}`: each trial then
draws its own number. Training itself receives tables without ranges only.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

Rule = Literal["plateau", "cosine", "one-cycle", "step", "none"]
Monitor = Literal["val_accuracy", "val_loss", "accuracy", "loss"]


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


def _is_number(value: Any) -> bool:
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
            if not all(isinstance(one, str) or _is_number(one) for one in values):
                raise contradiction(name, f"received the values {list(values)}; expected numbers or texts")
            if len(set(values)) < len(values):
                raise contradiction(name, "values has the same value twice; remove one")
            return cls(values=tuple(values))
        numbers = [given.get(key, 1) for key in ("low", "high", "step")]
        are_numbers = {"low", "high"} <= set(given) and all(map(_is_number, numbers))
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


class Augmentation(SearchableSection):
    """`[search.augmentation]`, `[finals.augmentation]`: how training images are changed.

    Each image of each epoch has its own draw; 0 is off. Rotation to shear, brightness and contrast are drawn between
    minus and plus.
    """

    rotation: float = Field(
        default=10.0,
        ge=0,
        le=180,
        description="largest rotation to either side",
        json_schema_extra=shown(unit="degrees"),
    )
    zoom: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="largest enlargement or reduction, drawn for height and width separately",
        json_schema_extra=shown(unit="fraction of the size"),
    )
    shift: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="largest shift, drawn for the two directions separately",
        json_schema_extra=shown(unit="fraction of the side"),
    )
    shear: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="largest sideways shift of the top edge while the middle stays",
        json_schema_extra=shown(unit="fraction of the height"),
    )
    elastic: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="standard deviation of each pixel's displacement",
        json_schema_extra=shown(unit="fraction of the side"),
    )
    elastic_smoothness: float = Field(
        default=0.15,
        ge=0.1,
        le=1,
        description="for elastic: distance over which neighbouring displacements are alike",
        json_schema_extra=shown(unit="fraction of the side"),
    )
    brightness: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest amount added to or taken from every pixel",
        json_schema_extra=shown(unit="fraction of the range from black to white"),
    )
    contrast: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest change of the differences from an image's mean",
        json_schema_extra=shown(unit="fraction of the differences"),
    )
    cutout: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="side of a square that is made black",
        json_schema_extra=shown(unit="fraction of the side"),
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="two images and their labels are blended, in proportions from Beta(mixup, mixup); 0.2 is usual",
    )
    cutmix: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="a box is replaced by that of another image, its area from Beta(cutmix, cutmix); 1 is usual",
    )

    @classmethod
    def only(cls, **changes: float) -> Self:
        """Return these changes alone; the others are off."""
        off = dict.fromkeys(cls.model_fields.keys() - {"elastic_smoothness"}, 0.0)
        return cls(**off | changes)

    @property
    def is_off(self) -> bool:
        """Whether no image is changed."""
        return self == self.only(elastic_smoothness=self.elastic_smoothness)

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with others, and with them their targets."""
        return bool(self.mixup or self.cutmix)


class Annealing(SearchableSection):
    """`[search.annealing]`, `[finals.annealing]`: how the learning rate falls from the one that the space asks."""

    rule: Rule = Field(
        default="cosine",
        description="how the learning rate falls: cosine and one-cycle follow the planned epochs, plateau waits until "
        "what is monitored stops improving, step falls at a fixed interval, none keeps the rate",
    )
    warmup_epochs: int = Field(
        default_factory=lambda found: 1 if found["rule"] == "cosine" else 0,
        ge=0,
        description="cosine, one-cycle, step: epochs at the start in which the learning rate rises",
        json_schema_extra=shown(unit="epochs", default="1 for cosine, else 0"),
    )
    min_lr: float = Field(default=1e-5, ge=0, description="every rule: the learning rate does not fall below this")
    factor: float = Field(
        default=0.5, gt=0, lt=1, description="plateau, step: factor by which the learning rate is multiplied"
    )
    monitor: Monitor = Field(
        default="val_accuracy",
        description="plateau: what must improve; without a validation set, the same of the training set is taken",
    )
    patience: int = Field(
        default=3,
        ge=1,
        description="plateau: epochs without improvement before the learning rate falls",
        json_schema_extra=shown(unit="epochs"),
    )
    min_delta: float = Field(default=1e-4, ge=0, description="plateau: a smaller change does not count as improvement")
    cooldown: int = Field(
        default=0,
        ge=0,
        description="plateau: epochs to wait after the learning rate has fallen",
        json_schema_extra=shown(unit="epochs"),
    )
    every_epochs: int = Field(
        default=5,
        ge=1,
        description="step: epochs from one fall to the next",
        json_schema_extra=shown(unit="epochs"),
    )

    def refuse_contradictions(self) -> None:
        """Refuse a warm-up of a rule that has none."""
        if self.warmup_epochs and self.rule in {"plateau", "none"}:
            raise contradiction("warmup_epochs", f"received {self.warmup_epochs}, expected 0 with rule = {self.rule!r}")


#: Which settings of `Annealing` each rule uses.
USED_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "plateau": ("monitor", "patience", "factor", "min_lr", "min_delta", "cooldown"),
    "cosine": ("warmup_epochs", "min_lr"),
    "one-cycle": ("warmup_epochs", "min_lr"),
    "step": ("factor", "every_epochs", "warmup_epochs", "min_lr"),
    "none": (),
}


def _check_weights(value: Any) -> Any:
    if value in ("none", "balanced"):
        return value
    if isinstance(value, Mapping):
        if not value or not all(_is_number(one) and one >= 0 for one in value.values()):
            raise ValueError("expected a number of at least 0 for each class that is named")
        return {name: float(one) for name, one in value.items()}
    numbers = value if isinstance(value, list | tuple) else ()
    if not numbers or not all(_is_number(one) and one >= 0 for one in numbers):
        raise ValueError(
            "expected none, balanced, a list with one number for each class, none below 0, or such numbers by class"
        )
    return tuple(map(float, numbers))


class Training(SearchableSection):
    """`[search.training]`, `[finals.training]`: rules of training that act on the model of any builder."""

    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="part of each label that is spread evenly over all classes; 0: as the model was built",
        json_schema_extra=shown(unit="fraction"),
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="fraction by which each kernel shrinks per step, times the learning rate; biases and scales do not "
        "shrink; 0: as the model was built",
    )
    ema_momentum: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="momentum of a moving average of the weights, such as 0.99; the average is validated, tested and "
        "kept; 0: as the model was built",
    )
    early_stopping: int = Field(
        default=0,
        ge=0,
        description="epochs without a better validation score after which training stops and the weights of the best "
        "epoch are restored; 0: never",
        json_schema_extra=shown(unit="epochs"),
    )
    class_weights: Annotated[
        Literal["none", "balanced"] | tuple[float, ...] | dict[str, float], BeforeValidator(_check_weights)
    ] = Field(
        default="none",
        description="weight of each class in the loss; balanced: the inverse of the class's frequency",
        json_schema_extra=shown(
            allowed='"none", "balanced", a list of numbers ≥ 0, one for each class in order, or a table of numbers by '
            "class, 1 for the others"
        ),
    )

    @classmethod
    def is_table(cls, name: str, written: Mapping[str, Any]) -> bool:
        """Say whether a setting is a table of its own and no range: weights by class, unless they are a list."""
        return name == "class_weights" and not isinstance(written.get("values"), list | tuple)
