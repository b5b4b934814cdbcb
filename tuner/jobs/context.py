"""What a job is given: its slot, its study, where its data are and where its files go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tuner.artifacts import ArtifactStore
from tuner.jobs.study_data import DataPlaces
from tuner.studies.lifecycle import Study
from tuner.studies.outcomes import Job
from tuner.studies.slots import Lease
from tuner.studies.storage import Storage
from tuner.studies.trials import TrialScores
from tuner.training.checkpoint import Checkpoint
from tuner.training.run import OnEpoch

JobT = TypeVar("JobT", bound=Job)


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """Where a job finds its data and leaves its files."""

    storage: Storage
    artifacts: ArtifactStore
    places: DataPlaces
    study: Study
    lease: Lease
    #: Called after each epoch; may raise to end the job.
    on_epoch: OnEpoch
    #: Called by a trial of the search before its first epoch, with where its scores are stored.
    on_scores: Callable[[TrialScores], None] = lambda _: None

    def job_as(self, kind: type[JobT]) -> JobT:
        """Return the slot's job, of the class that its stage has.

        Raises:
            TypeError: The slot is of another stage.
        """
        if not isinstance(self.lease.job, kind):
            raise TypeError(f"Slot {self.lease.slot_id} holds {self.lease.job}. Expected a {kind.__name__}.")
        return self.lease.job

    @property
    def checkpoint_folder(self) -> str:
        """Where the slot's training is kept until its outcome is stored."""
        return f"{checkpoints_folder(self.study)}/slot-{self.lease.slot_id}"

    @property
    def checkpoint(self) -> Checkpoint:
        """What the slot's training goes on from; none of another study, slot or dataset is ever taken for it."""
        run = [self.study.uid, self.lease.stage, self.lease.position, self.study.provenance["data_sha256"]]
        return Checkpoint(self.artifacts, self.checkpoint_folder, writer=self.lease.token, run=run)


def checkpoints_folder(study: Study) -> str:
    """Return where the checkpoints of a study's unfinished slots are."""
    return f"{study.folder}/checkpoints"
