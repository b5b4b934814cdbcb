"""What a slot is asked for, its job, and what it stores when it ends, its outcome: one of each for every stage.

The database holds both as JSON whose keys are the names of these fields, except for the curve, which has a column of
its own. Only this module knows that JSON. A field that has its default is left out, and what an older version did not
write reads as the default; a key that this version does not know is ignored.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, Protocol, overload

from tuner.epochs import Epoch
from tuner.objectives import Objective
from tuner.studies.texts import make_storable, read_number

Stage = Literal["search", "confirm", "retrain", "ensemble"]
SlotState = Literal["waiting", "leased", "ended", "done"]
#: What came of a slot; only a trial of the search is pruned.
Result = Literal["complete", "pruned", "failed"]
Hyperparameters = Mapping[str, Any]
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
    #: finds its values. See `tuner.jobs.beginnings`.
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
    """What came of one fold: of a model trained on the other folds and scored on this one."""

    #: Best score, and its epoch.
    score: float
    best_epoch: int
    #: How many of the outcome's epochs are the fold's.
    n_epochs: int
    #: In the same epoch.
    others: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """What came of a trial of the search."""

    state: Result
    #: Best score, and its epoch; None when nothing was measured. With folds: the mean of their scores, and None.
    score: float | None = None
    best_epoch: int | None = None
    hyperparameters: Hyperparameters = field(default_factory=dict)
    #: Empty where curves were not asked for, see `tuner.studies.reading`; so in the other outcomes. With folds: their
    #: epochs one fold after another, each counted from 1, see `divide_curve`.
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
    """What came of a confirmation."""

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
    """What came of a retraining and its one test. Paths are in the artifact store."""

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
    """What came of a vote; one that is worse than a member of it was not tested."""

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

_JOBS: Mapping[Stage, type[Job]] = {
    "search": SearchJob,
    "confirm": ConfirmJob,
    "retrain": RetrainJob,
    "ensemble": EnsembleJob,
}
_OUTCOMES: Mapping[Stage, type[Outcome]] = {
    "search": SearchOutcome,
    "confirm": ConfirmOutcome,
    "retrain": RetrainOutcome,
    "ensemble": EnsembleOutcome,
}

#: Fields of outcomes that may be NaN or infinite.
_NUMBERS = {"score", "val_accuracy", "test_accuracy", "test_score"}
#: Fields whose values may be.
_MAPPINGS = {"others", "test_others"}


@overload
def read_job(stage: Literal["search"], stored: Mapping[str, Any]) -> SearchJob: ...
@overload
def read_job(stage: Literal["confirm"], stored: Mapping[str, Any]) -> ConfirmJob: ...
@overload
def read_job(stage: Literal["retrain"], stored: Mapping[str, Any]) -> RetrainJob: ...
@overload
def read_job(stage: Literal["ensemble"], stored: Mapping[str, Any]) -> EnsembleJob: ...
@overload
def read_job(stage: Stage, stored: Mapping[str, Any]) -> Job: ...
def read_job(stage: Stage, stored: Mapping[str, Any]) -> Job:
    """Return the job that a slot of this stage stores."""
    kind = _JOBS[stage]
    values = _known(kind, stored)
    if kind is EnsembleJob:
        values["slots"] = tuple(values["slots"])
    return kind(**values)


@overload
def read_outcome(stage: Literal["search"], stored: Mapping[str, Any], curve: Curve = ()) -> SearchOutcome: ...
@overload
def read_outcome(stage: Literal["confirm"], stored: Mapping[str, Any], curve: Curve = ()) -> ConfirmOutcome: ...
@overload
def read_outcome(stage: Literal["retrain"], stored: Mapping[str, Any], curve: Curve = ()) -> RetrainOutcome: ...
@overload
def read_outcome(stage: Literal["ensemble"], stored: Mapping[str, Any], curve: Curve = ()) -> EnsembleOutcome: ...
@overload
def read_outcome(stage: Stage, stored: Mapping[str, Any], curve: Curve = ()) -> Outcome: ...
def read_outcome(stage: Stage, stored: Mapping[str, Any], curve: Curve = ()) -> Outcome:
    """Return the outcome that a slot of this stage stores, with its curve unless that was not read."""
    kind = _OUTCOMES[stage]
    values = _known(kind, stored)
    failure = stored.get("failure")
    values["failure"] = Failure(**_known(Failure, failure)) if failure else None
    values["notes"] = tuple(stored.get("notes") or ())
    if "folds" in values:
        values["folds"] = tuple(map(_read_fold, values["folds"]))
    values.setdefault("state", "failed" if failure else "complete")
    values |= {name: read_number(values[name]) for name in _NUMBERS & values.keys()}
    values |= {name: _read_numbers(values[name]) for name in _MAPPINGS & values.keys()}
    if curve:
        values["curve"] = curve
    return kind(**values)


def _read_fold(stored: Mapping[str, Any]) -> FoldResult:
    return FoldResult(**{**_known(FoldResult, stored), "others": _read_numbers(stored.get("others") or {})})


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


def read_curve(stored: Sequence[Mapping[str, Any]] | None) -> Curve:
    """Return the epochs of a stored curve; none of a slot that has not ended or trains nothing."""
    return tuple(_read_epoch(epoch) for epoch in stored or ())


def _read_epoch(stored: Mapping[str, Any]) -> Epoch:
    if str in map(type, stored.values()):
        stored = {name: read_number(value) if isinstance(value, str) else value for name, value in stored.items()}
    if stored.get("others"):
        stored = {**stored, "others": _read_numbers(stored["others"])}
    return Epoch(**stored)


def _read_numbers(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: read_number(value) for name, value in stored.items()}


def read_scores(stored: Sequence[Mapping[str, Any]] | None, objective: Objective) -> Curve:
    """Return the epochs of a stored curve with their scores alone, which take a third of the memory."""
    return tuple(objective.only_score(one["epoch"], read_number(one.get(objective.field))) for one in stored or ())


def failed_outcome(stage: Stage, failure: Failure) -> Outcome:
    """Return the outcome of work that failed for good and left nothing."""
    return _OUTCOMES[stage](state="failed", failure=failure)


def to_json(value: Job | Outcome) -> dict[str, Any]:
    """Return what the database holds of a job, or of an outcome beside its curve.

    Characters and numbers that a database cannot keep are written as others, see `texts`.
    """
    stored = {}
    for name, default in _DEFAULTS[type(value)].items():
        found = getattr(value, name)
        if found != default and name != "curve":
            stored[name] = _to_plain(found)
    storable: dict[str, Any] = make_storable(stored)
    return storable


def _to_plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, tuple):
        return [_to_plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def curve_to_json(outcome: Outcome) -> list[dict[str, Any]] | None:
    """Return what the database holds of an outcome's curve; None for an ensemble, which trains nothing."""
    return None if isinstance(outcome, EnsembleOutcome) else [make_storable(asdict(epoch)) for epoch in outcome.curve]


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


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One slot of a study: what it is asked for, who has it, and what came of it."""

    id: int
    study_id: int
    stage: Stage
    #: In its stage, from 0.
    position: int
    state: SlotState
    job: Job
    #: The worker that holds it or held it last.
    owner: str | None
    token: int
    #: Seconds since 1970 by the database's clock, as the other times.
    expires_at: float | None
    attempts: int
    #: Every worker that claimed it, in order.
    workers: tuple[str, ...]
    #: Of Optuna's.
    trial_id: int | None
    trial_number: int | None
    #: The last epoch whose result was reported.
    epoch: int
    #: None until it has ended.
    outcome: Outcome | None
    started_at: float | None
    finished_at: float | None


@dataclass(frozen=True, kw_only=True)
class SearchSlot(Slot):
    """A slot of the search."""

    job: SearchJob
    outcome: SearchOutcome | None


@dataclass(frozen=True, kw_only=True)
class ConfirmSlot(Slot):
    """A slot of the confirmations."""

    job: ConfirmJob
    outcome: ConfirmOutcome | None


@dataclass(frozen=True, kw_only=True)
class RetrainSlot(Slot):
    """A slot of the retrainings."""

    job: RetrainJob
    outcome: RetrainOutcome | None


@dataclass(frozen=True, kw_only=True)
class EnsembleSlot(Slot):
    """A slot of the ensemble."""

    job: EnsembleJob
    outcome: EnsembleOutcome | None


_SLOTS: Mapping[Stage, type[Slot]] = {
    "search": SearchSlot,
    "confirm": ConfirmSlot,
    "retrain": RetrainSlot,
    "ensemble": EnsembleSlot,
}


def read_slot(row: Any, curve: Curve = ()) -> Slot:
    """Return the slot of a row of `tuner_slots`, with its curve unless that was not read."""
    stage: Stage = row.stage
    return _SLOTS[stage](
        id=row.id,
        study_id=row.study_id,
        stage=stage,
        position=row.position,
        state=row.state,
        job=read_job(stage, row.job),
        owner=row.owner,
        token=row.token,
        expires_at=row.expires_at,
        attempts=row.attempts,
        workers=tuple(row.workers),
        trial_id=row.trial_id,
        trial_number=row.trial_number,
        epoch=row.epoch,
        outcome=None if row.outcome is None else read_outcome(stage, row.outcome, curve),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _known(kind: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored of the fields that this version knows."""
    return {name: stored[name] for name in _DEFAULTS[kind] if name in stored}


def _defaults_of(kind: type) -> dict[str, Any]:
    """Return the default of each field; `MISSING` where there is none."""
    return {one.name: one.default if one.default_factory is MISSING else one.default_factory() for one in fields(kind)}


_DEFAULTS: Mapping[type, Mapping[str, Any]] = {
    kind: _defaults_of(kind) for kind in (*_JOBS.values(), *_OUTCOMES.values(), Failure, FoldResult)
}
