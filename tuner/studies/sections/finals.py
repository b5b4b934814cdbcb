"""`[finals]`: how the best trials are confirmed, retrained and tested."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from tuner.setting_tables import Section, contradiction, shown
from tuner.studies.sections.durations import Duration
from tuner.studies.sections.regime import refuse_freezing_nothing, refuse_long_warmup, without_warmup_in_one_epoch
from tuner.training_settings import Annealing, Augmentation, Training


class FinalsSection(Section):
    """`[finals]`: confirm the best with new seeds, retrain them, and test each retrained model once."""

    top: int = Field(
        default=3,
        ge=0,
        description="number of configurations to retrain and test, at most those that the search has; 0: no finals",
        json_schema_extra=shown(
            unit="configurations", default="one for 5 trials, from 1 to 3; with the sampler one-factor 0"
        ),
    )
    candidates: int = Field(
        default_factory=lambda found: max(found["top"], 5),
        ge=1,
        description="number of the best trials that are confirmed with new seeds, to choose the top ones",
        json_schema_extra=shown(unit="trials", default="one of 3 trials, at most 5, or finals.top if that is larger"),
    )
    confirm_repeats: int = Field(
        default=2,
        ge=1,
        description="number of new seeds with which each candidate is confirmed",
        json_schema_extra=shown(unit="trainings"),
    )
    confirm_epochs: int | None = Field(
        default=None,
        ge=1,
        description="epochs of each confirmation",
        json_schema_extra=shown(unit="epochs", default="search.epochs"),
    )
    repeats: int = Field(
        default=3,
        ge=1,
        description="number of models retrained and tested for each final; at least 3 show the spread between seeds",
        json_schema_extra=shown(unit="models"),
    )
    epochs: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="epochs of each retrained model",
        json_schema_extra=shown(
            unit="epochs",
            default="twice search.epochs, at most 20, or search.epochs if that is more; 20 where a warm-up is set",
        ),
    )
    timeout: Duration | None = Field(
        default=None,
        description="time after which finals end with the models that are tested, counted as that of the search",
        json_schema_extra=shown(unit="seconds", default="none: no limit", allowed='> 0, or text such as "2h 30m"'),
    )
    train_on: Literal["train", "train+validation"] = Field(
        default="train+validation",
        description="images on which retrained models are trained; a model with your own fit is always trained on "
        "train, and receives the validation images",
    )
    validation_curves: bool = Field(
        default=False,
        description="with train+validation: whether one more model of each final is trained without the validation "
        "images, only to show its validation curve; it is not tested and is in no mean and no ensemble",
    )
    augmentation: Augmentation = Field(
        default_factory=Augmentation,
        description="augmentation of the training images in the finals; what is left out here is as in the search, if "
        "that has this table",
    )
    annealing: Annealing = Field(
        default_factory=Annealing,
        description="how the learning rate falls in the finals; what is left out here is as in the search, if that has "
        "this table",
    )
    training: Training = Field(
        default_factory=Training,
        description="rules of training in the finals; what is left out here is as in the search",
    )
    weights_from: str | None = Field(
        default=None,
        min_length=1,
        description="bundle, or weights file, from which retrained models take their first weights",
        json_schema_extra=shown(default="search.weights_from", allowed="path or URL"),
    )
    freeze_epochs: int = Field(
        default=0,
        ge=0,
        description="epochs at the start in which the layers taken from weights_from do not change",
        json_schema_extra=shown(unit="epochs", default="search.freeze_epochs"),
    )
    compare_augmentation: bool = Field(
        default=True,
        description="whether the best configuration is also retrained without augmentation, so that the report can "
        "compare the two",
        json_schema_extra=shown(default="true from 20 trials on"),
    )

    @property
    def draws_validation_curves(self) -> bool:
        """Whether models are trained for their validation curves alone; without validation images all have one."""
        return self.validation_curves and self.train_on == "train+validation"

    @model_validator(mode="before")
    @classmethod
    def _leave_no_warmup_in_one_epoch(cls, settings: Any) -> Any:
        return without_warmup_in_one_epoch(settings)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.candidates < self.top:
            raise contradiction("candidates", f"received {self.candidates}, expected at least finals.top ({self.top})")
        refuse_long_warmup("annealing.warmup_epochs", self.annealing, "finals.epochs", self.epochs)
        refuse_freezing_nothing(self.weights_from, self.freeze_epochs)
        if self.train_on != "train" and any(one.early_stopping for one in self.training.possible()):
            raise contradiction(
                "training.early_stopping",
                f'finals.train_on = "{self.train_on}" leaves no image to measure a score on; expected 0, or '
                'finals.train_on = "train"',
            )
        return self
