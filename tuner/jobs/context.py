"""What every job receives: its slot, its study, the location of its data and of its files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tuner.artifacts import ArtifactStore
from tuner.epochs import FoldProgress
from tuner.jobs.study.data import DataPlaces, StudyData
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study
from tuner.studies.slots.leases import Lease
from tuner.studies.slots.outcomes import Job
from tuner.studies.trials import TrialScores
from tuner.training.checkpoint import Checkpoint
from tuner.training.request import OnEpoch

JobT = TypeVar("JobT", bound=Job)


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """The slot and study of a job, where it reads its data, and where it writes its files."""

    storage: Storage
    artifacts: ArtifactStore
    places: DataPlaces
    study: Study
    lease: Lease
    #: Called after each epoch; may raise to end the job.
    on_epoch: OnEpoch
    #: Called in its place by a job that trains folds, and when a fold is over; may raise to end the job.
    on_fold: Callable[[FoldProgress], None] = lambda _: None
    #: Called by a trial of the search before its first epoch, with the object that stores its scores.
    on_scores: Callable[[TrialScores], None] = lambda _: None

    def job_as(self, kind: type[JobT]) -> JobT:
        """Return the slot's job as an instance of its stage's class.

        Raises:
            TypeError: The slot is of another stage.
        """
        if not isinstance(self.lease.job, kind):
            raise TypeError(f"Slot {self.lease.slot_id} holds {self.lease.job}. Expected a {kind.__name__}.")
        return self.lease.job

    @property
    def data(self) -> StudyData:
        """The images of its study."""
        return StudyData.of(self.study, self.places)

    @property
    def checkpoint_folder(self) -> str:
        """The folder of the slot's checkpoints, which are kept until its outcome is stored."""
        return f"{checkpoints_folder(self.study)}/slot-{self.lease.slot_id}"

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the slot's training resumes from; those of other studies, slots or data are refused."""
        return Checkpoint(self.artifacts, self.checkpoint_folder, writer=self.lease.token, run=self.run_identity)

    def checkpoint_of_fold(self, fold: int) -> Checkpoint:
        """Return the checkpoint that the training of one fold resumes from; those of other folds are refused too."""
        folder = f"{self.checkpoint_folder}/fold-{fold}"
        return Checkpoint(self.artifacts, folder, writer=self.lease.token, run=[*self.run_identity, f"fold {fold}"])

    @property
    def run_identity(self) -> list[Any]:
        """What tells the slot's training from every other, as values of JSON."""
        return [self.study.uid, self.lease.stage, self.lease.position, self.study.provenance["data_sha256"]]


def checkpoints_folder(study: Study) -> str:
    """Return the folder of the checkpoints of a study's unfinished slots."""
    return f"{study.folder}/checkpoints"
