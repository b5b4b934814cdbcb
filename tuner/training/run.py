"""One training run: its results, learning rates and checkpoint, which last from epoch to epoch."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.counters import count
from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.training.accuracy import AccuracyNames
from tuner.training.annealing import LearningRates, start_annealing
from tuner.training.callbacks import RunCallbacks
from tuner.training.checkpoint import Snapshot, fingerprint, fits, restore_model, take_snapshot
from tuner.training.fit_call import FitCall
from tuner.training.history import read_epoch
from tuner.training.image_parts import thin
from tuner.training.plan import TrainingData
from tuner.training.predictions import predict_raw
from tuner.training.programs.cache import ProgramCache
from tuner.training.request import RunRequest
from tuner.training.rules import EarlyStopping, averaged_weights, weigh_classes
from tuner.training.scoring import Scores
from tuner.training.targets import accept_soft_targets, smooth_labels
from tuner.training.variables import current_learning_rate
from tuner.training_settings import Training

_log = logging.getLogger(__name__)


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
    """One training run, from its first epoch here to its last.

    Args:
        request: The run.
        data: What it trains and measures on.
        programs: Where the program of the last model is found, and this one's is kept.
    """

    def __init__(self, request: RunRequest, data: TrainingData, programs: ProgramCache) -> None:
        model, plan = request.model, request.plan
        self.model, self.data, self.plan, self.programs = model, data, plan, programs
        self.epochs: list[Epoch] = []
        #: Keras' logs of each epoch, `val_` included, for callbacks that a resumed run must tell of them.
        self.logs: list[dict[str, float]] = []
        self.resumed_from = 0
        #: Why no run could go on from this one's checkpoint; None where one could.
        self.obstacle: str | None = None
        #: What `on_epoch` raised, which a custom loop may have caught.
        self.ended_by: BaseException | None = None
        self._on_epoch, self._on_note, self._checkpoint = request.on_epoch, request.on_note, request.checkpoint
        self._notes: set[str] = set()
        self._fingerprint = fingerprint(model, data, plan)
        self._highest_rate = current_learning_rate(model)
        self._rates: LearningRates | None = None
        self._part_order: NDArray[np.int32] | None = None
        if plan.annealing is not None and not self._has_settable_rate():
            self.leave_annealing_out("the model's optimizer has a learning-rate schedule of its own")
        self._rates = self._start_rates()
        self._accuracy_names = AccuracyNames(model, len(data.train.class_names))
        self._resumed = False
        self._snapshot: Snapshot | None = None
        self._utility, self._scoring = request.utility, request.scoring
        self._callbacks = request.callbacks or RunCallbacks()
        self._stopping = self._start_early_stopping()
        #: Class index → weight in the loss; None where all count alike.
        self.class_weight = weigh_classes(plan.training, data.train)

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

    def leave_parts_out(self, reason: str) -> None:
        """From here on show all images in every epoch, before the first one."""
        if self.plan.parts is not None:
            self.note(f"Trained on all images from the first epoch on, in spite of search.pruning.resource: {reason}.")
            self.plan = replace(self.plan, parts=None)

    def part_of(self, epoch: int) -> NDArray[np.int32] | None:
        """Return the indices of the training images that an epoch shows; None for all."""
        count = self._count_images(epoch)
        if self.plan.parts is None or count == len(self.data.train):
            return None
        if self._part_order is None:
            self._part_order = self.plan.parts.order(self.data.train.labels)
        return self._part_order[:count]

    def _count_images(self, epoch: int) -> int:
        parts, images = self.plan.parts, self.data.train
        return len(images) if parts is None else parts.count(epoch, images.labels)

    def _count_steps(self, epoch: int) -> int:
        return math.ceil(self._count_images(epoch) / self.plan.batch_size)

    def follow(self, call: FitCall) -> None:
        """Take batch size, epochs and order from a call of `model.fit`, before the first epoch."""
        self.plan = replace(self.plan, batch_size=call.batch_size, epochs=call.epochs, shuffle=call.shuffle)
        self._rates = self._start_rates()

    def accept_soft_targets(self) -> None:
        """Give the model one-hot labels where images are mixed or labels smoothed.

        Raises:
            SmoothingError: Its loss has no label smoothing.
            SoftTargetsError: Its loss or a metric takes class indices in a way that has no one-hot counterpart.
        """
        smoothing = self.plan.training.label_smoothing
        if smoothing:
            smooth_labels(self.model, smoothing)
            self.plan = replace(self.plan, labels="one-hot")
        elif self.plan.augmentation and self.plan.augmentation.mixes and self.plan.labels == "indices":
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
        if self._stopping is not None:
            for epoch in self.epochs:
                self._stopping.observe(epoch.epoch, self._utility(epoch))
            self._stopping.best_weights = self._snapshot.best
            self.model.stop_training = self._stopping.stopped
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
        is_stopped = self._stopping is not None and self._stopping.stopped
        return is_stopped or len(self.epochs) >= self.plan.epochs

    def leave_rules_out(self, names: Sequence[str], reason: str) -> None:
        """Train without some rules of the plan from here on, before the first epoch, and say so."""
        asked = [name for name in names if getattr(self.plan.training, name) != getattr(Training(), name)]
        if asked:
            self.note(f"Trained without {' and '.join(asked)}: {reason}.")
            kept = self.plan.training.model_dump(exclude=set(asked))
            self.plan = replace(self.plan, training=Training.model_validate(kept))
            self._stopping = self._start_early_stopping()
            self.class_weight = weigh_classes(self.plan.training, self.data.train)

    def restore_best_epoch(self) -> int | None:
        """Give the model the weights of its best epoch, where early stopping asks for it; return which that is."""
        stopping = self._stopping
        if stopping is None or not stopping.best_weights:
            return None
        stopping.restore_best(self.model)
        if stopping.stopped and len(self.epochs) < self.plan.epochs:
            self.note(
                f"Stopped after epoch {len(self.epochs)} of {self.plan.epochs}: {self.plan.training.early_stopping} "
                f"without a better score. The weights are those of epoch {stopping.best_epoch}."
            )
        return stopping.best_epoch

    def _start_early_stopping(self) -> EarlyStopping | None:
        if not self.plan.training.early_stopping:
            return None
        if self.data.validation is None:
            self.note("Trained all epochs: early stopping needs validation images, and none were held out.")
            return None
        return EarlyStopping(self.plan.training)

    @property
    def wants_answers(self) -> bool:
        """Whether a score is measured of what the model returns for the validation images."""
        return self._scoring is not None and self._scoring.need_answers and self.data.validation is not None

    def begin_epoch(self, epoch: int) -> NDArray[np.float32] | None:
        """Tell the callbacks, and return the rate of each step as `learning_rates` does."""
        keras_params = {"epochs": self.plan.epochs, "steps": self._count_steps(epoch), "verbose": 0}
        self._callbacks.begin_epoch(epoch, model=self.model, params=keras_params, note=self.note)
        return self.learning_rates(epoch)

    def end_callbacks(self) -> None:
        """Tell the callbacks that the run is over, however it ended."""
        self._callbacks.end(self.logs[-1] if self.logs else {}, self.note)

    def learning_rates(self, epoch: int) -> NDArray[np.float32] | None:
        """Return the rate of each step; None leaves the optimizer alone."""
        return None if self._rates is None else thin(self._rates.of_epoch(epoch), self._count_steps(epoch))

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
        answers: NDArray[np.float32] | None = None,
    ) -> None:
        """Keep the epoch's result, write the checkpoint, and tell the caller.

        Args:
            epoch: From 1.
            logs: As Keras gives them to callbacks.
            duration_s: Of training and validation.
            learning_rate: Of the last step; without it the optimizer's rate now.
            kept: Weights that callbacks hold and need again after a resumption, such as those of the best epoch.
            answers: What the model returned for the validation images; None lets it answer now where that is needed.
        """
        refuse_nan_loss(epoch, logs)
        rate = current_learning_rate(self.model) if learning_rate is None else learning_rate
        n_images, scores = self._count_images(epoch), self._measure(logs, answers)
        result = read_epoch(
            logs,
            epoch=epoch,
            learning_rate=rate,
            duration_s=duration_s,
            accuracy_names=self._accuracy_names.read(self.plan.settled_labels),
            score=scores.leading,
            others=scores.others,
            images=None if n_images == len(self.data.train) else n_images,
        )
        count("epochs")
        count("images", n_images)
        self.epochs.append(result)
        self.logs.append({name: float(value) for name, value in logs.items()})
        if self._rates is not None:
            self._rates.observe(result)
        if self._stopping is not None:
            self._stopping.observe(epoch, self._utility(result), self.model)
            if self._stopping.stopped:
                self.model.stop_training = True
        if self._checkpoint is not None:
            self._checkpoint.write(self._take_snapshot(kept))
        if not self._callbacks.has_begun:
            # A custom loop may not report when an epoch begins.
            self.begin_epoch(epoch)
        self._callbacks.end_epoch(epoch, logs, self.note)
        try:
            self._on_epoch(result)
        except BaseException as error:
            self.ended_by = error
            raise

    def _measure(self, logs: Mapping[str, float], answers: NDArray[np.float32] | None) -> Scores:
        scoring, validation = self._scoring, self.data.validation
        if scoring is None or validation is None:
            return Scores()

        def answer() -> NDArray[np.float32]:
            if answers is not None:
                return answers
            with averaged_weights(self.model, self.plan.training):
                return predict_raw(self.model, validation.images)

        return scoring.measure(self.model, validation, logs, answer)

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
            best=() if self._stopping is None else self._stopping.best_weights,
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
