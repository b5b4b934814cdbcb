"""Build and train a configuration several times as one program: folds of a trial, or repeats with other seeds."""

from collections.abc import Callable, Sequence

import keras

from tuner.datasets.images import LabelledImages
from tuner.jobs.fitting.costs import ConstraintViolatedError, CostUnknownError
from tuner.jobs.fitting.fit import FitRequest, Fitted, build_model, refuse_no_score, tell_once, to_fitted
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.interruptions import LetGoError
from tuner.jobs.study.starting_weights import weights_for
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.sections.search import AtOnce
from tuner.training.history import TrainingHistory
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.populations.train import (
    Member,
    UnlikeMembersError,
    are_alike,
    count_that_fit,
    find_reason_not_to_try,
    find_reason_to_train_alone,
    train_population,
)
from tuner.training.populations.widths import WidthChoice
from tuner.training.session import release_memory


def fit_at_once(
    setup: TrainingSetup,
    requests: Sequence[FitRequest],
    *,
    at_once: AtOnce,
    images: LabelledImages | None = None,
    is_one_job: bool = False,
) -> list[Fitted | Exception]:
    """Build the models and train them; each result equals that of `fit`.

    Args:
        setup: What the trainings have in common; `find_reason_against` has found nothing against it.
        requests: What differs between them. None has callbacks or data for a `fit` of the user's own.
        at_once: How many are trained at once.
        images: Of which each request has its part; None: all have the same data.
        is_one_job: As in `train_population`.

    Returns:
        For each request its result, or what ended it, such as a model beyond a limit of the study; `LetGoError` for one
        that must be trained alone, because of the values that it has drawn.

    Raises:
        UnlikeMembersError: Each must be trained alone; no epoch was trained.
        BuilderError: As in `fit`; so are the others.
    """
    members: dict[int, Member] = {}
    found: dict[int, Fitted | Exception] = {}
    first: FitRequest | None = None
    for index, request in enumerate(requests):
        try:
            member = _build(setup, request)
        except (ConstraintViolatedError, CostUnknownError) as error:
            if is_one_job:
                raise
            found[index] = error
            continue
        if first is None:
            first, leader = request, member
            refuse_alone(member.model, request.data, member.plan)
        elif request.hyperparameters.values != first.hyperparameters.values and not are_alike(member, leader):
            found[index] = LetGoError()
            continue
        members[index] = member
    trained = list(members.values())
    if first is not None:
        width, data = _choose_width(trained, at_once), first.data if images is None else images
        ends = train_population(trained, data, width=width, is_one_job=is_one_job)
        for (index, member), end in zip(members.items(), ends, strict=True):
            found[index] = _conclude(setup, member, requests[index], end)
    return [found[index] for index in range(len(requests))]


def _build(setup: TrainingSetup, request: FitRequest) -> Member:
    # As between two trials: layers have the same names in all of them.
    release_memory()
    model = build_model(setup, request)
    request.on_model(model)
    return Member(
        model=model,
        plan=setup.settle(request.plan, request.hyperparameters),
        on_epoch=request.on_epoch,
        on_note=tell_once(request.on_note),
        checkpoint=request.checkpoint,
        utility=setup.utility,
        scoring=setup.scoring,
        initial=weights_for(model, setup.initial),
        part=request.part,
    )


def refuse_alone(model: keras.Model, data: TrainingData, plan: TrainingPlan) -> None:
    """Raise `UnlikeMembersError` for a model with which no other can be trained."""
    reason = find_reason_to_train_alone(model, data, plan)
    if reason is not None:
        raise UnlikeMembersError(reason)


def _choose_width(members: Sequence[Member], at_once: AtOnce) -> WidthChoice:
    if at_once == "auto":
        return WidthChoice(most=min(len(members), count_that_fit(members[0].model)))
    return WidthChoice.fixed(min(len(members), at_once))


def _conclude(
    setup: TrainingSetup, member: Member, request: FitRequest, end: TrainingHistory | Exception
) -> Fitted | Exception:
    if isinstance(end, Exception):
        return end
    try:
        refuse_no_score(request.data, end, setup)
    except Exception as error:  # noqa: BLE001 - returned, beside the results of the others
        return error
    return to_fitted(member.model, end, member.plan, request.data, asked_data=request.data)


def find_reason_against(definition: StudyDefinition, open_space: Callable[[], Space], at_once: AtOnce) -> str | None:
    """Return why trainings of a study are not put together, before a model is built; None where they may be."""
    if at_once == 1:
        return "search.at_once is 1"
    if keras.backend.backend() != "jax":
        return f"Keras runs on {keras.backend.backend()}, and JAX alone can map a step over several models"
    if at_once == "auto" and (reason := find_reason_not_to_try()):
        return reason
    if definition.callbacks:
        return "callbacks watch each training, and may change its model"
    if open_space().fit is not None:
        return "the space has its own `fit`"
    return None
