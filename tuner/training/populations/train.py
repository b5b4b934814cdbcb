"""Train several models of equal structure as one program, on JAX; each member's result is what it would be alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError
from tuner.training.checkpoint import stored_however_it_ends
from tuner.training.devices import translate_device_errors
from tuner.training.free_numbers import numbers_alike, plan_alike
from tuner.training.history import TrainingHistory
from tuner.training.opening import open_run
from tuner.training.plan import Part, TrainingData, TrainingPlan
from tuner.training.populations.cache import POPULATIONS, PopulationCache
from tuner.training.populations.epochs import PopulationEpochs, PopulationRun
from tuner.training.populations.widths import WidthChoice
from tuner.training.programs import find_excess, find_refusal
from tuner.training.programs.cache import ProgramCache, describe_model
from tuner.training.programs.interface import find_backend
from tuner.training.request import RunRequest
from tuner.training.run import TrainingRun
from tuner.training.session import PROGRAMS
from tuner.training.variables import state_variables
from tuner.training_settings import Training

#: Rules of training that a population does not have: its validation sees the weights as they are, and its images count
#: alike.
_RULES_ALONE = ("ema_momentum", "class_weights")


class UnlikeMembersError(TunerError):
    """These models cannot be trained as one program; each can be trained alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Member(RunRequest):
    """One model of a population; callbacks do not watch it."""

    #: None: all images of the population.
    part: Part | None = None


def train_population(
    members: Sequence[Member],
    data: TrainingData | LabelledImages,
    *,
    width: WidthChoice | None = None,
    is_one_job: bool = False,
    programs: ProgramCache = PROGRAMS,
    populations: PopulationCache = POPULATIONS,
) -> list[TrainingHistory | Exception]:
    """Train compiled models as one program, each from the epoch after its checkpoint's last one.

    They may differ in seeds, in the learning rate and in free numbers, see `free_numbers`. A member whose `on_epoch`
    raises, or whose loss is not finite, leaves; the others go on.

    Args:
        members: What is trained.
        data: The images of all; or those of which each member has its own part, as many as the others.
        width: Chooses how many are trained at once; None: all.
        is_one_job: What ends a member ends all, and is raised.
        programs: For members that are trained one at a time.
        populations: Where the program of the last population is found, and this one's is kept.

    Returns:
        For each member its history, or what ended it.

    Raises:
        UnlikeMembersError: They are not of equal structure, Keras' own loop must train them, or a plan has a rule of
            training that a population has not. No epoch was trained.
        DeviceMemoryError: They do not fit into the device's memory together.
    """
    with translate_device_errors(), stored_however_it_ends(member.checkpoint for member in members):
        runs = [_start_run(member, data, programs) for member in members]
        trainings = [run.training for run in runs]
        _refuse_unlike(trainings)
        pool = data if isinstance(data, LabelledImages) else None
        choice = width or WidthChoice.fixed(len(members))
        with populations.open(trainings, pool, choice) as population:
            return PopulationEpochs(runs, population, choice, is_one_job=is_one_job).train()


def find_reason_to_train_alone(model: keras.Model, data: TrainingData, plan: TrainingPlan) -> str | None:
    """Return why no population can have this model, whatever the others are; None where one can."""
    if keras.backend.backend() != "jax":
        return f"Keras runs on {keras.backend.backend()}, and JAX alone can map a step over several models"
    if not model.compiled or plan.parts is not None:
        return "the first epochs have a part of the images" if model.compiled else "the model is not compiled"
    if asked := [name for name in _RULES_ALONE if getattr(plan.training, name) != getattr(Training(), name)]:
        return f"the rules of training have {' and '.join(asked)}"
    if refusal := find_refusal(model):
        return f"Keras' own loop must train such models: {refusal}"
    if excess := find_excess(data):
        # Each member has an order of its own, so that no chunk would serve all of them.
        return f"images are streamed to each model alone: {excess}"
    own_parts = "the model has parts that are not Keras' own, or weights that are frozen for some epochs"
    return own_parts if describe_model(model) is None else None


def describe_member(model: keras.Model) -> str | None:
    """Return all that a population's program has of a member as constants, see `cache.describe_model`."""
    with numbers_alike(model):
        return describe_model(model)


def are_alike(member: Member, other: Member) -> bool:
    """Say whether two members differ in no more than members of one population may."""
    return plan_alike(member.plan) == plan_alike(other.plan) and describe_member(member.model) == describe_member(
        other.model
    )


def find_reason_not_to_try() -> str | None:
    """Return why a population is known not to pay here, whatever the models; None where it may.

    On 2 CPU cores 16 dense nets took 0.9 to 1.3 times the processor seconds of one program after another, and
    convolutions three times as long, see `docs/experiments.md`.
    """
    backend = find_backend()
    on_cpu = backend is None or backend.count_gpus() == 0
    return "on a CPU several models at once are no faster, and alone they are repeated bit for bit" if on_cpu else None


def count_that_fit(model: keras.Model) -> int:
    """Return how many such models may be trained at once without filling more than half of the free memory."""
    backend = find_backend()
    n_bytes = sum(variable.value.nbytes for part in state_variables(model) for variable in part)
    # In the models, stacked, once more after a step, and gradients and activations of about that size.
    return max(1, int(0.5 * (0 if backend is None else backend.free_memory_bytes()) / max(1, 4 * n_bytes)))


def _start_run(member: Member, data: TrainingData | LabelledImages, programs: ProgramCache) -> PopulationRun:
    if member.part is None:
        if isinstance(data, LabelledImages):
            raise ValueError("Received a member without a part of the images. Expected one for each.")
        own = data
    else:
        own = member.part.data
    run = open_run(member, own, programs)
    run.accept_soft_targets()
    return PopulationRun(training=run, is_stored=member.checkpoint is not None, part=member.part)


def _refuse_unlike(runs: Sequence[TrainingRun]) -> None:
    """Raise `UnlikeMembersError` unless one program can train them all."""
    first = runs[0]
    reason = find_reason_to_train_alone(first.model, first.data, first.plan)
    if reason is not None:
        raise UnlikeMembersError(f"Received models that are trained alone: {reason}.")
    described = describe_member(first.model)
    if any(describe_member(run.model) != described for run in runs[1:]):
        raise UnlikeMembersError("Received models that differ in more than their variables. Expected equal ones.")
    if any(plan_alike(run.plan) != plan_alike(first.plan) for run in runs):
        raise UnlikeMembersError("Received plans that differ in more than their seeds. Expected equal ones.")
    if any(_sizes(run.data) != _sizes(first.data) for run in runs):
        raise UnlikeMembersError("Received different numbers of images. Expected equal ones.")


def _sizes(data: TrainingData) -> tuple[int, int]:
    return len(data.train), len(data.validation or ())
