"""The stages in their order: one trial of the search and one final, from the builder to the bundle.

A new stage needs one function and one line in `STAGES`.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from tuner.errors import TunerError
from tuner.jobs.failures import describe_failure
from tuner.jobs.fitting.callbacks import make_callbacks
from tuner.jobs.fitting.regime import asking_regime
from tuner.jobs.hyperparameters.factors import plan_comparison
from tuner.jobs.hyperparameters.grid import check_grid
from tuner.jobs.hyperparameters.hp import declared_parameters
from tuner.jobs.hyperparameters.initial_trials import default_answers, first_trials
from tuner.jobs.hyperparameters.prior_draws import check_priors
from tuner.jobs.preflight.pretrained_check import check_pretrained
from tuner.jobs.preflight.rehearsal import Rehearsal
from tuner.jobs.preflight.space_check import check_space
from tuner.jobs.preflight.trying import collected_warnings
from tuner.jobs.study.scoring import list_objectives, open_scoring
from tuner.jobs.study.space import open_definition_space
from tuner.objectives import OBJECTIVES
from tuner.spaces.builder_errors import BuilderError
from tuner.studies.priors import describe_unused
from tuner.studies.sections.objectives import direction_of
from tuner.studies.sections.search import ONE_FACTOR
from tuner.studies.slots.outcomes import SearchJob
from tuner.training.devices import DeviceMemoryError
from tuner.training.run import NanLossError

_log = logging.getLogger(__name__)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")

#: Numbers of trials after the one with the defaults: other first trials of the search, and drawn trials.
_MOST_BEGINNINGS, N_DRAWN = 2, 3
#: Seconds in which a study of one factor at a time, which draws nothing, tries as many configurations as it can.
_COMPARING_S = 30.0
#: Largest difference between the probabilities of a model and of the model rebuilt from its bundle.
_TOLERANCE = 1e-4


class StageError(TunerError):
    """The result of a stage is not what search or finals need."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One thing to try."""

    #: Its name for people.
    name: str
    #: Raises the error that the study would raise; logs warnings.
    run: Callable[[Rehearsal], None]
    #: Skipped if the study has no finals.
    of_finals: bool = False
    #: If it fails on a few images, it is tried again with more.
    trains: bool = False


def run_stage(stage: Stage, rehearsal: Rehearsal) -> None:
    """Run a stage; if training fails, run it once more with more images.

    The user's own `fit` may split its images, or need batches of a fixed size, for which the sample is too small.
    """
    try:
        with collected_warnings() as warnings:
            stage.run(rehearsal)
    except (BuilderError, StageError):
        raise
    except Exception:
        if not stage.trains or not rehearsal.take_more_images():
            raise
        stage.run(rehearsal)
    else:
        for warning in warnings:
            _log.warning("%s", warning)


def explain(error: BaseException) -> str:
    """Return one line on an exception of a stage."""
    if isinstance(error, Exception):
        # Keras prints parts of its messages in bold.
        return _ANSI.sub("", describe_failure(error).message)
    return f"the builder or fit raised {type(error).__name__}: {error}"


def open_builder(rehearsal: Rehearsal) -> None:
    """Import the space, and make the definition's callbacks, which the trainings of later stages call."""
    make_callbacks(rehearsal.definition)
    rehearsal.space = asking_regime(open_definition_space(rehearsal.definition), rehearsal.definition)


def open_objective(rehearsal: Rehearsal) -> None:
    """Find what measures the scores; say which end is taken for the better one where nobody said it."""
    definition = rehearsal.definition
    objectives, n_classes = list_objectives(definition), rehearsal.image_format.n_classes
    open_scoring(definition)
    for objective in objectives:
        if objective.name not in OBJECTIVES and direction_of(definition.search, objective.name) is None:
            setting = "search.directions" if definition.others else "search.direction"
            _log.warning(
                'the %s is maximized, as %s is not set; set it to "minimize" if less is better',
                objective.label,
                setting,
            )
    if any(one.name == "top_k_accuracy" for one in objectives) and definition.search.top_k >= n_classes:
        raise StageError(
            f"search.top_k is {definition.search.top_k}, and there are {n_classes} classes: every answer would be "
            f"right. Expected search.top_k below {n_classes}."
        )


def find_hyperparameters(rehearsal: Rehearsal) -> None:
    """Build with the defaults and once for each conditional scope; check the definition's hyperparameters."""
    definition, space = rehearsal.definition, rehearsal.space
    # Before models are built, which takes seconds for large nets.
    check_pretrained(definition)
    declared = declared_parameters(space, rehearsal.image_format, fixed=definition.fixed, ranges=definition.ranges)
    check_grid(definition.search, declared)
    check_priors(declared, definition.ranges)
    if unused := describe_unused(definition.search, definition.ranges):
        _log.warning("%s", unused)
    rehearsal.defaults = default_answers(declared)
    if definition.search.sampler == ONE_FACTOR:
        rehearsal.first_jobs = plan_comparison(definition, space, rehearsal.image_format, declared)
    else:
        beginnings = first_trials(
            definition.search, declared, fixed=definition.fixed, earlier_trials=rehearsal.earlier_trials
        )
        rehearsal.first_jobs = [SearchJob(values=values) for values in beginnings]
    for warning in check_space(space, rehearsal.train_images, declared, definition, sizes=rehearsal.sizes):
        _log.warning("%s", warning)


def train_with_defaults(rehearsal: Rehearsal) -> None:
    """Train and validate an epoch."""
    if rehearsal.definition.objective.of(rehearsal.interrupt_trial()) is None:
        # Train it to its end, where the reason is raised.
        rehearsal.train_trial(0)


def resume_in_the_middle(rehearsal: Rehearsal) -> None:
    """Resume with a new model from the checkpoint."""
    interrupted = rehearsal.interrupt_trial()
    # Its log lines describe a worker's trial, so only their reason is reported.
    with collected_warnings() as reasons:
        epochs = rehearsal.resume_trial()
    if epochs[:1] != [interrupted]:
        # The reason in "Restarted at epoch 1 …: REASON" and in "Passed over the checkpoint …: REASON".
        reason = next((line.partition(": ")[2] for line in reversed(reasons)), "this fit has no initial_epoch")
        _log.warning("a killed trial restarts at epoch 1: %s", reason)


def try_what_is_drawn(rehearsal: Rehearsal) -> None:
    """Build the models of the next trials; if the builder is the user's own, also train each for an epoch."""
    n_tried = 0
    failures: list[Exception] = []
    lines: list[str] = []
    for number in _numbers_to_try(rehearsal):
        n_tried += 1
        try:
            rehearsal.try_trial(number)
        except Exception as error:  # noqa: BLE001 - the user's builder may raise anything
            lines.append(f"{explain(error)}, with {_list_values(rehearsal)}")
            # These failures come from the values: a search continues after such trials.
            if not isinstance(error, NanLossError | DeviceMemoryError | MemoryError):
                failures.append(error)
    if len(failures) == n_tried:
        raise failures[0]
    for line in lines:
        _log.warning("%s", line)


def _numbers_to_try(rehearsal: Rehearsal) -> Iterator[int]:
    """Yield the numbers of trials after the one with the defaults, at least one."""
    n_beginnings = len(rehearsal.beginnings) - 1
    if rehearsal.definition.search.sampler == ONE_FACTOR:
        began = time.monotonic()
        yield from takewhile(lambda _: time.monotonic() - began < _COMPARING_S, range(1, n_beginnings + 1))
    else:
        yield from range(1, min(n_beginnings, _MOST_BEGINNINGS) + N_DRAWN + 1)


def retrain(rehearsal: Rehearsal) -> None:
    """Retrain as in the finals, with augmentation, annealing and their images."""
    rehearsal.retrain()
    if rehearsal.begins_alike:
        _log.warning(
            "models begin with the same weights whatever the seed, as the builder sets a seed itself or all initial "
            "weights are fixed: confirmations and repeats differ less than models of other seeds would"
        )


def predict(rehearsal: Rehearsal) -> None:
    """Predict probabilities with the retrained model, as the test does."""
    probabilities = rehearsal.predict()
    n_classes = rehearsal.image_format.n_classes
    if probabilities.shape[1:] != (n_classes,):
        raise StageError(f"The model predicts {probabilities.shape[1:]} numbers per image, expected ({n_classes},).")
    if not np.isfinite(probabilities).all():
        raise StageError("The retrained model predicts NaN or infinity. Expected probabilities.")
    if rehearsal.answers_depend_on_others:
        _log.warning(
            "the model's answer for an image depends on the other images of its batch, as with Softmax(axis=0) or "
            "BatchNormalization called with training=True: its accuracy holds for the batches of validation and test, "
            "and not for pictures that come alone"
        )


def keep_bundle(rehearsal: Rehearsal) -> None:
    """Write the retrained model as a bundle, rebuild it from the bundle, and compare the predictions."""
    before, again = rehearsal.predict(), rehearsal.predict()
    after = rehearsal.predict(rehearsal.store_bundle().build_model())
    difference = float(np.abs(after - before).max())
    # A model with random predictions cannot be compared.
    if difference > _TOLERANCE and np.array_equal(before, again):
        raise StageError(
            f"The model rebuilt from its bundle gives probabilities that differ by up to {difference:.2g}. Expected "
            "the same: everything that a model learns must be in its weights, and `build` must depend only on hp."
        )


def _list_values(rehearsal: Rehearsal) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in rehearsal.values.items()) or "no hyperparameters"


STAGES: Sequence[Stage] = (
    Stage(name="space", run=open_builder),
    Stage(name="objective", run=open_objective),
    Stage(name="search, hyperparameters", run=find_hyperparameters),
    Stage(name="search, training", run=train_with_defaults, trains=True),
    Stage(name="search, resuming", run=resume_in_the_middle, trains=True),
    Stage(name="search, drawn values", run=try_what_is_drawn, trains=True),
    Stage(name="finals, retraining", run=retrain, of_finals=True, trains=True),
    Stage(name="finals, predictions", run=predict, of_finals=True),
    Stage(name="finals, bundle", run=keep_bundle, of_finals=True),
)
