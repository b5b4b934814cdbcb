"""Build and train a configuration several times as one program: folds of a trial, or repeats with other seeds."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import keras_tuner

from tuner.datasets.images import LabelledImages
from tuner.jobs.fitting import Fitted, build_model, refuse_no_score, settle_plan, tell_once, to_fitted
from tuner.jobs.regime import Regime
from tuner.jobs.starting_weights import OpenedWeights, weights_for
from tuner.objectives import Objective
from tuner.spaces.space import Space
from tuner.studies.definition import StudyDefinition
from tuner.studies.sections import AtOnce
from tuner.training.checkpoint import Checkpoint
from tuner.training.history import TrainingHistory
from tuner.training.plan import Part, TrainingData, TrainingPlan
from tuner.training.population import (
    Member,
    UnlikeMembersError,
    count_that_fit,
    find_reason_not_to_try,
    find_reason_to_train_alone,
    train_population,
)
from tuner.training.run import OnEpoch, OnNote
from tuner.training.scoring import Scorings
from tuner.training.session import release_memory
from tuner.training.widths import WidthChoice

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitRequest:
    """One training of several; see `fitting.fit` for what its parts are."""

    hyperparameters: keras_tuner.HyperParameters
    data: TrainingData
    plan: TrainingPlan
    on_epoch: OnEpoch
    on_note: OnNote
    checkpoint: Checkpoint
    on_model: Callable[[keras.Model], None] = lambda _: None
    #: Its images among those that all are given; None: they are the same images for all.
    part: Part | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FitTogether:
    """What several trainings have in common, see `fitting.fit`."""

    space: Space
    regime: Regime
    objective: Objective
    scoring: Scorings
    initial: OpenedWeights | None
    at_once: AtOnce

    def fit(
        self, requests: Sequence[FitRequest], *, images: LabelledImages | None = None, is_one_job: bool = False
    ) -> list[Fitted | Exception]:
        """Build the models and train them; each comes to what `fitting.fit` comes to.

        Args:
            requests: What differs between them.
            images: Of which each request has its part; None: all have the same data.
            is_one_job: As in `train_population`.

        Returns:
            For each request its result, or what ended it.

        Raises:
            UnlikeMembersError: Each must be trained alone; no epoch was trained.
            BuilderError: As in `fitting.fit`; so are the others.
        """
        members: list[Member] = []
        for request in requests:
            members.append(self._build(request))
            if len(members) == 1:
                self.refuse_alone(members[0].model, request.data, members[0].plan)
        first = requests[0].data
        ends = train_population(
            members, first if images is None else images, width=self._choose_width(members), is_one_job=is_one_job
        )
        return [
            self._conclude(member, request, end) for member, request, end in zip(members, requests, ends, strict=True)
        ]

    def _build(self, request: FitRequest) -> Member:
        # As between two trials: layers have the same names in all of them.
        release_memory()
        model = build_model(
            self.space, request.hyperparameters, request.data, seed=request.plan.seed, checkpoint=request.checkpoint
        )
        request.on_model(model)
        return Member(
            model=model,
            plan=self.settle(request.plan, request.hyperparameters),
            on_epoch=request.on_epoch,
            on_note=tell_once(request.on_note),
            checkpoint=request.checkpoint,
            utility=lambda epoch: self.objective.utility(self.objective.of(epoch)),
            scoring=self.scoring,
            initial=weights_for(model, self.initial),
            part=request.part,
        )

    def settle(self, plan: TrainingPlan, hyperparameters: keras_tuner.HyperParameters) -> TrainingPlan:
        """Return how a configuration is trained, see `fitting.settle_plan`."""
        return settle_plan(plan, self.regime, hyperparameters)

    def refuse_alone(self, model: keras.Model, data: TrainingData, plan: TrainingPlan) -> None:
        """Raise `UnlikeMembersError` for a model with which no other can be trained."""
        reason = find_reason_to_train_alone(model, data, plan)
        if reason is not None:
            raise UnlikeMembersError(reason)

    def _choose_width(self, members: Sequence[Member]) -> WidthChoice:
        if self.at_once == "auto":
            return WidthChoice(most=min(len(members), count_that_fit(members[0].model)))
        return WidthChoice.fixed(min(len(members), self.at_once))

    def _conclude(self, member: Member, request: FitRequest, end: TrainingHistory | Exception) -> Fitted | Exception:
        if isinstance(end, Exception):
            return end
        try:
            refuse_no_score(request.data, end, self.objective, self.scoring)
        except Exception as error:  # noqa: BLE001 - told to the caller, beside what the others come to
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
