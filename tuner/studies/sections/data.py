"""`[data]`: how images are read and divided before a model sees them."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tuner.datasets.division.splits import VALIDATION_FRACTION
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.stored_range import Range, parse_range
from tuner.datasets.reading import ReadingSettings, ResizeHow
from tuner.image_ranges import UNIT_RANGE, ImageRange
from tuner.setting_tables import Section, contradiction, shown

#: How far a validation fraction may be from that of a fold, as a fraction of it: 0.33 agrees with three folds.
_FOLD_TOLERANCE = 0.02

_Side = Annotated[int, Field(ge=1, le=4096)]


def _check_auto_or_bool(value: Any) -> Any:
    if value != "auto" and not isinstance(value, bool):
        raise ValueError("expected true, false or auto")
    return value


class DataSection(Section):
    """`[data]`: how images are read and divided before a model sees them."""

    folds: int | None = Field(
        default=None,
        ge=2,
        le=1000,
        description="cross-validation: number of folds; a trial's score is the mean over the folds, each scored by a "
        "model that was trained on the others",
        json_schema_extra=shown(unit="folds", default="none: one validation set"),
    )
    validation_fraction: float = Field(
        default_factory=lambda found: 1 / found["folds"] if found["folds"] else VALIDATION_FRACTION,
        gt=0,
        lt=1,
        description="fraction of each class of the training part that is held out to score the trials; not used where "
        "the dataset has a validation set of its own",
        json_schema_extra=shown(unit="fraction", default="0.1; with data.folds: one fold"),
    )
    labels: Literal["auto", "indices", "one-hot"] = Field(
        default="auto",
        description="labels that the loss and your own fit receive: class indices, or one-hot rows; auto: what the "
        "loss takes",
    )
    images: ImageRange = Field(
        default=UNIT_RANGE,
        description="range of the float32 images that models take: unit-range, 0 to 1; uint8-range, 0 to 255, for "
        "models that scale by themselves",
    )
    # A JSON or TOML list becomes the pair.
    resize: Annotated[tuple[_Side, _Side] | None, Field(strict=False)] = Field(
        default=None,
        description="height and width to which all images are scaled",
        json_schema_extra=shown(
            unit="pixels", default="none: images keep their size", allowed="[height, width], each 1 to 4096"
        ),
    )
    resize_how: ResizeHow = Field(
        default="stretch",
        description="how images of another shape get their size, also in predictions: stretch, their sides are scaled "
        "apart; crop, what is beyond the middle is cut off; pad, the rest is filled with the colour of their border",
    )
    group: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="column of the table beside pictures, or array of an .npz file, that says which images belong "
        "together: they are on one side of every split",
        json_schema_extra=shown(default="none: each image is on its own"),
    )
    range: Annotated[Literal["auto"] | Range, BeforeValidator(parse_range)] = Field(
        default="auto",
        description="stored pixel values of black and white; auto: found from the images",
        json_schema_extra=shown(allowed='"auto", or two numbers such as [0, 255]'),
    )
    background: Literal["auto", "white", "black"] = Field(
        default="auto",
        description="background of transparent images; auto: the one on which their content is visible",
    )
    invert: Annotated[Literal["auto"] | bool, BeforeValidator(_check_auto_or_bool)] = Field(
        default="auto",
        description="whether all images are inverted; auto: small grey images that are mostly dark on light are",
        json_schema_extra=shown(allowed='"auto", true, false'),
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.folds and abs(self.folds * self.validation_fraction - 1) > _FOLD_TOLERANCE:
            raise contradiction(
                "folds",
                f"received {self.folds}, so that {1 / self.folds:.4g} of the images score, but data.validation_fraction"
                f" is {self.validation_fraction:g}; expected {1 / self.folds:.4g}, or only one of the two",
            )
        return self

    @property
    def reading(self) -> ReadingSettings:
        """The settings that say how files are read."""
        return ReadingSettings(resize=self.resize, resize_how=self.resize_how, group=self.group)

    @property
    def pixels(self) -> PixelSettings:
        """The settings that say what the images' pixels mean."""
        return PixelSettings(range=self.range, background=self.background, invert=self.invert)
