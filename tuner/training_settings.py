"""Augmentation and annealing: tables of a study definition that `training` takes as they are."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Rule = Literal["plateau", "cosine", "one-cycle", "step", "none"]
Monitor = Literal["val_accuracy", "val_loss", "accuracy", "loss"]


class Section(BaseModel):
    """A table of a definition: fixed once read, no unknown keys, no silent conversion ("10" is no number)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def contradiction(key: str, message: str) -> PydanticCustomError:
    """Return the error for a setting that does not go with another one; `key` is dotted, from the validating table."""
    return PydanticCustomError("contradiction", "{message}", {"key": key, "message": message})


class Augmentation(Section):
    """`[finals.augmentation]`: how training images are changed, each image of each epoch by its own draw; 0 is off.

    Rotation to shear, brightness and contrast are drawn between minus and plus.
    """

    rotation: float = Field(default=10.0, ge=0, le=180, description="degrees")
    zoom: float = Field(default=0.1, ge=0, lt=1, description="fraction of the size")
    shift: float = Field(default=0.1, ge=0, lt=1, description="fraction of the side, in both directions")
    shear: float = Field(default=0.1, ge=0, lt=1, description="sideways shift of the top edge, fraction of the height")
    elastic: float = Field(
        default=0.0, ge=0, le=0.5, description="standard deviation of each pixel's displacement, fraction of the side"
    )
    elastic_smoothness: float = Field(
        default=0.15, ge=0.1, le=1, description="elastic: how far displacements go together, fraction of the side"
    )
    brightness: float = Field(default=0.0, ge=0, le=1, description="added to every pixel, fraction of the range")
    contrast: float = Field(default=0.0, ge=0, le=1, description="fraction of the differences from an image's mean")
    cutout: float = Field(default=0.0, ge=0, le=1, description="side of a blackened square, fraction of the side")
    mixup: float = Field(
        default=0.0, ge=0, le=10, description="two images are blended, shares from Beta(mixup, mixup); 0.2 is usual"
    )
    cutmix: float = Field(
        default=0.0, ge=0, le=10, description="a box of another image, its area from Beta(cutmix, cutmix); 1 is usual"
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


class Annealing(Section):
    """`[finals.annealing]`: how the learning rate falls from the one that the search found."""

    rule: Rule = Field(
        default="cosine",
        description="cosine and one-cycle follow the planned epochs, plateau what is monitored, step a fixed interval",
    )
    warmup_epochs: int = Field(
        default_factory=lambda found: 1 if found["rule"] == "cosine" else 0,
        ge=0,
        description="cosine, one-cycle, step: epochs of rising learning rate at the start; 1 for cosine, else 0",
    )
    min_lr: float = Field(default=1e-5, ge=0, description="every rule: never below it")
    factor: float = Field(default=0.5, gt=0, lt=1, description="plateau, step: what the learning rate is multiplied by")
    monitor: Monitor = Field(
        default="val_accuracy", description="plateau: what must improve; without a validation set val_ is dropped"
    )
    patience: int = Field(default=3, ge=1, description="plateau: epochs without improvement before the rate falls")
    min_delta: float = Field(default=1e-4, ge=0, description="plateau: a smaller change is no improvement")
    cooldown: int = Field(default=0, ge=0, description="plateau: epochs to wait after the rate fell")
    every_epochs: int = Field(default=5, ge=1, description="step: epochs between falls")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.warmup_epochs and self.rule in {"plateau", "none"}:
            raise contradiction("warmup_epochs", f"received {self.warmup_epochs}, expected 0 with rule = {self.rule!r}")
        return self
