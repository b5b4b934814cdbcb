"""One training run: its results, learning rates and checkpoint, which last from epoch to epoch."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.training.accuracy import AccuracyNames
from tuner.training.annealing import LearningRates, start_annealing
from tuner.training.checkpoint import Checkpoint, Snapshot, fingerprint, fits, restore_model, take_snapshot
from tuner.training.fit_call import FitCall
from tuner.training.history import read_epoch
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs.cache import ProgramCache
from tuner.training.targets import accept_soft_targets
from tuner.training.variables import current_learning_rate

_log = logging.getLogger(__name__)

OnEpoch = Callable[[Epoch], None]
#: Told in a sentence what was done in another way than people may expect.
OnNote = Callable[[str], None]


def ignore_note(sentence: str) -> None:
    """Leave the sentence to the log."""


class NanLossError(TunerError):
    """The loss became infinite or NaN."""

    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(
            f"The loss became {loss} in epoch {epoch}. Expected a finite number: "
            f"try a lower learning rate, or clipnorm in the optimizer."
        )


class BeginAnewError(Exception):
    """The run cannot go on from its checkpoint: it must begin again, with a model that is built again."""

    def __init__(self, *, resumed_from: int, reason: str) -> None:
        super().__init__(
            f"Restarted at epoch 1 with fresh weights instead of resuming after epoch {resumed_from}: {reason}."
        )


class TrainingRun:
    """One training run, from its first epoch here to its last."""

    def __init__(
        self,
        model: keras.Model,
        data: TrainingData,
        plan: TrainingPlan,
        *,
        on_epoch: OnEpoch,
        on_note: OnNote = ignore_note,
        checkpoint: Checkpoint | None,
        programs: ProgramCache,
    ) -> None:
        self.model, self.data, self.plan, self.programs = model, data, plan, programs
        self.epochs: list[Epoch] = []
        #: Keras' logs of each epoch, `val_` included, for callbacks that a resumed run must tell of them.
        self.logs: list[dict[str, float]] = []
        self.resumed_from = 0
        #: Why no run could go on from this one's checkpoint; None where one could.
        self.obstacle: str | None = None
        #: What `on_epoch` raised, which a custom loop may have caught.
        self.ended_by: BaseException | None = None
        self._on_epoch, self._on_note, self._checkpoint = on_epoch, on_note, checkpoint
        self._notes: set[str] = set()
        self._fingerprint = fingerprint(model, data, plan)
        self._highest_rate = current_learning_rate(model)
        self._rates: LearningRates | None = None
        if plan.annealing is not None and not self._has_settable_rate():
            self.leave_annealing_out("the model's optimizer has a learning-rate schedule of its own")
        self._rates = self._start_rates()
        self._accuracy_names = AccuracyNames(model, len(data.train.class_names))
        self._resumed = False
        self._snapshot: Snapshot | None = None

    def note(self, sentence: str) -> None:
        """Tell the log and the caller, each sentence once."""
        if sentence not in self._notes:
            self._notes.add(sentence)
            _log.warning("%s", sentence)
            self._on_note(sentence)

    def leave_annealing_out(self, reason: str) -> None:
        """From here on leave the learning rate to the model and its callbacks."""
        if self.plan.annealing is not None:
            self.note(f"Trained without the {self.plan.annealing.rule} annealing: {reason}.")
            self.plan, self._rates = replace(self.plan, annealing=None), None

    def follow(self, call: FitCall) -> None:
        """Take batch size, epochs and order from a call of `model.fit`, before the first epoch."""
        self.plan = replace(self.plan, batch_size=call.batch_size, epochs=call.epochs, shuffle=call.shuffle)
        self._rates = self._start_rates()

    def accept_soft_targets(self) -> None:
        """Give the model one-hot labels where images are mixed.

        Raises:
            SoftTargetsError: Its loss or a metric takes class indices in a way that has no one-hot counterpart.
        """
        if self.plan.augmentation and self.plan.augmentation.mixes and self.plan.labels == "indices":
            accept_soft_targets(self.model)
            self.plan = replace(self.plan, labels="one-hot")

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one; once."""
        if self._resumed:
            return
        self._resumed = True
        self._snapshot = self._read_snapshot()
        if self._snapshot is None:
            return
        self.restore()
        self.epochs, self.logs = list(self._snapshot.epochs), list(self._snapshot.logs)
        self.resumed_from = len(self.epochs)
        _log.info("Going on after epoch %d of %d.", self.resumed_from, self.plan.epochs)
        for epoch in self.epochs:
            self._on_epoch(epoch)

    def begin_at_first_epoch(self, reason: str) -> None:
        """Discard the checkpoint, if there is one and `resume` has not read it."""
        if not self._resumed:
            self._resumed = True
            self.obstacle = reason
            found = self._read_snapshot()
            if found is not None:
                self._discard(found, reason)

    def _discard(self, snapshot: Snapshot, reason: str) -> None:
        self.note(str(BeginAnewError(resumed_from=len(snapshot.epochs), reason=reason)))
        if self._checkpoint is not None:
            self._checkpoint.delete()

    def _read_snapshot(self) -> Snapshot | None:
        snapshot = self._checkpoint.read(self._fingerprint) if self._checkpoint else None
        if snapshot is None:
            return None
        obstacle = snapshot.obstacle or (None if fits(self.model, snapshot) else "the model has changed")
        if obstacle is None:
            return snapshot
        self._discard(snapshot, obstacle)
        return None

    def restore(self) -> tuple[NDArray[np.generic], ...]:
        """Put the model and the learning rates back into the checkpoint's state; may be repeated.

        Returns:
            The weights that callbacks kept, see `finish_epoch`.
        """
        if self._snapshot is None:
            return ()
        restore_model(self.model, self._snapshot)
        if self._rates is not None:
            self._rates.restore(self._snapshot.annealing_state)
        return self._snapshot.kept

    @property
    def finished(self) -> bool:
        return len(self.epochs) >= self.plan.epochs

    def learning_rates(self, epoch: int) -> NDArray[np.float32] | None:
        """Return the rate of each step; None leaves the optimizer alone."""
        return None if self._rates is None else self._rates.of_epoch(epoch)

    def await_checkpoint(self) -> None:
        """Wait until the previous epoch is stored, so that a crash costs one finished epoch at most."""
        if self._checkpoint is not None:
            self._checkpoint.flush()

    def finish_epoch(
        self,
        epoch: int,
        logs: Mapping[str, float],
        duration_s: float,
        *,
        learning_rate: float | None = None,
        kept: tuple[NDArray[np.generic], ...] = (),
    ) -> None:
        """Keep the epoch's result, write the checkpoint, and tell the caller.

        Args:
            epoch: From 1.
            logs: As Keras gives them to callbacks.
            duration_s: Of training and validation.
            learning_rate: Of the last step; without it the optimizer's rate now.
            kept: Weights that callbacks hold and need again after a resumption, such as those of the best epoch.
        """
        refuse_nan_loss(epoch, logs)
        rate = current_learning_rate(self.model) if learning_rate is None else learning_rate
        result = read_epoch(
            logs,
            epoch=epoch,
            learning_rate=rate,
            duration_s=duration_s,
            accuracy_names=self._accuracy_names.read(self.plan.settled_labels),
        )
        self.epochs.append(result)
        self.logs.append({name: float(value) for name, value in logs.items()})
        if self._rates is not None:
            self._rates.observe(result)
        if self._checkpoint is not None:
            self._checkpoint.write(self._take_snapshot(kept))
        try:
            self._on_epoch(result)
        except BaseException as error:
            self.ended_by = error
            raise

    def _take_snapshot(self, kept: tuple[NDArray[np.generic], ...]) -> Snapshot:
        epochs, logs = tuple(self.epochs), tuple(self.logs)
        if self.obstacle is not None:
            return Snapshot(
                fingerprint=self._fingerprint,
                epochs=epochs,
                logs=logs,
                annealing_state={},
                model=(),
                optimizer=(),
                obstacle=self.obstacle,
            )
        return take_snapshot(
            self.model,
            fingerprint=self._fingerprint,
            epochs=epochs,
            logs=logs,
            annealing_state={} if self._rates is None else self._rates.state(),
            kept=kept,
        )

    def _has_settable_rate(self) -> bool:
        rate = getattr(self.model.optimizer, "learning_rate", None)
        return self._highest_rate is not None and isinstance(rate, keras.Variable)

    def _start_rates(self) -> LearningRates | None:
        annealing = self.plan.annealing
        if annealing is None:
            return None
        return start_annealing(
            annealing,
            highest_rate=self._highest_rate or 0.0,
            epochs=self.plan.epochs,
            steps_per_epoch=math.ceil(len(self.data.train) / self.plan.batch_size),
            has_validation=self.data.validation is not None,
        )


def refuse_nan_loss(epoch: int, logs: Mapping[str, float]) -> None:
    """Raise `NanLossError` unless the training loss is finite."""
    loss = logs.get("loss")
    if loss is not None and not math.isfinite(loss):
        raise NanLossError(epoch, float(loss))
