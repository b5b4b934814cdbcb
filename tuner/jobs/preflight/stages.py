"""What is tried, in this order: one trial of the search and one final, from the builder to the bundle.

A new stage is one function, and one line in `STAGES`.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.errors import TunerError
from tuner.jobs.failures import describe_failure
from tuner.jobs.grid import check_grid
from tuner.jobs.hyperparameters import declared_parameters
from tuner.jobs.initial_trials import default_answers, first_trials
from tuner.jobs.preflight.rehearsal import Rehearsal
from tuner.jobs.preflight.trying import collected_warnings
from tuner.jobs.space_check import check_space
from tuner.spaces.builder_errors import BuilderError
from tuner.spaces.registry import open_space
from tuner.training.devices import DeviceMemoryError
from tuner.training.run import NanLossError

_log = logging.getLogger(__name__)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")

#: Trials that are tried after that of the defaults: what the search begins with beside them, and what is drawn.
_MOST_BEGINNINGS, N_DRAWN = 2, 3
#: Of probabilities, between those of a model and those of its bundle's.
_TOLERANCE = 1e-4


class StageError(TunerError):
    """What a stage saw is not what search or finals need."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One thing to try."""

    #: As people read it.
    name: str
    #: Raises what would fail; logs what is to be told.
    run: Callable[[Rehearsal], None]
    #: Left out where there are no finals.
    of_finals: bool = False
    #: Where it fails on a few images it is tried again with more.
    trains: bool = False


def run_stage(stage: Stage, rehearsal: Rehearsal) -> None:
    """Run a stage, and once more with more images where training fails.

    A person's own `fit` may divide what it is given, or make batches of a fixed size, for which a few are too few.
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
    """Return one line on what a stage raised."""
    if isinstance(error, Exception):
        # Keras prints parts of its messages in bold.
        return _ANSI.sub("", describe_failure(error).message)
    return f"the builder or fit raised {type(error).__name__}: {error}"


def open_builder(rehearsal: Rehearsal) -> None:
    """Import the space."""
    rehearsal.space = open_space(rehearsal.definition.space)


def find_hyperparameters(rehearsal: Rehearsal) -> None:
    """Build with defaults, and once for each conditional scope; check what the definition says of hyperparameters."""
    definition, space = rehearsal.definition, rehearsal.space
    declared = declared_parameters(space, rehearsal.image_format, fixed=definition.fixed)
    check_grid(definition.search, declared)
    rehearsal.defaults = default_answers(declared)
    rehearsal.first_trials = first_trials(
        definition.search, declared, fixed=definition.fixed, earlier_trials=rehearsal.earlier_trials
    )
    for warning in check_space(space, rehearsal.train_images, declared, definition):
        _log.warning("%s", warning)


def train_with_defaults(rehearsal: Rehearsal) -> None:
    """Train and validate an epoch."""
    if rehearsal.definition.objective.of(rehearsal.interrupt_trial()) is None:
        # To the end, where the reason is known.
        rehearsal.train_trial(0)


def resume_in_the_middle(rehearsal: Rehearsal) -> None:
    """Let a fresh model go on from the checkpoint."""
    interrupted = rehearsal.interrupt_trial()
    # What it logs tells of the state of a worker's trial.
    with collected_warnings() as reasons:
        epochs = rehearsal.resume_trial()
    if epochs[:1] != [interrupted]:
        # Of "Begun anew at epoch 1 …: REASON" and of "Passed over the checkpoint …: REASON".
        reason = next((line.partition(": ")[2] for line in reversed(reasons)), "this fit has no initial_epoch")
        _log.warning("a killed trial begins anew: %s", reason)


def try_what_is_drawn(rehearsal: Rehearsal) -> None:
    """Build the models of the trials that would come next, and train an epoch where the builder is a person's own."""
    n_beginnings = sum(values != rehearsal.defaults for values in rehearsal.first_trials)
    n_trials = min(n_beginnings, _MOST_BEGINNINGS) + N_DRAWN
    failures: list[Exception] = []
    lines: list[str] = []
    for number in range(1, n_trials + 1):
        try:
            rehearsal.try_trial(number)
        except Exception as error:  # noqa: BLE001 - whatever a person's builder raises
            lines.append(f"{explain(error)}, with {_list_values(rehearsal)}")
            # Of the values alone: a search tells such trials and goes on.
            if not isinstance(error, NanLossError | DeviceMemoryError | MemoryError):
                failures.append(error)
    if len(failures) == n_trials:
        raise failures[0]
    for line in lines:
        _log.warning("%s", line)


def retrain(rehearsal: Rehearsal) -> None:
    """Retrain as finals do: augmented, annealed, on their images."""
    rehearsal.retrain()


def predict(rehearsal: Rehearsal) -> None:
    """Ask the retrained model for probabilities, as the test does."""
    probabilities = rehearsal.predict()
    n_classes = rehearsal.image_format.n_classes
    if probabilities.shape[1:] != (n_classes,):
        raise StageError(f"The model predicts {probabilities.shape[1:]} numbers an image, expected ({n_classes},).")
    if not np.isfinite(probabilities).all():
        raise StageError("The retrained model predicts NaN or infinity. Expected probabilities.")


def keep_bundle(rehearsal: Rehearsal) -> None:
    """Write the retrained model as a bundle, rebuild it from there, and compare the predictions."""
    before, again = rehearsal.predict(), rehearsal.predict()
    after = rehearsal.predict(rehearsal.store_bundle().build_model())
    difference = float(np.abs(after - before).max())
    # What draws at random when it predicts cannot be compared.
    if difference > _TOLERANCE and np.array_equal(before, again):
        raise StageError(
            f"The model rebuilt from its bundle gives probabilities that differ by up to {difference:.2g}. Expected "
            "the same: all that a model learns must be in its weights, and `build` must depend on nothing but hp."
        )


def _list_values(rehearsal: Rehearsal) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in rehearsal.values.items()) or "no hyperparameters"


STAGES: Sequence[Stage] = (
    Stage(name="space", run=open_builder),
    Stage(name="search, hyperparameters", run=find_hyperparameters),
    Stage(name="search, training", run=train_with_defaults, trains=True),
    Stage(name="search, resuming", run=resume_in_the_middle, trains=True),
    Stage(name="search, drawn values", run=try_what_is_drawn, trains=True),
    Stage(name="finals, retraining", run=retrain, of_finals=True, trains=True),
    Stage(name="finals, predictions", run=predict, of_finals=True),
    Stage(name="finals, bundle", run=keep_bundle, of_finals=True),
)
