"""The tables of a study definition, each setting with its meaning, its range and its default."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tuner.studies.naming import did_you_mean
from tuner.studies.pruners import PRUNERS, PruningSettings
from tuner.studies.samplers import SAMPLERS
from tuner.studies.section import Section


def contradiction(key: str, message: str) -> PydanticCustomError:
    """Return the error for a setting that does not go with another one; `key` is dotted, from its own section."""
    return PydanticCustomError("contradiction", "{message}", {"key": key, "message": message})


def _known(name: str, known: Mapping[str, Any]) -> str:
    if name not in known:
        raise ValueError(f"expected one of {', '.join(known)}.{did_you_mean(name, known)}")
    return name


def _check_sampler(name: str) -> str:
    return _known(name, SAMPLERS)


def _check_pruner(name: str) -> str:
    return _known(name, PRUNERS)


def _check_scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("expected a number, a string, true or false")  # noqa: TRY004 - pydantic reports ValueError alone
    return value


#: One value of a hyperparameter.
Scalar = Annotated[bool | int | float | str, BeforeValidator(_check_scalar)]

_Side = Annotated[int, Field(ge=1, le=4096)]
_Share = Annotated[float, Field(ge=0, lt=1)]


class DataSection(Section):
    """`[data]`: what becomes of the images before any model sees them."""

    validation_fraction: float = Field(
        default=0.1, gt=0, lt=1, description="share of each class of the training set that scores the trials"
    )
    # A JSON or TOML list becomes the pair.
    resize: Annotated[tuple[_Side, _Side] | None, Field(strict=False)] = Field(
        default=None, description="height and width in pixels that images are brought to; without it their own"
    )


class SearchSection(Section):
    """`[search]`: the trials."""

    trials: int = Field(default=20, ge=1, le=1_000_000, description="the budget: trials finished at the end")
    epochs: int = Field(default=10, ge=1, le=100_000, description="epochs of a trial that is not pruned")
    sampler: Annotated[str, AfterValidator(_check_sampler)] = Field(
        default="tpe", description="how hyperparameters are drawn"
    )
    pruner: Annotated[str, AfterValidator(_check_pruner)] = Field(
        default="asha", description="which trials are stopped early"
    )
    startup_trials: int = Field(
        default=10, ge=0, description="trials drawn at random before a sampler that learns begins to"
    )
    train_images: int | None = Field(
        default=None,
        ge=1,
        description="search on so many training images, the same share of every class; finals take all; without it all",
    )
    batch_size: int = Field(
        default=64, ge=1, description="images per step, for spaces without a hyperparameter batch_size"
    )
    trial_timeout_s: float | None = Field(
        default=None, gt=0, description="seconds of training after which a trial fails; without it never"
    )
    pruning: PruningSettings = Field(default_factory=PruningSettings, description="settings of the pruner")
    grid: Mapping[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict, description="values to try by hyperparameter, for the sampler grid"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.pruner in {"asha", "hyperband"} and self.pruning.min_resource > self.epochs:
            raise contradiction(
                "pruning.min_resource",
                f"received {self.pruning.min_resource}, expected at most search.epochs ({self.epochs})",
            )
        if self.grid and self.sampler != "grid":
            raise contradiction(
                "grid",
                f'values are given, but the sampler is {self.sampler!r}; expected search.sampler = "grid", or no grid',
            )
        return self


class AugmentationSection(Section):
    """`[finals.augmentation]`: how training images are distorted, each draw between minus and plus; 0 is off."""

    rotation: float = Field(default=10.0, ge=0, le=180, description="degrees")
    zoom: float = Field(default=0.1, ge=0, lt=1, description="fraction of the size")
    shift: float = Field(default=0.1, ge=0, lt=1, description="fraction of the side, in both directions")
    shear: float = Field(default=0.1, ge=0, lt=1, description="sideways shift of the top edge, fraction of the height")
    cutout: float = Field(default=0.0, ge=0, le=1, description="side of a blackened square, fraction of the side")

    @property
    def is_off(self) -> bool:
        """Whether images stay as they are."""
        return not (self.rotation or self.zoom or self.shift or self.shear or self.cutout)


class AnnealingSection(Section):
    """`[finals.annealing]`: how the learning rate falls from the one that the search found."""

    rule: Literal["plateau", "cosine", "one-cycle", "step", "none"] = Field(
        default="cosine",
        description="cosine and one-cycle follow the planned epochs, plateau what is monitored, step a fixed interval",
    )
    warmup_epochs: int = Field(default=1, ge=0, description="cosine: epochs of linear rise at the beginning")
    min_lr: float = Field(default=1e-5, ge=0, description="plateau, cosine, one-cycle, step: never below this")
    factor: float = Field(default=0.5, gt=0, lt=1, description="plateau, step: what the learning rate is multiplied by")
    monitor: Literal["loss", "accuracy", "val_loss", "val_accuracy"] = Field(
        default="loss", description='plateau: what has to improve; val_… only with finals.train_on = "train"'
    )
    patience: int = Field(default=2, ge=1, description="plateau: epochs without improvement before a reduction")
    step_epochs: int = Field(default=10, ge=1, description="step: epochs between reductions")


class FinalsSection(Section):
    """`[finals]`: confirm the best with new seeds, retrain them, and test each retrained model once."""

    top: int = Field(default=3, ge=1, description="configurations that are retrained; fewer when the search has fewer")
    candidates: int = Field(
        default_factory=lambda found: max(found["top"], 5),
        ge=1,
        description="best trials that are confirmed to choose the top; 5 or top, whichever is more",
    )
    confirm_repeats: int = Field(default=2, ge=1, description="trainings of each candidate with new seeds")
    confirm_epochs: int | None = Field(default=None, ge=1, description="their epochs; without it those of the search")
    repeats: int = Field(
        default=3, ge=1, description="retrained and tested models of each final; 3 give an honest spread"
    )
    epochs: int = Field(default=20, ge=1, le=100_000, description="epochs of a retrained model")
    train_on: Literal["train", "train+validation"] = Field(
        default="train+validation", description="what a retrained model learns from"
    )
    augmentation: AugmentationSection = Field(default_factory=AugmentationSection, description="distorted images")
    annealing: AnnealingSection = Field(default_factory=AnnealingSection, description="the falling learning rate")
    compare_augmentation: bool = Field(
        default=True, description="retrain the best configuration without augmentation too, for the report"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.candidates < self.top:
            raise contradiction("candidates", f"received {self.candidates}, expected at least finals.top ({self.top})")
        if self.annealing.warmup_epochs > self.epochs:
            raise contradiction(
                "annealing.warmup_epochs",
                f"received {self.annealing.warmup_epochs}, expected at most finals.epochs ({self.epochs})",
            )
        watches_validation = self.annealing.rule == "plateau" and self.annealing.monitor.startswith("val_")
        if watches_validation and self.train_on == "train+validation":
            raise contradiction(
                "annealing.monitor",
                f'received {self.annealing.monitor!r}, expected "loss" or "accuracy", or finals.train_on = "train": '
                "with train+validation no image is left to validate on",
            )
        return self
