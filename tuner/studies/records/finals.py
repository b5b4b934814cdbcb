"""The finals of a study as plain values: confirmations, retrained and tested models by configuration, the ensemble."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tuner.epochs import Epoch
from tuner.plain_values import Hyperparameters
from tuner.studies.slots.outcomes import Costs, Failure, Scores
from tuner.studies.states import JobState
from tuner.summaries import summary_html


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
    hyperparameters: Hyperparameters
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
