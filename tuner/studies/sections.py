"""The tables of a study definition, each setting with its meaning, its range and its default."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from tuner.datasets.pixel_decision import PixelSettings
from tuner.datasets.stored_range import Range, parse_range
from tuner.image_ranges import UNIT_RANGE, ImageRange
from tuner.space_ranges import Scalar
from tuner.training_settings import Annealing, Augmentation, SearchableSection, Section, Training, contradiction

#: The tables of `[search]` and `[finals]` that say how a model is trained.
REGIME: Mapping[str, type[SearchableSection]] = {
    "augmentation": Augmentation,
    "annealing": Annealing,
    "training": Training,
}


def _check_auto_or_bool(value: Any) -> Any:
    if value != "auto" and not isinstance(value, bool):
        raise ValueError("expected true, false or auto")
    return value


#: The sampler that changes one hyperparameter at a time.
ONE_FACTOR = "one-factor"

#: How far a validation fraction may be from that of a fold, as a fraction of it: 0.33 agrees with three folds.
_FOLD_TOLERANCE = 0.02

_Side = Annotated[int, Field(ge=1, le=4096)]


class DataSection(Section):
    """`[data]`: how images are read and divided before a model sees them."""

    folds: int | None = Field(
        default=None,
        ge=2,
        le=1000,
        description="cross-validation: a trial's score is the mean over so many folds, each validated once by a model "
        "that was trained on the others; default: one validation set",
    )
    validation_fraction: float = Field(
        default_factory=lambda found: 1 / found["folds"] if found["folds"] else 0.1,
        gt=0,
        lt=1,
        description="fraction of each class of the training set that scores the trials; default: 0.1, or one fold",
    )
    labels: Literal["auto", "indices", "one-hot"] = Field(
        default="auto",
        description="labels for the loss and for fit: class indices or one-hot rows; auto: what the loss takes",
    )
    images: ImageRange = Field(
        default=UNIT_RANGE,
        description="images as models take them, float32: unit-range, 0 to 1; uint8-range, 0 to 255, for models that "
        "scale by themselves",
    )
    # A JSON or TOML list becomes the pair.
    resize: Annotated[tuple[_Side, _Side] | None, Field(strict=False)] = Field(
        default=None,
        description="height and width in pixels to which images are scaled; by default they keep their size",
    )
    range: Annotated[Literal["auto"] | Range, BeforeValidator(parse_range)] = Field(
        default="auto",
        description="stored pixel values of black and white, such as [0, 255]; auto finds them in the images",
    )
    background: Literal["auto", "white", "black"] = Field(
        default="auto",
        description="background of transparent images; auto takes the one on which their content can be seen",
    )
    invert: Annotated[Literal["auto"] | bool, BeforeValidator(_check_auto_or_bool)] = Field(
        default="auto",
        description="whether all images are inverted; auto inverts small grey images that are mostly dark on light",
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
    def pixels(self) -> PixelSettings:
        """The settings that say what the images' pixels mean."""
        return PixelSettings(range=self.range, background=self.background, invert=self.invert)


class PruningSettings(Section):
    """`[search.pruning]`: each pruner reads its own settings and ignores the others.

    With `data.folds` a trial is compared with others after each fold instead of each epoch.
    """

    min_resource: int = Field(
        default=1, ge=1, description="asha, hyperband: epochs, or folds, before the first decision"
    )
    reduction_factor: int = Field(default=3, ge=2, description="asha, hyperband: one in this many trials goes on")
    startup_trials: int = Field(
        default=5, ge=0, description="median, percentile, patient: number of complete trials before any trial is pruned"
    )
    warmup_epochs: int = Field(
        default=0,
        ge=0,
        description="median, percentile, patient: epochs, or folds, at the start of a trial without pruning",
    )
    percentile: float = Field(
        default=25.0,
        ge=0,
        le=100,
        description="percentile: how many of the complete trials a trial must be among, the best ones, in %",
    )
    patience: int = Field(default=3, ge=0, description="patient: epochs without a better score before pruning")


class SearchSection(Section):
    """`[search]`: the trials."""

    trials: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        description="the budget: number of trials to finish; of the sampler one-factor it follows from the factors",
    )
    epochs: int = Field(default=10, ge=1, le=100_000, description="epochs of each trial that is not pruned")
    sampler: str = Field(default="tpe", description="how hyperparameters are drawn")
    pruner: str = Field(
        # Of a pruned trial it is not known how good its value would have been.
        default_factory=lambda found: "none" if found["sampler"] == ONE_FACTOR else "asha",
        description="which trials are stopped early; default: asha, for the sampler one-factor none",
    )
    start_with_defaults: bool = Field(
        default=True,
        description="whether the first trial takes the space's defaults; the sampler grid begins with its own values",
    )
    baselines: tuple[Annotated[Mapping[str, Scalar], Field(min_length=1)], ...] = Field(
        default=(),
        strict=False,
        description="hyperparameters of the next trials, such as a recipe; those left out are drawn",
    )
    warm_start: str | None = Field(
        default=None, min_length=1, description="a study in the same database whose best trials are tried next"
    )
    warm_start_trials: int = Field(default=5, ge=1, description="how many of its trials are tried")
    startup_trials: int = Field(
        default=10, ge=0, description="trials drawn at random before the sampler begins to learn"
    )
    train_images: int | None = Field(
        default=None,
        ge=1,
        description="training images for the search, the same fraction of every class; finals use all; default: all",
    )
    batch_size: int = Field(
        default=64, ge=1, description="images per step, for spaces without a hyperparameter batch_size"
    )
    trial_timeout_s: float | None = Field(
        default=None,
        gt=0,
        description="seconds of training after which a trial ends with its finished epochs; default: no limit",
    )
    pruning: PruningSettings = Field(default_factory=PruningSettings, description="settings of the pruner")
    augmentation: Augmentation | None = Field(
        default=None, description="distorted images, as in finals, each number of which may be a range; default: none"
    )
    annealing: Annealing | None = Field(
        default=None,
        description="the falling learning rate, as in finals, each setting of which may be a range; default: none",
    )
    training: Training = Field(
        default_factory=Training, description="rules of training, each number of which may be a range"
    )
    weights_from: str | None = Field(
        default=None,
        min_length=1,
        description="bundle, or weights file of keras.applications, whose weights models start from where layers agree",
    )
    freeze_epochs: int = Field(
        default=0, ge=0, description="epochs at the start in which the layers taken from weights_from do not change"
    )
    grid: Mapping[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict, description="values to try by hyperparameter, for the sampler grid"
    )
    vary: Mapping[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="values to compare with the default by hyperparameter, for the sampler one-factor",
    )
    repeats: int = Field(
        default=3,
        ge=1,
        le=10_000,
        description="one-factor: how often each value is trained; each repeat has one seed for all values",
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_no_warmup_in_one_epoch(cls, settings: Any) -> Any:
        return _without_warmup_in_one_epoch(settings) if _has_table(settings, "annealing") else settings

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.annealing is not None:
            refuse_long_warmup("annealing.warmup_epochs", self.annealing, "search.epochs", self.epochs)
        refuse_freezing_nothing(self.weights_from, self.freeze_epochs)
        if self.sampler in {"grid", ONE_FACTOR} and (self.baselines or self.warm_start):
            raise contradiction(
                "baselines" if self.baselines else "warm_start",
                f"the sampler {self.sampler} tries only its own values; expected another search.sampler, or none of "
                "these",
            )
        if self.grid and self.sampler != "grid":
            raise contradiction(
                "grid",
                f'values are given, but the sampler is {self.sampler!r}; expected search.sampler = "grid", or no grid',
            )
        if self.vary and self.sampler != ONE_FACTOR:
            raise contradiction(
                "vary",
                f"values are given, but the sampler is {self.sampler!r}; expected search.sampler = {ONE_FACTOR!r}, or "
                "no vary",
            )
        if self.sampler == ONE_FACTOR and not self.vary:
            raise contradiction("vary", "missing; expected the values of at least one hyperparameter")
        return self


class FinalsSection(Section):
    """`[finals]`: confirm the best with new seeds, retrain them, and test each retrained model once."""

    top: int = Field(
        default=3,
        ge=0,
        description="number of configurations to retrain, at most those that the search has; 0: no finals; default: "
        "one for 5 trials, from 1 to 3",
    )
    candidates: int = Field(
        default_factory=lambda found: max(found["top"], 5),
        ge=1,
        description="number of best trials that are confirmed to choose the top; default: one of 3 trials, at most 5, "
        "or top if it is larger",
    )
    confirm_repeats: int = Field(
        default=2, ge=1, description="how often each candidate is trained, each time with a new seed"
    )
    confirm_epochs: int | None = Field(
        default=None, ge=1, description="epochs of a confirmation; default: those of the search"
    )
    repeats: int = Field(
        default=3, ge=1, description="number of models retrained and tested for each final; 3 or more show the spread"
    )
    epochs: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="epochs of a retrained model; default: twice those of a trial, at most 20, or those of a longer "
        "trial; 20 where a warm-up is set",
    )
    train_on: Literal["train", "train+validation"] = Field(
        default="train+validation",
        description="images that a retrained model learns from; your own fit always learns from train, and validates",
    )
    validation_curves: bool = Field(
        default=False,
        description="with train+validation, whether one more model of each final is trained without the validation "
        "images, for its curve alone: it is not tested and is in no mean and no ensemble",
    )
    augmentation: Augmentation = Field(default_factory=Augmentation, description="distorted images")
    annealing: Annealing = Field(default_factory=Annealing, description="the falling learning rate")
    training: Training = Field(
        default_factory=Training, description="rules of training; default, as of the two above: those of the search"
    )
    weights_from: str | None = Field(
        default=None, min_length=1, description="bundle whose weights models start from; default: that of the search"
    )
    freeze_epochs: int = Field(default=0, ge=0, description="as in search; default: those of the search")
    compare_augmentation: bool = Field(
        default=True,
        description="whether the best configuration is retrained without augmentation too, for the report; default: "
        "from 20 trials on",
    )

    @property
    def draws_validation_curves(self) -> bool:
        """Whether models are trained for their validation curves alone; without validation images all have one."""
        return self.validation_curves and self.train_on == "train+validation"

    @model_validator(mode="before")
    @classmethod
    def _leave_no_warmup_in_one_epoch(cls, settings: Any) -> Any:
        return _without_warmup_in_one_epoch(settings)

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


def refuse_long_warmup(key: str, annealing: Annealing, epochs_key: str, epochs: int) -> None:
    """Raise `contradiction` where the learning rate may rise for as long as the run takes, or longer."""
    longest = max(one.warmup_epochs for one in annealing.possible())
    if longest >= epochs:
        raise contradiction(key, f"received {longest}, expected fewer than {epochs_key} ({epochs})")


def refuse_freezing_nothing(weights_from: str | None, freeze_epochs: int) -> None:
    """Raise `contradiction` where layers are to be frozen and none are taken from another model."""
    if freeze_epochs and weights_from is None:
        raise contradiction("freeze_epochs", f"received {freeze_epochs} without weights_from, whose layers they freeze")


def _has_table(settings: Any, name: str) -> bool:
    return isinstance(settings, Mapping) and isinstance(settings.get(name), Mapping)


def _without_warmup_in_one_epoch(settings: Any) -> Any:
    """Return a table's settings with no warm-up by default where its runs have one epoch."""
    if isinstance(settings, Mapping) and settings.get("epochs") == 1:
        annealing = settings.get("annealing", {})
        if isinstance(annealing, Mapping):
            return {**settings, "annealing": {"warmup_epochs": 0, **annealing}}
    return settings


def inherit_regime(settings: Any) -> Any:
    """Return a definition's settings with what `[finals]` leaves open of how a model is trained taken from `[search]`.

    A learning-rate rule of the finals' own stands alone, because the settings of one rule are not those of another.
    Early stopping is not passed on to finals that leave no image to measure a score on.
    """
    if not _has_table(settings, "search"):
        return settings
    search, finals = settings["search"], settings.get("finals", {})
    if not isinstance(finals, Mapping):
        return settings
    inherited: dict[str, Any] = {}
    for name, table in REGIME.items():
        own = finals.get(name, {})
        if (
            _is_valid(table, search.get(name))
            and isinstance(own, Mapping)
            and not (name == "annealing" and "rule" in own)
        ):
            of_search = dict(search[name])
            if name == "training" and finals.get("train_on") != "train":
                of_search.pop("early_stopping", None)
            inherited[name] = {**of_search, **own}
    if "weights_from" not in finals:
        inherited |= {name: search[name] for name in ("weights_from", "freeze_epochs") if name in search} | (
            {"freeze_epochs": finals["freeze_epochs"]} if "freeze_epochs" in finals else {}
        )
    return {**settings, "finals": {**finals, **inherited}}


def _is_valid(table: type[SearchableSection], written: Any) -> bool:
    if not isinstance(written, Mapping):
        return False
    try:
        table.model_validate(written)
    except ValidationError:
        # The search's own table reports it.
        return False
    return True


class PublishedFigure(Section):
    """`[[published]]`: a number that others have published for this work; the report shows it beside the study's own.

    It determines nothing: a study is the same with and without it.
    """

    name: str = Field(min_length=1, description="what was published, such as accuracy on the test set")
    value: float = Field(ge=0, le=1, description="the accuracy as it was published, a fraction")
    corrected: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the accuracy that the publication's own data support, where it is another",
    )
    beside: Literal["test", "test without augmentation", "validation", "train"] = Field(
        default="test", description="which of the study's own accuracies stands beside it"
    )
    protocol: str = Field(min_length=1, description="how it was measured: images, epochs, what was chosen by them")
    source: str = Field(min_length=1, description="where it was published")
    note: str = Field(default="", description="what is wrong or unknown of it")
