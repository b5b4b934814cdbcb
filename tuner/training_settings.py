"""Augmentation, annealing and rules of training: tables of a study definition that `training` takes as they are."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
)

from tuner.setting_tables import SearchableSection, contradiction, is_number, shown

Rule = Literal["plateau", "cosine", "one-cycle", "step", "none"]
Monitor = Literal["val_accuracy", "val_loss", "accuracy", "loss"]


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
        if not value or not all(is_number(one) and one >= 0 for one in value.values()):
            raise ValueError("expected a number of at least 0 for each class that is named")
        return {name: float(one) for name, one in value.items()}
    numbers = value if isinstance(value, list | tuple) else ()
    if not numbers or not all(is_number(one) and one >= 0 for one in numbers):
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
