"""What the model of a trial needs, measured before its first epoch, and the limits that its study sets to it."""

import logging
from collections.abc import Callable, Collection

import keras
import optuna

from tuner.errors import TunerError, shorten
from tuner.jobs.context import JobContext
from tuner.objectives import COSTS
from tuner.studies.sections.constraints import describe_violation
from tuner.studies.trials import read_costs, store_costs
from tuner.training.costs import count_weights, measure_latency
from tuner.training.devices import DeviceLostError, DeviceMemoryError, translate_device_errors

_log = logging.getLogger(__name__)


class ConstraintViolatedError(TunerError):
    """The model of a trial is beyond a limit of its study; the trial ends with it."""


class CostUnknownError(TunerError):
    """A cost that the study optimises or limits cannot be measured of a model."""


class TrialCosts:
    """The costs of one trial's model, measured once, whatever happens to its workers: the next one finds them stored.

    Args:
        context: The trial's.
        trial: In Optuna, where costs and constraints are stored.
        shape: Of an image: height, width, channels.
        on_note: Takes a sentence for people.
    """

    def __init__(
        self,
        context: JobContext,
        trial: optuna.Trial,
        shape: tuple[int, int, int],
        *,
        on_note: Callable[[str], None],
    ) -> None:
        #: By the names of `COSTS`; empty before a model was built.
        self.measured = read_costs(trial)
        self._context, self._trial, self._shape, self._on_note = context, trial, shape, on_note

    def measure(self, model: keras.Model) -> None:
        """Measure a model that was built, unless one was, and tell samplers how far it is from the study's limits.

        Raises:
            ConstraintViolatedError: It is beyond one of them.
            CostUnknownError: An objective or a limit of the study cannot be measured.
            LeaseLostError: Another worker has the trial.
        """
        definition = self._context.study.definition
        needed = {other.name for other in definition.others if other.name in COSTS} | {
            each.cost.name for each in definition.constraints
        }
        if not self.measured:
            self.measured = measure_costs(model, self._shape, needed=needed, on_note=self._on_note)
            trial_id = self._trial._trial_id  # noqa: SLF001 - Optuna has no public way from a trial to its id
            store_costs(self._context.storage, self._context.lease, trial_id, self.measured)
        known = self._trial.constraints
        for each in definition.constraints:
            if str(each) not in known:
                self._trial.set_constraint(str(each), each.excess(self.measured[each.cost.name]))
        if violated := describe_violation(definition.constraints, self.measured):
            raise ConstraintViolatedError(f"Ended before its first epoch: its model has {violated}.")


def measure_costs(
    model: keras.Model,
    shape: tuple[int, int, int],
    *,
    needed: Collection[str] = (),
    on_note: Callable[[str], None],
) -> dict[str, float]:
    """Return what a built model needs.

    Args:
        model: Built and compiled.
        shape: Of an image: height, width, channels.
        needed: Names of costs without which the job cannot go on.
        on_note: Called with the reason why another one is missing.

    Raises:
        CostUnknownError: One of those needed cannot be measured.
        DeviceMemoryError, DeviceLostError: The device failed.
    """
    costs = count_weights(model)
    try:
        with translate_device_errors():
            costs |= measure_latency(model, shape)
    except (DeviceMemoryError, DeviceLostError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {shorten(' '.join(str(error).split()), width=200)}"
        if "latency_ms" in needed:
            raise CostUnknownError(f"Its {COSTS['latency_ms'].label} cannot be measured: {reason}") from error
        _log.warning("The latency of the model was not measured: %s", reason)
        on_note(f"Its {COSTS['latency_ms'].label} was not measured: {reason}")
    return costs
