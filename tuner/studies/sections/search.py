"""`[search]`: the trials: how many, how they are drawn, and how they are trained."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tuner.objectives import COSTS, DEFAULT_OBJECTIVE, DEFAULT_TOP_K, OBJECTIVES, Direction
from tuner.setting_tables import Section, contradiction, shown
from tuner.space_ranges import Scalar
from tuner.studies.sections.constraints import Constraint
from tuner.studies.sections.durations import Duration
from tuner.studies.sections.objectives import leading_of_several, refuse_wrong_objectives
from tuner.studies.sections.pruning import WITH_RUNGS, PruningSettings
from tuner.studies.sections.regime import (
    has_table,
    refuse_freezing_nothing,
    refuse_long_warmup,
    without_warmup_in_one_epoch,
)
from tuner.training_settings import Annealing, Augmentation, Training

#: How many models one program trains, see `SearchSection.at_once`.
AtOnce = int | Literal["auto"]

#: The sampler that changes one hyperparameter at a time.
ONE_FACTOR = "one-factor"


def _check_at_once(value: Any) -> Any:
    if value != "auto" and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError('expected "auto" or a whole number of at least 1')
    return value


def _check_constraint(text: str) -> str:
    Constraint.read(text)
    return text


class SearchSection(Section):
    """`[search]`: the trials."""

    trials: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        description="the budget: number of trials that the search finishes; with the sampler one-factor it follows "
        "from search.vary and search.repeats",
        json_schema_extra=shown(unit="trials"),
    )
    epochs: int = Field(
        default=10,
        ge=1,
        le=100_000,
        description="epochs of each trial that is not pruned",
        json_schema_extra=shown(unit="epochs"),
    )
    objective: str = Field(
        default=DEFAULT_OBJECTIVE,
        min_length=1,
        description="what is optimised on the validation images",
        json_schema_extra=shown(
            allowed=f"{', '.join(OBJECTIVES)}, a metric that the model is compiled with, or package.module:function of "
            "labels and probabilities"
        ),
    )
    objectives: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        strict=False,
        description="several objectives at once: what search.objective may be, of which the first leads, and what a "
        "model costs; the search looks for the Pareto front",
        json_schema_extra=shown(
            default="none: search.objective alone",
            allowed=f'list such as ["accuracy", "macro_f1", "parameters"]; costs are {", ".join(COSTS)}',
        ),
    )
    constraints: tuple[Annotated[str, AfterValidator(_check_constraint)], ...] = Field(
        default=(),
        strict=False,
        description="limits of what a model costs; a trial whose model is beyond one ends before its first epoch",
        json_schema_extra=shown(
            default="none", allowed='list such as ["parameters <= 100000", "latency_ms <= 5"], with <= or >='
        ),
    )
    direction: Direction | None = Field(
        default=None,
        description="which end of the objective is better, for a metric of the model and a function of your own",
        json_schema_extra=shown(default="maximize for these"),
    )
    directions: tuple[Direction, ...] = Field(
        default=(),
        strict=False,
        description="the same of each of search.objectives, in their order",
        json_schema_extra=shown(
            default="none: costs are minimized, metrics of the model and functions of your own maximized",
            allowed='list such as ["maximize", "minimize"]',
        ),
    )
    top_k: int = Field(
        default=DEFAULT_TOP_K,
        ge=1,
        description="top_k_accuracy: number of first answers of which one may be right",
        json_schema_extra=shown(unit="classes"),
    )
    sampler: str = Field(default="tpe", description="how hyperparameters are drawn")
    pruner: str = Field(
        # Of a pruned trial it is not known how good its value would have been.
        default_factory=lambda found: "none" if found["sampler"] == ONE_FACTOR or found["objectives"] else "asha",
        description="which trials are stopped early",
        json_schema_extra=shown(default='"asha"; with the sampler one-factor and with search.objectives "none"'),
    )
    start_with_defaults: bool = Field(
        default=True,
        description="whether the first trial takes the space's defaults; the sampler grid begins with its own values",
    )
    baselines: tuple[Annotated[Mapping[str, Scalar], Field(min_length=1)], ...] = Field(
        default=(),
        strict=False,
        description="hyperparameters of the trials after the defaults, such as values that you know; those left out "
        "are drawn",
        json_schema_extra=shown(allowed="list of tables of hyperparameters, such as [{dropout = 0.2}]"),
    )
    warm_start: str | None = Field(
        default=None,
        min_length=1,
        description="study in the same database whose best trials are tried after the baselines",
        json_schema_extra=shown(default="none", allowed="name of a study"),
    )
    warm_start_trials: int = Field(
        default=5,
        ge=1,
        description="number of trials taken from the study that warm_start names",
        json_schema_extra=shown(unit="trials"),
    )
    startup_trials: int = Field(
        default=10,
        ge=0,
        description="number of trials drawn at random before the sampler uses results",
        json_schema_extra=shown(unit="trials"),
    )
    train_images: int | None = Field(
        default=None,
        ge=1,
        description="number of training images for the search, the same fraction of every class; finals use all",
        json_schema_extra=shown(unit="images", default="none: all"),
    )
    batch_size: int = Field(
        default=64,
        ge=1,
        description="images per step, for spaces without a hyperparameter batch_size",
        json_schema_extra=shown(unit="images"),
    )
    at_once: Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=1024)], BeforeValidator(_check_at_once)] = Field(
        default="auto",
        description="number of models of equal structure that one program trains on JAX, such as the folds of a trial; "
        "auto: on a GPU as many as are measured to train most epochs a second, on a CPU 1",
        json_schema_extra=shown(unit="models", allowed='"auto", or 1 to 1024'),
    )
    cohort: Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=64)], BeforeValidator(_check_at_once)] = Field(
        default=1,
        description="number of trials that one program trains on JAX: they have all in common but seed and learning "
        "rate; auto: at most 8, as many as are measured to train most epochs a second; 1: each draws everything",
        json_schema_extra=shown(unit="trials", allowed='"auto", or 1 to 64'),
    )
    timeout: Duration | None = Field(
        default=None,
        description="time after which the search ends, counted from its first trial on, without the time in which the "
        "study is stopped",
        json_schema_extra=shown(unit="seconds", default="none: no limit", allowed='> 0, or text such as "2h 30m"'),
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="number of trials that finish without a better score, or a new point on the Pareto front, before "
        "the search ends",
        json_schema_extra=shown(unit="trials", default="none: no limit"),
    )
    trial_timeout: Duration | None = Field(
        default=None,
        description="training time after which a trial is pruned with the epochs that it has finished",
        json_schema_extra=shown(unit="seconds", default="none: no limit", allowed='> 0, or text such as "10m"'),
    )
    pruning: PruningSettings = Field(
        default_factory=PruningSettings,
        description="when trials are stopped early; each pruner reads its own settings and ignores the others",
    )
    augmentation: Augmentation | None = Field(
        default=None,
        description="augmentation of the training images in the search, off unless this table is present",
    )
    annealing: Annealing | None = Field(
        default=None,
        description="how the learning rate falls in the search, constant unless this table is present",
    )
    training: Training = Field(default_factory=Training, description="rules of training in the search")
    weights_from: str | None = Field(
        default=None,
        min_length=1,
        description="bundle, or weights file of keras.applications, from which models take their first weights, layer "
        "by layer where name and shapes agree",
        json_schema_extra=shown(default="none: new weights", allowed="path or URL"),
    )
    freeze_epochs: int = Field(
        default=0,
        ge=0,
        description="epochs at the start in which the layers taken from weights_from do not change",
        json_schema_extra=shown(unit="epochs"),
    )
    grid: Mapping[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="sampler grid: values of one hyperparameter to try; each combination is one trial",
        json_schema_extra=shown(default="none", allowed="list of numbers, texts or booleans"),
    )
    vary: Mapping[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="sampler one-factor: values of one hyperparameter to compare with its default",
        json_schema_extra=shown(default="none", allowed="list of numbers, texts or booleans"),
    )
    repeats: int = Field(
        default=3,
        ge=1,
        le=10_000,
        description="sampler one-factor: number of seeds with which each value is trained",
        json_schema_extra=shown(unit="seeds"),
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_no_warmup_in_one_epoch(cls, settings: Any) -> Any:
        return without_warmup_in_one_epoch(settings) if has_table(settings, "annealing") else settings

    @model_validator(mode="before")
    @classmethod
    def _read_former_name(cls, settings: Any) -> Any:
        """Take `trial_timeout_s`, as this setting was called up to 0.1.0 and in what it stored."""
        if not isinstance(settings, Mapping) or "trial_timeout_s" not in settings:
            return settings
        others = {key: value for key, value in settings.items() if key != "trial_timeout_s"}
        if others.get("trial_timeout") is not None:
            raise contradiction("trial_timeout_s", "the same as search.trial_timeout; expected only one of the two")
        return {**others, "trial_timeout": settings["trial_timeout_s"]}

    @model_validator(mode="before")
    @classmethod
    def _take_the_leading_of_several(cls, settings: Any) -> Any:
        """Take as `objective`, which everything but the front compares trials by, the first score of `objectives`."""
        leading = leading_of_several(settings.get("objectives")) if isinstance(settings, Mapping) else None
        return settings if leading is None else {"objective": leading, **settings}

    @model_validator(mode="after")
    def _name_objectives(self) -> Self:
        refuse_wrong_objectives(self)
        return self

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.sampler == ONE_FACTOR and (self.timeout or self.patience):
            raise contradiction(
                "timeout" if self.timeout else "patience",
                f"the sampler {ONE_FACTOR} compares values by all of its trials; expected no limit but their number",
            )
        if self.pruning.resource == "images" and self.pruner not in WITH_RUNGS:
            raise contradiction(
                "pruning.resource",
                f"received 'images' with the pruner {self.pruner!r}; expected {' or '.join(WITH_RUNGS)}, whose "
                "decisions divide a trial",
            )
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
        if self.cohort != 1 and self.sampler in {"grid", ONE_FACTOR}:
            raise contradiction(
                "cohort", f"the sampler {self.sampler} tries only its own values; expected 1, or another search.sampler"
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
