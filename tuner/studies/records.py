"""What a study has done so far, as plain values: the border between the database and the code that shows it.

Accuracies are in [0, 1], epochs count from 1, times are UTC.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tuner.epochs import Epoch
from tuner.objectives import Measure, Objective
from tuner.studies.fronts import Point, find_front, find_knee, point_of
from tuner.studies.outcomes import (
    Costs,
    EnsembleJob,
    Failure,
    Job,
    RetrainJob,
    Scores,
    SearchJob,
    Stage,
    values_beside,
)
from tuner.summaries import summary_html
from tuner.training_settings import Augmentation

TrialState = Literal["waiting", "running", "complete", "pruned", "failed"]
StudyState = Literal["searching", "finals", "done", "stopped"]
JobState = Literal["waiting", "running", "complete", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchedRange:
    """What the search drew a hyperparameter from; in a space with conditions there may be several of one name."""

    name: str
    #: The possible values of a choice; None for a range.
    choices: tuple[Any, ...] | None = None
    #: Ends of a range, both included, its step where it has one, and whether it is drawn by its logarithm.
    low: float | None = None
    high: float | None = None
    step: float | None = None
    is_logarithmic: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it holds more than one value, so that something was searched."""
        return self.low != self.high if self.choices is None else len(self.choices) > 1


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldRecord:
    """One finished fold of a trial: a model that was trained on the other folds and scored on this one."""

    #: From 1.
    number: int
    #: Best of its epochs, and which one; the epoch is known when the trial has ended.
    score: float
    best_epoch: int | None
    curve: tuple[Epoch, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TrialRecord:
    """One trial of the search."""

    number: int
    state: TrialState
    #: Best so far, see the study's objective, and its epoch. With folds: the mean over them so far, and None.
    score: float | None
    best_epoch: int | None
    hyperparameters: Mapping[str, Any]
    seed: int | None
    #: How often a worker began or went on with it.
    attempts: int
    workers: tuple[str, ...]
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    #: With folds: the mean over them by epoch, once the trial has ended.
    curve: tuple[Epoch, ...]
    failure: Failure | None = None
    #: What a person should know of how it was trained, in sentences.
    notes: tuple[str, ...] = ()
    #: The finished folds; empty in a study without folds.
    folds: tuple[FoldRecord, ...] = ()

    #: Of a study of one factor at a time, see `tuner.studies.factors`: the one value that is not the default, empty for
    #: the defaults; and the repeat from 0, in which all values have one seed. None in other studies.
    varied: Mapping[str, Any] | None = None
    repeat: int | None = None
    #: Why it ended before its last epoch, if neither the pruner nor a failure ended it, see `SearchOutcome`.
    ended: Literal["timeout", "constraint"] | None = None
    #: What its model needs, by the names of `tuner.objectives.COSTS`; empty where none was built, and in old studies.
    costs: Costs = field(default_factory=dict)
    #: What the study's other objectives are in the best epoch, or their means over folds, once the trial has ended.
    others: Scores = field(default_factory=dict)
    #: Place among the trials that were asked for, from 0: the first ones take values that were chosen before the
    #: search, such as the space's defaults. Numbers follow the order in which workers began.
    position: int | None = None

    @property
    def score_sd(self) -> float | None:
        """Sample standard deviation of the score over folds; None for fewer than two."""
        scores = [fold.score for fold in self.folds]
        return statistics.stdev(scores) if len(scores) > 1 else None

    @property
    def n_epochs(self) -> int:
        """Number of epochs in its curve, or in those of its folds together."""
        return sum(len(fold.curve) for fold in self.folds) if self.folds else len(self.curve)

    @property
    def fold_means(self) -> tuple[float, ...]:
        """The mean over the first fold, over the first two, and so on: what trials with folds are compared by."""
        scores = [fold.score for fold in self.folds]
        return tuple(statistics.fmean(scores[:n]) for n in range(1, len(scores) + 1))

    def __repr__(self) -> str:
        """Return number, state and score; the curve alone may be thousands of characters."""
        return f"<Trial {self.number}, {self.state}{_told_score(self.score)}>"

    def _repr_html_(self) -> str:
        rows = {
            "state": self.state,
            "score": None if self.score is None else f"{self.score:.4f}",
            "best epoch": self.best_epoch,
            "epochs": self.n_epochs or None,
            "duration": None if self.duration_s is None else f"{self.duration_s:.1f} s",
            **self.hyperparameters,
            "failure": None if self.failure is None else f"{self.failure.kind}: {self.failure.message}",
        }
        return summary_html(f"Trial {self.number}", rows)


def _told_score(score: float | None) -> str:
    return "" if score is None else f", score {score:.4f}"


@dataclass(frozen=True, kw_only=True)
class ConfirmationRecord:
    """One training of a candidate with a new seed, by which the finals are chosen: one repeat."""

    trial: int
    #: From 1.
    repeat: int
    seed: int
    state: JobState
    #: Best of its epochs; None until it is complete, and when it failed.
    score: float | None
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    #: Epochs that it has trained, those of all folds together.
    n_epochs: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RetrainRecord:
    """One retrained and once tested model of a final: one repeat."""

    seed: int
    state: JobState
    test_accuracy: float | None
    #: What the study's objective is on the test images; None where it is the accuracy.
    test_score: float | None = None
    #: Last epoch's validation accuracy; None when the validation set was trained on too.
    val_accuracy: float | None
    curve: tuple[Epoch, ...]
    #: Paths in the artifact store: the bundle, and an `.npz` with `labels` int64 (n,), `probabilities` float32
    #: (n, classes) in the test set's order, `error_indices` int64 (k,), `error_images` uint8 (k, height, width,
    #: channels): the misclassified images of highest predicted probability first.
    bundle: str | None
    predictions: str | None
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    #: False where augmentation was asked for and the space's own `fit` took none.
    took_augmentation: bool = True
    #: Path in the artifact store of the pictures that `tuner.bundles.study_pictures` reads.
    pictures: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: Seconds for the prediction of one image by the worker; None where it was not measured, as in older studies.
    prediction_s: float | None = None
    #: Of the retrained model, as those of a trial.
    costs: Costs = field(default_factory=dict)
    #: What the study's other objectives are on the test images.
    test_others: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, repr=False)
class FinalRecord:
    """One of the best configurations, confirmed with new seeds, retrained and tested."""

    #: 1 is the best by mean score over confirmation repeats, see `tuner.studies.ranking`.
    rank: int
    trial: int
    hyperparameters: Mapping[str, Any]
    #: Mean over confirmation repeats: what finals are ranked by.
    mean_score: float
    #: False for the comparison runs that train the best configuration without augmentation, and where the study's
    #: finals change no image.
    augmented: bool
    runs: tuple[RetrainRecord, ...]
    test_accuracy_mean: float | None
    #: Sample standard deviation over repeats; None for fewer than two.
    test_accuracy_sd: float | None
    #: The bundle of the first repeat.
    bundle: str | None
    #: What the study's objective is on the test images, as the accuracy; None where it is the accuracy.
    test_score_mean: float | None = None
    test_score_sd: float | None = None
    #: One more training that kept the validation images out, for its curve: in no mean, not tested. None unless asked
    #: for.
    curve_run: RetrainRecord | None = None
    #: What its models need, the mean over repeats; in a study of several objectives, before one is trained, what the
    #: trial's model needed.
    costs: Costs = field(default_factory=dict)
    #: What the study's other objectives are: means over confirmation repeats, and on the test images over repeats.
    others: Scores = field(default_factory=dict)
    test_others: Scores = field(default_factory=dict)

    @property
    def all_runs(self) -> tuple[RetrainRecord, ...]:
        """The repeats, and the training for the curve."""
        return self.runs if self.curve_run is None else (*self.runs, self.curve_run)

    def __repr__(self) -> str:
        """Return rank, trial and test accuracy."""
        tested = "" if self.test_accuracy_mean is None else f", test accuracy {self.test_accuracy_mean:.4f}"
        return f"<Final {self.rank}, trial {self.trial}{tested}, {len(self.runs)} model{'s' * (len(self.runs) != 1)}>"

    def _repr_html_(self) -> str:
        rows = {
            "trial": self.trial,
            "score, mean of confirmations": f"{self.mean_score:.4f}",
            "test accuracy, mean": None if self.test_accuracy_mean is None else f"{self.test_accuracy_mean:.4f}",
            "standard deviation": None if self.test_accuracy_sd is None else f"{self.test_accuracy_sd:.4f}",
            "objective on the test images, mean": None
            if self.test_score_mean is None
            else f"{self.test_score_mean:.4f}",
            "models": len(self.runs),
            **self.hyperparameters,
        }
        return summary_html(f"Final {self.rank}", rows)


def find_winner(finals: Iterable[FinalRecord]) -> FinalRecord | None:
    """Return the final that `StudyRecord.winner` describes."""
    for final in sorted(finals, key=lambda final: final.rank):
        if final.test_accuracy_mean is not None:
            return final
        if any(run.state != "failed" for run in final.runs):
            return None
    return None


@dataclass(frozen=True, kw_only=True)
class EnsembleRecord:
    """Augmented finals voting softly: the mean of their probabilities."""

    members: int
    test_accuracy: float
    test_score: float | None = None
    test_others: Scores = field(default_factory=dict)
    #: As `RetrainRecord.predictions`, of the ensemble.
    predictions: str
    #: Path of its file in the artifact store; None where there is none, see `EnsembleOutcome`.
    bundle: str | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One piece of a study's work: a trial, a confirmation, a retraining or the ensemble."""

    stage: Stage
    #: None for the ensemble.
    trial: int | None = None
    #: From 1; None for a trial of the search, for the ensemble, and for a training for the curve alone.
    repeat: int | None = None
    #: Of a retraining.
    augmented: bool | None = None
    #: Whether it is a training without the validation images, for its curve alone.
    for_curve: bool = False

    def __str__(self) -> str:
        """Return its name as people read it."""
        if self.stage == "ensemble":
            return "the ensemble"
        if self.stage == "search":
            return f"trial {self.trial}"
        what = "confirmation" if self.stage == "confirm" else "retraining"
        how = {True: " with augmentation", False: " without augmentation", None: ""}[self.augmented]
        which = "for its validation curve" if self.for_curve else f"repeat {self.repeat}"
        return f"{what} of trial {self.trial}{how}, {which}"


def augments(definition: Mapping[str, Any]) -> bool:
    """Return whether a study's finals change images at all, by its stored definition."""
    changes = definition.get("finals", {}).get("augmentation")
    # Validated when the study was created.
    return changes is not None and not Augmentation.model_construct(**changes).is_off


def part_of(stage: Stage, job: Job, trial_number: int | None, definition: Mapping[str, Any]) -> Part:
    """Return which piece of work a slot is.

    Args:
        stage: The slot's.
        job: The slot's.
        trial_number: Of a slot of the search; None before it was begun.
        definition: The stored definition of its study.
    """
    if isinstance(job, SearchJob | EnsembleJob):
        return Part(stage=stage, trial=trial_number)
    augmented = job.augmented and augments(definition) if isinstance(job, RetrainJob) else None
    if isinstance(job, RetrainJob) and job.for_curve:
        return Part(stage=stage, trial=job.trial, augmented=augmented, for_curve=True)
    return Part(stage=stage, trial=job.trial, repeat=job.repeat + 1, augmented=augmented)


@dataclass(frozen=True, kw_only=True, repr=False)
class StudyRecord:
    """A study with its trials and finals."""

    name: str
    space: str
    dataset: str
    seed: int
    state: StudyState
    #: Trials that the search will have finished at its end.
    budget: int
    #: What its scores are.
    objective: Objective
    #: The validated definition as JSON values: sections `data`, `search`, `fixed`, `finals`.
    definition: Mapping[str, Any]
    class_names: tuple[str, ...]
    #: Code version, package versions, data hash: `{"tuner": …, "keras": …, "data_sha256": …}`.
    provenance: Mapping[str, str]
    created_at: datetime
    trials: tuple[TrialRecord, ...]
    finals: tuple[FinalRecord, ...]
    #: The best configuration retrained without augmentation, for the comparison; None when it was not asked for.
    without_augmentation: FinalRecord | None
    ensemble: EnsembleRecord | None
    #: What the dataset's pixels mean, as JSON values with the `warnings` and `test_warnings` of their creation; None in
    #: old studies.
    pixels: Mapping[str, Any] | None = None
    #: Why the study stopped by itself, if it did.
    stop_reason: str | None = None
    #: The limit that ended the search, `timeout` or `patience`, and the finals, `timeout`; None for their budget.
    search_ended: str | None = None
    finals_ended: str | None = None
    confirmations: tuple[ConfirmationRecord, ...] = ()
    #: Why there is no ensemble, if it failed.
    ensemble_failure: Failure | None = None
    #: What a person should know of the ensemble, or of why there is none, in sentences.
    ensemble_notes: tuple[str, ...] = ()
    #: What the search drew from, in the order in which the space asks for it; empty where it was not read.
    ranges: tuple[SearchedRange, ...] = ()
    #: `host:pid` of the workers that the database still knows, by their ids.
    worker_names: Mapping[str, str] = field(default_factory=dict)
    #: The objectives and costs beside the objective, which leads; empty in a study of one.
    others: tuple[Measure, ...] = ()

    def __repr__(self) -> str:
        """Return name, state and number of trials."""
        return f"<StudyRecord {self.name!r}, {self.state}, {len(self.trials)} trials>"

    def trials_in(self, *states: TrialState) -> tuple[TrialRecord, ...]:
        """Return the trials in any of these states, by number."""
        return tuple(trial for trial in self.trials if trial.state in states)

    @property
    def best(self) -> TrialRecord | None:
        """The complete or pruned trial of best score; of equals the one that is better in the others, then the earlier.

        Means over different numbers of folds do not compare, as some folds are easier: more folds come first.
        """
        scored = [trial for trial in self.trials_in("complete", "pruned") if trial.score is not None]
        return max(
            scored,
            key=lambda trial: (len(trial.folds), *self._utilities(trial), -trial.number),
            default=None,
        )

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The objective, and the others beside it."""
        return (self.objective, *self.others)

    def values_of(self, trial: TrialRecord) -> tuple[float | None, ...]:
        """Return a trial's value of each of the measures; None where there is none."""
        beside = values_beside(trial)
        return (trial.score, *(beside.get(other.name) for other in self.others))

    def _utilities(self, trial: TrialRecord) -> Point:
        return tuple(
            measure.utility(value) for measure, value in zip(self.measures, self.values_of(trial), strict=True)
        )

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The trials that no other one dominates, see `tuner.studies.ranking`, the best score first.

        Empty in a study of one objective.
        """
        ended = [trial for trial in self.trials_in("complete", "pruned") if trial.score is not None]
        most = max((len(trial.folds) for trial in ended), default=0)
        points = {
            trial.number: (trial, point)
            for trial in ended
            if self.others
            and len(trial.folds) == most
            and (point := point_of(self.measures, self.values_of(trial))) is not None
        }
        known = list(points.values())
        front = [known[place][0] for place in find_front([point for _, point in known])]
        return tuple(sorted(front, key=lambda trial: (*(-each for each in self._utilities(trial)), trial.number)))

    @property
    def knee(self) -> TrialRecord | None:
        """The trial of the front that is the best compromise, see `find_knee`; None of a front of two ends."""
        front = self.front
        place = find_knee(self.measures, [self._utilities(trial) for trial in front])
        return None if place is None else front[place]

    @property
    def data_warnings(self) -> tuple[str, ...]:
        """The warnings about the training part and the test part from when the study was created."""
        pixels = self.pixels or {}
        return (*pixels.get("warnings", ()), *pixels.get("test_warnings", ()))

    @property
    def asks_for_finals(self) -> bool:
        """Whether the definition asks for finals; one that says nothing of them does."""
        return bool(self.definition.get("finals", {}).get("top", 1))

    @property
    def default_trial(self) -> TrialRecord | None:
        """The trial with the space's defaults; None where the search did not begin with them."""
        search = self.definition.get("search", {})
        if not search.get("start_with_defaults", True) or search.get("sampler") == "grid":
            return None
        return next((trial for trial in self.trials if trial.position == 0), None)

    @property
    def retrained(self) -> tuple[RetrainRecord, ...]:
        """All retrainings: of the finals, for curves alone, and without augmentation for the comparison."""
        plain = () if self.without_augmentation is None else (self.without_augmentation,)
        return tuple(run for final in (*self.finals, *plain) for run in final.all_runs)

    @property
    def winner(self) -> FinalRecord | None:
        """The final of the best rank that was tested; None while one of a better rank may yet be.

        Ranks come from confirmations alone, so that the test set chooses nothing.
        """
        return find_winner(self.finals)

    @property
    def failures(self) -> tuple[tuple[Part, Failure], ...]:
        """What failed, with its reason: trials by number, then confirmations, retrainings and the ensemble."""
        found = [(part, failure) for part, failure, _ in self._parts() if failure]
        return (*found, (Part(stage="ensemble"), self.ensemble_failure)) if self.ensemble_failure else tuple(found)

    @property
    def notes(self) -> tuple[tuple[Part, str], ...]:
        """What a person should know of single trainings, in the order of `failures`."""
        found = [(part, note) for part, _, notes in self._parts() for note in notes]
        return (*found, *((Part(stage="ensemble"), note) for note in self.ensemble_notes))

    def _parts(self) -> Iterator[tuple[Part, Failure | None, tuple[str, ...]]]:
        for trial in self.trials:
            yield Part(stage="search", trial=trial.number), trial.failure, trial.notes
        for one in self.confirmations:
            yield Part(stage="confirm", trial=one.trial, repeat=one.repeat), one.failure, one.notes
        for final in (*self.finals, *([self.without_augmentation] if self.without_augmentation else [])):
            for repeat, run in enumerate(final.runs, start=1):
                augmented = final.augmented and run.took_augmentation
                part = Part(stage="retrain", trial=final.trial, repeat=repeat, augmented=augmented)
                yield part, run.failure, run.notes
            if final.curve_run is not None:
                part = Part(stage="retrain", trial=final.trial, augmented=final.augmented, for_curve=True)
                yield part, final.curve_run.failure, final.curve_run.notes
