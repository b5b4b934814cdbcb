"""Studies in a database that live on as workers would let them, without training."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from support.report_sample import store_sample_predictions
from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.jobs.finals.planning import advance_study
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.fleet import register_worker, update_worker
from tuner.studies.lifecycle import Study, find_study, insert_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, end_slot, renew_lease
from tuner.studies.slots.outcomes import (
    ConfirmJob,
    ConfirmOutcome,
    EnsembleJob,
    EnsembleOutcome,
    Failure,
    Outcome,
    RetrainOutcome,
    SearchOutcome,
)
from tuner.studies.trials import close_ended_trials, open_trial

#: The finals of a search of 20 trials of 10 epochs.
USUAL_FINALS = ("finals.top=3", "finals.epochs=20", "finals.compare_augmentation=true")


def create_study(
    storage: Storage,
    name: str = "s",
    *,
    trials: int = 6,
    epochs: int = 4,
    overrides: Sequence[str] = (),
    finals: Sequence[str] = USUAL_FINALS,
) -> Study:
    """Store a study of perceptrons on digits with every trial still to come.

    Its finals are those of a longer search, where the overrides do not say them.
    """
    said = dict(override.split("=", 1) for override in overrides)
    usual = [override for override in finals if override.partition("=")[0] not in said]
    if finals and "finals.candidates" not in said:
        usual.append(f"finals.candidates={max(5, int(said.get('finals.top', 3)))}")
    definition = make_definition(
        space="mlp", dataset="digits", name=name, trials=trials, epochs=epochs, overrides=[*usual, *overrides]
    )
    return insert_study(
        storage, definition, class_names=[str(digit) for digit in range(10)], provenance={"data_sha256": "0" * 64}
    )


@dataclass(frozen=True)
class BegunTrial:
    """A trial that a worker trains."""

    lease: Lease
    trial_id: int


def begin_trial(storage: Storage, study: Study, *, worker: str = "w1", curve: tuple[float, ...] = ()) -> BegunTrial:
    """Let a worker begin the next trial and report these validation accuracies."""
    register_worker(storage, worker_id=worker, host="box", device="cpu", pid=4711)
    lease = claim_slot(storage, owner=worker, study_names=[study.name])
    assert lease is not None
    update_worker(storage, worker, state="training", slot_id=lease.slot_id)
    trial, _ = open_trial(storage, study, lease)
    trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    trial.suggest_int("units", 16, 128)
    for epoch, accuracy in enumerate(curve, start=1):
        report_epoch(storage, BegunTrial(lease, trial._trial_id), epoch=epoch, accuracy=accuracy)
    return BegunTrial(lease, trial._trial_id)


def report_epoch(storage: Storage, begun: BegunTrial, *, epoch: int, accuracy: float) -> None:
    """Report one more epoch."""
    renew_lease(storage, begun.lease, epoch=epoch, trial_id=begun.trial_id, scores={epoch: accuracy})


def end_trial(storage: Storage, begun: BegunTrial, *, score: float | None, kind: str | None = None) -> None:
    """Store the trial's outcome: a score, or a failure of this kind."""
    outcome = SearchOutcome(
        state="complete" if kind is None else "failed",
        score=score,
        best_epoch=1 if score else None,
        hyperparameters={"learning_rate": 0.01, "units": 32},
        curve=_curve(score) if score else (),
        failure=None if kind is None else Failure(kind=kind, message="The loss is NaN."),
    )
    end_slot(storage, begun.lease, outcome)
    close_ended_trials(storage)


def finish_study(storage: Storage, artifacts: ArtifactStore, study: Study) -> Study:
    """Let a worker do all that is left of the study: trials, confirmations, retrainings, ensemble."""
    while True:
        with storage.reader.connect() as connection:
            waiting = select(slots.c.stage).where(slots.c.study_id == study.id, slots.c.state == "waiting").limit(1)
            stage = connection.scalar(waiting)
        if stage == "search":
            begun = begin_trial(storage, study, curve=(0.5, 0.6))
            end_trial(storage, begun, score=0.6 + 0.01 * begun.lease.position)
        elif stage is not None:
            lease = claim_slot(storage, owner="w1", study_names=[study.name])
            assert lease is not None
            end_slot(storage, lease, _final_outcome(artifacts, study, lease))
        elif not advance_study(storage, find_study(storage, study.name)):
            return find_study(storage, study.name)


def _curve(accuracy: float) -> tuple[Epoch, ...]:
    return (Epoch(epoch=1, loss=1.0, accuracy=accuracy, val_loss=1.0, val_accuracy=accuracy),)


def _final_outcome(artifacts: ArtifactStore, study: Study, lease: Lease) -> Outcome:
    job = lease.job
    if isinstance(job, ConfirmJob):
        return ConfirmOutcome(
            state="complete",
            score=0.7 + 0.01 * job.trial,
            best_epoch=1,
            hyperparameters=job.hyperparameters,
            curve=_curve(0.9),
        )
    path = f"{study.folder}/finals/slot-{lease.slot_id}.npz"
    tested = store_sample_predictions(artifacts, path, n_images=200, n_classes=10, accuracy=0.9, seed=lease.slot_id)
    if isinstance(job, EnsembleJob):
        return EnsembleOutcome(
            state="complete", test_accuracy=tested.accuracy, predictions=path, members=len(job.slots)
        )
    return RetrainOutcome(
        state="complete", test_accuracy=tested.accuracy, predictions=path, val_accuracy=0.9, curve=_curve(0.9)
    )
