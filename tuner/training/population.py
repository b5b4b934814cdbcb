"""Train several models of equal structure as one program, on JAX; each member's result is what it comes to alone."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import keras

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStoreAwayError
from tuner.errors import TunerError
from tuner.training.checkpoint import Checkpoint
from tuner.training.devices import translate_device_errors
from tuner.training.epoch_draws import EpochDraws, draw_epoch
from tuner.training.history import TrainingHistory
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import find_excess, find_refusal, open_population
from tuner.training.programs.cache import ProgramCache, describe_model
from tuner.training.programs.xla import is_faster_with_xla
from tuner.training.run import OnEpoch, OnNote, TrainingRun, ignore_note, refuse_nan_loss
from tuner.training.targets import choose_labels
from tuner.training.variables import build_variables, current_learning_rate, finalize_weights
from tuner.training_settings import Training

if TYPE_CHECKING:
    from tuner.training.programs.population import Population


class UnlikeMembersError(TunerError):
    """These models cannot be trained as one program; each can be trained alone."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One model of a population; see `train.train` for what its parts are."""

    model: keras.Model
    plan: TrainingPlan
    on_epoch: OnEpoch
    on_note: OnNote = ignore_note
    checkpoint: Checkpoint | None = None


def train_population(members: Sequence[Member], data: TrainingData) -> list[TrainingHistory | Exception]:
    """Train compiled models on the same images as one program, each from the epoch after its checkpoint's last one.

    Their plans may differ in seeds alone, and their optimizers in the learning rate. A member whose `on_epoch` raises,
    or whose loss is not finite, leaves; the others go on.

    Returns:
        For each member its history, or what ended it.

    Raises:
        UnlikeMembersError: They are not of equal structure, Keras' own loop must train them, or a plan has rules of
            training.
        DeviceMemoryError: They do not fit into the device's memory together.
    """
    if any(member.plan.training != Training() for member in members):
        raise UnlikeMembersError("Received rules of training in a plan. Expected none, or models trained alone.")
    with translate_device_errors():
        runs = [_start_run(member, data) for member in members]
        _refuse_unlike(runs)
        model, plan = runs[0].model, runs[0].plan
        xla_epoch = is_faster_with_xla(model, data, plan)
        population = open_population([run.model for run in runs], data, plan, xla_epoch=xla_epoch)
        return _Training(runs, population, [member.checkpoint for member in members]).train()


def _start_run(member: Member, data: TrainingData) -> TrainingRun:
    build_variables(member.model, data.train.image_format.shape)
    labels, guess = choose_labels(member.model, len(data.train.class_names), member.plan.labels)
    run = TrainingRun(
        member.model,
        data,
        replace(member.plan, labels=labels),
        on_epoch=member.on_epoch,
        on_note=member.on_note,
        checkpoint=member.checkpoint,
        programs=ProgramCache(),
    )
    if guess is not None:
        run.note(guess)
    run.accept_soft_targets()
    run.resume()
    return run


def _refuse_unlike(runs: Sequence[TrainingRun]) -> None:
    """Raise `UnlikeMembersError` unless one program can train them all."""
    if keras.backend.backend() != "jax":
        raise UnlikeMembersError(f"Received models on {keras.backend.backend()}. Expected JAX, which alone can map.")
    refusal = find_refusal(runs[0].model)
    if refusal is not None:
        raise UnlikeMembersError(f"Keras' own loop must train these models: {refusal}.")
    excess = find_excess(runs[0].data)
    if excess is not None:
        # Each member has an order of its own, so that no chunk would serve all of them.
        raise UnlikeMembersError(f"The images of these models must be streamed, for each alone: {excess}.")
    first = describe_model(runs[0].model)
    if first is None:
        raise UnlikeMembersError("A model has parts that are not Keras' own. Expected none, or models trained alone.")
    if any(describe_model(run.model) != first for run in runs):
        raise UnlikeMembersError("Received models that differ in more than their variables. Expected equal ones.")
    plan = runs[0].plan
    if any(replace(run.plan, seed=plan.seed) != plan for run in runs):
        raise UnlikeMembersError("Received plans that differ in more than their seeds. Expected equal ones.")


class _Training:
    """The epochs of a population; members that resumed later epochs than others end earlier."""

    def __init__(
        self, runs: Sequence[TrainingRun], population: "Population", checkpoints: Sequence[Checkpoint | None]
    ) -> None:
        self._runs, self._population, self._checkpoints = runs, population, checkpoints
        self._results: dict[int, TrainingHistory | Exception] = {}

    def train(self) -> list[TrainingHistory | Exception]:
        for index, run in enumerate(self._runs):
            if run.finished:
                self._finish(index)
        while self._population.members:
            self._train_one_epoch()
        return [self._results[index] for index in range(len(self._runs))]

    def _train_one_epoch(self) -> None:
        started = time.perf_counter()
        logs = self._population.train_epoch({index: self._draw(index) for index in self._population.members})
        measured = self._population.validate()
        duration_s = time.perf_counter() - started
        stored = [index for index in self._population.members if self._needs_model(index)]
        if stored:
            self._population.update_models(stored)
        for index in self._population.members:
            validation = {f"val_{name}": value for name, value in measured[index].items()}
            self._end_epoch(index, logs[index] | validation, duration_s)

    def _needs_model(self, index: int) -> bool:
        """Say whether the model itself must have its state after this epoch, which copies it to the host."""
        run = self._runs[index]
        is_last = len(run.epochs) + 1 >= run.plan.epochs
        # Else the rate depends on the steps so far.
        has_plain_rate = isinstance(getattr(run.model.optimizer, "learning_rate", None), keras.Variable)
        return self._checkpoints[index] is not None or is_last or not has_plain_rate

    def _draw(self, index: int) -> EpochDraws:
        run = self._runs[index]
        epoch, images = len(run.epochs) + 1, run.data.train
        return draw_epoch(
            run.plan,
            epoch=epoch,
            n_images=len(images),
            image_shape=images.image_format.shape,
            learning_rates=run.learning_rates(epoch),
        )

    def _end_epoch(self, index: int, logs: dict[str, float], duration_s: float) -> None:
        run = self._runs[index]
        epoch = len(run.epochs) + 1
        rates = run.learning_rates(epoch)
        rate = current_learning_rate(run.model) if rates is None else float(rates[-1])
        try:
            refuse_nan_loss(epoch, logs)
            run.finish_epoch(epoch, logs, duration_s, learning_rate=rate)
            if run.finished:
                self._finish(index)
        except Exception as error:  # noqa: BLE001 - told to the caller, beside what the others come to
            self._results[index] = error
            self._population.leave(index)
            # The caller may go on from it at once; what ended the member says more than that it could not be stored.
            with suppress(ArtifactNotWrittenError, ArtifactStoreAwayError):
                run.await_checkpoint()

    def _finish(self, index: int) -> None:
        run, checkpoint = self._runs[index], self._checkpoints[index]
        finalize_weights(run.model)
        if checkpoint is not None:
            checkpoint.flush()
        self._results[index] = TrainingHistory(
            resumed_from=run.resumed_from,
            epochs=tuple(run.epochs),
            augmented=run.plan.augmentation is not None,
            measured=tuple(run.logs[-1] if run.logs else ()),
        )
        self._population.leave(index)
