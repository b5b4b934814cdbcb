"""One trial and one final of a study on a few of its images: the work of the stages and the state that they share."""

import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import optuna
from numpy.typing import NDArray

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import Bundle, BundleDescription, Provenance, read_bundle
from tuner.bundles.model import write_bundle
from tuner.datasets.images import ImageFormat, LabelledImages
from tuner.epochs import Epoch
from tuner.image_ranges import white_of
from tuner.jobs.finals.jobs import RETRAINED_ON_TRAIN
from tuner.jobs.fitting.callbacks import tried_callbacks
from tuner.jobs.fitting.fit import FitRequest, fit
from tuner.jobs.fitting.regime import Regime, finals_regime, search_regime
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters
from tuner.jobs.preflight.sample import Sample
from tuner.jobs.study.scoring import open_scoring
from tuner.jobs.study.starting_weights import open_weights
from tuner.logs import stdout_as_stderr
from tuner.plain_values import Hyperparameters
from tuner.spaces.registry import fixed_hyperparameters
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.samplers import make_sampler
from tuner.studies.seeds import trial_seed
from tuner.studies.slots.outcomes import SearchJob
from tuner.training.batches import scale
from tuner.training.checkpoint import Checkpoint
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.predictions import predict_probabilities, predict_raw
from tuner.training.request import OnEpoch
from tuner.training.session import release_memory

_log = logging.getLogger(__name__)

#: Epochs of a trial: it is interrupted after the first, and the third is one that builds and traces nothing.
_EPOCHS = 3
#: How far answers may differ by rounding, relative and absolute.
_ALIKE = 0.01
_BUNDLE = "finals/rehearsed.bundle"


class RehearsalInterruptedError(Exception):
    """A trial ends after its first epoch, like the trial of a drained worker."""


class Rehearsal:
    """The state of a preflight.

    Args:
        definition: The study's definition.
        sample: Some of its images.
        folder: A folder for checkpoints and a bundle; the caller removes it.
        earlier_trials: See `studies.warm_start`.
    """

    #: Set by the first stage.
    space: Space

    def __init__(
        self,
        definition: StudyDefinition,
        sample: Sample,
        folder: Path,
        *,
        earlier_trials: Sequence[Hyperparameters] = (),
    ) -> None:
        self.definition, self.earlier_trials = definition, earlier_trials
        self.image_format = sample.train.image_format
        #: The first trials of the search.
        self.first_jobs: list[SearchJob] = []
        #: The space's defaults, under Optuna's names; they need not be among the first trials.
        self.defaults: Hyperparameters = {}
        #: Hyperparameters of the last model that was built or failed to build.
        self.values: dict[str, Any] = {}
        self._sample = sample
        self._train, self._validation = sample.few()
        self._folder = folder
        self._store = ArtifactStore(str(folder))
        #: In memory; None before the first trial.
        self._optuna: optuna.Study | None = None
        self._trials: list[optuna.Trial] = []
        self._interrupted: Epoch | None = None
        self._default_values: dict[str, Any] = {}
        #: Seconds of CPU time of an epoch of the few training images, the last one of the resumed trial.
        self.few_epoch_s = 0.0
        self._final: keras.Model | None = None
        #: Hashes of the weights with which models of the defaults began.
        self._beginnings: list[str] = []

    @property
    def beginnings(self) -> list[Hyperparameters]:
        """The values of the first trials under Optuna's names, each once; the defaults always come first."""
        once = [job.values for job in self.first_jobs if not job.repeat and job.values != self.defaults]
        return [self.defaults, *once]

    @property
    def train_images(self) -> LabelledImages:
        """The training images that the stages use."""
        return self._train

    @property
    def validation_images(self) -> LabelledImages:
        """The validation images that the stages use."""
        return self._validation

    @property
    def sizes(self) -> dict[str, int]:
        """How many images a trial trains on, and how many score it."""
        n_train = min(self.definition.search.train_images or self._sample.n_train, self._sample.n_train)
        return {"n_train": n_train, "n_validation": self._sample.n_validation}

    def take_more_images(self) -> bool:
        """Use all images of the sample from now on; return whether there are more than before."""
        n_images = len(self._train) + len(self._validation)
        self._train, self._validation = self._sample.train, self._sample.validation
        self._interrupted = None
        return len(self._train) + len(self._validation) > n_images

    def interrupt_trial(self) -> Epoch:
        """Train the first of three epochs with the defaults and return it; later calls return the same epoch."""
        if self._interrupted is None:
            self._checkpoint(writer=0).delete()
            epochs: list[Epoch] = []

            def interrupt(result: Epoch) -> None:
                epochs.append(result)
                raise RehearsalInterruptedError

            with suppress(RehearsalInterruptedError):
                self._run_trial(0, on_epoch=interrupt, checkpoint=self._checkpoint(writer=1))
            self._interrupted = epochs[0]
        return self._interrupted

    def resume_trial(self) -> list[Epoch]:
        """Resume the interrupted trial with a new model; return the epochs that it has at its end."""
        epochs: list[Epoch] = []
        ends = [time.process_time()]

        def keep(result: Epoch) -> None:
            # A run that cannot resume restarts at epoch 1.
            epochs[result.epoch - 1 :] = [result]
            ends.append(time.process_time())

        hyperparameters = self._run_trial(0, on_epoch=keep, checkpoint=self._checkpoint(writer=2))
        # The user's own `fit` may have asked for more hyperparameters than `build`.
        hyperparameters.refuse_unknown_names()
        self._default_values = dict(self.values)
        self.few_epoch_s = ends[-1] - ends[-2]
        return epochs

    def try_trial(self, number: int) -> None:
        """Build the model of the trial with that number; the first ones take the `beginnings`, others are drawn.

        A model of the user's own builder is also trained for an epoch, eagerly, because for a few steps this takes half
        as long as tracing a program. If that fails, or if the space has its own `fit`, it is trained like a real trial.
        """
        if ":" not in self.definition.space:
            release_memory()
            self.space.build(self._hyperparameters(number), self.image_format)
            return
        if self.space.fit is None:
            with suppress(Exception):
                self._run_trial(number, space=replace(self.space, build=self._build_eager), epochs=1)
                return
        self.train_trial(number)

    def train_trial(self, number: int) -> None:
        """Train an epoch of the trial with that number, in the same way as a real trial."""
        self._run_trial(number, epochs=1)

    def retrain(self) -> None:
        """Retrain the defaults as in the finals, for one epoch more than the warm-up of the learning rate."""
        finals = self.definition.finals
        regime = finals_regime(self.definition)
        schedule = self._plan(seed=self.definition.seed, epochs=1)
        annealing = regime.settle(schedule, self._default_values).annealing
        given = TrainingData(train=self._train, validation=self._validation)

        def open_data_for_own_fit() -> TrainingData:
            if finals.train_on != "train":
                _log.warning("%s", RETRAINED_ON_TRAIN)
            return given

        release_memory()
        setup = TrainingSetup(
            space=self.space,
            objective=self.definition.objective,
            scoring=open_scoring(self.definition),
            regime=regime,
            initial=open_weights(finals, self.image_format, sha256=None),
        )
        request = FitRequest(
            hyperparameters=fixed_hyperparameters(self._default_values),
            data=given if finals.train_on == "train" else replace(given, validation=None),
            plan=replace(schedule, epochs=1 + (annealing.warmup_epochs if annealing else 0)),
            on_epoch=lambda _: None,
            open_callbacks=tried_callbacks(self.definition),
            data_for_own_fit=open_data_for_own_fit,
            on_model=self._note_beginning,
        )
        self._final = fit(setup, request).model

    def plan_of(self, *, epochs: int) -> TrainingPlan:
        """Return the plan of so many epochs."""
        return self._plan(seed=self.definition.seed, epochs=epochs)

    def time_trial(self, data: TrainingData, plan: TrainingPlan, on_epoch: OnEpoch) -> None:
        """Train the defaults as a trial does."""
        self._train_on(data, plan, on_epoch, search_regime(self.definition))

    def time_retraining(self, data: TrainingData, plan: TrainingPlan, on_epoch: OnEpoch) -> None:
        """Train the defaults as the finals do."""
        self._train_on(data, plan, on_epoch, finals_regime(self.definition))

    def _train_on(self, data: TrainingData, plan: TrainingPlan, on_epoch: OnEpoch, regime: Regime) -> None:
        release_memory()
        checkpoint = self._checkpoint(writer=3)
        checkpoint.delete()
        setup = TrainingSetup(
            space=self.space,
            objective=self.definition.objective,
            # It is a part of each epoch.
            scoring=open_scoring(self.definition),
            regime=regime.without_warmup(),
        )
        hyperparameters = fixed_hyperparameters(self._default_values)
        fit(
            setup,
            FitRequest(hyperparameters=hyperparameters, data=data, plan=plan, on_epoch=on_epoch, checkpoint=checkpoint),
        )

    @property
    def begins_alike(self) -> bool:
        """Whether models of the defaults began with the same weights in trial and retraining, whose seeds differ."""
        return len(self._beginnings) > 1 and len(set(self._beginnings)) == 1

    @property
    def answers_depend_on_others(self) -> bool:
        """Whether the retrained model answers otherwise for an image where the others of its batch are others."""
        images = self._train.images[: self._sample.n_few]
        together, again = self._answer(images), self._answer(images)
        # As many images: what is drawn at random may depend on their number.
        alike = self._answer(np.repeat(images[:1], len(images), axis=0))
        # A model with random answers cannot be compared.
        is_random = not np.array_equal(together, again)
        return not is_random and not np.allclose(alike[0], together[0], rtol=_ALIKE, atol=_ALIKE)

    def _answer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        model: Any = self._final
        with stdout_as_stderr():
            # Called directly: a few images take less time than to trace a prediction.
            answers = model(scale(images, white_of(model)))
        return np.asarray(keras.ops.convert_to_numpy(answers), np.float32)

    def time_answer(self, n_images: int) -> float | None:
        """Return the seconds of CPU time for one of so many images that the retrained model is shown; None without one.

        They are shown twice.
        """
        if self._final is None:
            return None
        images = np.resize(self._train.images, (n_images, *self.image_format.shape))
        predict_raw(self._final, images)
        began = time.process_time()
        predict_raw(self._final, images)
        return (time.process_time() - began) / n_images

    def predict(self, model: keras.Model | None = None) -> NDArray[np.float32]:
        """Return a model's probabilities for the few training images; None means the retrained model."""
        model = model or self._final
        return predict_probabilities(model, self._train.images[: self._sample.n_few])

    def store_bundle(self) -> Bundle:
        """Write the retrained model as a bundle and read it back."""
        description = BundleDescription(
            space=self.space.name,
            hyperparameters=self._default_values,
            images=self.image_format,
            image_range=self.definition.data.images,
            provenance=Provenance(
                study=self.definition.name, trial=0, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256=""
            ),
        )
        write_bundle(self._store, _BUNDLE, self._final, description, sources=self.space.sources)
        return read_bundle(self._folder / _BUNDLE)

    def _run_trial(
        self,
        number: int,
        *,
        space: Space | None = None,
        epochs: int = _EPOCHS,
        on_epoch: OnEpoch = lambda _: None,
        checkpoint: Checkpoint | None = None,
    ) -> OptunaHyperParameters:
        definition = self.definition
        hyperparameters = self._hyperparameters(number)
        # As a worker does between two trials; otherwise the numbers in layer names would continue.
        release_memory()
        setup = TrainingSetup(
            space=space or self.space,
            objective=definition.objective,
            scoring=open_scoring(definition),
            regime=search_regime(definition).without_warmup(),
            initial=open_weights(definition.search, self.image_format, sha256=None),
        )
        request = FitRequest(
            hyperparameters=hyperparameters,
            data=TrainingData(train=self._train, validation=self._validation),
            plan=self._plan(seed=trial_seed(definition.seed, number), epochs=epochs),
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            open_callbacks=tried_callbacks(definition),
            on_model=(lambda _: None) if number else self._note_beginning,
        )
        fit(setup, request)
        return hyperparameters

    def _note_beginning(self, model: keras.Model) -> None:
        digest = hashlib.sha256()
        for weight in model.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
        self._beginnings.append(digest.hexdigest())

    def _plan(self, *, seed: int, epochs: int) -> TrainingPlan:
        definition = self.definition
        return TrainingPlan(
            epochs=epochs, seed=seed, batch_size=definition.search.batch_size, labels=definition.data.labels
        )

    def _build_eager(self, hyperparameters: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
        model = self.space.build(hyperparameters, images)
        model.run_eagerly = True
        return model

    def _hyperparameters(self, number: int) -> OptunaHyperParameters:
        definition = self.definition
        trial = self._open_trial(number)
        hyperparameters = OptunaHyperParameters(
            trial, fixed=definition.fixed, grid=definition.search.grid, ranges=definition.ranges
        )
        # The same mapping, not a copy: after a failure of the builder it holds the values that were asked for.
        self.values = hyperparameters.values
        return hyperparameters

    def _open_trial(self, number: int) -> optuna.Trial:
        study = self._optuna = self._optuna or self._open_optuna_study()
        while len(self._trials) <= number:
            study.sampler = make_sampler(
                self.definition.search, study_seed=self.definition.seed, trial_number=len(self._trials)
            )
            self._trials.append(study.ask())
        return self._trials[number]

    def _open_optuna_study(self) -> optuna.Study:
        """Return a study in memory whose first trial takes the defaults."""
        directions = [measure.direction for measure in self.definition.measures]
        study = optuna.create_study(directions=directions, pruner=optuna.pruners.NopPruner())
        for values in self.beginnings:
            study.enqueue_trial(dict(values))
        return study

    def _checkpoint(self, *, writer: int) -> Checkpoint:
        return Checkpoint(self._store, "checkpoint", writer=writer)
