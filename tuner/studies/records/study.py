"""What a study has done so far, as plain values: the border between the database and the code that shows it.

Accuracies are in [0, 1], epochs count from 1, times are UTC, here and in `trial` and `finals`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tuner.objectives import Measure, Objective
from tuner.plain_values import JSONObject, StoredPixels
from tuner.studies.fronts import Point, find_front, find_knee, point_of
from tuner.studies.records.finals import ConfirmationRecord, EnsembleRecord, FinalRecord, RetrainRecord, find_winner
from tuner.studies.records.parts import Part
from tuner.studies.records.trial import SearchedRange, TrialRecord
from tuner.studies.slots.outcomes import Failure, values_beside
from tuner.studies.states import StudyState, TrialState

#: Key of a study's provenance: the seconds that its check has measured, see `studies.expected_time`.
MEASURED_TIME = "seconds_of_one_core"


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
    definition: JSONObject
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
    pixels: StoredPixels | None = None
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
