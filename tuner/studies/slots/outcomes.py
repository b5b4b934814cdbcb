"""What a slot is asked for, its job, and what it stores when it ends, its outcome: one of each for every stage."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tuner.epochs import Epoch
from tuner.plain_values import Hyperparameters

Stage = Literal["search", "confirm", "retrain", "ensemble"]
SlotState = Literal["waiting", "leased", "ended", "done"]
#: How a slot ended; only a trial of the search is pruned.
Result = Literal["complete", "pruned", "failed"]
#: What a model needs, by the names of `tuner.objectives.COSTS`.
Costs = Mapping[str, float]
#: What the objectives beside the leading one are, by their names.
Scores = Mapping[str, float]
Curve = tuple[Epoch, ...]


class _WithValues(Protocol):
    @property
    def costs(self) -> Costs: ...
    @property
    def others(self) -> Scores: ...


@dataclass(frozen=True, kw_only=True)
class SearchJob:
    """One trial of the search."""

    #: What the trial takes instead of drawing it, by Optuna's names.
    values: Hyperparameters = field(default_factory=dict)
    #: In a study that was created where no model can be built: which of the first trials it is, from 0, until a worker
    #: finds its values. See `tuner.jobs.hyperparameters.trial_values`.
    beginning: int | None = None
    #: The call of `extend_study` that added the trial; None for those of the first budget.
    extension: str | None = None
    #: Of a study of one factor at a time: the one value that is not the default, by KerasTuner's name; empty for the
    #: defaults.
    varied: Hyperparameters = field(default_factory=dict)
    #: The same: from 0, with its seed, which is that of all values in this repeat. None in other studies.
    repeat: int | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class ConfirmJob:
    """One training of a candidate as the search did it, with a new seed."""

    trial: int
    hyperparameters: Hyperparameters
    #: From 0.
    repeat: int
    seed: int
    #: Of the trial, in a study of several objectives; so in a retraining.
    costs: Costs = field(default_factory=dict)
    others: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RetrainJob:
    """One retraining of one of the best configurations, tested once."""

    trial: int
    hyperparameters: Hyperparameters
    #: From 0.
    repeat: int
    seed: int
    #: Whether its images are augmented; False for the comparison.
    augmented: bool
    #: The configuration's score when the job was planned, whatever the objective: the name is that of the stored key.
    #: See `tuner.studies.ranking` for the one that counts.
    val_accuracy_mean: float
    #: Trained without the validation images, whatever `finals.train_on` says, for its curve alone: not tested.
    for_curve: bool = False
    costs: Costs = field(default_factory=dict)
    others: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EnsembleJob:
    """One vote of retrained models."""

    #: Ids of the retraining slots whose models vote.
    slots: tuple[int, ...]
    #: Retrained models that do not, being far worse by validation.
    left_out: int = 0


Job = SearchJob | ConfirmJob | RetrainJob | EnsembleJob


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a slot has no result."""

    #: `out_of_memory`, `nan_loss`, `builder_error`, `training_error`, `timeout`, `worker_died` …
    kind: str
    #: One line.
    message: str
    traceback: str = ""


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """The result of one fold: of a model trained on the other folds and scored on this one."""

    #: Best score, and its epoch.
    score: float
    best_epoch: int
    #: How many of the outcome's epochs are the fold's.
    n_epochs: int
    #: In the same epoch.
    others: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """The result of a trial of the search."""

    state: Result
    #: Best score, and its epoch; None when nothing was measured. With folds: the mean of their scores, and None.
    score: float | None = None
    best_epoch: int | None = None
    hyperparameters: Hyperparameters = field(default_factory=dict)
    #: Empty where curves were not asked for, see `tuner.studies.records.reading`; so in the other outcomes. With
    #: folds: their epochs one fold after another, each counted from 1, see `divide_curve`.
    curve: Curve = ()
    #: The finished folds in their order, in a study that has them; so in a confirmation.
    folds: tuple[FoldResult, ...] = ()
    #: What a person should know of how it was trained, in sentences; so in the other outcomes.
    notes: tuple[str, ...] = ()
    failure: Failure | None = None
    #: `timeout` when its time ended it before its last epoch, `constraint` when its model was beyond a limit.
    ended: Literal["timeout", "constraint"] | None = None
    #: Of its model; empty where none was built, and in what older versions stored.
    costs: Costs = field(default_factory=dict)
    #: In the epoch of best score; with folds, the mean over them. So in a confirmation.
    others: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ConfirmOutcome:
    """The result of a confirmation."""

    state: Literal["complete", "failed"]
    score: float | None = None
    best_epoch: int | None = None
    hyperparameters: Hyperparameters = field(default_factory=dict)
    curve: Curve = ()
    folds: tuple[FoldResult, ...] = ()
    notes: tuple[str, ...] = ()
    failure: Failure | None = None
    others: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RetrainOutcome:
    """The result of a retraining and its one test. Paths are in the artifact store."""

    state: Literal["complete", "failed"]
    test_accuracy: float | None = None
    #: What the objective is on the test images; None where it is the accuracy. The same of a vote.
    test_score: float | None = None
    #: The same of the objectives beside it.
    test_others: Scores = field(default_factory=dict)
    #: Of the epoch whose weights were kept, the last one but for early stopping; None when the validation images were
    #: trained on too.
    val_accuracy: float | None = None
    curve: Curve = ()
    bundle: str | None = None
    #: What the model answered on the test images.
    predictions: str | None = None
    #: The same on validation images that it was not trained on.
    validation_predictions: str | None = None
    #: Whether its images were augmented; None when 0.1.0 stored it, which did not look.
    augmented: bool | None = None
    #: What the report shows of images and layers, of the first repeat of a final.
    pictures: str | None = None
    #: Seconds for the prediction of one image, as the worker measured it; None in what older versions stored.
    prediction_s: float | None = None
    #: Of the retrained model, measured after its last epoch.
    costs: Costs = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class EnsembleOutcome:
    """The result of a vote; one that is worse than a member of it was not tested."""

    state: Literal["complete", "failed"]
    members: int | None = None
    test_accuracy: float | None = None
    test_score: float | None = None
    test_others: Scores = field(default_factory=dict)
    predictions: str | None = None
    #: The file of its members, for predictions; None where it is too large, and where an earlier version stored it.
    bundle: str | None = None
    notes: tuple[str, ...] = ()
    failure: Failure | None = None


Outcome = SearchOutcome | ConfirmOutcome | RetrainOutcome | EnsembleOutcome
OUTCOMES: Mapping[Stage, type[Outcome]] = {
    "search": SearchOutcome,
    "confirm": ConfirmOutcome,
    "retrain": RetrainOutcome,
    "ensemble": EnsembleOutcome,
}


def mean_over(folds: Iterable[FoldResult]) -> float:
    """Return the score that these folds give together; at least one is needed."""
    return statistics.fmean(fold.score for fold in folds)


def values_beside(source: _WithValues) -> dict[str, float]:
    """Return what stands beside the score, by name: costs, and what other objectives are."""
    return {**source.costs, **source.others}


def mean_by_name(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each value over those that have it: folds, repeats, or models."""
    names = dict.fromkeys(name for values in measured for name in values)
    return {name: statistics.fmean(values[name] for values in measured if name in values) for name in names}


def divide_curve(folds: Iterable[FoldResult], curve: Curve) -> list[Curve]:
    """Return each fold's epochs; empty where the outcome's curve was not read."""
    divided, begin = [], 0
    for fold in folds:
        divided.append(curve[begin : begin + fold.n_epochs])
        begin += fold.n_epochs
    return divided


def failed_outcome(stage: Stage, failure: Failure) -> Outcome:
    """Return the outcome of work that failed for good and left nothing."""
    return OUTCOMES[stage](state="failed", failure=failure)


def score_of(outcome: Outcome) -> float | None:
    """Return the score by which configurations are compared; None where the stage compares none."""
    return outcome.score if isinstance(outcome, SearchOutcome | ConfirmOutcome) else None


def list_files(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the paths of all files in the artifact store that these outcomes name."""
    for outcome in outcomes:
        if isinstance(outcome, RetrainOutcome):
            files = (outcome.bundle, outcome.predictions, outcome.validation_predictions, outcome.pictures)
            yield from filter(None, files)
        elif isinstance(outcome, EnsembleOutcome):
            yield from filter(None, (outcome.bundle, outcome.predictions))
